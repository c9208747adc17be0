//! Generates the code of the macro. Requires a valid view.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::client;
use super::input::{Input, Method};

pub(super) fn expand(input: &Input<'_>) -> TokenStream {
    let Some(state) = input.state else {
        return TokenStream::new();
    };
    let type_name = input.type_name();
    let documentation = documentation(input);
    let argument_structs = input.methods.iter().filter_map(argument_struct);
    let handlers = handlers(input);
    let dispatch = dispatch(input);
    let client = client::expand(input);
    let no_aliases = input.methods.iter().filter_map(no_alias);
    let publish_state = input.publish_state.then(|| quote! { const SHOWS_STATE: bool = true; });
    quote! {
        const _: () = {
            #(#argument_structs)*
            #client
            #(#no_aliases)*

            #[automatically_derived]
            impl ::highlander_sdk::Object for #state {
                const TYPE_NAME: &'static str = #type_name;
                const DOCUMENTATION: &'static str = #documentation;
                #publish_state
                type Client = __Client<::highlander_sdk::__private::Calls>;
                type Messages = __Client<::highlander_sdk::__private::Messages>;
                #handlers
                #dispatch
            }
            #[automatically_derived]
            impl #state {
                // A second block is an error with the name of this constant, in addition to errors that name only
                // traits.
                #[allow(dead_code, non_upper_case_globals, reason = "exists only for compiler messages")]
                const a_type_has_one_block_with_the_attribute_object: () = ();
            }
            // Outside of a component nothing creates a state, and the compiler would report everything as unused.
            const _: fn() -> #state = ::highlander_sdk::__private::new::<#state>;
        };

        // The exports must be in the crate that is linked last. With the feature, this crate is not the last one.
        #[allow(unexpected_cfgs, reason = "few crates define the feature")]
        const _: () = {
            #[cfg(all(target_family = "wasm", not(feature = "client")))]
            ::highlander_sdk::__private::export!(#state);
        };
    }
}

fn documentation(input: &Input<'_>) -> TokenStream {
    if input.documentation.is_empty() {
        quote! { <Self as ::highlander_sdk::ObjectState>::DOCUMENTATION }
    } else {
        let documentation = &input.documentation;
        quote! { #documentation }
    }
}

/// Generates the struct that several arguments are deserialized into.
fn argument_struct(method: &Method<'_>) -> Option<TokenStream> {
    if method.arguments.len() < 2 {
        return None;
    }
    let name = argument_struct_name(method);
    let title = format!("arguments of {}", method.name);
    let cfgs = &method.cfgs;
    let fields = method.arguments.iter().map(|argument| {
        let (ident, ty) = (argument.ident, &argument.typed.ty);
        quote! { #ident: #ty }
    });
    Some(quote! {
        #(#cfgs)*
        #[derive(
            ::highlander_sdk::__private::serde::Deserialize,
            ::highlander_sdk::__private::schemars::JsonSchema,
        )]
        #[serde(crate = "::highlander_sdk::__private::serde", deny_unknown_fields)]
        #[schemars(crate = "::highlander_sdk::__private::schemars", rename = #title)]
        #[allow(non_camel_case_types, reason = "derived from the name of the handler")]
        struct #name { #(#fields),* }
    })
}

fn argument_struct_name(method: &Method<'_>) -> Ident {
    format_ident!("__arguments_of_{}", method.name)
}

