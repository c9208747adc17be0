//! How far the nodes of a cluster are with a revision, as they say it over HTTP.
//! What a roll-out is to come to is not known here.

use serde_json::Value;

use super::Cluster;
use crate::client::Client;
use crate::wait;

impl Cluster {
    /// What one node says of a roll-out, if it says anything.
    pub async fn rollout(&self, index: usize, type_name: &str) -> Option<Value> {
        rollout(&self.client(index), type_name).await
    }

    /// The stage of a roll-out as one node knows it; `none` where there is none.
    pub async fn stage(&self, index: usize, type_name: &str) -> Option<String> {
        let rollout = self.rollout(index, type_name).await?;
        Some(rollout["rollout"]["stage"].as_str().unwrap_or("none").to_owned())
    }

    /// Waits until all nodes that run serve this revision of a type to all their live objects, and nothing is on its
    /// way any more.
    ///
    /// # Panics
    /// Where that takes too long.
    pub async fn serves(&self, type_name: &str, revision: u64) {
        let _ = self.settled(type_name, Some(revision)).await;
    }

    /// The same of whichever revision it is. Gives its number.
    ///
    /// # Panics
    /// Where that takes too long.
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
                // A node that has not used the type yet has no word of it.
                revisions.extend(said["current"].as_u64().filter(|current| *current != 0));
            }
            revisions.dedup();
            settled = revisions.first().copied().filter(|_| revisions.len() == 1);
            settled = settled.filter(|found| wanted.is_none_or(|wanted| wanted == *found));
            settled.is_some()
        })
        .await;
        settled.expect("it was waited for")
    }
}

async fn rollout(client: &Client, type_name: &str) -> Option<Value> {
    let said = client.get(&format!("/v1/types/{type_name}/rollout")).try_send().await.ok()?;
    (said.status == 200).then(|| said.json())
}

/// Whether all nodes know the same of a type and their objects have heard of it, as one of them says.
fn is_settled(said: &Value, count: usize) -> bool {
    let nodes = said["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let used = nodes.iter().map(|node| &node["progress"]).filter(|progress| progress["mark"] != 0);
    let used: Vec<_> = used.collect();
    let is_told = used
        .iter()
        .all(|progress| progress["is_tried"] == true && progress["mark"] == used[0]["mark"]);
    let is_over = matches!(said["rollout"]["stage"].as_str(), None | Some("watching"));
    nodes.len() == count && !used.is_empty() && is_told && is_over
}
