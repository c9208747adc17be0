//! Reads the files of the corpus: blocks of a name, a purpose, an expectation and a body.
//!
//! ```text
//! # name
//! The purpose, in one line.
//! => expectation
//! body, up to the next name
//! ```
//!
//! In an expectation and in a body, `<<20*text>>` stands for 20 times the text.

/// One entry of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) name: &'static str,
    pub(super) purpose: &'static str,
    pub(super) expected: String,
    pub(super) body: String,
}

/// Returns the blocks of a file. Lines before the first name are comments.
pub(super) fn read(file: &'static str) -> Vec<Block> {
    file.split("\n# ").skip(1).map(read_one).collect()
}

fn read_one(text: &'static str) -> Block {
    let mut parts = text.splitn(3, '\n');
    let (name, purpose) = (parts.next().unwrap(), parts.next().unwrap());
    let rest = parts.next().unwrap_or_else(|| panic!("{name} is incomplete"));
    let (first, body) = rest.split_once('\n').unwrap_or((rest, ""));
    let expected = first.strip_prefix("=> ");
    let expected = expected.unwrap_or_else(|| panic!("{name} has no expectation"));
    Block {
        name,
        purpose,
        expected: repeated(expected),
        body: repeated(body.trim_end_matches('\n')),
    }
}

/// Expands all repetitions of a text.
pub(super) fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("<<") else { return text.to_owned() };
    let (repetition, after) = rest.split_once(">>").expect("a repetition ends");
    let (count, part) = repetition.split_once('*').expect("a repetition has a count");
    let count = count.parse().unwrap_or_else(|_| panic!("{count} is not a count"));
    format!("{before}{}{}", part.repeat(count), repeated(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_a_name_a_purpose_an_expectation_and_a_body() {
        let blocks =
            read("A comment.\n\n# one\nFirst.\n=> done\na\n\nb\n\n# two\nSecond.\n=> 400\n");
        let block = |name, purpose, expected: &str, body: &str| Block {
            name,
            purpose,
            expected: expected.to_owned(),
            body: body.to_owned(),
        };
        let expected =
            [block("one", "First.", "done", "a\n\nb"), block("two", "Second.", "400", "")];
        assert_eq!(blocks, expected);
    }

    #[test]
    fn repetitions_are_expanded() {
        assert_eq!(repeated("a<<3*xy>>b<<2*(1)>>"), "axyxyxyb(1)(1)");
    }
}
