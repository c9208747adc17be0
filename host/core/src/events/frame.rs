//! An encoded event: each form is encoded once and shared by all recipients. The data must be valid JSON; it is
//! not parsed here.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::events::ShownState;
use crate::events::event_id::EventId;

/// Maximum size of a published state.
pub const SHOWN_BYTES_MAX: usize = 256 * 1024;
/// Name of the automatic event after each committed change.
pub const CHANGED: &str = "changed";
/// Name of the event that carries the current state in place of missing events.
pub const RESET: &str = "reset";
/// Name of the last event of a stream that the node ends.
pub const CLOSED: &str = "closed";

/// Event for subscribers.
#[derive(Debug)]
pub struct Frame {
    /// Position in the history; `None` for events about the stream itself.
    pub id: Option<EventId>,
    /// Name of the event.
    pub name: Arc<str>,
    /// JSON on one line.
    pub data: Bytes,
    sse: OnceLock<Bytes>,
    message: OnceLock<Bytes>,
}

impl Frame {
    /// Creates an event; `data` must be JSON.
    #[must_use]
    pub fn new(id: Option<EventId>, name: impl Into<Arc<str>>, data: Bytes) -> Self {
        let (sse, message) = (OnceLock::new(), OnceLock::new());
        Self { id, name: name.into(), data: on_one_line(data), sse, message }
    }

    /// Encodes the event as a server-sent event.
    pub fn as_sse(&self) -> Bytes {
        let text = self.sse.get_or_init(|| {
            let id = self.id.map(|id| format!("id: {id}\n"));
            let id = id.unwrap_or_default();
            let head = format!("{id}event: {}\ndata: ", self.name);
            [head.as_bytes(), &self.data, b"\n\n"].concat().into()
        });
        text.clone()
    }

    /// Encodes the event as a JSON object on one line.
    pub fn as_message(&self) -> Bytes {
        let text = self.message.get_or_init(|| {
            let id = self.id.map(|id| format!("\"id\":\"{id}\","));
            let id = id.unwrap_or_default();
            // Names contain no characters that JSON escapes.
            let head = format!("{{{id}\"event\":\"{}\",\"data\":", self.name);
            [head.as_bytes(), &self.data, b"}"].concat().into()
        });
        text.clone()
    }

    /// Returns the number of bytes that the event counts in a window.
    pub fn size(&self) -> usize {
        self.name.len() + self.data.len()
    }
}

/// Encodes an object's current state as the data of `changed` and `reset`. A state that is too large is omitted.
#[must_use]
pub fn stand(version: u64, state: &ShownState) -> Bytes {
    let head = format!("{{\"version\":{version}");
    match state {
        ShownState::Json(state) if state.len() <= SHOWN_BYTES_MAX => {
            [head.as_bytes(), b",\"state\":", state, b"}"].concat().into()
        }
        ShownState::Json(_) | ShownState::Hidden => [head.as_bytes(), b"}"].concat().into(),
        ShownState::Deleted => [head.as_bytes(), b",\"deleted\":true}"].concat().into(),
    }
}

/// Replaces line breaks, which end the data of a server-sent event. JSON has them only between tokens.
fn on_one_line(data: Bytes) -> Bytes {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if !data.iter().any(is_break) {
        return data;
    }
    data.iter().map(|byte| if is_break(byte) { b' ' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_written_in_both_forms() {
        let id = Some(EventId::within(7, 2));
        let frame = Frame::new(id, "ticked", Bytes::from_static(b"{\n\"n\":\r\n1}"));
        assert_eq!(text(&frame.as_sse()), "id: 7.2\nevent: ticked\ndata: { \"n\":  1}\n\n");
        assert_eq!(
            text(&frame.as_message()),
            "{\"id\":\"7.2\",\"event\":\"ticked\",\"data\":{ \"n\":  1}}"
        );
        let closed = Frame::new(None, CLOSED, Bytes::from_static(b"{}"));
        assert_eq!(text(&closed.as_sse()), "event: closed\ndata: {}\n\n");
        assert_eq!(text(&closed.as_message()), "{\"event\":\"closed\",\"data\":{}}");
    }

    #[test]
    fn a_stand_names_the_version_and_what_is_shown() {
        let state = Bytes::from_static(b"{\"value\":2}");
        assert_eq!(text(&stand(2, &ShownState::Hidden)), "{\"version\":2}");
        assert_eq!(
            text(&stand(2, &ShownState::Json(state))),
            "{\"version\":2,\"state\":{\"value\":2}}"
        );
        assert_eq!(text(&stand(3, &ShownState::Deleted)), "{\"version\":3,\"deleted\":true}");
    }
}
