//! Rule: names use the field's terms. Old private words must not return, in identifiers, in names of files and
//! folders, or in the code of documents (between backticks).

use proc_macro2::{Ident, TokenStream, TokenTree};

use super::file::{File, Finding};

/// Words that names must not contain, and the term for each. Singular; the plural counts too.
const BANNED: &[(&str, &str)] = &[
    // Words of other systems.
    ("actor", "object"),
    ("entity", "object"),
    ("grain", "object"),
    // Words without a meaning in the field.
    ("dealing", "effects"),
    ("lenient", "forward compatible"),
    ("liar", "malformed"),
    ("lobby", "overflow queue"),
    ("moody", "faulty"),
    ("occasion", "trigger"),
    ("outward", "outbound"),
    ("patience", "timeout"),
    ("standing", "status"),
    ("surrounding", "context"),
    ("tally", "stats"),
    ("unwell", "unhealthy"),
    ("warden", "monitor"),
    ("whereabout", "location"),
];

/// Names that interfaces of others prescribe: errors of S3.
const FOREIGN: [&str; 1] = ["EntityTooLarge"];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut check = |name: &str, line: usize, kind: &str| {
        if let Some((banned, ours)) = banned(name) {
            let what = format!("{kind} `{name}` contains `{banned}`");
            findings.push(Finding::new(file, line, &what, &format!("use `{ours}`")));
        }
    };
    for part in file.path.split('/') {
        check(part.split('.').next().unwrap_or(part), 1, "name of a file or folder");
    }
    if file.path.ends_with(".rs") {
        let tokens = file.text.parse().unwrap_or_default();
        visit(tokens, &mut |ident| {
            check(&ident.to_string(), ident.span().start().line, "name");
        });
    } else if file.path.ends_with(".md") && file.path != "CHANGELOG.md" {
        for (line, code) in code_spans(&file.text) {
            check(code, line, "code");
        }
    }
    findings
}

fn visit(tokens: TokenStream, on_ident: &mut impl FnMut(&Ident)) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => visit(group.stream(), on_ident),
            TokenTree::Ident(ident) => on_ident(&ident),
            _ => {}
        }
    }
}

/// Returns the first banned word in a name, and the term for it.
fn banned(name: &str) -> Option<(&'static str, &'static str)> {
    if FOREIGN.contains(&name) {
        return None;
    }
    let words = words(name);
    let is_in = |banned: &str| {
        words.iter().any(|word| word == banned || word.strip_suffix('s') == Some(banned))
    };
    BANNED.iter().copied().find(|(banned, _)| is_in(banned))
}

/// Splits a name in snake, kebab, camel or screaming case into lower-case words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// Returns what a document has between backticks, with the numbers of the lines.
fn code_spans(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.flat_map(|(index, line)| {
        line.split('`').skip(1).step_by(2).map(move |code| (index + 1, code))
    })
}

#[cfg(test)]
mod tests {
    use super::super::file::{assert_findings, file};
    use super::*;

    #[test]
    fn old_words_are_found_in_every_kind_of_name() {
        let text = "//! A dealing.\nfn a() { let is_unwell = b::Dealings::NEW; }\n";
        assert_findings(
            &check(&file("host/src/a.rs", text)),
            &["2: name `is_unwell` contains `unwell`", "2: name `Dealings` contains `dealing`"],
        );
        assert_findings(
            &check(&file("host/src/node/whereabouts.rs", "")),
            &["1: name of a file or folder `whereabouts` contains `whereabout`"],
        );
        assert_findings(
            &check(&file("docs/a.md", "No standing order.\n\nThe key `standing` is old.\n")),
            &["3: code `standing` contains `standing`"],
        );
    }

    #[test]
    fn words_of_others_are_found() {
        let text = "pub struct ActorRef { pub grains: u8, entity: u8 }\n\
                    fn actor() { EntityTooLarge }\n\
                    pub struct Factor { pub identity: u8 }\n";
        assert_findings(
            &check(&file("host/src/a.rs", text)),
            &[
                "1: name `ActorRef` contains `actor`",
                "1: name `grains` contains `grain`",
                "1: name `entity` contains `entity`",
                "2: name `actor` contains `actor`",
            ],
        );
    }

    #[test]
    fn a_word_is_more_than_a_part_of_another_one() {
        assert_findings(&check(&file("host/src/factor.rs", "fn integrand() {}\n")), &[]);
    }

    #[test]
    fn names_of_every_case_are_split() {
        for name in ["held_back", "heldBack", "HELD_BACK", "HeldBack", "held-back"] {
            assert_eq!(words(name), ["held", "back"], "{name}");
        }
        assert_eq!(words("HTTP2Actor"), ["http2", "actor"]);
    }
}
