//! Looks for a name that stands twice in one object of a JSON text.
//!
//! The text may be anything: what is no JSON is for the parser to refuse. Nothing here recurses, and the time is that
//! of sorting the names.

use std::borrow::Cow;

use super::text_length;

/// The names of the objects that are open, the innermost last.
#[derive(Default)]
struct Open<'a> {
    names: Vec<Cow<'a, [u8]>>,
    /// For each open object where its names begin, and none for an array.
    frames: Vec<Option<usize>>,
}

/// A name that stands twice, if there is one.
pub(super) fn twice(json: &[u8]) -> Option<String> {
    let mut open = Open::default();
    let mut expects_name = false;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'{' => {
                open.frames.push(Some(open.names.len()));
                expects_name = true;
            }
            b'[' => {
                open.frames.push(None);
                expects_name = false;
            }
            b'}' | b']' => {
                if let Some(name) = open.close() {
                    return Some(name);
                }
                expects_name = false;
            }
            b',' => expects_name = matches!(open.frames.last(), Some(Some(_))),
            b'"' => {
                let text = json.get(at - 1..)?;
                let length = text_length(text);
                if std::mem::take(&mut expects_name) {
                    open.names.push(plain(text.get(..length)?));
                }
                at += length - 1;
            }
            _ => {}
        }
    }
    None
}

impl Open<'_> {
    /// Closes the innermost; a name that it has twice.
    fn close(&mut self) -> Option<String> {
        let begin = self.frames.pop()??;
        let names = self.names.get_mut(begin..)?;
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair.first() == pair.last());
        let twice = twice.and_then(<[_]>::first).map(|name| shown(name));
        self.names.truncate(begin);
        twice
    }
}

/// The name without escapes, of which one letter may have several. `quoted` is as it stands in the text.
fn plain(quoted: &[u8]) -> Cow<'_, [u8]> {
    let name = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if !name.contains(&b'\\') {
        return Cow::Borrowed(name);
    }
    let read = serde_json::from_slice::<String>(quoted);
    read.map_or(Cow::Borrowed(name), |name| Cow::Owned(name.into_bytes()))
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(100).collect()
}
