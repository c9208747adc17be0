//! Steps of a roll-out, by tables of reports.

use super::*;
use crate::catalog::UpgradeStats;
use crate::id::{NodeId, TypeName};

fn rolling(stage: Stage) -> (TypeRecord, Rollout) {
    let rollout = Rollout {
        revision: 2,
        previous: 1,
        stage,
        scope: RolloutScope::All,
        failures_per_mille_max: Some(10),
        since_ms: 1000,
        by: "me".to_owned(),
    };
    let mut record = TypeRecord::new(TypeName::new("counter").unwrap());
    record.generation = 7;
    record.rollout = Some(rollout.clone());
    (record, rollout)
}

fn report(node: &str, progress: Option<Progress>) -> Report {
    Report { node: NodeId::new(node), progress }
}

fn ready() -> Progress {
    Progress { generation: 7, readiness: Readiness::Ready, ..Progress::default() }
}

#[test]
fn no_step_is_taken_before_every_node_is_ready() {
    let (record, rollout) = rolling(Stage::Preparing);
    let step = |reports: &[Report], now_ms| decide(&record, &rollout, reports, now_ms);
    let (good, silent) = (report("a", Some(ready())), report("b", None));
    let old = report("b", Some(Progress { generation: 6, ..ready() }));
    assert_eq!(step(&[good.clone(), report("b", Some(ready()))], 1000), Step::Roll);
    assert_eq!(step(&[], 1000), Step::Wait);
    for late in [silent, old] {
        assert_eq!(step(&[good.clone(), late.clone()], 60_999), Step::Wait);
        let Step::RollBack(why) = step(&[good.clone(), late], 61_000) else {
            panic!("it still waits")
        };
        assert!(why.starts_with("b did not report"), "{why}");
    }
    let failed = Progress { readiness: Readiness::Failed("too large".to_owned()), ..ready() };
    let Step::RollBack(why) = step(&[good, report("b", Some(failed))], 1000) else {
        panic!("it continues")
    };
    assert_eq!(why, "b cannot run it: too large");
}

#[test]
fn a_roll_out_is_watched_and_closed_when_every_node_serves_it() {
    let done = Progress { is_applied: true, is_probed: true, ..ready() };
    let half = Progress { is_probed: false, ..done.clone() };
    let (record, rollout) = rolling(Stage::Rolling);
    let all = [report("a", Some(done.clone())), report("b", Some(done.clone()))];
    let some = [report("a", Some(done)), report("b", Some(half))];
    assert_eq!(decide(&record, &rollout, &some, 1000), Step::Wait);
    assert_eq!(decide(&record, &rollout, &all, 1000), Step::Watch);
    let back = Rollout { failures_per_mille_max: None, ..rollout };
    assert_eq!(decide(&record, &back, &some, 1000), Step::Wait);
    assert_eq!(decide(&record, &back, &all, 1000), Step::Close);
    for scope in [RolloutScope::Percent(10), RolloutScope::Keys(vec!["x".to_owned()])] {
        let canary = Rollout { scope, ..back.clone() };
        assert_eq!(decide(&record, &canary, &some, 1000), Step::Wait);
        assert_eq!(decide(&record, &canary, &all, 1000), Step::Watch, "it stays open");
        let watched = Rollout { stage: Stage::Verifying, ..canary };
        assert_eq!(decide(&record, &watched, &all, 90_000), Step::Wait, "an operator decides");
    }
    let (record, rollout) = rolling(Stage::Verifying);
    assert_eq!(decide(&record, &rollout, &all, 60_999), Step::Wait);
    assert_eq!(decide(&record, &rollout, &all, 61_000), Step::Close);
    let part = Rollout { scope: RolloutScope::Percent(10), ..rollout };
    assert_eq!(decide(&record, &part, &all, 90_000), Step::Wait);
}

/// The node joined after all were ready, and its objects would stay on the previous revision.
#[test]
fn nothing_is_served_everywhere_while_a_node_that_came_late_cannot_run_it() {
    let done = Progress { is_applied: true, is_probed: true, ..ready() };
    let (record, rollout) = rolling(Stage::Rolling);
    let back = Rollout { failures_per_mille_max: None, ..rollout.clone() };
    let with = |late: Option<Progress>| [report("a", Some(done.clone())), report("b", late)];
    let unknown = Progress { readiness: Readiness::Unknown, ..done.clone() };
    let failed = Progress { readiness: Readiness::Failed("damaged".to_owned()), ..done.clone() };
    let behind = Progress { generation: 6, ..done.clone() };
    let rolled_back = Step::RollBack("b cannot run it: damaged".to_owned());
    for (late, step, step_back) in [
        (None, Step::Wait, Step::Wait),
        (Some(behind), Step::Wait, Step::Wait),
        (Some(unknown), Step::Wait, Step::Wait),
        (Some(failed), rolled_back, Step::Wait),
        (Some(done.clone()), Step::Watch, Step::Close),
    ] {
        let reports = with(late);
        assert_eq!(decide(&record, &rollout, &reports, 90_000), step, "{reports:?}");
        assert_eq!(decide(&record, &back, &reports, 90_000), step_back, "back: {reports:?}");
    }
    assert_eq!(decide(&record, &rollout, &[], 90_000), Step::Wait);
}

#[test]
fn failures_count_over_all_nodes_and_from_five_on() {
    let (record, rollout) = rolling(Stage::Verifying);
    let taken = |well, failed| {
        let taken = UpgradeStats { succeeded: well, failed, ..UpgradeStats::default() };
        Some(Progress { upgrades: taken, ..ready() })
    };
    let step = |a, b| decide(&record, &rollout, &[report("a", a), report("b", b)], 1000);
    assert_eq!(step(taken(1, 2), taken(1, 2)), Step::Wait, "too few failures to decide");
    assert!(matches!(step(taken(300, 2), taken(100, 3)), Step::RollBack(_)));
    assert_eq!(step(taken(495, 2), taken(500, 3)), Step::Wait, "at the limit");
    assert!(matches!(step(taken(0, 5), None), Step::RollBack(_)), "a silent node hides nothing");
}

#[test]
fn reports_are_awaited_until_the_next_step_is_possible() {
    let done = Progress { is_applied: true, is_probed: true, ..ready() };
    let unknown = Progress { readiness: Readiness::Unknown, ..ready() };
    let failed = Progress { readiness: Readiness::Failed("too large".to_owned()), ..ready() };
    let applied = Progress { is_probed: false, ..done.clone() };
    let older = Progress { generation: 6, ..done.clone() };
    let is_reached = |stage, progress: &Progress| {
        let (record, rollout) = rolling(stage);
        awaited(&record, &rollout).map(|awaited| awaited.is_reached(progress))
    };
    for (progress, by_stage) in [
        (&unknown, [Some(false), Some(false), None]),
        (&ready(), [Some(true), Some(false), None]),
        (&applied, [Some(true), Some(false), None]),
        (&done, [Some(true), Some(true), None]),
        // Waiting longer does not help.
        (&failed, [Some(true), Some(true), None]),
        (&older, [Some(false), Some(false), None]),
    ] {
        let stages = [Stage::Preparing, Stage::Rolling, Stage::Verifying];
        assert_eq!(stages.map(|stage| is_reached(stage, progress)), by_stage, "{progress:?}");
    }
    let applied_only = Awaited { generation: 7, milestone: Milestone::Applied };
    assert!(applied_only.is_reached(&applied) && !applied_only.is_reached(&ready()));
}
