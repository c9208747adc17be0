//! Conditions of requests, and the validators of answers: RFC 9110, 8.8.3 and 13.1, as far as objects have them.
//!
//! The entity tag of an answer names the version and the revision that made it, and where a `GET` is answered also what
//! the answer says: another revision, the time or another caller may make another answer of the same version.
//! `If-Match` is about the object, and compares versions alone. `If-None-Match` of a `GET` is about the answer, and
//! compares whole tags. What follows no grammar is refused, never passed over: whoever sets a condition relies on it.

use std::hash::Hasher as _;
use std::sync::Arc;

use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::request::malformed;
use crate::activation::{Done, Precondition};
use crate::error::Error;
use crate::store::record::Version;

/// A list of entity tags, or anything at all.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags<'a> {
    Any,
    These(Vec<Tag<'a>>),
}

/// An entity tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag<'a> {
    is_weak: bool,
    /// What stands between the quotes.
    opaque: &'a [u8],
}

/// What a client has already of the answer that it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known<'a>(Option<Tags<'a>>);

/// The tag of an answer to a change.
pub(super) fn tag(done: &Done) -> HeaderValue {
    written(format!("\"{}-r{}\"", done.version, done.revision))
}

/// The tag of an answer to a `GET`.
pub(super) fn tag_of_read(done: &Done) -> HeaderValue {
    // Without a key of its own, so that all nodes of a build make the same tag of the same answer.
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(&done.reply);
    written(format!("\"{}-r{}-{:016x}\"", done.version, done.revision, hasher.finish()))
}

/// The condition that the object is at this version, as one node tells it another.
pub(super) fn if_match(version: Version) -> HeaderValue {
    written(format!("\"{version}\""))
}

/// The condition that the object is at one of these versions, as one node tells it another.
pub(super) fn if_match_any(versions: &[Version]) -> HeaderValue {
    let tags: Vec<_> = versions.iter().map(|version| format!("\"{version}\"")).collect();
    // A list has one tag at least. Weak ones match nothing.
    written(if tags.is_empty() { "W/\"0\"".to_owned() } else { tags.join(", ") })
}

fn written(text: String) -> HeaderValue {
    // Digits, letters and quotes.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// The condition under which a call may run that may change something.
pub(super) fn of_change(headers: &HeaderMap) -> Result<Precondition, Error> {
    match (headers.get(IF_MATCH), headers.get(IF_NONE_MATCH)) {
        (None, None) => Ok(Precondition::None),
        (Some(_), None) => of_read(headers),
        (None, Some(value)) if value.as_bytes().trim_ascii() == b"*" => Ok(Precondition::Absent),
        (None, Some(_)) => Err(malformed("If-None-Match of a change takes * alone")
            .with_hint("for a change of one version: If-Match: \"7\"")),
        (Some(_), Some(_)) => {
            Err(malformed("If-Match and If-None-Match of a change exclude each other"))
        }
    }
}

/// The condition under which an object may be read: what the client has of the answer is another matter.
pub(super) fn of_read(headers: &HeaderMap) -> Result<Precondition, Error> {
    let Some(tags) = tags(headers, &IF_MATCH)? else { return Ok(Precondition::None) };
    let Tags::These(tags) = tags else { return Ok(Precondition::Present) };
    // Weak tags and those of others are no version that any object is at.
    let versions: Vec<_> = tags.into_iter().filter_map(version).collect();
    Ok(match *versions {
        [version] => Precondition::Version(version),
        _ => Precondition::OneOf(Arc::from(versions)),
    })
}

/// What a client has that reads.
pub(super) fn known(headers: &HeaderMap) -> Result<Known<'_>, Error> {
    tags(headers, &IF_NONE_MATCH).map(Known)
}

