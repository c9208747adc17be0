//! `#[object]`: the pipeline. Its stages are input, check, expand with client, and fallback.

mod check;
mod client;
mod expand;
mod fallback;
mod input;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemImpl;

use crate::errors::Errors;

pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let block = match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(block) => block,
        Err(error) => return not_an_impl(&error, item),
    };
    let mut errors = Errors::default();
    let input = input::Input::read(arguments, &block, &mut errors);
    check::check(&input, &mut errors);
    match errors.into_compile_errors() {
        None => {
            let expansion = expand::expand(&input);
            quote! {
                #[allow(
                    clippy::needless_pass_by_value,
                    reason = "arguments are deserialized from JSON, so handlers own them"
                )]
                #block
                #expansion
            }
        }
        // Unused items deserve no warning while the methods are not handlers yet.
        Some(errors) => {
            let stubs = fallback::stubs(&input);
            quote! { #errors #[allow(unused)] #block #stubs }
        }
    }
}

fn not_an_impl(error: &syn::Error, item: &TokenStream) -> TokenStream {
    let error = match syn::parse2::<syn::Item>(item.clone()) {
        // Another kind of item: its first token is enough to show the place.
        Ok(_) => {
            let keyword: TokenStream = item.clone().into_iter().take(1).collect();
            syn::Error::new_spanned(
                keyword,
                "`#[object]` applies only to an `impl` block; put `#[derive(ObjectState)]` on the struct",
            )
        }
        Err(_) => error.clone(),
    };
    let error = error.into_compile_error();
    quote! { #error #item }
}
