//! Imports available to components, and their host functions.
//!
//! The list is closed: any other import rejects the component. An unimplemented function of a listed interface
//! traps when it is called.

mod alarms;
mod events;
mod objects;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Result, StoreContextMut, bail};

use super::bindings::highlander::object::log::Level;
use super::host_state::HostState;
use super::wasi::{self, Define, Functions};

/// Interfaces of the package `highlander:object`, with the functions that define them.
const OWN_INTERFACES: &[(&str, Define)] = &[
    ("highlander:object/clock", clock),
    ("highlander:object/log", log),
    // Types only.
    ("highlander:object/types", |_| Ok(())),
    ("highlander:object/objects", objects::define),
    ("highlander:object/alarms", alarms::define),
    ("highlander:object/events", events::define),
];

/// Whether objects may import this interface and version, such as `wasi:io/streams@0.2.3`.
pub(super) fn is_allowed(import: &str) -> bool {
    definition(import).is_some()
}

fn definition(import: &str) -> Option<Define> {
    let (interface, version) = import.split_once('@')?;
    let (list, compatible) = if interface.starts_with("wasi:") {
        (wasi::INTERFACES, "0.2.")
    } else {
        (OWN_INTERFACES, "0.1.")
    };
    let patch = version.strip_prefix(compatible)?;
    if patch.is_empty() || !patch.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    list.iter().find(|(name, _)| *name == interface).map(|&(_, define)| define)
}

/// Whether the component's code can call other objects.
pub(super) fn reaches_out(engine: &Engine, component: &Component) -> bool {
    let ty = component.component_type();
    ty.imports(engine).any(|(import, _)| import.starts_with("highlander:object/objects@"))
}

/// Defines all imports of `component` under the exact names that it uses, including the patch version.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    for (import, item) in component.component_type().imports(engine) {
        let (Some(define), ComponentItem::ComponentInstance(interface)) =
            (definition(import), item.ty)
        else {
            bail!("{import} is not an interface that the host grants");
        };
        let mut functions = Functions { linker: linker.instance(import)?, names: Vec::new() };
        define(&mut functions)?;
        for (name, item) in interface.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) => {
                    functions.linker.resource(name, wasi::resource_type(name), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) if !functions.names.contains(&name) => {
                    let text =
                        format!("it called {name} of {import}, which the host does not grant");
                    functions.linker.func_new(name, move |_, _, _, _| bail!("{text}"))?;
                }
                _ => {}
            }
        }
    }
    Ok(linker)
}

