//! Encoding of a record: one JSON object, with the fields that `docs/formats.md` specifies.
//!
//! Decoding rejects a record unless it is complete, of a known format, of the requested object, and consistent. So
//! a damaged record is never served, and no field is ever dropped. Two properties hold for every format number, so
//! that a newer record can be distinguished from a damaged one: the first field is `format`, and the last is the
//! checksum of every byte before it.

mod effects;
mod fields;
mod writer;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use self::fields::Fields;
use self::writer::Writer;
use super::{JSON, Record, State};
use crate::id::{ObjectId, parse_hex};
use crate::limits::{ANSWERED_COUNT_MAX, IDEMPOTENCY_KEY_BYTES_MAX, STATE_BYTES_MAX};

/// Newest supported format.
pub const FORMAT: u32 = 4;
/// Format of records without durable effects. Hosts that support only this format can read them without loss.
const FORMAT_ALONE: u32 = 1;

/// Start of every record in any format, followed by the format number.
const HEAD: &[u8] = b"{\"format\":";
/// Separator between the bytes that the checksum covers and its 64 hexadecimal digits.
const CHECKSUM: &[u8] = b",\"checksum\":\"sha256:";
/// End of every record, after those digits.
const TAIL: &[u8] = b"\"}";
/// Length of the checksum field: `head -c -86` returns the bytes that it covers.
const CHECKSUM_FIELD_BYTES: usize = CHECKSUM.len() + 64 + TAIL.len();
/// Size limit for a record: a state of full size in base64 and everything else in a record, with room to spare.
const RECORD_BYTES_MAX: usize = 2 * STATE_BYTES_MAX;

/// Reason why bytes are not the requested record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes differ from what was written.
    #[error("the record is damaged: {why}")]
    Damaged {
        /// Description of the damage.
        why: String,
    },
    /// The bytes are the record of another object.
    #[error("the record belongs to {found:?}")]
    Foreign {
        /// Type and key of that object.
        found: String,
    },
    /// A newer host wrote the record.
    #[error("the record has format {0}, but this host reads formats up to {FORMAT}")]
    NewerFormat(u32),
}

fn damaged(why: impl Into<String>) -> DecodeError {
    DecodeError::Damaged { why: why.into() }
}

/// Encodes `record`.
///
/// A state of the content type [`JSON`] must be JSON ([`crate::json::is_json`]). White space around it is not kept.
#[must_use]
pub fn encode(record: &Record) -> Bytes {
    debug_assert_eq!(check(record), Ok(()), "only consistent records are written");
    let mut out = Writer(Vec::with_capacity(encoded_bytes_about(record)));
    let format = if record.effects.is_some() { FORMAT } else { FORMAT_ALONE };
    out.raw(HEAD).number(format.into());
    out.raw(b",\"type\":").string(record.id.type_name());
    out.raw(b",\"key\":").string(record.id.key());
    out.raw(b",\"version\":").number(record.version);
    out.raw(b",\"epoch\":").number(record.epoch);
    out.raw(b",\"owner\":").string(record.owner.as_str());
    let own = record.recent.as_slice().last().map_or([0; 16], |write| write.id.0);
    out.raw(b",\"write_id\":").hex(&own);
    out.raw(b",\"recent\":").array(record.recent.as_slice(), |out, write| {
        out.raw(b"[").number(write.version).raw(b",").hex(&write.id.0).raw(b"]");
    });
    out.raw(b",\"revision\":").number(record.revision.into());
    out.raw(b",\"component\":").hex(record.component.as_bytes());
    out.raw(b",\"time_ms\":").number(record.time_ms);
    out.raw(b",\"answered\":").array(&record.answered, |out, call| {
        out.raw(b"[").string(&call.key);
        out.raw(b",").hex(&call.fingerprint);
        for number in [call.version, call.epoch, call.revision.into(), call.time_ms] {
            out.raw(b",").number(number);
        }
        out.raw(b",");
        match &call.reply {
            Some(reply) => out.base64(reply),
            None => out.raw(b"null"),
        };
        out.raw(b"]");
    });
    out.raw(b",\"faults\":").number(record.faults.into());
    if let Some(effects) = &record.effects {
        out.raw(b",\"effects\":").raw(&effects::encode(effects));
    }
    match &record.state {
        None => out.raw(b",\"deleted\":true"),
        Some(state) => write_state(out.raw(b",\"deleted\":false"), state),
    };
    let sum = Sha256::digest(&out.0);
    out.raw(CHECKSUM).hex_digits(&sum).raw(TAIL);
    out.0.into()
}

