//! Routes of rehearsals: trying a component on real states, the progress of a rehearsal, and one node's share of it.

use std::sync::Arc;

use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::{ObjectId, TypeName};
use http::StatusCode;
use http::request::Parts;

use super::objects::argument;
use super::problem::Problem;
use super::request::malformed;
use super::unread_body::Unread;
use super::{Api, Reply, query, request, response};
use crate::wire::rehearsals::{Begun, RehearsalShare, Sample};

impl Api {
    pub(super) async fn rehearse(&self, parts: &Parts, body: Unread) -> Result<Reply, Problem> {
        let (wasm, Asked { sample, is_followed }) =
            self.component(parts, body, asked(parts)).await?;
        let (router, rehearsals) = (Arc::clone(&self.router), Arc::clone(&self.rehearsals));
        let (type_name, staged) = rehearsals.begin(&router, wasm, &request::caller(parts)).await?;
        let (name, digest) = (type_name.clone(), staged.digest);
        let rehearsing =
            tokio::spawn(async move { rehearsals.go_on(&router, name, staged, sample).await });
        if !is_followed {
            return Ok(response::json(StatusCode::ACCEPTED, &Begun { digest, type_name }));
        }
        let rehearsal = rehearsing.await.map_err(|_| {
            Error::new(ErrorCode::Internal, "the node had an internal error during the rehearsal")
        })??;
        Ok(response::json(StatusCode::OK, &rehearsal))
    }

    pub(super) fn rehearsal(&self, type_name: &TypeName) -> Result<Reply, Problem> {
        let last = self.rehearsals.last(type_name).ok_or_else(|| {
            let text = format!("no component was rehearsed for {type_name} through this node");
            Error::new(ErrorCode::RehearsalNotFound, text)
                .with_hint("rehearse one: highlander rehearse FILE.wasm")
        })?;
        Ok(response::json(StatusCode::OK, &last))
    }

    pub(super) async fn rehearse_share(
        &self,
        parts: &Parts,
        body: Unread,
        type_name: &TypeName,
    ) -> Result<Reply, Problem> {
        let (body, ()) = argument(parts, body, Ok(())).await?;
        let share: RehearsalShare =
            serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?;
        let ids = share.keys.iter().map(|key| ObjectId::new(type_name.as_str(), key));
        let ids: Result<Vec<_>, _> = ids.collect();
        let ids = ids.map_err(|error| Error::new(ErrorCode::InvalidObjectId, error.to_string()))?;
        let rehearsed = self.router.node().rehearse(&share.staged, ids).await?;
        Ok(response::json(StatusCode::OK, &rehearsed))
    }
}

/// Parameters of a rehearsal.
struct Asked {
    sample: Sample,
    /// Whether to respond only when the rehearsal has ended.
    is_followed: bool,
}

fn asked(parts: &Parts) -> Result<Asked, Error> {
    let mut asked = Asked { sample: Sample::All, is_followed: true };
    for (name, value) in query::parameters(parts) {
        match name.as_str() {
            "sample" => asked.sample = value.parse().map_err(malformed)?,
            _ => asked.is_followed = query::flag(&name, &value)?,
        }
    }
    Ok(asked)
}
