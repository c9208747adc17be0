//! Bindings of the WIT world, generated once for all objects.

#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT world, which has the documentation"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "object",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "::highlander_sdk::__private::bindings",
    });
}
