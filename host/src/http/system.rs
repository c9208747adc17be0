//! Routes about the node: health, readiness, metrics, nodes, and explanations of error codes.
//!
//! Health means that the process responds, readiness that it accepts calls. Neither accesses an object.

use highlander_core::error::{Error, ErrorCode};
use highlander_core::registry::members::NodeStatus;
use http::StatusCode;
use http::request::Parts;

use super::problem::Problem;
use super::{Api, Reply, request, response};
use crate::router::NodeReport;
use crate::wire::nodes::{Drained, Links, Node, Nodes, Root};

/// Explanations of the error codes, one section each.
const ERRORS: &str = include_str!("../../../docs/errors.md");

impl Api {
    pub(super) async fn nodes(&self, parts: &Parts) -> Result<Reply, Problem> {
        let context = request::context(&parts.headers)?;
        let me = self.router.node().id();
        let nodes = self.router.nodes(context).await.into_iter().map(|status| Node {
            id: status.node.as_str().to_owned(),
            address: if status.node == me {
                self.config.address.clone()
            } else {
                status.address.as_ref().to_owned()
            },
            status: self.status_of(&status).to_owned(),
            active_objects: status.active_count,
        });
        Ok(response::json(StatusCode::OK, &Nodes { nodes: nodes.collect() }))
    }

    fn status_of(&self, report: &NodeReport) -> &'static str {
        let node = self.router.node();
        // The local state is newer than the status from the registry.
        if report.node == node.id() && node.is_draining() {
            return NodeStatus::Draining.as_str();
        }
        report.status.map_or("no-session", NodeStatus::as_str)
    }

    pub(super) async fn drain(&self, parts: &Parts, name: &str) -> Result<Reply, Problem> {
        let context = request::context(&parts.headers)?;
        let (node, active_objects) = self.router.drain(name, context).await?;
        Ok(response::json(StatusCode::OK, &Drained { node, active_objects }))
    }

    pub(super) fn root(&self) -> Reply {
        let path = str::to_owned;
        let document = Root {
            about: "Objects with a single owner, durable state, and sandboxed code.".to_owned(),
            links: Links {
                health: path("/healthz"),
                metrics: path("/metrics"),
                nodes: path("/v1/nodes"),
                object: path("/v1/objects/{type}/{key}"),
                objects: path("/v1/objects/{type}"),
                readiness: path("/readyz"),
                types: path("/v1/types"),
            },
            name: "Highlander".to_owned(),
            node: self.router.node().id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        response::json(StatusCode::OK, &document)
    }

    pub(super) fn ready(&self) -> Result<Reply, Problem> {
        self.router.node().readiness()?;
        Ok(response::text("text/plain; charset=utf-8", "ready\n"))
    }

    pub(super) fn metrics(&self) -> Reply {
        response::text(
            "text/plain; version=0.0.4; charset=utf-8",
            self.router.node().render_metrics(),
        )
    }
}

pub(super) fn health() -> Reply {
    response::text("text/plain; charset=utf-8", "ok\n")
}

/// Returns the section of `docs/errors.md` that explains a code.
pub(super) fn problem(code: &str) -> Result<Reply, Problem> {
    let known = ErrorCode::ALL.iter().find(|known| known.as_str() == code);
    let section = known
        .and_then(|code| section(code.as_str()))
        .ok_or_else(|| Error::new(ErrorCode::UnknownRoute, "there is no error with this code"))?;
    Ok(response::text("text/markdown; charset=utf-8", section))
}

fn section(code: &str) -> Option<&'static str> {
    let start = ERRORS.find(&format!("## `{code}`\n"))?;
    let text = ERRORS.get(start..)?;
    let length = text.get(2..)?.find("\n## ").map_or(text.len(), |end| end + 3);
    text.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_and_nothing_else_is() {
        for code in ErrorCode::ALL {
            let text = section(code.as_str()).unwrap_or_else(|| panic!("{code} has no section"));
            assert_eq!(text.matches("## `").count(), 1, "{text}");
        }
        assert_eq!(ERRORS.matches("\n## `").count(), ErrorCode::ALL.len());
    }
}
