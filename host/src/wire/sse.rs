//! Incremental parser of the server-sent events that nodes send each other. It checks neither the meaning of an
//! event nor whether its data is JSON.

use bytes::Bytes;

/// Maximum size of an event: the largest event or published state, plus its envelope.
const EVENT_BYTES_MAX: usize = 512 * 1024;

/// An event as received, not validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The event's id, if any.
    pub id: Option<String>,
    /// Name of the event.
    pub name: String,
    /// Data of the event.
    pub data: Bytes,
}

/// Splits a byte stream into events.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Length of the buffer's prefix that contains no end of an event.
    searched: usize,
}

/// Error for bytes that are not a valid event stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEvents {
    /// An event exceeds the size limit.
    #[error("sent an event of more than {EVENT_BYTES_MAX} bytes")]
    TooLong,
    /// The bytes are not UTF-8.
    #[error("sent an event that is not UTF-8")]
    NotText,
}

impl Reader {
    /// Appends received bytes to the buffer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete event; ignores comments and settings.
    ///
    /// # Errors
    /// The bytes are not a valid event stream.
    pub fn take(&mut self) -> Result<Option<Received>, NoEvents> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(found) = unsearched.windows(2).position(|pair| pair == b"\n\n") else {
                self.searched = self.buffer.len().saturating_sub(1);
                let is_too_long = self.buffer.len() > EVENT_BYTES_MAX;
                return if is_too_long { Err(NoEvents::TooLong) } else { Ok(None) };
            };
            let event: Vec<u8> = self.buffer.drain(..self.searched + found + 2).collect();
            self.searched = 0;
            let text = std::str::from_utf8(&event).map_err(|_| NoEvents::NotText)?;
            if let Some(event) = read(text) {
                return Ok(Some(event));
            }
        }
    }
}

/// Parses a block of lines as an event; `None` if it has no data.
fn read(text: &str) -> Option<Received> {
    let (mut id, mut name, mut data) = (None, "message".to_owned(), None::<String>);
    for line in text.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut data) {
            ("id", _) => id = Some(value.to_owned()),
            ("event", _) => value.clone_into(&mut name),
            ("data", None) => data = Some(value.to_owned()),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            _ => {}
        }
    }
    Some(Received { id, name, data: data?.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use highlander_core::events::event_id::EventId;
    use highlander_core::events::frame::Frame;

    #[test]
    fn events_are_read_as_they_were_written_however_they_are_cut() {
        let id = Some(EventId::within(7, 2));
        let frames = [
            Frame::new(id, "ticked", Bytes::from_static("{\"n\":\"\u{e4}\"}".as_bytes())),
            Frame::new(None, "closed", Bytes::from_static(b"{}")),
        ];
        let text =
            [b"retry: 1000\n\n:\n\n" as &[u8], &frames[0].as_sse(), b":\n\n", &frames[1].as_sse()];
        let text = text.concat();
        for length in 1..text.len() {
            let (mut reader, mut events) = (Reader::default(), Vec::new());
            for piece in text.chunks(length) {
                reader.push(piece);
                while let Some(event) = reader.take().unwrap() {
                    events.push(event);
                }
            }
            let [first, second] = events.as_slice() else { panic!("{events:?}") };
            assert_eq!((first.id.as_deref(), first.name.as_str()), (Some("7.2"), "ticked"));
            assert_eq!((&first.data, &second.data), (&frames[0].data, &frames[1].data));
            assert_eq!((&second.id, second.name.as_str()), (&None, "closed"));
        }
    }

    #[test]
    fn what_does_not_end_or_is_no_text_is_refused() {
        let mut reader = Reader::default();
        reader.push(&[b'x'; EVENT_BYTES_MAX]);
        assert_eq!(reader.take(), Ok(None));
        reader.push(b"x");
        assert_eq!(reader.take(), Err(NoEvents::TooLong));
        let mut reader = Reader::default();
        reader.push(b"data: \xff\n\n");
        assert_eq!(reader.take(), Err(NoEvents::NotText));
    }
}
