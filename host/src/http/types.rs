//! Routes that change types: deploying components, roll-backs and removals; and the progress of roll-outs.
//!
//! A component is only a limited number of bytes here; the catalog validates it.

use std::sync::Arc;

use bytes::Bytes;
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::catalog::repeated::{Back, RolledBack};
use highlander_core::catalog::rollout::RolloutScope;
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{Digest, TypeName};
use highlander_core::rollout::{Awaited, Milestone, ProgressQuery, Report};
use http::StatusCode;
use http::request::Parts;

use super::problem::Problem;
use super::request::malformed;
use super::unread_body::{Kind, Unread};
use super::{Api, Reply, query, request, response};
use crate::rehearsal;
use crate::removal::{self, RemovalMode};
use crate::rollout::{self, Wait};
use crate::router::membership::unknown_members;
use crate::wire::rehearsals::Sample;
use crate::wire::rollouts::{NodeProgress, Released, Rollout, RolloutStatus};
use crate::wire::types::Removed;

impl Api {
    pub(super) async fn deploy(&self, parts: &Parts, body: Unread) -> Result<Reply, Problem> {
        let (wasm, asked) = self.component(parts, body, asked(parts)).await?;
        let Asked { options, wait, rehearse } = asked;
        // Compiled before the task: if the client disconnects, the upload leaves the compiler's queue.
        let catalog = self.router.node().catalog();
        let component = catalog.uploaded(Digest::of(&wasm), wasm.clone(), &options.by).await?;
        // Runs in a separate task: if the client disconnects, a revision must not stay current without any object
        // that runs it.
        let (router, rehearsals) = (Arc::clone(&self.router), Arc::clone(&self.rehearsals));
        let deploying = tokio::spawn(async move {
            let _compiled = component;
            if let Some(sample) = rehearse {
                let rehearsal = rehearsals.run(&router, wasm.clone(), sample, &options.by).await?;
                rehearsal::passed(&rehearsal).or_else(|error| match options.force {
                    true => Ok(()),
                    false => Err(error),
                })?;
            }
            rollout::deploy(&router, wasm, &options, wait).await
        });
        let deployed = deploying.await.map_err(|_| {
            let text =
                "the node had an internal error during the deployment; the revision may be current";
            Error::new(ErrorCode::OutcomeUnknown, text)
        })??;
        let status = match (deployed.is_new(), wait) {
            (true, Wait::AllNodes) => StatusCode::CREATED,
            (true, Wait::Nothing) => StatusCode::ACCEPTED,
            (false, _) => StatusCode::OK,
        };
        let document = Released {
            digest: Some(deployed.digest),
            is_new: deployed.is_new(),
            revision: deployed.revision,
            scope: Some(deployed.scope),
            type_name: deployed.type_name,
        };
        Ok(response::json(status, &document))
    }

    /// Reads the component from a request's body, and returns it with the parsed head.
    pub(super) async fn component<T>(
        &self,
        parts: &Parts,
        body: Unread,
        said: Result<T, Error>,
    ) -> Result<(Bytes, T), Error> {
        let kind = Kind { media_type: "application/wasm", bytes_max: self.config.component_max };
        let read = body.read(&parts.headers, kind, said).await;
        let (wasm, said) = read.map_err(|error| match error.code {
            ErrorCode::BodyTooLarge => {
                error.with_hint("the limit is node.component_max of the node's configuration")
            }
            _ => error,
        })?;
        if wasm.is_empty() {
            return Err(malformed("the body is empty; expected a component"));
        }
        Ok((wasm, said))
    }

    pub(super) async fn rollout(&self, parts: &Parts, name: &TypeName) -> Result<Reply, Problem> {
        let context = request::context(&parts.headers)?;
        let query = progress_query(parts)?;
        let reports = match context.hops {
            // The client infers from the reports whether every node serves a revision, so all members must be included.
            0 => self.router.survey(name, query).await.ok_or_else(unknown_members)?.reports,
            _ => self.router.progress(name, query, context).await,
        };
        let catalog = self.router.node().catalog();
        let mut record = catalog.record(name.as_str());
        // A node that has never used the type reports none to another node. A client must get an error if the type
        // does not exist or was removed.
        let is_live = record.as_ref().is_some_and(|record| record.removed.is_none());
        if !is_live && context.hops == 0 {
            record = Some(catalog.revisions(name.as_str()).await?);
        }
        let nodes = reports.into_iter().map(|Report { node, progress }| NodeProgress {
            id: node.as_str().to_owned(),
            progress,
        });
        let document = RolloutStatus {
            type_name: name.as_str().to_owned(),
            current: record.as_ref().map_or(0, |record| record.current),
            rollout: record.and_then(|record| record.rollout.clone()).map(Rollout::from),
            nodes: nodes.collect(),
        };
        Ok(response::json(StatusCode::OK, &document))
    }

