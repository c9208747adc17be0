//! Search for duplicate names in an object of a JSON text.
//!
//! The text may be anything; the parser rejects invalid JSON. Nothing here recurses. The names are kept in the map
//! type that schemas use: another collection or a sort would add kilobytes to every component.

use serde_json::Map;

use super::text_length;
use crate::Json;

/// Returns a name that occurs twice in one object, if there is one.
pub(super) fn twice(json: &[u8]) -> Option<String> {
    // Names of each open object, innermost last. `None` stands for an array.
    let mut open: Vec<Option<Map<String, Json>>> = Vec::new();
    let mut expects_name = false;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                expects_name = *byte == b'{';
                open.push(expects_name.then(Map::new));
            }
            b'}' | b']' => {
                open.pop();
                expects_name = false;
            }
            b',' => expects_name = matches!(open.last(), Some(Some(_))),
            b'"' => {
                let text = json.get(at - 1..)?;
                let length = text_length(text);
                if let (true, Some(Some(names))) = (expects_name, open.last_mut()) {
                    let name = read(text.get(..length)?);
                    if names.contains_key(&name) {
                        return Some(name);
                    }
                    names.insert(name, Json::Null);
                }
                expects_name = false;
                at += length - 1;
            }
            _ => {}
        }
    }
    None
}

/// Decodes escapes, because a character can be escaped in several ways. An invalid name is compared by its raw
/// bytes.
fn read(quoted: &[u8]) -> String {
    let name = serde_json::from_slice(quoted);
    name.unwrap_or_else(|_| quoted.iter().copied().map(char::from).collect())
}

/// Shortens a name for an error message.
pub(super) fn shown(name: &str) -> &str {
    let end = name.char_indices().nth(100).map_or(name.len(), |(end, _)| end);
    name.get(..end).unwrap_or_default()
}
