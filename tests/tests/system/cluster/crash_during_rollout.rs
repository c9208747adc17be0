//! Nodes that die at each step of a deployment: the revision reaches all nodes or none, and no object goes back.
//!
//! Each step is held open until the node is dead. Either the store holds a write or returns no component, or a
//! paused third node is not ready or has not notified its objects. Each node dies in turn, so one of them is the
//! node that coordinates the roll-out.

use std::time::Duration;

use highlander_s3_server::faults::{Fault, Operation, Rule};
use highlander_tests::cluster::Cluster;
use highlander_tests::cluster::load::{Load, Manner};
use highlander_tests::cluster::objects::Objects;
use highlander_tests::cluster::options::ClusterOptions;
use highlander_tests::iterations::iterations;
use highlander_tests::{artifacts, seed, wait};
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::time::Instant;

/// Step of the deployment at which a node dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The component is stored; the write of the record takes effect after the node's death.
    Late,
    /// As [`Step::Late`], but another deployment is recorded before that write.
    Lost,
    /// The roll-out is recorded, and no node can fetch the component.
    Recorded,
    /// The node is ready, and another is not.
    Compiled,
    /// Two nodes have notified their objects, and the third has not.
    Rolling,
    /// All nodes have notified their objects.
    Watching,
}

const STEPS: [Step; 6] =
    [Step::Late, Step::Lost, Step::Recorded, Step::Compiled, Step::Rolling, Step::Watching];

/// A round in which one node dies, another serves and observes, and a third one keeps steps open.
struct Round<'a> {
    cluster: &'a Cluster,
    name: String,
    victim: usize,
    observer: usize,
    third: usize,
    /// Node that receives the deployment.
    through: usize,
    /// Newest revision before the round.
    newest: u64,
}

impl Round<'_> {
    fn component(&self, name: &str) -> Vec<u8> {
        artifacts::variant_bytes("journal", &format!("{}{name}", self.name))
    }

    /// Holds every change of the type's record until it is released.
    fn hold_record(&self) {
        let hold = Rule::new(Fault::Hold).on(Operation::Put).key_with("types/journal");
        self.cluster.faults().add(hold);
    }

    /// Deploys without waiting for the end of the roll-out.
    async fn deploy(&self) {
        let client = self.cluster.client(self.through);
        let reply = client.upload_on("wait=false", self.component("next")).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        assert_eq!(reply.json()["revision"], self.newest + 1);
    }

    /// Waits until the roll-out has this stage and a condition holds for the nodes' reports, as the observer sees
    /// them.
    async fn is_at(&self, stage: &str, holds: impl Fn(&dyn Fn(usize) -> Value) -> bool) {
        wait::until(&format!("{}: {stage}", self.name), async || {
            let Some(said) = self.cluster.rollout(self.observer, "journal").await else {
                return false;
            };
            let progress = |index: usize| {
                let nodes = said["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
                let is_it = |node: &&Value| {
                    let id = node["id"].as_str().unwrap_or_default();
                    self.cluster.node(index).is_called(id)
                };
                nodes.iter().find(is_it).map_or(Value::Null, |node| node["progress"].clone())
            };
            let is_next = said["rollout"]["revision"] == self.newest + 1;
            is_next && said["rollout"]["stage"] == stage && holds(&progress)
        })
        .await;
    }

    /// Whether a node has read the same record as the observer, and can run the new revision.
    fn is_ready(&self, progress: &Value, of: &dyn Fn(usize) -> Value) -> bool {
        progress["generation"] == of(self.observer)["generation"]
            && progress["readiness"] == "ready"
    }

    /// Brings the deployment to this step, kills the node, and releases what held the step. Returns the revision
    /// that all nodes must serve in the end.
    async fn die_at(&self, step: Step) -> u64 {
        let (victim, third) = (self.cluster.node(self.victim), self.cluster.node(self.third));
        match step {
            Step::Late | Step::Lost => self.die_before_record(step == Step::Lost).await,
            Step::Recorded => {
                let no_component = Rule::new(Fault::Refuse(503, "SlowDown"));
                let no_component = no_component.on(Operation::Get).key_with("components/");
                self.cluster.faults().add(no_component);
                self.deploy().await;
                let recorded = self.shown().await["rollout"].clone();
                assert_eq!(
                    (&recorded["revision"], &recorded["stage"]),
                    (&json!(self.newest + 1), &json!("preparing"))
                );
                victim.kill9();
            }
            Step::Compiled => {
                third.freeze();
                self.deploy().await;
                self.is_at("preparing", |of| self.is_ready(&of(self.victim), of)).await;
                victim.kill9();
            }
            Step::Rolling => {
                third.freeze();
                self.deploy().await;
                self.is_at("preparing", |of| self.is_ready(&of(self.victim), of)).await;
                self.hold_record();
                third.thaw();
                let held = self.cluster.faults();
                wait::within("all are ready", held.wait_for_held(1)).await;
                third.freeze();
                held.release();
                self.is_at("rolling", |of| {
                    let two = [self.victim, self.observer].map(of);
                    let have_applied = two.iter().all(|node| node["is_applied"] == true);
                    have_applied && self.is_ready(&two[0], of) && of(self.third).is_null()
                })
                .await;
                victim.kill9();
            }
            Step::Watching => {
                self.deploy().await;
                self.is_at("verifying", |_| true).await;
                victim.kill9();
            }
        }
        self.cluster.faults().clear();
        third.thaw();
        self.newest + 1
    }

    /// Kills the victim after it has stored the component, while its write of the record is held.
    async fn die_before_record(&self, is_lost: bool) {
        let components = || self.cluster.store().keys("test/components/").len();
        let before = components();
        let hold = Rule::new(Fault::Hold).on(Operation::Put).key_with("types/journal").times(1);
        self.cluster.faults().add(hold);
        let client = self.cluster.client(self.victim);
        let wasm = self.component("next");
        let uploading = tokio::spawn(async move {
            client.request(reqwest::Method::POST, "/v1/types").body(wasm).try_send().await
        });
        let held = self.cluster.faults();
        wait::within("the record is about to be written", held.wait_for_held(1)).await;
        self.cluster.node(self.victim).kill9();
        assert!(uploading.await.unwrap().is_err(), "the caller must not get a response");
        assert_eq!(components(), before + 1);
        assert_eq!(self.revisions().await.len() as u64, self.newest);
        if is_lost {
            let reply = self.cluster.client(self.observer).upload(self.component("other")).await;
            assert_eq!(reply.status, 201, "{}", reply.text());
            held.release();
            let last = self.revisions().await.pop().expect("the other revision");
            assert_eq!(last["digest"], reply.json()["digest"]);
        }
    }

    /// Returns the type as recorded.
    async fn shown(&self) -> Value {
        let client = self.cluster.client(self.observer);
        client.get("/v1/types/journal").send().await.done().json()
    }

    async fn revisions(&self) -> Vec<Value> {
        self.shown().await["revisions"].as_array().expect("a list").clone()
    }
}

