//! Faults around a node: crashes, expired sessions, removed claims, objects moved to other nodes. Store faults are in
//! `world`.

use rand::RngExt as _;

use super::{Bug, Node, World, code};
use crate::activation::Reason;
use crate::activation::machine::Machine;
use crate::activation::protocol::{Action, Input};

impl World {
    /// Applies a random fault to one node.
    pub(in super::super) fn disturb(&mut self, node: usize) {
        let is_lease_over = self.time_ms >= self.nodes[node].lease_ms;
        match self.rng.random_range(0..9) {
            // The task is gone; the claim stays until the session expires.
            0 => self.crash(node),
            // The session expires, never before the lease.
            1 if is_lease_over => {
                self.nodes[node].is_session_over = true;
                self.owner = self.owner.filter(|&owner| owner != node);
            }
            2 => self.step(node, Input::Deactivate(Reason::Requested)),
            // A heartbeat succeeds, and frozen work continues. Or the node learns that its session is over, ends
            // everything, and starts again.
            3..=4 if self.nodes[node].is_session_over => {
                self.step(node, Input::Deactivate(Reason::SessionOver));
                if self.nodes[node].machine.is_cold() {
                    self.nodes[node].is_session_over = false;
                    self.nodes[node].lease_ms = self.time_ms + 50;
                }
            }
            3..=4 => {
                self.nodes[node].lease_ms = self.time_ms + 50;
                self.step(node, Input::Wake);
            }
            // An operator removes the claim, and this node is the last to be notified.
            5 if self.owner == Some(node) && self.rng.random_range(0..4) == 0 => {
                self.owner = None;
                if self.bug != Bug::LossUnnoticed {
                    self.step(node, Input::Deactivate(Reason::ClaimLost));
                }
            }
            // Another revision is wanted, and may be probed immediately.
            7 if self.rng.random_bool(0.5) => {
                let wanted = code(self.rng.random_range(1..5));
                self.step(node, Input::RevisionWanted(wanted));
                if self.rng.random_bool(0.5) {
                    self.step(node, Input::Probe);
                }
            }
            6 if self.rng.random_range(0..4) == 0 => {
                let reasons = [Reason::Moved, Reason::GivenUp, Reason::Unwritable];
                let reason = reasons[self.rng.random_range(0..reasons.len())];
                self.step(node, Input::Deactivate(reason));
                if reason == Reason::GivenUp {
                    self.check_given_up(node);
                }
            }
            _ => self.time_ms += self.rng.random_range(0..20),
        }
    }

    /// L5: the claim is released however long the store is silent.
    fn check_given_up(&self, node: usize) {
        let Node { machine, todo, .. } = &self.nodes[node];
        let asks_registry =
            |action: &Action<u32>| matches!(action, Action::Claim | Action::Release);
        assert!(machine.is_cold() || todo.iter().any(asks_registry), "the store is still pending");
    }

    fn crash(&mut self, node: usize) {
        let Node { machine, awaited, todo, run, .. } = &mut self.nodes[node];
        *machine = Machine::new(machine.id.clone());
        (*awaited, *todo, *run) = (None, Vec::new(), None);
    }
}
