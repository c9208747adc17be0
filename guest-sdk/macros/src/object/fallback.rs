//! Generates an empty object for an invalid block, so that the code around it causes no further errors.

use proc_macro2::TokenStream;
use quote::quote;

use super::input::Input;

pub(super) fn stubs(input: &Input<'_>) -> TokenStream {
    let Some(state) = input.state.filter(|_| input.block.generics.params.is_empty()) else {
        return TokenStream::new();
    };
    quote! {
        impl ::highlander_sdk::Object for #state {
            const TYPE_NAME: &'static str = "";
            const DOCUMENTATION: &'static str = "";
            type Client = ::highlander_sdk::ObjectRef;
            type Messages = ::highlander_sdk::ObjectRef;
            fn handlers() -> ::std::vec::Vec<::highlander_sdk::__private::Handler> {
                ::core::unreachable!()
            }
            fn dispatch(
                &mut self,
                _: &::highlander_sdk::Context,
                _: &str,
                _: &[u8],
            ) -> ::core::result::Result<::std::vec::Vec<u8>, ::highlander_sdk::HandlerError> {
                ::core::unreachable!()
            }
        }
    }
}