fn handlers(input: &Input<'_>) -> TokenStream {
    let state = input.state;
    let get =
        input.has_get.then(|| quote! { ::highlander_sdk::__private::Handler::get::<#state>(), });
    let put =
        input.has_put.then(|| quote! { ::highlander_sdk::__private::Handler::put::<#state>(), });
    let handlers = input.methods.iter().map(handler);
    quote! {
        fn handlers() -> ::std::vec::Vec<::highlander_sdk::__private::Handler> {
            ::std::vec![#get #put #(#handlers)*]
        }
    }
}

/// Generates the check that a reply type is not an alias for `Result`. The macro cannot see through the alias, and
/// would treat a rejection as a reply if the error type is data.
fn no_alias(method: &Method<'_>) -> Option<TokenStream> {
    let ty = method.reply().filter(|ty| !method.is_fallible() && is_nameable(ty))?;
    let cfgs = &method.cfgs;
    Some(quote_spanned! {location(ty)=>
        #(#cfgs)*
        const _: () = {
            #[allow(unused_imports, reason = "used only if the type is not a `Result`")]
            use ::highlander_sdk::__private::PlainReply as _;
            ::core::assert!(
                !::highlander_sdk::__private::ReplyType::<#ty>::IS_RESULT,
                "this type is an alias for `Result`; write `Result<.., ..>` instead, so that \
                 `#[object]` can see that the handler may reject",
            );
        };
    })
}

/// Whether `ty` is a path with the same meaning outside the `impl` block.
fn is_nameable(ty: &Type) -> bool {
    let text = quote! { #ty }.to_string();
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    matches!(ty, Type::Path(_)) && words.all(|word| word != "Self")
}

fn handler(method: &Method<'_>) -> TokenStream {
    let Method { name, cfgs, documentation, .. } = method;
    let kind = if method.is_update() {
        quote! { Update }
    } else {
        quote! { Query }
    };
    let argument = argument_type(method);
    let reply = match method.reply() {
        None => quote! { () },
        Some(ty) if method.is_fallible() => quote_spanned! {location(ty)=>
            <#ty as ::highlander_sdk::__private::Fallible>::Reply
        },
        Some(ty) => quote! { #ty },
    };
    quote! {
        #(#cfgs)*
        ::highlander_sdk::__private::Handler::new::<#argument, #reply>(
            #name,
            ::highlander_sdk::__private::HandlerKind::#kind,
            #documentation,
        ),
    }
}

fn argument_type(method: &Method<'_>) -> TokenStream {
    match method.arguments.as_slice() {
        [] => quote! { () },
        [argument] => {
            let ty = &argument.typed.ty;
            quote! { #ty }
        }
        _ => {
            let name = argument_struct_name(method);
            quote! { #name }
        }
    }
}

fn dispatch(input: &Input<'_>) -> TokenStream {
    let state = input.state;
    let get = input.has_get.then(|| {
        quote! { "get" => ::highlander_sdk::__private::get::<#state>(self, argument), }
    });
    let put = input.has_put.then(|| {
        quote! { "put" => ::highlander_sdk::__private::put::<#state>(self, argument), }
    });
    let arms = input.methods.iter().map(arm);
    quote! {
        #[allow(unused_variables, reason = "not every object uses all of them")]
        fn dispatch(
            &mut self,
            ctx: &::highlander_sdk::Context,
            handler: &str,
            argument: &[u8],
        ) -> ::core::result::Result<::std::vec::Vec<u8>, ::highlander_sdk::HandlerError> {
            match handler {
                #get
                #put
                #(#arms)*
                _ => ::core::result::Result::Err(
                    ::highlander_sdk::__private::HandlerError::UnknownHandler,
                ),
            }
        }
    }
}

fn arm(method: &Method<'_>) -> TokenStream {
    let Method { name, cfgs, .. } = method;
    let ty = argument_type(method);
    let read = match method.arguments.as_slice() {
        [] => quote! { ::highlander_sdk::__private::no_argument(argument)?; },
        [_] => quote! { let argument = ::highlander_sdk::__private::argument::<#ty>(argument)?; },
        _ => {
            quote! { let argument = ::highlander_sdk::__private::object_argument::<#ty>(argument)?; }
        }
    };
    let call = call(method);
    // With the span of the return type, where the author looks for its mistakes.
    let reply = match method.reply() {
        Some(ty) if method.is_fallible() => quote_spanned! {location(ty)=>
            ::highlander_sdk::__private::reply(
                &::highlander_sdk::__private::Fallible::into_reply(#call)?,
            )
        },
        Some(ty) => quote_spanned! {location(ty)=> ::highlander_sdk::__private::reply(&#call) },
        None => quote! { ::highlander_sdk::__private::reply(&#call) },
    };
    quote! {
        #(#cfgs)*
        #name => {
            #read
            #reply
        }
    }
}

fn call(method: &Method<'_>) -> TokenStream {
    let function = &method.function.sig.ident;
    let ctx = method.has_context.then(|| quote! { ctx, });
    let arguments = match method.arguments.as_slice() {
        [] => TokenStream::new(),
        [_] => quote! { argument },
        several => {
            let fields = several.iter().map(|argument| argument.ident);
            quote! { #(argument.#fields),* }
        }
    };
    let span = match method.reply() {
        Some(ty) => location(ty),
        None => location(function),
    };
    quote_spanned! {span=> Self::#function(self, #ctx #arguments) }
}

/// Returns the location of `tokens` for compiler messages, but as code of the macro, which lints ignore.
fn location(tokens: &impl Spanned) -> Span {
    tokens.span().resolved_at(Span::call_site())
}
