//! `swap-served`: time from a deployment until all of many active objects on three nodes run the new revision.
//!
//! The benchmark reads the stage of the roll-out from the type's record at the S3 server, without polling the
//! nodes. After each deployment it calls every object, and the new revision must reply.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use highlander_core::catalog::record::{self, TypeRecord};
use highlander_core::catalog::rollout::Stage;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::artifacts::variant;
use crate::cluster::Cluster;
use crate::fixtures::Blobs;
use crate::http_client::Connection;
use crate::load::Target;
use crate::report::Report;
use crate::runs::{Length, Plan};
use crate::subject;

const OBJECT_COUNT: u64 = 10_000;
const OBJECT_COUNT_QUICK: u64 = 300;
/// Polling interval of the type's record.
const LOOK: Duration = Duration::from_millis(2);
const NEW: &str = "a component new to the nodes";
const KNOWN: &str = "one that they have compiled";
const RECORDED: &str = "recorded, s";
const PREPARED: &str = "every node ready, s";
const ROLLED: &str = "every object runs it, s";
const SERVED: &str = "from the deployment to its answer, s";

pub(in crate::runs) async fn run(plan: &Plan) -> Result<Report> {
    let is_quick = plan.length == Length::Quick;
    let count = if is_quick { OBJECT_COUNT_QUICK } else { OBJECT_COUNT };
    let title = "Time from a deployment until all objects on 3 nodes run it";
    let mut report = Report::new("swap-served", title);
    let cluster = Arc::new(Cluster::start(&plan.artifacts, &["first", "second", "third"]).await?);
    let wasm = std::fs::read(plan.artifacts.guest("counter")?)?;
    let mut newest = subject::upload(cluster.address()?, &wasm).await?;
    let queries = Target::counters("served", count, "value");
    cluster.fill(&Target { handler: "increment".to_owned(), ..queries.clone() }).await?;
    // The first deployment completes one-time work.
    let rounds = std::iter::once(None).chain((0..plan.round_count).map(Some));
    for round in rounds {
        let other = variant(&wasm, &round.map_or("first".to_owned(), |round| round.to_string()))?;
        for (name, wasm) in [(NEW, other), (KNOWN, wasm.clone())] {
            let times = deploy(&cluster, wasm, newest).await?;
            newest += 1;
            all_answer(&cluster, &queries, newest).await?;
            if round.is_some() {
                times.add(&mut report, name);
            }
        }
    }
    report.note(format!(
        "{count} active counters; after each deployment, the new revision answered for every counter"
    ));
    report.note("each part begins when the previous one ends; the last column is the total");
    Ok(report)
}

/// Ends of the phases of a deployment, as times since its beginning.
#[derive(Debug, Clone, Copy, Default)]
struct Times {
    recorded: Option<Duration>,
    prepared: Option<Duration>,
    rolled: Option<Duration>,
    served: Duration,
}

impl Times {
    fn add(&self, report: &mut Report, name: &str) {
        let Self { recorded, prepared, rolled, served } = *self;
        let mut before = Duration::ZERO;
        for (metric, time) in [(RECORDED, recorded), (PREPARED, prepared), (ROLLED, rolled)] {
            // A phase that ended between two polls counts as ended at the second.
            let time = time.unwrap_or(served);
            report.add(metric, name, time.saturating_sub(before).as_secs_f64());
            before = time;
        }
        report.add(SERVED, name, served.as_secs_f64());
    }
}

/// Deploys the revision after `newest`, and observes its phases.
async fn deploy(cluster: &Arc<Cluster>, wasm: Vec<u8>, newest: u32) -> Result<Times> {
    let address = cluster.address()?;
    let began = Instant::now();
    let upload = tokio::spawn(async move { subject::upload(address, &wasm).await });
    let mut times = Times::default();
    while !upload.is_finished() {
        times.look(&record(&cluster.blobs)?, newest, began.elapsed());
        sleep(LOOK).await;
    }
    times.served = began.elapsed();
    let revision = upload.await??;
    ensure!(revision == newest + 1, "revision {revision} came after {newest}");
    times.look(&record(&cluster.blobs)?, newest, times.served);
    Ok(times)
}

