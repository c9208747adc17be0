//! Parses a URL's query: the few parameters that the route supports, each at most once.
//!
//! Unknown parameters are rejected on every route, so that a misspelled one does not count as missing. So are
//! parameters of other routes: a `DELETE` intended for one message must not delete the object.

use std::str::FromStr;

use highlander_core::error::Error;
use highlander_core::limits::KEY_BYTES_MAX;
use http::Uri;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::request::malformed;

/// Parameters that a route supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) names: &'static [&'static str],
    /// Parameters that may occur more than once.
    pub(super) repeated: &'static [&'static str],
}

/// Parameters of a request, all supported by its route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters(Vec<(String, String)>);

/// Returns the parameters of a request, in their order.
pub(super) fn parameters(parts: &Parts) -> Vec<(String, String)> {
    parts.extensions.get::<Parameters>().cloned().unwrap_or_default().0
}

/// Parses the parameters of a URL.
pub(super) fn read(uri: &Uri, known: Known) -> Result<Parameters, Error> {
    let mut found: Vec<(String, String)> = Vec::new();
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if !known.names.contains(&name.as_str()) {
            return Err(unknown(&name, known.names));
        }
        let is_repeated = found.iter().any(|(other, _)| *other == name);
        if is_repeated && !known.repeated.contains(&name.as_str()) {
            return Err(malformed(format!("the parameter {name:?} is given twice")));
        }
        found.push((name, value));
    }
    Ok(Parameters(found))
}

fn unknown(name: &str, known: &[&str]) -> Error {
    let name: String = name.chars().take(50).collect();
    if known.is_empty() {
        let text = format!("the parameter {name:?} is unknown; expected no parameters");
        return malformed(text).with_hint("check the path of the request");
    }
    malformed(format!("the parameter {name:?} is unknown; expected one of {}", known.join(", ")))
}

/// Parses one of these names.
pub(super) fn one_of<T: Copy>(name: &str, value: &str, names: &[(&str, T)]) -> Result<T, Error> {
    names.iter().find(|(other, _)| *other == value).map(|(_, found)| *found).ok_or_else(|| {
        let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        malformed(format!("the parameter {name:?} is not valid; expected one of {names}"))
    })
}

/// Parses a whole number.
pub(super) fn number<T: FromStr>(name: &str, value: &str) -> Result<T, Error> {
    value.parse().map_err(|_| {
        malformed(format!("the parameter {name:?} is not valid; expected a whole number"))
    })
}

/// Parses a boolean. A parameter without a value is rejected: the documents for client generators know only these two.
pub(super) fn flag(name: &str, value: &str) -> Result<bool, Error> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(malformed(format!("the parameter {name:?} is not valid; expected true or false"))),
    }
}

/// Parses a key or a prefix of keys. Rejects values that match no key.
pub(super) fn part_of_key(name: &str, value: String) -> Result<String, Error> {
    if value.len() <= KEY_BYTES_MAX && !value.contains(char::is_control) {
        return Ok(value);
    }
    Err(malformed(format!(
        "the parameter {name:?} is not valid; expected at most {KEY_BYTES_MAX} bytes without control characters"
    )))
}

/// Parses a key. Rejects values that no object can have as its key.
pub(super) fn key(name: &str, value: String) -> Result<String, Error> {
    if value.is_empty() {
        let text = format!("the parameter {name:?} is not valid; expected the key of an object");
        return Err(malformed(text));
    }
    part_of_key(name, value)
}

fn decode(text: &str) -> Result<String, Error> {
    // In a query, unlike in a path, a plus sign encodes a space.
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(Into::into).map_err(|_| malformed("the query is not UTF-8 after percent-decoding"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Known = Known { names: &["prefix", "limit", "key"], repeated: &["key"] };

    fn found(url: &str, known: Known) -> Option<Vec<(String, String)>> {
        read(&url.parse().unwrap(), known).ok().map(|parameters| parameters.0)
    }

    #[test]
    fn parameters_are_decoded_and_known() {
        let pairs = |pairs: &[(&str, &str)]| {
            Some(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect())
        };
        let expected = pairs(&[("prefix", "a b/ä"), ("limit", "")]);
        assert_eq!(found("/?prefix=a+b%2F%C3%A4&limit", LIST), expected);
        assert_eq!(found("/?key=1&key=2", LIST), pairs(&[("key", "1"), ("key", "2")]));
        assert_eq!(found("/", LIST), pairs(&[]));
        for bad in ["/?prefx=a", "/?limit=1&limit=2", "/?prefix=%FF", "/?Limit=1", "/?=1", "/?a"] {
            assert_eq!(found(bad, LIST), None, "{bad}");
        }
    }

    #[test]
    fn what_no_key_can_begin_with_is_refused() {
        for bad in ["\0", "a\n", "\u{7f}", "\u{84}", &"k".repeat(257), &"\u{e4}".repeat(129)] {
            let error = part_of_key("after", bad.to_owned()).unwrap_err();
            assert!(error.message.contains("\"after\""), "{error}");
        }
        for good in ["", " ", "a/b", &"k".repeat(256), &"\u{e4}".repeat(128)] {
            assert_eq!(part_of_key("prefix", good.to_owned()).unwrap(), good);
            assert_eq!(key("canary_key", good.to_owned()).is_ok(), !good.is_empty(), "{good:?}");
        }
        assert!(key("canary_key", "\0".to_owned()).is_err());
    }

    #[test]
    fn a_flag_is_true_or_false() {
        assert_eq!(
            (flag("force", "true").unwrap(), flag("force", "false").unwrap()),
            (true, false)
        );
        for bad in ["", "1", "yes", "True"] {
            assert!(flag("force", bad).unwrap_err().message.contains("\"force\""), "{bad}");
        }
    }

    #[test]
    fn where_none_is_known_any_is_refused_by_its_name() {
        let none = Known { names: &[], repeated: &[] };
        let error = read(&"/v1/objects/todo/x?number=7".parse().unwrap(), none).unwrap_err();
        assert!(error.message.contains("\"number\""), "{error}");
        assert_eq!(found("/?", none), Some(Vec::new()));
        assert_eq!(found("/?&", none), Some(Vec::new()));
    }
}
