//! Bit-level damage to a store on disk: every answered write is present, or an error reports that it is not.
//!
//! The state after a kill is simulated by copying the files while nothing is written. The effects of a power loss
//! on unsynced writes are not covered.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use highlander_core::store::ETag;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

/// The files of a store on disk.
#[derive(Clone)]
struct Image(BTreeMap<PathBuf, Content>);

#[derive(Clone)]
struct Content {
    /// The content up to the trailing zeros, and some of those.
    bytes: Vec<u8>,
    len: u64,
}

impl Image {
    fn of(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let mut bytes = fs::read(&path).unwrap();
                let len = bytes.len();
                let data = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                bytes.truncate((data + 8).min(len));
                let name = path.strip_prefix(folder).unwrap().to_owned();
                files.insert(name, Content { bytes, len: len as u64 });
            }
        }
        Self(files)
    }

    fn put(&self, folder: &Path) {
        for (name, content) in &self.0 {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut file = File::create(path).unwrap();
            file.write_all(&content.bytes).unwrap();
            file.set_len(content.len).unwrap();
        }
    }

    /// Returns every offset of every file, except those in the middle of long runs of zeros.
    fn places(&self) -> Vec<(PathBuf, usize)> {
        let places = |(name, content): (&PathBuf, &Content)| {
            let is_data = |offset: &usize| {
                let near = offset.saturating_sub(8)..(offset + 9).min(content.bytes.len());
                content.bytes[near].iter().any(|byte| *byte != 0)
            };
            let offsets = (0..content.bytes.len()).filter(is_data);
            offsets.map(|offset| (name.clone(), offset)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(places).collect()
    }
}

/// Expected content by name: `None` if the blob was removed.
type Answered = BTreeMap<&'static str, Option<Bytes>>;

/// Returns a directory in memory if the system has one, because it is filled a thousand times.
fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| folder())
}

async fn write(store: &Embedded, answered: &mut Answered, name: &'static str, blob: &[u8]) {
    let condition = match store.get(name).await.unwrap() {
        Some(blob) => Condition::Matches(blob.etag),
        None => Condition::Absent,
    };
    let blob = Bytes::copy_from_slice(blob);
    let put = store.put(name, blob.clone(), condition).await;
    assert!(matches!(put, PutOutcome::Applied(_)), "{put:?}");
    answered.insert(name, Some(blob));
}

/// Returns a store with two tables, a blob stored outside them, and a journal: after a kill, and after a clean
/// stop.
async fn small_store() -> (Image, Image, Answered) {
    let folder = folder();
    let mut answered = Answered::new();
    let store = Embedded::open(folder.path()).unwrap();
    write(&store, &mut answered, "objects/a/1.json", b"the first blob").await;
    write(&store, &mut answered, "objects/a/2.json", b"will be removed").await;
    store.database.flush();
    drop(store);
    let store = Embedded::open(folder.path()).unwrap();
    write(&store, &mut answered, "objects/b/1.json", &[7; 33 * 1024]).await;
    write(&store, &mut answered, "objects/b/2.json", b"stays in its table").await;
    store.database.flush();
    write(&store, &mut answered, "objects/a/1.json", b"the first blob, changed").await;
    write(&store, &mut answered, "objects/c/1.json", &[9; 5000]).await;
    store.delete("objects/a/2.json").await.unwrap();
    answered.insert("objects/a/2.json", None);
    write(&store, &mut answered, "objects/c/2.json", b"the last blob").await;
    let killed = Image::of(folder.path());
    drop(store);
    (killed, Image::of(folder.path()), answered)
}

/// Outcome of opening and reading a damaged store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Everything is present.
    Whole,
    /// The store refused to open and named the directory.
    Refused,
    /// A blob, or the listing, is reported as damaged by name. All other blobs are present.
    BlobRefused,
}

