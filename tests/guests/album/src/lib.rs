//! A guest whose state is not JSON, with values that JSON and floats make difficult: bytes, and integers of 128 bits.

use std::collections::BTreeMap;

use highlander_sdk::StateCodec;
use highlander_sdk::prelude::*;

/// Compact, and without names.
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

/// Pictures by name, and how much they are worth.
#[derive(ObjectState)]
#[state(codec = Postcard)]
struct Album {
    pictures: BTreeMap<String, Bytes>,
    worth: u128,
}

#[object(shows_state = true)]
impl Album {
    /// Adds a picture, and answers with it.
    fn add(&mut self, name: String, picture: Bytes) -> Bytes {
        self.pictures.insert(name, picture.clone());
        picture
    }

    /// Says what all of them are worth, and answers with what they were.
    fn appraise(&mut self, worth: u128) -> u128 {
        std::mem::replace(&mut self.worth, worth)
    }

    /// What they are worth.
    fn worth(&self) -> u128 {
        self.worth
    }

    /// Adds what another album is worth, and answers with the sum.
    fn merge(&mut self, album: String) -> Result<u128, Rejection> {
        self.worth += Album::at(album).worth()?;
        Ok(self.worth)
    }

    /// Asks what another album is worth, and does not say what it expects.
    fn guess(&self, album: String) -> Result<Json, Rejection> {
        Ok(ObjectRef::new("album", album).call("worth", &())?)
    }

    /// Tells everybody something, and answers with it.
    fn tell(&mut self, ctx: &Context, news: Json) -> Result<Json, Rejection> {
        ctx.publish("told", &news)?;
        Ok(news)
    }
}
