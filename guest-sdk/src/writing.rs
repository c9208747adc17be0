//! Serializes values as JSON: states, replies, arguments, events.
//!
//! A float that is not finite is rejected. `serde_json` would write `null`, which cannot be read back into the
//! state.

use std::fmt;

use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Ends the call with a panic, because the object's code produced a value that cannot be serialized.
#[track_caller]
#[cold]
#[expect(clippy::panic, reason = "a bug in an object's code traps, and the message is logged")]
pub(crate) fn cannot_be_written(what: &str, why: &dyn fmt::Display) -> ! {
    panic!("the {what} cannot be serialized: {why}")
}

/// Serializes `value` as JSON.
pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = Vec::with_capacity(128);
    append_json(&mut json, value)?;
    Ok(json)
}

/// Appends `value` as JSON to `json`.
pub(crate) fn append_json<T: Serialize + ?Sized>(
    json: &mut Vec<u8>,
    value: &T,
) -> Result<(), serde_json::Error> {
    value.serialize(Finite(&mut serde_json::Serializer::new(json)))
}

/// Wrapper that rejects floats that are not finite: around a serializer, a part of it, or a value.
struct Finite<T>(T);

impl<T: Serialize + ?Sized> Serialize for Finite<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Finite(serializer))
    }
}

#[cold]
fn no_number<E: Error>(float: f64) -> E {
    E::custom(format_args!("{float} is not a valid JSON number"))
}

macro_rules! passed_on {
    ($($method:ident($($value:ident: $type:ty),*);)*) => {$(
        fn $method(self, $($value: $type),*) -> Result<S::Ok, S::Error> {
            self.0.$method($($value),*)
        }
    )*};
}

macro_rules! begun {
    ($($method:ident($($value:ident: $type:ty),*) -> $part:ident;)*) => {$(
        fn $method(self, $($value: $type),*) -> Result<Finite<S::$part>, S::Error> {
            self.0.$method($($value),*).map(Finite)
        }
    )*};
}

impl<S: Serializer> Serializer for Finite<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Finite<S::SerializeSeq>;
    type SerializeTuple = Finite<S::SerializeTuple>;
    type SerializeTupleStruct = Finite<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Finite<S::SerializeTupleVariant>;
    type SerializeMap = Finite<S::SerializeMap>;
    type SerializeStruct = Finite<S::SerializeStruct>;
    type SerializeStructVariant = Finite<S::SerializeStructVariant>;

    passed_on! {
        serialize_bool(value: bool); serialize_i8(value: i8); serialize_i16(value: i16);
        serialize_i32(value: i32); serialize_i64(value: i64); serialize_i128(value: i128);
        serialize_u8(value: u8); serialize_u16(value: u16); serialize_u32(value: u32);
        serialize_u64(value: u64); serialize_u128(value: u128); serialize_char(value: char);
        serialize_str(value: &str); serialize_bytes(value: &[u8]); serialize_none();
        serialize_unit(); serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    begun! {
        serialize_seq(length: Option<usize>) -> SerializeSeq;
        serialize_tuple(length: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(
            name: &'static str, index: u32, variant: &'static str, length: usize
        ) -> SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct;
        serialize_struct_variant(
            name: &'static str, index: u32, variant: &'static str, length: usize
        ) -> SerializeStructVariant;
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if value.is_finite() { self.0.serialize_f32(value) } else { Err(no_number(value.into())) }
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if value.is_finite() { self.0.serialize_f64(value) } else { Err(no_number(value)) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Finite(value))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Finite(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Finite(value))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// Compound serializers, which take one value after another.
macro_rules! parts {
    ($($part:ident: $($method:ident($($name:ident: $type:ty)?))*;)*) => {$(
        impl<S: $part> $part for Finite<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            $(fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: $type,)?
                value: &T,
            ) -> Result<(), S::Error> {
                self.0.$method($($name,)? &Finite(value))
            })*

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )*};
}

parts! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key() serialize_value();
    SerializeStruct: serialize_field(name: &'static str);
    SerializeStructVariant: serialize_field(name: &'static str);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use highlander_macros::data;

    use super::to_json;
    use crate::Bytes;

    #[data]
    enum Shape {
        Point,
        Circle(f64),
        Line(f64, f64),
        Labelled { text: String, at: Option<f32> },
    }

    #[data]
    struct Drawing {
        shapes: Vec<Shape>,
        scale: BTreeMap<u64, f64>,
        of: (i128, u128, char, Bytes),
    }

    fn drawing(radius: f64) -> Drawing {
        let labelled = Shape::Labelled { text: "a\n".to_owned(), at: Some(0.5) };
        Drawing {
            shapes: vec![Shape::Point, Shape::Circle(radius), Shape::Line(-0.0, 2.5e300), labelled],
            scale: BTreeMap::from([(1, 0.1)]),
            of: (i128::MIN, u128::MAX, 'ä', Bytes::from([1, 2])),
        }
    }

    #[test]
    fn what_is_written_is_what_serde_json_writes() {
        let drawing = drawing(1.5);
        assert_eq!(to_json(&drawing).unwrap(), serde_json::to_vec(&drawing).unwrap());
        let raw = serde_json::value::RawValue::from_string("[1e1, 2]".to_owned()).unwrap();
        assert_eq!(to_json(&raw).unwrap(), b"[1e1, 2]");
        assert_eq!(
            to_json(&serde_json::json!({ "a": [1.5, null] })).unwrap(),
            br#"{"a":[1.5,null]}"#
        );
    }

    #[test]
    fn a_float_that_is_no_number_is_refused_wherever_it_is() {
        for radius in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = to_json(&drawing(radius)).unwrap_err().to_string();
            assert_eq!(error, format!("{radius} is not a valid JSON number"));
        }
        assert!(to_json(&Some(f32::NAN)).is_err());
        assert!(to_json(&[0.0, f64::NAN]).is_err());
        assert!(to_json(&BTreeMap::from([(1, (f64::NAN,))])).is_err());
        assert!(
            to_json(&Shape::Labelled { text: String::new(), at: Some(f32::INFINITY) }).is_err()
        );
    }
}