/// In about half of the rounds the node is back before its session has expired.
#[tokio::test]
async fn a_revision_arrives_or_was_never_there_whichever_node_dies_at_whichever_step() {
    let test = "a_revision_arrives_or_was_never_there_whichever_node_dies_at_whichever_step";
    let mut random = seed::random_numbers(test);
    // Longer than a node is paused.
    let options = ClusterOptions::new().session(Duration::from_secs(10));
    let cluster = Cluster::start(options).await;
    let objects = Objects::journals("deployed", 12);
    let first_victim = random.random_range(0..3);
    let mut newest = 1;
    for round in 0..usize::try_from(iterations(6, 72)).unwrap() {
        let step = STEPS[round % STEPS.len()];
        let turn = round / STEPS.len();
        let victim = (first_victim + round + turn) % 3;
        let (observer, third) = ((victim + 1) % 3, (victim + 2) % 3);
        let is_early = matches!(step, Step::Late | Step::Lost);
        let through = if is_early || random.random() { victim } else { observer };
        let is_back_soon = random.random();
        let name = format!("{round}-{step:?}-");
        let round = Round { cluster: &cluster, name, victim, observer, third, through, newest };

        // Their owner stays up, so their calls must never fail.
        let prefix = format!("journal/{}beside", round.name);
        let beside = Objects::new(cluster.objects_with(observer, &prefix, 3).await);
        let beside_load = Manner::of(&cluster, 2).through(&[observer]);
        let beside_load = Load::start(&cluster, &beside, beside_load, &mut random);
        let mut took = Duration::ZERO;
        let met = super::under_patient_load(&cluster, &objects, &mut random, async || {
            newest = round.die_at(step).await;
            let died = Instant::now();
            if is_back_soon {
                cluster.node(victim).restart().await;
            }
            cluster.serves("journal", newest).await;
            took = died.elapsed();
            if !cluster.node(victim).is_running() {
                cluster.node(victim).restart().await;
            }
        })
        .await;
        let met_beside = beside_load.stop().await;
        eprintln!(
            "{} node {victim}, through {through}: served by all nodes after {took:.1?}; {} calls \
             of other objects, {met_beside:?}; {met:?}",
            round.name,
            beside.answered_count(),
        );
        assert_eq!(met_beside.failed, 0, "{met_beside:?}");
        assert_eq!(met.given_up, 0, "{met:?}");
        cluster.is_whole().await;
        cluster.serves("journal", newest).await;
        for (number, recorder) in objects.recorders().iter().enumerate() {
            let read = cluster.client(number % 3).call(recorder.object(), "digest");
            assert_eq!(read.send().await.done().revision(), newest, "{}", recorder.object());
        }
        let _ = beside.check_history(&cluster).await;
        beside.judge_revisions();
    }
    let last = cluster.rollout(0, "journal").await.expect("the node knows the type");
    assert_eq!(last["current"], json!(newest));
    let _ = objects.check_history(&cluster).await;
    objects.judge_revisions();
}
