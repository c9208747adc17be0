//! Content negotiation between two media types (`Accept`, RFC 9110, 12.5.1).
//!
//! Pure. Only the route for watching an object has two kinds of responses.

use highlander_core::error::{Error, ErrorCode};
use http::HeaderMap;
use http::header::ACCEPT;

use super::request::malformed;

/// Maximum number of ranges in a header. A header with more is rejected.
const RANGE_COUNT_MAX: usize = 64;

/// Client's preference for a media type: the quality, then the specificity of the range that matches it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Liking {
    quality: f32,
    /// 2 for the exact type, 1 for `type/*`, 0 for `*/*`.
    fit: u8,
}

/// Whether the client prefers `other` to `usual`. If it prefers neither, it gets `usual`.
///
/// # Errors
/// [`ErrorCode::NotAcceptable`] if it accepts neither, [`ErrorCode::MalformedRequest`] if the header is not a list of
/// media types.
pub(super) fn prefers(headers: &HeaderMap, other: &str, usual: &str) -> Result<bool, Error> {
    let mut likings: [Option<Liking>; 2] = [None; 2];
    let (mut count, mut is_said) = (0, false);
    for value in headers.get_all(ACCEPT) {
        is_said = true;
        let text = value.to_str().map_err(|_| no_list())?;
        for range in elements(text, b',').map(str::trim).filter(|range| !range.is_empty()) {
            count += 1;
            let (name, quality) =
                read(range).filter(|_| count <= RANGE_COUNT_MAX).ok_or_else(no_list)?;
            for (liking, media_type) in likings.iter_mut().zip([other, usual]) {
                let Some(fit) = fit(name, media_type) else { continue };
                // The most specific range that matches a type counts.
                if liking.is_none_or(|known| fit > known.fit) {
                    *liking = Some(Liking { quality, fit });
                }
            }
        }
    }
    // An empty header counts as missing.
    if !is_said || count == 0 {
        return Ok(false);
    }
    let [other_liking, usual_liking] = likings.map(|liking| liking.filter(|l| l.quality > 0.0));
    if other_liking.is_none() && usual_liking.is_none() {
        let text = format!("the client accepts neither {usual} nor {other}");
        return Err(Error::new(ErrorCode::NotAcceptable, text)
            .with_hint(format!("send Accept: {usual}, or Accept: {other}")));
    }
    Ok(other_liking > usual_liking)
}

/// Parses a media range and its quality, which defaults to 1. The range is compared case-insensitively.
fn read(range: &str) -> Option<(&str, f32)> {
    let mut parts = elements(range, b';').map(str::trim);
    let name = parts.next()?;
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
    // Some clients send `*` for `*/*`.
    let is_range = name == "*"
        || name.split_once('/').is_some_and(|(kind, rest)| is_token(kind) && is_token(rest));
    let mut quality = 1.0;
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("q") {
            let value = value.trim();
            let is_plain = value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            quality = value.parse().ok().filter(|q| is_plain && (0.0..=1.0).contains(q))?;
        } else if !is_token(name.trim()) {
            return None;
        }
    }
    is_range.then_some((name, quality))
}

/// Splits a text at a separator, except within quotes.
fn elements(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |char: char| {
        let is_end = !is_quoted && char == char::from(separator);
        is_quoted ^= char == '"' && !is_escaped;
        is_escaped = is_quoted && char == '\\' && !is_escaped;
        is_end
    })
}

/// Returns how specifically a range matches a media type, or `None` if it does not.
fn fit(range: &str, media_type: &str) -> Option<u8> {
    let kind = media_type.split('/').next().unwrap_or_default();
    match range.split_once('/') {
        _ if range.eq_ignore_ascii_case(media_type) => Some(2),
        Some((named, "*")) if named.eq_ignore_ascii_case(kind) => Some(1),
        None | Some(("*", "*")) => Some(0),
        _ => None,
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn no_list() -> Error {
    malformed("the header Accept is not valid; expected a list of media types")
        .with_hint("for example: application/json, text/event-stream;q=0.5")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(lines: &[&str]) -> Result<bool, ErrorCode> {
        let lines = lines.iter().map(|line| (ACCEPT, line.parse().unwrap()));
        let headers = lines.fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        });
        prefers(&headers, "application/json", "text/event-stream").map_err(|error| error.code)
    }

    #[test]
    fn json_is_for_those_who_would_rather_have_it() {
        for yes in [
            "application/json",
            "APPLICATION/Json",
            "application/json, text/plain, */*",
            "application/json;q=0.1",
            "application/json ; q=0.9 , text/event-stream;q=0.8",
            "text/event-stream;q=0.5, application/json;charset=utf-8;q=0.6",
            "application/*, text/html",
            "*/*;q=0.5, application/json;Q=1.000",
            "*/*, text/event-stream;q=0",
            "application/json;x=\",text/event-stream;q=1\"",
            "application/json; q=.5, *; q=.2",
            "application/json,",
        ] {
            assert_eq!(json(&[yes]), Ok(true), "{yes}");
        }
        for no in [
            "",
            "*/*",
            "*",
            "text/event-stream",
            "Text/Event-Stream",
            "text/*",
            "application/json, text/event-stream",
            "text/event-stream, application/json;q=0.9",
            "application/json;q=0, */*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        ] {
            assert_eq!(json(&[no]), Ok(false), "{no}");
        }
        assert_eq!(json(&[]), Ok(false));
        assert_eq!(
            json(&["text/event-stream;q=0.5", "application/json"]),
            Ok(true),
            "all lines count"
        );
    }

    #[test]
    fn who_takes_neither_or_says_what_is_no_list_is_told() {
        for neither in
            ["text/html", "application/json;q=0", "image/*", "*/*;q=0", "text/event-stream;q=0.000"]
        {
            assert_eq!(json(&[neither]), Err(ErrorCode::NotAcceptable), "{neither}");
        }
        let many = "a/b,".repeat(65);
        for bad in [
            "json",
            "application/",
            "/json",
            "application/json;q=2",
            "application/json;q=-1",
            "application/json;q=x",
            "application/json;q",
            "a b/c",
            "application/json;q=1e0",
            "application/json;q=nan",
            &many,
        ] {
            assert_eq!(json(&[bad]), Err(ErrorCode::MalformedRequest), "{bad}");
        }
    }
}
