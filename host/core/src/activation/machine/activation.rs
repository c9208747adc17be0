//! State of a machine, and the event that it processes: each goes to the concern that owns the decision.

use super::lifecycle::Lifecycle;
use super::live::Live;
use super::step::Step;
use crate::activation::Reason;
use crate::activation::mailbox::Mailbox;
use crate::activation::protocol::Input;

/// State of a machine: everything but the object's id, which each [`Step`] lends.
#[derive(Debug)]
pub(super) struct Activation<T> {
    pub(super) lifecycle: Lifecycle,
    pub(super) mailbox: Mailbox<T>,
    /// Present in the phases in which calls are served, or those in progress are ended.
    pub(super) live: Option<Box<Live<T>>>,
}

impl<T> Activation<T> {
    /// Returns the state of an object that has received no calls yet.
    pub(super) fn new() -> Self {
        Self { lifecycle: Lifecycle::new(), mailbox: Mailbox::new(), live: None }
    }

    /// Ends the lease of the step if the claim is gone: the session's lease no longer covers this activation.
    pub(super) fn bound_lease(&self, step: &mut Step<'_, T>) {
        if self.lifecycle.has_lost_claim() {
            step.end_lease();
        }
    }

    /// Processes the event alone; [`Self::advance`] then starts what has become possible.
    pub(super) fn process(&mut self, event: Input<T>, step: &mut Step<'_, T>) {
        match event {
            Input::Call(call, caller) => self.offer(call, caller, step),
            Input::Claimed(outcome) => self.claimed(outcome, step),
            Input::Loaded(Ok(loaded)) => self.loaded(loaded, step),
            Input::Loaded(Err(failure)) => self.load_failed(failure, step),
            Input::Ran(ran) => self.if_live(|live| live.ran(ran, step)),
            Input::WriteFinished(put) => self.close_if(|live| live.write_finished(put, step)),
            Input::Reread(reread) => self.close_if(|live| live.reread(reread, step)),
            Input::RecordVerified(reread) => {
                self.close_if(|live| live.record_verified(reread, step));
            }
            Input::Released => self.released(step),
            Input::RevisionWanted(code) => self.revision_wanted(code),
            Input::Probe if self.lifecycle.is_live() => self.if_live(|live| live.probe(step)),
            // An activation that ends stays with its code.
            Input::Probe => {}
            Input::Probed(code, probed) => self.if_live(|live| live.probed(code, probed, step)),
            Input::OutboundStarted(age, to, caller) => {
                self.outbound_started(age, to, caller, step);
            }
            Input::OutboundFinished => self.outbound_finished(),
            Input::WaitPathFound(departure, path) => self.wait_path_found(departure, &path, step),
            Input::Delivered(to, number, delivered) => {
                self.if_live(|live| live.delivered(&to, number, delivered, step));
            }
            Input::Deactivate(reason) => self.deactivate(reason, step),
            Input::Wake => self.expire(step),
        }
    }

    /// Processes an event that concerns a live activation only.
    fn if_live(&mut self, process: impl FnOnce(&mut Live<T>)) {
        if let Some(live) = &mut self.live {
            process(live);
        }
    }

    /// Processes an event after which a live activation may have to end, for the reason that `process` returns.
    fn close_if(&mut self, process: impl FnOnce(&mut Live<T>) -> Option<Reason>) {
        if let Some(live) = &mut self.live {
            let reason = process(live);
            self.lifecycle.close_for(reason);
        }
    }
}
