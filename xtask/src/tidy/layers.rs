//! Layers of the host's two large crates, and the rule that a module uses only its own layer and those below it.
//!
//! This table is the only definition of the layers. Cargo keeps the crates apart. Paths are taken from the tokens of
//! a file: those that begin with `crate::`, in `use` and in other code, including macros. Comments do not count:
//! documentation may link upwards. A path that begins with `super::` stays within its top-level module, or is not
//! checked.

use super::file::{File, Finding};
use super::paths::{Path, paths};

/// Layer: its modules may use each other, unless it is divided, and all modules in lower layers.
struct Layer {
    name: &'static str,
    modules: &'static [&'static str],
    /// Whether its modules must not use each other.
    is_divided: bool,
}

const fn layer(name: &'static str, modules: &'static [&'static str]) -> Layer {
    Layer { name, modules, is_divided: false }
}

/// Crate with layers, from the bottom up.
struct Crate {
    /// Folder of its sources.
    folder: &'static str,
    layers: &'static [Layer],
}

const CRATES: &[Crate] = &[
    Crate { folder: "host/core/src/", layers: CORE },
    Crate { folder: "host/src/", layers: NODE },
];

const CORE: &[Layer] = &[
    layer(
        "values",
        &[
            "id",
            "json",
            "limits",
            "clock",
            "backoff",
            "background",
            "log_quota",
            "memory",
            "error",
            "caller",
            "call_context",
            "effects",
            "schedule",
        ],
    ),
    layer("events", &["events"]),
    // A port that uses another one could not be replaced alone.
    Layer { name: "ports", modules: &["registry", "store", "engine"], is_divided: true },
    layer("catalog", &["catalog"]),
    layer("activation", &["activation"]),
    layer("policies", &["placement", "routing", "rollout"]),
];

const NODE: &[Layer] = &[
    layer("wire", &["wire"]),
    layer("base", &["metrics", "pump", "secret", "telemetry"]),
    layer("lane", &["lane"]),
    layer("events", &["events"]),
    layer("ports", &["registry", "store"]),
    layer("catalog", &["catalog"]),
    layer("activation", &["activation"]),
    layer("node", &["node"]),
    layer("router", &["router"]),
    layer("rollout", &["rollout", "rehearsal", "removal", "component_gc", "wakeups"]),
    layer("config", &["config"]),
    layer("http", &["http"]),
    layer("runtime", &["runtime"]),
    layer("cli", &["cli"]),
    layer("server", &["server", "main"]),
];

/// Path that begins with `crate::`, without that prefix, and its line.
#[derive(Debug, PartialEq, Eq)]
struct Use {
    path: String,
    line: usize,
}

pub(super) fn check(file: &File) -> Vec<Finding> {
    let Some((layers, module)) = module_of(&file.path) else { return Vec::new() };
    let Some(index) = layer_of(layers, &module) else {
        let what = format!("module `{module}` is not assigned to a layer");
        let mend = "add it to the table in xtask/src/tidy/layers.rs";
        return vec![Finding::new(file, 1, &what, mend)];
    };
    let mut findings = Vec::new();
    for Use { path, line } in uses(&file.text) {
        if let Some(what) = offence(layers, &module, index, &path) {
            let mend = "let the lower layer own a trait or receive a value instead";
            findings.push(Finding::new(file, line, &what, mend));
        }
    }
    findings
}

/// Returns the violation by a use of `path` in `module`, which is in the layer of this index.
fn offence(layers: &[Layer], module: &str, index: usize, path: &str) -> Option<String> {
    let (own, other) = (top(module), top(path));
    // A path without a layer is reported at its own file, or is not a module.
    let other_index = layer_of(layers, path)?;
    if own == other {
        return None;
    }
    let (layer, other_layer) = (layers.get(index)?, layers.get(other_index)?);
    if other_index > index {
        let (name, other_name) = (layer.name, other_layer.name);
        return Some(format!(
            "`{module}` ({name}) uses `{path}` ({other_name}), which is above it"
        ));
    }
    (other_index == index && layer.is_divided)
        .then(|| format!("`{module}` uses `{path}`, but {} must not use each other", layer.name))
}

/// Returns the module of a file, and the layers of its crate: `host/src/http/route.rs` is `http::route`. `None` for
/// the crate root, and for crates without layers.
fn module_of(path: &str) -> Option<(&'static [Layer], String)> {
    let (layers, module) = CRATES
        .iter()
        .find_map(|of| path.strip_prefix(of.folder).map(|module| (of.layers, module)))?;
    let module = module.strip_suffix(".rs")?;
    (module != "lib").then(|| (layers, module.replace('/', "::")))
}

fn layer_of(layers: &[Layer], path: &str) -> Option<usize> {
    layers.iter().position(|layer| layer.modules.contains(&top(path)))
}

fn top(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

/// Returns all paths into the crate; none if the text is not Rust.
fn uses(text: &str) -> Vec<Use> {
    let inside = |Path { text, line, .. }: Path| {
        text.strip_prefix("crate::").map(|path| Use { path: path.to_owned(), line })
    };
    paths(text).into_iter().filter_map(inside).collect()
}

#[cfg(test)]
mod tests;
