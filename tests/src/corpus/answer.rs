//! The bytes of an answer in words, in which an expectation is written.

/// Everything that the node answered on one connection, in words: the statuses of all responses, error codes,
/// frames and close codes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer(Vec<String>);

impl Answer {
    /// Whether this is the answer that one of the alternatives of an expectation describes.
    ///
    /// All statuses must be listed, in their order; other words must occur.
    #[must_use]
    pub fn is_as(&self, expected: &str) -> bool {
        expected.split(" | ").any(|one| match one {
            "closed" => self.0.is_empty(),
            one => {
                let words: Vec<_> = one.split_whitespace().map(str::to_owned).collect();
                statuses(&words) == statuses(&self.0)
                    && words.iter().all(|word| self.0.contains(word))
            }
        })
    }

    /// Returns the answer of a node that did not close the connection.
    pub(super) fn still_open() -> Self {
        Self(vec!["still-open".to_owned()])
    }

    /// Reads everything that the node sent.
    pub(super) fn read(bytes: &[u8]) -> Self {
        if !bytes.starts_with(b"HTTP/1") {
            return Self(http2_words(bytes));
        }
        let text = String::from_utf8_lossy(bytes);
        let mut words = Vec::new();
        for response in text.split("HTTP/1.").skip(1) {
            words.extend(response.get(2..5).map(str::to_owned));
            let code = response.split("\"code\":\"").nth(1);
            words.extend(code.and_then(|code| code.split('"').next()).map(str::to_owned));
        }
        if words.first().is_some_and(|status| status == "101") {
            words.extend(websocket_words(bytes));
        }
        Self(words)
    }
}

fn statuses(words: &[String]) -> Vec<&String> {
    let is_status = |word: &&String| word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit());
    words.iter().filter(is_status).collect()
}

/// Returns what the node sent, as words: `headers`, `reset`, and `goaway` with its error code. The numbers are
/// those of RFC 9113.
fn http2_words(bytes: &[u8]) -> Vec<String> {
    let (mut words, mut rest) = (Vec::<String>::new(), bytes);
    while let [a, b, c, kind, _flags, _, _, _, _, after @ ..] = rest {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let payload = after.get(..length).unwrap_or(after);
        match *kind {
            1 => words.push("headers".to_owned()),
            3 => words.push("reset".to_owned()),
            7 => {
                let code = payload.get(7).copied().unwrap_or_default();
                words.extend(["goaway".to_owned(), format!("goaway-{code}")]);
            }
            _ => {}
        }
        rest = after.get(length..).unwrap_or_default();
    }
    words.dedup();
    words
}

/// Returns the codes of the close frames that follow the response, as words.
fn websocket_words(bytes: &[u8]) -> Vec<String> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (mut words, mut rest) = (Vec::new(), end.map_or(&[][..], |end| &bytes[end + 4..]));
    // Frames of the node have no mask, and these have at most 125 bytes.
    while let [first, length, after @ ..] = rest {
        let length = usize::from(*length);
        if let (8, [high, low, ..]) = (first & 0x0f, after) {
            words.push(format!("close-{}", u16::from_be_bytes([*high, *low])));
        }
        rest = after.get(length..).unwrap_or_default();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_all_statuses_in_their_order_and_other_words_among_them() {
        let text =
            "HTTP/1.1 200 OK\r\n\r\nokHTTP/1.1 400 Bad Request\r\n\r\n{\"code\":\"malformed\"}";
        let answer = Answer::read(text.as_bytes());
        assert!(answer.is_as("200 400") && answer.is_as("200 400 malformed"));
        assert!(answer.is_as("closed | 404 | malformed 200 400"));
        for other in ["closed", "200", "400 200", "200 400 internal"] {
            assert!(!answer.is_as(other), "{other}");
        }
        assert!(Answer::default().is_as("200 | closed"));
    }
}
