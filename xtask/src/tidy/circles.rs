//! Rule that the files of a crate do not import from each other in a circle.
//!
//! In a circle, no file can be understood or tested without all others. A file may use the modules that contain it,
//! whose private items it sees: an `impl` block may continue in a file below the type's own. So a path to such a
//! module does not count, and neither do tests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::file::{File, Finding};
use super::paths::paths;

/// Imports of one file: the modules, each with the line of the first path to it.
type Imports = BTreeMap<String, usize>;

/// Modules of a crate and their files. The crate root is the empty path.
type Modules<'a> = BTreeMap<String, &'a File>;

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut crates: BTreeMap<&str, Modules<'_>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_source() && !is_of_tests(file)) {
        if let Some((folder, module)) = module_of(&file.path) {
            crates.entry(folder).or_default().insert(module, file);
        }
    }
    for modules in crates.values_mut().filter(|modules| !modules.contains_key("")) {
        // The crate of a binary alone.
        if let Some(root) = modules.remove("main") {
            modules.insert(String::new(), root);
        }
    }
    crates.values().flat_map(check_crate).collect()
}

fn check_crate(modules: &Modules<'_>) -> Vec<Finding> {
    let imports: BTreeMap<&str, Imports> =
        modules.iter().map(|(module, file)| (&**module, imports(module, file, modules))).collect();
    let mut findings = Vec::new();
    for (module, file) in modules {
        let Some(circle) = circle_through(module, &imports) else { continue };
        // Each circle is reported once, at its first file.
        if circle.iter().any(|other| *other < module.as_str()) {
            continue;
        }
        let next = circle.get(1).copied().unwrap_or(module);
        let line = imports.get(module.as_str()).and_then(|imports| imports.get(next));
        let what = format!("files import from each other: {} → {module}", circle.join(" → "));
        let mend = "move what several of them need to a file that uses none of them";
        findings.push(Finding::new(file, line.copied().unwrap_or(1), &what, mend));
    }
    findings
}

/// Returns the shortest circle through a module, beginning with it.
fn circle_through<'a>(
    start: &'a str,
    imports: &'a BTreeMap<&str, Imports>,
) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut open = VecDeque::from([vec![start]]);
    while let Some(path) = open.pop_front() {
        let last = path.last()?;
        for next in imports.get(last).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                return Some(path);
            }
            if seen.insert(next) {
                open.push_back([&path[..], &[next.as_str()]].concat());
            }
        }
    }
    None
}

/// Returns the modules that a file uses, except those that contain it.
fn imports(module: &str, file: &File, modules: &Modules<'_>) -> Imports {
    let mut imports = Imports::new();
    for path in paths(&file.text).into_iter().filter(|path| !path.is_in_inner_module) {
        let Some(used) = resolved(module, &path.text, modules) else { continue };
        let contains_it =
            used.is_empty() || format!("{module}::").starts_with(&format!("{used}::"));
        if !contains_it {
            imports.entry(used).or_insert(path.line);
        }
    }
    imports
}

/// Returns the innermost module of a path that has a file; `None` for a path into another crate.
fn resolved(module: &str, path: &str, modules: &Modules<'_>) -> Option<String> {
    let mut segments = path.split("::").peekable();
    let mut base = match segments.peek() {
        Some(&"crate") => {
            segments.next();
            String::new()
        }
        Some(&"self") => {
            segments.next();
            module.to_owned()
        }
        Some(&"super") => module.to_owned(),
        Some(first) if modules.contains_key(&joined(module, first)) => module.to_owned(),
        _ => return None,
    };
    while segments.next_if_eq(&"super").is_some() {
        base = base.rsplit_once("::").map_or(String::new(), |(parent, _)| parent.to_owned());
    }
    for segment in segments {
        let inner = joined(&base, segment);
        if !modules.contains_key(&inner) {
            break;
        }
        base = inner;
    }
    Some(base)
}

fn joined(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

/// Returns the source folder of a file's crate and the file's module: `host/src/http/route.rs` is `http::route`.
fn module_of(path: &str) -> Option<(&str, String)> {
    let (folder, module) = path.split_at(path.rfind("/src/")? + "/src/".len());
    let module = module.strip_suffix(".rs")?;
    let module = if module == "lib" { "" } else { module };
    Some((folder, module.replace('/', "::")))
}

fn is_of_tests(file: &File) -> bool {
    file.path.ends_with("/tests.rs")
        || file
            .path
            .rsplit_once("/src/")
            .is_some_and(|(_, module)| module.starts_with("tests/") || module.contains("/tests/"))
}

#[cfg(test)]
mod tests {
    use super::super::file::{assert_findings, file};
    use super::*;

    #[track_caller]
    fn find(files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<_> =
            files.iter().map(|(name, text)| file(&format!("host/src/{name}.rs"), text)).collect();
        assert_findings(&check(&files), expected);
    }

    #[test]
    fn two_files_that_use_each_other_are_found() {
        find(
            &[("a", "\nuse crate::b::B;"), ("b", "fn f() { super::a::f() }")],
            &["2: files import from each other: a → b → a"],
        );
        find(&[("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "")], &[]);
    }

    #[test]
    fn a_longer_circle_is_found_once() {
        find(
            &[
                ("a", "use crate::{b::B, d};"),
                ("b", "use super::c;"),
                ("c", "use self::d::D;\nuse crate::a::A;"),
                ("d", ""),
            ],
            &["1: files import from each other: a → b → c → a"],
        );
    }

    #[test]
    fn a_circle_may_lead_through_a_folder() {
        find(
            &[
                ("a", "mod inner;\nuse inner::I;"),
                ("a/inner", "use crate::b::B;"),
                ("b", "use crate::a::A;"),
            ],
            &["2: files import from each other: a → a::inner → b → a"],
        );
    }

    #[test]
    fn a_binary_has_a_root_too() {
        find(
            &[("main", "mod a;\nuse a::A;"), ("a", "use crate::b::B;"), ("b", "use crate::a::A;")],
            &["1: files import from each other: a → b → a"],
        );
        find(&[("main", "use a::A;"), ("a", "use crate::Root;")], &[]);
    }

    #[test]
    fn a_file_may_use_the_modules_that_contain_it() {
        find(
            &[
                ("lib", "mod a;\npub use a::A;"),
                ("a", "mod inner;\nuse inner::I;\nuse crate::Root;"),
                ("a/inner", "use super::A;\nuse crate::Root;"),
            ],
            &[],
        );
        // A name that only begins like that of its folder is another module.
        find(
            &[("ab", "use crate::ab_c::C;"), ("ab_c", "use crate::ab::A;")],
            &["1: files import from each other: ab → ab_c → ab"],
        );
    }

    #[test]
    fn tests_comments_and_other_crates_do_not_count() {
        find(
            &[
                ("a", "use crate::b::B;\nuse other::b;"),
                ("b", "//! See [`crate::a`].\n#[cfg(test)]\nmod tests { use crate::a::A; }"),
                ("b/tests", "use crate::a::A;"),
            ],
            &[],
        );
        let files =
            [file("bench/src/a.rs", "use crate::b::B;"), file("host/src/b.rs", "use crate::a::A;")];
        assert_findings(&check(&files), &[]);
    }
}
