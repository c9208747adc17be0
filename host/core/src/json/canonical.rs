//! Canonical form of a JSON value, for comparison: white space, the order of members, and the spelling of numbers
//! and strings do not matter.
//!
//! The form derives from the text, because parsers round long numbers, which would make different numbers equal.
//! It is for comparison only; `docs/formats.md` specifies it.

use std::borrow::Cow;

/// Maximum depth, because each level may copy its content. Deeper values are compared as text.
const DEPTH_MAX: u32 = 32;

/// Returns the canonical form of `json`, or `json` unchanged if it is not JSON or too deep.
#[must_use]
pub fn canonical(json: &[u8]) -> Cow<'_, [u8]> {
    let mut reader = Reader { rest: json };
    let mut form = Vec::with_capacity(json.len());
    match reader.value(&mut form, DEPTH_MAX) {
        Some(()) if reader.next_byte().is_none() => Cow::Owned(form),
        _ => Cow::Borrowed(json),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Returns the next byte that is not white space, without consuming it.
    fn next_byte(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.first().copied()
    }

    fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn value(&mut self, form: &mut Vec<u8>, depth: u32) -> Option<()> {
        match self.next_byte()? {
            b'{' => self.object(form, depth.checked_sub(1)?),
            b'[' => self.array(form, depth.checked_sub(1)?),
            b'"' => self.text(form),
            b'-' | b'0'..=b'9' => self.number(form),
            _ => self.word(form),
        }
    }

    fn array(&mut self, form: &mut Vec<u8>, depth: u32) -> Option<()> {
        self.skip();
        form.push(b'[');
        while self.next_byte()? != b']' {
            self.value(form, depth)?;
            if self.next_byte()? == b',' {
                self.skip();
            }
            form.push(b',');
        }
        self.skip();
        form.push(b']');
        Some(())
    }

    fn object(&mut self, form: &mut Vec<u8>, depth: u32) -> Option<()> {
        self.skip();
        let mut members = Vec::new();
        while self.next_byte()? != b'}' {
            let mut name = Vec::new();
            self.text(&mut name)?;
            if self.next_byte()? != b':' {
                return None;
            }
            self.skip();
            let mut value = Vec::new();
            self.value(&mut value, depth)?;
            members.push((name, value));
            if self.next_byte()? == b',' {
                self.skip();
            }
        }
        self.skip();
        // A stable sort keeps the order of duplicate names, because the reader decides which of them counts.
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        form.push(b'{');
        for (name, value) in members {
            form.extend_from_slice(&name);
            form.push(b':');
            form.extend_from_slice(&value);
            form.push(b',');
        }
        form.push(b'}');
        Some(())
    }

    fn text(&mut self, form: &mut Vec<u8>) -> Option<()> {
        if self.next_byte()? != b'"' {
            return None;
        }
        let mut is_escaped = false;
        let ends = |byte: &u8| {
            let ends = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            ends
        };
        let length = self.rest.iter().skip(1).position(ends)? + 2;
        let quoted = self.take(length)?;
        if quoted.contains(&b'\\') {
            let text: String = serde_json::from_slice(quoted).ok()?;
            serde_json::to_writer(form, &text).ok()
        } else {
            form.extend_from_slice(quoted);
            Some(())
        }
    }

    /// Reads `true`, `false` or `null`.
    fn word(&mut self, form: &mut Vec<u8>) -> Option<()> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        let word = self.take(length)?;
        form.extend_from_slice(word);
        matches!(word, b"true" | b"false" | b"null").then_some(())
    }

    fn number(&mut self, form: &mut Vec<u8>) -> Option<()> {
        let is_part = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let length = self.rest.iter().take_while(is_part).count();
        let number = std::str::from_utf8(self.take(length)?).ok()?;
        write_number(form, number)
    }
}

/// Writes a number as its sign, its significant digits without leading or trailing zeros, and a power of ten.
fn write_number(form: &mut Vec<u8>, number: &str) -> Option<()> {
    let size = number.strip_prefix('-').unwrap_or(number);
    let (digits, power) = size.split_once(['e', 'E']).unwrap_or((size, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if size.len() < number.len() {
        form.push(b'-');
    }
    if trimmed.is_empty() {
        form.push(b'0');
        return Some(());
    }
    let zeros = i64::try_from(significant.len() - trimmed.len()).ok()?;
    let power: i64 = power.parse().ok()?;
    let power = power.checked_add(zeros)?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    form.extend_from_slice(trimmed.as_bytes());
    form.extend_from_slice(format!("e{power}").as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(a: &str, b: &str) {
        assert_eq!(canonical(a.as_bytes()), canonical(b.as_bytes()), "{a} and {b}");
    }

    #[track_caller]
    fn different(a: &str, b: &str) {
        assert_ne!(canonical(a.as_bytes()), canonical(b.as_bytes()), "{a} and {b}");
    }

    #[test]
    fn values_are_the_same_however_they_are_written() {
        same("null", " null\n");
        same(r#"{"a":1,"b":[true,null]}"#, "{ \"b\" : [ true , null ],\t\"a\" : 1 }");
        same(r#"{"x":{"b":1,"a":2}}"#, r#"{"x":{"a":2,"b":1}}"#);
        same(r#""ä\n/""#, r#""\u00e4\u000a\/""#);
        same(r#"{"\u0061":1}"#, r#"{"a":1}"#);
        for (a, b) in
            [("5", "5.0"), ("50e-1", "5"), ("1E2", "100"), ("0.00", "0e7"), ("1.50", "1.5")]
        {
            same(a, b);
        }
        same("[]", "[ ]");
        same("{}", "{ }");
    }

    #[test]
    fn different_values_are_told_apart() {
        for (a, b) in [
            ("1", "\"1\""),
            ("1", "10"),
            ("1", "-1"),
            ("0", "-0"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[[1]]"),
            ("[]", "{}"),
            ("[1,2]", "[12]"),
            ("null", "false"),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            (r#"["a","b"]"#, r#"["a,b"]"#),
            // Both round to the same float.
            ("12345678901234567890123", "12345678901234567890124"),
            ("0.1000000000000000000001", "0.1"),
            ("1e400", "1e401"),
        ] {
            different(a, b);
        }
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_compared_as_it_is_written() {
        for text in
            ["", "{", "[1", "{\"a\"}", "\"\\", "nul", "1 2", "\"\\ud800\"", "-", "1e", "[1 2"]
        {
            let form = canonical(text.as_bytes());
            assert!(!form.is_empty() || text.is_empty(), "{text}");
        }
        let deep = |space: &str| format!("{}{space}{}", "[".repeat(33), "]".repeat(33));
        different(&deep(""), &deep(" "));
        let deep = |space: &str| format!("{}{space}{}", "[".repeat(32), "]".repeat(32));
        same(&deep(""), &deep(" "));
        let endless = "[".repeat(1_000_000);
        assert_eq!(&*canonical(endless.as_bytes()), endless.as_bytes());
    }
}
