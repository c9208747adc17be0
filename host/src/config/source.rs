//! Where values come from: the sections of a TOML file, and variables `HIGHLANDER_<SECTION>__<KEY>`.
//!
//! Both end in the same table of keys. A key that is not in it is refused with the nearest one that is.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::keys::{KEYS, Key};
use super::{Config, Error};

/// How alike two names must be for one to be proposed for the other; 1 is the same.
const LIKENESS_MIN: f64 = 0.6;

/// The keys that were set, each with the place that set it last.
pub(super) type Given = BTreeMap<&'static str, String>;

/// Sets what the file's `text` says. `path` is how messages call the file.
pub(super) fn apply_file(
    config: &mut Config,
    given: &mut Given,
    text: &str,
    path: &str,
) -> Result<(), Error> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        Error::new(format!("{path}, line {line}: {}", error.message()))
    })?;
    let mut values = Vec::new();
    for (section, content) in &table {
        let Value::Table(content) = content else {
            return Err(unknown(section, path));
        };
        for (key, value) in content {
            values.push((format!("{section}.{key}"), value));
        }
    }
    for (name, value) in values {
        let key = find(&name).ok_or_else(|| unknown(&name, path))?;
        let text = text_of(value)
            .ok_or_else(|| Error::new(format!("{path}: {name} takes one value: {}", key.unit)))?;
        set(config, key, &text, &format!("{path}: {name}"))?;
        given.insert(key.name, path.to_owned());
    }
    Ok(())
}

/// A value as it would be written in the environment. An inline table of one entry is `name = value` there.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Boolean(_) => Some(value.to_string()),
        Value::Table(table) if table.len() == 1 => {
            let (name, value) = table.iter().next()?;
            value.as_integer().map(|number| format!("{name} = {number}"))
        }
        _ => None,
    }
}

/// Sets what the environment says. Variables without a double underscore are not about configuration.
pub(super) fn apply_environment(
    config: &mut Config,
    given: &mut Given,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), Error> {
    let ours = variables.filter_map(|(variable, text)| {
        let (section, key) = variable.strip_prefix("HIGHLANDER_")?.split_once("__")?;
        let name = format!("{section}.{key}").to_lowercase();
        Some((name, variable, text))
    });
    let mut ours: Vec<_> = ours.collect();
    // The environment has no order, and the first mistake that is told should always be the same one.
    ours.sort_unstable();
    for (name, variable, text) in ours {
        let key = find(&name).ok_or_else(|| unknown(&name, &variable))?;
        set(config, key, &text, &variable)?;
        given.insert(key.name, variable);
    }
    Ok(())
}

fn set(config: &mut Config, key: &Key, text: &str, source: &str) -> Result<(), Error> {
    (key.set)(config, text).map_err(|why| {
        Error::new(format!("{source}: {why}"))
            .with_hint(format!("{} takes: {} (default: {})", key.name, key.unit, key.default))
    })
}

fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

fn unknown(name: &str, source: &str) -> Error {
    let error = Error::new(format!("{source}: there is no key {name:?}"));
    let likeness = |key: &Key| {
        let last = key.name.split('.').next_back().unwrap_or_default();
        strsim::jaro_winkler(name, key.name).max(strsim::jaro_winkler(name, last))
    };
    let nearest = KEYS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|key| likeness(key) >= LIKENESS_MIN) {
        Some(key) => error.with_hint(format!("did you mean {} ({})?", key.name, key.variable())),
        None => error,
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
