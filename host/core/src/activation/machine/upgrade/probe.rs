//! Probe of a wanted revision: whether it reads the object's state, tried without a call.

use std::time::Duration;

use super::IsStale;
use super::verdict::{Verdict, classify};
use crate::activation::machine::live::Live;
use crate::activation::machine::step::Step;
use crate::activation::protocol::{Action, Probe, ProbeOutcome};
use crate::id::CodeId;

/// Time limit for a new revision to read a state when no caller waits for it.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

impl<T> Live<T> {
    /// Probes the wanted code without a call, if the object is idle.
    pub(in crate::activation::machine) fn probe(&mut self, step: &mut Step<'_, T>) {
        let is_free =
            step.has_lease() && !self.execution.is_running() && !self.upgrade.is_probing();
        if let Some(code) = self.upgrade.unproven().filter(|_| is_free) {
            self.upgrade.probing = Some(IsStale(false));
            let state = self.current.state().cloned();
            let deadline = step.now().time + PROBE_TIMEOUT;
            step.push(Action::Probe(Probe { code, state, deadline }));
        }
    }

    /// Processes the result of a probe.
    pub(in crate::activation::machine) fn probed(
        &mut self,
        code: CodeId,
        probed: ProbeOutcome,
        step: &mut Step<'_, T>,
    ) {
        let Some(IsStale(is_stale)) = self.upgrade.probing.take() else { return };
        match probed {
            ProbeOutcome::Reads { is_kept } => {
                if is_kept {
                    // The state that was read may have been discarded since.
                    self.execution.instance_replaced(!is_stale);
                }
                self.upgrade.reads = Some(code.revision);
                step.push(Action::RevisionAccepted(code));
            }
            ProbeOutcome::Failed(failure) => match classify(&failure) {
                Verdict::Fails(why) => self.upgrade.pin(code, why, step),
                Verdict::Works | Verdict::Missing | Verdict::Nothing => {}
            },
        }
    }
}