impl Known<'_> {
    /// Whether the client has the answer with this tag, which is of an object at `version`.
    pub(super) fn has(&self, tag: &HeaderValue, version: Version) -> bool {
        match &self.0 {
            None => false,
            // There is something, unless the object was never changed.
            Some(Tags::Any) => version > 0,
            Some(Tags::These(known)) => {
                let Some(tag) = list(tag.as_bytes()).and_then(|tags| tags.first().copied()) else {
                    return false;
                };
                known.iter().any(|known| known.opaque == tag.opaque)
            }
        }
    }
}

/// The version in a tag that may be compared strongly: alone, as people write it, or as answers have it.
fn version(tag: Tag<'_>) -> Option<Version> {
    let text = std::str::from_utf8(tag.opaque).ok().filter(|_| !tag.is_weak)?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_digest = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let mut parts = text.split('-');
    let version = parts.next().filter(|version| is_number(version))?;
    let is_ours = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => true,
        (Some(revision), digest, None) => {
            revision.strip_prefix('r').is_some_and(is_number) && digest.is_none_or(is_digest)
        }
        _ => false,
    };
    version.parse().ok().filter(|_| is_ours)
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<Tags<'a>>, Error> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.as_bytes().trim_ascii();
    if text == b"*" {
        return Ok(Some(Tags::Any));
    }
    let tags = list(text).filter(|tags| !tags.is_empty()).ok_or_else(|| {
        malformed(format!("the header {name} is no list of entity tags, and not *"))
            .with_hint("take a tag from the ETag of an earlier answer, with its quotes; or write \"7\" for version 7")
    })?;
    Ok(Some(Tags::These(tags)))
}

/// The tags of a list: `#entity-tag`, where empty elements are passed over.
fn list(mut text: &[u8]) -> Option<Vec<Tag<'_>>> {
    let mut tags = Vec::new();
    let mut may_begin = true;
    loop {
        match text {
            [] => return Some(tags),
            [b' ' | b'\t', rest @ ..] => text = rest,
            [b',', rest @ ..] => (text, may_begin) = (rest, true),
            _ if !may_begin => return None,
            _ => {
                let (tag, rest) = first(text)?;
                tags.push(tag);
                (text, may_begin) = (rest, false);
            }
        }
    }
}

