//! Components that text cannot express: bytes that are malformed, and counts that only a generator can write.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::compile_bomb::compile_bomb;
use super::component::HostileComponent;
use crate::artifacts;

/// First bytes of a component and of a core module.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// Largest number of 32 bits, in the variable encoding.
const MANY: &[u8] = b"\xff\xff\xff\xff\x0f";

/// Name, purpose, reason of the refusal, and bytes.
type Row = (&'static str, &'static str, &'static str, Vec<u8>);

/// Returns all generated components.
pub(super) fn components() -> Vec<HostileComponent> {
    let rows = [files(), cut_off(), sections(), lengths(), texts(), counts(), bombs()];
    let refused = rows.into_iter().flatten().map(|(name, purpose, reason, bytes)| {
        HostileComponent::refused(name, purpose, &format!("refused: {reason}"), bytes)
    });
    let large = HostileComponent::refused(
        "file-above-the-limit",
        "Half a megabyte more than a component may have, sent by a client that keeps its connection.",
        "refused body-too-large: ",
        vec![0; 4_700_000],
    );
    refused.chain([large]).collect()
}

/// Encodes a number in the variable encoding.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], &*number(content.len()), content].concat()
}

/// Returns a section with a list of `count` equal items.
fn list(id: u8, count: usize, item: &[u8]) -> Vec<u8> {
    section(id, &[number(count), item.repeat(count)].concat())
}

fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [COMPONENT, &*sections.concat()].concat()
}

/// Returns a component with one core module of these sections.
fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    component(&[section(1, &[MODULE, &*sections.concat()].concat())])
}

/// Returns types that are nested to this depth: of components (0x41) or of instances (0x42).
fn nested(depth: usize, kind: u8) -> Vec<u8> {
    let levels = [kind, 1, 1].repeat(depth - 1);
    component(&[section(7, &[&[1], &*levels, &[kind, 0]].concat())])
}

/// Returns types of which each is a list of the one before.
fn lists(count: usize) -> Vec<u8> {
    // Indices are signed numbers, so those from 64 on have a second byte.
    let index =
        |n: usize| if n < 64 { vec![n as u8] } else { vec![n as u8 | 0x80, (n >> 7) as u8] };
    (0..count).flat_map(|n| [vec![0x70], index(n)].concat()).collect()
}

/// Returns components that are nested to this depth.
fn nested_components(depth: usize) -> Vec<u8> {
    (1..depth).fold(component(&[]), |inner, _| component(&[section(4, &inner)]))
}

fn random(count: usize) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(7);
    (0..count).map(|_| random.random()).collect()
}