async fn outcome(folder: &Path, answered: &Answered) -> Result<Outcome, String> {
    let store = match Embedded::open(folder) {
        Ok(store) => store,
        Err(error) if error.to_string().contains(&*folder.to_string_lossy()) => {
            return Ok(Outcome::Refused);
        }
        Err(error) => return Err(format!("the rejection does not name the blob: {error}")),
    };
    let mut outcome = Outcome::Whole;
    for (name, expected) in answered {
        match store.get(name).await {
            Ok(found) if found.as_ref().map(|blob| &blob.bytes) == expected.as_ref() => {}
            Err(Error::Damaged(why)) if why.contains(name) => outcome = Outcome::BlobRefused,
            other => return Err(format!("{name} is {other:?}, not {expected:?}")),
        }
    }
    let present = answered.iter().filter(|(_, blob)| blob.is_some());
    let expected: Vec<_> = present.map(|(name, _)| (*name).to_owned()).collect();
    match store.list("objects/", None, 100).await {
        Ok(page) if page.names == expected => {}
        Err(Error::Damaged(why)) if why.contains("objects/") => outcome = Outcome::BlobRefused,
        other => return Err(format!("the list is {other:?}")),
    }
    Ok(outcome)
}

/// Flips one bit at each of `places`, each time in a fresh store, and counts the outcomes.
fn flip_all(
    image: &Image,
    answered: &Answered,
    places: &[(PathBuf, usize)],
    seed: u64,
) -> [usize; 3] {
    let counts: [AtomicUsize; 3] = Default::default();
    let next = AtomicUsize::new(0);
    let flip = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        while let Some((file, offset)) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut random = StdRng::seed_from_u64(seed ^ (*offset as u64).rotate_left(32));
            let bit = random.random_range(0..8);
            let mut damaged = image.clone();
            damaged.0.get_mut(file).unwrap().bytes[*offset] ^= 1 << bit;
            let folder = quick_folder();
            damaged.put(folder.path());
            match runtime.block_on(outcome(folder.path(), answered)) {
                Ok(outcome) => counts[outcome as usize].fetch_add(1, Ordering::Relaxed),
                Err(why) => panic!("{}, byte {offset}, bit {bit}: {why}", file.display()),
            };
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(flip)).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    counts.map(AtomicUsize::into_inner)
}

