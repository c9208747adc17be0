//! Writes to standard output and standard error; no other module does.
//!
//! Text from a node or from object code is untrusted: its control characters are escaped, so that it cannot
//! control the terminal or imitate a message of this program. A closed pipe ends a command without an error.

use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use highlander_core::json::encode;
use humantime_serde::re::humantime;
use serde::Serialize;
use serde_json::value::RawValue;

use super::failure::{Exit, Failure};

/// First timestamp that the date format cannot represent.
const YEAR_10000_MS: u64 = 253_402_300_800_000;

/// Prints one line of text to standard output.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    write(&escaped(text))
}

/// Prints a JSON document to standard output, unchanged.
pub(super) fn json(document: &[u8]) -> Result<(), Failure> {
    write(&escaped_json(&String::from_utf8_lossy(document)))
}

/// Prints a JSON document to standard output on one line, for readers that expect one document per line.
pub(super) fn document(document: &str) -> Result<(), Failure> {
    write(&escaped_json(&compact(document)))
}

/// Prints a value to standard output as JSON on one line.
pub(super) fn value(value: &impl Serialize) -> Result<(), Failure> {
    json(&encode(value))
}

/// Prints JSON documents to standard output, one per line.
pub(super) fn documents<'a>(
    documents: impl IntoIterator<Item = &'a Box<RawValue>>,
) -> Result<(), Failure> {
    documents.into_iter().try_for_each(|one| document(one.get()))
}

/// Prints text of this program to standard output without escaping.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    write(text.trim_end())
}

/// Removes white space between the values of a JSON document. Everything else, numbers in particular, is
/// unchanged.
pub(super) fn compact(document: &str) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    let is_kept = |c: &char| {
        let was_text = is_text;
        is_text ^= *c == '"' && !is_escaped;
        is_escaped = was_text && *c == '\\' && !is_escaped;
        was_text || !matches!(c, ' ' | '\n' | '\t' | '\r')
    };
    document.chars().filter(is_kept).collect()
}

/// Waits until the reader of standard output closes the pipe; never returns if standard output is a file.
#[cfg(unix)]
pub(super) async fn closed() {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;

    let (tell, told) = tokio::sync::oneshot::channel();
    // Not on a runtime thread, because the runtime's shutdown would wait for it. A plain thread ends with the
    // process.
    std::thread::spawn(move || {
        let stdout = io::stdout();
        let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
        while poll(&mut polled, None) == Err(Errno::INTR) {}
        let gone = PollFlags::ERR | PollFlags::HUP;
        if polled.iter().any(|polled| polled.revents().intersects(gone)) {
            // The receiver is dropped if the command has already ended.
            let _ = tell.send(());
        }
    });
    if told.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Never returns: only Unix systems report that the reader has closed the pipe before something is written.
#[cfg(not(unix))]
pub(super) async fn closed() {
    std::future::pending::<()>().await;
}

/// Formats a Unix time in milliseconds for people.
pub(super) fn time(ms: u64) -> String {
    let at = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(ms));
    let shown = at.filter(|_| ms < YEAR_10000_MS).map(humantime::format_rfc3339_seconds);
    shown.map_or_else(|| format!("{ms}ms"), |shown| shown.to_string())
}

/// Prints rows as aligned columns.
pub(super) fn table(rows: &[Vec<String>]) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        write(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Prints a remark to standard error.
pub fn note(text: &str) {
    // A closed standard error does not end the command.
    let _ = writeln!(io::stderr().lock(), "{}", escaped(text));
}

/// Prints a failure, with its hint, and returns the exit code.
pub(super) fn failure(failure: &Failure) -> ExitCode {
    if failure.exit != Exit::Done {
        note(&format!("error: {}", failure.message));
        if let Some(hint) = &failure.hint {
            note("");
            note(&format!("hint: {hint}"));
        }
    }
    ExitCode::from(failure.exit as u8)
}

fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::nobody_reads(),
        _ => Failure::environment(format!("cannot write to standard output: {error}")),
    })
}

/// Escapes all characters that control a terminal or change the text direction.
fn escaped(text: &str) -> String {
    replace(text, |c| c.is_control() || is_direction(c), |c| format!("\\u{{{:x}}}", u32::from(c)))
}

/// Escapes a JSON document likewise, with JSON's own escapes. The control characters below U+0020 that JSON
/// permits unescaped are white space between values.
fn escaped_json(text: &str) -> String {
    let is_space = |c: char| matches!(c, '\n' | '\t' | '\r');
    let acts = |c: char| (c.is_control() && !is_space(c)) || c == '\r' || is_direction(c);
    replace(text.trim_end(), acts, |c| match c {
        '\r' => String::new(),
        c => format!("\\u{:04x}", u32::from(c)),
    })
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn replace(text: &str, acts: impl Fn(char) -> bool, escape: impl Fn(char) -> String) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { safe.push_str(&escape(c)) } else { safe.push(c) }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_given_nothing_to_act_on() {
        assert_eq!(escaped("a\u{1b}[31mb\nc\u{202e}"), "a\\u{1b}[31mb\\u{a}c\\u{202e}");
        assert_eq!(escaped("Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn a_compact_document_has_the_same_numbers_and_texts() {
        for (document, expected) in [
            (
                "{ \"a\" : [1.0, 123456789012345678901234567890 ,\n-0] }",
                "{\"a\":[1.0,123456789012345678901234567890,-0]}",
            ),
            (r#"" a \" b \\" "#, r#"" a \" b \\""#),
            ("null", "null"),
        ] {
            assert_eq!(compact(document), expected);
        }
    }

    #[test]
    fn escaped_json_is_the_same_json() {
        let text = "{\"a\": \"\u{9b}31m\u{7f}\u{202e}\",\r\n \"b\": 1}\n";
        let safe = escaped_json(text);
        assert!(!safe.contains(['\u{9b}', '\u{7f}', '\u{202e}', '\r']), "{safe}");
        let (before, after): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(text).unwrap(), serde_json::from_str(&safe).unwrap());
        assert_eq!(before, after);
    }
}
