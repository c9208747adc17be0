//! Deserializer around that of `serde_json`: reads numbers by their value, and can ignore unknown fields.
//!
//! It visits each value once and keeps nothing. Nested values are parsed from bytes, like the whole: parsing from
//! `&str` would add a second copy of `serde_json` to the component.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::value::CowStrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::value::RawValue;

use super::numbers::{self, Integer};

/// Prefix of the type names that `serde_json` handles specially.
const OWN_TYPES: &str = "$serde_json::";

/// Unknown fields: the struct decides. Types with `#[data]` and states reject them, because a dropped field is lost
/// data.
pub(super) const AS_DECLARED: bool = false;

/// Unknown fields are ignored: the next revision of another type may return more.
pub(super) const PASSED_OVER: bool = true;

/// Deserializes one value. `UNKNOWN` selects the handling of fields that a struct does not have. It is a constant
/// of the type, so that a component that reads no replies contains no code to ignore fields.
pub(super) struct Reader<D, const UNKNOWN: bool>(pub(super) D);

/// Wrapper that reads nested values in the same way. `known` are the fields of a struct if others are ignored.
struct Within<T, const UNKNOWN: bool> {
    inner: T,
    known: Option<&'static [&'static str]>,
}

impl<T, const UNKNOWN: bool> Within<T, UNKNOWN> {
    fn new(inner: T) -> Self {
        Within { inner, known: None }
    }

    fn of_struct(inner: T, fields: &'static [&'static str]) -> Self {
        Within { inner, known: (UNKNOWN == PASSED_OVER).then_some(fields) }
    }

    fn next<U>(&self, inner: U) -> Within<U, UNKNOWN> {
        Within { inner, known: self.known }
    }
}

impl<'de, D: Deserializer<'de>, const UNKNOWN: bool> Reader<D, UNKNOWN> {
    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let raw = <&RawValue>::deserialize(self.0)?.get();
        match numbers::integer(raw) {
            Some(Integer::Unsigned(integer)) => visitor.visit_u64(integer),
            Some(Integer::Negative(integer)) => visitor.visit_i64(integer),
            Some(Integer::Large(integer)) => visitor.visit_u128(integer),
            Some(Integer::LargeNegative(integer)) => visitor.visit_i128(integer),
            None => Err(no_integer(raw, &visitor)),
        }
    }
}

/// Returns serde's error for a value that is not an integer.
#[cold]
fn no_integer<E: Error>(json: &str, expected: &dyn serde::de::Expected) -> E {
    if numbers::is_number(json) {
        let float = serde_json::from_slice::<f64>(json.as_bytes());
        return match float {
            Ok(float) if float.fract() != 0.0 => {
                E::invalid_type(Unexpected::Float(float), expected)
            }
            _ => E::invalid_value(Unexpected::Other(&format!("the number {json}")), expected),
        };
    }
    let text;
    let found = match json.bytes().next() {
        Some(b'"') => {
            text = serde_json::from_slice::<String>(json.as_bytes()).unwrap_or_default();
            Unexpected::Str(&text)
        }
        Some(b't') => Unexpected::Bool(true),
        Some(b'f') => Unexpected::Bool(false),
        Some(b'[') => Unexpected::Seq,
        Some(b'{') => Unexpected::Map,
        _ => Unexpected::Other("null"),
    };
    E::invalid_type(found, expected)
}

/// Deserializes a value for `Json` and similar types. They do not declare a precision, so inexact numbers are
/// rejected.
fn any<'de, V: Visitor<'de>, E: Error>(json: &'de str, visitor: V) -> Result<V::Value, E> {
    if let Some(number) = numbers::inexact(json) {
        return Err(E::custom(format_args!(
            "the number {number:.60} would be rounded here; send it as text, or use a type that can hold it"
        )));
    }
    let mut json = serde_json::Deserializer::from_slice(json.as_bytes());
    json.deserialize_any(visitor).map_err(|error| {
        let text = error.to_string();
        // The position is relative to this value, and the caller counts from the start of the whole text.
        E::custom(text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what))
    })
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.integer(visitor)
        }
    )*};
}

