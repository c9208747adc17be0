//! Every object has a client, for any argument and reply. The client's types are owned by the caller.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use highlander_sdk::prelude::*;
use highlander_sdk::{Client, __private::schemars, __private::serde};

/// The books of a library, each with its number of pages.
#[derive(ObjectState)]
pub struct Library {
    books: BTreeMap<String, u32>,
    title: String,
    shelf: Shelf,
}

/// Can be serialized and deserialized, but not copied.
#[derive(Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "serde")]
#[schemars(crate = "schemars")]
pub struct Shelf {
    names: Vec<String>,
}

/// Can only be serialized: other objects cannot receive it as a reply.
#[derive(serde::Serialize, schemars::JsonSchema)]
#[serde(crate = "serde")]
#[schemars(crate = "schemars")]
pub struct View<'a> {
    title: &'a str,
}

/// Can only be deserialized: other objects cannot pass it as an argument.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "serde")]
#[schemars(crate = "schemars")]
pub struct Wish {
    title: String,
}

#[object]
impl Library {
    /// Adds a book.
    fn add(&mut self, title: String, pages: u32) -> Result<u32, Rejection> {
        self.books.insert(title, pages);
        Ok(pages)
    }

    fn names(&self) -> &[String] {
        &self.shelf.names
    }

    fn first(&self) -> Option<&str> {
        self.books.keys().next().map(String::as_str)
    }

    fn title(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.title)
    }

    fn shelf(&self) -> Result<&Shelf, Rejection> {
        Ok(&self.shelf)
    }

    fn view(&self) -> View<'_> {
        View { title: &self.title }
    }

    fn wish(&mut self, wish: Wish) {
        self.title = wish.title;
    }

    /// Has the name of an option that every client has.
    fn timeout(&self, r#type: String, at: Option<u64>) -> Vec<Self> {
        let _ = (r#type, at);
        Vec::new()
    }

    #[cfg(any())]
    fn never(&self) {}
}

fn main() {
    fn calls() -> Result<(), Rejection> {
        let library = Library::at("town").idempotency_key("x");
        let _: u32 = library.add("Emma".to_owned(), 400)?;
        let _: Vec<String> = library.names()?;
        let _: Option<String> = library.first()?;
        let _: Cow<'static, str> = library.title()?;
        let _: Shelf = library.shelf()?;
        let _: Vec<Library> = library.timeout("x".to_owned(), None)?;
        let _: Library = Client::timeout(&library, Duration::from_secs(1)).get()?;
        library.put(Library::default())?;
        Ok(())
    }
    fn messages() -> Result<(), EffectError> {
        let library = Library::send_to("town");
        library.add("Emma".to_owned(), 400)?;
        library.view()
    }
    let _ = (calls, messages);
}
