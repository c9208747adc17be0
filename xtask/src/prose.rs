//! `cargo xtask prose`: frequency of patterns in comments and documents that read as translated, per 10,000 words.
//!
//! The figures compare two states of the repository. `cargo xtask tidy` rejects the patterns that are never right
//! ([`banned()`]).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;

use crate::tidy::file::{File, files};
use crate::workspace;

pub(crate) mod sentences;

use sentences::Sentence;

/// Pattern of prose. `count` returns the number of its uses in a sentence, whose words are the second argument.
struct Pattern {
    name: &'static str,
    count: fn(&Sentence, &[&str]) -> usize,
    /// Whether each use is wrong, so that tidy rejects it.
    is_banned: bool,
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
    banned_use("sentence begins with What/Which/Whom/Whose/Who", relative_subject),
    counted("sentence begins with Where", |_, words| begins(words, &["where"])),
    counted("where after a comma", |_, words| phrase(words, &[",", "where"])),
    banned_use("somebody/nobody/anybody", |_, words| {
        any_word(words, &["somebody", "nobody", "anybody"])
    }),
    banned_use("whoever/whom", |_, words| any_word(words, &["whoever", "whom"])),
    banned_use("is/are/was/were told", |_, words| forms_of_be(words, "told")),
    counted("is/are no", |_, words| forms_of_be(words, "no")),
    counted("is/are to", |_, words| forms_of_be(words, "to")),
    counted("idioms (of its own, beside, for good, anew, but for, …)", |_, words| {
        IDIOMS.iter().map(|idiom| phrase(words, idiom)).sum()
    }),
];

/// A pattern that is wrong in every sentence.
const fn banned_use(name: &'static str, count: fn(&Sentence, &[&str]) -> usize) -> Pattern {
    Pattern { name, count, is_banned: true }
}

/// A pattern that is only wrong if it is frequent.
const fn counted(name: &'static str, count: fn(&Sentence, &[&str]) -> usize) -> Pattern {
    Pattern { name, count, is_banned: false }
}

/// Returns the name of the first banned pattern that a sentence uses.
pub(crate) fn banned(sentence: &Sentence) -> Option<&'static str> {
    let words: Vec<&str> = sentence.words.iter().map(|word| &**word).collect();
    let mut banned = PATTERNS.iter().filter(|pattern| pattern.is_banned);
    banned.find(|pattern| (pattern.count)(sentence, &words) > 0).map(|pattern| pattern.name)
}

/// TestSummary of one or more texts.
#[derive(Debug, Default, PartialEq, Eq)]
struct TestSummary {
    words: usize,
    /// Sentences that end with a full stop, and their words, which excludes headings and cells of tables.
    sentences: usize,
    sentence_words: usize,
    /// Uses by the pattern's index in [`PATTERNS`].
    found: BTreeMap<usize, usize>,
}

impl TestSummary {
    fn add(&mut self, sentences: &[Sentence]) {
        for sentence in sentences {
            let words: Vec<&str> = sentence.words.iter().map(|word| &**word).collect();
            let word_count = words.iter().filter(|word| **word != "," && **word != "?").count();
            self.words += word_count;
            if sentence.is_whole {
                self.sentences += 1;
                self.sentence_words += word_count;
            }
            for (index, pattern) in PATTERNS.iter().enumerate() {
                *self.found.entry(index).or_default() += (pattern.count)(sentence, &words);
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
    let mut counts = TestSummary::default();
    for File { path, text } in files(&workspace::root()?)? {
        counts.add(&sentences::sentences(&path, &text));
    }
    print!("{}", counts.report());
    Ok(ExitCode::SUCCESS)
}

/// Counts a sentence whose subject is a relative clause, unless it is a question.
fn relative_subject(sentence: &Sentence, words: &[&str]) -> usize {
    let is_question = words.last() == Some(&"?");
    if is_question || sentence.is_continued {
        0
    } else {
        begins(words, &["what", "which", "whom", "whose", "who"])
    }
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
        let mut counts = TestSummary::default();
        counts.add(&sentences::sentences("a.md", prose));
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
    fn only_patterns_that_are_never_right_are_banned() {
        let banned = |text| sentences::sentences("a.md", text).iter().find_map(banned);
        assert_eq!(banned("The node waits. Whoever calls is told."), Some("whoever/whom"));
        assert_eq!(banned("What is damaged is refused.").map(|name| &name[..8]), Some("sentence"));
        assert_eq!(banned("What is it? There is no node, where it is to be."), None);
    }

    #[test]
    fn counts_are_printed_per_10_000_words() {
        let mut counts = TestSummary::default();
        counts.add(&sentences::sentences("a.md", "Nobody waits here. Somebody may wait there."));
        let report = counts.report();
        assert!(report.starts_with("7 words; 2 sentences of 3.5 words on average"), "{report}");
        assert!(report.contains("2857.1  somebody/nobody/anybody (2)"), "{report}");
    }
}
