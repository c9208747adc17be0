//! Prepares the sessions of a node with ZooKeeper, and the agreement of the ensemble with the store.

use std::sync::Arc;

use highlander_core::registry::Sessions;
use highlander_core::store::Store;
use highlander_zookeeper::ZooKeeperSessions;

use crate::config::Config;
use crate::server::records::{Place, Records};

/// Returns the sessions of the node that other nodes reach at `address`, and describes the registry.
pub(super) fn sessions(
    config: &Config,
    address: &str,
    store: &Arc<dyn Store>,
) -> anyhow::Result<(Arc<dyn Sessions>, String)> {
    let mut options = config.zookeeper_options(address)?;
    let place = Place {
        registry: options.connect.clone(),
        name: config.store_name(),
        endpoint: config.store.endpoint.clone().unwrap_or_default(),
    };
    let records = Records::new(Arc::clone(store), place, &config.data_dir);
    options.store = Some(Arc::new(records));
    let about =
        format!("zookeeper at {}, where this node has the address {address}", options.connect);
    Ok((Arc::new(ZooKeeperSessions::new(options)), about))
}
