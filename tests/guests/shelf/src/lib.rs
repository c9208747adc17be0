//! A shelf: its handlers have the names of host operations, and optional arguments. A handler with another name
//! than `get` reads its state, and none replaces it.

use std::collections::BTreeMap;

use highlander_sdk::prelude::*;

/// Things on a shelf, by name.
#[derive(ObjectState)]
struct Shelf {
    /// Weight of each thing, in grams.
    things: BTreeMap<String, u32>,
    /// Text of the label.
    label: Option<String>,
}

/// A thing on a shelf.
#[data]
struct Thing {
    /// Name of the thing.
    name: String,
    /// Weight in grams.
    grams: u32,
}

#[object(get = false, put = false)]
impl Shelf {
    /// Puts a thing on the shelf, and returns the number of things.
    fn place(&mut self, thing: Thing) -> Result<usize, Rejection> {
        if self.things.len() >= 100 {
            reject!("shelf-full", "there is no room for {}", thing.name);
        }
        self.things.insert(thing.name, thing.grams);
        Ok(self.things.len())
    }

    /// Returns the things whose names begin with `prefix` and that weigh at most `grams_max`.
    fn list(&self, prefix: Option<String>, grams_max: Option<u32>) -> Vec<Thing> {
        let prefix = prefix.unwrap_or_default();
        let fits = |grams: u32| grams_max.is_none_or(|max| grams <= max);
        let found =
            self.things.iter().filter(|(name, grams)| name.starts_with(&prefix) && fits(**grams));
        found.map(|(name, grams)| Thing { name: name.clone(), grams: *grams }).collect()
    }

    /// Removes a thing from the shelf. Returns whether it was there.
    fn delete(&mut self, name: String) -> bool {
        self.things.remove(&name).is_some()
    }

    /// Replaces the label of the shelf, and removes the things that are heavier than `grams_max`. Returns the
    /// number of things that are left.
    fn arrange(&mut self, label: Option<String>, grams_max: Option<u32>) -> usize {
        self.label = label;
        self.things.retain(|_, grams| grams_max.is_none_or(|max| *grams <= max));
        self.things.len()
    }

    /// Returns the text of the label.
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
