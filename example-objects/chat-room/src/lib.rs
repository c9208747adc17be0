//! A chat room: subscribers receive every line as an event, and the last lines are kept for later readers.

use highlander_sdk::prelude::*;

/// Maximum number of lines that are kept.
const HISTORY_MAX: usize = 100;
/// Maximum length of a line.
const TEXT_BYTES_MAX: usize = 2_000;

/// A chat room.
#[derive(ObjectState)]
struct ChatRoom {
    /// Topic of the conversation.
    topic: String,
    /// Number of lines so far.
    said: u64,
    /// The last lines, oldest first.
    history: Vec<Said>,
}

/// A line of the conversation.
#[data]
struct Said {
    /// Number of the line, from 1.
    number: u64,
    /// Name of the speaker.
    by: String,
    /// Text of the line.
    text: String,
    /// Time of the line, in milliseconds since 1970-01-01 00:00 UTC.
    at_ms: u64,
}

// A `put` would let callers attribute lines to other speakers.
#[object(put = false)]
impl ChatRoom {
    /// Adds a line, and returns its number. Subscribers of the room receive it as the event `said`.
    fn say(&mut self, ctx: &Context, text: String) -> Result<u64, Rejection> {
        if text.trim().is_empty() {
            reject!("nothing-said", "the text is empty");
        }
        if text.len() > TEXT_BYTES_MAX {
            reject!("too-long", "the text has more than {TEXT_BYTES_MAX} bytes: {}", text.len());
        }
        self.said += 1;
        let by = ctx.caller().to_string();
        let said = Said { number: self.said, by, text, at_ms: ctx.now_ms() };
        ctx.publish("said", &said)?;
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(0);
        }
        self.history.push(said);
        Ok(self.said)
    }

    /// Changes the topic. Subscribers of the room receive it as the event `topic`.
    fn set_topic(&mut self, ctx: &Context, topic: String) -> Result<(), Rejection> {
        ctx.publish("topic", &topic)?;
        self.topic = topic;
        Ok(())
    }

    /// Returns the kept lines with a number higher than `after`, or all kept lines if `after` is missing.
    fn history(&self, after: Option<u64>) -> Vec<&Said> {
        let after = after.unwrap_or(0);
        self.history.iter().filter(|said| said.number > after).collect()
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::{ChatRoom, HISTORY_MAX};

    #[test]
    fn what_is_said_is_published_and_kept() {
        let mut room = Harness::<ChatRoom>::with_key("kitchen");
        room.set_caller(Caller::Principal("ada".to_owned()));
        room.set_now_ms(7);
        assert_eq!(room.call("say", "hello"), Ok(json!(1)));
        let said = json!({ "number": 1, "by": "ada", "text": "hello", "at_ms": 7 });
        assert_eq!(room.take_events(), [("said".to_owned(), said.clone())]);
        assert_eq!(room.call("history", ()), Ok(json!([said])));
        assert_eq!(room.call("history", 1), Ok(json!([])));
    }

    #[test]
    fn the_last_of_it_is_kept() {
        let mut room = Harness::<ChatRoom>::new();
        for number in 0..HISTORY_MAX + 2 {
            room.call("say", number.to_string()).unwrap();
        }
        assert_eq!(room.state().history.len(), HISTORY_MAX);
        assert_eq!(room.state().history[0].number, 3);
        assert_eq!(room.take_events().len(), HISTORY_MAX + 2);
    }

    #[test]
    fn what_is_refused_is_heard_by_nobody() {
        let mut room = Harness::<ChatRoom>::new();
        assert_eq!(room.rejection("say", " ").code(), "nothing-said");
        assert_eq!(room.rejection("say", "x".repeat(2_001)).code(), "too-long");
        assert_eq!((room.take_events(), room.version()), (vec![], 0));
    }

    #[test]
    fn a_new_topic_is_published() {
        let mut room = Harness::<ChatRoom>::new();
        room.call("set_topic", "tea").unwrap();
        assert_eq!(room.take_events(), [("topic".to_owned(), json!("tea"))]);
        assert_eq!(room.state().topic, "tea");
    }
}
