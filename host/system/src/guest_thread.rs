//! Threads that run guests, and the way in which a guest that runs elsewhere asks to go on there.
//!
//! A guest thread has a lower priority than the threads that serve requests, so the kernel preempts it in their favour
//! at any time, even in the middle of a long instruction.

use std::cell::Cell;

/// Nice value of guest threads. Not the lowest priority: a guest may hold a lock that others wait for.
const NICE: i32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It polls something that cannot move to a guest thread.
    Other,
    /// It polls a call that can move to a guest thread.
    Movable,
    /// The call that it polls must move to a guest thread.
    MustMove,
    Guest,
}

thread_local! {
    static ROLE: Cell<Role> = const { Cell::new(Role::Other) };
}

/// Makes the calling thread a guest thread.
pub fn enter() {
    ROLE.set(Role::Guest);
    // On Linux, the value applies to the thread alone. Raising it needs no privilege; if it fails, guests only run at
    // the priority of the other threads.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Whether the calling thread is a guest thread.
#[must_use]
pub fn is_current() -> bool {
    ROLE.get() == Role::Guest
}

/// Polls a call that can move to a guest thread. Also returns whether it must.
pub fn movable<T>(poll: impl FnOnce() -> T) -> (T, bool) {
    let outer = Outer(ROLE.replace(Role::Movable));
    let polled = poll();
    let must_move = ROLE.get() == Role::MustMove;
    drop(outer);
    (polled, must_move)
}

/// Asks for the call that this thread polls to move to a guest thread. Returns `false` if it cannot, or is there.
#[must_use]
pub fn request_move() -> bool {
    let can_move = matches!(ROLE.get(), Role::Movable | Role::MustMove);
    if can_move {
        ROLE.set(Role::MustMove);
    }
    can_move
}

/// Role of the thread outside of the current poll, to which it returns even after a panic.
struct Outer(Role);

impl Drop for Outer {
    fn drop(&mut self) {
        ROLE.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_call_that_can_move_is_asked_to() {
        assert!(!request_move(), "nothing is polled");
        assert_eq!(movable(|| 1), (1, false));
        let (nested, must_move) = movable(|| movable(request_move));
        assert_eq!((nested, must_move), ((true, true), false), "the inner call moves alone");
        let panicked = std::panic::catch_unwind(|| movable(|| panic!("in a poll")));
        assert!(panicked.is_err() && !request_move());
    }

    #[test]
    fn a_guest_thread_is_one_for_its_whole_life() {
        assert!(!is_current());
        let on_guest_thread = std::thread::spawn(|| {
            enter();
            (is_current(), request_move())
        });
        assert_eq!(on_guest_thread.join().unwrap(), (true, false));
        assert!(!is_current());
    }
}
