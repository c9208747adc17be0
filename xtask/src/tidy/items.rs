//! Rules for the items of a Rust file: the length of functions, and words that public names must not use.
//!
//! Files are parsed, so that strings and comments are not mistaken for code. A file that does not parse has no
//! findings here; the compiler rejects it. Bodies of macros are not checked.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{Block, Ident, Signature, Visibility};

use super::{File, Finding};

/// Maximum lines of a function, from `fn` to its closing brace: one screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Words of other systems, and the project's term for each.
const GLOSSARY: [(&str, &str); 3] =
    [("actor", "object"), ("grain", "object"), ("entity", "object")];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let Ok(parsed) = syn::parse_file(&file.text) else { return Vec::new() };
    let has_glossary = ["host/src/", "guest-sdk/"].iter().any(|path| file.path.starts_with(path));
    let mut visitor = Visitor { file, has_glossary, findings: Vec::new() };
    visitor.visit_file(&parsed);
    visitor.findings
}

struct Visitor<'a> {
    file: &'a File,
    has_glossary: bool,
    findings: Vec<Finding>,
}

impl Visitor<'_> {
    fn check_length(&mut self, signature: &Signature, block: &Block) {
        let first = line(signature.fn_token.span);
        let last = block.brace_token.span.close().end().line;
        let lines = last - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let what = format!(
                "function `{}` has {lines} lines, more than {FUNCTION_LINES_MAX}",
                signature.ident
            );
            self.findings.push(Finding::new(self.file, first, &what, "split it"));
        }
    }

    fn check_name(&mut self, visibility: &Visibility, name: &Ident) {
        if !self.has_glossary || matches!(visibility, Visibility::Inherited) {
            return;
        }
        let words = words(&name.to_string());
        for (banned, ours) in GLOSSARY {
            if words.iter().any(|word| word == banned || word.strip_suffix('s') == Some(banned)) {
                let what = format!("public name `{name}` contains `{banned}`");
                let mend = format!("use `{ours}`");
                self.findings.push(Finding::new(self.file, line(name.span()), &what, &mend));
            }
        }
    }
}

/// Checks the names of items that have a visibility and a name.
macro_rules! check_names {
    ($($visit:ident($item:ident);)*) => {
        $(fn $visit(&mut self, item: &'ast syn::$item) {
            self.check_name(&item.vis, &item.ident);
            visit::$visit(self, item);
        })*
    };
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    check_names! {
        visit_item_struct(ItemStruct);
        visit_item_enum(ItemEnum);
        visit_item_trait(ItemTrait);
        visit_item_type(ItemType);
        visit_item_const(ItemConst);
        visit_item_static(ItemStatic);
        visit_item_mod(ItemMod);
        visit_impl_item_const(ImplItemConst);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.check_name(&item.vis, &item.sig.ident);
        self.check_length(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.check_name(&item.vis, &item.sig.ident);
        self.check_length(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.check_length(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.check_name(&field.vis, name);
        }
        visit::visit_field(self, field);
    }
}

fn line(span: Span) -> usize {
    span.start().line
}

/// Splits a name in snake, camel or screaming case into lower-case words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        if let (true, Some(word)) = (c != '_', words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::{assert_findings, file};
    use super::*;

    #[track_caller]
    fn find(path: &str, text: &str, expected: &[&str]) {
        assert_findings(&check(&file(path, text)), expected);
    }

    #[test]
    fn long_functions_are_found_wherever_they_stand() {
        let of = |lines: usize| format!("fn f() {{\n{}}}\n", "g();\n".repeat(lines - 2));
        find("a.rs", &of(70), &[]);
        find("a.rs", &of(71), &["1: function `f` has 71 lines, more than 70"]);
        let inner = format!("impl T {{\n/// Says.\npub {}}}\n", of(71));
        find("a.rs", &inner, &["3: function `f` has 71 lines, more than 70"]);
        let inner = format!("mod tests {{\n#[test]\n{}}}\n", of(71));
        find("a.rs", &inner, &["3: function `f` has 71 lines, more than 70"]);
    }

    #[test]
    fn braces_in_strings_do_not_end_a_function() {
        find("a.rs", &format!("fn f() {{\n{}}}\n", "g(\"}\");\n".repeat(60)), &[]);
    }

    #[test]
    fn words_of_others_are_found_in_public_names() {
        let text = "pub struct ActorRef { pub grains: u8, entity: u8 }\n\
                    pub(crate) fn entity_of() {}\n\
                    fn actor() {}\n\
                    pub struct Factor { pub identity: u8 }\n";
        let expected = [
            "1: public name `ActorRef` contains `actor`",
            "1: public name `grains` contains `grain`",
            "2: public name `entity_of` contains `entity`",
        ];
        find("host/src/a.rs", text, &expected);
        find("xtask/src/a.rs", text, &[]);
    }

    #[test]
    fn names_are_split_at_their_words() {
        assert_eq!(words("ObjectId"), ["object", "id"]);
        assert_eq!(words("idle_timeout"), ["idle", "timeout"]);
        assert_eq!(words("KEY_MAX"), ["key", "max"]);
        assert_eq!(words("HTTP2Actor"), ["http2", "actor"]);
    }
}
