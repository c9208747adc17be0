//! `Highlander-Caller`: how a node tells another one for whom it asks.
//! Whether it is believed is decided elsewhere.

use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::caller::{Caller, Principal};

/// The header's value: `principal NAME SCOPE,SCOPE` or `object ID`, percent-encoded. None for a caller without a name.
pub(in crate::http) fn write(caller: &Caller) -> Option<HeaderValue> {
    let text = match caller {
        Caller::Anonymous => return None,
        Caller::Principal(principal) => {
            format!("principal {} {}", principal.name(), principal.scopes())
        }
        Caller::Object(id) => {
            format!("object {}", utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC))
        }
    };
    // Names, scopes and what was encoded are visible ASCII.
    HeaderValue::try_from(text).ok()
}

/// The caller that the header names.
pub(in crate::http) fn read(value: &HeaderValue) -> Option<Caller> {
    let words: Vec<_> = value.to_str().ok()?.split(' ').collect();
    match *words.as_slice() {
        ["principal", name, scopes] => Some(Principal::new(name, scopes.parse().ok()?)?.into()),
        ["object", id] => {
            let id = percent_decode_str(id).decode_utf8().ok()?;
            Some(Caller::Object(id.parse().ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_read_as_they_were_written() {
        let principal = Principal::new("ada@example.org", "call:todo,deploy:*".parse().unwrap());
        for caller in [
            Caller::from(principal.unwrap()),
            Caller::Object("list/a b/%2F \u{4e16}".parse().unwrap()),
        ] {
            assert_eq!(write(&caller).and_then(|value| read(&value)), Some(caller));
        }
        assert_eq!(write(&Caller::Anonymous), None);
    }

    #[test]
    fn what_names_no_caller_is_none() {
        for text in [
            "",
            "anonymous",
            "ada",
            "principal ada",
            "principal ada ",
            "principal ada root",
            "principal anonymous admin",
            "principal a b admin",
            "object",
            "object todo",
            "object todo/",
            "object Todo/1",
        ] {
            assert_eq!(read(&HeaderValue::from_static(text)), None, "{text:?}");
        }
    }
}
