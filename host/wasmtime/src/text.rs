//! Text from guests: cut to a length, and escaped so that it cannot control a terminal or forge a log line.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns at most the first `bytes_max` bytes of `text`, without splitting a character.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Escapes control characters, so that no guest can control a terminal or forge a log line.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            let _ = write!(escaped, "{}", character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Returns a message of a guest as one printable line of at most `bytes_max` bytes.
pub(super) fn printable(text: &str, bytes_max: usize) -> String {
    cut(&escape(cut(text, bytes_max)), bytes_max).to_owned()
}

/// Whether the character is a control character or changes the direction of the surrounding text.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_guests_cannot_steer_a_terminal_or_forge_a_line() {
        for (text, shown) in [
            ("plain, äöü, 漢字 and \u{1f600}", "plain, äöü, 漢字 and \u{1f600}"),
            ("red \u{1b}[31m", "red \\u{1b}[31m"),
            ("one\nERROR two\r", "one\\nERROR two\\r"),
            ("\u{202e}gnp.exe\u{9b}\0", "\\u{202e}gnp.exe\\u{9b}\\u{0}"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn a_message_is_one_line_within_its_limit() {
        assert_eq!(printable("a\r\nx: y\u{1b}[2J", 100), "a\\r\\nx: y\\u{1b}[2J");
        assert_eq!(printable("plain, äöü", 100), "plain, äöü");
        assert_eq!(printable(&"\0".repeat(100), 10), "\\u{0}\\u{0}");
        assert_eq!(printable("aä", 2), "a");
    }

    #[test]
    fn text_is_cut_between_two_characters() {
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("aä", 2), "a");
        assert_eq!(cut("ä", 0), "");
    }
}
