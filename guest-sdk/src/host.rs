//! The functions of the host that an object may call: its clock and its log.
//!
//! In a component they are imports. Natively they are played by a value that the test harness can read and set, so
//! that handlers under test need neither Wasm nor a clock.

/// How much a line of the log matters.
///
/// # Examples
///
/// ```
/// # use highlander_sdk::LogLevel;
/// assert!(LogLevel::Error > LogLevel::Info);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the author, while developing.
    Debug,
    /// Ordinary news.
    Info,
    /// Something that may need attention.
    Warn,
    /// Something went wrong.
    Error,
}

#[cfg(target_family = "wasm")]
pub(crate) use component::Host;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::Host;

#[cfg(target_family = "wasm")]
mod component {
    use super::LogLevel;
    use crate::component::bindings::highlander::object::{clock, log};

    /// The real host.
    #[derive(Debug, Default)]
    pub(crate) struct Host;

    impl Host {
        pub(crate) fn now_ms(&self) -> u64 {
            clock::now_ms()
        }

        pub(crate) fn log(&self, level: LogLevel, message: &str) {
            let level = match level {
                LogLevel::Debug => log::Level::Debug,
                LogLevel::Info => log::Level::Info,
                LogLevel::Warn => log::Level::Warn,
                LogLevel::Error => log::Level::Error,
            };
            log::write(level, message);
        }
    }
}

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use super::LogLevel;

    /// A host for tests. Clones share one clock and one log, so that they outlive a restored object.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Host {
        now_ms: Rc<Cell<u64>>,
        log: Rc<RefCell<Vec<(LogLevel, String)>>>,
    }

    impl Host {
        pub(crate) fn now_ms(&self) -> u64 {
            self.now_ms.get()
        }

        pub(crate) fn log(&self, level: LogLevel, message: &str) {
            self.log.borrow_mut().push((level, message.to_owned()));
        }

        #[cfg(feature = "testing")]
        pub(crate) fn set_now_ms(&self, now_ms: u64) {
            self.now_ms.set(now_ms);
        }

        #[cfg(feature = "testing")]
        pub(crate) fn take_log(&self) -> Vec<(LogLevel, String)> {
            self.log.take()
        }
    }
}
