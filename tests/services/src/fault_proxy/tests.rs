use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::{FaultProxy, Mode};

/// Time within which any byte that can arrive does arrive.
const QUIET: Duration = Duration::from_millis(100);
const TIMEOUT: Duration = Duration::from_secs(20);

/// Starts a server that echoes its input in upper case.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 64];
                while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                    bytes[..count].make_ascii_uppercase();
                    stream.write_all(&bytes[..count]).await.unwrap();
                }
            });
        }
    });
    address
}

async fn linked() -> (FaultProxy, TcpStream) {
    let link = FaultProxy::to(echo().await).await.unwrap();
    let stream = TcpStream::connect(link.address()).await.unwrap();
    (link, stream)
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn hear(stream: &mut TcpStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    timeout(TIMEOUT, stream.read_exact(&mut bytes)).await.expect("in time").unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
}

async fn hear_nothing(stream: &mut TcpStream) {
    let heard = timeout(QUIET, stream.read_u8()).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test]
async fn an_open_link_passes_everything_on_and_counts_it() {
    let (link, mut stream) = linked().await;
    say(&mut stream, "abc").await;
    hear(&mut stream, "ABC").await;
    let counts = link.counts();
    assert_eq!((counts.bytes_towards, counts.bytes_from), (3, 3));
    assert_eq!((counts.connections, counts.open_connections), (1, 1));
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the end of the stream is forwarded");
}

#[tokio::test]
async fn what_is_sent_while_a_link_is_cut_arrives_when_it_is_healed() {
    let (link, mut stream) = linked().await;
    say(&mut stream, "a").await;
    hear(&mut stream, "A").await;
    link.cut();
    say(&mut stream, "b").await;
    hear_nothing(&mut stream).await;
    let mut late = TcpStream::connect(link.address()).await.unwrap();
    say(&mut late, "c").await;
    hear_nothing(&mut late).await;
    link.heal();
    hear(&mut stream, "B").await;
    hear(&mut late, "C").await;
}

#[tokio::test]
async fn a_link_can_be_cut_in_one_direction() {
    for (mode, delivered) in [(Mode::CutTowards, 1), (Mode::DropResponses, 2)] {
        let (link, mut stream) = linked().await;
        say(&mut stream, "a").await;
        hear(&mut stream, "A").await;
        link.set(mode);
        say(&mut stream, "b").await;
        hear_nothing(&mut stream).await;
        assert_eq!(link.counts().bytes_towards, delivered);
        link.heal();
        hear(&mut stream, "B").await;
    }
}

#[tokio::test]
async fn a_closed_connection_is_not_seen_through_a_cut_link() {
    let (link, mut stream) = linked().await;
    say(&mut stream, "a").await;
    hear(&mut stream, "A").await;
    link.cut();
    drop(stream);
    tokio::time::sleep(QUIET).await;
    assert_eq!(link.counts().open_connections, 1);
    link.heal();
    let closed = async {
        while link.counts().open_connections > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(TIMEOUT, closed).await.unwrap();
}

#[tokio::test]
async fn a_refusing_link_closes_open_and_new_connections() {
    let (link, mut stream) = linked().await;
    say(&mut stream, "a").await;
    hear(&mut stream, "A").await;
    link.set(Mode::Refuse);
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let refused = async {
        while TcpStream::connect(link.address()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(TIMEOUT, refused).await.unwrap();
    link.heal();
    let mut stream = loop {
        match TcpStream::connect(link.address()).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    say(&mut stream, "b").await;
    hear(&mut stream, "B").await;
}

#[tokio::test]
async fn a_reset_breaks_what_is_open_and_nothing_else() {
    let (link, mut stream) = linked().await;
    say(&mut stream, "a").await;
    hear(&mut stream, "A").await;
    link.reset();
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    say(&mut stream, "b").await;
    hear(&mut stream, "B").await;
}

#[tokio::test]
async fn delayed_bytes_arrive_later_and_all() {
    let (link, mut stream) = linked().await;
    let delay = Duration::from_millis(100);
    link.set(Mode::Delay(delay));
    let begun = Instant::now();
    for _ in 0..10 {
        say(&mut stream, "a").await;
    }
    hear(&mut stream, "A").await;
    assert!(begun.elapsed() >= 2 * delay, "once in each direction: {:?}", begun.elapsed());
    hear(&mut stream, "AAAAAAAAA").await;
}

#[tokio::test]
async fn a_throttled_link_lets_so_many_bytes_pass_in_a_second() {
    let (link, mut stream) = linked().await;
    link.set(Mode::Throttle(500));
    let begun = Instant::now();
    say(&mut stream, &"a".repeat(50)).await;
    hear(&mut stream, &"A".repeat(50)).await;
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_link_can_be_aimed_elsewhere() {
    let link = FaultProxy::unaimed().await.unwrap();
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    assert!(stream.read_u8().await.is_err(), "nothing is listening yet");
    link.aim(echo().await);
    let mut stream = TcpStream::connect(link.address()).await.unwrap();
    say(&mut stream, "a").await;
    hear(&mut stream, "A").await;
}
