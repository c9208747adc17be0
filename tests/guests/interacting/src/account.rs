//! Statistics of the messages and alarms that an object received. The numbers that must be 0 are for a test to
//! check.

use highlander_sdk::prelude::*;

/// Maximum number of tags that are kept.
const TAGS_MAX: usize = 16;
/// Maximum number of characters of a tag that are kept: the rest is ballast.
const TAG_CHARACTERS_MAX: usize = 32;

/// Messages of one sender.
#[data]
#[derive(Default)]
pub(crate) struct Account {
    /// Number of messages.
    count: u64,
    /// Number of the last message, as the sender counts them.
    last: u64,
    /// Messages whose number does not follow the previous one.
    out_of_order: u64,
    /// Number of the last message, as the host counts them.
    last_message: u64,
    /// Messages whose host number is not higher than the previous one.
    not_rising: u64,
    /// Calls that are not messages of the claimed sender.
    not_from_sender: u64,
    /// The last tags.
    tags: Vec<String>,
}

impl Account {
    pub(crate) fn take(&mut self, ctx: &Context, from: &str, number: u64, tag: &str) {
        let sender = Caller::Object(ObjectId::new(ctx.object_type(), from));
        match ctx.trigger() {
            Trigger::Message(message) if *ctx.caller() == sender => {
                self.not_rising += u64::from(*message <= self.last_message);
                self.last_message = *message;
            }
            _ => self.not_from_sender += 1,
        }
        self.count += 1;
        self.out_of_order += u64::from(number != self.last + 1);
        self.last = number;
        if self.tags.len() >= TAGS_MAX {
            self.tags.remove(0);
        }
        self.tags.push(tag.chars().take(TAG_CHARACTERS_MAX).collect());
    }
}

/// Firings of one alarm.
#[data]
#[derive(Default)]
pub(crate) struct Rings {
    /// Number of firings.
    count: u64,
    /// Time at which the last firing was due; `now_ms` is the time at which it happened.
    due_ms: u64,
    now_ms: u64,
    /// Firings before the alarm was due.
    too_early: u64,
    /// Firings that were due at the same time as the previous one: the alarm fired more than once.
    repeated: u64,
    /// Argument of the last firing.
    argument: Json,
    /// Firings whose caller is not the object itself.
    not_from_itself: u64,
}

impl Rings {
    pub(crate) fn hear(&mut self, ctx: &Context, due_ms: u64, argument: Json) -> u64 {
        self.repeated += u64::from(self.count > 0 && due_ms == self.due_ms);
        self.too_early += u64::from(ctx.now_ms() < due_ms);
        self.not_from_itself += u64::from(*ctx.caller() != Caller::Object(ctx.id().clone()));
        self.count += 1;
        self.due_ms = due_ms;
        self.now_ms = ctx.now_ms();
        self.argument = argument;
        self.count
    }
}
