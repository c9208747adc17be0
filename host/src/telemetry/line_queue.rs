//! Lines on their way to standard error: written by a thread of their own, so that no worker waits for a slow reader.
//!
//! Lines of objects and lines of the host have separate queues of bounded length. A full queue drops new lines, which
//! are counted and reported.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use highlander_system::clock;
use parking_lot::{Condvar, Mutex};
use prometheus::{IntCounterVec, Opts};
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// Maximum number of lines in one queue.
const LINES_MAX: usize = 1024;
/// Target of the lines of objects.
const OBJECT_TARGET: &str = "object";
/// Minimum interval between two reports of dropped lines.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Author of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    Host,
    Object,
}

/// Queues of one process. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct LineQueue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines>,
    filled: Condvar,
    written: Condvar,
    dropped: IntCounterVec,
}

#[derive(Debug, Default)]
struct Lines {
    host: VecDeque<Vec<u8>>,
    objects: VecDeque<Vec<u8>>,
    /// Number of dropped lines that were not reported yet.
    unreported: u64,
    /// Whether lines were taken that are not written yet.
    is_writing: bool,
}

impl Lines {
    /// Takes all lines of the host, or else one line of an object.
    fn take(&mut self) -> Option<VecDeque<Vec<u8>>> {
        if !self.host.is_empty() {
            return Some(std::mem::take(&mut self.host));
        }
        self.objects.pop_front().map(|line| [line].into())
    }

    fn are_written(&self) -> bool {
        self.host.is_empty() && self.objects.is_empty() && !self.is_writing
    }
}

impl LineQueue {
    pub(super) fn new() -> Self {
        let dropped = Opts::new(
            "highlander_log_lines_dropped_total",
            "Log lines dropped because standard error took them too slowly.",
        );
        let dropped = IntCounterVec::new(dropped, &["author"]);
        let dropped = dropped.expect("the names of metrics are valid");
        for author in ["host", "object"] {
            dropped.with_label_values(&[author]).reset();
        }
        let lines = Mutex::default();
        let shared = Shared { lines, filled: Condvar::new(), written: Condvar::new(), dropped };
        Self { shared: Arc::new(shared) }
    }

    /// Returns the metric of dropped lines, for registration.
    pub(super) fn dropped(&self) -> IntCounterVec {
        self.shared.dropped.clone()
    }

    /// Starts the thread that writes the lines. It ends with the process.
    pub(super) fn start(&self, output: impl Write + Send + 'static) -> io::Result<()> {
        let queue = self.clone();
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn(move || queue.write_all(output)).map(drop)
    }

    /// Waits until all lines are written, but not longer than `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let mut lines = self.shared.lines.lock();
        let is_unwritten = |lines: &mut Lines| !lines.are_written();
        // After the timeout, the process ends without the rest.
        let _ = self.shared.written.wait_while_for(&mut lines, is_unwritten, timeout);
    }

    fn push(&self, author: Author, line: Vec<u8>) {
        let mut lines = self.shared.lines.lock();
        let (queue, word) = match author {
            Author::Host => (&mut lines.host, "host"),
            Author::Object => (&mut lines.objects, "object"),
        };
        if queue.len() < LINES_MAX {
            queue.push_back(line);
        } else {
            self.shared.dropped.with_label_values(&[word]).inc();
            lines.unreported += 1;
        }
        drop(lines);
        self.shared.filled.notify_one();
    }

    fn write_all(&self, mut output: impl Write) {
        let mut reported_at = clock::now();
        loop {
            for line in self.next() {
                // The node goes on if standard error is closed.
                let _ = output.write_all(&line);
            }
            let is_time = clock::now().since(reported_at) >= REPORT_EVERY;
            let dropped_count = self.end_batch(is_time);
            if dropped_count > 0 {
                reported_at = clock::now();
                tracing::warn!(
                    dropped_count,
                    "dropped log lines: standard error takes them too slowly"
                );
            }
        }
    }

    /// Waits for lines and takes them.
    fn next(&self) -> VecDeque<Vec<u8>> {
        let mut lines = self.shared.lines.lock();
        loop {
            if let Some(taken) = lines.take() {
                lines.is_writing = true;
                return taken;
            }
            self.shared.filled.wait(&mut lines);
        }
    }

    /// Marks the taken lines as written. Returns the number of dropped lines if it is to be reported.
    fn end_batch(&self, reports: bool) -> u64 {
        let mut lines = self.shared.lines.lock();
        lines.is_writing = false;
        if lines.are_written() {
            self.shared.written.notify_all();
        }
        // Whatever is unreported when the queues are empty would wait for the next line.
        let reports = reports || lines.are_written();
        if reports { std::mem::take(&mut lines.unreported) } else { 0 }
    }
}

/// One line, which enters its queue when it is dropped.
pub(super) struct Line<'a> {
    queue: &'a LineQueue,
    author: Author,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.queue.push(self.author, std::mem::take(&mut self.bytes));
        }
    }
}

impl<'a> MakeWriter<'a> for LineQueue {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { queue: self, author: Author::Host, bytes: Vec::new() }
    }

    fn make_writer_for(&'a self, line: &Metadata<'_>) -> Line<'a> {
        let author = if line.target() == OBJECT_TARGET { Author::Object } else { Author::Host };
        Line { queue: self, author, bytes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Output whose reader takes one line after the other.
    struct Slow(SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_owned()).map(|()| bytes.len()).map_err(io::Error::other)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue() -> (LineQueue, Receiver<Vec<u8>>) {
        let (sender, receiver) = sync_channel(0);
        let queue = LineQueue::new();
        queue.start(Slow(sender)).unwrap();
        (queue, receiver)
    }

    fn dropped(queue: &LineQueue, author: &str) -> u64 {
        queue.dropped().with_label_values(&[author]).get()
    }

    #[test]
    fn a_slow_reader_delays_no_line_and_lines_of_objects_leave_room_for_the_host() {
        let (queue, reader) = queue();
        let count = 3 * LINES_MAX;
        for number in 0..count {
            queue.push(Author::Object, number.to_string().into_bytes());
        }
        queue.push(Author::Host, b"host".to_vec());
        assert_eq!(dropped(&queue, "host"), 0);
        // The thread may have taken one line.
        let kept = count - usize::try_from(dropped(&queue, "object")).unwrap();
        assert!((LINES_MAX..=LINES_MAX + 1).contains(&kept), "{kept}");
        let written: Vec<_> = reader.iter().take(kept + 1).collect();
        let place = written.iter().position(|line| line == b"host").unwrap();
        assert!(place <= 2, "{place}");
        queue.flush(Duration::from_secs(60));
        assert!(queue.shared.lines.lock().are_written());
    }

    #[test]
    fn the_end_of_the_process_waits_for_the_lines_but_not_for_ever() {
        let (queue, reader) = queue();
        queue.push(Author::Host, b"last words".to_vec());
        queue.flush(Duration::from_millis(1));
        assert!(!queue.shared.lines.lock().are_written());
        assert_eq!(reader.recv().unwrap(), b"last words");
        queue.flush(Duration::from_secs(60));
        assert!(queue.shared.lines.lock().are_written());
    }
}
