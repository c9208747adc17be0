//! Events that listeners receive through a hub.

use bytes::Bytes;
use futures_util::FutureExt as _;
use highlander_core::error::ErrorCode;
use highlander_core::events::watchers::Watchers;
use highlander_core::events::{Change, ShownState};
use highlander_core::id::ObjectId;

use super::*;
use crate::events::Hub;
use crate::metrics::Metrics;

fn hub() -> (Arc<Hub>, ObjectId) {
    (Arc::new(Hub::new(Arc::new(Metrics::new()))), "todo/42".parse().unwrap())
}

fn change(version: u64) -> Change {
    Change { version, events: Vec::new(), state: ShownState::Hidden }
}

fn shown(frame: &Frame) -> String {
    format!("{} {}", frame.id.unwrap(), frame.name)
}

/// Returns the events that a listener receives without waiting.
fn heard(listener: &mut Listener) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(frame) = listener.next().now_or_never() {
        heard.push(frame.map_or_else(|end| end.as_str().to_owned(), |frame| shown(&frame)));
        if heard.last().is_some_and(|last| last == "too-slow" || last == "moved") {
            break;
        }
    }
    heard
}

fn listen(hub: &Arc<Hub>, id: &ObjectId, after: Option<&str>, span: Span) -> Listener {
    let seat = hub.seat(id);
    if seat.topic().begin_feeding() {
        seat.topic().place(1, Bytes::from_static(b"{\"version\":1}"));
    }
    seat.listen(after.map(|text| text.parse().unwrap()), span).unwrap()
}

#[test]
fn everybody_hears_every_event_once() {
    let (hub, id) = hub();
    hub.publish(&id, change(1));
    let mut one = listen(&hub, &id, None, Span::Always);
    hub.publish(&id, change(2));
    let mut other = listen(&hub, &id, Some("1"), Span::Always);
    hub.publish(&id, change(3));
    assert_eq!(heard(&mut one), ["1 reset", "2 changed", "3 changed"]);
    assert_eq!(heard(&mut other), ["2 changed", "3 changed"]);
    hub.publish(&"todo/43".parse().unwrap(), change(4));
    assert_eq!(heard(&mut one), [""; 0]);
}

#[tokio::test]
async fn who_waits_is_woken() {
    let (hub, id) = hub();
    let mut listener = listen(&hub, &id, Some("1"), Span::Always);
    let waiting = tokio::spawn(async move { listener.next().await.map(|frame| shown(&frame)) });
    tokio::task::yield_now().await;
    hub.publish(&id, change(2));
    assert_eq!(waiting.await.unwrap(), Ok("2 changed".to_owned()));
}

#[test]
fn nobody_can_listen_before_it_is_known_where_the_object_stands() {
    let (hub, id) = hub();
    let seat = hub.seat(&id);
    let seat = seat.listen(None, Span::Always).unwrap_err();
    hub.publish(&id, change(7));
    let mut listener = seat.listen(None, Span::Always).unwrap();
    assert_eq!(heard(&mut listener), ["7 reset"]);
}

#[test]
fn who_has_seen_more_than_this_node_is_told_what_is_new_to_them() {
    let (hub, id) = hub();
    let mut listener = listen(&hub, &id, Some("3"), Span::Always);
    (2..=4).for_each(|version| hub.publish(&id, change(version)));
    assert_eq!(heard(&mut listener), ["4 changed"]);
}

#[test]
fn a_slow_listener_loses_its_place_and_others_do_not() {
    let (hub, id) = hub();
    let mut slow = listen(&hub, &id, None, Span::Always);
    let mut quick = listen(&hub, &id, Some("1"), Span::Always);
    for version in 2..10_000 {
        hub.publish(&id, change(version));
        assert_eq!(heard(&mut quick).len(), 1);
    }
    assert_eq!(heard(&mut slow), ["1 reset", "too-slow"]);
}

#[test]
fn another_node_is_sent_away_when_the_activation_ends_and_a_client_is_not() {
    let (hub, id) = hub();
    let mut client = listen(&hub, &id, None, Span::Always);
    let mut node = listen(&hub, &id, None, Span::Activation);
    hub.publish(&id, change(2));
    hub.ended(&id);
    assert_eq!(heard(&mut client), ["1 reset", "2 changed"]);
    assert_eq!(heard(&mut node), ["1 reset", "2 changed", "moved"]);
    let mut later = listen(&hub, &id, Some("2"), Span::Activation);
    assert_eq!(heard(&mut later), [""; 0]);
}

#[test]
fn a_topic_is_forgotten_only_when_nobody_listens() {
    let (hub, id) = hub();
    assert!(!hub.is_watched(&id) && !hub.is_followed(&id));
    let listener = listen(&hub, &id, None, Span::Always);
    let topic = Arc::clone(listener.seat.topic());
    assert!(hub.is_watched(&id) && !hub.close(&topic));
    drop(listener);
    assert!(!hub.is_watched(&id) && hub.is_followed(&id));
    assert!(hub.close(&topic) && !hub.is_followed(&id));
    let another = listen(&hub, &id, None, Span::Always);
    assert!(hub.close(&topic) && hub.is_watched(&id), "another topic of the object remains");
    drop(another);
}

#[test]
fn a_topic_that_nobody_feeds_ends_with_its_last_listener() {
    let (hub, id) = hub();
    let (one, other) = (hub.seat(&id), hub.seat(&id));
    drop(one);
    assert!(hub.is_watched(&id));
    drop(other);
    assert!(!hub.is_followed(&id));
}

#[test]
fn a_place_is_free_again_once_its_listener_has_left() {
    let (hub, id) = hub();
    *hub.watchers.lock() = Watchers::new(2);
    let place = || hub.place(&Caller::Anonymous, &id);
    let first = listen(&hub, &id, None, Span::Always).with_place(Some(place().unwrap()));
    assert_eq!(place().unwrap_err().code, ErrorCode::NodeFull);
    // The stream of another node takes no place.
    let _other = listen(&hub, &id, None, Span::Activation);
    drop(first);
    drop(place().unwrap());
    assert!(place().is_ok());
}
