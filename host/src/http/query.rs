//! Reads the query of a URL: a few known parameters, each at most once.
//!
//! An unknown parameter is refused, so that a misspelled one is not taken for its absence.

use http::Uri;
use percent_encoding::percent_decode_str;

use super::request::malformed;
use crate::error::Error;

/// The parameters of a query, in their order.
pub(super) fn parameters(uri: &Uri, known: &[&str]) -> Result<Vec<(String, String)>, Error> {
    parameters_of(uri, known, &[])
}

/// The same, where those of `repeated` may be given more than once.
pub(super) fn parameters_of(
    uri: &Uri,
    known: &[&str],
    repeated: &[&str],
) -> Result<Vec<(String, String)>, Error> {
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if !known.contains(&name.as_str()) {
            let name: String = name.chars().take(50).collect();
            let text = format!("the parameter {name:?} is not one of {}", known.join(", "));
            return Err(malformed(text));
        }
        let is_repeated = found.iter().any(|(other, _)| *other == name);
        if is_repeated && !repeated.contains(&name.as_str()) {
            return Err(malformed(format!("the parameter {name:?} is given twice")));
        }
        found.push((name, value));
    }
    Ok(found)
}

/// A whole number.
pub(super) fn number(name: &str, value: &str) -> Result<u32, Error> {
    value.parse().map_err(|_| malformed(format!("the parameter {name:?} is a whole number")))
}

/// A yes or no. A parameter without value is a yes.
pub(super) fn flag(name: &str, value: &str) -> Result<bool, Error> {
    match value {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(malformed(format!("the parameter {name:?} is true or false"))),
    }
}

fn decode(text: &str) -> Result<String, Error> {
    // In a query, unlike in a path, a plus sign is a space.
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(Into::into).map_err(|_| malformed("the query is not UTF-8 after percent-decoding"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Option<Vec<(String, String)>> {
        parameters(&url.parse().unwrap(), &["prefix", "limit"]).ok()
    }

    #[test]
    fn parameters_are_decoded_and_known() {
        let expected =
            vec![("prefix".to_owned(), "a b/ä".to_owned()), ("limit".to_owned(), String::new())];
        assert_eq!(read("/?prefix=a+b%2F%C3%A4&limit"), Some(expected));
        assert_eq!(read("/"), Some(Vec::new()));
        for bad in ["/?prefx=a", "/?limit=1&limit=2", "/?prefix=%FF"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