    pub(super) async fn remove_type(
        &self,
        parts: &Parts,
        name: TypeName,
    ) -> Result<Reply, Problem> {
        let mut force = false;
        for (parameter, value) in query::parameters(parts) {
            force = query::flag(&parameter, &value)?;
        }
        let (router, by, type_name) =
            (Arc::clone(&self.router), request::caller(parts), name.clone());
        let mode = if force { RemovalMode::Forced } else { RemovalMode::Checked };
        // Runs in a separate task: if the client disconnects, a type that has objects must not stay removed
        // without `force`.
        let removing =
            tokio::spawn(async move { removal::remove(&router, &type_name, mode, &by).await });
        let objects = removing.await.map_err(|_| {
            let text =
                "the node had an internal error during the removal, which may have taken effect";
            Error::new(ErrorCode::OutcomeUnknown, text)
        })??;
        let is_counted_whole = objects < removal::COUNT_MAX;
        let document = Removed { is_counted_whole, objects: objects as u64, type_name: name };
        Ok(response::json(StatusCode::OK, &document))
    }

    pub(super) async fn roll_back(&self, parts: &Parts, name: &TypeName) -> Result<Reply, Problem> {
        let key = request::idempotency_key(&parts.headers)?.map(str::to_owned);
        let mut back = Back { to: None, by: request::caller(parts), key };
        let mut wait = Wait::AllNodes;
        for (parameter, value) in query::parameters(parts) {
            match parameter.as_str() {
                "to" => back.to = Some(query::number(&parameter, &value)?),
                _ => wait = Wait::for_all_nodes_if(query::flag(&parameter, &value)?),
            }
        }
        let (router, type_name) = (Arc::clone(&self.router), name.clone());
        let rolling =
            tokio::spawn(async move { rollout::roll_back(&router, &type_name, &back, wait).await });
        let RolledBack { revision, is_new } = rolling.await.map_err(|_| {
            let text = "the node had an internal error during the roll-back, which may continue";
            Error::new(ErrorCode::OutcomeUnknown, text)
        })??;
        let status = match wait {
            Wait::AllNodes => StatusCode::OK,
            Wait::Nothing => StatusCode::ACCEPTED,
        };
        let type_name = name.clone();
        let document = Released { digest: None, is_new, revision, scope: None, type_name };
        Ok(response::json(status, &document))
    }
}

/// Parameters of a deployment.
struct Asked {
    options: DeployOptions,
    /// Whether to respond only when every node serves the revision.
    wait: Wait,
    /// Number of objects on which to rehearse the revision first, if at all.
    rehearse: Option<Sample>,
}

fn asked(parts: &Parts) -> Result<Asked, Error> {
    let key = request::idempotency_key(&parts.headers)?.map(str::to_owned);
    let mut options = DeployOptions { by: request::caller(parts), key, ..DeployOptions::default() };
    let (mut wait, mut rehearse, mut keys) = (Wait::AllNodes, None, Vec::new());
    for (name, value) in query::parameters(parts) {
        match name.as_str() {
            "canary" => options.scope = RolloutScope::Percent(percent(&name, &value)?),
            "canary_key" => keys.push(query::key(&name, value)?),
            "force" => options.force = query::flag(&name, &value)?,
            "rehearse" => rehearse = Some(value.parse().map_err(malformed)?),
            "max_failures" if value == "none" => options.failures_per_mille_max = None,
            "max_failures" => options.failures_per_mille_max = Some(per_mille(&name, &value)?),
            _ => wait = Wait::for_all_nodes_if(query::flag(&name, &value)?),
        }
    }
    match (&options.scope, keys.is_empty()) {
        (_, true) => {}
        (RolloutScope::All, false) => options.scope = RolloutScope::Keys(keys),
        _ => return Err(malformed("the parameters canary and canary_key cannot be combined")),
    }
    Ok(Asked { options, wait, rehearse })
}

/// Parses a whole percentage from 1 to 99.
fn percent(name: &str, value: &str) -> Result<u8, Error> {
    let digits = value.strip_suffix('%').unwrap_or(value);
    let percent = digits.parse().ok().filter(|percent| (1..=99).contains(percent));
    percent.ok_or_else(|| {
        malformed(format!("the parameter {name:?} is not valid; expected a share from 1% to 99%"))
    })
}

/// Parses a percentage such as `2.5%`, rounded to thousandths.
fn per_mille(name: &str, value: &str) -> Result<u16, Error> {
    let digits = value.strip_suffix('%').unwrap_or(value);
    let percent: Option<f64> = digits.parse().ok().filter(|p| (0.0..=100.0).contains(p));
    let percent = percent.ok_or_else(|| {
        malformed(format!(
            "the parameter {name:?} is not valid; expected a share such as 1%, or none"
        ))
    })?;
    Ok((percent * 10.0).round() as u16)
}

/// Parses the parameters of a request for the progress of a roll-out: `live`, and `until` with `generation`.
fn progress_query(parts: &Parts) -> Result<ProgressQuery, Error> {
    let mut counts_live = false;
    let (mut milestone, mut generation) = (None, None);
    for (parameter, value) in query::parameters(parts) {
        match parameter.as_str() {
            "until" => milestone = Some(query::one_of(&parameter, &value, &Milestone::NAMES)?),
            "generation" => generation = Some(query::number(&parameter, &value)?),
            _ => counts_live = query::flag(&parameter, &value)?,
        }
    }
    let awaited = match (milestone, generation) {
        (Some(milestone), Some(generation)) => Some(Awaited { generation, milestone }),
        (None, None) => None,
        _ => {
            let text =
                "the parameters \"until\" and \"generation\" are given together or not at all";
            return Err(malformed(text));
        }
    };
    Ok(ProgressQuery { counts_live, awaited })
}
