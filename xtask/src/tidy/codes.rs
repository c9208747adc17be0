//! Rule: every error code has a section in `docs/errors.md`, and every section a code. Only the names are
//! compared.

use super::file::{File, Finding};

const CODES: &str = "host/core/src/error.rs";
const SECTIONS: &str = "docs/errors.md";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let find = |path| files.iter().find(|file| file.path == path);
    let Some(codes) = find(CODES) else { return Vec::new() };
    match find(SECTIONS) {
        Some(sections) => compare(codes, sections),
        None => vec![Finding::new(codes, 1, "docs/errors.md is missing", "add it")],
    }
}

fn compare(codes: &File, sections: &File) -> Vec<Finding> {
    let (code_names, section_names) = (codes_of(&codes.text), sections_of(&sections.text));
    let is_in = |names: &[(usize, &str)], name| names.iter().any(|(_, other)| *other == name);
    let mut findings = Vec::new();
    for (line, name) in &code_names {
        if !is_in(&section_names, *name) {
            let what = format!("code `{name}` has no section in docs/errors.md");
            let mend = format!("add a section with the heading ## `{name}`");
            findings.push(Finding::new(codes, *line, &what, &mend));
        }
    }
    for (index, (line, name)) in section_names.iter().enumerate() {
        if !is_in(&code_names, *name) {
            let what = format!("section of `{name}`, which is not an error code");
            findings.push(Finding::new(sections, *line, &what, "remove it, or correct its name"));
        }
        if section_names.iter().take(index).any(|(_, earlier)| earlier == name) {
            let what = format!("second section of `{name}`");
            findings.push(Finding::new(sections, *line, &what, "merge the two"));
        }
    }
    findings
}

/// Returns the strings of the table `codes! { Name = "word", …; }`, with their lines.
fn codes_of(text: &str) -> Vec<(usize, &str)> {
    numbered(text)
        .skip_while(|(_, line)| !line.starts_with("codes! {"))
        .take_while(|(_, line)| *line != "}")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter_map(|(number, line)| Some((number, line.split_once(" = \"")?.1.split_once('"')?.0)))
        .collect()
}

/// Returns the names in headings of the form ## `name`, with their lines.
fn sections_of(text: &str) -> Vec<(usize, &str)> {
    numbered(text)
        .filter_map(|(number, line)| Some((number, line.strip_prefix("## `")?.strip_suffix('`')?)))
        .collect()
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

#[cfg(test)]
mod tests {
    use super::super::file::{assert_findings, file};
    use super::*;

    const TABLE: &str = "macro_rules! codes {\n    ($a:ident = \"no\") => {};\n}\n\ncodes! {\n    \
        /// A = \"comment\"\n    One = \"one\", 400, None, false;\n    \
        TwoWords = \"two-words\", 503, None, true;\n}\nconst X: &str = \"x\";\n";

    #[track_caller]
    fn find(sections: &str, expected: &[&str]) {
        let files = [file(CODES, TABLE), file(SECTIONS, sections)];
        assert_findings(&check(&files), expected);
    }

    #[test]
    fn codes_and_sections_are_one_to_one() {
        find("# Errors\n\n## `one`\n\nText.\n\n## `two-words`\n\n## Further reading\n", &[]);
        find("## `one`\n", &["8: code `two-words` has no section in docs/errors.md"]);
        find(
            "## `two-words`\n## `one`\n## `three`\n## `one`\n",
            &["3: section of `three`, which is not an error code", "4: second section of `one`"],
        );
    }

    #[test]
    fn a_missing_page_is_one_finding() {
        let findings = check(&[file(CODES, TABLE)]);
        assert_findings(&findings, &["1: docs/errors.md is missing"]);
    }
}
