use super::client_config::checked_prefix;
use super::outcome::verdict;
use super::*;

fn options() -> Options {
    Options {
        bucket: "objects".to_owned(),
        prefix: String::new(),
        endpoint: None,
        region: None,
        path_style: true,
        request_timeout: Duration::from_secs(1),
    }
}

#[test]
fn answers_mean_what_resolving_a_write_says() {
    for (status, code, expected) in [
        (412, Some("PreconditionFailed"), Outcome::Refused),
        (412, None, Outcome::Refused),
        (404, Some("NoSuchKey"), Outcome::Absent),
        (404, Some("NoSuchBucket"), Outcome::Denied),
        (404, None, Outcome::Unclear),
        (409, Some("ConditionalRequestConflict"), Outcome::Unclear),
        (429, None, Outcome::Unclear),
        (408, None, Outcome::Unclear),
        (500, Some("InternalError"), Outcome::Unclear),
        (502, None, Outcome::Unclear),
        (503, Some("SlowDown"), Outcome::Unclear),
        (501, Some("NotImplemented"), Outcome::Denied),
        (400, Some("InvalidRequest"), Outcome::Denied),
        (400, Some("RequestTimeout"), Outcome::Unclear),
        (400, Some("ExpiredToken"), Outcome::Unclear),
        (400, Some("BadDigest"), Outcome::Unclear),
        (401, None, Outcome::Denied),
        (403, Some("AccessDenied"), Outcome::Denied),
        (403, Some("SignatureDoesNotMatch"), Outcome::Denied),
        (403, Some("RequestTimeTooSkewed"), Outcome::Unclear),
        (413, Some("EntityTooLarge"), Outcome::Denied),
        (301, Some("PermanentRedirect"), Outcome::Denied),
        (200, None, Outcome::Unclear),
    ] {
        assert_eq!(verdict(status, code), expected, "{status} {code:?}");
    }
}

#[test]
fn texts_say_what_happened_where_and_what_to_do() {
    let message = format!("no such\nbucket {}", "x".repeat(1000));
    let answer =
        Answer::new("objects", "writing blob a", 404, Some("NoSuchBucket"), Some(&message));
    assert!(
        answer.text.starts_with(
            "writing blob a in bucket objects: the store returned 404 NoSuchBucket: no suchbucket"
        ),
        "{}",
        answer.text
    );
    assert!(answer.text.ends_with("; create the bucket, or correct its name"), "{}", answer.text);
    assert!(answer.text.len() < 400);
    let answer = Answer::none("objects", "reading blob a", None, "connection reset");
    assert_eq!(answer.text, "reading blob a in bucket objects: connection reset");
}

#[test]
fn etags_are_compared_without_what_is_around_them() {
    for header in ["\"abc-1\"", "abc-1", "W/\"abc-1\"", " \"abc-1\""] {
        assert_eq!(etag_of(header), Some(ETag::new("abc-1")), "{header}");
    }
    assert_eq!(etag_of("\"\""), None);
    assert_eq!(etag_of(""), None);
}

#[test]
fn options_that_cannot_be_used_are_refused_before_anything_is_asked() {
    let check = |change: fn(&mut Options)| {
        let mut options = options();
        change(&mut options);
        checked_prefix(&options)
    };
    assert_eq!(check(|_| ()), Ok(String::new()));
    assert_eq!(check(|options| options.prefix = "/a/b/".to_owned()), Ok("a/b/".to_owned()));
    assert!(matches!(
        check(|options| options.prefix = "a//b".to_owned()),
        Err(ConnectError::Prefix(_))
    ));
    assert!(matches!(
        check(|options| options.prefix = "ä".to_owned()),
        Err(ConnectError::Prefix(_))
    ));
    for bucket in ["", "ab", "Upper", "a b c", "a/b"] {
        let options = Options { bucket: bucket.to_owned(), ..options() };
        assert_eq!(checked_prefix(&options), Err(ConnectError::Bucket(bucket.to_owned())));
    }
    for endpoint in ["localhost:9000", "ftp://host", "http://", "not an address"] {
        let options = Options { endpoint: Some(endpoint.to_owned()), ..options() };
        assert_eq!(checked_prefix(&options), Err(ConnectError::Endpoint(endpoint.to_owned())));
    }
}
