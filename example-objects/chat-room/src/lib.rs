//! A chat room: what is said is heard by everybody who watches, and the last of it is kept for those who come later.

use highlander_sdk::prelude::*;

/// How much of what was said is kept.
const HISTORY_MAX: usize = 100;
/// How long one can speak at once.
const TEXT_BYTES_MAX: usize = 2_000;

/// Where people talk.
#[derive(ObjectState)]
struct ChatRoom {
    /// What the talk is about.
    topic: String,
    /// How often somebody said something.
    said: u64,
    /// The last of it, the oldest first.
    history: Vec<Said>,
}

/// Something that somebody said.
#[data]
struct Said {
    /// The how manieth it is, from 1.
    number: u64,
    /// Who said it.
    by: String,
    /// What was said.
    text: String,
    /// When, in milliseconds since 1970-01-01 00:00 UTC.
    at_ms: u64,
}

// Nobody puts words into other people's mouths.
#[object(put = false)]
impl ChatRoom {
    /// Says something, and answers with its number. Those who watch the room hear it as the event `said`.
    fn say(&mut self, ctx: &Context, text: String) -> Result<u64, Rejection> {
        if text.trim().is_empty() {
            reject!("nothing-said", "there is nothing to hear");
        }
        if text.len() > TEXT_BYTES_MAX {
            reject!(
                "too-long",
                "one says at most {TEXT_BYTES_MAX} bytes at once, and not {}",
                text.len()
            );
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

    /// Changes what the talk is about. Those who watch the room hear it as the event `topic`.
    fn set_topic(&mut self, ctx: &Context, topic: String) -> Result<(), Rejection> {
        ctx.publish("topic", &topic)?;
        self.topic = topic;
        Ok(())
    }

    /// What was said after the number `after`, as far as it is kept; everything where there is no number.
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
