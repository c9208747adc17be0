//! Order and bounds of a window, and the marking of missing events.

use super::*;
use crate::effects::Event;
use crate::events::frame::SHOWN_BYTES_MAX;

const NOW: BootTime = BootTime::from_boot(Duration::from_secs(100));

fn change(version: u64, names: &[&str]) -> Change {
    let event = |name: &&str| Event { name: (*name).into(), data: Bytes::from_static(b"1") };
    Change { version, events: names.iter().map(event).collect(), state: ShownState::Hidden }
}

fn frame(id: &str, name: &str) -> Frame {
    Frame::new(Some(id.parse().unwrap()), name, Bytes::from_static(b"{}"))
}

/// Returns all events from `after` on, as `id name`.
fn heard(window: &Window, after: Option<&str>) -> Vec<String> {
    let after = after.map(|text| text.parse().unwrap());
    let (mut count, mut heard) = match window.start(after).unwrap() {
        Start::At(count) => (count, Vec::new()),
        Start::Reset(count, frame) => (count, vec![shown(&frame)]),
    };
    while let Some(frame) = window.get(count).unwrap() {
        heard.push(shown(&frame));
        count += 1;
    }
    heard
}

fn shown(frame: &Frame) -> String {
    format!("{} {}", frame.id.unwrap(), frame.name)
}

#[test]
fn events_come_in_order_and_the_change_is_the_last_of_its_version() {
    let mut window = Window::default();
    window.place(4, Bytes::from_static(b"{}"), NOW);
    window.publish(change(5, &["a", "b"]), NOW);
    window.publish(change(6, &[]), NOW);
    let all = ["5.1 a", "5.2 b", "5 changed", "6 changed"];
    assert_eq!(heard(&window, Some("4")), all);
    assert_eq!(heard(&window, Some("5.1")), all[1..]);
    assert_eq!(heard(&window, Some("6")), [""; 0]);
    assert_eq!(heard(&window, None), ["6 reset"]);
}

#[test]
fn nothing_is_told_twice() {
    let mut window = Window::default();
    window.publish(change(5, &["a"]), NOW);
    window.publish(change(5, &["a"]), NOW);
    window.publish(change(3, &["a"]), NOW);
    window.take(frame("5.1", "a"), NOW);
    window.place(5, Bytes::from_static(b"{}"), NOW);
    assert_eq!(heard(&window, Some("4")), ["5.1 a", "5 changed"]);
}

#[test]
fn what_is_missing_is_a_reset() {
    let mut window = Window::default();
    window.publish(change(5, &[]), NOW);
    window.publish(change(8, &["a"]), NOW);
    window.place(10, Bytes::from_static(b"{}"), NOW);
    let all = ["5 changed", "7 reset", "8.1 a", "8 changed", "10 reset"];
    assert_eq!(heard(&window, Some("4")), all);
    assert_eq!(heard(&window, Some("3")), ["10 reset"]);
}

#[test]
fn a_version_that_another_node_began_to_tell_is_told_to_its_end_or_reset() {
    let mut window = Window::default();
    window.take(frame("4", RESET), NOW);
    window.take(frame("5.1", "a"), NOW);
    assert_eq!(heard(&window, None), ["4 reset", "5.1 a"]);
    window.take(frame("5.2", "b"), NOW);
    window.publish(change(6, &[]), NOW);
    assert_eq!(heard(&window, Some("4")), ["5.1 a", "5.2 b", "5 reset", "6 changed"]);
}

#[test]
fn old_events_make_room_and_young_ones_stay() {
    let mut window = Window::default();
    let later = NOW + YOUTH;
    for version in 1..=300 {
        window.publish(change(version, &[]), NOW);
    }
    assert_eq!(heard(&window, Some("0")).len(), 300);
    window.trim(later);
    assert_eq!(heard(&window, Some("0")), ["300 reset"]);
    assert_eq!(heard(&window, Some("44")).len(), KEPT_COUNT);
    assert_eq!(window.get(43).unwrap_err(), Gone);
    for version in 301..=20_000 {
        window.publish(change(version, &[]), later);
    }
    assert_eq!(heard(&window, Some("19000")).len(), 1000);
    assert_eq!(window.frames.len(), YOUNG_COUNT_MAX);
}

#[test]
fn large_events_make_room_by_their_bytes() {
    let mut window = Window::default();
    let large = Bytes::from(format!("\"{}\"", "x".repeat(KEPT_BYTES / 4)));
    for version in 1..=10 {
        let events = vec![Event { name: "large".into(), data: large.clone() }];
        window.publish(Change { events, ..change(version, &[]) }, NOW);
    }
    window.trim(NOW + YOUTH);
    assert_eq!(heard(&window, Some("7")).len(), 6);
    assert_eq!(heard(&window, Some("6")), ["10 reset"]);
}

#[test]
fn a_state_is_shown_up_to_a_size() {
    let mut window = Window::default();
    let shown = |window: &mut Window, version, length| {
        let state = Bytes::from(format!("\"{}\"", "x".repeat(length - 2)));
        let change = Change { state: ShownState::Json(state), ..change(version, &[]) };
        window.publish(change, NOW);
        window.frames.back().unwrap().1.data.len()
    };
    assert!(shown(&mut window, 1, SHOWN_BYTES_MAX) > SHOWN_BYTES_MAX);
    assert_eq!(shown(&mut window, 2, SHOWN_BYTES_MAX + 1), "{\"version\":2}".len());
}
