//! Reads server-sent events, as nodes write them, from bytes as they come.
//! What an event means, and whether its data is JSON, is for its reader to say.

use bytes::Bytes;

/// Longest event: what a handler may publish, or a state that is shown, with room for what is around it.
const EVENT_BYTES_MAX: usize = 512 * 1024;

/// One event as it was read: nothing in it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its data.
    pub data: Bytes,
}

/// Cuts bytes into events.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// How much of the buffer holds no end of an event.
    searched: usize,
}

/// What is no stream of events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEvents {
    /// An event that does not end.
    #[error("sent an event of more than {EVENT_BYTES_MAX} bytes")]
    TooLong,
    /// Bytes that are no text.
    #[error("sent an event that is not UTF-8")]
    NotText,
}

impl Reader {
    /// Adds bytes to those that no event was made of yet.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event; comments and settings are passed over.
    ///
    /// # Errors
    /// Where the bytes are no events.
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

/// The event in a block of lines; none where there is no data.
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
    use crate::events::event_id::EventId;
    use crate::events::frame::Frame;

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
