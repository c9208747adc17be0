//! Documents about types: their list, one type, and both OpenAPI documents.
//!
//! Types that the caller may not see are left out before anything is read, decoded or built. Each response has an
//! `ETag`.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use highlander_core::caller::call_policy::TypeSet;
use highlander_core::caller::scopes::Permission;
use highlander_core::catalog::record::{Removal, RevisionEntry, TypeRecord};
use highlander_core::error::{Error, ErrorCode};
use highlander_core::id::TypeName;
use highlander_core::json;
use highlander_core::rollout::{ProgressQuery, Report, total};
use http::request::Parts;
use serde_json::Value;

use super::documents::{Document, Key, tag_of};
use super::problem::Problem;
use super::{Api, Reply, openapi, request, response};
use crate::catalog::records::ListedType;
use crate::router::context::Context;
use crate::wire::rollouts::Rollout;
use crate::wire::types::{DamagedType, RemovedType, Revision, Type, TypeSummary, Types};

impl Api {
    pub(super) async fn types(&self, parts: &Parts) -> Result<Reply, Problem> {
        let listed = self.seen(parts).await?;
        let key = key_of("types", &listed);
        let document = self.documents.get(key, move || json::encode(&list(&listed))).await?;
        Ok(response::document(parts, document)?)
    }

    pub(super) async fn openapi(&self, parts: &Parts) -> Result<Reply, Problem> {
        let listed = self.seen(parts).await?;
        let build = move |listed: &[ListedType]| {
            let live = listed.iter().filter_map(|one| one.record.as_ref().ok());
            let live = live.filter(|(record, _)| record.removed.is_none());
            let live = live.filter_map(|(record, _)| Some(&record.current_entry()?.description));
            json::encode(&openapi::document(live))
        };
        let key = key_of("openapi", &listed);
        let document = self.documents.get(key, move || build(&listed)).await?;
        Ok(response::document(parts, document)?)
    }

    pub(super) async fn admin_openapi(&self, parts: &Parts) -> Result<Reply, Problem> {
        let build = || json::encode(openapi::admin::document());
        let document = self.documents.get(Key::of("openapi-admin", []), build).await?;
        Ok(response::document(parts, document)?)
    }

    /// Returns the types that the caller may see.
    async fn seen(&self, parts: &Parts) -> Result<Vec<ListedType>, Error> {
        let caller = request::caller(parts);
        let may_see = |name: &TypeName| caller.check(Permission::See(name.as_str())).is_ok();
        self.router.node().catalog().listed(may_see).await
    }

    /// Returns one type. Its record is compared with the store, because clients that follow a roll-out rely on it. The
    /// description, which can be large, is rendered once.
    pub(super) async fn type_record(&self, parts: &Parts, name: &str) -> Result<Reply, Problem> {
        let catalog = self.router.node().catalog();
        let (record, etag) = catalog.revisions_with_etag(name).await?;
        let key = Key::of("description", [record.name.as_str(), etag.as_str()]);
        let described = Arc::clone(&record);
        let description = self.documents.get(key, move || description(&described)).await?;
        let reports =
            self.router.progress(&record.name, ProgressQuery::LIVE, Context::default()).await;
        let live = live(&reports);
        let revisions: Vec<_> = record
            .revisions
            .iter()
            .map(|entry| revision(entry, live.get(&entry.number).copied().unwrap_or_default()))
            .collect();
        let configured = catalog.configured_may_call(&record.name);
        let rest = Type {
            configured_may_call: configured.map(|types| TypeSet::clone(types)),
            current: record.current,
            description: None,
            generation: record.generation,
            name: record.name.clone(),
            pinned: total(&reports).pinned,
            revisions,
            rollout: record.rollout.clone().map(Rollout::from),
        };
        Ok(response::document(parts, described_type(&rest, &description)?)?)
    }
}

/// Returns the key of a document about these types.
fn key_of(kind: &str, listed: &[ListedType]) -> Key {
    let parts = listed.iter().flat_map(|one| match &one.record {
        Ok((_, etag)) => [one.name.as_str(), "etag", etag.as_str()],
        Err(reason) => [one.name.as_str(), "damaged", reason.as_str()],
    });
    Key::of(kind, parts)
}

fn list(listed: &[ListedType]) -> Types {
    let mut types = Types { damaged: Vec::new(), removed: Vec::new(), types: Vec::new() };
    for ListedType { name, record } in listed {
        match record {
            Err(reason) => {
                types.damaged.push(DamagedType { name: name.clone(), reason: reason.clone() });
            }
            Ok((record, _)) if record.removed.is_some() => {
                types.removed.extend(removed_type(record));
            }
            Ok((record, _)) => types.types.extend(summary(record)),
        }
    }
    types
}

/// Renders the description by the current revision, with its members sorted by name; `null` without one.
fn description(record: &TypeRecord) -> Bytes {
    let current = record.current_entry().map(|entry| serde_json::to_value(&entry.description));
    json::encode(&current.and_then(Result::ok).unwrap_or(Value::Null))
}

/// Inserts the description into the document of a type, which has none yet.
fn described_type(rest: &Type, description: &Document) -> Result<Document, Error> {
    const MEMBER: &[u8] = b"\"description\":";
    const NONE: &[u8] = b"null";
    let rest = json::encode(rest);
    // The members before it have no text in which this could occur.
    let start = rest.windows(MEMBER.len()).position(|window| window == MEMBER);
    let start = start.map(|start| start + MEMBER.len());
    let parts = start.and_then(|start| Some((rest.get(..start)?, rest.get(start + NONE.len()..)?)));
    let (before, after) = parts.ok_or_else(|| {
        Error::new(ErrorCode::Internal, "the document of the type could not be built")
    })?;
    let tag = tag_of(&[rest.as_ref(), description.tag.as_bytes()].concat());
    Ok(Document { json: [before, description.json.as_ref(), after].concat().into(), tag })
}

/// Counts the live objects of each revision.
fn live(reports: &[Report]) -> BTreeMap<u32, usize> {
    let mut live = BTreeMap::new();
    let all = reports.iter().filter_map(|report| report.progress.as_ref()?.live.as_ref());
    for (revision, count) in all.flat_map(|live| &live.counts) {
        *live.entry(*revision).or_default() += count;
    }
    live
}

fn summary(record: &TypeRecord) -> Option<TypeSummary> {
    let current = record.current_entry()?;
    let description = &current.description;
    Some(TypeSummary {
        current: record.current,
        digest: current.digest,
        documentation: description.documentation.clone(),
        handlers: description.handlers.iter().map(|handler| handler.name.clone()).collect(),
        name: record.name.clone(),
        schema_version: description.schema_version,
    })
}

fn removed_type(record: &TypeRecord) -> Option<RemovedType> {
    let Removal { at_ms, by, objects } = record.removed.clone()?;
    Some(RemovedType { at_ms, by, name: record.name.clone(), objects })
}

fn revision(entry: &RevisionEntry, live_count: usize) -> Revision {
    Revision {
        bytes: entry.size,
        deployed_at_ms: entry.deployed_at_ms,
        deployed_by: entry.deployed_by.clone(),
        digest: entry.digest,
        is_collected: entry.is_collected,
        live_objects: live_count,
        may_call: entry.may_call.clone(),
        number: entry.number,
        rolled_back: entry.rolled_back.clone(),
        schema_version: entry.description.schema_version,
    }
}