fn write_state<'a>(out: &'a mut Writer, state: &State) -> &'a mut Writer {
    out.raw(b",\"schema_version\":").number(state.schema_version.into());
    out.raw(b",\"content_type\":").string(&state.content_type);
    if &*state.content_type == JSON {
        out.raw(b",\"state\":").raw(&state.bytes)
    } else {
        out.raw(b",\"state_base64\":").base64(&state.bytes)
    }
}

/// Returns an upper bound of the record's size, except for keys full of escapes, so that the buffer grows at most
/// once.
fn encoded_bytes_about(record: &Record) -> usize {
    let state = record.state.as_ref().map_or(0, |state| state.bytes.len());
    let is_json = record.state.as_ref().is_some_and(|state| &*state.content_type == JSON);
    let state = if is_json { state } else { state / 3 * 4 + 4 };
    let answered = record.answered.iter().map(|call| {
        call.key.len() + 90 + call.reply.as_ref().map_or(0, |reply| reply.len() / 3 * 4 + 4)
    });
    let names = record.id.as_str().len() + record.owner.as_str().len();
    640 + record.recent.as_slice().len() * 60 + names + state + answered.sum::<usize>()
}

/// Decodes the record of `expected`. A large state is not copied: it remains a slice of `bytes`.
///
/// # Errors
/// See [`DecodeError`]. For any input, the result is either an error or exactly what was written.
pub fn decode(expected: &ObjectId, bytes: &Bytes) -> Result<Record, DecodeError> {
    verify_checksum(bytes)?;
    let format = format_of(bytes)?;
    if format > FORMAT {
        return Err(DecodeError::NewerFormat(format));
    }
    if format != FORMAT && format != FORMAT_ALONE {
        return Err(damaged(format!("format {format} does not exist")));
    }
    let fields: Fields<'_> =
        serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    if fields.format != if fields.has_effects() { FORMAT } else { FORMAT_ALONE } {
        return Err(damaged(format!("format {} does not exist", fields.format)));
    }
    if fields.type_name != expected.type_name() || fields.key != expected.key() {
        let found = format!("{}/{}", fields.type_name, fields.key);
        return Err(DecodeError::Foreign { found: found.chars().take(320).collect() });
    }
    let record = fields.into_record(expected, bytes)?;
    check(&record).map_err(damaged)?;
    Ok(record)
}

fn verify_checksum(bytes: &[u8]) -> Result<(), DecodeError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(damaged(format!("it has {} bytes, more than {RECORD_BYTES_MAX}", bytes.len())));
    }
    let covered = bytes.len().checked_sub(CHECKSUM_FIELD_BYTES);
    let parts = covered.and_then(|covered| bytes.split_at_checked(covered));
    let digits = |field: &[u8]| {
        let digits = field.strip_prefix(CHECKSUM)?.strip_suffix(TAIL)?;
        parse_hex::<32>(std::str::from_utf8(digits).ok()?)
    };
    let Some((covered, expected)) = parts.and_then(|(body, field)| Some((body, digits(field)?)))
    else {
        return Err(damaged("it does not end with a checksum"));
    };
    if *Sha256::digest(covered) == expected {
        Ok(())
    } else {
        Err(damaged("its checksum does not match its content"))
    }
}

/// Reads only the format number, because a newer format may differ in everything else.
fn format_of(bytes: &[u8]) -> Result<u32, DecodeError> {
    let number = bytes.strip_prefix(HEAD).and_then(|rest| {
        let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    });
    number.ok_or_else(|| damaged("it does not start with its format"))
}

/// Checks the invariants of a record. They are asserted before encoding and required after decoding.
fn check(record: &Record) -> Result<(), &'static str> {
    let recent = record.recent.as_slice();
    if record.version == 0 {
        return Err("its version is 0");
    }
    if recent.last().map(|write| write.version) != Some(record.version) {
        return Err("its newest write did not make its version");
    }
    if !recent.is_sorted_by(|earlier, later| earlier.version < later.version) {
        return Err("its recent writes are out of order");
    }
    if record.answered.len() > ANSWERED_COUNT_MAX {
        return Err("it lists too many answered calls");
    }
    let is_key = |key: &str| {
        (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !record.answered.iter().all(|call| is_key(&call.key) && call.version <= record.version) {
        return Err("it lists an answered call that cannot have been made");
    }
    if record.state.as_ref().is_some_and(|state| state.bytes.len() > STATE_BYTES_MAX) {
        return Err("its state is too large");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
