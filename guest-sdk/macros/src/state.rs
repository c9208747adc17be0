//! `#[derive(ObjectState)]`: the pipeline. Its stages are input, check, expand and fallback.

mod check;
mod expand;
mod fallback;
mod input;

use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use crate::errors::Errors;

pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let item = match syn::parse2::<DeriveInput>(item) {
        Ok(item) => item,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let input = input::Input::read(&item, &mut errors);
    check::check(&input, &mut errors);
    match errors.into_compile_errors() {
        None => expand::expand(&input),
        Some(errors) => {
            let stubs = fallback::stubs(&input);
            quote! { #errors #stubs }
        }
    }
}
