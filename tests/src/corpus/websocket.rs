//! Hostile WebSockets: a valid handshake, followed by frames that the node must not accept.

use super::requests::HostileRequest;

const HANDSHAKE: &str = "GET /v1/objects/counter/a/events HTTP/1.1\r\nhost: HOST\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const FINAL: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

/// Returns a frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        length @ ..126 => vec![0x80 | length as u8],
        length => [&[0x80 | 126], &u16::try_from(length).unwrap().to_be_bytes()[..]].concat(),
    };
    [&[first], &*length, &[0; 4], payload].concat()
}

/// Returns all hostile WebSockets.
#[rustfmt::skip]
pub(super) fn requests() -> Vec<HostileRequest> {
    let rows: [(_, _, _, Vec<u8>); 14] = [
        ("websocket-without-a-mask", "A message without the mask that clients must use.", "close-1002",
            vec![FINAL | TEXT, 1, b'a']),
        ("websocket-of-a-large-message", "A message above the limit.", "close-1009",
            frame(FINAL | TEXT, &[b'a'; 5_000])),
        ("websocket-of-an-exbibyte", "A message of 2^60 bytes, of which four follow.", "close-1009",
            [&[FINAL | BINARY, 0xff, 0x10, 0, 0, 0, 0, 0, 0, 0], &[0; 8][..]].concat()),
        ("websocket-of-a-negative-length", "A message whose length has its highest bit set.", "close-1009",
            [&[FINAL | BINARY, 0xff], &[0xff; 8][..], &[0; 8]].concat()),
        ("websocket-of-fragments-without-end", "A message in fragments that do not end.", "close-1009",
            [frame(TEXT, b"a"), frame(CONTINUATION, &[b'a'; 100]).repeat(1_000)].concat()),
        ("websocket-fragment-of-nothing", "The continuation of a message that has not begun.", "close-1002",
            frame(FINAL | CONTINUATION, b"a")),
        ("websocket-message-inside-of-another", "A message between the fragments of another one.", "close-1002",
            [frame(TEXT, b"a"), frame(FINAL | TEXT, b"b")].concat()),
        ("websocket-of-an-unknown-kind", "A frame of a kind that does not exist.", "close-1002",
            frame(FINAL | 3, b"a")),
        ("websocket-with-reserved-bits", "A frame as of an extension that was not agreed.", "close-1002",
            frame(FINAL | 0x40 | TEXT, b"a")),
        ("websocket-ping-in-fragments", "A ping in fragments.", "close-1002", frame(PING, b"a")),
        ("websocket-ping-of-200-bytes", "A ping above its limit.", "close-1002", frame(FINAL | PING, &[b'a'; 200])),
        ("websocket-text-that-is-not-utf-8", "A text that is not UTF-8.", "close-1007",
            frame(FINAL | TEXT, b"\xff\xfe")),
        ("websocket-close-of-one-byte", "A reason that is half a number.", "close-1002", frame(FINAL | CLOSE, b"a")),
        ("websocket-of-10000-pings", "10,000 pings, of which each must be answered, and the end.", "close-1000",
            [frame(FINAL | PING, b"a").repeat(10_000), frame(FINAL | CLOSE, &1000_u16.to_be_bytes())].concat()),
    ];
    rows.into_iter()
        .map(|(name, purpose, close, frames)| {
            let bytes = [HANDSHAKE.as_bytes(), &frames].concat();
            HostileRequest::new(name, purpose, &format!("101 {close}"), bytes)
        })
        .collect()
}
