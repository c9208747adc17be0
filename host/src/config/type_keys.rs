//! Table of the settings of an object type, in the section `types.NAME`.
//!
//! A test compares it with the table in `docs/configuration.md`.

use std::sync::Arc;

use highlander_core::id::TypeName;
use highlander_core::schedule::quota::Kind;

use super::{Config, parse};

/// Setting of one object type.
#[derive(Debug)]
pub struct TypeKey {
    /// Name of the key, after `types.NAME.`.
    pub name: &'static str,
    /// Default, for display.
    pub default: &'static str,
    /// Type and range of the value, for display.
    pub unit: &'static str,
    /// Purpose, for display.
    pub meaning: &'static str,
    /// Parses a value and stores it as the setting of the type.
    pub set: fn(&mut Config, &TypeName, &str) -> Result<(), String>,
}

/// All settings of a type.
pub const TYPE_KEYS: &[TypeKey] = &[
    TypeKey {
        name: "may_call",
        default: "the types that its deployer may call",
        unit: "list of types, or *",
        meaning: "types that objects of the type may call and message; narrows each deployment, and never widens it",
        set: |config, type_name, text| {
            let types = Arc::new(parse::types(text)?);
            config.may_call.insert(type_name.clone(), types);
            Ok(())
        },
    },
    TypeKey {
        name: "weight",
        default: "100",
        unit: "number, 1 to 10000",
        meaning: "share of the type in processor time, compared with the weights of the other types that need it",
        set: |config, type_name, text| {
            let weight = parse::number(text, 1..=10_000)?;
            config.weights.insert(type_name.clone(), weight);
            Ok(())
        },
    },
    TypeKey {
        name: "calls_per_second",
        default: "no limit",
        unit: "number, 1 to 1000000",
        meaning: "calls that the objects of the type may receive per second on this node, by clients and by objects",
        set: |config, type_name, text| set_rate(config, type_name, Kind::Call, text),
    },
    TypeKey {
        name: "messages_per_second",
        default: "no limit",
        unit: "number, 1 to 1000000",
        meaning: "messages that the objects of the type may receive per second on this node; \
                  others are delivered later",
        set: |config, type_name, text| set_rate(config, type_name, Kind::Message, text),
    },
    TypeKey {
        name: "alarms_per_second",
        default: "no limit",
        unit: "number, 1 to 1000000",
        meaning: "wake-ups for alarms that the objects of the type may receive per second on this node; \
                  others follow later",
        set: |config, type_name, text| set_rate(config, type_name, Kind::Alarm, text),
    },
];

fn set_rate(
    config: &mut Config,
    type_name: &TypeName,
    kind: Kind,
    text: &str,
) -> Result<(), String> {
    let rate = parse::number(text, 1..=1_000_000)?;
    config.rates.entry(type_name.clone()).or_default().insert(kind, rate);
    Ok(())
}
