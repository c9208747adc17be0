//! Exact round trips of values through an object: numbers of any size, bytes, and states that are not JSON.

use std::collections::BTreeMap;

use highlander_sdk::prelude::*;
use highlander_sdk::testing::Harness;
use highlander_sdk::{Description, StateCodec};

/// Amounts of more than 64 bits.
#[derive(ObjectState)]
struct Vault {
    total: u128,
    change: i128,
    note: Json,
}

#[object]
impl Vault {
    /// Adds `amount`, and returns the sum.
    fn add(&mut self, amount: u128) -> u128 {
        self.total += amount;
        self.total
    }

    fn total(&self) -> u128 {
        self.total
    }

    fn note(&mut self, ctx: &Context, note: Json) -> Result<Json, Rejection> {
        ctx.publish("noted", &note)?;
        self.note = note;
        Ok(self.note.clone())
    }

    fn count(&mut self, times: u8) -> u8 {
        times
    }

    /// Returns the total of another vault.
    fn ask(&self) -> Result<u128, Rejection> {
        Ok(Vault::at("other").total()?)
    }

    /// Returns the total of another vault without declaring its type.
    fn ask_for_anything(&self) -> Result<Json, Rejection> {
        Ok(ObjectRef::new("vault", "other").call("total", &())?)
    }
}

const LARGE: u128 = u128::MAX - 1;

#[track_caller]
fn refusal(answer: Result<Json, HandlerError>) -> String {
    match answer {
        Err(HandlerError::InvalidArgument(why)) => why,
        other => unreachable!("{other:?}"),
    }
}

/// Returns `json` as raw JSON.
fn raw(json: &str) -> Box<serde_json::value::RawValue> {
    serde_json::value::RawValue::from_string(json.to_owned()).expect("valid JSON")
}

