//! Paths in Rust code, such as `crate::id::ObjectId`, from `use` and from other code, including macros.
//!
//! They are read from the tokens of a file, so comments and strings do not count.

use std::iter::Peekable;

use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream};

/// Path of at least two segments, and its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// Segments, joined by `::`. A path of a visibility, as in `pub(in crate::cli)`, does not count.
    pub(super) text: String,
    pub(super) line: usize,
    /// Whether it is within a module in braces, where `super` is the file's own module.
    pub(super) is_in_inner_module: bool,
}

/// Returns all paths of a file; none if the text is not Rust.
pub(super) fn paths(text: &str) -> Vec<Path> {
    let mut reader = Reader { found: Vec::new(), depth: 0 };
    if let Ok(tokens) = text.parse() {
        reader.read(tokens);
    }
    reader.found
}

type Tokens = Peekable<token_stream::IntoIter>;

struct Reader {
    found: Vec<Path>,
    /// Number of modules in braces around the current token.
    depth: usize,
}

impl Reader {
    fn read(&mut self, tokens: TokenStream) {
        let mut rest = tokens.into_iter().peekable();
        while let Some(token) = rest.next() {
            match token {
                TokenTree::Group(group) => self.read(group.stream()),
                TokenTree::Ident(ident) if ident == "mod" => self.read_module(&mut rest),
                TokenTree::Ident(ident) if ident == "pub" => skip_visibility(&mut rest),
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    if skip_colons(&mut rest) {
                        self.read_tree(&mut rest, &ident.to_string(), line);
                    }
                }
                _ => {}
            }
        }
    }

    fn read_module(&mut self, rest: &mut Tokens) {
        rest.next_if(|token| matches!(token, TokenTree::Ident(_)));
        if let Some(TokenTree::Group(content)) =
            rest.next_if(|token| matches!(token, TokenTree::Group(_)))
        {
            self.depth += 1;
            self.read(content.stream());
            self.depth -= 1;
        }
    }

    /// Follows a path after its first segments, and all paths of a group in braces.
    fn read_tree(&mut self, rest: &mut Tokens, prefix: &str, line: usize) {
        match rest.peek() {
            Some(TokenTree::Ident(ident)) => {
                let line = ident.span().start().line;
                let text = match ident.to_string() {
                    name if name == "self" => prefix.to_owned(),
                    name => format!("{prefix}::{name}"),
                };
                rest.next();
                if skip_colons(rest) {
                    self.read_tree(rest, &text, line);
                } else {
                    self.add(text, line);
                }
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let mut inner = group.stream().into_iter().peekable();
                while inner.peek().is_some() {
                    self.read_branch(&mut inner, prefix);
                    // The remainder of this path, ` as name`, contains no other path.
                    let _ = inner.find(is_comma);
                }
                rest.next();
            }
            // Generic arguments or `*`.
            _ => self.add(prefix.to_owned(), line),
        }
    }

    /// Follows one path of a group.
    fn read_branch(&mut self, inner: &mut Tokens, prefix: &str) {
        let line = inner.peek().map_or(1, |token| token.span().start().line);
        self.read_tree(inner, prefix, line);
    }

    fn add(&mut self, text: String, line: usize) {
        self.found.push(Path { text, line, is_in_inner_module: self.depth > 0 });
    }
}

fn skip_visibility(rest: &mut Tokens) {
    rest.next_if(|token| {
        matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
    });
}

fn skip_colons(rest: &mut Tokens) -> bool {
    let mut skip = || {
        let is_colon =
            |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ':');
        rest.next_if(is_colon).is_some()
    };
    skip() && skip()
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, usize)]) {
        let found = paths(text);
        let found: Vec<_> = found.iter().map(|path| (&*path.text, path.line)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn paths_are_read_from_uses_and_from_code() {
        check("use crate::id::ObjectId;", &[("crate::id::ObjectId", 1)]);
        check(
            "use super::clock;\nfn f() { store::put::<u8>() }",
            &[("super::clock", 1), ("store::put", 2)],
        );
        check("pub(crate) fn f(at: crate::clock::BootTime) {}", &[("crate::clock::BootTime", 1)]);
        check("vec![crate::id::A]", &[("crate::id::A", 1)]);
    }

    #[test]
    fn groups_are_followed() {
        check(
            "use crate::registry::{\n    self, Claimed as C, zookeeper::{A, B},\n    NodeId,\n};",
            &[
                ("crate::registry", 2),
                ("crate::registry::Claimed", 2),
                ("crate::registry::zookeeper::A", 2),
                ("crate::registry::zookeeper::B", 2),
                ("crate::registry::NodeId", 3),
            ],
        );
        check(
            "use crate::{id, store::record::*};",
            &[("crate::id", 1), ("crate::store::record", 1)],
        );
    }

    #[test]
    fn comments_strings_types_and_visibilities_do_not_count() {
        check("/// See [`crate::node`].\n// crate::node\nfn f() { g(\"crate::node\") }", &[]);
        check("pub(in crate::cli) struct S { a: u8 }", &[]);
    }

    #[test]
    fn modules_in_braces_are_marked() {
        let found = paths("mod inner { use super::X; }\nmod other;\nuse other::Y;");
        let found: Vec<_> =
            found.iter().map(|path| (&*path.text, path.is_in_inner_module)).collect();
        assert_eq!(found, [("super::X", true), ("other::Y", false)]);
    }
}
