//! Tables of routing attempts in their expected order. This node is `a`, the others are `b`, `c` and `d`.

use bytes::Bytes;

use super::*;
use crate::activation::Done;
use crate::activation::reply::Reply;
use crate::registry::members::NodeStatus;

const DEADLINE: BootTime = BootTime::from_boot(Duration::from_secs(10));

fn member(name: &str) -> Member {
    let address = format!("{name}:1").into();
    Member { node: NodeId::new(name), address, protocol: PROTOCOL, status: NodeStatus::Ready }
}

fn members(names: &str) -> Members {
    Members::new(names.split_whitespace().map(member).collect())
}

/// Returns a key for which placement prefers these nodes, in this order.
fn key(order: &str) -> ClaimKey {
    let members = members(order);
    let found = (0..100_000).map(|n| ClaimKey::from_u128((n << 64) | n)).find(|key| {
        let names = placement::order(*key, &members);
        names.map(|member| member.node.to_string()).collect::<Vec<_>>().join(" ") == order
    });
    found.expect("a key exists for every order")
}

/// One call, seen from `a`.
struct Table {
    course: RoutePlan,
    members: Members,
    is_active: bool,
    now: BootTime,
}

impl Table {
    /// Creates a client's call to an object for which placement prefers these nodes, in this order.
    fn new(order: &str) -> Self {
        Self::at(order, 0, None, false)
    }

    fn at(order: &str, hops: u8, owner: Option<&str>, is_keyed: bool) -> Self {
        let id = "todo/1".parse().unwrap();
        let owner = owner.map(NodeId::new);
        let call = ArrivedCall { id, key: key(order), hops, deadline: DEADLINE, is_keyed };
        let course = RoutePlan::new(call, owner);
        let now = BootTime::from_boot(Duration::from_secs(1));
        Self { course, members: members(order), is_active: false, now }
    }

    /// Returns the next step: `here`, the name of a node, `pause`, or the code of an error.
    fn next(&mut self) -> String {
        let view = RouteContext {
            me: &NodeId::new("a"),
            members: &self.members,
            is_active: self.is_active,
            now: self.now,
            random: 7,
        };
        match self.course.next(view) {
            NextHop::Here => "here".to_owned(),
            NextHop::Forward(member) => member.node.to_string(),
            NextHop::Pause(span) => {
                self.now = self.now + span;
                "pause".to_owned()
            }
            NextHop::Answer(error) => error.code.to_string(),
        }
    }

    /// Asserts the next step and passes its result on. Returns the answer if the result is final.
    #[track_caller]
    fn step(&mut self, expected: &str, came: Attempt) -> Option<String> {
        assert_eq!(self.next(), expected);
        let (node, hop) = match expected {
            "here" => ("a", Hop::Here),
            node => (node, Hop::Forwarded),
        };
        let answer = self.course.take(&NodeId::new(node), hop, came)?;
        Some(answer.map_or_else(|error| error.code.to_string(), |_| "done".to_owned()))
    }

    /// Runs steps of which only the last is final.
    #[track_caller]
    fn check(&mut self, steps: Vec<(&str, Attempt)>, end: &str) {
        let mut answer = None;
        for (expected, came) in steps {
            assert_eq!(answer, None, "before {expected}");
            if expected == "pause" {
                assert_eq!(self.next(), "pause");
            } else {
                answer = self.step(expected, came);
            }
        }
        assert_eq!(answer.unwrap_or_else(|| self.next()), end);
    }
}

fn done() -> Attempt {
    let reply = Reply::Json(Bytes::from_static(b"1"));
    Attempt::Answered(Ok(Done { reply, version: 1, epoch: 1, revision: 1, replayed: false }))
}

fn refused(code: ErrorCode) -> Attempt {
    Attempt::Answered(Err(Box::new(Error::new(code, "said so"))))
}

fn owned_by(owner: &str) -> Attempt {
    let error = Error::new(ErrorCode::NotOwner, "another node owns it");
    Attempt::Answered(Err(Box::new(error.with_owner(NodeId::new(owner)))))
}

fn not_sent() -> Attempt {
    Attempt::NotSent("could not be reached".to_owned())
}

fn interrupted(is_query: bool) -> Attempt {
    Attempt::Interrupted { why: "broke off".to_owned(), is_query }
}

/// Placeholder for the result of a pause.
fn waited() -> Attempt {
    Attempt::AtCapacity
}

#[test]
fn an_object_that_is_active_here_is_asked_here() {
    let mut table = Table::at("b c a", 0, Some("c"), false);
    table.is_active = true;
    table.check(vec![("here", done())], "done");
}

#[test]
fn a_remembered_owner_is_asked_first_and_the_placement_else() {
    Table::at("b c a", 0, Some("c"), false).check(vec![("c", done())], "done");
    Table::at("b c a", 0, Some("gone"), false).check(vec![("b", done())], "done");
    Table::new("b c a").check(vec![("b", done())], "done");
    Table::new("a b c").check(vec![("here", done())], "done");
}

