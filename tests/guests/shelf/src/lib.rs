//! A shelf: its handlers have names that the host's own operations have too, and arguments that may be left out. Its
//! state is read by a handler of another name, and cannot be replaced.

use std::collections::BTreeMap;

use highlander_sdk::prelude::*;

/// What stands on it, by name.
#[derive(ObjectState)]
struct Shelf {
    /// How heavy each thing is, in grams.
    things: BTreeMap<String, u32>,
    /// What is written on it.
    label: Option<String>,
}

/// A thing on a shelf.
#[data]
struct Thing {
    /// What it is called.
    name: String,
    /// How heavy it is, in grams.
    grams: u32,
}

#[object(get = false, put = false)]
impl Shelf {
    /// Puts a thing on the shelf, and answers how many there are.
    fn place(&mut self, thing: Thing) -> Result<usize, Rejection> {
        if self.things.len() >= 100 {
            reject!("shelf-full", "there is no room for {}", thing.name);
        }
        self.things.insert(thing.name, thing.grams);
        Ok(self.things.len())
    }

    /// The things whose names begin with `prefix`, and that are not heavier than `grams_max`.
    fn list(&self, prefix: Option<String>, grams_max: Option<u32>) -> Vec<Thing> {
        let prefix = prefix.unwrap_or_default();
        let fits = |grams: u32| grams_max.is_none_or(|max| grams <= max);
        let found =
            self.things.iter().filter(|(name, grams)| name.starts_with(&prefix) && fits(**grams));
        found.map(|(name, grams)| Thing { name: name.clone(), grams: *grams }).collect()
    }

    /// Takes a thing off the shelf; whether it was there.
    fn delete(&mut self, name: String) -> bool {
        self.things.remove(&name).is_some()
    }

    /// Writes a label on the shelf, in place of the one that it has, and takes off what is heavier than `grams_max`.
    /// Answers with how many things are left.
    fn arrange(&mut self, label: Option<String>, grams_max: Option<u32>) -> usize {
        self.label = label;
        self.things.retain(|_, grams| grams_max.is_none_or(|max| *grams <= max));
        self.things.len()
    }

    /// What is written on the shelf.
    fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use highlander_sdk::prelude::*;
    use highlander_sdk::testing::Harness;

    use super::Shelf;

    #[test]
    fn things_are_found_by_what_is_asked_for() {
        let mut shelf = Harness::<Shelf>::new();
        for (name, grams) in [("cup", 300), ("cap", 90), ("pot", 900)] {
            shelf.call("place", json!({ "name": name, "grams": grams })).unwrap();
        }
        let found = shelf.call("list", json!({ "prefix": "c", "grams_max": 100 })).unwrap();
        assert_eq!(found, json!([{ "name": "cap", "grams": 90 }]));
        assert_eq!(shelf.call("arrange", json!({ "grams_max": 300 })).unwrap(), json!(2));
        assert_eq!(shelf.call("delete", "cup").unwrap(), json!(true));
    }
}
