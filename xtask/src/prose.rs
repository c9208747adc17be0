//! `cargo xtask prose`: frequency of patterns in comments and documents that read as translated, per 10,000 words.
//!
//! The figures compare two states of the repository. They do not judge single sentences, and no check depends on
//! them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;

use crate::{tidy, workspace};

/// Pattern of prose. `count` returns the number of its uses in a sentence, given as words.
struct Pattern {
    name: &'static str,
    count: fn(&[&str]) -> usize,
}

/// Phrases with a plainer counterpart: "of its own" is *separate*, "anew" is *again*.
const IDIOMS: [&[&str]; 13] = [
    &["of", "its", "own"],
    &["of", "their", "own"],
    &["beside"],
    &["besides"],
    &["for", "good"],
    &["all", "the", "same"],
    &["anew"],
    &["but", "for"],
    &["meanwhile"],
    &["by", "itself"],
    &["passed", "over"],
    &["turned", "away"],
    &["brought"],
];

const PATTERNS: [Pattern; 9] = [
    Pattern { name: "sentence begins with What/Which/Whom/Whose/Who", count: relative_subject },
    Pattern { name: "sentence begins with Where", count: |words| begins(words, &["where"]) },
    Pattern { name: "where after a comma", count: |words| phrase(words, &[",", "where"]) },
    Pattern {
        name: "somebody/nobody/anybody",
        count: |words| any_word(words, &["somebody", "nobody", "anybody"]),
    },
    Pattern { name: "whoever/whom", count: |words| any_word(words, &["whoever", "whom"]) },
    Pattern { name: "is/are/was/were told", count: |words| forms_of_be(words, "told") },
    Pattern { name: "is/are no", count: |words| forms_of_be(words, "no") },
    Pattern { name: "is/are to", count: |words| forms_of_be(words, "to") },
    Pattern {
        name: "idioms (of its own, beside, for good, anew, but for, …)",
        count: |words| IDIOMS.iter().map(|idiom| phrase(words, idiom)).sum(),
    },
];

/// Counts of one or more texts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    words: usize,
    /// Sentences that end with a full stop, and their words, which excludes headings and cells of tables.
    sentences: usize,
    sentence_words: usize,
    /// Uses by the pattern's index in [`PATTERNS`].
    found: BTreeMap<usize, usize>,
}