/// Returns the seed that selects the bit to flip in each byte. `HIGHLANDER_SEED` repeats a run.
fn seed() -> u64 {
    let given = std::env::var("HIGHLANDER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| rand::rng().random());
    println!("repeat with HIGHLANDER_SEED={seed}");
    seed
}

#[tokio::test(flavor = "multi_thread")]
async fn no_flipped_bit_loses_an_answered_write_silently() {
    let (killed, stopped, answered) = small_store().await;
    let seed = seed();
    for (what, image, step) in [("a kill", &killed, 1), ("a stop", &stopped, 7)] {
        let folder = quick_folder();
        image.put(folder.path());
        assert_eq!(outcome(folder.path(), &answered).await, Ok(Outcome::Whole), "{what}");
        // A clean stop leaves the same kinds of files as a kill, so fewer offsets are enough.
        let places: Vec<_> = image.places().into_iter().step_by(step).collect();
        let [whole, refused, blob_refused] = flip_all(image, &answered, &places, seed);
        println!(
            "after {what}: {} bits flipped, {refused} stores refused, {blob_refused} with a blob \
             refused, {whole} whole",
            places.len()
        );
        assert!(refused > places.len() / 4, "{refused}");
        assert!(blob_refused > 0);
    }
}

/// Otherwise the database would allocate memory for the claimed number of entries, and the process would abort.
#[tokio::test]
async fn a_damaged_table_of_contents_is_refused_before_it_is_believed() {
    let (killed, _, answered) = small_store().await;
    let mut tried = 0;
    for (name, content) in &killed.0 {
        let contents = content.bytes.windows(4).rposition(|bytes| bytes == b"TOC!");
        for place in contents.into_iter().flat_map(|start| start + 4..start + 8) {
            for bit in 0..8 {
                let mut damaged = killed.clone();
                damaged.0.get_mut(name).unwrap().bytes[place] ^= 1 << bit;
                let folder = quick_folder();
                damaged.put(folder.path());
                if let Err(why) = outcome(folder.path(), &answered).await {
                    panic!("{}, byte {place}, bit {bit}: {why}", name.display());
                }
                tried += 1;
            }
        }
    }
    assert!(tried >= 4 * 32, "{tried}");
}

#[tokio::test]
async fn no_missing_or_shortened_file_loses_an_answered_write_silently() {
    let (killed, _, answered) = small_store().await;
    for (name, content) in &killed.0 {
        for len in [None, Some(0), Some(content.bytes.len() / 2)] {
            let mut damaged = killed.clone();
            match len {
                None => drop(damaged.0.remove(name)),
                Some(len) => {
                    let bytes = content.bytes[..len].to_vec();
                    damaged.0.insert(name.clone(), Content { bytes, len: len as u64 });
                }
            }
            let folder = quick_folder();
            damaged.put(folder.path());
            if let Err(why) = outcome(folder.path(), &answered).await {
                panic!("{}, {len:?} bytes left: {why}", name.display());
            }
        }
    }
}

/// Returns a store after a kill, with three consecutive writes.
async fn three_writes() -> Image {
    let folder = folder();
    let mut answered = Answered::new();
    let store = Embedded::open(folder.path()).unwrap();
    for name in ["a", "b", "c"] {
        write(&store, &mut answered, name, b"content").await;
    }
    Image::of(folder.path())
}

fn journal(folder: &Path) -> PathBuf {
    folder.join("blobs/0.jnl")
}

/// Truncates the journal in the middle of the last of three writes.
fn tear(folder: &Path) {
    let bytes = fs::read(journal(folder)).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    File::options().write(true).open(journal(folder)).unwrap().set_len(end as u64 - 30).unwrap();
}

async fn names(folder: &Path) -> Vec<String> {
    Embedded::open(folder).unwrap().list("", None, 10).await.unwrap().names
}

#[tokio::test]
async fn a_torn_write_that_was_not_answered_is_cut_off() {
    let folder = quick_folder();
    three_writes().await.put(folder.path());
    tear(folder.path());
    last_answered::LastAnswered::create(folder.path(), 2).unwrap();
    assert_eq!(names(folder.path()).await, ["a", "b"]);
    assert!(!folder.path().join("damaged").exists());
    let store = Embedded::open(folder.path()).unwrap();
    let put = store.put("d", Bytes::new(), Condition::Absent).await;
    assert_eq!(put, PutOutcome::Applied(ETag::new("3")));
    drop(store);
    assert_eq!(names(folder.path()).await, ["a", "b", "d"]);
}

#[tokio::test]
async fn a_lost_write_is_refused_until_the_loss_is_accepted_once() {
    let folder = quick_folder();
    three_writes().await.put(folder.path());
    let whole = fs::read(journal(folder.path())).unwrap();
    tear(folder.path());
    for _ in 0..2 {
        let error = open_error(folder.path());
        assert!(matches!(error, OpenError::Lost { answered: 3, found: 2, .. }), "{error}");
        let kept = fs::read(folder.path().join("damaged/0.jnl")).unwrap();
        assert!(whole.starts_with(&kept) && kept.len() > 100, "the removed part is kept");
    }
    let accept = folder.path().join("accept-loss");
    fs::write(&accept, "1\n").unwrap();
    assert!(matches!(open_error(folder.path()), OpenError::Lost { .. }), "another number");
    fs::write(&accept, "2\n").unwrap();
    assert_eq!(names(folder.path()).await, ["a", "b"]);
    assert!(!accept.exists());
    let store = Embedded::open(folder.path()).unwrap();
    let put = store.put("d", Bytes::new(), Condition::Absent).await;
    assert!(matches!(put, PutOutcome::Applied(_)), "{put:?}");
    drop(store);
    assert_eq!(names(folder.path()).await, ["a", "b", "d"]);
}

#[tokio::test]
async fn a_store_that_cannot_tell_its_newest_answered_write_is_refused() {
    let image = three_writes().await;
    for content in [None, Some(""), Some("damaged")] {
        let folder = quick_folder();
        image.put(folder.path());
        let last_answered = folder.path().join("last-answered");
        fs::remove_file(&last_answered).unwrap();
        if let Some(content) = content {
            fs::write(&last_answered, content).unwrap();
        }
        let error = open_error(folder.path());
        assert!(matches!(error, OpenError::Unproven { found: 3, .. }), "{error}");
        fs::write(folder.path().join("accept-loss"), "3").unwrap();
        assert_eq!(names(folder.path()).await, ["a", "b", "c"]);
    }
}

#[tokio::test]
async fn a_store_of_which_only_the_journal_is_lost_is_refused() {
    let folder = quick_folder();
    three_writes().await.put(folder.path());
    fs::remove_file(journal(folder.path())).unwrap();
    assert!(matches!(open_error(folder.path()), OpenError::Lost { answered: 3, found: 0, .. }));
}
