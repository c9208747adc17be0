//! Code that the macros accept, and compiler messages for code that they reject.
//!
//! `TRYBUILD=overwrite cargo test -p highlander-sdk --test ui` rewrites the messages after a change of their
//! wording.

#[test]
fn mistakes_are_explained_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