/// The tag that a text begins with, and what follows it.
fn first(text: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let (is_weak, text) = match text.strip_prefix(b"W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let text = text.strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| *byte == b'"')?;
    let (opaque, rest) = text.split_at_checked(end)?;
    let is_opaque = opaque.iter().all(|byte| matches!(byte, b'!' | b'#'..=b'~' | 0x80..));
    Some((Tag { is_weak, opaque }, rest.get(1..)?)).filter(|_| is_opaque)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_bytes(value.as_bytes()).unwrap())])
    }

    fn done(version: Version, revision: u32, reply: &'static str) -> Done {
        Done { reply: reply.into(), version, epoch: 1, revision, replayed: false }
    }

    const GARBAGE: [&str; 14] = [
        "",
        " ",
        ",",
        "7",
        "\"7",
        "7\"",
        "w/\"7\"",
        "W\"7\"",
        "W/ \"7\"",
        "\"a b\"",
        "\"7\" \"8\"",
        "*, \"7\"",
        "\"7\", *",
        "\"7\";q=1",
    ];

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for bad in GARBAGE {
            assert!(of_read(&headers(IF_MATCH, bad)).is_err(), "{bad:?}");
            assert!(of_change(&headers(IF_MATCH, bad)).is_err(), "{bad:?}");
            assert!(of_change(&headers(IF_NONE_MATCH, bad)).is_err(), "{bad:?}");
            assert!(known(&headers(IF_NONE_MATCH, bad)).is_err(), "{bad:?}");
        }
        assert!(
            of_change(&headers(IF_NONE_MATCH, "\"7\"")).is_err(),
            "no change is about an answer"
        );
        let mut both = headers(IF_MATCH, "\"7\"");
        both.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        assert!(of_change(&both).is_err());
        assert_eq!(of_read(&both).unwrap(), Precondition::Version(7));
    }

    #[test]
    fn a_condition_on_the_object_is_about_its_version() {
        let read = |value: &str| of_change(&headers(IF_MATCH, value)).unwrap();
        for one in [
            "\"7\"",
            "\"7-r3\"",
            "\"7-r3-00112233aabbccdd\"",
            " , \"7\" ,",
            "W/\"8\", \"7\"",
            "\"x\", \"7\"",
        ] {
            assert_eq!(read(one), Precondition::Version(7), "{one}");
        }
        let some = |versions: &[Version]| Precondition::OneOf(Arc::from(versions));
        assert_eq!(read("\"7\",\"8-r1\" ,\t\"9\""), some(&[7, 8, 9]));
        assert_eq!(read("*"), Precondition::Present);
        // Well-formed, and no version that an object can be at.
        for none in [
            "W/\"7\"",
            "\"\"",
            "\"x\"",
            "\"+7\"",
            "\"7-r\"",
            "\"7-r3-\"",
            "\"7-r3-xyz\"",
            "\"7-3\"",
            "\"-r3\"",
            "\"7\u{e4}\"",
            "\"18446744073709551616\"",
            "\"a,b\"",
            "\"7-r3-00112233aabbccdd-\"",
        ] {
            assert_eq!(read(none), some(&[]), "{none}");
        }
        let absent = of_change(&headers(IF_NONE_MATCH, "*")).unwrap();
        assert_eq!(absent, Precondition::Absent);
    }

    #[test]
    fn a_condition_between_nodes_is_read_as_it_was_written() {
        for versions in [&[][..], &[1], &[0, u64::MAX, 7]] {
            let read =
                of_read(&HeaderMap::from_iter([(IF_MATCH, if_match_any(versions))])).unwrap();
            match (versions, &read) {
                ([version], Precondition::Version(read)) => assert_eq!(read, version),
                (versions, Precondition::OneOf(read)) => assert_eq!(&**read, versions),
                _ => panic!("{versions:?} became {read:?}"),
            }
        }
        let read = of_read(&HeaderMap::from_iter([(IF_MATCH, if_match(7))])).unwrap();
        assert_eq!(read, Precondition::Version(7));
    }

    #[test]
    fn tags_tell_versions_revisions_and_answers_apart() {
        assert_eq!(tag(&done(u64::MAX, 3, "1")), format!("\"{}-r3\"", u64::MAX));
        let tags = [done(7, 3, "1"), done(8, 3, "1"), done(7, 4, "1"), done(7, 3, "2")];
        let tags: std::collections::HashSet<_> = tags.iter().map(tag_of_read).collect();
        assert_eq!(tags.len(), 4);
        assert_eq!(tag_of_read(&done(7, 3, "1")), tag_of_read(&done(7, 3, "1")));
        for done in [done(7, 3, "1"), done(0, 0, "")] {
            for tag in [tag(&done), tag_of_read(&done)] {
                let read = of_read(&HeaderMap::from_iter([(IF_MATCH, tag)])).unwrap();
                assert_eq!(read, Precondition::Version(done.version));
            }
        }
    }

    #[test]
    fn what_a_client_has_is_compared_weakly() {
        let seen = done(7, 3, "1");
        let tag = tag_of_read(&seen);
        let own = tag.to_str().unwrap();
        let has = |value: &str, version| {
            known(&headers(IF_NONE_MATCH, value)).unwrap().has(&tag, version)
        };
        for list in [
            own.to_owned(),
            format!("W/{own}"),
            format!("\"a\", ,W/\"b,c\",{own}"),
            "*".to_owned(),
            " * ".to_owned(),
        ] {
            assert!(has(&list, 7), "{list}");
        }
        // The version alone says nothing of the answer.
        for list in ["\"7\"", "\"7-r3\"", "W/\"7-r3\"", "\"8\", \"9\"", "\"*\""] {
            assert!(!has(list, 7), "{list}");
        }
        assert!(!has("*", 0), "there is nothing yet");
        assert!(!known(&HeaderMap::new()).unwrap().has(&tag, 7));
    }
}
