//! Child process that ends at the latest when its value is dropped.
//!
//! Every other program that tests, benchmarks and development tasks start is one of these. A signal reaches this
//! process or none: after the end of the process, its id may belong to another one.

use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

/// Pause between two polls of a process that is to end.
const PAUSE: Duration = Duration::from_millis(20);

/// Running or ended process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Exit status, once the process has been waited for.
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts the process.
    ///
    /// # Errors
    /// If the program cannot be run; the error names it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot run {program}"))?;
        Ok(Self { child, status: None })
    }

    /// Returns the process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the pipe of standard output, if the command has one and it has not been taken.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Returns the pipe of standard error, if the command has one and it has not been taken.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Returns the exit status, if the process has ended.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            // It cannot fail for a child that has not been waited for.
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Waits for the process to end. Blocks the thread.
    ///
    /// # Errors
    /// If the operating system does not know the process.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().context("cannot wait for a process")?;
        Ok(*self.status.insert(status))
    }

    /// Sends a signal, unless the process has been seen to end.
    pub fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            // It fails only if the process has just ended. Its id cannot be reused before it is waited for.
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }

    /// Requests an orderly end with SIGTERM, and returns the exit status, or `None` if the process still runs after
    /// `timeout`. Blocks the thread.
    pub fn stop(&mut self, timeout: Duration) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let poll_count = timeout.as_millis() / PAUSE.as_millis();
        for _ in 0..poll_count {
            if let Some(status) = self.exit_status() {
                return Some(status);
            }
            pause();
        }
        self.exit_status()
    }

    /// Kills the process with SIGKILL, as a crash would, and waits for its end.
    pub fn kill(&mut self) {
        if self.status.is_none() {
            // Neither call can fail for a child that has not been waited for.
            let _ = self.child.kill();
            let _ = self.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[allow(clippy::disallowed_methods, reason = "another process offers no event to wait on")]
fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::Stdio;

    use super::*;

    /// Starts a shell with this script, which prints a line once it is ready.
    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let mut process = Process::start(&mut command).unwrap();
        let mut stdout = process.take_stdout().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        process
    }

    #[test]
    fn a_process_is_asked_to_stop() {
        let mut process = shell("trap 'exit 3' TERM; echo; while :; do sleep 0.01; done");
        assert_eq!(process.exit_status(), None);
        let status = process.stop(Duration::from_secs(30)).unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(process.exit_status(), Some(status));
        assert_eq!(process.wait().unwrap(), status);
    }

    #[test]
    fn a_process_that_ignores_the_request_runs_on_until_it_is_killed() {
        let mut process = shell("trap '' TERM; echo; while :; do sleep 0.01; done");
        assert_eq!(process.stop(Duration::from_millis(100)), None);
        process.kill();
        assert!(process.exit_status().is_some_and(|status| !status.success()));
    }

    #[test]
    fn a_process_ends_with_its_value() {
        let process = shell("echo; exec sleep 600");
        let directory = format!("/proc/{}", process.id());
        assert!(std::fs::exists(&directory).unwrap());
        drop(process);
        assert!(!std::fs::exists(&directory).unwrap());
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = Process::start(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
