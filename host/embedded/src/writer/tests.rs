//! Group commit against a fake disk that counts, fails and fills up on request.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;

#[derive(Default)]
struct Scripted {
    blobs: RefCell<BTreeMap<String, u64>>,
    batches: RefCell<Vec<usize>>,
    commit_error: Option<&'static str>,
    room_error: Option<&'static str>,
}

impl Disk for Scripted {
    fn etag(&self, name: &str) -> Result<Option<u64>, String> {
        if name == "unreadable" {
            return Err("a bad sector".to_owned());
        }
        Ok(self.blobs.borrow().get(name).copied())
    }

    fn check_room(&self, _bytes: usize) -> Result<(), String> {
        self.room_error.map_or(Ok(()), |why| Err(why.to_owned()))
    }

    fn commit(&self, writes: &[Accepted<'_>]) -> Result<(), String> {
        self.batches.borrow_mut().push(writes.len());
        if let Some(why) = self.commit_error {
            return Err(why.to_owned());
        }
        let mut blobs = self.blobs.borrow_mut();
        blobs.extend(writes.iter().map(|write| (write.name.to_owned(), write.etag)));
        Ok(())
    }
}

/// Returns the outcomes of writes that are queued together, and the sizes of the batches.
fn outcomes(disk: &Scripted, writes: &[(&str, Condition)]) -> (Vec<PutOutcome>, Vec<usize>) {
    let (sender, queue) = mpsc::channel(1000);
    let answers: Vec<_> = writes
        .iter()
        .map(|(name, condition)| {
            let (answer, answered) = oneshot::channel();
            let (name, condition) = ((*name).to_owned(), condition.clone());
            let change = Change::Content(Bytes::new(), condition);
            sender.try_send(Write { name, change, answer }).unwrap();
            answered
        })
        .collect();
    drop(sender);
    run(disk, 100, queue);
    let puts = answers.into_iter().map(|answered| answered.blocking_recv().unwrap()).collect();
    (puts, disk.batches.take())
}

fn applied(etag: u64) -> PutOutcome {
    PutOutcome::Applied(ETag::new(&etag.to_string()))
}

#[test]
fn writes_that_wait_together_share_a_batch() {
    let names: Vec<_> = (0..600).map(|number| number.to_string()).collect();
    let writes: Vec<_> = names.iter().map(|name| (name.as_str(), Condition::Absent)).collect();
    let (puts, batches) = outcomes(&Scripted::default(), &writes);
    assert_eq!(batches, [256, 256, 88]);
    assert_eq!(puts, (101..=700).map(applied).collect::<Vec<_>>());
}

#[test]
fn within_a_batch_conditions_hold_in_order() {
    let disk = Scripted::default();
    disk.blobs.borrow_mut().insert("b".to_owned(), 7);
    let matches = |etag: u64| Condition::Matches(ETag::new(&etag.to_string()));
    let (puts, batches) = outcomes(
        &disk,
        &[
            ("a", matches(7)),
            ("a", Condition::Absent),
            ("a", Condition::Absent),
            ("b", matches(8)),
            ("b", matches(7)),
            ("b", matches(7)),
        ],
    );
    let refused = PutOutcome::PreconditionFailed;
    assert_eq!(
        puts,
        [&refused, &applied(101), &refused, &refused, &applied(102), &refused].map(Clone::clone)
    );
    assert_eq!(batches, [2]);
}

#[test]
fn writes_that_are_all_refused_do_not_touch_the_disk() {
    let matches = Condition::Matches(ETag::new("7"));
    let (puts, batches) = outcomes(&Scripted::default(), &[("a", matches)]);
    assert_eq!((puts, batches), (vec![PutOutcome::PreconditionFailed], vec![]));
}

#[test]
fn after_a_failed_commit_nothing_is_written_and_nothing_is_promised() {
    let disk = Scripted { commit_error: Some("/data: I/O error"), ..Scripted::default() };
    let names: Vec<_> = (0..300).map(|number| number.to_string()).collect();
    let writes: Vec<_> = names.iter().map(|name| (name.as_str(), Condition::Absent)).collect();
    let (puts, batches) = outcomes(&disk, &writes);
    assert_eq!(batches, [256], "the second batch is not attempted");
    let why = "/data: I/O error; the store accepts no more writes until it is reopened";
    let (of_the_batch, later) = puts.split_at(256);
    assert!(of_the_batch.iter().all(|put| *put == PutOutcome::Unknown(why.to_owned())));
    assert!(later.iter().all(|put| *put == PutOutcome::Unavailable(why.to_owned())));
}

#[test]
fn a_full_disk_is_met_before_the_commit() {
    let disk = Scripted { room_error: Some("the disk is full"), ..Scripted::default() };
    let (puts, batches) = outcomes(&disk, &[("a", Condition::Absent)]);
    assert_eq!(
        (puts, batches),
        (vec![PutOutcome::Unavailable("the disk is full".to_owned())], vec![])
    );
}

#[test]
fn a_blob_that_cannot_be_read_stops_only_its_own_writes() {
    let writes = [("unreadable", Condition::Absent), ("a", Condition::Absent)];
    let (puts, _) = outcomes(&Scripted::default(), &writes);
    assert_eq!(puts, [PutOutcome::Unavailable("a bad sector".to_owned()), applied(101)]);
}
