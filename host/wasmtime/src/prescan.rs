//! Inspects an uploaded component before the compiler processes it.
//!
//! The prescan rejects bytes that are not a component, unavailable imports, and shapes that would occupy a compiler
//! for long or overflow its stack. The compile time of a function grows with its length times its locals, and
//! nested types ([`types`]) are read recursively. The bounds are far above the needs of JavaScript and Python
//! runtimes. The compiler validates the component; the prescan does not.

mod refusal;
mod types;

use highlander_core::engine::LoadError;
use wasmparser::{
    CanonicalOption, Encoding, FunctionBody, ImportSectionReader, Parser, Payload, TypeRef,
};

use self::refusal::{bound, invalid, refused};
use super::config::CORE_INSTANCES_MAX;
use super::imports;

/// Maximum number of functions of a component, in all its modules.
const FUNCTION_COUNT_MAX: u64 = 100_000;
/// Maximum size of a function body.
const BODY_BYTES_MAX: u64 = 1024 * 1024;
/// Maximum number of locals of a function.
const LOCAL_COUNT_MAX: u64 = 20_000;
/// Limit for length times locals of one function. 220 KB with 3,000 locals (660 million) took a compiler 39 s and
/// 1.2 GB.
const FUNCTION_WORK_MAX: u64 = 200_000_000;
/// The same limit for the sum over all functions.
const COMPONENT_WORK_MAX: u64 = 2_000_000_000;
/// Maximum number of core modules and nested components.
const NESTED_COUNT_MAX: usize = 2 * CORE_INSTANCES_MAX;
/// Maximum number of memories of one core module, including imported ones. The engine accepts more, because the
/// code that it generates between two components of a composition accesses two memories; guests do not need this.
const MODULE_MEMORY_COUNT_MAX: u64 = 1;

/// State of the scan.
#[derive(Debug, Default)]
struct Scan {
    /// Number of memories of the component and of each open module or component within it.
    open: Vec<u64>,
    nested_count: usize,
    function_count: u64,
    work: u64,
    type_count: u64,
}

/// Scans the component.
pub(super) fn scan(wasm: &[u8]) -> Result<(), LoadError> {
    let mut scan = Scan::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| {
            // Some messages continue with byte dumps.
            let text = error.message().lines().next().unwrap_or_default();
            refused(&format!("it is not a component: {text} at byte {}", error.offset()))
        })?;
        scan.payload(&payload, wasm)?;
    }
    Ok(())
}

impl Scan {
    fn payload(&mut self, payload: &Payload<'_>, wasm: &[u8]) -> Result<(), LoadError> {
        match payload {
            Payload::Version { encoding, .. } => self.begin(*encoding),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.nested_count += 1;
                bound(
                    "modules and components inside",
                    self.nested_count as u64,
                    NESTED_COUNT_MAX as u64,
                )
            }
            Payload::End(_) => {
                self.open.pop();
                Ok(())
            }
            Payload::ComponentTypeSection(section) => {
                let range = section.range();
                let offset = range.start;
                let bytes = wasm.get(range).unwrap_or_default();
                types::check(bytes, offset, &mut self.type_count)
            }
            Payload::ComponentImportSection(section) if self.open.len() == 1 => {
                for import in section.clone() {
                    check_import(import.map_err(invalid)?.name.name)?;
                }
                Ok(())
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section.clone() {
                    check_encoding(&function.map_err(invalid)?)?;
                }
                Ok(())
            }
            Payload::ImportSection(section) => self.memories(count_imported_memories(section)?),
            Payload::MemorySection(section) => self.memories(section.count().into()),
            Payload::CodeSectionEntry(body) => self.function(body),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, encoding: Encoding) -> Result<(), LoadError> {
        if self.open.is_empty() && encoding == Encoding::Module {
            return Err(refused(
                "it is a core module, not a component: build it for wasm32-wasip2",
            ));
        }
        self.open.push(0);
        Ok(())
    }

    /// Counts further memories of the innermost open module.
    fn memories(&mut self, more: u64) -> Result<(), LoadError> {
        let Some(count) = self.open.last_mut() else { return Ok(()) };
        *count = count.saturating_add(more);
        bound("memories in one module", *count, MODULE_MEMORY_COUNT_MAX)
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), LoadError> {
        let bytes = (body.range().end - body.range().start) as u64;
        let locals = count_locals(body)?;
        let work = bytes.saturating_mul(locals.max(1));
        self.function_count += 1;
        self.work = self.work.saturating_add(work);
        bound("functions", self.function_count, FUNCTION_COUNT_MAX)?;
        bound("bytes in one function", bytes, BODY_BYTES_MAX)?;
        bound("locals in one function", locals, LOCAL_COUNT_MAX)?;
        bound("bytes times locals in one function", work, FUNCTION_WORK_MAX)?;
        bound("bytes times locals in all functions", self.work, COMPONENT_WORK_MAX)
    }
}

fn count_locals(body: &FunctionBody<'_>) -> Result<u64, LoadError> {
    let mut count = 0_u64;
    for group in body.get_locals_reader().map_err(invalid)? {
        let (in_group, _) = group.map_err(invalid)?;
        count = count.saturating_add(u64::from(in_group));
    }
    Ok(count)
}

fn count_imported_memories(section: &ImportSectionReader<'_>) -> Result<u64, LoadError> {
    let mut count = 0;
    for import in section.clone().into_imports() {
        count += u64::from(matches!(import.map_err(invalid)?.ty, TypeRef::Memory(_)));
    }
    Ok(count)
}

fn check_import(name: &str) -> Result<(), LoadError> {
    if imports::is_allowed(name) {
        return Ok(());
    }
    // Toolchains that bundle a language runtime import all of WASI by default.
    let advice = match name.split_once(':') {
        Some(("wasi", _)) => {
            "; build it with --disable http fetch-event (componentize-js) or --stub-wasi \
             (componentize-py)"
        }
        _ => "",
    };
    Err(refused(&format!("it imports {name}, which the host does not grant{advice}")))
}

/// Only UTF-8 strings may pass between guest and host: the other encodings are rarely used code on a trust
/// boundary.
fn check_encoding(function: &wasmparser::CanonicalFunction) -> Result<(), LoadError> {
    let options = match function {
        wasmparser::CanonicalFunction::Lift { options, .. }
        | wasmparser::CanonicalFunction::Lower { options, .. } => options,
        _ => return Ok(()),
    };
    let is_other = |option: &CanonicalOption| {
        matches!(option, CanonicalOption::UTF16 | CanonicalOption::CompactUTF16)
    };
    if options.iter().any(is_other) {
        return Err(refused("it passes text as UTF-16; only UTF-8 is supported"));
    }
    Ok(())
}
