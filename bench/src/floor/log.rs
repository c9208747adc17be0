//! A log whose writer syncs for all who wait, and answers them after it.
//!
//! It is never read: a floor has the cost of durability, not its use.

use std::fs::File;
use std::io::Write as _;

use anyhow::Result;
use tokio::sync::{mpsc, oneshot};

/// Entries that may wait.
const QUEUE_LEN: usize = 1024;
/// Entries in one batch at most, as in the host.
const BATCH_COUNT_MAX: usize = 256;

/// A new number of a counter, and who waits for it to be durable.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: u64,
    pub(super) durable: oneshot::Sender<u64>,
}

/// Starts the writer of a log in the present folder.
pub(super) fn start() -> Result<mpsc::Sender<Entry>> {
    let file = File::create("log")?;
    let (entries, queue) = mpsc::channel(QUEUE_LEN);
    std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        // Without a log no update is answered any more, which the load reports.
        let _ = write(file, queue);
    })?;
    Ok(entries)
}

fn write(mut file: File, mut queue: mpsc::Receiver<Entry>) -> Result<()> {
    let (mut batch, mut text) = (Vec::new(), Vec::new());
    while queue.blocking_recv_many(&mut batch, BATCH_COUNT_MAX) > 0 {
        text.clear();
        for Entry { key, value, .. } in &batch {
            writeln!(text, "{key} {value}")?;
        }
        file.write_all(&text)?;
        file.sync_data()?;
        for Entry { value, durable, .. } in batch.drain(..) {
            // The caller may have gone away.
            let _ = durable.send(value);
        }
    }
    Ok(())
}
