//! Serialized fields of a record, in file order, and their conversion into a record.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::effects::EffectsFields;
use super::{DecodeError, damaged};
use crate::id::{Digest, NodeId, ObjectId, parse_hex};
use crate::limits::RECENT_WRITES_MAX;
use crate::store::record::{AnsweredCall, JSON, RecentWrites, Record, State, Write, WriteId};

/// Shared media type, because most states are JSON.
static JSON_TYPE: LazyLock<Arc<str>> = LazyLock::new(|| JSON.into());

/// Fields of all formats. Unknown fields are rejected, so that rewriting a record never drops one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields<'a> {
    pub(super) format: u32,
    #[serde(rename = "type", borrow)]
    pub(super) type_name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) key: Cow<'a, str>,
    version: u64,
    epoch: u64,
    #[serde(borrow)]
    owner: Cow<'a, str>,
    write_id: &'a str,
    recent: Vec<(u64, &'a str)>,
    revision: u32,
    component: &'a str,
    time_ms: u64,
    #[serde(borrow)]
    answered: Vec<AnsweredFields<'a>>,
    faults: u32,
    #[serde(borrow)]
    effects: Option<EffectsFields<'a>>,
    deleted: bool,
    schema_version: Option<u32>,
    #[serde(borrow)]
    content_type: Option<Cow<'a, str>>,
    // A state may be the JSON value null, which differs from a missing state.
    #[serde(borrow, default, deserialize_with = "present")]
    state: Option<&'a RawValue>,
    state_base64: Option<&'a str>,
    #[serde(rename = "checksum")]
    _checksum: &'a str,
}

/// Key, fingerprint, version, epoch, revision, time, reply.
#[derive(Deserialize)]
struct AnsweredFields<'a>(
    #[serde(borrow)] Cow<'a, str>,
    &'a str,
    u64,
    u64,
    u32,
    u64,
    Option<&'a str>,
);

fn present<'de, D: Deserializer<'de>>(field: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(field).map(Some)
}

fn hex<const N: usize>(name: &str, text: &str) -> Result<[u8; N], DecodeError> {
    parse_hex(text).ok_or_else(|| damaged(format!("{name} is not {N} bytes in hexadecimal")))
}

fn base64(name: &str, text: &str) -> Result<Bytes, DecodeError> {
    let bytes = BASE64.decode(text).map_err(|error| damaged(format!("{name}: {error}")))?;
    Ok(bytes.into())
}

impl Fields<'_> {
    pub(super) fn has_effects(&self) -> bool {
        self.effects.is_some()
    }

    pub(super) fn into_record(self, id: &ObjectId, bytes: &Bytes) -> Result<Record, DecodeError> {
        let state = self.state(bytes)?;
        if self.recent.len() > RECENT_WRITES_MAX {
            return Err(damaged(format!("it lists {} recent writes", self.recent.len())));
        }
        let recent = self.recent.iter().map(|(version, id)| {
            Ok(Write { version: *version, id: WriteId(hex("a recent write", id)?) })
        });
        let recent = recent.collect::<Result<_, DecodeError>>()?;
        let recent = RecentWrites::new(recent);
        if recent.as_slice().last().map(|write| write.id.0) != Some(hex("write_id", self.write_id)?)
        {
            return Err(damaged("write_id is not the newest of recent"));
        }
        let component = Digest::try_from(self.component.to_owned())
            .map_err(|error| damaged(error.to_string()))?;
        let effects = self.effects.as_ref().map(EffectsFields::to_effects).transpose()?;
        let answered = self.answered.iter().map(AnsweredFields::to_call);
        Ok(Record {
            id: id.clone(),
            version: self.version,
            epoch: self.epoch,
            owner: NodeId::new(&self.owner),
            recent,
            revision: self.revision,
            component,
            time_ms: self.time_ms,
            answered: answered.collect::<Result<_, _>>()?,
            faults: self.faults,
            effects: effects.map(Arc::new),
            state,
        })
    }

    fn state(&self, bytes: &Bytes) -> Result<Option<State>, DecodeError> {
        let (schema_version, content_type) = match (self.schema_version, &self.content_type) {
            (Some(schema_version), Some(content_type)) if !self.deleted => {
                (schema_version, content_type)
            }
            (None, None) if self.deleted && self.state.is_none() && self.state_base64.is_none() => {
                return Ok(None);
            }
            _ => return Err(damaged("it is neither deleted nor does it have a complete state")),
        };
        let is_json = content_type == JSON;
        let state = match (self.state, self.state_base64) {
            (Some(state), None) if is_json => kept(bytes, state.get().as_bytes()),
            (None, Some(state)) if !is_json => base64("state_base64", state)?,
            _ => {
                return Err(damaged("its state is not encoded as its content type requires"));
            }
        };
        let content_type = if is_json { JSON_TYPE.clone() } else { content_type.as_ref().into() };
        Ok(Some(State { content_type, schema_version, bytes: state }))
    }
}

/// Returns `part` without a copy, unless that would retain more unused than used bytes. This matters because a node
/// holds the states of a million objects.
fn kept(whole: &Bytes, part: &[u8]) -> Bytes {
    if part.len() < whole.len() / 2 { Bytes::copy_from_slice(part) } else { whole.slice_ref(part) }
}

impl AnsweredFields<'_> {
    fn to_call(&self) -> Result<AnsweredCall, DecodeError> {
        let Self(key, fingerprint, version, epoch, revision, time_ms, reply) = self;
        Ok(AnsweredCall {
            key: key.as_ref().into(),
            fingerprint: hex("a fingerprint", fingerprint)?,
            version: *version,
            epoch: *epoch,
            revision: *revision,
            time_ms: *time_ms,
            reply: reply.map(|reply| base64("a reply", reply)).transpose()?,
        })
    }
}
