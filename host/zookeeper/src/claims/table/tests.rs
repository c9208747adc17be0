//! Places, turns and objects of a table without a server.

use futures_util::FutureExt as _;

use super::*;

fn key(number: u128) -> ClaimKey {
    ClaimKey::from_u128(number)
}

fn id(number: usize) -> ObjectId {
    ObjectId::new("todo", &number.to_string()).unwrap()
}

fn table(places_max: usize) -> Arc<Table> {
    Arc::new(Table::new(places_max))
}

#[track_caller]
fn turn(grant: Grant) -> Turn {
    let Grant::Turn(turn) = grant else { panic!("no turn is available") };
    turn
}

/// Acquires the claim for `id` as if the servers had granted it.
#[track_caller]
fn hold(table: &Arc<Table>, key: ClaimKey, id: &ObjectId) -> Mark {
    let mark = Mark::random();
    turn(table.grant(key, id)).set(State::Held(mark));
    assert!(matches!(table.grant(key, id), Grant::Granted));
    mark
}

#[test]
fn what_is_held_is_granted_at_once_to_any_object() {
    let table = table(9);
    hold(&table, key(1), &id(1));
    assert!(matches!(table.grant(key(1), &id(2)), Grant::Granted));
    assert_eq!((table.count(), table.held()), (1, vec![key(1)]));
}

#[test]
fn a_claim_that_came_to_nothing_leaves_no_entry() {
    let table = table(1);
    drop(turn(table.grant(key(1), &id(1))));
    assert_eq!(table.count(), 0);
    assert!(matches!(table.grant(key(2), &id(2)), Grant::Turn(_)), "its place is free");
}

#[test]
fn what_is_unsure_counts_and_keeps_its_place() {
    let table = table(1);
    turn(table.grant(key(1), &id(1))).set(State::Unsure(Mark::random()));
    assert_eq!((table.count(), table.held()), (1, vec![]));
    assert!(matches!(table.grant(key(2), &id(2)), Grant::Full(1)));
    assert!(matches!(table.grant(key(1), &id(1)), Grant::Turn(_)), "to be settled");
}

#[test]
fn places_are_taken_before_the_servers_are_asked() {
    let table = table(2);
    let first = turn(table.grant(key(1), &id(1)));
    let _second = turn(table.grant(key(2), &id(2)));
    assert!(matches!(table.grant(key(3), &id(3)), Grant::Full(2)));
    drop(first);
    assert!(matches!(table.grant(key(3), &id(3)), Grant::Turn(_)));
}

#[test]
fn turns_follow_each_other() {
    let table = table(9);
    let first = turn(table.grant(key(1), &id(1)));
    let Grant::Wait(wait) = table.grant(key(1), &id(2)) else { panic!("two turns at once") };
    let Freeing::Wait(other) = table.begin_freeing(key(1)) else { panic!("two turns at once") };
    let (mut wait, mut other) = (Box::pin(wait), Box::pin(other));
    assert!((&mut wait).now_or_never().is_none());
    drop(first);
    assert!((&mut wait).now_or_never().is_some());
    assert!((&mut other).now_or_never().is_some());
}

#[test]
fn a_claim_is_given_back_when_its_last_object_is_and_no_object_slips_in() {
    let table = table(9);
    hold(&table, key(1), &id(1));
    assert!(matches!(table.grant(key(1), &id(2)), Grant::Granted));
    assert!(matches!(table.grant(key(1), &id(2)), Grant::Granted), "idempotent");
    table.forget(key(1), &id(2));
    assert!(matches!(table.begin_freeing(key(1)), Freeing::InUse));
    table.forget(key(1), &id(1));
    let Freeing::Turn(turn) = table.begin_freeing(key(1)) else { panic!("no turn is available") };
    assert!(matches!(table.grant(key(1), &id(3)), Grant::Wait(_)));
    turn.set(State::Absent);
    drop(turn);
    assert!(matches!(table.begin_freeing(key(1)), Freeing::Free));
}

#[test]
fn only_what_was_held_before_the_list_can_be_missing() {
    let table = table(9);
    hold(&table, key(1), &id(1));
    hold(&table, key(2), &id(2));
    let moment = table.moment();
    hold(&table, key(3), &id(3));
    let _freeing = table.begin_freeing(key(1));
    let listed = HashSet::from([key(1)]);
    assert_eq!(table.let_go_of_missing(&listed, moment), [key(2)]);
    assert_eq!(table.count(), 2);
}

#[test]
fn what_is_listed_and_unknown_is_adopted_once() {
    let table = table(9);
    let mark = hold(&table, key(1), &id(1));
    let listed = HashSet::from([key(1), key(2)]);
    assert_eq!(table.unknown(&listed), [key(2)]);
    table.adopt(key(2), mark);
    table.adopt(key(1), Mark::random());
    assert_eq!(table.count(), 2);
    let held = turn_of(&table, key(2));
    assert_eq!(held.state(), State::Held(mark));
}

fn turn_of(table: &Arc<Table>, key: ClaimKey) -> Turn {
    let Freeing::Turn(turn) = table.begin_freeing(key) else { panic!("no turn is available") };
    turn
}

#[test]
fn what_nobody_came_for_is_told_at_the_second_look() {
    let table = table(9);
    hold(&table, key(1), &id(1));
    turn(table.grant(key(2), &id(2))).set(State::Held(Mark::random()));
    assert!(table.left_over().is_empty());
    assert_eq!(table.left_over(), [key(2)]);
    assert!(
        matches!(table.grant(key(2), &id(2)), Grant::Granted),
        "another waiter arrives after all"
    );
    assert!(table.left_over().is_empty());
}

#[test]
fn a_session_that_is_over_knows_no_claims() {
    let table = table(9);
    hold(&table, key(1), &id(1));
    let turn = turn(table.grant(key(2), &id(2)));
    let Grant::Wait(wait) = table.grant(key(2), &id(2)) else { panic!("two turns at once") };
    table.close();
    assert!(Box::pin(wait).now_or_never().is_some(), "the waiter is notified");
    turn.set(State::Held(Mark::random()));
    drop(turn);
    assert_eq!((table.count(), table.held()), (0, vec![]));
    assert!(matches!(table.grant(key(1), &id(1)), Grant::Over));
}
