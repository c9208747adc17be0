//! Jitter of the pauses that the machine asks for. The machine itself draws no random numbers.

use std::time::Duration;

/// Returns the pause with up to 25 % of jitter in either direction, so that many objects do not retry at the same
/// moment.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + rand::random::<f64>() / 2.0)
}
