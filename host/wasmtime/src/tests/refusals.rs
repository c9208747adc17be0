//! Components that are rejected before their code runs, or because of their description. They are written as text,
//! so that each shows what it imports or contains.

use super::*;
use crate::config::{engine_config, pool};

async fn load_text(text: &str) -> Result<Arc<dyn Component>, LoadError> {
    let wasm = Bytes::from(wat::parse_str(text).unwrap());
    engine().load(Digest::of(&wasm), wasm, &LoadPurpose::Activation).await
}

async fn check(text: &str, why: &str) {
    let refused = load_text(text).await;
    let Err(LoadError::Refused(reason)) = refused else { panic!("{text}: {refused:?}") };
    assert!(reason.contains(why), "{text}: {reason}");
}

#[tokio::test]
async fn a_core_module_is_refused_with_a_hint() {
    check("(module)", "build it for wasm32-wasip2").await;
}

#[tokio::test]
async fn an_import_that_is_not_granted_is_named() {
    check(
        r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#,
        "it imports wasi:sockets/tcp@0.2.0, which the host does not grant",
    )
    .await;
    check(
        r#"(component (import "wasi:http/types@0.2.10" (instance)))"#,
        "build it with --disable http fetch-event (componentize-js) or --stub-wasi (componentize-py)",
    )
    .await;
    check(r#"(component (import "env" (func)))"#, "it imports env, which the host does not grant")
        .await;
    let wasm = guest("forbidden-import");
    let refused = engine().load(Digest::of(&wasm), wasm, &LoadPurpose::Activation).await;
    let Err(LoadError::Refused(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("wasi:sockets/"), "{reason}");
}

#[tokio::test]
async fn a_component_of_another_world_is_refused() {
    check("(component)", "highlander:object/behavior").await;
    check(
        r#"(component
            (import "highlander:object/clock@0.1.0" (instance (export "now-ms" (func (result string))))))"#,
        "highlander:object/clock",
    )
    .await;
}

/// The right names with other types, as in a component that was built before the WIT world changed.
#[tokio::test]
async fn a_component_of_another_version_of_the_contract_is_to_be_built_again() {
    let component = load_text(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $behavior
                (export "describe" (func $f))
                (export "restore" (func $f))
                (export "handle" (func $f))
                (export "snapshot" (func $f)))
            (export "highlander:object/behavior@0.1.0" (instance $behavior)))"#,
    );
    let refused = component.await.unwrap().describe().await;
    let Err(LoadError::Refused(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("another version of the WIT world"), "{reason}");
    assert!(reason.contains("rebuild it"), "{reason}");
}

#[tokio::test]
async fn features_that_objects_do_not_need_are_refused() {
    for module in [
        "(memory 1 1 shared)",
        "(memory i64 1)",
        "(tag)",
        "(type (struct))",
        "(func (result v128) v128.const i32x4 0 0 0 0)",
        "(func $f return_call $f)",
        "(type $f (func)) (type (cont $f))",
        "(memory 1 (pagesize 1))",
        "(func (result i64 i64) i64.const 1 i64.const 1 i64.const 1 i64.const 1 i64.add128)",
    ] {
        check(&format!("(component (core module {module}))"), "it cannot be compiled").await;
    }
    check(
        r#"(component (import "highlander:object/clock@0.1.0" (instance (export "now-ms" (func async)))))"#,
        "it cannot be compiled",
    )
    .await;
}

/// The engine accepts several memories for the code that it generates between composed components; guest modules
/// may not have them.
#[tokio::test]
async fn a_module_with_more_than_one_memory_is_refused() {
    let why = "it has 2 memories in one module; expected at most 1";
    for module in [
        "(memory 1) (memory 1)",
        r#"(import "a" "m" (memory 1)) (memory 1)"#,
        r#"(import "a" "m" (memory 1)) (import "a" "n" (memory 1))"#,
    ] {
        check(&format!("(component (core module {module}))"), why).await;
        check(&format!("(component (component (core module {module})))"), why).await;
    }
    let one_each = "(component (core module (memory 1)) (core module (memory 1)))";
    check(one_each, "not a component of the world").await;
}

