//! A child process with captured standard error, which ends when its value is dropped.
//!
//! The end of the process closes standard error, and so is an event too. A thread reads, so that no line is lost
//! when a test fails.

use std::io::{BufRead as _, BufReader};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use highlander_services::process;
use parking_lot::Mutex;
use rustix::process::Signal;
use tokio::sync::watch;

use crate::wait;

/// Number of last lines that are printed when a test fails.
const SHOWN_LINES_MAX: usize = 100;

/// A running process.
#[derive(Debug)]
pub struct Process {
    child: process::Process,
    log: Arc<Mutex<Vec<String>>>,
    /// Number of lines. The sender is dropped at the end of the process.
    line_count: watch::Receiver<usize>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts the process with empty input; standard output is discarded.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = process::Process::start(command).expect("the process must start");
        let stderr = child.take_stderr().expect("standard error is a pipe");
        let log = Arc::default();
        let (sender, line_count) = watch::channel(0);
        let lines = Arc::clone(&log);
        let reader = std::thread::spawn(move || read(stderr, &lines, &sender));
        Self { child, log, line_count, reader: Some(reader) }
    }

    /// Returns the first line that contains `text`, once there is one.
    ///
    /// # Panics
    /// If the process ends before, or never writes such a line.
    pub async fn line_with(&mut self, text: &str) -> String {
        wait::within(&format!("a line with {text:?}"), async {
            loop {
                let has_ended = self.line_count.has_changed().is_err();
                let lines = self.lines();
                if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                    return line.clone();
                }
                assert!(
                    !has_ended,
                    "the process ended without a line with {text:?}:\n{}",
                    lines.join("\n")
                );
                // An error means the end of the process, which the loop handles above.
                let _ = self.line_count.changed().await;
            }
        })
        .await
    }

    /// Returns all lines of standard error so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Waits for the process to end, and returns its exit status.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn end(&mut self) -> ExitStatus {
        wait::within("the end of the process", async {
            while self.line_count.changed().await.is_ok() {}
        })
        .await;
        self.child.wait().unwrap()
    }

    /// Kills the process with SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill();
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
            eprintln!("--- standard error of the process ({hidden} earlier lines are not shown)");
            lines.iter().skip(hidden).for_each(|line| eprintln!("| {line}"));
        }
    }
}

fn read(stderr: ChildStderr, log: &Mutex<Vec<String>>, line_count: &watch::Sender<usize>) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { return };
        let mut lines = log.lock();
        lines.push(String::from_utf8_lossy(&line).into_owned());
        line_count.send_replace(lines.len());
    }
}
