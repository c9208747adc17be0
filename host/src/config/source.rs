//! Sources of configuration values: sections of a TOML file, and variables `HIGHLANDER_<SECTION>__<KEY>`.
//!
//! Both refer to the same tables of keys. The settings of a type are in `[types.NAME]`. An unknown key is rejected,
//! with the most similar known key as a hint.

use std::collections::BTreeMap;

use highlander_core::id::TypeName;
use toml::{Table, Value};

use super::Config;
use super::keys::{KEYS, Key};
use super::type_keys::TYPE_KEYS;
use crate::secret::Error;

/// Minimum similarity for suggesting a name; 1 means equal.
const LIKENESS_MIN: f64 = 0.6;

/// Section of the object types.
const TYPES: &str = "types";

/// Keys that were set, each with the source that set it last.
pub(super) type Given = BTreeMap<&'static str, String>;

/// Applies the file's content. Messages refer to the file as `path`.
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
        if section == TYPES {
            apply_types(config, content, path)?;
            continue;
        }
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

/// Applies the section of the object types, which has a table for each type.
fn apply_types(config: &mut Config, types: &Table, path: &str) -> Result<(), Error> {
    for (type_name, content) in types {
        let Value::Table(content) = content else {
            let text = format!("{path}: types.{type_name} is not a table");
            return Err(Error::new(text).with_hint(format!("[types.{type_name}]")));
        };
        for (key, value) in content {
            let name = format!("types.{type_name}.{key}");
            let text = text_of(value).or_else(|| text_of_list(value));
            let text = text.ok_or_else(|| Error::new(format!("{path}: {name} takes one value")))?;
            set_of_type(config, (type_name, key), &text, &format!("{path}: {name}"))?;
        }
    }
    Ok(())
}

/// Sets a key of one type, given as the names of both.
fn set_of_type(
    config: &mut Config,
    (type_name, key): (&str, &str),
    text: &str,
    source: &str,
) -> Result<(), Error> {
    let type_name =
        TypeName::new(type_name).map_err(|error| Error::new(format!("{source}: {error}")))?;
    let Some(key) = TYPE_KEYS.iter().find(|known| known.name == key) else {
        let known = TYPE_KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(" and ");
        return Err(Error::new(format!("{source}: unknown key {key:?}"))
            .with_hint(format!("a type has the keys {known}")));
    };
    (key.set)(config, &type_name, text).map_err(|why| {
        let name = format!("types.NAME.{}", key.name);
        invalid(source, &why, &name, key.unit, key.default)
    })
}

/// Converts a list of texts to its form in the environment, with commas.
fn text_of_list(value: &Value) -> Option<String> {
    let texts = value.as_array()?.iter().map(Value::as_str);
    Some(texts.collect::<Option<Vec<_>>>()?.join(","))
}

/// Converts a value to its form in the environment. An inline table with one entry becomes `name = value`.
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

/// Applies the environment. Variables without a double underscore are not configuration keys; those that lack one
/// underscore of a key are refused. Empty variables count as unset, because many launchers cannot remove one.
pub(super) fn apply_environment(
    config: &mut Config,
    given: &mut Given,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), Error> {
    let ours = variables.filter(|(_, text)| !text.is_empty()).filter_map(|(variable, text)| {
        let rest = variable.strip_prefix("HIGHLANDER_")?;
        let Some((section, key)) = rest.split_once("__") else {
            let meant =
                KEYS.iter().find(|key| key.name.replace('.', "_") == rest.to_lowercase())?;
            return Some((meant.name.to_owned(), variable, None));
        };
        let name = format!("{section}.{key}").to_lowercase();
        Some((name, variable, Some(text)))
    });
    let mut ours: Vec<_> = ours.collect();
    // Environment variables are unordered; sorting ensures that the same error is always reported first.
    ours.sort_unstable();
    for (name, variable, text) in ours {
        // Names of types have hyphens, which names of variables cannot have.
        if let Some(of_type) = name.strip_prefix("types.")
            && let (Some((type_name, key)), Some(text)) = (of_type.split_once("__"), &text)
        {
            set_of_type(config, (&type_name.replace('_', "-"), key), text, &variable)?;
            continue;
        }
        let key = find(&name).ok_or_else(|| unknown(&name, &variable))?;
        let text = text.ok_or_else(|| {
            Error::new(format!(
                "{variable} has one underscore between section and key; expected two"
            ))
            .with_hint(key.variable())
        })?;
        set(config, key, &text, &variable)?;
        given.insert(key.name, variable);
    }
    Ok(())
}

fn set(config: &mut Config, key: &Key, text: &str, source: &str) -> Result<(), Error> {
    (key.set)(config, text).map_err(|why| invalid(source, &why, key.name, key.unit, key.default))
}

/// Returns the error for a value that a key does not take.
fn invalid(source: &str, why: &str, name: &str, unit: &str, default: &str) -> Error {
    Error::new(format!("{source}: {why}"))
        .with_hint(format!("{name} takes: {unit} (default: {default})"))
}

fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Key names common in other programs, by last component, with the equivalent key here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("port", "node.listen"),
    ("host", "node.listen"),
    ("address", "node.listen"),
    ("bind", "node.listen"),
    ("addr", "node.listen"),
    ("dir", "node.data_dir"),
    ("directory", "node.data_dir"),
    ("path", "node.data_dir"),
    ("url", "store.endpoint"),
    ("servers", "registry.connect"),
    ("timeout", "objects.call_timeout"),
    ("memory", "sandbox.memory_max"),
    ("cpu", "sandbox.cpu_max"),
    ("token", "auth.tokens_file"),
    ("tokens", "auth.tokens_file"),
];

fn unknown(name: &str, source: &str) -> Error {
    let error = Error::new(format!("{source}: unknown key {name:?}"));
    let (section, last) = name.rsplit_once('.').unwrap_or(("", name));
    let likeness = |key: &Key| {
        let (of, key_last) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        let like = strsim::jaro_winkler(name, key.name).max(strsim::jaro_winkler(last, key_last));
        // With equal similarity, prefer the key in the same section.
        if of == section { like } else { like * 0.95 }
    };
    let same = ELSEWHERE.iter().find(|(word, _)| *word == last).and_then(|(_, key)| find(key));
    let nearest = KEYS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match same.or(nearest.filter(|key| likeness(key) >= LIKENESS_MIN)) {
        Some(key) => error.with_hint(format!(
            "did you mean {} ({})? It takes: {}",
            key.name,
            key.variable(),
            key.unit
        )),
        None => error.with_hint("docs/configuration.md lists all keys"),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