#[test]
fn a_node_that_knows_the_owner_is_believed() {
    Table::at("b c a", 0, Some("c"), false)
        .check(vec![("c", owned_by("b")), ("b", done())], "done");
    Table::new("a b c").check(vec![("here", owned_by("c")), ("c", done())], "done");
    Table::new("b c a").check(vec![("b", owned_by("a")), ("here", done())], "done");
    Table::new("b c a").check(vec![("b", refused(ErrorCode::NotOwner)), ("c", done())], "done");
}

#[test]
fn an_owner_that_drains_is_waited_for() {
    let steps = vec![
        ("c", refused(ErrorCode::Draining)),
        ("b", owned_by("c")),
        ("pause", waited()),
        ("b", owned_by("c")),
        ("c", refused(ErrorCode::Draining)),
        ("pause", waited()),
        ("b", done()),
    ];
    Table::at("b c a", 0, Some("c"), false).check(steps, "done");
}

#[test]
fn an_owner_that_is_dead_is_waited_for_until_its_claim_is_free() {
    let mut table = Table::at("b c a", 0, Some("c"), false);
    let steps = vec![
        ("c", not_sent()),
        ("b", owned_by("c")),
        ("pause", waited()),
        ("b", owned_by("c")),
        ("c", not_sent()),
    ];
    table.check(steps, "pause");
    table.members = members("b a");
    table.check(vec![("b", owned_by("c")), ("pause", waited()), ("b", done())], "done");
}

#[test]
fn an_owner_that_this_node_cannot_reach_is_reached_through_another() {
    let steps = vec![("here", owned_by("c")), ("c", not_sent()), ("b", done())];
    Table::new("a b c").check(steps, "done");
    let steps = vec![("c", not_sent()), ("here", owned_by("c")), ("b", owned_by("c"))];
    Table::at("a b c", 0, Some("c"), false).check(steps, "pause");
}

#[test]
fn a_node_without_room_or_session_is_passed_over() {
    for code in [
        ErrorCode::NodeFull,
        ErrorCode::Draining,
        ErrorCode::RegistryUnavailable,
        ErrorCode::StoreUnavailable,
    ] {
        Table::new("b c a").check(vec![("b", refused(code)), ("c", done())], "done");
        Table::new("a b c").check(vec![("here", refused(code)), ("b", done())], "done");
    }
    let full = || refused(ErrorCode::NodeFull);
    Table::new("b c a").check(vec![("b", full()), ("c", full()), ("here", full())], "node-full");
}

#[test]
fn overload_of_the_owner_is_told_at_once() {
    for code in [ErrorCode::MailboxFull, ErrorCode::NodeFull] {
        let mut table = Table::at("b c a", 0, Some("c"), false);
        table.check(vec![("c", refused(code))], code.as_str());
        let mut table = Table::new("b c a");
        table.check(vec![("b", owned_by("c")), ("c", refused(code))], code.as_str());
        let mut table = Table::new("b c a");
        table.is_active = true;
        table.check(vec![("here", refused(code))], code.as_str());
    }
    Table::new("b c a").check(vec![("b", Attempt::AtCapacity)], "node-full");
}

#[test]
fn what_may_be_for_good_is_tried_again_a_few_times_only() {
    let failing = || refused(ErrorCode::StoreUnavailable);
    let steps = vec![("here", failing()), ("pause", waited()), ("here", failing())];
    let mut table = Table::new("a");
    table.check(steps, "pause");
    table.check(vec![("here", failing())], "store-unavailable");
    let steps =
        vec![("b", failing()), ("c", refused(ErrorCode::CommitRefused)), ("here", failing())];
    Table::new("b c a").check(steps, "store-unavailable");
}

#[test]
fn what_the_object_says_is_final() {
    for code in [
        ErrorCode::ObjectRejected,
        ErrorCode::UnknownHandler,
        ErrorCode::DeadlineExceeded,
        ErrorCode::Internal,
    ] {
        Table::new("b c a").check(vec![("b", refused(code))], code.as_str());
        Table::at("b c a", 1, None, false).check(vec![("here", refused(code))], code.as_str());
    }
    Table::new("b c a").check(vec![("b", refused(ErrorCode::OutcomeUnknown))], "outcome-unknown");
}

#[test]
fn only_what_may_be_repeated_is_repeated_after_an_interruption() {
    let steps = || vec![("b", interrupted(false))];
    Table::new("b c a").check(steps(), "outcome-unknown");
    Table::at("b c a", 0, None, true).check([steps(), vec![("c", done())]].concat(), "done");
    Table::new("b c a").check(vec![("b", interrupted(true)), ("c", done())], "done");
}