macro_rules! passed_on {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>, const UNKNOWN: bool> Deserializer<'de> for Reader<D, UNKNOWN> {
    type Error = D::Error;

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    passed_on! {
        deserialize_bool deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        any(<&RawValue>::deserialize(self.0)?.get(), visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(Within::<_, UNKNOWN>::new(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name.starts_with(OWN_TYPES) {
            return self.0.deserialize_newtype_struct(name, visitor);
        }
        self.0.deserialize_newtype_struct(name, Within::<_, UNKNOWN>::new(visitor))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_seq(Within::<_, UNKNOWN>::new(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(length, Within::<_, UNKNOWN>::new(visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple_struct(name, length, Within::<_, UNKNOWN>::new(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Within::<_, UNKNOWN>::new(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Within::<_, UNKNOWN>::of_struct(visitor, fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, Within::<_, UNKNOWN>::new(visitor))
    }
}

macro_rules! visited {
    ($($method:ident($($value:ident: $type:ty)?);)*) => {$(
        fn $method<E: Error>(self, $($value: $type)?) -> Result<V::Value, E> {
            self.inner.$method($($value)?)
        }
    )*};
}

impl<'de, V: Visitor<'de>, const UNKNOWN: bool> Visitor<'de> for Within<V, UNKNOWN> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.expecting(f)
    }

    visited! {
        visit_bool(value: bool); visit_i64(value: i64); visit_i128(value: i128); visit_u64(value: u64);
        visit_u128(value: u128); visit_f64(value: f64); visit_char(value: char);
        visit_str(value: &str); visit_borrowed_str(value: &'de str); visit_string(value: String);
        visit_bytes(value: &[u8]); visit_borrowed_bytes(value: &'de [u8]);
        visit_byte_buf(value: Vec<u8>); visit_none(); visit_unit();
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Reader::<_, UNKNOWN>(json))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, json: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Reader::<_, UNKNOWN>(json))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let items = self.next(items);
        self.inner.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        let fields = self.next(fields);
        self.inner.visit_map(fields)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        let variant = self.next(variant);
        self.inner.visit_enum(variant)
    }
}

impl<'de, S: DeserializeSeed<'de>, const UNKNOWN: bool> DeserializeSeed<'de>
    for Within<S, UNKNOWN>
{
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Reader::<_, UNKNOWN>(json))
    }
}

impl<'de, A: SeqAccess<'de>, const UNKNOWN: bool> SeqAccess<'de> for Within<A, UNKNOWN> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.next(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// Name of a field, borrowed if it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Name<'de>, D::Error> {
        struct AnyName;
        impl<'de> Visitor<'de> for AnyName {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a field name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }

            fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
        }
        json.deserialize_str(AnyName)
    }
}

impl<'de, A: MapAccess<'de>, const UNKNOWN: bool> MapAccess<'de> for Within<A, UNKNOWN> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let (PASSED_OVER, Some(known)) = (UNKNOWN, self.known) else {
            return self.inner.next_key_seed(seed);
        };
        while let Some(Name(name)) = self.inner.next_key::<Name<'de>>()? {
            if known.contains(&name.as_ref()) {
                let name: CowStrDeserializer<'de, A::Error> = name.into_deserializer();
                return seed.deserialize(name).map(Some);
            }
            self.inner.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Within::<_, UNKNOWN>::new(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>, const UNKNOWN: bool> EnumAccess<'de> for Within<A, UNKNOWN> {
    type Error = A::Error;
    type Variant = Within<A::Variant, UNKNOWN>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Within<A::Variant, UNKNOWN>), A::Error> {
        let (name, inner) = self.inner.variant_seed(seed)?;
        Ok((name, Within::new(inner)))
    }
}

impl<'de, A: VariantAccess<'de>, const UNKNOWN: bool> VariantAccess<'de> for Within<A, UNKNOWN> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.next(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let within = self.next(visitor);
        self.inner.tuple_variant(length, within)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Within::<_, UNKNOWN>::of_struct(visitor, fields))
    }
}