#[test]
fn integers_beyond_64_bits_are_exact_in_arguments_states_and_replies() {
    let mut vault = Harness::<Vault>::new();
    assert_eq!(vault.call_as::<u128>("add", LARGE), Ok(LARGE));
    assert_eq!(vault.call_as::<u128>("add", 1), Ok(u128::MAX));
    assert_eq!(vault.state().total, u128::MAX);
    let state = json!({ "change": i64::MIN });
    vault.call("put", state).unwrap();
    vault.call("put", raw(r#"{"change":-170141183460469231731687303715884105728}"#)).unwrap();
    assert_eq!(vault.state().change, i128::MIN);
}

#[test]
fn the_reply_of_another_object_is_exact_or_told_as_done() {
    let mut vault = Harness::<Vault>::new();
    vault.answer("vault", "other", "total", |_| Ok(u128::MAX));
    assert_eq!(vault.call_as::<u128>("ask", ()), Ok(u128::MAX));
    let rejection = vault.rejection("ask_for_anything", ());
    assert_eq!(rejection.code(), "reply-unreadable");
    assert!(rejection.message().contains("vault/other executed `total`"), "{rejection}");
    assert!(rejection.message().contains("would be rounded"), "{rejection}");
    vault.answer("vault", "other", "total", |_| Ok("much"));
    assert_eq!(vault.rejection("ask", ()).code(), "reply-unreadable");
}

#[test]
fn json_values_come_back_as_they_were_or_are_refused() {
    let mut vault = Harness::<Vault>::new();
    for exact in ["0.1", "-0.0", "18446744073709551615", r#"{"a":[1.5,null]}"#, "1e300"] {
        let value: Json = serde_json::from_str(exact).unwrap();
        assert_eq!(vault.call("note", raw(exact)), Ok(value.clone()), "{exact}");
        assert_eq!(vault.take_events(), [("noted".to_owned(), value)]);
    }
    for (lossy, why) in [
        ("18446744073709551616", "would be rounded"),
        ("0.12345678901234567890123", "would be rounded"),
        (r#"{"a":1,"a":2}"#, r#"the name "a" occurs twice"#),
    ] {
        let refused = refusal(vault.call("note", raw(lossy)));
        assert!(refused.contains(why), "{refused}");
        let refused = refusal(vault.call("put", raw(&format!(r#"{{"note":{lossy}}}"#))));
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(vault.version(), 5, "rejected calls changed nothing");
}

#[test]
fn an_integer_may_be_written_as_a_float() {
    let mut vault = Harness::<Vault>::new();
    assert_eq!(vault.call("count", raw("5.0")), Ok(json!(5)));
    assert_eq!(vault.call_as::<u128>("add", raw("1e30")), Ok(10_u128.pow(30)));
    for (bad, why) in
        [("5.5", "floating point `5.5`"), ("256.0", "256"), ("4.99999999999999999999", "4.9")]
    {
        let refused = refusal(vault.call("count", raw(bad)));
        assert!(refused.contains(why), "{refused}");
    }
}

/// Mean of numbers.
mod mean {
    use super::*;

    #[derive(ObjectState)]
    pub(super) struct Mean {
        sum: f64,
        count: f64,
    }

    #[object]
    impl Mean {
        fn divide(&mut self) {
            self.sum /= self.count;
        }
    }
}

#[test]
#[should_panic(expected = "the state cannot be serialized: NaN is not a valid JSON number")]
fn a_state_that_could_not_be_read_again_is_not_stored() {
    let _ = Harness::<mean::Mean>::new().call("divide", ());
}

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

mod album {
    use super::*;

    /// Pictures by name.
    #[derive(ObjectState)]
    #[state(version = 2, codec = Postcard, migrate_from = AlbumV1)]
    pub(super) struct Album {
        pictures: BTreeMap<String, Bytes>,
    }

    /// State before pictures were stored as bytes.
    #[derive(ObjectState)]
    struct AlbumV1 {
        pictures: BTreeMap<String, Vec<u8>>,
    }

    impl From<AlbumV1> for Album {
        fn from(old: AlbumV1) -> Album {
            let pictures = old.pictures.into_iter();
            Album { pictures: pictures.map(|(name, bytes)| (name, bytes.into())).collect() }
        }
    }

    #[object]
    impl Album {
        fn add(&mut self, name: String, picture: Bytes) -> usize {
            self.pictures.insert(name, picture);
            self.pictures.len()
        }

        fn picture(&self, name: String) -> Option<&Bytes> {
            self.pictures.get(&name)
        }
    }
}

#[test]
fn a_state_is_stored_as_its_codec_says_and_shown_as_json() {
    let mut album = Harness::<album::Album>::new();
    let picture = json!({ "name": "cat", "picture": "AAEC/w==" });
    assert_eq!(album.call("add", picture), Ok(json!(1)));
    let stored = album.snapshot_bytes().to_vec();
    assert_eq!(stored, [&[1, 3][..], b"cat", &[4, 0, 1, 2, 255]].concat());
    assert_eq!(album.snapshot(), json!({ "pictures": { "cat": "AAEC/w==" } }));
    let mut again = Harness::<album::Album>::restored_bytes(&stored, 2).unwrap();
    assert_eq!(again.call_as::<Bytes>("picture", "cat"), Ok(Bytes::from([0, 1, 2, 255])));
    for damaged in [&stored[..stored.len() - 1], &[&stored[..], b"x"].concat(), b"{}x"] {
        assert!(Harness::<album::Album>::restored_bytes(damaged, 2).is_err(), "{damaged:?}");
    }
}

#[test]
fn a_state_of_an_older_version_is_read_with_the_codec_of_that_version() {
    let old = json!({ "pictures": { "cat": [0, 255] } });
    let album = Harness::<album::Album>::restored(old, 1).unwrap();
    assert_eq!(album.snapshot(), json!({ "pictures": { "cat": "AP8=" } }));
    assert_eq!(album.snapshot_bytes(), [1, 3, b'c', b'a', b't', 2, 0, 255]);
}

#[test]
fn callers_are_told_that_bytes_are_base64() {
    let description = Description::of::<album::Album>();
    assert_eq!(description.state_content_type, "application/x-postcard");
    assert_eq!(Description::of::<Vault>().state_content_type, "application/json");
    let add = description.handlers.iter().find(|handler| handler.name == "add").unwrap();
    let schema: Json = serde_json::from_str(&add.argument_schema).unwrap();
    let expected = json!({ "type": "string", "contentEncoding": "base64" });
    assert_eq!(schema["properties"]["picture"], expected);
}
