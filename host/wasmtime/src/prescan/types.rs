//! Bounds the nesting of a component's types, without recursion.
//!
//! A component type or an instance type is a list of declarations, some of which are such types again. Parsers and
//! compilers read them recursively, at three bytes per level, so the depth must be bounded before any of them runs.
//! This module keeps the open lists on an explicit stack, and leaves only types that cannot nest to the parser.

use highlander_core::engine::LoadError;
use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternName, ComponentImport, ComponentType,
    ComponentTypeRef, CoreType, FromReader,
};

use super::refusal::{bound, invalid, refused};

/// Maximum nesting of component types and instance types. Toolchains generate at most 3 levels.
const DEPTH_MAX: usize = 32;
/// Maximum number of declarations of all types together. A world with all of WASI has about 1,000.
const COUNT_MAX: u64 = 100_000;

/// Byte values in the binary format of component types.
mod byte {
    pub(super) const CORE_TYPE: u8 = 0x00;
    pub(super) const TYPE: u8 = 0x01;
    pub(super) const ALIAS: u8 = 0x02;
    pub(super) const IMPORT: u8 = 0x03;
    pub(super) const EXPORT: u8 = 0x04;
    pub(super) const COMPONENT: u8 = 0x41;
    pub(super) const INSTANCE: u8 = 0x42;
}

/// Rejects a section of types that is nested too deeply. `section` is its content, which begins at `offset`;
/// `count` is the number of declarations so far.
pub(super) fn check(section: &[u8], offset: usize, count: &mut u64) -> Result<(), LoadError> {
    let mut reader = BinaryReader::new(section, offset);
    // Number of declarations left in each open list. The section itself contains only types.
    let mut left = vec![reader.read_var_u32().map_err(invalid)?];
    while let Some(innermost) = left.last_mut() {
        let Some(others) = innermost.checked_sub(1) else {
            left.pop();
            continue;
        };
        *innermost = others;
        *count += 1;
        bound("type declarations", *count, COUNT_MAX)?;
        let is_in_section = left.len() == 1;
        if let Some(inner) = read_one(&mut reader, is_in_section)? {
            left.push(inner);
            bound("levels of nested types", left.len() as u64 - 1, DEPTH_MAX as u64)?;
        }
    }
    Ok(())
}

/// Reads one declaration. Of a type that is a list of declarations, reads only the head and returns their number.
fn read_one(reader: &mut BinaryReader<'_>, is_in_section: bool) -> Result<Option<u32>, LoadError> {
    let kind = if is_in_section { byte::TYPE } else { reader.read_u8().map_err(invalid)? };
    match kind {
        byte::TYPE => {
            let mut ahead = reader.clone();
            if matches!(ahead.read_u8().map_err(invalid)?, byte::COMPONENT | byte::INSTANCE) {
                let inner = ahead.read_var_u32().map_err(invalid)?;
                *reader = ahead;
                return Ok(Some(inner));
            }
            skip::<ComponentType<'_>>(reader)?;
        }
        byte::CORE_TYPE => skip::<CoreType<'_>>(reader)?,
        byte::ALIAS => skip::<ComponentAlias<'_>>(reader)?,
        byte::IMPORT => skip::<ComponentImport<'_>>(reader)?,
        byte::EXPORT => {
            skip::<ComponentExternName<'_>>(reader)?;
            skip::<ComponentTypeRef>(reader)?;
        }
        other => {
            let offset = reader.original_position();
            return Err(refused(&format!(
                "it declares a type with the unknown kind {other:#x} at byte {offset}"
            )));
        }
    }
    Ok(None)
}

fn skip<'a, T: FromReader<'a>>(reader: &mut BinaryReader<'a>) -> Result<(), LoadError> {
    reader.read::<T>().map(drop).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a section with one type of `depth` levels.
    fn nested(depth: usize, kind: u8) -> Vec<u8> {
        let mut section = vec![1];
        for level in 1..=depth {
            section.push(kind);
            section.push(u8::from(level < depth));
            if level < depth {
                section.push(byte::TYPE);
            }
        }
        section
    }

    fn checked(section: &[u8]) -> Result<(), String> {
        check(section, 0, &mut 0).map_err(|error| error.to_string())
    }

    #[test]
    fn types_are_nested_to_a_bound() {
        for kind in [byte::COMPONENT, byte::INSTANCE] {
            assert_eq!(checked(&nested(DEPTH_MAX, kind)), Ok(()));
            for depth in [DEPTH_MAX + 1, 300_000] {
                let text = checked(&nested(depth, kind)).unwrap_err();
                assert!(text.contains("levels of nested types; expected at most 32"), "{text}");
            }
        }
    }

    #[test]
    fn many_types_beside_each_other_are_bounded_in_number() {
        let types = |count: u32| {
            let mut section = Vec::new();
            let mut rest = count;
            while rest >= 0x80 {
                section.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            section.push(rest as u8);
            // Each one is a list of bytes.
            (0..count).for_each(|_| section.extend([0x70, 0x7d]));
            section
        };
        assert_eq!(checked(&types(100_000)), Ok(()));
        let text = checked(&types(100_001)).unwrap_err();
        assert!(text.contains("type declarations; expected at most 100000"), "{text}");
    }

    #[test]
    fn a_section_that_is_cut_off_or_lies_of_its_length_is_refused() {
        let whole = nested(3, byte::INSTANCE);
        for length in 0..whole.len() {
            assert!(checked(&whole[..length]).is_err(), "cut to {length}");
        }
        assert!(checked(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0x42, 0x00]).is_err());
        assert!(
            checked(&[1, 0x42, 1, 0x09])
                .unwrap_err()
                .contains("declares a type with the unknown kind 0x9")
        );
    }
}
