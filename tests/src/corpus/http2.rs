//! Hostile connections of HTTP/2: sequences of frames, all of which end with a GOAWAY of the node.
//!
//! A sequence that violates no rule by itself ends with a frame that does, so that the node closes the connection.

use super::requests::HostileRequest;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;

/// Answers: GOAWAY with PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR and ENHANCE_YOUR_CALM.
const BROKEN: &str = "goaway-1";
const WINDOW_ERROR: &str = "goaway-3";
const SIZE: &str = "goaway-6";
const FLOOD: &str = "goaway-11";
/// Answer: the stream is reset, and the connection goes on.
const CANCELLED: &str = "reset";

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WHOLE: u8 = END_STREAM | END_HEADERS;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns a connection that begins correctly and continues with these frames.
fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
    [PREFACE, &*frame(SETTINGS, 0, 0, &[]), &*frames.concat()].concat()
}

/// Returns a connection that begins and ends correctly except for its last frame, a ping of seven bytes.
fn ended(frames: &[Vec<u8>]) -> Vec<u8> {
    [connection(frames), frame(PING, 0, 0, &[0; 7])].concat()
}

/// Returns a connection whose client leaves after these frames, so that the node completes its streams first.
fn left(frames: &[Vec<u8>]) -> Vec<u8> {
    [connection(frames), frame(GOAWAY, 0, 0, &[0; 8])].concat()
}

/// Returns a header that no table contains.
fn header(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// Returns the headers of a request: `method` is an index of the static table, 2 for GET and 3 for POST.
fn head(method: u8, path: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let path = [&[0x04, path.len() as u8], path.as_bytes()].concat();
    let authority = [&[0x01, 9], "localhost".as_bytes()].concat();
    [vec![0x80 | method, 0x86], path, authority, more.concat()].concat()
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &head(2, "/healthz", &[]))
}

/// Returns a call whose body does not end.
fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head(3, "/v1/objects/counter/smuggled/add", &[]))
}

fn setting(id: u8, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&[0, id], &value.to_be_bytes()[..]].concat())
}

fn streams(count: u32, frames: impl Fn(u32) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..count).map(|number| frames(2 * number + 1)).collect()
}

/// Returns all hostile connections of HTTP/2.
pub(super) fn requests() -> Vec<HostileRequest> {
    let rows = [beginnings(), floods(), compression(), windows(), order(), heads()];
    rows.into_iter()
        .flatten()
        .map(|(name, purpose, expected, bytes)| HostileRequest::new(name, purpose, expected, bytes))
        .collect()
}

