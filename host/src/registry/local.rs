//! In-process registry: claims are entries of a table.
//!
//! A [`Directory`] corresponds to a ZooKeeper ensemble, and a [`Session`] to one node's session with it. A session
//! ends when it is dropped or by [`Session::end`], never by timeout. Its lease ends before its first claim becomes
//! free. Tests can freeze sessions and remove claims, as a real registry would. Claims are sharded over several
//! locks, and each lock is held for a single look-up.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use highlander_core::clock::BootTime;
use highlander_core::id::{NodeId, ObjectId, TypeName};
use highlander_core::registry::claims::{ClaimKey, Granularity};
use highlander_core::registry::members::{Member, Members, NodeStatus, PROTOCOL};
use highlander_core::registry::{Claimed, Error, Registry, SessionEvent, Sessions};
use parking_lot::{Mutex, MutexGuard};
use rand::RngExt as _;
use tokio::sync::{Notify, watch};

/// Number of locks over which claims are sharded.
const SHARD_COUNT: usize = 32;
/// Spare table capacity that is never released.
const SPARE_MAX: usize = 1024;

type Claims = HashMap<ObjectId, Arc<Holder>>;

/// All claims of one cluster in this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Directory {
    shards: Arc<[Mutex<Claims>; SHARD_COUNT]>,
    hasher: RandomState,
    sessions: Arc<Mutex<Vec<Arc<Holder>>>>,
    members: watch::Sender<Members>,
}

/// State of a session, shared with its claims.
struct Holder {
    node: NodeId,
    address: Arc<str>,
    status: Mutex<NodeStatus>,
    claim_count: AtomicUsize,
    is_frozen: AtomicBool,
    is_over: AtomicBool,
    notices: Mutex<VecDeque<SessionEvent>>,
    noticed: Notify,
}

impl Holder {
    fn notice(&self, notice: SessionEvent) {
        self.notices.lock().push_back(notice);
        self.noticed.notify_one();
    }

    fn describe(&self) -> Member {
        Member {
            node: self.node.clone(),
            address: Arc::clone(&self.address),
            protocol: PROTOCOL,
            status: *self.status.lock(),
        }
    }
}

impl Directory {
    /// Creates a directory without claims.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a session for `node`, which has no address.
    #[must_use]
    pub fn join(&self, node: NodeId) -> Session {
        self.join_at(node, "")
    }

    /// Opens a session for `node`, which listens at `address`.
    #[must_use]
    pub fn join_at(&self, node: NodeId, address: &str) -> Session {
        let holder = Arc::new(Holder {
            node,
            address: address.into(),
            status: Mutex::new(NodeStatus::Ready),
            claim_count: AtomicUsize::new(0),
            is_frozen: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            notices: Mutex::default(),
            noticed: Notify::new(),
        });
        self.sessions.lock().push(Arc::clone(&holder));
        self.publish_members();
        Session { directory: self.clone(), holder }
    }

    fn publish_members(&self) {
        let sessions = self.sessions.lock();
        let members = Members::new(sessions.iter().map(|holder| holder.describe()).collect());
        self.members.send_if_modified(|present| {
            let is_new = *present != members;
            *present = members;
            is_new
        });
    }

    fn shard(&self, id: &ObjectId) -> MutexGuard<'_, Claims> {
        let hash = self.hasher.hash_one(id);
        // The remainder is below the number of shards, whatever the width of a pointer.
        let index = (hash % SHARD_COUNT as u64) as usize;
        self.shards.get(index).expect("a remainder is less than its divisor").lock()
    }
}

/// Releases memory when most of it is unused, so that a node shrinks again after a burst of load.
fn shrink(claims: &mut Claims) {
    if claims.capacity() > claims.len().saturating_mul(4).saturating_add(SPARE_MAX) {
        claims.shrink_to(claims.len().saturating_mul(2));
    }
}

/// One node's session.
pub struct Session {
    directory: Directory,
    holder: Arc<Holder>,
}

impl Session {
    /// Ends the session: first its lease, then its claims.
    pub fn end(&self) {
        // `claim` checks this flag under its shard's lock, so no claim can be added after the loop below has
        // passed.
        self.holder.is_over.store(true, Ordering::SeqCst);
        for shard in self.directory.shards.iter() {
            let mut claims = shard.lock();
            claims.retain(|_, holder| !Arc::ptr_eq(holder, &self.holder));
            shrink(&mut claims);
        }
        self.holder.claim_count.store(0, Ordering::SeqCst);
        self.directory.sessions.lock().retain(|holder| !Arc::ptr_eq(holder, &self.holder));
        self.directory.publish_members();
        self.holder.notice(SessionEvent::SessionOver);
    }

    /// Expires the lease, as when the registry is unreachable.
    pub fn freeze(&self) {
        self.holder.is_frozen.store(true, Ordering::SeqCst);
    }

    /// Makes the lease valid again.
    pub fn thaw(&self) {
        self.holder.is_frozen.store(false, Ordering::SeqCst);
        self.holder.notice(SessionEvent::LeaseResumed);
    }

