//! Object code in the simulated world: it succeeds, rejects or fails at random.

use bytes::Bytes;
use rand::RngExt as _;

use super::{World, applied};
use crate::activation::protocol::{Input, ProbeOutcome, RunOutcome};
use crate::engine::{Fault, HandlerError, RestoreError};
use crate::store::record::{JSON, State};

impl World {
    pub(super) fn probed(&mut self) -> ProbeOutcome {
        match self.rng.random_range(0..3) {
            0 => ProbeOutcome::Failed(RunOutcome::Unreadable(RestoreError::NewerSchema(1))),
            1 => ProbeOutcome::Reads { is_kept: false },
            _ => ProbeOutcome::Reads { is_kept: true },
        }
    }

    pub(super) fn finish_run(&mut self, node: usize) {
        let Some(run) = self.nodes[node].run.take() else { return };
        let ran = match self.rng.random_range(0..10) {
            // Odd revisions fail less often than even ones.
            0..=4 if run.code.revision.is_multiple_of(2) => RunOutcome::Faulted(Fault::Stack),
            0 => RunOutcome::Faulted(Fault::Stack),
            1 => {
                let rejection = HandlerError::UnknownHandler(String::new());
                RunOutcome::Rejected { rejection, may_have_changed: true }
            }
            _ if &*run.handler == "value" => {
                RunOutcome::Queried { reply: Bytes::from_static(b"0") }
            }
            _ => {
                let mut calls = applied(run.state.as_ref());
                calls.push(std::str::from_utf8(&run.argument).unwrap().parse().unwrap());
                let bytes = serde_json::to_vec(&calls).unwrap().into();
                let state = State { content_type: JSON.into(), schema_version: 1, bytes };
                RunOutcome::Updated { reply: Bytes::from_static(b"null"), state, effects: None }
            }
        };
        self.step(node, Input::Ran(ran));
    }
}
