//! What the macros accept, and what they say where they do not.
//!
//! `TRYBUILD=overwrite cargo test -p highlander-sdk --test ui` writes the messages anew after a change of wording.

#[test]
fn mistakes_are_explained_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
