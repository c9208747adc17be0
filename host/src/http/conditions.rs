//! Conditional requests and ETags: RFC 9110, 8.8.3 and 13.1, as far as they apply to objects.
//!
//! An ETag names the version and the revision that produced the response. For a `GET`, it also contains a hash of
//! the reply, because another revision, time or caller may produce another reply at the same version. `If-Match`
//! is a precondition on the object and compares only versions. `If-None-Match` of a `GET` is about the cached
//! response and compares whole ETags. Invalid values are rejected, never ignored, because a client that sets a
//! condition relies on it.

use std::hash::Hasher as _;
use std::sync::Arc;

use highlander_core::activation::{Done, Precondition};
use highlander_core::error::Error;
use highlander_core::store::record::Version;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::request::malformed;
use super::route::Route;

/// List of entity tags, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags<'a> {
    Any,
    These(Vec<Tag<'a>>),
}

/// Entity tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag<'a> {
    is_weak: bool,
    /// Text between the quotes.
    opaque: &'a [u8],
}

/// ETags of the responses that the client has cached (`If-None-Match`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known<'a>(Option<Tags<'a>>);

/// Returns the ETag of the response to a change.
pub(super) fn tag(done: &Done) -> HeaderValue {
    written(format!("\"{}-r{}\"", done.version, done.revision))
}

/// Returns the ETag of the response to a `GET`.
pub(super) fn tag_of_read(done: &Done) -> HeaderValue {
    // The hasher has fixed keys, so all nodes of a build compute the same ETag for the same response.
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(&done.reply.to_json());
    written(format!("\"{}-r{}-{:016x}\"", done.version, done.revision, hasher.finish()))
}

/// Formats the precondition that the object is at this version, for a forwarded call.
pub(super) fn if_match(version: Version) -> HeaderValue {
    written(format!("\"{version}\""))
}

/// Formats the precondition that the object is at one of these versions, for a forwarded call.
pub(super) fn if_match_any(versions: &[Version]) -> HeaderValue {
    let tags: Vec<_> = versions.iter().map(|version| format!("\"{version}\"")).collect();
    // A list must have at least one tag. A weak tag matches nothing.
    written(if tags.is_empty() { "W/\"0\"".to_owned() } else { tags.join(", ") })
}

fn written(text: String) -> HeaderValue {
    // The text consists of digits, letters and quotes.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

/// Parses the precondition of a call that may change the object. If both headers are given, both must hold (RFC 9110,
/// 13.2.2).
pub(super) fn of_change(headers: &HeaderMap) -> Result<Precondition, Error> {
    let on_version = of_read(headers)?;
    let Some(value) = headers.get(IF_NONE_MATCH) else { return Ok(on_version) };
    if value.as_bytes().trim_ascii() != b"*" {
        return Err(malformed("If-None-Match of a change is not valid; expected *")
            .with_hint("to change a specific version, send If-Match: \"7\""));
    }
    Ok(match on_version {
        Precondition::None | Precondition::Absent => Precondition::Absent,
        Precondition::Version(version) => Precondition::AbsentAt(Arc::from([version])),
        Precondition::OneOf(versions) | Precondition::AbsentAt(versions) => {
            Precondition::AbsentAt(versions)
        }
        // No object can exist and be absent.
        Precondition::Present => Precondition::OneOf(Arc::from([])),
    })
}

/// Parses the precondition of a read. Does not cover `If-None-Match`, which is about the client's cached response.
pub(super) fn of_read(headers: &HeaderMap) -> Result<Precondition, Error> {
    let Some(tags) = tags(headers, &IF_MATCH)? else { return Ok(Precondition::None) };
    let Tags::These(tags) = tags else { return Ok(Precondition::Present) };
    // Weak and foreign tags match no version of any object.
    let versions: Vec<_> = tags.into_iter().filter_map(version).collect();
    Ok(match *versions {
        [version] => Precondition::Version(version),
        _ => Precondition::OneOf(Arc::from(versions)),
    })
}

/// Rejects a condition that the route would ignore, and a malformed one. Routes that evaluate conditions parse them
/// later, because their errors name the object.
pub(super) fn check(parts: &Parts, route: &Route<'_>) -> Result<(), Error> {
    if route.is_conditional() {
        return Ok(());
    }
    let headers = &parts.headers;
    tags(headers, &IF_MATCH)?;
    tags(headers, &IF_NONE_MATCH)?;
    // A response without a tag never matches `If-None-Match`, so a read can ignore that header.
    let ignored = [(&IF_MATCH, true), (&IF_NONE_MATCH, !parts.method.is_safe())];
    match ignored.into_iter().find(|(name, counts)| *counts && headers.contains_key(*name)) {
        Some((name, _)) => Err(malformed(format!(
            "the header {name} is not valid for this request; expected no condition"
        ))
        .with_hint("conditions apply to states, handlers, messages and alarms of objects")),
        None => Ok(()),
    }
}

/// Parses the ETags that a reading client has cached.
pub(super) fn known(headers: &HeaderMap) -> Result<Known<'_>, Error> {
    tags(headers, &IF_NONE_MATCH).map(Known)
}

impl Known<'_> {
    /// Whether the client has cached the response with this ETag, which is of an object at `version`.
    pub(super) fn has(&self, tag: &HeaderValue, version: Version) -> bool {
        match &self.0 {
            None => false,
            // `*` matches anything, unless the object was never changed.
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

/// Returns the version in a tag that permits strong comparison. The tag is either the plain version, as people
/// write it, or one that this host generated.
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
        malformed(format!("the header {name} is not valid; expected a list of entity tags, or *"))
            .with_hint("copy a tag from the ETag of an earlier response, with its quotes, or send \"7\" for version 7")
    })?;
    Ok(Some(Tags::These(tags)))
}

/// Parses a list of tags (`#entity-tag`). Empty elements are ignored.
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

/// Splits the first tag off a text.
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
    use highlander_core::activation::reply::Reply;

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_bytes(value.as_bytes()).unwrap())])
    }

    fn done(version: Version, revision: u32, reply: &'static str) -> Done {
        Done { reply: Reply::Json(reply.into()), version, epoch: 1, revision, replayed: false }
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
            "the tag of a response is no condition for a change"
        );
    }

    #[test]
    fn of_two_conditions_both_have_to_hold() {
        let some = |versions: &[Version]| Arc::from(versions);
        for (if_match, expected) in [
            ("\"7\"", Precondition::AbsentAt(some(&[7]))),
            ("\"7\", \"0\"", Precondition::AbsentAt(some(&[7, 0]))),
            ("W/\"7\"", Precondition::AbsentAt(some(&[]))),
            ("*", Precondition::OneOf(some(&[]))),
        ] {
            let mut both = headers(IF_MATCH, if_match);
            both.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
            assert_eq!(of_change(&both).unwrap(), expected, "{if_match}");
            assert_eq!(of_read(&both).unwrap(), of_read(&headers(IF_MATCH, if_match)).unwrap());
            both.insert(IF_NONE_MATCH, HeaderValue::from_static("\"7\""));
            assert!(of_change(&both).is_err(), "{if_match}");
        }
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
        // Well-formed tags that match no version.
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
        // The version alone does not identify the response.
        for list in ["\"7\"", "\"7-r3\"", "W/\"7-r3\"", "\"8\", \"9\"", "\"*\""] {
            assert!(!has(list, 7), "{list}");
        }
        assert!(!has("*", 0), "the object does not exist yet");
        assert!(!known(&HeaderMap::new()).unwrap().has(&tag, 7));
    }
}
