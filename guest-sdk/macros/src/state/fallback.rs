//! Generates empty implementations for an invalid struct, so that the code around it causes no further errors.

use proc_macro2::TokenStream;
use quote::quote;

use super::input::Input;

pub(super) fn stubs(input: &Input<'_>) -> TokenStream {
    let name = &input.item.ident;
    let (generics, arguments, clause) = input.item.generics.split_for_impl();
    // A state cannot borrow or be generic, so stubs would not compile either.
    if !input.item.generics.params.is_empty() {
        return quote! {
            impl #generics ::core::default::Default for #name #arguments #clause {
                fn default() -> Self { ::core::unreachable!() }
            }
        };
    }
    quote! {
        const _: () = {
            use ::highlander_sdk::__private::{schemars, serde};

            impl ::core::default::Default for #name {
                fn default() -> Self { ::core::unreachable!() }
            }
            impl serde::Serialize for #name {
                fn serialize<S: serde::Serializer>(
                    &self,
                    _: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    ::core::unreachable!()
                }
            }
            impl<'de> serde::Deserialize<'de> for #name {
                fn deserialize<D: serde::Deserializer<'de>>(
                    _: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    ::core::unreachable!()
                }
            }
            impl schemars::JsonSchema for #name {
                fn schema_name() -> ::std::borrow::Cow<'static, str> { ::core::unreachable!() }
                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    ::core::unreachable!()
                }
            }
            impl ::highlander_sdk::ObjectState for #name {
                const SCHEMA_VERSION: u32 = 1;
                const DOCUMENTATION: &'static str = "";
                type Codec = ::highlander_sdk::JsonCodec;
            }
        };
    }
}
