//! Wall clocks that are wrong, and that go back: no guarantee depends on them. The tests use the library
//! libfaketime, and are skipped without it.

use std::path::{Path, PathBuf};

use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::node::Options;
use highlander_tests::seed;

/// Debian's paths of the library on both supported architectures.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];

#[tokio::test]
async fn wall_clocks_that_jump_change_nothing() {
    let Some(library) = LIBRARIES.iter().map(Path::new).find(|path| path.is_file()) else {
        eprintln!("skipped: libfaketime is not installed (apt-get install -y faketime)");
        return;
    };
    let mut random = seed::random_numbers("wall_clocks_that_jump_change_nothing");
    let folder = tempfile::tempdir().unwrap();
    let clocks: Vec<PathBuf> = (0..2).map(|node| folder.path().join(node.to_string())).collect();
    set(&clocks[0], "+3600");
    set(&clocks[1], "-3600");
    let only = clocks.iter().enumerate().map(|(node, clock)| (node, faked(library, clock)));
    let options = ClusterOptions { only: only.collect(), ..ClusterOptions::new() };
    let cluster = Cluster::start(options).await;
    let objects = Objects::journals("clocks", 8);
    for jumps in [["-3600", "+3600"], ["+0", "-86400"], ["+86400", "+0"]] {
        super::under_load(&cluster, &objects, &mut random, async || {
            for (clock, jump) in clocks.iter().zip(jumps) {
                set(clock, jump);
            }
            objects.more_answers(super::ANSWERS).await;
        })
        .await;
    }
    let totals = objects.check_history(&cluster).await;
    assert_eq!((totals.not_executed, totals.unknown), (0, 0), "{totals:?}");
}

/// Options of a node that reads its wall clock from this file.
fn faked(library: &Path, clock: &Path) -> Options {
    Options::new()
        .with_variable("LD_PRELOAD", library.to_str().expect("a plain path"))
        .with_variable("FAKETIME_TIMESTAMP_FILE", clock.to_str().expect("a plain path"))
        .with_variable("FAKETIME_NO_CACHE", "1")
        .with_variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .with_variable("DONT_FAKE_MONOTONIC", "1")
}

fn set(clock: &Path, offset: &str) {
    // Atomic replacement, so that no process reads a partial file.
    let next = clock.with_extension("next");
    std::fs::write(&next, format!("{offset}\n")).unwrap();
    std::fs::rename(&next, clock).unwrap();
}
