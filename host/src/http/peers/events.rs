//! Parses an event stream from another node. Input that this host would not write ends the stream; the router
//! decides whether to reconnect.

use futures_util::stream::{self, StreamExt as _};
use highlander_core::error::Error;
use highlander_core::events::frame::{CLOSED, Frame};
use highlander_core::events::is_event_name;
use highlander_core::json::is_json;
use http::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::super::request_body;
use super::link::UnderWay;
use super::{ANSWER_BYTES_MAX, answer};
use crate::router::peers::Events;
use crate::wire::sse::{Reader, Received};

/// Returns the stream, the node's error, or why the response cannot be parsed.
pub(super) async fn begun(
    response: Response<Incoming>,
    under_way: UnderWay,
) -> Result<Result<Events, Error>, String> {
    let (parts, mut incoming) = response.into_parts();
    if !parts.status.is_success() {
        let read = request_body::collect(&mut incoming, ANSWER_BYTES_MAX).await;
        let text = read.map_err(|error| format!("sent a response that cannot be read: {error}"))?;
        return answer::error(&parts, &text).map(Err);
    }
    let listening = Listening { incoming, reader: Reader::default(), _under_way: under_way };
    let next = |listening: Option<Listening>| async move {
        let mut listening = listening?;
        let heard = listening.next().await;
        let left = heard.is_ok().then_some(listening);
        Some((heard, left))
    };
    Ok(Ok(stream::unfold(Some(listening), next).boxed()))
}

struct Listening {
    incoming: Incoming,
    reader: Reader,
    _under_way: UnderWay,
}

impl Listening {
    async fn next(&mut self) -> Result<Frame, String> {
        loop {
            if let Some(event) = self.reader.take().map_err(|error| error.to_string())? {
                return understood(event);
            }
            let frame = self.incoming.frame().await.ok_or("ended the stream without a reason")?;
            let frame = frame.map_err(|error| format!("interrupted the stream: {error}"))?;
            if let Some(bytes) = frame.data_ref() {
                self.reader.push(bytes);
            }
        }
    }
}

fn understood(event: Received) -> Result<Frame, String> {
    let Received { id, name, data } = event;
    let bad = || format!("sent an event that cannot be read: {:?}", cut(&name));
    if !is_event_name(&name) || !is_json(&data) {
        return Err(bad());
    }
    match id.map(|id| id.parse()) {
        Some(Ok(id)) => Ok(Frame::new(Some(id), name, data)),
        None if name == CLOSED => {
            Err(format!("ended the stream: {}", cut(&String::from_utf8_lossy(&data))))
        }
        _ => Err(bad()),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(id: Option<&str>, name: &str, data: &'static str) -> Received {
        Received { id: id.map(ToOwned::to_owned), name: name.to_owned(), data: data.into() }
    }

    #[test]
    fn only_whole_events_are_understood() {
        assert!(understood(received(Some("7.2"), "ticked", "1")).is_ok());
        for (id, name, data) in [
            (None, "ticked", "1"),
            (Some("x"), "ticked", "1"),
            (Some("7.2"), "Ticked", "1"),
            (Some("7.2"), "a\"b", "1"),
            (Some("7.2"), "ticked", "1 2"),
            (Some("7.2"), "ticked", ""),
        ] {
            let why = understood(received(id, name, data)).unwrap_err();
            assert!(why.contains("cannot be read"), "{why}");
        }
        let why = understood(received(None, "closed", "{\"reason\":\"moved\"}")).unwrap_err();
        assert!(why.contains("moved"), "{why}");
    }
}
