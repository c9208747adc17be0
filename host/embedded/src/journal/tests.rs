//! Journals as fjall writes them: intact, truncated and modified.

use super::super::database::Opened;
use super::super::manifest::Age;
use super::link::{LINK, Link};
use super::*;

/// Creates a database with three batches of two writes each. The second item of the last batch is a removal.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let opened = Opened::open(folder.path(), Age::New).unwrap();
    for number in 1..=3_u64 {
        let mut batch = opened.database.batch().durability(Some(fjall::PersistMode::SyncData));
        batch.insert(&opened.blobs, format!("first/{number}"), vec![number as u8; 10_000]);
        if number == 3 {
            batch.remove(&opened.blobs, "second/1");
        } else {
            batch.insert(&opened.blobs, format!("second/{number}"), "small");
        }
        let link = Link { newest: 2 * number, previous: 2 * (number - 1) };
        batch.insert(&opened.blobs, LINK, link.encode());
        batch.commit().unwrap();
    }
    folder
}

fn journal(folder: &tempfile::TempDir) -> PathBuf {
    paths(folder.path()).unwrap().pop().unwrap()
}

fn change(folder: &tempfile::TempDir, work: impl FnOnce(&mut Vec<u8>)) {
    let path = journal(folder);
    let mut bytes = fs::read(&path).unwrap();
    work(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Returns the offset of each batch, and the end of the last one.
fn bounds(folder: &tempfile::TempDir) -> Vec<u64> {
    let mut reader = Reader::open(&journal(folder)).unwrap();
    let mut bounds = vec![0];
    while reader.next().unwrap().is_some() {
        bounds.push(reader.sound());
    }
    bounds
}

fn damage(folder: &tempfile::TempDir) -> String {
    match Journals::read(folder.path()) {
        Err(Error::Damaged(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_fjall_writes_is_read() {
    let folder = folder();
    let journals = Journals::read(folder.path()).unwrap();
    assert_eq!(journals.newest, Some(6));
    assert!(journals.torn.is_none(), "{:?}", journals.torn);
    let expected = |name: &[u8]| journals.expected.get(name).copied();
    assert_eq!(expected(b"first/1"), Some(Some(1)));
    assert_eq!(expected(b"second/1"), Some(None), "it was removed later");
}

#[test]
fn a_torn_end_is_cut_off_and_kept() {
    let folder = folder();
    let bounds = bounds(&folder);
    change(&folder, |bytes| bytes.truncate(bounds[3] as usize - 1));
    let (before, kept) = (fs::read(journal(&folder)).unwrap(), folder.path().join("kept"));
    let journals = Journals::read(folder.path()).unwrap();
    assert_eq!(journals.newest, Some(4));
    assert!(journals.cut(&kept).unwrap());
    assert_eq!(fs::read(journal(&folder)).unwrap().len() as u64, bounds[2]);
    assert_eq!(fs::read(kept.join(journal(&folder).file_name().unwrap())).unwrap(), before);
    let again = Journals::read(folder.path()).unwrap();
    assert_eq!((again.newest, again.cut(&kept).unwrap()), (Some(4), false));
}

#[test]
fn a_gap_in_the_chain_is_damage() {
    let folder = folder();
    let bounds = bounds(&folder);
    change(&folder, |bytes| drop(bytes.drain(bounds[1] as usize..bounds[2] as usize)));
    assert!(damage(&folder).contains("write 2 is followed by a batch that continues write 4"));
}

#[test]
fn journals_in_one_chain_may_break_off_only_at_its_end() {
    let folder = folder();
    let bounds = bounds(&folder);
    let whole = fs::read(journal(&folder)).unwrap();
    let (first, second) = whole.split_at(bounds[1] as usize);
    fs::write(journal(&folder), first).unwrap();
    fs::write(folder.path().join("10.jnl"), second).unwrap();
    assert_eq!(Journals::read(folder.path()).unwrap().newest, Some(6));
    // Any damage is detected, even in the first byte, where no preceding batch is left for comparison.
    let oldest = paths(folder.path()).unwrap().remove(0);
    for offset in [0, first.len() - 1] {
        let mut broken = first.to_vec();
        broken[offset] ^= 0x10;
        fs::write(&oldest, broken).unwrap();
        assert!(damage(&folder).contains("no valid batch at byte 0"), "byte {offset}");
    }
}

#[test]
fn a_sequence_number_that_does_not_rise_is_damage() {
    let folder = folder();
    let start = bounds(&folder)[1] as usize;
    change(&folder, |bytes| bytes[start + 5] = 0);
    assert!(damage(&folder).contains("the sequence number of write 4 is damaged"));
}
