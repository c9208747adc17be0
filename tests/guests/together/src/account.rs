//! What an object remembers of messages and alarms, in a few numbers each.
//! It judges nothing: the numbers that have to be 0 are for a test to look at.

use highlander_sdk::prelude::*;

/// How many tags are remembered.
const TAGS_MAX: usize = 16;
/// How much of a tag is remembered: the rest is ballast.
const TAG_CHARACTERS_MAX: usize = 32;

/// The messages of one sender.
#[data]
#[derive(Default)]
pub(crate) struct Account {
    /// How many there were.
    count: u64,
    /// The number of the last one, as the sender counts them.
    last: u64,
    /// How many did not have the number that follows on the one before.
    out_of_order: u64,
    /// The number of the last one, as the host counts them.
    last_message: u64,
    /// How many had a number of the host that was not higher than the one before.
    not_rising: u64,
    /// How many came from somebody else than they said, or were no messages.
    not_from_sender: u64,
    /// The last few tags.
    tags: Vec<String>,
}

impl Account {
    pub(crate) fn take(&mut self, ctx: &Context, from: &str, number: u64, tag: &str) {
        let sender = Caller::Object(ObjectId::new(ctx.object_type(), from));
        match ctx.occasion() {
            Occasion::Message(message) if *ctx.caller() == sender => {
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

/// The times that one alarm was heard.
#[data]
#[derive(Default)]
pub(crate) struct Rings {
    /// How many there were.
    count: u64,
    /// When the last one was due, and when it was heard.
    due_ms: u64,
    now_ms: u64,
    /// How many were heard before they were due.
    too_early: u64,
    /// How many were due at the time at which the one before was: it was given more than once.
    repeated: u64,
    /// What came with the last one.
    argument: Json,
    /// How many did not come from the object itself.
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
