//! Collects mistakes, so that an author sees all of them at once.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// All mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors {
    first: Option<syn::Error>,
}

impl Errors {
    /// Adds a mistake at `tokens`, which should be as few as possible.
    pub(crate) fn push(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push_error(syn::Error::new_spanned(tokens, message));
    }

    /// Adds a mistake that the parser found.
    pub(crate) fn push_error(&mut self, error: syn::Error) {
        match &mut self.first {
            Some(first) => first.combine(error),
            None => self.first = Some(error),
        }
    }

    /// Returns the `compile_error!`s, or `None` if there are no mistakes.
    pub(crate) fn into_compile_errors(self) -> Option<TokenStream> {
        self.first.map(|error| error.into_compile_error())
    }
}
