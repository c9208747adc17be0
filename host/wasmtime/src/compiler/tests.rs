//! The parent's side of a compilation against children that end in every possible way. They are scripts, so that
//! each shows its behaviour; system tests cover the real child.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use highlander_core::engine::{Component, Engine as _, LoadPurpose};
use highlander_core::id::Digest;

use super::process::{self, End, Ended};
use super::sandbox::Confinement;
use super::*;
use crate::tests::{guest, sandbox};
use crate::{SandboxConfig, WasmtimeEngine};

const LIMITS: CompileLimits =
    CompileLimits { time_max: Duration::from_secs(60), memory_max: 512 << 20 };

/// Returns the result of a child that runs `script`.
fn compile_by(script: &str, limits: CompileLimits) -> Result<Vec<u8>, LoadError> {
    let arguments = ["-c", script, "sh"].map(str::to_owned);
    process::compile(
        Path::new("/bin/sh"),
        &arguments,
        limits,
        b"the component",
        &AtomicBool::default(),
    )
}

#[track_caller]
fn check_failed(script: &str, why: &str) {
    let failed = compile_by(script, LIMITS);
    let Err(LoadError::Failed(reason)) = failed else { panic!("{script}: {failed:?}") };
    assert!(reason.contains(why), "{script}: {reason}");
}

#[track_caller]
fn check_refused(script: &str, why: &str) {
    let refused = compile_by(script, LIMITS);
    let Err(LoadError::Refused(reason)) = refused else { panic!("{script}: {refused:?}") };
    assert!(reason.contains(why), "{script}: {reason}");
}

#[test]
fn a_child_that_is_killed_is_our_failure() {
    check_failed("kill -KILL $$", "signal: 9");
    check_failed("kill -TERM $$", "signal: 15");
}

#[test]
fn a_child_that_crashes_is_the_components_fault() {
    for (signal, number) in [("SEGV", 11), ("ABRT", 6), ("BUS", 7), ("ILL", 4), ("FPE", 8)] {
        let why = format!("it cannot be compiled: the compiler crashes on it: signal: {number} ");
        check_refused(&format!("kill -{signal} $$"), &why);
    }
    let said = "echo \"thread 'compile' has overflowed its stack\" >&2";
    check_refused(&format!("{said}; kill -ABRT $$"), "the compiler overflows its stack");
    check_refused(
        "printf 'refused\\nthe compiler panicked: multiple memories'",
        "panicked: multiple",
    );
}

#[test]
fn a_child_that_gives_up_is_our_failure() {
    check_failed("echo why >&2; exit 101", "exit status: 101");
    check_failed("printf 'refused\\nhalf'; exit 1", "exit status: 1");
}

#[test]
fn a_child_without_an_answer_is_our_failure() {
    check_failed("exit 0", "without a result");
}

#[test]
fn an_answer_that_is_none_is_our_failure() {
    check_failed("echo hello", "with an invalid result");
    check_failed("printf compiled", "with an invalid result");
    check_failed("printf 'compiled\\n'", "not a compiled component");
    check_failed("printf 'compiled\\n'; head -c 4096 /dev/urandom", "not a compiled component");
    check_failed("printf 'compiled\\n'; cat /bin/sh", "not a compiled component");
}

#[test]
fn a_program_that_is_not_there_is_our_failure() {
    let failed = process::compile(Path::new("/nowhere"), &[], LIMITS, b"", &AtomicBool::default());
    let Err(LoadError::Failed(reason)) = failed else { panic!("{failed:?}") };
    assert!(reason.contains("the compiler cannot be run"), "{reason}");
}

#[test]
fn what_the_compiler_finds_is_the_components_fault() {
    check_refused("printf 'refused\\nbad\\033 magic'", "it cannot be compiled: bad\\u{1b} magic");
}

#[test]
fn a_broken_limit_is_named() {
    let time = "longer than this node allows: 60s (sandbox.compile_time_max)";
    check_refused("kill -XCPU $$", time);
    let memory = "more memory than this node allows: 512.0 MiB (sandbox.compile_memory_max)";
    check_refused("printf 'no memory\\n'", memory);
    check_refused("echo memory allocation of 8 bytes failed >&2; kill -ABRT $$", memory);
    check_refused("kill -XFSZ $$", "its compiled code is larger than");
}

#[test]
fn a_child_over_its_time_that_had_much_of_it_is_the_components_fault() {
    let judged = |seconds| {
        let end = End::OverTime(Duration::from_secs(seconds));
        process::judge(Ended { end, answer: Vec::new(), said: String::new() }, LIMITS)
    };
    assert!(matches!(judged(6), Err(LoadError::Refused(_))), "{:?}", judged(6));
    assert!(matches!(judged(5), Err(LoadError::Busy(_))), "{:?}", judged(5));
}

