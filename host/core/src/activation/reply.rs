//! Reply of a call. A value of the host stays typed until it leaves the process, where it becomes JSON once.

use std::sync::Arc;

use bytes::Bytes;

use super::effects::view::{self, WakeResult};
use crate::json;
use crate::store::record::effects::DurableEffects;

/// Reply of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// JSON that is passed on unchanged: from a handler, from the idempotency cache, or from another node.
    Json(Bytes),
    /// No value: the object was deleted, or the message had taken effect before.
    Nothing,
    /// Whether the object was in quarantine, or its code had failed.
    Resumed(bool),
    /// Number of dead letters or failed alarms that were retried or discarded.
    Changed(usize),
    /// Result of a wake-up.
    Woken(Box<WakeResult>),
    /// Alarms and messages of the object; `None` if it has none.
    Effects(Option<Arc<DurableEffects>>),
}

impl Reply {
    /// Returns the reply as JSON.
    #[must_use]
    pub fn into_json(self) -> Bytes {
        match self {
            Self::Json(json) => json,
            Self::Nothing => Bytes::from_static(b"null"),
            Self::Resumed(true) => Bytes::from_static(b"true"),
            Self::Resumed(false) => Bytes::from_static(b"false"),
            Self::Changed(count) => count.to_string().into(),
            Self::Woken(result) => json::encode(&result),
            Self::Effects(effects) => {
                json::encode(&view::of(effects.as_deref().unwrap_or(&DurableEffects::default())))
            }
        }
    }

    /// Returns the reply as JSON, and keeps it.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        self.clone().into_json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_has_its_form_in_json() {
        let woken = WakeResult { fired: Some("tick".to_owned()), nonces: vec!["07".to_owned()] };
        let effects = r#"{"alarms":[],"failed_alarms":[],"pending":[],"dead":[]}"#;
        for (reply, json) in [
            (Reply::Json(Bytes::from_static(b" [1e0] ")), " [1e0] "),
            (Reply::Nothing, "null"),
            (Reply::Resumed(true), "true"),
            (Reply::Resumed(false), "false"),
            (Reply::Changed(12), "12"),
            (Reply::Woken(Box::new(woken)), r#"{"fired":"tick","nonces":["07"]}"#),
            (Reply::Effects(None), effects),
            (Reply::Effects(Some(Arc::default())), effects),
        ] {
            assert_eq!(reply.to_json(), json);
            assert_eq!(reply.into_json(), json);
        }
    }
}
