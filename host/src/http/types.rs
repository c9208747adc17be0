//! The routes of types: uploading a component, and what is deployed.
//!
//! What a component may be is the catalog's; here it is only bytes of a bounded number.

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::problem::Problem;
use super::request::malformed;
use super::{Api, Reply, body, query, reply, request};
use crate::catalog::record::{RevisionEntry, TypeRecord};
use crate::error::{Code, Error};

impl Api {
    pub(super) async fn deploy(&self, parts: &Parts, body: Incoming) -> Result<Reply, Problem> {
        // Read before anything is judged: a refusal that leaves bytes unread may be lost with the connection.
        let (limit, patience) = (self.config.component_max, self.config.body_timeout);
        let wasm = body::read(body, limit, patience).await.map_err(|error| match error.code {
            Code::BodyTooLarge => error.with_hint("the node's limit is node.component_max"),
            _ => error,
        })?;
        let mut force = false;
        for (name, value) in query::parameters(&parts.uri, &["force"])? {
            force = query::flag(&name, &value)?;
        }
        request::check_content_type(&parts.headers, "application/wasm")?;
        if wasm.is_empty() {
            return Err(malformed("the body is empty; it is to be a component").into());
        }
        // In a task of its own: a client that goes away must not leave a revision current that no object runs.
        let node = Arc::clone(self.router.node());
        let deploying = tokio::spawn(async move { node.deploy(wasm, force).await });
        let deployed = deploying.await.map_err(|_| {
            let text = "the deployment ended in an error of the node; the revision may have become current";
            Error::new(Code::OutcomeUnknown, text)
        })??;
        let status = if deployed.is_new { StatusCode::CREATED } else { StatusCode::OK };
        let document = json!({
            "type": deployed.type_name.as_str(),
            "revision": deployed.revision,
            "digest": deployed.digest.to_string(),
            "is_new": deployed.is_new,
        });
        Ok(reply::json(status, &document))
    }

    pub(super) async fn types(&self) -> Result<Reply, Problem> {
        let types = self.router.node().catalog().types().await?;
        let types: Vec<_> = types.iter().filter_map(summary).collect();
        Ok(reply::json(StatusCode::OK, &json!({ "types": types })))
    }

    pub(super) async fn type_record(&self, name: &str) -> Result<Reply, Problem> {
        let record = self.router.node().catalog().revisions(name).await?;
        let revisions: Vec<_> = record.revisions.iter().map(revision).collect();
        let current = record.current_entry();
        let document = json!({
            "name": record.name.as_str(),
            "current": record.current,
            "description": current.map(|entry| &entry.description),
            "revisions": revisions,
        });
        Ok(reply::json(StatusCode::OK, &document))
    }
}

fn summary(record: &TypeRecord) -> Option<Value> {
    let current = record.current_entry()?;
    Some(json!({
        "name": record.name.as_str(),
        "current": record.current,
        "digest": current.digest.to_string(),
        "schema_version": current.description.schema_version,
        "documentation": current.description.documentation,
        "handlers": current.description.handlers.iter().map(|handler| &handler.name).collect::<Vec<_>>(),
    }))
}

fn revision(entry: &RevisionEntry) -> Value {
    json!({
        "number": entry.number,
        "digest": entry.digest.to_string(),
        "deployed_at_ms": entry.deployed_at_ms,
        "schema_version": entry.description.schema_version,
    })
}
