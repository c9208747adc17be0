//! Parsing of requests to watch an object.

use http::Request;

use super::*;

fn asked(url: &str, headers: &[(&'static str, &str)]) -> Option<Asked> {
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut parts = request.body(()).unwrap().into_parts().0;
    let known = query::Known { names: &["last_event_id"], repeated: &[] };
    parts.extensions.insert(query::read(&parts.uri, known).ok()?);
    Asked::read(&parts).ok()
}

#[test]
fn a_header_tells_newer_news_than_the_url() {
    let after = |text: &str| Some(Asked::Events(Some(text.parse().unwrap())));
    assert_eq!(asked("/", &[]), Some(Asked::Events(None)));
    assert_eq!(asked("/?last_event_id=7.2", &[]), after("7.2"));
    assert_eq!(asked("/?last_event_id=7", &[("last-event-id", "9")]), after("9"));
    assert_eq!(asked("/?last_event_id=", &[("last-event-id", "")]), Some(Asked::Events(None)));
    for json in ["application/json", "application/json, text/plain, */*", "Application/JSON;q=0.5"]
    {
        assert_eq!(asked("/", &[("accept", json)]), Some(Asked::Stand), "{json}");
    }
    let socket = [("accept", "application/json"), ("upgrade", "websocket")];
    assert_eq!(asked("/", &socket), Some(Asked::Events(None)));
    assert_eq!(asked("/", &[("accept", "image/png")]), None);
    for (url, header) in [("/", "x"), ("/", "1.2.3"), ("/", "\u{e4}"), ("/?after=1", "1")] {
        assert_eq!(asked(url, &[("last-event-id", header)]), None, "{url} {header}");
    }
}