/// Name, purpose, expected answer, and bytes.
type Row = (&'static str, &'static str, &'static str, Vec<u8>);

#[rustfmt::skip]
fn beginnings() -> Vec<Row> {
    vec![
        ("http2-followed-by-http1", "A request of HTTP/1 after the preface of HTTP/2.", SIZE,
            [PREFACE, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"].concat()),
        ("http2-without-settings", "A request before the settings.", BROKEN,
            [PREFACE, &*get(1), &*frame(PING, 0, 0, &[0; 7])].concat()),
        ("http2-frame-of-16-mebibytes", "A frame of the largest length that can be written.", SIZE,
            [&*connection(&[]), b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", &[0; 100]].concat()),
        ("http2-settings-of-five-bytes", "Settings that end in the middle of one.", BROKEN,
            connection(&[frame(SETTINGS, 0, 0, &[0; 5])])),
        ("http2-settings-of-a-stream", "Settings of a single stream.", BROKEN,
            connection(&[frame(SETTINGS, 0, 1, &[])])),
        ("http2-acknowledgement-with-content", "An acknowledgement of settings that has settings.", BROKEN,
            connection(&[frame(SETTINGS, 1, 0, &[0, 4, 0, 0, 0, 0])])),
        ("http2-frames-of-one-byte", "Frames that may have less than the smallest maximum.", BROKEN,
            connection(&[setting(5, 1)])),
    ]
}

#[rustfmt::skip]
fn floods() -> Vec<Row> {
    let many = |frame: Vec<u8>| vec![frame; 20_000];
    vec![
        ("http2-rapid-reset", "Requests that are cancelled at once, so that no limit of streams counts them.", FLOOD,
            connection(&streams(20_000, |n| [get(n), frame(RESET, 0, n, &[0, 0, 0, 8])].concat()))),
        ("http2-rapid-errors", "Requests that the node must cancel, so that no limit of streams counts them.", FLOOD,
            connection(&streams(20_000, |n| {
                frame(HEADERS, WHOLE, n, &head(2, "/healthz", &[header("connection", "x")]))
            }))),
        ("http2-settings-flood", "20,000 settings, of which each must be acknowledged.", BROKEN,
            ended(&many(setting(4, 1)))),
        ("http2-ping-flood", "20,000 pings, of which each must be answered.", BROKEN,
            ended(&many(frame(PING, 0, 0, &[0; 8])))),
        ("http2-flood-of-unknown-frames", "20,000 frames of a kind that does not exist.", BROKEN,
            ended(&many(frame(0x77, 0, 0, &[0; 8])))),
        ("http2-flood-of-priorities", "20,000 priorities of a stream that does not exist.", BROKEN,
            ended(&many(frame(PRIORITY, 0, 5, &[0, 0, 0, 3, 1])))),
        ("http2-flood-of-empty-data", "20,000 parts of a body without a byte.", FLOOD,
            ended(&[vec![post(1)], many(frame(DATA, 0, 1, &[]))].concat())),
        ("http2-flood-of-continuations", "A head that continues without end.", FLOOD,
            connection(&[vec![frame(HEADERS, 0, 1, &head(2, "/healthz", &[]))],
                many(frame(CONTINUATION, 0, 1, &header("x", "0123456789")))].concat())),
        ("http2-flood-of-empty-continuations", "A head that continues without end and without a byte.", FLOOD,
            connection(&[vec![frame(HEADERS, 0, 1, &head(2, "/healthz", &[]))],
                many(frame(CONTINUATION, 0, 1, &[]))].concat())),
        ("http2-streams-beyond-the-maximum", "1,000 calls at a time that do not end.", BROKEN,
            ended(&streams(1_000, post))),
    ]
}

#[rustfmt::skip]
fn compression() -> Vec<Row> {
    let bomb = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e], &*vec![b'x'; 4000], &vec![0xbe; 12_000]].concat();
    vec![
        ("http2-header-bomb", "12,000 references to one header of 4 KB, which are 48 MB.", FLOOD,
            ended(&[frame(HEADERS, WHOLE, 1, &[head(2, "/healthz", &[]), bomb].concat())])),
        ("http2-header-out-of-range", "A reference to a header that no table has.", BROKEN,
            connection(&[frame(HEADERS, WHOLE, 1, &[0xff, 0xff, 0xff, 0x7f])])),
        ("http2-header-index-zero", "A reference to the header before the first one.", BROKEN,
            connection(&[frame(HEADERS, WHOLE, 1, &[0x80])])),
        ("http2-header-table-of-4-gibibytes", "A table of headers above the limit.", BROKEN,
            connection(&[frame(HEADERS, WHOLE, 1, &[0x3f, 0xe1, 0xff, 0xff, 0xff, 0x0f])])),
        ("http2-header-cut-off", "A header that is longer than its frame.", BROKEN,
            connection(&[frame(HEADERS, WHOLE, 1, &[0x82, 0x00, 0x7f, 0xff, 0xff, 0x7f])])),
        ("http2-header-with-a-bad-code", "A compressed text with the code that ends it.", BROKEN,
            connection(&[frame(HEADERS, WHOLE, 1, &[0x82, 0x00, 0x84, 0xff, 0xff, 0xff, 0xff])])),
    ]
}

#[rustfmt::skip]
fn windows() -> Vec<Row> {
    vec![
        ("http2-window-of-zero", "200 responses that the client does not let the node send.", BROKEN,
            ended(&[vec![setting(4, 0)], streams(200, get)].concat())),
        ("http2-window-that-grows-by-zero", "A window that grows by nothing.", BROKEN,
            connection(&[frame(WINDOW, 0, 0, &[0; 4])])),
        ("http2-window-that-overflows", "A window that grows beyond 31 bits.", WINDOW_ERROR,
            connection(&vec![frame(WINDOW, 0, 0, &[0x7f, 0xff, 0xff, 0xff]); 2])),
        ("http2-window-beyond-the-maximum", "An initial window of 32 bits.", BROKEN,
            connection(&[setting(4, u32::MAX)])),
    ]
}

#[rustfmt::skip]
fn order() -> Vec<Row> {
    vec![
        ("http2-data-of-no-stream", "Data of the connection itself.", BROKEN, connection(&[frame(DATA, 0, 0, b"1")])),
        ("http2-data-before-the-head", "Data of a stream that has not begun.", BROKEN,
            connection(&[frame(DATA, 0, 1, b"1")])),
        ("http2-stream-of-the-server", "A request under a number of the server.", BROKEN, connection(&[get(2)])),
        ("http2-stream-zero", "A request under the number of the connection.", BROKEN, connection(&[get(0)])),
        ("http2-streams-in-another-order", "A request under a number that is over.", BROKEN,
            connection(&[get(5), get(3)])),
        ("http2-push", "A promise of a response, which only servers send.", BROKEN,
            connection(&[get(1), frame(PUSH, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])])),
        ("http2-frame-inside-of-a-head", "A ping between two parts of a head.", BROKEN,
            connection(&[frame(HEADERS, 0, 1, &head(2, "/healthz", &[])), frame(PING, 0, 0, &[0; 8])])),
        ("http2-continuation-of-nothing", "A continuation without a head.", BROKEN,
            connection(&[frame(CONTINUATION, END_HEADERS, 1, &[0x82])])),
        ("http2-padding-beyond-the-frame", "Padding that is longer than its frame.", BROKEN,
            connection(&[post(1), frame(DATA, PADDED, 1, &[200, 1, 2])])),
        ("http2-reset-of-nothing", "The end of a stream that has not begun.", BROKEN,
            connection(&[frame(RESET, 0, 9, &[0, 0, 0, 8])])),
    ]
}

#[rustfmt::skip]
fn heads() -> Vec<Row> {
    let smuggled = "/v1/objects/counter/smuggled/increment";
    let with = |more: &[Vec<u8>]| left(&[frame(HEADERS, WHOLE, 1, &head(3, smuggled, more))]);
    vec![
        ("http2-header-in-capitals", "A header in capitals, which HTTP/2 forbids.", BROKEN, with(&[header("X", "1")])),
        ("http2-header-of-http1", "A framing of HTTP/1, which a proxy might pass on.", CANCELLED,
            with(&[header("transfer-encoding", "chunked")])),
        ("http2-header-of-two-lines", "A header that would be two in HTTP/1.", BROKEN,
            with(&[header("x", "1\r\nhost: evil")])),
        ("http2-path-twice", "Two paths, of which a proxy might check one.", CANCELLED,
            with(&[header(":path", "/healthz")])),
        ("http2-path-after-headers", "A path after another header.", CANCELLED,
            with(&[header("x", "1"), header(":path", "/healthz")])),
        ("http2-host-that-differs", "A host that differs from the authority.", "headers",
            with(&[header("host", "evil.example")])),
        ("http2-length-that-differs", "A length of five bytes without a body.", CANCELLED,
            with(&[header("content-length", "5")])),
        ("http2-tunnel", "A protocol inside of a stream, which nodes do not offer.", CANCELLED,
            with(&[header(":protocol", "websocket")])),
    ]
}