impl Counts {
    fn add(&mut self, prose: &str) {
        for Sentence { words, is_whole } in sentences(prose) {
            let words: Vec<&str> = words.iter().map(|word| &**word).collect();
            let word_count = words.iter().filter(|word| **word != "," && **word != "?").count();
            self.words += word_count;
            if is_whole {
                self.sentences += 1;
                self.sentence_words += word_count;
            }
            for (index, pattern) in PATTERNS.iter().enumerate() {
                *self.found.entry(index).or_default() += (pattern.count)(&words);
            }
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of words are far below 2^52")]
    fn report(&self) -> String {
        let per_10_000 = |count: usize| count as f64 * 10_000.0 / self.words.max(1) as f64;
        let mut text = format!(
            "{} words; {} sentences of {:.1} words on average\nper 10,000 words:\n",
            self.words,
            self.sentences,
            self.sentence_words as f64 / self.sentences.max(1) as f64
        );
        for (index, pattern) in PATTERNS.iter().enumerate() {
            let count = self.found.get(&index).copied().unwrap_or_default();
            let _ = writeln!(text, "{:8.1}  {} ({count})", per_10_000(count), pattern.name);
        }
        text
    }
}

/// Runs the command.
pub(crate) fn run() -> Result<ExitCode> {
    let mut counts = Counts::default();
    for (path, text) in tidy::texts(&workspace::root()?)? {
        if path.ends_with(".rs") || path.ends_with(".wit") {
            counts.add(&comments(&text));
        } else if path.ends_with(".md") {
            counts.add(&document(&text));
        }
    }
    print!("{}", counts.report());
    Ok(ExitCode::SUCCESS)
}

/// Returns the lines that are entirely comments, with an empty line between two comments.
fn comments(source: &str) -> String {
    let mut prose = String::new();
    let mut is_code = false;
    for line in source.lines() {
        match line.trim_start().strip_prefix("//") {
            Some(comment) => {
                let comment = comment.trim_start_matches(['/', '!']).trim_start();
                is_code ^= comment.starts_with("```");
                if !is_code && !comment.starts_with("```") {
                    prose += comment;
                }
            }
            None => is_code = false,
        }
        prose += "\n";
    }
    prose
}

/// Returns a document without its code blocks, and with an empty line around headings, rows and items.
fn document(markdown: &str) -> String {
    let mut prose = String::new();
    let mut is_code = false;
    for line in markdown.lines() {
        let line = line.trim_start();
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence {
            continue;
        }
        let stands_alone = line.starts_with(['#', '|', '-', '*']);
        prose += if stands_alone { "\n" } else { "" };
        // Each cell of a table is a separate text.
        prose += &line.replace('|', "\n\n");
        prose += if stands_alone { "\n\n" } else { "\n" };
    }
    prose
}

/// Words up to a full stop, colon or semicolon, or up to the end of a paragraph.
struct Sentence {
    words: Vec<String>,
    /// Whether it ends with a full stop, a question mark or an exclamation mark.
    is_whole: bool,
}

/// Splits text into sentences of lower-case words. Commas and question marks count as words, code in backticks as
/// one.
fn sentences(prose: &str) -> Vec<Sentence> {
    let mut all = Vec::new();
    for paragraph in prose.split("\n\n") {
        let mut words = Vec::new();
        for raw in paragraph.split_whitespace() {
            let word = raw.trim_matches(|c: char| !c.is_alphanumeric() && c != '`').to_lowercase();
            if !word.is_empty() {
                words.push(word);
            }
            let end = raw.trim_end_matches(['"', ')', '*', '_', '`']);
            if end.ends_with(',') {
                words.push(",".to_owned());
            }
            if end.ends_with('?') {
                words.push("?".to_owned());
            }
            if end.ends_with(['.', '?', '!', ':', ';']) && !words.is_empty() {
                let is_whole = end.ends_with(['.', '?', '!']);
                all.push(Sentence { words: std::mem::take(&mut words), is_whole });
            }
        }
        if !words.is_empty() {
            all.push(Sentence { words, is_whole: false });
        }
    }
    all
}

/// Counts a sentence whose subject is a relative clause, unless it is a question.
fn relative_subject(words: &[&str]) -> usize {
    let is_question = words.last() == Some(&"?");
    if is_question { 0 } else { begins(words, &["what", "which", "whom", "whose", "who"]) }
}

fn begins(words: &[&str], first: &[&str]) -> usize {
    usize::from(words.first().is_some_and(|word| first.contains(word)))
}

fn any_word(words: &[&str], wanted: &[&str]) -> usize {
    words.iter().filter(|word| wanted.contains(word)).count()
}

fn phrase(words: &[&str], wanted: &[&str]) -> usize {
    words.windows(wanted.len()).filter(|window| *window == wanted).count()
}

fn forms_of_be(words: &[&str], next: &str) -> usize {
    ["is", "are", "was", "were"].iter().map(|be| phrase(words, &[be, next])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(prose: &str) -> Vec<(&'static str, usize)> {
        let mut counts = Counts::default();
        counts.add(prose);
        let named = counts.found.into_iter().filter_map(|(index, count)| {
            let pattern = PATTERNS.get(index)?;
            (count > 0).then_some((pattern.name.split(' ').next()?, count))
        });
        named.collect()
    }

    #[test]
    fn sentences_with_a_relative_clause_as_subject_are_found_and_questions_are_not() {
        assert_eq!(found("What is damaged is refused. It stays."), [("sentence", 1)]);
        assert_eq!(found("What is it?"), []);
        assert_eq!(found("It tells what is damaged."), []);
    }

    #[test]
    fn phrases_are_found_across_lines_and_beside_punctuation() {
        assert_eq!(
            found("The caller is\ntold, for\ngood."),
            [("is/are/was/were", 1), ("idioms", 1)]
        );
        assert_eq!(found("A node, where it is no owner."), [("where", 1), ("is/are", 1)]);
    }

    #[test]
    fn code_is_no_prose() {
        assert_eq!(
            comments("let what = 1;\n/// One.\n/// ```\n/// nobody()\n/// ```\n").trim(),
            "One."
        );
        let prose = document("# Head\n```sh\nnobody\n```\n| a | b. |\n");
        let words: Vec<_> = sentences(&prose).into_iter().flat_map(|one| one.words).collect();
        assert_eq!(words, ["head", "a", "b"]);
    }

    #[test]
    fn counts_are_printed_per_10_000_words() {
        let mut counts = Counts::default();
        counts.add("Nobody waits here. Somebody may wait there.");
        let report = counts.report();
        assert!(report.starts_with("7 words; 2 sentences of 3.5 words on average"), "{report}");
        assert!(report.contains("2857.1  somebody/nobody/anybody (2)"), "{report}");
    }
}
