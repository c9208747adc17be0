//! A child process whose standard error is read line by line, and that ends with the value that stands for it.
//!
//! Its end is an event too: standard error is closed then. A thread reads, so that nothing is lost when a test fails.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

use crate::wait;

/// How many of its last lines are shown when a test fails.
const SHOWN_LINES_MAX: usize = 100;

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// How many lines there are, until the sender is dropped at the end of the process.
    line_count: watch::Receiver<usize>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts it, with nothing to read and standard output thrown away.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the process can be started");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let log = Arc::default();
        let (sender, line_count) = watch::channel(0);
        let lines = Arc::clone(&log);
        let reader = std::thread::spawn(move || read(stderr, &lines, &sender));
        Self { child, log, line_count, reader: Some(reader) }
    }

    /// The first line that holds `text`, as soon as it is there.
    ///
    /// # Panics
    /// When the process ends before, or never says it.
    pub async fn line_with(&mut self, text: &str) -> String {
        wait::within(&format!("a line with {text:?}"), async {
            loop {
                let has_ended = self.line_count.has_changed().is_err();
                let lines = self.lines();
                if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                    return line.clone();
                }
                assert!(!has_ended, "it ended without {text:?}:\n{}", lines.join("\n"));
                // An error is the end, which is seen above.
                let _ = self.line_count.changed().await;
            }
        })
        .await
    }

    /// What it wrote to standard error until now.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        // It may have ended meanwhile, which is not this function's to judge.
        let _ = kill_process(pid, signal);
    }

    /// How it ended, once it has.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn end(&mut self) -> ExitStatus {
        wait::within("the end of the process", async {
            while self.line_count.changed().await.is_ok() {}
        })
        .await;
        self.child.wait().unwrap()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let lines = self.lines();
            let hidden = lines.len().saturating_sub(SHOWN_LINES_MAX);
            eprintln!("--- the process said ({hidden} earlier lines are not shown)");
            lines.iter().skip(hidden).for_each(|line| eprintln!("| {line}"));
        }
    }
}

fn read(stderr: ChildStderr, log: &Mutex<Vec<String>>, line_count: &watch::Sender<usize>) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { return };
        let mut lines = log.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(String::from_utf8_lossy(&line).into_owned());
        line_count.send_replace(lines.len());
    }
}
