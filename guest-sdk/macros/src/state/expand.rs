//! Generates the code of the derive. Requires a valid view.
//!
//! A derive cannot put attributes on its struct. Therefore a hidden twin of the struct has them, and serde's
//! support for remote types reads and writes the real struct through the twin.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use super::input::{Input, StateField};

pub(super) fn expand(input: &Input<'_>) -> TokenStream {
    let twin = twin(input);
    let default = default(input);
    let serde = serde_impls(input);
    let schema = schema_impl(input);
    let state = state_impl(input);
    let check_older = check_older(input);
    let check_fields = input.fields.iter().map(check_field);
    quote! {
        const _: () = {
            #check_older
            #(#check_fields)*
            #twin
            #default
            #serde
            #schema
            #state
        };
    }
}

/// Generates a check that reports a type that cannot be stored, with the fix. The report precedes the errors of the
/// derives below, which suggest a dependency that the author's crate does not have.
fn check_field(field: &StateField<'_>) -> TokenStream {
    let ty = field.ty;
    quote_spanned! {ty.span()=>
        const _: fn() = || ::highlander_sdk::__private::state_field::<#ty>();
    }
}

fn twin(input: &Input<'_>) -> TokenStream {
    let name = &input.item.ident;
    let name_text = name.to_string();
    let docs = crate::attr::named(&input.item.attrs, "doc");
    let fields = input.fields.iter().map(twin_field);
    let idents: Vec<_> = input.fields.iter().map(|field| field.ident).collect();
    quote! {
        #(#docs)*
        #[derive(
            ::highlander_sdk::__private::serde::Serialize,
            ::highlander_sdk::__private::serde::Deserialize,
            ::highlander_sdk::__private::schemars::JsonSchema,
        )]
        #[serde(
            crate = "::highlander_sdk::__private::serde",
            remote = #name_text,
            default,
            deny_unknown_fields,
        )]
        #[schemars(crate = "::highlander_sdk::__private::schemars")]
        #[allow(dead_code, reason = "only its shape is used")]
        struct __Twin {
            #(#fields)*
        }

        // The schema contains the defaults.
        #[automatically_derived]
        impl ::core::default::Default for __Twin {
            fn default() -> Self {
                let #name { #(#idents),* } = ::core::default::Default::default();
                __Twin { #(#idents),* }
            }
        }
    }
}

fn twin_field(field: &StateField<'_>) -> TokenStream {
    let StateField { ident, ty, docs, rename, aliases, .. } = field;
    let rename = rename.as_ref().map(|name| quote! { #[serde(rename = #name)] });
    quote! {
        #(#docs)*
        #rename
        #(#[serde(alias = #aliases)])*
        #ident: #ty,
    }
}

fn default(input: &Input<'_>) -> TokenStream {
    let name = &input.item.ident;
    let fields = input.fields.iter().map(|field| {
        let StateField { ident, ty, .. } = field;
        match &field.default {
            Some(value) => quote! { #ident: #value },
            None => {
                let value = quote_spanned! {ty.span()=>
                    <#ty as ::core::default::Default>::default()
                };
                quote! { #ident: #value }
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl ::core::default::Default for #name {
            fn default() -> Self {
                #name { #(#fields),* }
            }
        }
    }
}

fn serde_impls(input: &Input<'_>) -> TokenStream {
    let name = &input.item.ident;
    quote! {
        #[automatically_derived]
        impl ::highlander_sdk::__private::serde::Serialize for #name {
            fn serialize<S: ::highlander_sdk::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                __Twin::serialize(self, serializer)
            }
        }

        #[automatically_derived]
        impl<'de> ::highlander_sdk::__private::serde::Deserialize<'de> for #name {
            fn deserialize<D: ::highlander_sdk::__private::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                __Twin::deserialize(deserializer)
            }
        }
    }
}

fn schema_impl(input: &Input<'_>) -> TokenStream {
    let name = &input.item.ident;
    let aliases = input.fields.iter().flat_map(|field| {
        let name = field.json_name();
        field.aliases.iter().map(move |alias| quote! { (#name, #alias) })
    });
    quote! {
        #[automatically_derived]
        impl ::highlander_sdk::__private::schemars::JsonSchema for #name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                <__Twin as ::highlander_sdk::__private::schemars::JsonSchema>::schema_name()
            }

            fn schema_id() -> ::std::borrow::Cow<'static, str> {
                <__Twin as ::highlander_sdk::__private::schemars::JsonSchema>::schema_id()
            }

            fn json_schema(
                generator: &mut ::highlander_sdk::__private::schemars::SchemaGenerator,
            ) -> ::highlander_sdk::__private::schemars::Schema {
                let schema =
                    <__Twin as ::highlander_sdk::__private::schemars::JsonSchema>::json_schema(generator);
                ::highlander_sdk::__private::with_aliases(schema, generator, &[#(#aliases),*])
            }
        }
    }
}

fn state_impl(input: &Input<'_>) -> TokenStream {
    let Input { version, documentation, .. } = input;
    let name = &input.item.ident;
    let migrate = input.migrate_from.as_ref().map(migrate);
    let codec = match &input.codec {
        Some(codec) => quote! { #codec },
        None => quote! { ::highlander_sdk::JsonCodec },
    };
    quote! {
        #[automatically_derived]
        impl ::highlander_sdk::ObjectState for #name {
            const SCHEMA_VERSION: u32 = #version;
            const DOCUMENTATION: &'static str = #documentation;
            type Codec = #codec;
            #migrate
        }
    }
}

fn migrate(older: &Path) -> TokenStream {
    quote_spanned! {older.span()=>
        const OLDEST_VERSION: u32 = <#older as ::highlander_sdk::ObjectState>::OLDEST_VERSION;

        fn migrate(
            from_version: u32,
            snapshot: &[u8],
        ) -> ::core::result::Result<Self, ::highlander_sdk::RestoreError> {
            ::highlander_sdk::__private::migrate::<#older, Self>(from_version, snapshot)
        }
    }
}

/// Generates a constant that is evaluated even if nothing uses it.
fn check_older(input: &Input<'_>) -> Option<TokenStream> {
    let older = input.migrate_from.as_ref()?;
    let before = input.version.checked_sub(1)?;
    let message = format!(
        "`migrate_from` must name the state of version {before}, but this one has another \
         version; name the right one, or put `#[state(version = {before})]` on it"
    );
    Some(quote_spanned! {older.span()=>
        const _: () = ::core::assert!(
            <#older as ::highlander_sdk::ObjectState>::SCHEMA_VERSION == #before,
            #message
        );
    })
}
