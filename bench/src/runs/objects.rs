//! `objects`: a query from one object to another, on the same node and across nodes, compared with a direct query.
//!
//! The cost of a call between objects is the difference of two medians, measured by one client: of a call to an
//! object that queries another one and returns its reply, and of the direct query. Both nodes are real, with
//! claims in ZooKeeper and records on S3; queries write nothing.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Plan, touch};
use crate::cluster::Cluster;
use crate::load::{self, Target, Until};
use crate::process::Server;
use crate::report::{Bound, Report};
use crate::{http_client, subject};

const TYPE: &str = "interacting";
const ASKED: &str = "called by the client";
const SAME: &str = "called by an object of the same node";
const OTHER: &str = "called by an object of another node";
const P50: &str = "p50 of one client, µs";
const P99: &str = "p99 of one client, µs";
/// Number of objects that are tried to find one on each node.
const TRIES: usize = 64;

pub(super) async fn run(plan: &Plan) -> Result<Report> {
    let mut report = Report::new("objects", "Query of an object by another object");
    let cluster = Cluster::start(&plan.artifacts, &["first", "second"]).await?;
    let [first, second] = cluster.nodes.as_slice() else { bail!("expected two nodes") };
    subject::deploy(&plan.artifacts, first, TYPE).await?;
    let here = find(first, "first", "a").await?;
    let near = find(first, "first", "b").await?;
    let far = find(first, "second", "c").await?;
    // The other node is called once, so that it has loaded the type.
    touch(second, &target(&far, "alarms", &Value::Null), 1).await?;
    let turns = [
        (ASKED, target(&near, "alarms", &Value::Null)),
        (SAME, target(&here, "ask", &query_of(&near))),
        (OTHER, target(&here, "ask", &query_of(&far))),
    ];
    for (_, target) in &turns {
        touch(first, target, 2_000).await?;
    }
    for _ in 0..plan.round_count {
        for (name, target) in &turns {
            let until = Until::Elapsed(plan.turn / 2);
            let seen = load::closed(first.address, target, 1, until).await?.all_done()?;
            report.add(P50, name, seen.latencies.micros_at(0.5));
            report.add(P99, name, seen.latencies.micros_at(0.99));
        }
    }
    let asked = report.median(P50, ASKED);
    let cost = |name| report.median(P50, name) - asked;
    let (same, other) = (cost(SAME), cost(OTHER));
    report.aim("objects: p50 of a call on one node, µs", Bound::AtMost, 300.0, same);
    report.aim("objects: p50 of a call across nodes, µs", Bound::AtMost, 1_000.0, other);
    Ok(report)
}

fn target(key: &str, handler: &str, argument: &Value) -> Target {
    Target {
        type_name: TYPE,
        prefix: key.to_owned(),
        key_count: 1,
        handler: handler.to_owned(),
        argument: argument.to_string(),
    }
}

/// Returns the key that a target derives from `key`.
fn whole(key: &str) -> String {
    format!("{key}0")
}

fn query_of(key: &str) -> Value {
    json!({ "type": TYPE, "key": whole(key), "handler": "alarms" })
}

/// Finds a key whose object is on the node whose name begins with `node`.
async fn find(through: &Server, node: &str, prefix: &str) -> Result<String> {
    for index in 0..TRIES {
        let key = format!("{prefix}{index}-");
        touch(through, &target(&key, "alarms", &Value::Null), 1).await?;
        let path = format!("/v1/objects/{TYPE}/{}/owner", whole(&key));
        let text = http_client::get(through.address, &path).await?.done()?;
        let document: Value = serde_json::from_str(&text)?;
        let owner =
            document.get("node").and_then(Value::as_str).context("the object has no owner")?;
        if owner.starts_with(node) {
            return Ok(key);
        }
    }
    bail!("none of {TRIES} objects is on {node}")
}
