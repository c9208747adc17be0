//! Numbers by their value, regardless of notation: `5`, `5.0` and `50e-1` are equal.
//!
//! Works on the text of numbers, so that nothing is rounded.

use super::text_length;

/// An integer by its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Integer {
    Unsigned(u64),
    Negative(i64),
    Large(u128),
    LargeNegative(i128),
}

/// A number as its significant digits, and the power of ten of the last digit.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// Without zeros at either end, so that each number has only one form. Empty for zero.
    digits: Vec<u8>,
    exponent: i64,
}

/// Whether this JSON is a number.
pub(super) fn is_number(json: &str) -> bool {
    json.bytes().next().is_some_and(|first| first == b'-' || first.is_ascii_digit())
}

/// Returns the value of a number if it is an integer of at most 128 bits.
pub(super) fn integer(number: &str) -> Option<Integer> {
    if !is_number(number) {
        return None;
    }
    if let Ok(integer) = number.parse::<u64>() {
        return Some(Integer::Unsigned(integer));
    }
    let decimal = Decimal::read(number)?;
    // No integer of 128 bits ends with more zeros.
    let zeros = u32::try_from(decimal.exponent).ok().filter(|zeros| *zeros < 39)?;
    let digits = decimal
        .digits
        .iter()
        .try_fold(0_u128, |sum, digit| sum.checked_mul(10)?.checked_add(u128::from(digit - b'0')));
    let size = digits?.checked_mul(10_u128.pow(zeros))?;
    if !decimal.is_negative || size == 0 {
        return Some(u64::try_from(size).map_or(Integer::Large(size), Integer::Unsigned));
    }
    let negative = 0_i128.checked_sub_unsigned(size)?;
    Some(i64::try_from(negative).map_or(Integer::LargeNegative(negative), Integer::Negative))
}

/// Returns the first number in `json` that a `Json` cannot hold exactly. A `Json` holds integers of 64 bits and
/// floats of 64 bits.
pub(super) fn inexact(json: &str) -> Option<&str> {
    let bytes = json.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..)?;
        let length = match byte {
            b'"' => text_length(rest),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let length = rest.iter().take_while(is_part).count();
                let number = json.get(at..at + length)?;
                if !is_exact(number) {
                    return Some(number);
                }
                length
            }
            _ => 1,
        };
        at += length;
    }
    None
}

fn is_exact(number: &str) -> bool {
    if number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok() {
        return true;
    }
    // It becomes a float, and is exact if the float is written as the same number.
    let Ok(float) = serde_json::from_slice::<f64>(number.as_bytes()) else { return false };
    let Ok(again) = serde_json::to_string(&float) else { return false };
    Decimal::read(number).is_some_and(|decimal| Decimal::read(&again) == Some(decimal))
}

impl Decimal {
    fn read(number: &str) -> Option<Decimal> {
        let (is_negative, size) = match number.strip_prefix('-') {
            Some(size) => (true, size),
            None => (false, number),
        };
        let (size, power) = size.split_once(['e', 'E']).unwrap_or((size, "0"));
        let (whole, fraction) = size.split_once('.').unwrap_or((size, ""));
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..leading);
        let trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
        digits.truncate(digits.len() - trailing);
        if digits.is_empty() {
            return Some(Decimal { is_negative, digits, exponent: 0 });
        }
        let power = power.parse::<i64>().ok()?;
        let exponent = power.checked_add(trailing as i64)?.checked_sub(fraction.len() as i64)?;
        Some(Decimal { is_negative, digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_by_their_value() {
        for (text, value) in [
            ("5", Integer::Unsigned(5)),
            ("5.0", Integer::Unsigned(5)),
            ("50e-1", Integer::Unsigned(5)),
            ("0.05E+2", Integer::Unsigned(5)),
            ("-0", Integer::Unsigned(0)),
            ("-0.000e7", Integer::Unsigned(0)),
            ("0e99999999999999999999", Integer::Unsigned(0)),
            ("-7.00", Integer::Negative(-7)),
            ("9007199254740993.0", Integer::Unsigned(9_007_199_254_740_993)),
            ("18446744073709551615", Integer::Unsigned(u64::MAX)),
            ("18446744073709551616", Integer::Large(1 << 64)),
            ("-9223372036854775808", Integer::Negative(i64::MIN)),
            ("-9223372036854775809", Integer::LargeNegative(i128::from(i64::MIN) - 1)),
            ("340282366920938463463374607431768211455", Integer::Large(u128::MAX)),
            ("-170141183460469231731687303715884105728", Integer::LargeNegative(i128::MIN)),
        ] {
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in [
            "5.5",
            "1e-1",
            "4.9999999999999999999999",
            "5.0000000000000000000001",
            "340282366920938463463374607431768211456",
            "-170141183460469231731687303715884105729",
            "1e39",
            "1e9999999999",
            "1e99999999999999999999",
            "\"5\"",
            "null",
            "[5]",
        ] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn what_json_would_round_is_found() {
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "0.1000000000000000055511151231257827",
            "1.00000000000000000001",
            "1e400",
        ] {
            assert_eq!(inexact(text), Some(text));
            let within = format!(r#"{{"a\\\"1e400": ["1e400", 1, {text}]}}"#);
            assert_eq!(inexact(&within), Some(text));
        }
        for text in ["0.1", "-0", "-0.0", "1e20", "100000000000000000000", "1.50", "5e-324", "[]"] {
            assert_eq!(inexact(text), None, "{text}");
        }
    }
}
