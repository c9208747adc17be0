//! `swap-pause`: delay of the calls of one object when it changes over, by the size of its state.
//!
//! One client calls a resident object continuously, which is the worst case: an idle object reads its state with
//! the new code before its next call. The pause is the slowest call around the first response of the new revision,
//! less the median of the earlier calls. The baseline is the same figure of as many earlier calls, without a swap.
//! The report also has the slowest call from the request for the swap to its response, because the work of a node
//! for a roll-out may disturb other calls too.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep};

use super::Alternation;
use crate::http_client::{Body, Connection, write_request};
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::runs::{Length, Plan};
use crate::samples::Latencies;
use crate::subject;

const TYPE: &str = "journal";
const SIZES: [(&str, usize); 4] =
    [("1 KB", 1_000), ("10 KB", 10_000), ("100 KB", 100_000), ("1 MB", 1_000_000)];
/// State size of the aim.
const AIM: (&str, f64) = ("10 KB", 5_000.0);
/// Swaps of each size in a round.
const SWAP_COUNT: usize = 30;
const SWAP_COUNT_QUICK: usize = 5;
/// Number of calls considered before and after a call.
const REACH: usize = 5;
/// Time for which the object is called before a swap is requested.
const BEFORE: Duration = Duration::from_millis(30);
const PAUSE: &str = "pause, µs";
const PAUSE_P99: &str = "p99 of the pause, µs";
const BASELINE: &str = "the same without a swap, µs";
const FLOOR_P99: &str = "p99 without a swap, µs";
const WHOLE: &str = "slowest call of the roll-out, µs";
const CALL: &str = "a call, p50, µs";

pub(in crate::runs) async fn run(plan: &Plan) -> Result<Report> {
    let title = "Pause of one object in a swap, by the size of its state, one client";
    let mut report = Report::new("swap-pause", title);
    let mut subjects = Vec::new();
    for (name, bytes) in SIZES {
        subjects.push(Subject::start(plan, name, bytes).await?);
    }
    let is_quick = plan.length == Length::Quick;
    let swap_count = if is_quick { SWAP_COUNT_QUICK } else { SWAP_COUNT };
    for _ in 0..plan.round_count {
        for subject in &mut subjects {
            for _ in 0..swap_count {
                subject.turn(&mut report).await?;
            }
        }
    }
    for Subject { name, pauses, baselines, .. } in &mut subjects {
        report.add(PAUSE_P99, name, pauses.micros_at(0.99));
        report.add(FLOOR_P99, name, baselines.micros_at(0.99));
    }
    let (name, limit) = AIM;
    let text = format!("swap-pause: p99 of the pause with {name} of state, µs");
    report.aim(text, Bound::AtMost, limit, report.median(PAUSE_P99, name));
    report.note(format!(
        "{} swaps of each size; a pause is the slowest of {} calls, minus the median of those before",
        swap_count * plan.round_count,
        2 * REACH + 1
    ));
    Ok(report)
}

/// Node with one object.
struct Subject {
    name: &'static str,
    alternation: Alternation,
    client: Connection,
    pauses: Latencies,
    baselines: Latencies,
    _server: Server,
}

impl Subject {
    async fn start(plan: &Plan, name: &'static str, bytes: usize) -> Result<Self> {
        let server = subject::node(&plan.artifacts, &[], &[]).await?;
        let alternation = Alternation::new(plan, server.address, TYPE).await?;
        let mut client = Connection::open(server.address).await?;
        let mut request = Vec::new();
        let state = state_of(bytes);
        let body = Body { media_type: "application/json", bytes: state.as_bytes() };
        write_request(&mut request, "PUT", "/v1/objects/journal/measured", &body);
        let status = client.exchange(&request).await?.status;
        ensure!(status == 200, "status {status} from a PUT of {bytes} bytes");
        let (pauses, baselines) = (Latencies::default(), Latencies::default());
        Ok(Self { name, alternation, client, pauses, baselines, _server: server })
    }

    /// Measures one swap.
    async fn turn(&mut self, report: &mut Report) -> Result<()> {
        let before = self.alternation.current;
        let (is_over, asked_at) = (Cell::new(false), Cell::new(0));
        let call_count = Cell::new(0);
        let calling = call(&mut self.client, &call_count, &is_over);
        let swapping = async {
            sleep(BEFORE).await;
            asked_at.set(call_count.get());
            let next = self.alternation.next().await;
            // Also after an error, because the client waits for it.
            is_over.set(true);
            next
        };
        let (calls, after) = tokio::join!(calling, swapping);
        let seen = Seen::of(&calls?, asked_at.get(), [before, after?])?;
        let Seen { median, pause, baseline, slowest } = seen;
        for (metric, value) in
            [(PAUSE, pause), (BASELINE, baseline), (CALL, median), (WHOLE, slowest)]
        {
            report.add(metric, self.name, value.as_secs_f64() * 1e6);
        }
        self.pauses.add(pause);
        self.baselines.add(baseline);
        Ok(())
    }
}

