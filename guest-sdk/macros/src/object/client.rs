//! Generates the typed client of the object: a struct with a method for each handler. Requires a valid view.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{GenericArgument, Lifetime, PathArguments, Type};

use super::input::{Input, Method};

/// Generates the struct `__Client` and its implementations.
pub(super) fn expand(input: &Input<'_>) -> TokenStream {
    let state = input.state;
    let generated = [(input.has_get, get(state)), (input.has_put, put(state))];
    let generated =
        generated.into_iter().filter_map(|(is_there, method)| is_there.then_some(method));
    let argument_structs = input.methods.iter().filter_map(argument_struct);
    let methods = input.methods.iter().map(|found| method(found, state));
    let common = common();
    quote! {
        #(#argument_structs)*
        #common

        #[automatically_derived]
        #[allow(dead_code, private_bounds, private_interfaces, clippy::all, reason = "not every handler has callers")]
        #[allow(unreachable_pub, missing_docs, reason = "as public as the object")]
        impl<__Mode> __Client<__Mode> {
            #(#generated)*
            #(#methods)*
        }
    }
}

/// Generates the items that every client has.
fn common() -> TokenStream {
    quote! {
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #[allow(dead_code, unreachable_pub, reason = "as public as the object")]
        pub struct __Client<__Mode>(
            ::highlander_sdk::ObjectRef,
            ::core::marker::PhantomData<__Mode>,
        );

        #[automatically_derived]
        impl<__Mode> ::core::convert::From<::highlander_sdk::ObjectRef> for __Client<__Mode> {
            fn from(object: ::highlander_sdk::ObjectRef) -> Self {
                __Client(object, ::core::marker::PhantomData)
            }
        }

        #[automatically_derived]
        impl<__Mode> ::core::convert::AsRef<::highlander_sdk::ObjectRef> for __Client<__Mode> {
            fn as_ref(&self) -> &::highlander_sdk::ObjectRef {
                &self.0
            }
        }

        #[automatically_derived]
        impl ::highlander_sdk::Client for __Client<::highlander_sdk::__private::Calls> {}
    }
}

fn get(state: Option<&Ident>) -> TokenStream {
    reaching(&quote! { get }, "get", &TokenStream::new(), &[], &quote! { Plain<#state> })
}

fn put(state: Option<&Ident>) -> TokenStream {
    let arguments = [(quote! { state }, quote! { #state })];
    reaching(&quote! { put }, "put", &TokenStream::new(), &arguments, &quote! { Plain<()> })
}

fn method(method: &Method<'_>, state: Option<&Ident>) -> TokenStream {
    let function = &method.function.sig.ident;
    let cfgs = &method.cfgs;
    let docs = crate::attr::named(&method.function.attrs, "doc");
    let arguments: Vec<_> = method
        .arguments
        .iter()
        .map(|argument| {
            let (ident, ty) = (argument.ident, owned(&argument.typed.ty, state));
            (quote! { #ident }, quote! { #ty })
        })
        .collect();
    let reply = match method.reply() {
        None => quote! { Plain<()> },
        Some(ty) => {
            let ty = owned(ty, state);
            if method.is_fallible() {
                quote! { Rejecting<#ty> }
            } else {
                quote! { Plain<#ty> }
            }
        }
    };
    let attributes = quote! { #(#cfgs)* #(#docs)* };
    reaching(&quote! { #function }, &method.name, &attributes, &arguments, &reply)
}

/// Generates a method that calls the handler `name`, or sends it a message.
fn reaching(
    function: &TokenStream,
    name: &str,
    attributes: &TokenStream,
    arguments: &[(TokenStream, TokenStream)],
    reply: &TokenStream,
) -> TokenStream {
    let names = arguments.iter().map(|(name, _)| name);
    let types = arguments.iter().map(|(_, ty)| ty);
    let (argument, value) = match arguments {
        [] => (quote! { () }, quote! { () }),
        [(name, ty)] => (quote! { #ty }, quote! { #name }),
        _ => {
            let all = argument_struct_name(name);
            let (names, types) = (names.clone(), types.clone());
            (quote! { #all<#(#types),*> }, quote! { #all { #(#names),* } })
        }
    };
    let reach = quote! {
        ::highlander_sdk::__private::Reach<#argument, ::highlander_sdk::__private::#reply>
    };
    quote! {
        #attributes
        #[track_caller]
        pub fn #function(&self, #(#names: #types),*) -> <__Mode as #reach>::Answer
        where
            __Mode: #reach,
        {
            <__Mode as #reach>::reach(&self.0, #name, &#value)
        }
    }
}

/// Generates the struct that several arguments are serialized from. It has type parameters for their types, so that
/// it compiles even if one of them cannot be serialized.
fn argument_struct(method: &Method<'_>) -> Option<TokenStream> {
    if method.arguments.len() < 2 {
        return None;
    }
    let name = argument_struct_name(&method.name);
    let cfgs = &method.cfgs;
    let idents = method.arguments.iter().map(|argument| argument.ident);
    let parameters: Vec<_> =
        (0..method.arguments.len()).map(|index| format_ident!("__T{index}")).collect();
    Some(quote! {
        #(#cfgs)*
        #[derive(::highlander_sdk::__private::serde::Serialize)]
        #[serde(crate = "::highlander_sdk::__private::serde")]
        #[allow(non_camel_case_types, unreachable_pub, dead_code, reason = "derived from the name of the handler")]
        pub struct #name<#(#parameters),*> { #(#idents: #parameters),* }
    })
}

fn argument_struct_name(handler: &str) -> Ident {
    format_ident!("__call_of_{}", handler)
}

/// Returns the type for callers, which cannot borrow: `Vec<Item>` for `&[Item]`, `Cow<'static, str>` for
/// `Cow<'_, str>`.
fn owned(ty: &Type, state: Option<&Ident>) -> Type {
    let own = |ty: &Type| owned(ty, state);
    let mut ty = ty.clone();
    match &mut ty {
        Type::Reference(reference) => {
            let inner = own(&reference.elem);
            return Type::Verbatim(
                quote! { <#inner as ::highlander_sdk::__private::Owned>::Owned },
            );
        }
        // In the client, `Self` would be the client.
        Type::Path(path) if path.path.is_ident("Self") => return Type::Verbatim(quote! { #state }),
        Type::Path(path) => {
            for segment in &mut path.path.segments {
                if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
                    arguments.args.iter_mut().for_each(|argument| own_argument(argument, state));
                }
            }
        }
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(|inner| *inner = own(inner)),
        Type::Array(array) => *array.elem = own(&array.elem),
        Type::Slice(slice) => *slice.elem = own(&slice.elem),
        Type::Paren(paren) => *paren.elem = own(&paren.elem),
        Type::Group(group) => *group.elem = own(&group.elem),
        _ => {}
    }
    ty
}

fn own_argument(argument: &mut GenericArgument, state: Option<&Ident>) {
    match argument {
        GenericArgument::Type(ty) => *ty = owned(ty, state),
        GenericArgument::Lifetime(lifetime) => {
            *lifetime = Lifetime::new("'static", lifetime.apostrophe);
        }
        _ => {}
    }
}