impl Times {
    /// Records the phases that have ended according to the type's record.
    fn look(&mut self, record: &TypeRecord, newest: u32, at: Duration) {
        if record.entry(newest + 1).is_none() {
            return;
        }
        let rollout = record.rollout.as_ref().filter(|open| open.revision == newest + 1);
        let stage = rollout.map(|open| open.stage);
        self.recorded.get_or_insert(at);
        if stage != Some(Stage::Preparing) {
            self.prepared.get_or_insert(at);
        }
        if !matches!(stage, Some(Stage::Preparing | Stage::Rolling)) {
            self.rolled.get_or_insert(at);
        }
    }
}

/// Returns the present record of the counters' type.
fn record(blobs: &Blobs) -> Result<TypeRecord> {
    let blob = blobs.blob(&record::type_blob("counter"))?;
    TypeRecord::decode("counter", &blob)
        .map_err(|why| anyhow!("the type's record cannot be read: {why}"))
}

/// Calls each object once, through all nodes in turn, and checks that the revision replies.
async fn all_answer(cluster: &Cluster, target: &Target, revision: u32) -> Result<()> {
    let addresses = cluster.addresses();
    let mut clients = JoinSet::new();
    for (place, address) in addresses.iter().enumerate() {
        let keys = (place as u64..target.key_count).step_by(addresses.len());
        clients.spawn(answers(*address, target.clone(), keys, revision));
    }
    while let Some(answered) = clients.join_next().await {
        answered??;
    }
    Ok(())
}

async fn answers(
    address: SocketAddr,
    target: Target,
    keys: impl Iterator<Item = u64> + Send,
    revision: u32,
) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let mut request = Vec::new();
    for key in keys {
        target.write(&mut request, key);
        let answer = connection.exchange(&request).await?;
        ensure!(answer.status == 200, "status {} after a deployment", answer.status);
        let found = answer.revision().with_context(|| format!("object {key}"))?;
        ensure!(found == revision, "object {key} was answered by revision {found}, not {revision}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use highlander_core::caller::call_policy::TypeSet;
    use highlander_core::catalog::record::RevisionEntry;
    use highlander_core::catalog::rollout::{Rollout, RolloutScope};
    use highlander_core::engine::Description;
    use highlander_core::id::{Digest, TypeName};

    use super::*;

    /// Returns a record with revisions 1 and 2, the second of which is in this stage.
    fn record_in(stage: Option<Stage>) -> TypeRecord {
        let name = TypeName::new("counter").unwrap();
        let mut record = TypeRecord::new(name.clone());
        record.revisions.extend([1, 2].map(|number| RevisionEntry {
            number,
            digest: Digest::of(b""),
            deployed_at_ms: 0,
            deployed_by: String::new(),
            may_call: TypeSet::Every,
            keys: Vec::new(),
            size: 0,
            rolled_back: None,
            copy: 0,
            retired_at_ms: None,
            is_collected: false,
            description: Description {
                name: name.clone(),
                documentation: String::new(),
                schema_version: 1,
                state_content_type: String::new(),
                state: serde_json::Value::Null,
                handlers: Vec::new(),
                publish_state: false,
            },
        }));
        record.rollout = stage.map(|stage| Rollout {
            revision: 2,
            previous: 1,
            stage,
            scope: RolloutScope::All,
            failures_per_mille_max: None,
            since_ms: 0,
            by: String::new(),
        });
        record
    }

    #[test]
    fn each_part_of_a_deployment_ends_where_the_record_says_so_first() {
        let mut times = Times::default();
        let stages = [Stage::Preparing, Stage::Preparing, Stage::Rolling, Stage::Verifying];
        times.look(&TypeRecord::new(TypeName::new("counter").unwrap()), 1, Duration::ZERO);
        assert_eq!(times.recorded, None);
        for (stage, second) in stages.into_iter().zip(1..) {
            times.look(&record_in(Some(stage)), 1, Duration::from_secs(second));
        }
        times.served = Duration::from_secs(6);
        let mut report = Report::new("test", "");
        times.add(&mut report, NEW);
        let found = [RECORDED, PREPARED, ROLLED, SERVED].map(|metric| report.median(metric, NEW));
        assert_eq!(found, [1.0, 2.0, 1.0, 6.0]);
    }

    #[test]
    fn what_was_over_between_two_looks_was_over_at_the_second() {
        let mut times = Times::default();
        times.look(&record_in(None), 1, Duration::from_secs(3));
        let all = [times.recorded, times.prepared, times.rolled];
        assert_eq!(all, [Some(Duration::from_secs(3)); 3]);
    }
}
