//! Log with group commit: one sync serves all waiting callers.
//!
//! It is never read: a baseline has the cost of durability, but no use for it.

use std::fs::File;
use std::io::Write as _;

use anyhow::Result;
use tokio::sync::{mpsc, oneshot};

/// Capacity of the queue of entries.
const QUEUE_LEN: usize = 1024;
/// Maximum number of entries in one batch, as in the host.
const BATCH_COUNT_MAX: usize = 256;

/// New value of a counter, with the channel on which the caller waits for its durability.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: u64,
    pub(super) durable: oneshot::Sender<u64>,
}

/// Starts the writer of a log in the current folder.
pub(super) fn start() -> Result<mpsc::Sender<Entry>> {
    let file = File::create("log")?;
    let (entries, queue) = mpsc::channel(QUEUE_LEN);
    std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        // After an error, no update gets a response any more, which the load reports.
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
