//! Types that the objects of a type may call, from the file and from the environment.

use super::*;

/// Returns what each configured type may call.
fn shown(config: Result<Config, Error>) -> Vec<(String, String)> {
    let types = config.unwrap().may_call.into_iter();
    types.map(|(name, types)| (name.to_string(), types.to_string())).collect()
}

#[test]
fn a_type_has_a_list_of_types_that_it_may_call() {
    for (text, expected) in [
        ("may_call = [\"todo\", \"list\"]", "list, todo"),
        ("may_call = \"todo, list\"", "list, todo"),
        ("may_call = [\"todo\", \"*\"]", "*"),
        ("may_call = []", "-"),
        ("may_call = \"\"", "-"),
    ] {
        let of_file = shown(from_file(&format!("[types.todo-list]\n{text}\n")));
        assert_eq!(of_file, [("todo-list".to_owned(), expected.to_owned())], "{text}");
    }
    let variable = ("HIGHLANDER_TYPES__TODO_LIST__MAY_CALL", "todo,list");
    assert_eq!(
        shown(from_environment(&[variable])),
        [("todo-list".to_owned(), "list, todo".to_owned())]
    );
    assert_eq!(shown(from_environment(&[(variable.0, "")])), [], "an empty variable is unset");
}

#[test]
fn a_list_of_types_that_is_wrong_is_refused_by_its_name() {
    for (text, expected) in [
        ("[types.evil]\nmay_call = [\"Todo\"]\n", "types.evil.may_call: \"Todo\" is not valid"),
        ("[types.evil]\nmay_call = [1]\n", "types.evil.may_call takes one value"),
        ("[types.evil]\nmay_call = \"todo,,list\"\n", "types.evil.may_call: \"todo,,list\""),
        ("[types.evil]\nmay_cal = []\n", "unknown key \"may_cal\""),
        ("[types.Evil]\nmay_call = []\n", "highlander.toml: types.Evil.may_call: "),
        ("[types]\nevil = []\n", "types.evil is not a table"),
    ] {
        let error = from_file(text).unwrap_err();
        assert!(error.message.contains(expected), "{text}: {error:?}");
    }
}
