//! Headers `Highlander-Caller` and `Highlander-Chain`, with which a node forwards a call's caller and the objects
//! that wait for the call.

use highlander_core::call_context::chain::{Chain, ChainAge};
use highlander_core::caller::{Caller, Principal};
use highlander_core::id::parse_hex;
use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Formats the header's value: `principal NAME SCOPE,SCOPE` or `object ID`, percent-encoded. Returns `None` for an
/// anonymous caller.
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
    // Names, scopes and percent-encoded text are visible ASCII.
    HeaderValue::try_from(text).ok()
}

/// Parses the caller from the header.
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

/// Formats the header's value: the chain's age, then its objects, percent-encoded.
pub(in crate::http) fn write_chain(chain: &Chain) -> Option<HeaderValue> {
    let ChainAge { began_ms, nonce } = chain.age();
    let mut text = format!("{began_ms}-{nonce:016x}");
    for object in chain.objects() {
        text.push(' ');
        text.extend(utf8_percent_encode(object.as_str(), NON_ALPHANUMERIC));
    }
    HeaderValue::try_from(text).ok()
}

/// Parses the chain from the header.
pub(in crate::http) fn read_chain(value: &HeaderValue) -> Option<Chain> {
    let mut words = value.to_str().ok()?.split(' ');
    let (began_ms, nonce) = words.next()?.split_once('-')?;
    let nonce = parse_hex::<8>(nonce).map(u64::from_be_bytes)?;
    let age = ChainAge { began_ms: began_ms.parse().ok()?, nonce };
    let objects = words.map(|word| percent_decode_str(word).decode_utf8().ok()?.parse().ok());
    Chain::of(objects.collect::<Option<_>>()?, age)
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
    fn chains_are_read_as_they_were_written() {
        let age = ChainAge { began_ms: 1_700_000_000_000, nonce: 0xab };
        let chain = Chain::begin("list/a b/%2F \u{4e16}".parse().unwrap(), age);
        let chain = chain.with("todo/2".parse().unwrap());
        assert_eq!(write_chain(&chain).and_then(|value| read_chain(&value)), Some(chain));
        for text in ["", "1", "1-00000000000000ab", "1-ab todo%2F1", "x-00000000000000ab todo%2F1"]
        {
            assert_eq!(read_chain(&HeaderValue::from_static(text)), None, "{text:?}");
        }
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
