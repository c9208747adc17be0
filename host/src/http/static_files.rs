//! Serves the files of one directory at `/web/`, so that a page has the same origin as the node and browsers let
//! it call objects.
//!
//! Intended for development: read-only, one level deep, read again for each request, and without checks of the content.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use highlander_core::error::Error;
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue};
use rustix::fs::OFlags;

use super::problem::Problem;
use super::route::unknown_route;
use super::{Api, Reply, response};

/// Maximum file size. Each file is loaded into memory as a whole.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// File served for `/web/`.
const INDEX: &str = "index.html";
/// Media types by file name extension. Other files are not served.
const TYPES: [(&str, &str); 6] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("json", "application/json"),
];
const HEADERS: [(HeaderName, &str); 2] =
    [(CACHE_CONTROL, "no-cache"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// Returns the media types of all files that may be served, without their parameters.
pub(super) fn media_types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(_, media_type)| media_type.split(';').next().unwrap_or(media_type))
}

impl Api {
    /// Serves the file at `/web/{name}`.
    pub(super) async fn web(&self, name: &str) -> Result<Reply, Problem> {
        let path = format!("/web/{name}");
        let Some(folder) = &self.config.web else {
            let hint = "to serve your own page, start the node with: highlander dev --web FOLDER";
            return Err(unknown_route(&path).with_hint(hint).into());
        };
        let name = if name.is_empty() { INDEX } else { name };
        let media_type = media_type(name).ok_or_else(|| absent(&path))?;
        let file = folder.join(name);
        let reading = tokio::task::spawn_blocking(move || read(&file));
        let read = reading.await.map_err(io::Error::other).and_then(|read| read);
        let bytes = read.map_err(|error| {
            tracing::debug!(%error, path, "a file cannot be served");
            absent(&path)
        })?;
        let mut reply = response::text(media_type, bytes);
        for (name, value) in HEADERS {
            reply.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(reply)
    }
}

fn absent(path: &str) -> Error {
    let ends = TYPES.map(|(end, _)| end).join(", ");
    unknown_route(path).with_hint(format!(
        "only files directly in the folder are served, with one of these extensions: {ends}"
    ))
}

/// Returns the media type for a file name, or `None` if files of this name are never served.
fn media_type(name: &str) -> Option<&'static str> {
    let is_plain =
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    let (stem, end) = name.rsplit_once('.')?;
    if !is_plain || stem.is_empty() || name.starts_with('.') {
        return None;
    }
    TYPES.iter().find(|(known, _)| *known == end).map(|(_, media_type)| *media_type)
}

/// Reads a whole regular file. Other kinds are rejected: a link may lead anywhere, and reading a pipe may never end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}
