//! Node as a process: started, polled, killed or stopped. The process ends at the latest when its value is
//! dropped.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use highlander_services::process::Process;

use crate::process::Stopwatch;

/// Time limit for a node to become ready.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Time limit for an orderly stop of a node.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);
/// Timeout of one readiness probe.
const PROBE_TIME_MAX: Duration = Duration::from_secs(2);

/// Maximum number of bytes read from the response to a probe.
const PROBE_BYTES_MAX: u64 = 64 * 1024;

/// Running node.
pub(crate) struct Node(Process);

impl Node {
    /// Starts the node and waits until it reports at `address` that it is ready.
    ///
    /// It gets a separate process group: a Ctrl-C at the terminal reaches only this program, which then stops the
    /// node in order.
    pub(crate) fn start(command: &mut Command, address: &str) -> Result<Self> {
        let mut node = Self(Process::start(command.process_group(0))?);
        poll(START_TIME_MAX, || {
            if let Some(status) = node.exit_status() {
                bail!("the node exited before it was ready ({status})");
            }
            Ok(is_ready(address).then_some(()))
        })
        .context("the node did not become ready")?;
        Ok(node)
    }

    /// Returns its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Returns its exit status, if it has ended.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.0.exit_status()
    }

    /// Kills it, as in a crash.
    pub(crate) fn kill(mut self) {
        self.0.kill();
    }

    /// Requests an orderly stop, and waits until the node has ended.
    pub(crate) fn stop(mut self) -> Result<()> {
        let status = self.0.stop(STOP_TIME_MAX).context("the node did not stop")?;
        if !status.success() {
            bail!("the node stopped with an error ({status})");
        }
        Ok(())
    }
}

/// Calls `ask` repeatedly until it returns a value or the time is over.
pub(crate) fn poll<T>(time_max: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let watch = Stopwatch::start();
    while watch.elapsed() < time_max {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        pause(Duration::from_millis(20));
    }
    bail!("timed out after {} s", time_max.as_secs())
}

#[allow(
    clippy::disallowed_methods,
    reason = "another process offers no event to wait on, and no task is blocked"
)]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Probes `/readyz`. Any failure to get a response means "not yet".
fn is_ready(address: &str) -> bool {
    let probe = || -> Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PROBE_TIME_MAX))?;
        stream.set_write_timeout(Some(PROBE_TIME_MAX))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        // Read to the end, so that the node does not see a broken connection.
        let mut reply = Vec::new();
        stream.take(PROBE_BYTES_MAX).read_to_end(&mut reply)?;
        let reply = String::from_utf8_lossy(&reply);
        Ok(reply.split(' ').nth(1) == Some("200"))
    };
    probe().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    #[track_caller]
    fn check_ready(reply: &'static str, expected: bool) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The whole head: closing a connection with unread bytes resets it, and the reply is lost.
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
            stream.write_all(reply.as_bytes()).unwrap();
            head
        });
        assert_eq!(is_ready(&address), expected);
        let head = server.join().unwrap();
        assert_eq!(head.first().map(String::as_str), Some("GET /readyz HTTP/1.1"));
    }

    #[test]
    fn only_the_status_200_is_ready() {
        check_ready("HTTP/1.1 200 OK\r\n\r\n", true);
        check_ready("HTTP/1.1 503 Service Unavailable\r\n\r\n", false);
        check_ready("", false);
    }

    #[test]
    fn a_node_that_ends_at_once_is_an_error() {
        let error = Node::start(Command::new("sh").args(["-c", "exit 3"]), "127.0.0.1:1");
        let error = format!("{:#}", error.err().unwrap());
        assert!(error.contains("exited before it was ready (exit status: 3)"), "{error}");
    }

    #[test]
    fn a_node_is_asked_to_stop() {
        let stop_with = |code: u8| {
            let script = format!("trap 'exit {code}' TERM; echo; while :; do sleep 0.01; done");
            let mut command = Command::new("sh");
            command.args(["-c", &script]).stdout(std::process::Stdio::piped());
            let mut process = Process::start(&mut command).unwrap();
            let mut line = String::new();
            BufReader::new(process.take_stdout().unwrap()).read_line(&mut line).unwrap();
            Node(process).stop()
        };
        stop_with(0).unwrap();
        let error = stop_with(3).unwrap_err().to_string();
        assert!(error.contains("with an error (exit status: 3)"), "{error}");
    }
}