#[rustfmt::skip]
fn files() -> Vec<Row> {
    let not = "it is not a component";
    vec![
        ("file-script", "A shell script.", not, b"#!/bin/sh\nrm -rf /\n".to_vec()),
        ("file-executable", "A program of the operating system, as compiled code is.", not,
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0".repeat(50)),
        ("file-archive", "A compressed archive.", not, b"\x1f\x8b\x08\0\0\0\0\0\0\x03".repeat(50)),
        ("file-page", "A page for a browser.", not, b"<!doctype html><script>1</script>".to_vec()),
        ("file-text", "A component in the text format, which compilers may accept.", not,
            b"(component)".to_vec()),
        ("file-zeros", "Zeros.", not, vec![0; 100_000]),
        ("file-random", "Random bytes.", not, random(100_000)),
        ("file-random-component", "Random bytes after the first bytes of a component.", not,
            [COMPONENT, &*random(100_000)].concat()),
        ("module", "A core module.", "build it for wasm32-wasip2", MODULE.to_vec()),
        ("module-of-layer-2", "A binary of a layer that does not exist.", not,
            b"\0asm\x0d\0\x02\0".to_vec()),
        ("component-of-version-14", "A component of a version that does not exist.", not,
            b"\0asm\x0e\0\x01\0".to_vec()),
    ]
}

#[rustfmt::skip]
fn cut_off() -> Vec<Row> {
    let not = "it is not a component";
    let counter = artifacts::guest_bytes("counter");
    let cut = |length: usize| counter[..length].to_vec();
    let whole = counter.len();
    let flipped = |place: usize| {
        let mut wasm = counter.clone();
        wasm[place] ^= 0xff;
        wasm
    };
    vec![
        ("cut-off-in-the-magic", "A component of three bytes.", not, cut(3)),
        ("cut-off-in-the-version", "A component without the end of its version.", not, cut(6)),
        ("cut-off-in-a-section", "A component without most of its first section.", not, cut(20)),
        ("cut-off-in-the-middle", "Half of a component.", not, cut(whole / 2)),
        ("cut-off-before-the-end", "A component without its last byte.", not, cut(whole - 1)),
        ("magic-of-another-file", "A component with another first byte.", not, flipped(0)),
        ("length-with-all-bits-flipped", "A component whose first section has another length.", "",
            flipped(9)),
    ]
}

#[rustfmt::skip]
fn sections() -> Vec<Row> {
    let not = "it is not a component";
    let (types, functions) = (section(1, &[1, 0x60, 0, 0]), section(3, &[1, 0]));
    vec![
        ("section-unknown", "A section of a kind that does not exist.", "malformed section id",
            component(&[section(99, &[0])])),
        ("section-of-a-module-in-a-component", "A section of functions outside of a module.", "",
            component(&[section(12, &[1, 0])])),
        ("sections-in-another-order", "A module whose functions are declared after its code.", not,
            module(&[types.clone(), section(10, &[1, 2, 0, 0x0b]), functions.clone()])),
        ("section-twice", "A module with two sections of types.", not,
            module(&[types.clone(), types.clone()])),
        ("code-without-functions", "A module with the code of a function that it does not declare.", not,
            module(&[types.clone(), section(10, &[1, 2, 0, 0x0b])])),
        ("functions-without-code", "A module that declares a function without code.", not,
            module(&[types.clone(), functions.clone()])),
        ("function-that-does-not-end", "The code of a function without its last instruction.", "cannot be compiled",
            module(&[types.clone(), functions.clone(), section(10, &[1, 2, 0, 0x01])])),
        ("function-that-is-longer-than-its-section", "The code of a function goes on after its section.", not,
            module(&[types.clone(), functions.clone(), section(10, &[1, 0x7f, 0, 0x0b])])),
        ("function-of-a-type-that-does-not-exist", "A function of the 100th type of one.", "cannot be compiled",
            module(&[types.clone(), section(3, &[1, 99]), section(10, &[1, 2, 0, 0x0b])])),
        ("instruction-that-does-not-exist", "A function of an instruction without a meaning.", "cannot be compiled",
            module(&[types, functions, section(10, &[1, 3, 0, 0xff, 0x0b])])),
    ]
}

#[rustfmt::skip]
fn lengths() -> Vec<Row> {
    let not = "it is not a component";
    vec![
        ("length-of-4-gibibytes", "A section of 4 GiB, of which one byte follows.", not,
            [COMPONENT, &[7], MANY, &[0]].concat()),
        ("length-of-six-bytes", "A length in more bytes than a number may have.", not,
            [COMPONENT, &[7], b"\x80\x80\x80\x80\x80\x00"].concat()),
        ("length-with-unused-bits", "A length whose last byte has bits beyond the 32nd.", not,
            [COMPONENT, &[7], b"\x80\x80\x80\x80\x70"].concat()),
        ("types-without-end", "A section that announces 4 billion types.", "", component(&[section(7, MANY)])),
        ("imports-without-end", "A section that announces 4 billion imports.", "", component(&[section(10, MANY)])),
        ("exports-without-end", "A section that announces 4 billion exports.", "", component(&[section(11, MANY)])),
        ("functions-without-end", "A module that announces 4 billion functions.", "", module(&[section(3, MANY)])),
        ("locals-without-end", "Two groups of 4 billion locals.", "",
            module(&[section(1, &[1, 0x60, 0, 0]), section(3, &[1, 0]),
                section(10, &[&[1, 14, 2], MANY, &[0x7f], MANY, &[0x7f, 0x0b]].concat())])),
    ]
}

#[rustfmt::skip]
fn texts() -> Vec<Row> {
    vec![
        ("import-name-that-is-not-utf-8", "The name of an import is not UTF-8.", "UTF-8",
            component(&[section(10, b"\x01\x00\x02\xff\xfe\x01\x00")])),
        ("export-name-that-is-not-utf-8", "The name of a function of a module is not UTF-8.", "UTF-8",
            module(&[section(7, b"\x01\x02\xff\xfe\x00\x00")])),
        ("section-name-that-is-not-utf-8", "The name of a section is not UTF-8.", "",
            component(&[section(0, b"\x02\xff\xfe")])),
        ("section-name-without-end", "The name of a section is longer than the section.", "",
            component(&[section(0, MANY)])),
        ("import-name-with-an-escape-sequence", "The name of an import would clear a terminal.", "it imports",
            component(&[section(7, &[1, 0x40, 0, 1, 0]), section(10, b"\x01\x00\x05a\x1b[2J\x01\x00")])),
    ]
}

#[rustfmt::skip]
fn counts() -> Vec<Row> {
    let types = section(1, &[1, 0x60, 0, 0]);
    let compiled = "cannot be compiled";
    vec![
        ("types-of-33-levels", "Types of components, one level too deep.", "33 levels of nested types",
            nested(33, 0x41)),
        ("types-of-300000-levels", "Types of instances that would overflow the stack of a parser.",
            "33 levels of nested types", nested(300_000, 0x42)),
        ("types-beyond-the-maximum", "100,001 types.", "type declarations; expected at most 100000",
            component(&[list(7, 100_001, &[0x70, 0x7d])])),
        ("module-types-beyond-the-maximum", "A module with more types than the specification allows.", compiled,
            module(&[list(1, 1_000_001, &[0x60, 0, 0])])),
        ("functions-beyond-the-maximum", "A module with 100,001 functions.", "functions; expected at most 100000",
            module(&[types.clone(), list(3, 100_001, &[0]), list(10, 100_001, &[2, 0, 0x0b])])),
        ("imports-beyond-the-maximum", "A module with more imports than the specification allows.", compiled,
            module(&[types.clone(), list(2, 1_000_001, &[0, 0, 0, 0])])),
        ("globals-of-6-megabytes", "A module with 800,000 globals, which an instance holds beside its memory.", "",
            module(&[list(6, 800_000, &[0x7f, 0, 0x41, 0, 0x0b])])),
        ("tables-beyond-the-maximum", "A module with 101 tables.", compiled,
            module(&[list(4, 101, &[0x70, 0, 0])])),
        ("memories-beyond-the-maximum", "A module with 101 memories.", "101 memories in one module",
            module(&[list(5, 101, &[0, 0])])),
        ("data-beyond-the-maximum", "A module with more data segments than the specification allows.", compiled,
            module(&[section(5, &[1, 0, 1]), list(11, 100_001, &[0, 0x41, 0, 0x0b, 0])])),
        ("elements-beyond-the-maximum", "A module with more element segments than the specification allows.",
            compiled, module(&[section(4, &[1, 0x70, 0, 1]), list(9, 100_001, &[0, 0x41, 0, 0x0b, 0])])),
        ("exports-beyond-the-maximum", "A module that exports one name 1,000,001 times.", compiled,
            module(&[types, section(3, &[1, 0]), list(7, 1_000_001, &[0, 0, 0]), section(10, &[1, 2, 0, 0x0b])])),
        ("lists-of-200-levels", "A type of lists of lists.", compiled,
            component(&[section(7, &[number(201), vec![0x70, 0x7d], lists(200)].concat())])),
        ("components-of-130-levels", "130 components, each inside of the one before.",
            "modules and components inside", nested_components(130)),
        ("components-of-100-levels", "100 components, each inside of the one before.", "not a component of the world",
            nested_components(100)),
        ("modules-of-one-byte", "1,000 core modules that are cut off.", "", component(&vec![section(1, &[0]); 1_000])),
    ]
}

#[rustfmt::skip]
fn bombs() -> Vec<Row> {
    vec![
        ("compile-bomb-of-time", "20 KB that take a compiler about a minute.", "compile",
            compile_bomb(500, 1_000)),
        ("compile-bomb-of-memory", "60 KB that take a compiler more than 2 GiB.", "compile",
            compile_bomb(1_000, 3_000)),
        ("compile-bomb-of-loops", "Few locals in many nested loops.", "", compile_bomb(20, 20_000)),
        ("compile-bomb-of-locals", "Many locals in few nested loops.", "", compile_bomb(5_000, 30)),
    ]
}
