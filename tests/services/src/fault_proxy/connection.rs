//! One connection through a link: two pumps, each of which checks the link's mode before it forwards anything.
//!
//! Bytes that were read before the link was cut are kept, and delivered after it is healed. An orderly end of one
//! side is forwarded as an end and a reset as a reset; neither passes a cut link.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Control, Direction, Meters, Mode};

/// Limit of buffered pieces in one direction, in place of the network's capacity.
const PIECES_MAX: usize = 64;
const PIECE_BYTES_MAX: usize = 16 * 1024;
/// A target on this machine accepts at once, unless it is stopped.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

type Watch = watch::Receiver<Control>;

/// Bytes that a pump has read, and their earliest time of arrival.
struct Piece {
    bytes: Vec<u8>,
    due: Instant,
}

/// Forwards in both directions until both sides have ended, one breaks, or the link breaks the connection.
pub(super) async fn run(mut near: TcpStream, mut control: Watch, meters: &Meters) {
    let reset_count = control.borrow().reset_count;
    let mut over = control.clone();
    let broken = async move {
        let is_over =
            |control: &Control| control.mode == Mode::Refuse || control.reset_count != reset_count;
        // An error means the end of the link.
        let _ = over.wait_for(is_over).await;
    };
    let mut broken = pin!(broken);
    let far = tokio::select! {
        () = &mut broken => None,
        far = reach(&mut control) => far,
    };
    let Some(mut far) = far else {
        let _ = near.set_zero_linger();
        return;
    };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let whole = tokio::select! {
        () = broken => false,
        passed = pass_both(&mut near, &mut far, &control, meters) => passed.is_ok(),
    };
    if !whole {
        // With zero linger, the following close is a reset.
        let _ = (near.set_zero_linger(), far.set_zero_linger());
    }
}

/// Connects to the target, once the link passes bytes in both directions, as a handshake requires.
async fn reach(control: &mut Watch) -> Option<TcpStream> {
    let target: SocketAddr = {
        let passes = |control: &Control| {
            let mode = control.mode;
            mode.passes(Direction::Towards) && mode.passes(Direction::From)
        };
        control.wait_for(passes).await.ok()?.target?
    };
    timeout(CONNECT_TIMEOUT, TcpStream::connect(target)).await.ok()?.ok()
}

async fn pass_both(
    near: &mut TcpStream,
    far: &mut TcpStream,
    control: &Watch,
    meters: &Meters,
) -> io::Result<()> {
    let (near_in, near_out) = near.split();
    let (far_in, far_out) = far.split();
    let towards = pump(near_in, far_out, Direction::Towards, control, &meters.bytes_towards);
    let from = pump(far_in, near_out, Direction::From, control, &meters.bytes_from);
    tokio::try_join!(towards, from).map(drop)
}

/// Moves bytes in one direction until the end. A reader and a writer with a queue in between ensure that delayed
/// bytes arrive later, but not at a lower rate.
async fn pump(
    source: ReadHalf<'_>,
    sink: WriteHalf<'_>,
    direction: Direction,
    control: &Watch,
    meter: &AtomicU64,
) -> io::Result<()> {
    let (pieces, arriving) = mpsc::channel(PIECES_MAX);
    let reading = read(source, pieces, direction, control.clone());
    let writing = write(sink, arriving, direction, control.clone(), meter);
    tokio::try_join!(reading, writing).map(drop)
}

async fn read(
    mut source: ReadHalf<'_>,
    pieces: mpsc::Sender<Piece>,
    direction: Direction,
    mut control: Watch,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES_MAX];
    loop {
        pass(&mut control, direction).await?;
        let result = source.read(&mut buffer).await;
        if result.is_err() {
            // A reset does not pass a cut link either.
            pass(&mut control, direction).await?;
        }
        let bytes = buffer.get(..result?).unwrap_or_default().to_vec();
        let is_end = bytes.is_empty();
        let mode = control.borrow().mode;
        sleep(mode.time_of(bytes.len())).await;
        let piece = Piece { bytes, due: Instant::now() + mode.delay() };
        if pieces.send(piece).await.is_err() || is_end {
            return Ok(());
        }
    }
}

async fn write(
    mut sink: WriteHalf<'_>,
    mut arriving: mpsc::Receiver<Piece>,
    direction: Direction,
    mut control: Watch,
    meter: &AtomicU64,
) -> io::Result<()> {
    while let Some(piece) = arriving.recv().await {
        sleep_until(piece.due).await;
        pass(&mut control, direction).await?;
        if piece.bytes.is_empty() {
            break;
        }
        sink.write_all(&piece.bytes).await?;
        meter.fetch_add(piece.bytes.len() as u64, Ordering::Relaxed);
    }
    sink.shutdown().await
}

/// Waits until the link lets bytes pass.
async fn pass(control: &mut Watch, direction: Direction) -> io::Result<()> {
    match control.wait_for(|control| control.mode.passes(direction)).await {
        Ok(_) => Ok(()),
        Err(_) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}
