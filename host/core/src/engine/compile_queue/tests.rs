//! Order, places and departures of compilations.

use super::*;
use crate::caller::scopes::Scopes;
use crate::caller::{Caller, Principal};

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn upload(by: &str) -> LoadPurpose {
    LoadPurpose::Upload(Principal::new(by, Scopes::default()).unwrap().into())
}

/// Queue with the names of its components.
#[derive(Default)]
struct Fixture {
    queue: CompileQueue,
    names: HashMap<JobId, String>,
}

impl Fixture {
    fn enter(&mut self, name: &str, purpose: &LoadPurpose) -> Ticket {
        let ticket = self.queue.enter(digest(name), purpose).unwrap();
        self.names.insert(ticket.job, name.to_owned());
        ticket
    }

    fn begin(&mut self) -> Option<&str> {
        let job = self.queue.begin_next()?;
        Some(&self.names[&job])
    }

    fn end(&mut self, name: &str) {
        let (job, _) = self.names.iter().find(|(_, known)| *known == name).unwrap();
        self.queue.end(*job);
    }

    /// Runs all jobs, one after the other, and returns their names.
    fn run_all(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(job) = self.queue.begin_next() {
            names.push(self.names[&job].clone());
            self.queue.end(job);
        }
        names
    }
}

#[test]
fn what_objects_need_comes_before_roll_outs_and_these_before_uploads() {
    let mut fixture = Fixture::default();
    fixture.enter("u", &upload("a"));
    fixture.enter("h", &LoadPurpose::Rehearsal);
    fixture.enter("r", &LoadPurpose::Rollout);
    fixture.enter("x", &LoadPurpose::Activation);
    fixture.enter("y", &LoadPurpose::Activation);
    let waiting = CompileClass::ALL.map(|class| fixture.queue.waiting(class));
    assert_eq!(waiting, [2, 1, 2]);
    assert_eq!(fixture.run_all(), ["x", "y", "r", "u", "h"]);
    assert!(fixture.queue.jobs.is_empty());
}

#[test]
fn an_activation_does_not_wait_for_an_upload() {
    let mut fixture = Fixture::default();
    fixture.enter("u1", &upload("a"));
    fixture.enter("u2", &upload("b"));
    assert_eq!(fixture.begin(), Some("u1"));
    assert_eq!(fixture.begin(), None, "one slot is kept free of uploads");
    fixture.enter("x", &LoadPurpose::Activation);
    fixture.enter("y", &LoadPurpose::Activation);
    assert_eq!(fixture.begin(), Some("x"));
    assert_eq!(fixture.begin(), None, "both slots are taken");
    fixture.end("x");
    assert_eq!(fixture.begin(), Some("y"));
    fixture.end("u1");
    assert_eq!(fixture.begin(), Some("u2"));
}

#[test]
fn callers_take_turns_and_one_that_comes_later_waits_for_one_compilation() {
    let mut fixture = Fixture::default();
    for name in ["a1", "a2", "a3", "a4"] {
        fixture.enter(name, &upload("a"));
    }
    assert_eq!(fixture.begin(), Some("a1"));
    fixture.end("a1");
    assert_eq!(fixture.begin(), Some("a2"));
    fixture.enter("b1", &upload("b"));
    fixture.enter("b2", &upload("b"));
    fixture.end("a2");
    assert_eq!(fixture.run_all(), ["b1", "a3", "b2", "a4"]);
    assert!(fixture.queue.next_starts.len() <= 2);
}

/// Callers that always have one upload in the queue get no more turns than one that has two.
#[test]
fn coming_again_and_again_gains_nothing() {
    let mut fixture = Fixture::default();
    fixture.enter("a0", &upload("a"));
    fixture.enter("b0", &upload("b"));
    fixture.enter("honest1", &upload("honest"));
    fixture.enter("honest2", &upload("honest"));
    let mut begun = Vec::new();
    for round in 1..=4 {
        for by in ["a", "b"] {
            let name = fixture.begin().unwrap().to_owned();
            fixture.end(&name);
            begun.push(name);
            fixture.enter(&format!("{by}{round}"), &upload(by));
        }
    }
    let last = begun.iter().position(|name| name == "honest2");
    assert!(last.is_some_and(|last| last <= 5), "{begun:?}");
}

