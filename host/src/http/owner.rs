//! Response header that names the owner of an object, in answers and in errors.

use highlander_core::id::NodeId;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The object's owner, if another node responds.
pub(super) const OWNER: HeaderName = HeaderName::from_static("highlander-owner");

/// Adds the object's owner. The name of a node of this program is always a valid header value.
pub(super) fn name_owner(headers: &mut HeaderMap, owner: &NodeId) {
    if let Ok(name) = HeaderValue::from_str(owner.as_str()) {
        headers.insert(OWNER, name);
    }
}
