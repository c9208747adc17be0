//! Reads the reply of another object, and passes over fields that its reader does not know.
//!
//! A next revision may answer with more than the one before, which is no break. States and arguments are read
//! strictly, since what is dropped there is lost.

use serde::de::value::{MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::Json;

type Error = serde_json::Error;

/// Reads it.
pub(crate) fn read<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, Error> {
    R::deserialize(Lenient(serde_json::from_slice(bytes)?))
}

struct Lenient(Json);

impl<'de> IntoDeserializer<'de, Error> for Lenient {
    type Deserializer = Lenient;

    fn into_deserializer(self) -> Lenient {
        self
    }
}

impl<'de> Deserializer<'de> for Lenient {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Json::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Lenient));
                let read = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(read)
            }
            Json::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| (Key(name), Lenient(value)));
                let mut fields = MapDeserializer::new(fields);
                let read = visitor.visit_map(&mut fields)?;
                fields.end()?;
                Ok(read)
            }
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let Json::Object(fields) = &mut self.0 {
            fields.retain(|name, _| known.contains(&name.as_str()));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Json::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let variant = match self.0 {
            Json::String(name) => Variant { name, content: None },
            Json::Object(fields) => match fields.into_iter().next() {
                Some((name, content)) => Variant { name, content: Some(content) },
                None => return Err(Error::invalid_type(Unexpected::Map, &"a variant")),
            },
            _ => return Err(Error::invalid_type(Unexpected::Other("no text"), &"a variant")),
        };
        visitor.visit_enum(variant)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// A variant of an enum: its name alone, or with what is in it.
struct Variant {
    name: String,
    content: Option<Json>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Variant;

    fn variant_seed<V: DeserializeSeed<'de>>(
        mut self,
        seed: V,
    ) -> Result<(V::Value, Variant), Error> {
        let name: StringDeserializer<Error> = std::mem::take(&mut self.name).into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl Variant {
    fn content(self) -> Lenient {
        Lenient(self.content.unwrap_or(Json::Null))
    }
}

impl<'de> VariantAccess<'de> for Variant {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.content())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.content().deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.content().deserialize_struct("", known, visitor)
    }
}

/// A key of a map, which is text in JSON, whatever it is in the map.
struct Key(String);

impl<'de> IntoDeserializer<'de, Error> for Key {
    type Deserializer = Key;

    fn into_deserializer(self) -> Key {
        self
    }
}

/// Numbers are read from their digits.
macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match serde_json::from_str::<serde_json::Number>(&self.0) {
                Ok(number) => number.$method(visitor),
                Err(_) => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Variant { name: self.0, content: None })
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use highlander_macros::data;

    use super::read;

    #[data]
    struct Page {
        number: u8,
        note: Option<String>,
        kind: Kind,
    }

    #[data]
    #[derive(PartialOrd, Eq, Ord)]
    enum Kind {
        Blank,
        Drawn { by: String },
        Glued(u8, u8),
    }

    #[track_caller]
    fn check<T: serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
        json: &str,
        expected: &T,
    ) {
        assert_eq!(&read::<T>(json.as_bytes()).unwrap(), expected);
    }

    fn page(kind: Kind) -> Page {
        Page { number: 1, note: None, kind }
    }

    #[test]
    fn fields_that_nobody_knows_are_passed_over_at_every_depth() {
        check(r#"{"number":1,"kind":"blank","size":[3]}"#, &page(Kind::Blank));
        let drawn = Kind::Drawn { by: "ada".to_owned() };
        check(r#"[{"number":1,"kind":{"drawn":{"by":"ada","at":5}},"x":1}]"#, &vec![page(drawn)]);
        check(
            r#"{"a":{"number":1,"kind":{"glued":[1,2]},"x":1}}"#,
            &BTreeMap::from([("a".to_owned(), page(Kind::Glued(1, 2)))]),
        );
    }

    #[test]
    fn keys_of_maps_are_what_they_are_in_the_map() {
        check(r#"{"3":true}"#, &BTreeMap::from([(3_u64, true)]));
        check(r#"{"-3":1.5}"#, &BTreeMap::from([(-3_i32, 1.5)]));
        check(r#"{"blank":null}"#, &BTreeMap::from([(Kind::Blank, None::<u8>)]));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for json in [
            r#"{"number":300,"kind":"blank"}"#,
            r#"{"number":1}"#,
            r#"{"number":1,"kind":{}}"#,
            "7",
            "{",
        ] {
            assert!(read::<Page>(json.as_bytes()).is_err(), "{json}");
        }
        assert!(read::<BTreeMap<u64, u8>>(br#"{"x":1}"#).is_err());
    }

    #[test]
    fn anything_at_all_can_be_read() {
        let json = serde_json::json!({ "a": [1, null, "x", { "b": 1.5 }] });
        check(&json.to_string(), &json);
    }
}
