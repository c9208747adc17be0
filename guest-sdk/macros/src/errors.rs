//! Collects mistakes, so that an author sees all of them at once.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// All mistakes that were found so far.
#[derive(Default)]
pub(crate) struct Errors {
    first: Option<syn::Error>,
}

impl Errors {
    /// Notes a mistake at `tokens`, which should be as few as show it.
    pub(crate) fn push(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push_error(syn::Error::new_spanned(tokens, message));
    }

    /// Notes a mistake that the parser found.
    pub(crate) fn push_error(&mut self, error: syn::Error) {
        match &mut self.first {
            Some(first) => first.combine(error),
            None => self.first = Some(error),
        }
    }

    /// The `compile_error!`s, or nothing where all is well.
    pub(crate) fn into_compile_errors(self) -> Option<TokenStream> {
        self.first.map(|error| error.into_compile_error())
    }
}