/// Calls until the swap is over, and a few times more. Returns the time and the revision of each call.
async fn call(
    client: &mut Connection,
    call_count: &Cell<usize>,
    is_over: &Cell<bool>,
) -> Result<Vec<(Duration, u32)>> {
    let mut request = Vec::new();
    let body = Body { media_type: "application/json", bytes: b"null" };
    write_request(&mut request, "POST", "/v1/objects/journal/measured/digest", &body);
    let mut calls = Vec::new();
    let mut rest = 2 * REACH;
    while rest > 0 {
        if is_over.get() {
            rest -= 1;
        }
        let sent = Instant::now();
        let answer = client.exchange(&request).await?;
        let elapsed = sent.elapsed();
        ensure!(answer.status == 200, "status {} from a call in a swap", answer.status);
        calls.push((elapsed, answer.revision()?));
        call_count.set(calls.len());
    }
    Ok(calls)
}

/// Observation of one swap by a client.
#[derive(Debug)]
struct Seen {
    median: Duration,
    pause: Duration,
    baseline: Duration,
    /// Slowest call since the swap was requested.
    slowest: Duration,
}

impl Seen {
    /// Evaluates calls, of which the first `asked_at` had ended when the swap was requested.
    fn of(calls: &[(Duration, u32)], asked_at: usize, [old, new]: [u32; 2]) -> Result<Self> {
        let first = calls.iter().position(|(_, revision)| *revision != old);
        let first = first.with_context(|| format!("no answer came from revision {new}"))?;
        let is_clean = calls.iter().skip(first).all(|(_, revision)| *revision == new);
        ensure!(is_clean, "after the first answer of revision {new}, another revision answered");
        let undisturbed = calls.get(..asked_at.min(first)).unwrap_or_default();
        ensure!(
            undisturbed.len() > 3 * REACH,
            "only {} calls were answered before the swap: too few to compare with",
            undisturbed.len()
        );
        let mut median = undisturbed.iter().map(|(elapsed, _)| *elapsed).collect::<Vec<_>>();
        median.sort_unstable();
        let median = median.get(median.len() / 2).copied().unwrap_or_default();
        let above = |around: usize| {
            let window = calls.iter().skip(around.saturating_sub(REACH)).take(2 * REACH + 1);
            let slowest = window.map(|(elapsed, _)| *elapsed).max().unwrap_or_default();
            slowest.saturating_sub(median)
        };
        let baseline = above(undisturbed.len() - REACH - 1);
        let slowest = calls.iter().skip(undisturbed.len()).map(|(elapsed, _)| *elapsed).max();
        Ok(Self { median, pause: above(first), baseline, slowest: slowest.unwrap_or_default() })
    }
}

/// Returns a state of about this many bytes, made of many small values.
fn state_of(bytes: usize) -> String {
    const ENTRY: &str = "1234567890123456789";
    let entries = vec![ENTRY; bytes / (ENTRY.len() + 1)];
    format!(r#"{{"entries":[{}],"digest":0}}"#, entries.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns calls of 10 µs each, except the given ones.
    fn calls(count: usize, slow: &[(usize, u64)], first_new: usize) -> Vec<(Duration, u32)> {
        let micros = |index| slow.iter().find(|(at, _)| *at == index).map_or(10, |(_, it)| *it);
        (0..count)
            .map(|index| {
                (Duration::from_micros(micros(index)), if index < first_new { 1 } else { 2 })
            })
            .collect()
    }

    #[test]
    fn a_pause_is_the_slowest_call_around_the_first_answer_of_the_new_revision() {
        let slow = [(2, 900), (33, 25), (58, 500), (59, 310), (80, 700)];
        let seen = Seen::of(&calls(100, &slow, 60), 40, [1, 2]).unwrap();
        let found = [seen.median, seen.pause, seen.baseline, seen.slowest];
        assert_eq!(found, [10, 490, 15, 700].map(Duration::from_micros));
    }

    #[test]
    fn a_swap_that_was_not_seen_or_went_back_gives_no_figure() {
        assert!(Seen::of(&calls(100, &[], 100), 40, [1, 2]).is_err());
        assert!(Seen::of(&calls(100, &[], 8), 5, [1, 2]).is_err());
        let mut back = calls(100, &[], 60);
        back.push((Duration::ZERO, 1));
        assert!(Seen::of(&back, 40, [1, 2]).is_err());
    }

    #[test]
    fn a_state_has_the_size_that_is_asked_for_and_can_be_sent() {
        for (_, bytes) in SIZES {
            let length = state_of(bytes).len();
            assert!((bytes - 20..bytes + 40).contains(&length), "{length} for {bytes}");
            assert!(length < 1 << 20);
        }
    }
}
