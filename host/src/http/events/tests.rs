//! What requests to watch say.

use http::Request;

use super::*;

fn asked(url: &str, headers: &[(&'static str, &str)]) -> Option<Asked> {
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Asked::read(&request.body(()).unwrap().into_parts().0).ok()
}

#[test]
fn a_header_tells_newer_news_than_the_url() {
    let after = |text: &str| Some(Asked::Events(Some(text.parse().unwrap())));
    assert_eq!(asked("/", &[]), Some(Asked::Events(None)));
    assert_eq!(asked("/?last_event_id=7.2", &[]), after("7.2"));
    assert_eq!(asked("/?last_event_id=7", &[("last-event-id", "9")]), after("9"));
    assert_eq!(asked("/?last_event_id=", &[("last-event-id", "")]), Some(Asked::Events(None)));
    assert_eq!(asked("/", &[("accept", "application/json")]), Some(Asked::Stand));
    for (url, header) in [("/", "x"), ("/", "1.2.3"), ("/", "\u{e4}"), ("/?after=1", "1")] {
        assert_eq!(asked(url, &[("last-event-id", header)]), None, "{url} {header}");
    }
}
