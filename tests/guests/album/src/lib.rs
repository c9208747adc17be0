//! A guest whose state is not JSON, with values that JSON and floats cannot easily hold: bytes and 128-bit
//! integers.

use std::collections::BTreeMap;

use highlander_sdk::StateCodec;
use highlander_sdk::prelude::*;

/// Compact encoding without field names.
struct Postcard;

impl StateCodec for Postcard {
    const CONTENT_TYPE: &'static str = "application/x-postcard";

    fn encode<S: ObjectState>(state: &S, snapshot: &mut Vec<u8>) -> Result<(), String> {
        *snapshot = postcard::to_allocvec(state).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn decode<S: ObjectState>(snapshot: &[u8]) -> Result<S, String> {
        match postcard::take_from_bytes(snapshot) {
            Ok((state, [])) => Ok(state),
            Ok((_, rest)) => Err(format!("{} bytes are left over", rest.len())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Pictures by name, and their total value.
#[derive(ObjectState)]
#[state(codec = Postcard)]
struct Album {
    pictures: BTreeMap<String, Bytes>,
    worth: u128,
}

#[object(publish_state = true)]
impl Album {
    /// Adds a picture, and returns it.
    fn add(&mut self, name: String, picture: Bytes) -> Bytes {
        self.pictures.insert(name, picture.clone());
        picture
    }

    /// Sets the value of all pictures, and returns the previous value.
    fn appraise(&mut self, worth: u128) -> u128 {
        std::mem::replace(&mut self.worth, worth)
    }

    /// Returns the value of all pictures.
    fn worth(&self) -> u128 {
        self.worth
    }

    /// Adds the value of another album, and returns the sum.
    fn merge(&mut self, album: String) -> Result<u128, Rejection> {
        self.worth += Album::at(album).worth()?;
        Ok(self.worth)
    }

    /// Returns the value of another album without declaring its type.
    fn guess(&self, album: String) -> Result<Json, Rejection> {
        Ok(ObjectRef::new("album", album).call("worth", &())?)
    }

    /// Publishes an event with `news`, and returns `news`.
    fn tell(&mut self, ctx: &Context, news: Json) -> Result<Json, Rejection> {
        ctx.publish("told", &news)?;
        Ok(news)
    }
}
