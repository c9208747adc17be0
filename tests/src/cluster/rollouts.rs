//! Progress of a roll-out on the nodes of a cluster, as reported over HTTP.

use serde_json::Value;

use super::Cluster;
use crate::client::Client;
use crate::wait;

impl Cluster {
    /// Returns one node's report of a roll-out, if it responds.
    pub async fn rollout(&self, index: usize, type_name: &str) -> Option<Value> {
        rollout(&self.client(index), type_name).await
    }

    /// Returns the stage of a roll-out as one node sees it, or `none` without a roll-out.
    pub async fn stage(&self, index: usize, type_name: &str) -> Option<String> {
        let rollout = self.rollout(index, type_name).await?;
        Some(rollout["rollout"]["stage"].as_str().unwrap_or("none").to_owned())
    }

    /// Waits until all running nodes serve this revision of a type to all their live objects, and no roll-out is
    /// open.
    ///
    /// # Panics
    /// If the time limit expires.
    pub async fn serves(&self, type_name: &str, revision: u64) {
        let _ = self.settled(type_name, Some(revision)).await;
    }

    /// Waits for the same state with any revision, and returns its number.
    ///
    /// # Panics
    /// If the time limit expires.
    pub async fn settled_revision(&self, type_name: &str) -> u64 {
        self.settled(type_name, None).await
    }

    async fn settled(&self, type_name: &str, wanted: Option<u64>) -> u64 {
        let running: Vec<_> = self.members.iter().filter(|member| member.is_running()).collect();
        let mut settled = None;
        let what = format!("all nodes serve one revision of {type_name}");
        wait::until(&what, async || {
            let mut revisions = Vec::new();
            for member in &running {
                let Some(said) = rollout(&Client::new(&member.url()), type_name).await else {
                    return false;
                };
                if !is_settled(&said, running.len()) {
                    return false;
                }
                // A node that has not used the type yet has no entry for it.
                revisions.extend(said["current"].as_u64().filter(|current| *current != 0));
            }
            revisions.dedup();
            settled = revisions.first().copied().filter(|_| revisions.len() == 1);
            settled = settled.filter(|found| wanted.is_none_or(|wanted| wanted == *found));
            settled.is_some()
        })
        .await;
        settled.expect("waited for above")
    }
}

async fn rollout(client: &Client, type_name: &str) -> Option<Value> {
    let said = client.get(&format!("/v1/types/{type_name}/rollout")).try_send().await.ok()?;
    (said.status == 200).then(|| said.json())
}

/// Whether all nodes have the same view of a type and have notified their objects, according to one of them.
fn is_settled(said: &Value, count: usize) -> bool {
    let nodes = said["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let used =
        nodes.iter().map(|node| &node["progress"]).filter(|progress| progress["generation"] != 0);
    let used: Vec<_> = used.collect();
    let is_told = used.iter().all(|progress| {
        progress["is_probed"] == true && progress["generation"] == used[0]["generation"]
    });
    let is_over = matches!(said["rollout"]["stage"].as_str(), None | Some("verifying"));
    nodes.len() == count && !used.is_empty() && is_told && is_over
}
