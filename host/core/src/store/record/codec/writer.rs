//! Writes JSON into memory piece by piece. The caller ensures that the pieces form one JSON value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// JSON writer on a byte buffer.
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn raw(&mut self, json: &[u8]) -> &mut Self {
        self.0.extend_from_slice(json);
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        serde_json::to_writer(&mut self.0, &number).expect("writing to memory cannot fail");
        self
    }

    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        serde_json::to_writer(&mut self.0, text).expect("writing to memory cannot fail");
        self
    }

    pub(super) fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        self.raw(b"\"").hex_digits(bytes).raw(b"\"")
    }

    pub(super) fn hex_digits(&mut self, bytes: &[u8]) -> &mut Self {
        let digit = |value: u8| {
            if value < 10 { b'0' + value } else { b'a' + value - 10 }
        };
        self.0.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        self
    }

    pub(super) fn base64(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.push(b'"');
        let start = self.0.len();
        let digits = bytes.len().div_ceil(3) * 4;
        self.0.resize(start + digits, 0);
        let room = self.0.get_mut(start..).unwrap_or_default();
        BASE64.encode_slice(bytes, room).expect("base64 encodes three bytes as four digits");
        self.0.push(b'"');
        self
    }

    pub(super) fn array<T>(
        &mut self,
        items: &[T],
        mut write: impl FnMut(&mut Self, &T),
    ) -> &mut Self {
        self.0.push(b'[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.0.push(b',');
            }
            write(self, item);
        }
        self.0.push(b']');
        self
    }
}
