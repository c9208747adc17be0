//! A reminder: notifies users at a given time, once or repeatedly.
//!
//! Each entry has an alarm of the same name. When the alarm is due, the user receives a message, and subscribers
//! receive an event.

use std::collections::BTreeMap;
use std::time::Duration;

use highlander_sdk::prelude::*;
use user::User;

/// Reminders for users.
#[derive(ObjectState)]
struct Reminder {
    /// Entries, by the names of their alarms.
    entries: BTreeMap<String, Entry>,
}

/// A reminder for one user.
#[data]
struct Entry {
    /// Key of the user to notify.
    user: String,
    /// Text of the notice.
    text: String,
    /// Whether the reminder repeats.
    repeats: bool,
    /// Number of notices so far.
    told: u64,
}

// A `put` could create an entry without its alarm, which would never ring.
#[object(put = false)]
impl Reminder {
    /// Reminds a user once, at a time in milliseconds since 1970-01-01 00:00 UTC.
    fn once(
        &mut self,
        ctx: &Context,
        name: String,
        user: String,
        text: String,
        at_ms: u64,
    ) -> Result<(), Rejection> {
        ctx.set_alarm(&name, Due::AtMs(at_ms)).call("ring", &())?;
        self.entries.insert(name, Entry { user, text, repeats: false, told: 0 });
        Ok(())
    }

    /// Reminds a user every `every_s` seconds from now on, until the entry is cancelled.
    fn repeat(
        &mut self,
        ctx: &Context,
        name: String,
        user: String,
        text: String,
        every_s: u64,
    ) -> Result<(), Rejection> {
        let every = Duration::from_secs(every_s);
        ctx.set_alarm(&name, every).every(every).call("ring", &())?;
        self.entries.insert(name, Entry { user, text, repeats: true, told: 0 });
        Ok(())
    }

    /// Cancels an entry.
    fn cancel(&mut self, ctx: &Context, name: String) -> Result<(), Rejection> {
        ctx.cancel_alarm(&name)?;
        if self.entries.remove(&name).is_none() {
            reject!("unknown-entry", "there is no entry `{name}`");
        }
        Ok(())
    }

    /// Returns the next time at which each entry is due, in milliseconds since 1970-01-01 00:00 UTC.
    fn due(&self, ctx: &Context) -> BTreeMap<String, u64> {
        ctx.alarms().into_iter().map(|alarm| (alarm.name, alarm.due_ms)).collect()
    }

    /// Notifies the user of the entry whose alarm is due.
    fn ring(&mut self, ctx: &Context) -> Result<(), Rejection> {
        let Trigger::Alarm { name, .. } = ctx.trigger() else {
            reject!("not-due", "{} rings only when an alarm is due", ctx.id());
        };
        let Some(entry) = self.entries.get_mut(name) else {
            reject!("unknown-entry", "there is no entry `{name}`");
        };
        entry.told += 1;
        User::send_to(&entry.user).notice(entry.text.clone())?;
        ctx.publish("rang", &json!({ "name": name, "user": entry.user, "text": entry.text }))?;
        if !entry.repeats {
            self.entries.remove(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::{Harness, Message};

    use super::Reminder;

    #[test]
    fn a_user_is_reminded_once() {
        let mut reminder = Harness::<Reminder>::new();
        let tea = json!({ "name": "tea", "user": "ada", "text": "tea is ready", "at_ms": 5_000 });
        reminder.call("once", &tea).unwrap();
        assert_eq!(reminder.call("due", ()), Ok(json!({ "tea": 5_000 })));
        reminder.fire_alarm("tea").unwrap();
        assert_eq!(reminder.take_messages(), [Message::new("user/ada", "notice", "tea is ready")]);
        let rang = json!({ "name": "tea", "user": "ada", "text": "tea is ready" });
        assert_eq!(reminder.take_events(), [("rang".to_owned(), rang)]);
        assert_eq!((reminder.alarms(), reminder.snapshot()), (vec![], json!({ "entries": {} })));
    }

    #[test]
    fn a_user_is_reminded_until_it_is_cancelled() {
        let mut reminder = Harness::<Reminder>::new();
        let walk = json!({ "name": "walk", "user": "bob", "text": "get up", "every_s": 60 });
        reminder.call("repeat", &walk).unwrap();
        reminder.fire_alarm("walk").unwrap();
        reminder.fire_alarm("walk").unwrap();
        assert_eq!(reminder.call("due", ()), Ok(json!({ "walk": 180_000 })));
        assert_eq!(reminder.snapshot()["entries"]["walk"]["told"], 2);
        assert_eq!(reminder.take_messages().len(), 2);
        reminder.call("cancel", "walk").unwrap();
        assert_eq!(reminder.alarms(), []);
        assert_eq!(reminder.rejection("cancel", "walk").code(), "unknown-entry");
    }

    #[test]
    fn what_cannot_be_an_alarm_is_no_entry() {
        let mut reminder = Harness::<Reminder>::new();
        let never = json!({ "name": "Never!", "user": "ada", "text": "x", "at_ms": 1 });
        assert_eq!(reminder.rejection("once", &never).code(), "effect-invalid");
        let often = json!({ "name": "often", "user": "ada", "text": "x", "every_s": 0 });
        assert_eq!(reminder.rejection("repeat", &often).code(), "effect-invalid");
        assert_eq!(reminder.rejection("ring", ()).code(), "not-due");
        assert_eq!((reminder.alarms(), reminder.snapshot()), (vec![], json!({ "entries": {} })));
    }
}