#[test]
fn equal_components_are_compiled_once_with_the_highest_urgency() {
    let mut fixture = Fixture::default();
    fixture.enter("other", &upload("a"));
    let first = fixture.enter("same", &upload("a"));
    let second = fixture.enter("same", &LoadPurpose::Activation);
    assert_eq!(first.job(), second.job());
    assert_eq!(fixture.queue.waiting(CompileClass::Activation), 1);
    // Without the urgent request, it is an upload again.
    assert_eq!(fixture.queue.leave(second), Departure::Stays);
    assert_eq!(fixture.queue.waiting(CompileClass::Upload), 2);
    fixture.enter("same", &LoadPurpose::Rollout);
    assert_eq!(fixture.begin(), Some("same"));
    // Requests join a job that runs.
    assert_eq!(fixture.enter("same", &upload("b")).job(), first.job());
}

#[test]
fn a_job_without_requesters_leaves() {
    let mut fixture = Fixture::default();
    let first = fixture.enter("same", &upload("a"));
    let second = fixture.enter("same", &upload("b"));
    assert_eq!(fixture.queue.leave(first), Departure::Stays);
    assert_eq!(fixture.queue.leave(first), Departure::Stays, "it has left before");
    assert_eq!(fixture.queue.leave(second), Departure::Removed);
    assert_eq!(fixture.begin(), None);
    assert!(fixture.queue.jobs.is_empty());
}

#[test]
fn an_upload_without_a_requester_is_abandoned_and_holds_its_slot_until_it_ends() {
    let mut fixture = Fixture::default();
    let ticket = fixture.enter("u", &upload("a"));
    assert_eq!(fixture.begin(), Some("u"));
    assert_eq!(fixture.queue.leave(ticket), Departure::Abandoned);
    let again = fixture.enter("u", &upload("a"));
    assert_ne!(again.job(), ticket.job(), "no request joins a job that is being stopped");
    assert_eq!(fixture.begin(), None);
    fixture.queue.end(ticket.job());
    assert_eq!(fixture.begin(), Some("u"));
    fixture.queue.end(again.job());
    assert_eq!(fixture.queue.leave(again), Departure::Stays);
}

#[test]
fn what_objects_need_is_compiled_to_its_end() {
    let mut fixture = Fixture::default();
    let ticket = fixture.enter("x", &LoadPurpose::Activation);
    assert_eq!(fixture.begin(), Some("x"));
    assert_eq!(fixture.queue.leave(ticket), Departure::Stays);
    fixture.end("x");
    assert!(fixture.queue.jobs.is_empty());
}

/// Fills the queue as far as one caller may, and returns its tickets.
fn fill(fixture: &mut Fixture, by: &str) -> Vec<Ticket> {
    let mut tickets = Vec::new();
    while let Ok(ticket) =
        fixture.queue.enter(digest(&format!("{by}{}", tickets.len())), &upload(by))
    {
        tickets.push(ticket);
    }
    tickets
}

#[test]
fn one_greedy_caller_holds_half_and_a_newcomer_finds_a_place() {
    let mut fixture = Fixture::default();
    let tickets = fill(&mut fixture, "greedy");
    assert_eq!(tickets.len(), UPLOADS_MAX / 2);
    let mut others = 0;
    while !fill(&mut fixture, &format!("other{others}")).is_empty() {
        others += 1;
    }
    assert!(others > 4, "{others}");
    assert!(fixture.queue.check_place(&None).is_err(), "the queue is full");
    // The same component takes a place, too: each upload is kept until it is compiled.
    assert!(fixture.queue.enter(digest("greedy0"), &upload("greedy")).is_err());
    fixture.enter("x", &LoadPurpose::Activation);
    fixture.enter("r", &LoadPurpose::Rollout);
    for ticket in tickets {
        assert_eq!(fixture.queue.leave(ticket), Departure::Removed);
    }
    assert!(!fill(&mut fixture, "newcomer").is_empty());
}

#[test]
fn anonymous_callers_are_one() {
    let mut queue = CompileQueue::default();
    let anonymous = LoadPurpose::Upload(Caller::Anonymous);
    let count = (0..).take_while(|i: &u32| queue.enter(digest(&i.to_string()), &anonymous).is_ok());
    assert_eq!(count.count(), UPLOADS_MAX / 2);
    let full = queue.enter(digest("one more"), &anonymous).unwrap_err();
    assert_eq!(
        full.to_string(),
        "16 uploads wait for the compiler, 16 of them of the same caller; 16 places are free"
    );
}