    /// Removes the claim of `id`, as an operator would.
    pub fn take_away(&self, id: &ObjectId) {
        let mut claims = self.directory.shard(id);
        if claims.get(id).is_some_and(|holder| Arc::ptr_eq(holder, &self.holder)) {
            claims.remove(id);
            self.holder.claim_count.fetch_sub(1, Ordering::SeqCst);
            self.holder.notice(SessionEvent::ClaimsLost(vec![Granularity::Object.key_of(id)]));
        }
    }

    fn check_reachable(&self) -> Result<(), Error> {
        if self.is_over() {
            return Err(Error::SessionOver);
        }
        if self.holder.is_frozen.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("the session is frozen".to_owned()));
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.holder.is_over.load(Ordering::SeqCst)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

#[async_trait]
impl Registry for Session {
    async fn claim(&self, id: &ObjectId) -> Result<Claimed, Error> {
        let mut claims = self.directory.shard(id);
        if self.is_over() {
            return Err(Error::SessionOver);
        }
        match claims.entry(id.clone()) {
            Entry::Occupied(entry) if Arc::ptr_eq(entry.get(), &self.holder) => {
                Ok(Claimed::Granted)
            }
            Entry::Occupied(entry) => Ok(Claimed::Held(entry.get().node.clone())),
            Entry::Vacant(entry) => {
                entry.insert(Arc::clone(&self.holder));
                self.holder.claim_count.fetch_add(1, Ordering::SeqCst);
                Ok(Claimed::Granted)
            }
        }
    }

    async fn release(&self, id: &ObjectId) -> Result<(), Error> {
        let mut claims = self.directory.shard(id);
        if claims.get(id).is_some_and(|holder| Arc::ptr_eq(holder, &self.holder)) {
            claims.remove(id);
            self.holder.claim_count.fetch_sub(1, Ordering::SeqCst);
            shrink(&mut claims);
        }
        Ok(())
    }

    async fn owner(&self, id: &ObjectId) -> Result<Option<NodeId>, Error> {
        Ok(self.directory.shard(id).get(id).map(|holder| holder.node.clone()))
    }

    fn lease_until(&self) -> BootTime {
        if self.is_over() || self.holder.is_frozen.load(Ordering::SeqCst) {
            return BootTime::from_boot(Duration::ZERO);
        }
        BootTime::FOREVER
    }

    fn claim_count(&self) -> usize {
        self.holder.claim_count.load(Ordering::SeqCst)
    }

    fn node(&self) -> &NodeId {
        &self.holder.node
    }

    fn granularity(&self) -> Granularity {
        Granularity::Object
    }

    fn held(&self) -> Vec<ClaimKey> {
        let mut held = Vec::new();
        for shard in self.directory.shards.iter() {
            let claims = shard.lock();
            let mine = claims.iter().filter(|(_, holder)| Arc::ptr_eq(holder, &self.holder));
            held.extend(mine.map(|(id, _)| Granularity::Object.key_of(id)));
        }
        held
    }

    async fn hand_over(&self, key: ClaimKey) -> Result<bool, Error> {
        // A claim covers a single object, so a held claim is always in use.
        Ok(!self.held().contains(&key))
    }

    fn members(&self) -> Members {
        self.directory.members.borrow().clone()
    }

    async fn members_changed(&self, known: &Members) {
        let mut members = self.directory.members.subscribe();
        if members.wait_for(|members| members != known).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn confirm_members(&self) -> Result<Members, Error> {
        self.check_reachable()?;
        Ok(self.directory.members.borrow().clone())
    }

    async fn set_status(&self, status: NodeStatus) -> Result<(), Error> {
        *self.holder.status.lock() = status;
        self.directory.publish_members();
        Ok(())
    }

    async fn publish_type_change(&self, type_name: &TypeName) -> Result<(), Error> {
        self.check_reachable()?;
        let sessions = self.directory.sessions.lock();
        for holder in sessions.iter().filter(|holder| !Arc::ptr_eq(holder, &self.holder)) {
            holder.notice(SessionEvent::TypeChanged(type_name.clone()));
        }
        Ok(())
    }

    async fn next_event(&self) -> SessionEvent {
        loop {
            let noticed = self.holder.noticed.notified();
            if let Some(notice) = self.holder.notices.lock().pop_front() {
                return notice;
            }
            noticed.await;
        }
    }

    async fn leave(&self) {
        self.end();
    }
}

/// Opens sessions of one node in the same directory.
#[derive(Debug)]
pub struct LocalSessions {
    directory: Directory,
    name: String,
    address: String,
}

impl LocalSessions {
    /// Creates a factory for sessions of the node `name`, which listens at `address`.
    #[must_use]
    pub fn new(directory: Directory, name: &str, address: &str) -> Self {
        Self { directory, name: name.to_owned(), address: address.to_owned() }
    }
}

#[async_trait]
impl Sessions for LocalSessions {
    async fn begin(&self) -> Result<Arc<dyn Registry>, Error> {
        let node = NodeId::of_session(&self.name, rand::rng().random());
        Ok(Arc::new(self.directory.join_at(node, &self.address)))
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim_count: usize = self.shards.iter().map(|shard| shard.lock().len()).sum();
        f.debug_struct("Directory").field("claim_count", &claim_count).finish()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("node", &self.holder.node)
            .field("claim_count", &self.claim_count())
            .field("is_over", &self.is_over())
            .finish()
    }
}

#[cfg(test)]
mod tests;
