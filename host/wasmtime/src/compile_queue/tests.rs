//! Uploads that wait for a compiler which never ends, what objects need in the meantime, and clients that leave.

use std::path::{Path, PathBuf};

use highlander_core::caller::Caller;
use highlander_core::engine::{Component, Engine as _};
use tokio::task::JoinHandle;

use super::*;
use crate::tests::{guest, sandbox};
use crate::{CompileLimits, Compiler, SandboxConfig, WasmtimeEngine};

type Outcome = Result<Arc<dyn Component>, LoadError>;

/// Engine whose compiler fails for the counter, and does not end for smaller components.
struct Fixture {
    engine: WasmtimeEngine,
    /// File with the process ids of all compilers.
    started: PathBuf,
    _dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let started = dir.path().join("started");
        let script = format!(
            "echo $$ >> {}; test $(wc -c) -gt 10000 && exit 7; exec sleep 1000",
            started.display()
        );
        let arguments = vec!["-c".to_owned(), script, "sh".to_owned()];
        let limits = CompileLimits::default();
        let compiler = Compiler::Child { program: "/bin/sh".into(), arguments, limits };
        let engine = WasmtimeEngine::new(SandboxConfig { compiler, ..sandbox() }).unwrap();
        Self { engine, started, _dir: dir }
    }

    fn load(&self, wasm: Bytes, purpose: LoadPurpose) -> JoinHandle<Outcome> {
        let engine = self.engine.clone();
        tokio::spawn(async move { engine.load(Digest::of(&wasm), wasm, &purpose).await })
    }

    /// Uploads a component that keeps the compiler busy.
    fn upload(&self, name: &str) -> JoinHandle<Outcome> {
        self.load(small(name), LoadPurpose::Upload(Caller::Anonymous))
    }

    /// Waits until so many compilations have begun, and so many uploads wait.
    async fn until(&self, begun: usize, waiting: usize) {
        let is_so = || {
            let state = self.engine.queue.state.lock();
            self.compilers().len() == begun && state.order.waiting(CompileClass::Upload) == waiting
        };
        while !is_so() {
            tokio::task::yield_now().await;
        }
    }

    fn compilers(&self) -> Vec<String> {
        let started = std::fs::read_to_string(&self.started).unwrap_or_default();
        started.lines().map(str::to_owned).collect()
    }

    fn is_idle(&self) -> bool {
        self.engine.queue.state.lock().jobs.is_empty()
    }
}

fn small(name: &str) -> Bytes {
    let text = format!("(component (core module (memory 1) (export \"{name}\" (memory 0))))");
    wat::parse_str(text).unwrap().into()
}

fn is_running(process: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[track_caller]
fn check_failed(outcome: Outcome) {
    let Err(LoadError::Failed(reason)) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("exit status: 7"), "{reason}");
}

#[tokio::test]
async fn what_objects_need_does_not_wait_for_uploads_and_clients_take_their_uploads_along() {
    let fixture = Fixture::new();
    let first = fixture.upload("first");
    fixture.until(1, 0).await;
    let second = fixture.upload("second");
    fixture.until(1, 1).await;
    check_failed(fixture.load(guest("counter"), LoadPurpose::Activation).await.unwrap());
    second.abort();
    fixture.until(2, 0).await;
    let third = fixture.load(guest("counter"), LoadPurpose::Upload(Caller::Anonymous));
    fixture.until(2, 1).await;
    first.abort();
    // Only the end of the first upload gives the third one its turn.
    check_failed(third.await.unwrap());
    let compilers = fixture.compilers();
    assert_eq!(compilers.len(), 3, "the second upload was never compiled");
    while is_running(&compilers[0]) {
        tokio::task::yield_now().await;
    }
    assert!(fixture.is_idle());
    assert_eq!(fixture.engine.compilations().seconds.get_sample_count(), 3);
}

#[tokio::test]
async fn one_caller_cannot_fill_the_queue() {
    let fixture = Fixture::new();
    let places = compile_queue::UPLOADS_MAX / 2;
    let uploads: Vec<_> = (0..places).map(|i| fixture.upload(&i.to_string())).collect();
    fixture.until(1, places - 1).await;
    let full = fixture.upload("one-more").await.unwrap();
    let Err(LoadError::QueueFull(why)) = full else { panic!("{full:?}") };
    assert!(why.contains("16 of them of the same caller"), "{why}");
    let other = fixture.load(small("other"), LoadPurpose::Rehearsal);
    fixture.until(1, places).await;
    other.abort();
    uploads.iter().for_each(JoinHandle::abort);
    for upload in uploads {
        assert!(upload.await.unwrap_err().is_cancelled());
    }
    while !fixture.is_idle() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_for_the_same_component_share_its_compilation_and_the_component() {
    let fixture = Fixture::new();
    let (first, second) = (fixture.upload("same"), fixture.upload("same"));
    fixture.until(1, 0).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let third = fixture.load(guest("counter"), LoadPurpose::Activation);
    check_failed(third.await.unwrap());
    assert!(is_running(&fixture.compilers()[0]), "one requester still waits");
    second.abort();
    while !fixture.is_idle() {
        tokio::task::yield_now().await;
    }
    let engine = WasmtimeEngine::new(sandbox()).unwrap();
    let (wasm, purpose) = (guest("counter"), LoadPurpose::Activation);
    let load = || engine.load(Digest::of(&wasm), wasm.clone(), &purpose);
    let (one, other) = tokio::join!(load(), load());
    let (one, again) = (one.unwrap(), load().await.unwrap());
    assert!(Arc::ptr_eq(&one, &other.unwrap()) && Arc::ptr_eq(&one, &again));
    assert_eq!(engine.compilations().seconds.get_sample_count(), 1);
}
