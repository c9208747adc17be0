//! `#[data]`: makes a type a plain value for a state, an argument or a reply.
//!
//! It only adds derives and their attributes, so it does not need the pipeline of the other macros.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Item, Meta, Path, Token};

use crate::errors::Errors;

/// The traits that `#[data]` derives.
const DERIVED: [&str; 6] =
    ["Clone", "Debug", "PartialEq", "Serialize", "Deserialize", "JsonSchema"];

pub(crate) fn expand(arguments: &TokenStream, item: &TokenStream) -> TokenStream {
    let parsed = match syn::parse2::<Item>(item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            let error = error.into_compile_error();
            return quote! { #error #item };
        }
    };
    let mut errors = Errors::default();
    check(arguments, &parsed, &mut errors);
    if let Some(errors) = errors.into_compile_errors() {
        return quote! { #errors #item };
    }
    let attributes = attributes(&parsed);
    quote! { #attributes #item }
}

fn check(arguments: &TokenStream, item: &Item, errors: &mut Errors) {
    if !arguments.is_empty() {
        errors.push(arguments, "`#[data]` takes no arguments");
    }
    let attributes = match item {
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        other => {
            errors.push(first_token(other), "`#[data]` applies only to a `struct` or an `enum`");
            return;
        }
    };
    for derived in derives(attributes) {
        let name = derived.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        if DERIVED.contains(&name.as_str()) {
            errors.push(&derived, format!("`#[data]` already derives `{name}`; remove it here"));
        }
        if name == "ObjectState" {
            errors.push(
                &derived,
                "a state is not a plain value; use `#[derive(ObjectState)]` without `#[data]`",
            );
        }
    }
}

/// Returns the keyword instead of the whole item, whose span would fill the screen.
fn first_token(item: &Item) -> TokenStream {
    item.to_token_stream().into_iter().take(1).collect()
}

fn derives(attributes: &[Attribute]) -> Vec<Path> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
        .filter_map(|attribute| match &attribute.meta {
            Meta::List(list) => {
                list.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated).ok()
            }
            _ => None,
        })
        .flatten()
        .collect()
}

fn attributes(item: &Item) -> TokenStream {
    // Duplicates would be an error, and `flatten` is incompatible with `deny_unknown_fields`.
    let mentioned = idents_in_serde(item.to_token_stream());
    let is_mentioned = |name: &str| mentioned.iter().any(|ident| ident == name);
    let rename = (matches!(item, Item::Enum(_)) && !is_mentioned("rename_all"))
        .then(|| quote! { #[serde(rename_all = "snake_case")] });
    let deny = (!is_mentioned("deny_unknown_fields") && !is_mentioned("flatten"))
        .then(|| quote! { #[serde(deny_unknown_fields)] });
    quote! {
        #[derive(
            ::core::clone::Clone,
            ::core::fmt::Debug,
            ::core::cmp::PartialEq,
            ::highlander_sdk::__private::serde::Serialize,
            ::highlander_sdk::__private::serde::Deserialize,
            ::highlander_sdk::__private::schemars::JsonSchema,
        )]
        #[serde(crate = "::highlander_sdk::__private::serde")]
        #[schemars(crate = "::highlander_sdk::__private::schemars")]
        #rename
        #deny
    }
}

/// Returns every identifier inside a `#[serde(..)]`, at any depth of the item.
fn idents_in_serde(tokens: TokenStream) -> Vec<Ident> {
    let mut idents = Vec::new();
    let mut is_after_serde = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) if is_after_serde => {
                idents.extend(group.stream().into_iter().filter_map(|inner| match inner {
                    TokenTree::Ident(ident) => Some(ident),
                    _ => None,
                }));
                is_after_serde = false;
            }
            TokenTree::Group(group) => idents.extend(idents_in_serde(group.stream())),
            TokenTree::Ident(ident) => is_after_serde = ident == "serde",
            TokenTree::Punct(_) | TokenTree::Literal(_) => is_after_serde = false,
        }
    }
    idents
}
