//! Sentences of comments and documents, cut into words. Code is not prose.

/// Words up to a full stop, colon or semicolon, or up to the end of a paragraph.
#[derive(Debug)]
pub(crate) struct Sentence {
    /// The line in which it begins, from 1.
    pub(crate) line: usize,
    /// In lower case. Commas and question marks count as words, and so does code in backticks.
    pub(crate) words: Vec<String>,
    /// Whether it ends with a full stop, a question mark or an exclamation mark.
    pub(crate) is_whole: bool,
    /// Whether it follows a colon or semicolon.
    pub(crate) is_continued: bool,
}

/// Lines that belong together, the first with its number.
struct Paragraph {
    line: usize,
    text: String,
}

/// Returns the sentences of a file: its comments, or all of a document. Other files have none.
pub(crate) fn sentences(path: &str, text: &str) -> Vec<Sentence> {
    let paragraphs = if path.ends_with(".rs") || path.ends_with(".wit") {
        comments(text)
    } else if path.ends_with(".md") {
        document(text)
    } else {
        Vec::new()
    };
    paragraphs.iter().flat_map(cut).collect()
}

/// Returns consecutive lines that are entirely comments as one paragraph.
fn comments(source: &str) -> Vec<Paragraph> {
    let mut all = Paragraphs::default();
    let mut is_code = false;
    for (index, line) in source.lines().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("//") else {
            is_code = false;
            all.end();
            continue;
        };
        let comment = comment.trim_start_matches(['/', '!']).trim_start();
        let is_fence = comment.starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence || comment.is_empty() {
            all.end();
        } else {
            all.add(index + 1, comment);
        }
    }
    all.done
}

/// Returns the paragraphs of a document. Headings and items end one, and each cell of a table is one.
fn document(markdown: &str) -> Vec<Paragraph> {
    let mut all = Paragraphs::default();
    let mut is_code = false;
    for (index, line) in markdown.lines().enumerate() {
        let line = line.trim_start();
        let is_fence = line.starts_with("```") || line.starts_with("~~~");
        is_code ^= is_fence;
        if is_code || is_fence || line.is_empty() {
            all.end();
            continue;
        }
        let stands_alone = line.starts_with(['#', '|', '-', '*']);
        if stands_alone {
            all.end();
        }
        for cell in line.split('|').filter(|cell| !cell.trim().is_empty()) {
            all.add(index + 1, cell);
            if stands_alone {
                all.end();
            }
        }
    }
    all.done
}

/// Collects paragraphs line by line.
#[derive(Default)]
struct Paragraphs {
    done: Vec<Paragraph>,
    is_open: bool,
}

impl Paragraphs {
    fn add(&mut self, line: usize, text: &str) {
        match self.done.last_mut().filter(|_| self.is_open) {
            Some(open) => {
                open.text += "\n";
                open.text += text;
            }
            None => self.done.push(Paragraph { line, text: text.to_owned() }),
        }
        self.is_open = true;
    }

    fn end(&mut self) {
        self.is_open = false;
    }
}

fn cut(paragraph: &Paragraph) -> Vec<Sentence> {
    let mut all = Vec::new();
    let mut words = Vec::new();
    let mut first_line = paragraph.line;
    let mut is_continued = false;
    for (index, line) in paragraph.text.lines().enumerate() {
        for raw in line.split_whitespace() {
            if words.is_empty() {
                first_line = paragraph.line + index;
            }
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
                let words = std::mem::take(&mut words);
                all.push(Sentence { line: first_line, words, is_whole, is_continued });
                is_continued = !is_whole;
            }
        }
    }
    if !words.is_empty() {
        all.push(Sentence { line: first_line, words, is_whole: false, is_continued });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(path: &str, text: &str) -> Vec<(usize, String)> {
        let all = sentences(path, text).into_iter();
        all.map(|sentence| (sentence.line, sentence.words.join(" "))).collect()
    }

    #[track_caller]
    fn find(path: &str, text: &str, expected: &[(usize, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(line, words)| (*line, (*words).to_owned())).collect();
        assert_eq!(words(path, text), expected);
    }

    #[test]
    fn code_is_no_prose() {
        find(
            "a.rs",
            "let what = 1;\n/// One.\n/// ```\n/// nobody()\n/// ```\n/// Two.\n",
            &[(2, "one"), (6, "two")],
        );
        find(
            "a.md",
            "# Head\n```sh\nnobody\n```\n| a | b. |\n~~~text\nnobody\n~~~\n",
            &[(1, "head"), (5, "a"), (5, "b")],
        );
        find("a.toml", "# One.\n", &[]);
    }

    #[test]
    fn a_sentence_has_the_line_in_which_it_begins() {
        find("a.rs", "//! One\n//! two. Three\n//! four.\n", &[(1, "one two"), (2, "three four")]);
        find(
            "a.md",
            "One.\n\n- two\n  three.\n- four\n",
            &[(1, "one"), (3, "two"), (4, "three"), (5, "four")],
        );
    }
}