fn clock(to: &mut Functions<'_>) -> Result<()> {
    to.names.push("now-ms");
    to.linker
        .func_wrap("now-ms", |cx: StoreContextMut<'_, HostState>, (): ()| Ok((cx.data().now_ms,)))
}

fn log(to: &mut Functions<'_>) -> Result<()> {
    to.names.push("write");
    to.linker.func_wrap(
        "write",
        |mut cx: StoreContextMut<'_, HostState>, (level, message): (Level, String)| {
            cx.data_mut().write_log(level, &message);
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_interfaces_of_known_versions_are_allowed() {
        for good in ["highlander:object/log@0.1.0", "wasi:io/streams@0.2.0", "wasi:cli/exit@0.2.11"]
        {
            assert!(is_allowed(good), "{good}");
        }
        for bad in [
            "wasi:sockets/tcp@0.2.0",
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:io/streams@0.3.0",
            "wasi:io/streams@0.2.0-rc-2023-11-10",
            "wasi:io/streams@0.2.",
            "wasi:io/streams",
            "highlander:object/behavior@0.1.0",
            "highlander:object/log@0.2.0",
            "env",
            "",
        ] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    /// The complete list of what guests can reach. Adding a line is a security decision.
    #[test]
    fn every_host_function_is_on_this_list() {
        let engine = Engine::default();
        let mut listed = String::new();
        for (interface, define) in OWN_INTERFACES.iter().chain(wasi::INTERFACES) {
            let mut linker = Linker::new(&engine);
            let linker = linker.instance(interface).unwrap();
            let mut functions = Functions { linker, names: Vec::new() };
            define(&mut functions).unwrap();
            for name in functions.names {
                listed.push_str(&format!("{interface} {name}\n"));
            }
        }
        assert_eq!(listed, include_str!("host_functions.txt"));
    }

    /// Interfaces and functions as WASI defines them.
    const WASI: &[(&str, &str)] = &[
        ("wasi:cli/environment", r#"(export "initial-cwd" (func (result (option string))))"#),
        (
            "wasi:random/random",
            r#"(export "get-random-bytes" (func (param "len" u64) (result (list u8))))
            (export "get-random-u64" (func (result u64)))"#,
        ),
        (
            "wasi:random/insecure",
            r#"(export "get-insecure-random-bytes" (func (param "len" u64) (result (list u8))))
            (export "get-insecure-random-u64" (func (result u64)))"#,
        ),
        (
            "wasi:random/insecure-seed",
            r#"(export "insecure-seed" (func (result (tuple u64 u64))))"#,
        ),
        (
            "wasi:clocks/monotonic-clock",
            r#"(export "now" (func (result u64)))
            (export "resolution" (func (result u64)))
            (export "pollable" (type $p (sub resource)))
            (export "subscribe-instant" (func (param "when" u64) (result (own $p))))
            (export "subscribe-duration" (func (param "when" u64) (result (own $p))))"#,
        ),
        (
            "wasi:clocks/wall-clock",
            r#"
            (type $t (record (field "seconds" u64) (field "nanoseconds" u32)))
            (export "datetime" (type $d (eq $t)))
            (export "now" (func (result $d)))
            (export "resolution" (func (result $d)))"#,
        ),
        (
            "wasi:io/poll",
            r#"(export "pollable" (type $p (sub resource)))
            (export "[method]pollable.ready" (func (param "self" (borrow $p)) (result bool)))
            (export "[method]pollable.block" (func (param "self" (borrow $p))))
            (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))"#,
        ),
        (
            "wasi:io/streams",
            r#"(export "error" (type $e (sub resource)))
            (export "pollable" (type $p (sub resource)))
            (export "input-stream" (type $i (sub resource)))
            (export "output-stream" (type $o (sub resource)))
            (type $v (variant (case "last-operation-failed" (own $e)) (case "closed")))
            (export "stream-error" (type $s (eq $v)))
            (export "[method]input-stream.read" (func (param "self" (borrow $i)) (param "len" u64)
                (result (result (list u8) (error $s)))))
            (export "[method]input-stream.skip" (func (param "self" (borrow $i)) (param "len" u64)
                (result (result u64 (error $s)))))
            (export "[method]output-stream.check-write" (func (param "self" (borrow $o))
                (result (result u64 (error $s)))))
            (export "[method]output-stream.write" (func (param "self" (borrow $o))
                (param "contents" (list u8)) (result (result (error $s)))))
            (export "[method]output-stream.flush" (func (param "self" (borrow $o))
                (result (result (error $s)))))
            (export "[method]output-stream.subscribe" (func (param "self" (borrow $o))
                (result (own $p))))
            (export "[method]output-stream.splice" (func (param "self" (borrow $o))
                (param "src" (borrow $i)) (param "len" u64) (result (result u64 (error $s)))))"#,
        ),
    ];

    /// The linker compares types. Stubs with the types of WASI ensure that it rejects no valid component.
    #[test]
    fn stubs_that_few_languages_import_have_the_types_of_wasi() {
        for (interface, functions) in WASI {
            let text = format!("(component (import \"{interface}@0.2.3\" (instance {functions})))");
            let engine = Engine::default();
            let component = Component::from_binary(&engine, &wat::parse_str(text).unwrap());
            let component = component.unwrap();
            let linker = link(&engine, &component).unwrap();
            linker.instantiate_pre(&component).map(drop).unwrap();
        }
    }
}