/// Parsers read these types recursively, at three bytes per level.
#[tokio::test]
async fn types_that_are_nested_deeply_are_refused_before_anything_reads_them() {
    let nested = |depth: usize, kind: u8| {
        let mut types = vec![1];
        (1..depth).for_each(|_| types.extend([kind, 1, 1]));
        types.extend([kind, 0]);
        let mut wasm = b"\0asm\x0d\0\x01\0\x07".to_vec();
        let mut rest = types.len();
        while rest >= 0x80 {
            wasm.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        wasm.push(rest as u8);
        wasm.extend(types);
        Bytes::from(wasm)
    };
    for kind in [0x41, 0x42] {
        for (depth, why) in [
            (300_000, "33 levels of nested types; expected at most 32"),
            (33, "33 levels of nested types"),
            (32, "not a component of the world"),
        ] {
            let wasm = nested(depth, kind);
            let refused = engine().load(Digest::of(&wasm), wasm, &LoadPurpose::Activation).await;
            let Err(LoadError::Refused(reason)) = refused else { panic!("{depth}: {refused:?}") };
            assert!(reason.contains(why), "{depth}: {reason}");
        }
    }
    // Nested value types: the compiler has its own limit.
    let lists = (0..200).map(|i| format!("(type $t{} (list $t{i}))", i + 1)).collect::<String>();
    check(&format!("(component (type $t0 (list u8)) {lists})"), "it cannot be compiled").await;
}

#[tokio::test]
async fn more_memory_or_table_than_an_instance_may_have_is_refused() {
    check("(component (core module (memory 1025)))", "memory").await;
    check("(component (core module (table 20001 funcref)))", "table").await;
}

#[tokio::test]
async fn what_keeps_a_compiler_busy_is_refused() {
    let locals = "i64 ".repeat(20_001);
    let many = format!("(component (core module (func (local {locals}))))");
    check(&many, "20001 locals in one function").await;
    let functions = "(func) ".repeat(100_001);
    check(&format!("(component (core module {functions}))"), "functions; expected at most").await;
    let body = "(block) ".repeat(30_000);
    let locals = "i64 ".repeat(3_000);
    let slow = format!("(component (core module (func (local {locals}) {body})))");
    check(&slow, "bytes times locals in one function").await;
    let modules = "(core module) ".repeat(129);
    check(&format!("(component {modules})"), "modules and components inside").await;
}

#[tokio::test]
async fn text_in_utf16_is_refused() {
    check(
        r#"(component
            (import "highlander:object/log@0.1.0" (instance $log
                (type $level (enum "debug"))
                (export "level" (type (eq $level)))
                (export "write" (func (param "message" string)))))
            (core module $m (memory (export "memory") 1))
            (core instance $i (instantiate $m))
            (core func (canon lower (func $log "write") (memory (core memory $i "memory")) string-encoding=utf16)))"#,
        "only UTF-8",
    )
    .await;
}

#[tokio::test]
async fn a_description_that_makes_no_sense_is_refused() {
    let engine = engine();
    for (name, why) in [
        ("malformed-describe", "its describe function failed"),
        ("malformed-names", "reserved"),
        ("malformed-schema", "is not JSON"),
    ] {
        let component = load(&engine, name).await;
        let refused = component.describe().await;
        let Err(LoadError::Refused(reason)) = refused else { panic!("{name}: {refused:?}") };
        assert!(reason.contains(why), "{name}: {reason}");
        assert!(matches!(component.instantiate().await, Err(Fault::Contract(_))));
    }
}

/// A change of this configuration changes the attack surface, or the meaning of compiled code.
#[test]
fn the_configuration_is_what_was_decided() {
    let sandbox = SandboxConfig::default();
    let config = format!("{:#?}", engine_config(&sandbox));
    let on = config.lines().filter(|line| line.ends_with(": true,")).map(str::trim);
    let pool = format!("{:#?}", pool(&sandbox));
    let text = format!("{}\n{pool}\n", on.collect::<Vec<_>>().join("\n"));
    assert_eq!(text, include_str!("config.txt"));
    for setting in ["Cranelift", "\"enable_nan_canonicalization\": (\n                    \"true\""]
    {
        assert!(config.contains(setting), "{config}");
    }
}