#[test]
fn a_child_over_its_time_is_ended_with_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("started");
    let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
    let limits = CompileLimits { time_max: Duration::from_millis(500), ..LIMITS };
    let failed = compile_by(&script, limits);
    // The child did nothing but wait, which is not the component's fault.
    let Err(LoadError::Busy(reason)) = failed else { panic!("{failed:?}") };
    assert!(reason.contains("too busy") && reason.contains("within 500ms"), "{reason}");
    let started = std::fs::read_to_string(file).unwrap();
    let is_running = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", started.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    // The process is signalled before the error is returned, and ends shortly afterwards.
    while is_running() {
        std::thread::yield_now();
    }
}

#[test]
fn a_child_without_a_requester_is_ended() {
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", "exec sleep 1000"]);
    let is_abandoned = AtomicBool::new(false);
    let end = std::thread::scope(|scope| {
        let running = || process::run(&mut command, LIMITS.time_max, b"", &is_abandoned);
        let running = scope.spawn(running);
        is_abandoned.store(true, Ordering::Relaxed);
        running.join().unwrap().unwrap().end
    });
    assert_eq!(end, End::Abandoned);
}

#[test]
fn a_child_is_given_the_component_and_nothing_else() {
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", "cat; pwd >&2; env >&2"]);
    let is_abandoned = AtomicBool::default();
    let ended = process::run(&mut command, LIMITS.time_max, b"the component", &is_abandoned);
    let ended = ended.unwrap();
    assert_eq!(ended.end, End::Ended(ExitStatus::from_raw(0)));
    assert_eq!(ended.answer, b"the component");
    let said = ended.said.replace("\\n", "\n");
    let mut said: Vec<_> = said.lines().collect();
    assert_eq!(said.remove(0), "/");
    // The shell sets these variables itself.
    said.retain(|line| {
        !["PWD=", "OLDPWD=", "SHLVL=", "_="].iter().any(|own| line.starts_with(own))
    });
    said.sort_unstable();
    let names: Vec<_> = said.iter().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names, ["RAYON_NUM_THREADS", "RUST_MIN_STACK", "_RJEM_MALLOC_CONF"]);
}

#[test]
fn a_child_is_told_what_it_may_take() {
    #[derive(Debug, Parser)]
    struct Told {
        #[command(flatten)]
        confinement: Confinement,
    }
    let limits = CompileLimits { time_max: Duration::from_millis(1500), memory_max: 7 };
    let confinement = Confinement::of_child(limits, 8);
    let arguments = confinement.to_arguments();
    assert!(arguments.contains(&"--cpu-max=2".to_owned()), "{arguments:?}");
    let told = Told::parse_from([vec!["command".to_owned()], arguments].concat());
    assert_eq!(told.confinement, confinement);
}

async fn load(engine: &WasmtimeEngine) -> Result<std::sync::Arc<dyn Component>, LoadError> {
    let wasm = guest("counter");
    engine.load(Digest::of(&wasm), wasm, &LoadPurpose::Activation).await
}

#[tokio::test]
async fn a_failing_compiler_leaves_the_engine_as_it_was() {
    let arguments = ["-c", "kill -KILL $$", "sh"].map(str::to_owned).to_vec();
    let compiler = Compiler::Child { program: "/bin/sh".into(), arguments, limits: LIMITS };
    let engine = WasmtimeEngine::new(SandboxConfig { compiler, ..sandbox() }).unwrap();
    for _ in 0..2 {
        let failed = load(&engine).await;
        assert!(matches!(failed, Err(LoadError::Failed(_))), "{failed:?}");
    }
    assert_eq!(engine.compilations().seconds.get_sample_count(), 2);
}

#[tokio::test]
async fn what_is_kept_on_disk_needs_no_compiler() {
    let dir = tempfile::tempdir().unwrap();
    let cache_dir = Some(dir.path().join("code"));
    let first = SandboxConfig { cache_dir: cache_dir.clone(), ..sandbox() };
    load(&WasmtimeEngine::new(first).unwrap()).await.unwrap();
    let compiler =
        Compiler::Child { program: "/nowhere".into(), arguments: Vec::new(), limits: LIMITS };
    let engine = WasmtimeEngine::new(SandboxConfig { cache_dir, compiler, ..sandbox() }).unwrap();
    load(&engine).await.unwrap();
    assert_eq!(engine.compilations().seconds.get_sample_count(), 0);
}