#[test]
fn a_refusal_after_an_interrupted_update_is_no_proof() {
    for code in [ErrorCode::ObjectRejected, ErrorCode::MailboxFull, ErrorCode::VersionMismatch] {
        let steps = || vec![("b", interrupted(false)), ("c", refused(code))];
        Table::at("b c a", 0, None, true).check(steps(), "outcome-unknown");
        let steps = vec![("b", interrupted(true)), ("c", refused(code))];
        Table::at("b c a", 0, None, true).check(steps, code.as_str());
    }
    let mut table = Table::at("b c a", 0, None, true);
    table.check(vec![("b", interrupted(false)), ("c", owned_by("b"))], "pause");
    table.now = DEADLINE;
    assert_eq!(table.next(), "outcome-unknown");
    let mut table = Table::at("b c a", 0, None, true);
    let steps = vec![("b", interrupted(false)), ("c", refused(ErrorCode::AnswerExpired))];
    table.check(steps, "answer-expired");
}

#[test]
fn a_call_makes_two_hops_at_most() {
    // Forwarded here because this node should own the object: it tries, and may forward once more.
    Table::at("b c a", 1, None, false).check(vec![("here", done())], "done");
    let steps = vec![("here", owned_by("b")), ("b", done())];
    Table::at("b c a", 1, None, false).check(steps, "done");
    Table::at("b c a", 1, Some("c"), false).check(vec![("c", done())], "done");
    // The second hop was the last.
    let steps = vec![("here", owned_by("b")), ("b", owned_by("c"))];
    Table::at("b c a", 1, None, false).check(steps, "not-owner");
    let steps = vec![("c", owned_by("b")), ("here", owned_by("b"))];
    Table::at("b c a", 1, Some("c"), false).check(steps, "not-owner");
    for hops in [2, 3, 255] {
        Table::at("b c a", hops, Some("c"), false)
            .check(vec![("here", owned_by("b"))], "not-owner");
    }
}

#[test]
fn only_the_node_where_a_call_enters_waits() {
    for code in [
        ErrorCode::Draining,
        ErrorCode::RegistryUnavailable,
        ErrorCode::StoreUnavailable,
        ErrorCode::NotOwner,
    ] {
        Table::at("b c a", 1, None, false).check(vec![("here", refused(code))], code.as_str());
    }
    let steps = vec![("here", owned_by("b")), ("b", not_sent())];
    Table::at("b c a", 1, None, false).check(steps, "not-owner");
}

#[test]
fn without_anybody_who_takes_objects_this_node_says_why() {
    let mut table = Table::new("b c a");
    table.members = Members::default();
    let steps = vec![("here", refused(ErrorCode::RegistryUnavailable)), ("pause", waited())];
    table.check(steps, "here");
}

#[test]
fn a_node_that_drains_and_is_alone_says_so_at_once() {
    Table::new("a").check(vec![("here", refused(ErrorCode::Draining))], "draining");
    let mut table = Table::new("a b");
    let steps =
        vec![("here", refused(ErrorCode::Draining)), ("b", owned_by("a")), ("pause", waited())];
    table.check(steps, "here");
}

#[test]
fn pauses_grow_and_end_with_the_calls_time() {
    let mut table = Table::new("a");
    let mut spans = Vec::new();
    loop {
        let before = table.now;
        match table.next().as_str() {
            "here" => {
                let unavailable = refused(ErrorCode::RegistryUnavailable);
                assert_eq!(table.course.take(&NodeId::new("a"), Hop::Here, unavailable), None);
            }
            "pause" => spans.push(table.now.since(before)),
            end => {
                assert_eq!(end, "registry-unavailable");
                break;
            }
        }
    }
    assert!(spans[0] <= PAUSE_MIN && spans[1] > spans[0], "{spans:?}");
    assert!(spans.iter().all(|span| *span <= PAUSE_MAX), "{spans:?}");
    let left = DEADLINE.since(table.now);
    assert!(left <= LAST_ATTEMPT, "almost all the time was used: {left:?}");
    assert!((20..60).contains(&spans.len()), "{}", spans.len());
}

#[test]
fn a_call_whose_time_is_over_is_not_begun() {
    let mut table = Table::new("b c a");
    table.now = DEADLINE;
    assert_eq!(table.next(), "deadline-exceeded");
}

#[test]
fn nodes_that_speak_otherwise_are_not_forwarded_to() {
    let mut table = Table::at("b c a", 0, Some("b"), false);
    let stranger = Member { protocol: PROTOCOL + 1, ..member("b") };
    table.members = Members::new(vec![member("a"), stranger, member("c")]);
    let steps = vec![("c", owned_by("b")), ("pause", waited()), ("c", done())];
    table.check(steps, "done");
}

#[test]
fn no_course_asks_more_nodes_than_it_may_between_two_pauses() {
    let mut table = Table::new("b c d e f g a");
    for _ in 0..TRIED_MAX {
        let node = table.next();
        assert_eq!(table.course.take(&NodeId::new(&node), Hop::Forwarded, not_sent()), None);
    }
    assert_eq!(table.next(), "pause");
}
