//! Opens the embedded store in the data directory of a standalone node.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use highlander_core::store::Store;
use highlander_embedded::Embedded;

/// Opens the store in `dir`, and describes it.
pub(super) fn open(dir: &Path) -> anyhow::Result<(Arc<dyn Store>, String)> {
    let store = Embedded::open(&dir.join("store"))
        .with_context(|| format!("cannot open the store in {}", dir.display()))?;
    let about = format!("embedded (conditional writes enforced) in {}", dir.display());
    Ok((Arc::new(store), about))
}
