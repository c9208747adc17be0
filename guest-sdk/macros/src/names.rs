//! Conversion of Rust names to names of object types and handlers, and the rules of the WIT world for them.

/// Maximum length of names of object types and handlers in the WIT world.
pub(crate) const NAME_BYTES_MAX: usize = 63;

/// Converts a name to kebab case: `TodoItem` to `todo-item`, `HTTPServer` to `http-server`.
pub(crate) fn kebab_case(name: &str) -> String {
    let characters: Vec<char> = name.chars().collect();
    let mut kebab = String::with_capacity(name.len() + 4);
    for (index, &character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| characters.get(before));
        let after = characters.get(index + 1);
        let ends_word = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let ends_capitals = before.is_some_and(|before| before.is_uppercase())
            && after.is_some_and(|after| after.is_lowercase());
        if character == '_' {
            kebab.push('-');
            continue;
        }
        if character.is_uppercase() && (ends_word || ends_capitals) {
            kebab.push('-');
        }
        kebab.extend(character.to_lowercase());
    }
    kebab
}

/// Whether `name` is `[a-z][a-z0-9-]{0,62}`.
pub(crate) fn is_type_name(name: &str) -> bool {
    is_name(name, |byte| byte == b'-')
}

/// Whether `name` is `[a-z][a-z0-9_-]{0,62}`.
pub(crate) fn is_handler_name(name: &str) -> bool {
    is_name(name, |byte| byte == b'-' || byte == b'_')
}

fn is_name(name: &str, is_mark: impl Fn(u8) -> bool) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || is_mark(byte))
}

/// Returns the known name that `name` was probably meant to be.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Lists names as in a sentence, each in backticks: `a`; `a` and `b`; `a`, `b` and `c`.
pub(crate) fn enumeration(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("{} and `{last}`", first.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{enumeration, is_handler_name, is_type_name, kebab_case, nearest};

    #[test]
    fn struct_names_become_kebab_case() {
        for (name, kebab) in [
            ("Todo", "todo"),
            ("TodoItem", "todo-item"),
            ("HTTPServer", "http-server"),
            ("Area51Map", "area51-map"),
            ("Old_Name", "old-name"),
            ("X", "x"),
        ] {
            assert_eq!(kebab_case(name), kebab);
        }
    }

    #[test]
    fn names_follow_the_contract() {
        assert!(is_type_name("todo-2"));
        assert!(!is_type_name("todo_2"));
        assert!(is_handler_name("insert_todo"));
        for name in ["", "2do", "-a", "_a", "Todo", "ä", &"a".repeat(64)] {
            assert!(!is_type_name(name), "{name}");
            assert!(!is_handler_name(name), "{name}");
        }
    }

    #[test]
    fn a_typing_mistake_finds_what_was_meant() {
        assert_eq!(nearest("defualt", &["rename", "default"]), Some("default"));
        assert_eq!(nearest("colour", &["rename", "default"]), None);
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        assert_eq!(enumeration(&["a"]), "`a`");
        assert_eq!(enumeration(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
