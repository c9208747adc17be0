//! Claim operations: requests to the servers, and the interpretation of their answers.
//!
//! Every change of a claim runs in a separate task that holds the claim's turn, so a cancelled caller cannot
//! interrupt it. An attempt is recorded before it is sent. Only an answer, or a read after a later write of this
//! session, resolves it. A claim belongs to this session if the servers name the session as its owner *and* it
//! carries the mark of the attempt. The existence of the znode alone never proves that another session holds the
//! claim.

pub(super) mod table;
pub(super) mod znode;

use std::collections::HashSet;
use std::sync::Arc;

use highlander_core::id::{NodeId, ObjectId};
use highlander_core::registry::claims::{ClaimKey, Granularity};
use highlander_core::registry::{Claimed, Error};
use highlander_system::clock;
use tokio::task::JoinHandle;
use zookeeper_client::{Client, CreateMode, Stat};

use super::client::SessionClient;
use super::error::{Failure, Reason};
use super::session::Shared;
use table::{Freeing, Grant, State, Turn};
use znode::{Content, Mark};

/// Maximum number of attempts to acquire a claim that changes between two requests.
const ATTEMPTS_MAX: usize = 5;

/// Outcome of an attempt to acquire a claim.
enum Acquired {
    Ours,
    Theirs(NodeId),
}

/// Claims the object `id`.
pub(super) async fn claim(shared: &Arc<Shared>, id: &ObjectId) -> Result<Claimed, Error> {
    let key = shared.granularity.key_of(id);
    in_time(&shared.link, async {
        loop {
            shared.check_lease()?;
            match shared.claims.grant(key, id) {
                Grant::Granted => return Ok(Claimed::Granted),
                Grant::Wait(turn_is_over) => turn_is_over.await,
                Grant::Full(count) => return Err(Error::Full(count)),
                Grant::Over => return Err(Error::SessionOver),
                Grant::Turn(turn) => {
                    let acquiring = tokio::spawn(acquire(Arc::clone(shared), turn, id.clone()));
                    if let Acquired::Theirs(node) = outcome(acquiring).await? {
                        return Ok(Claimed::Held(node));
                    }
                    // The session holds the claim. The next iteration decides immediately whether the object gets
                    // it too.
                }
            }
        }
    })
    .await
}

/// Releases the claim of `id`. A claim that covers several objects stays with the session.
pub(super) async fn release(shared: &Arc<Shared>, id: &ObjectId) -> Result<(), Error> {
    let key = shared.granularity.key_of(id);
    shared.claims.forget(key, id);
    match shared.granularity {
        Granularity::Object => hand_over(shared, key).await.map(drop),
        Granularity::Partitions(_) => Ok(()),
    }
}

/// Releases a whole claim if no object is claimed under it.
pub(super) async fn hand_over(shared: &Arc<Shared>, key: ClaimKey) -> Result<bool, Error> {
    in_time(&shared.link, async {
        loop {
            match shared.claims.begin_freeing(key) {
                Freeing::Free => return Ok(true),
                Freeing::InUse => return Ok(false),
                Freeing::Wait(turn_is_over) => turn_is_over.await,
                Freeing::Turn(turn) => {
                    outcome(tokio::spawn(free(Arc::clone(shared), turn))).await?;
                }
            }
        }
    })
    .await
}

/// Returns the node that holds the claim of `id`.
pub(super) async fn owner(shared: &Shared, id: &ObjectId) -> Result<Option<NodeId>, Error> {
    let path = znode::path(shared.granularity.key_of(id));
    let read = async |client: Client| {
        // Both requests are pipelined. Without the sync, a lagging server could return a stale owner.
        let synced = client.sync(&path);
        let found = client.get_data(&path);
        synced.await?;
        found.await
    };
    match shared.link.request(read).await {
        Ok((bytes, _)) => Ok(Some(Content::read(&bytes)?.node)),
        Err(Failure::Refused(Reason::NoNode)) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// Finds the claims that this session lost without releasing them, and drops them from the table. Adopts claims
/// that the session holds but that are missing from the table.
pub(super) async fn missing(shared: &Shared) -> Result<Vec<ClaimKey>, Failure> {
    // Claims made after this moment may be missing from the list.
    let moment = shared.claims.moment();
    let list = async |client: Client| client.list_ephemerals(znode::FOLDER).await;
    let paths = shared.link.request(list).await?;
    let listed: HashSet<_> = paths.iter().filter_map(|path| znode::key_of(path)).collect();
    for key in shared.claims.unknown(&listed) {
        if let Some((content, _)) = read_own(&shared.link, key).await? {
            shared.claims.adopt(key, content.mark);
        }
    }
    Ok(shared.claims.let_go_of_missing(&listed, moment))
}

/// Releases claims without an object, for example those whose caller did not wait for the outcome.
pub(super) fn tidy(shared: &Arc<Shared>) {
    if shared.granularity == Granularity::Object {
        for key in shared.claims.left_over() {
            let shared = Arc::clone(shared);
            tokio::spawn(async move { hand_over(&shared, key).await });
        }
    }
}

/// Determines the holder of the claim; tries to acquire the claim if it has none.
async fn acquire(shared: Arc<Shared>, turn: Turn, id: ObjectId) -> Result<Acquired, Error> {
    if let State::Unsure(mark) = turn.state() {
        settle(&shared, &turn, mark).await?;
    }
    for _ in 0..ATTEMPTS_MAX {
        if let State::Held(_) = turn.state() {
            return Ok(Acquired::Ours);
        }
        shared.check_lease()?;
        match create(&shared, &turn, &id).await {
            Ok(()) => return Ok(Acquired::Ours),
            Err(Failure::Refused(Reason::NodeExists)) => {
                if let Some(node) = holder(&shared, turn.key()).await? {
                    return Ok(Acquired::Theirs(node));
                }
            }
            Err(Failure::Refused(Reason::NoNode)) => make_shard(&shared, turn.key()).await?,
            Err(Failure::Unknown(why)) => {
                if let State::Unsure(mark) = turn.state() {
                    settle(&shared, &turn, mark).await?;
                }
                if let State::Absent = turn.state() {
                    return Err(Error::Unavailable(why));
                }
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    Err(Error::Unavailable(format!("the claim of {id} changes hands too often")))
}

/// Makes a single attempt to create the claim.
async fn create(shared: &Shared, turn: &Turn, id: &ObjectId) -> Result<(), Failure> {
    let content = Content::new(shared.granularity, id, &shared.node);
    let (path, bytes) = (znode::path(turn.key()), content.bytes());
    let options = CreateMode::Ephemeral.with_acls(shared.link.acls());
    turn.set(State::Unsure(content.mark));
    let create = async |client: Client| client.create(&path, &bytes, &options).await.map(drop);
    let outcome = shared.link.request(create).await;
    match &outcome {
        Ok(()) => turn.set(State::Held(content.mark)),
        Err(Failure::Refused(_) | Failure::Denied(_)) => turn.set(State::Absent),
        Err(Failure::Unknown(_) | Failure::Over) => {}
    }
    outcome
}

/// Returns the node of the other session that holds an existing claim, or `None` if the claim is gone.
async fn holder(shared: &Shared, key: ClaimKey) -> Result<Option<NodeId>, Error> {
    match read(&shared.link, key).await? {
        None => Ok(None),
        // It comes from no recorded attempt. The next check of the claims adopts it.
        Some((_, stat)) if stat.ephemeral_owner == shared.link.session_id() => {
            Err(Error::Unavailable("a claim of this session is not recorded yet".to_owned()))
        }
        Some((content, _)) => Ok(Some(content.node)),
    }
}

async fn make_shard(shared: &Shared, key: ClaimKey) -> Result<(), Error> {
    let path = znode::shard(key);
    let options = CreateMode::Persistent.with_acls(shared.link.acls());
    let create = async |client: Client| client.create(&path, b"", &options).await.map(drop);
    match shared.link.request(create).await {
        // Several nodes may create the same shard concurrently.
        Ok(()) | Err(Failure::Refused(Reason::NodeExists)) => Ok(()),
        Err(Failure::Refused(Reason::NoNode)) => {
            // The parent of all shards was removed, and all claims with it.
            shared.look.notify_one();
            let make = async |client: Client| client.mkdir(&path, &options).await;
            Ok(shared.link.request(make).await?)
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Determines whether the attempt with this mark, or an attempt to release its claim, took effect.
async fn settle(shared: &Shared, turn: &Turn, mark: Mark) -> Result<(), Error> {
    loop {
        // Until this write is answered, the attempt may still be in flight.
        shared.written_since(clock::now()).await?;
        match read_own(&shared.link, turn.key()).await {
            Ok(Some((content, _))) if content.mark == mark => {
                turn.set(State::Held(mark));
                return Ok(());
            }
            Ok(_) => {
                turn.set(State::Absent);
                return Ok(());
            }
            Err(Failure::Unknown(why)) => {
                tracing::debug!("the outcome of a claim is not known yet: {why}");
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Releases a claim if this session holds it.
async fn free(shared: Arc<Shared>, turn: Turn) -> Result<(), Error> {
    loop {
        let mark = match turn.state() {
            State::Absent => return Ok(()),
            State::Unsure(mark) => {
                settle(&shared, &turn, mark).await?;
                continue;
            }
            State::Held(mark) => mark,
        };
        // An operator may have removed the claim, and another session may have created it again. Leave that one
        // alone.
        let Some((_, stat)) =
            read_own(&shared.link, turn.key()).await?.filter(|(content, _)| content.mark == mark)
        else {
            turn.set(State::Absent);
            return Ok(());
        };
        turn.set(State::Unsure(mark));
        let path = znode::path(turn.key());
        let delete = async |client: Client| client.delete(&path, Some(stat.version)).await;
        match shared.link.request(delete).await {
            Ok(()) | Err(Failure::Refused(Reason::NoNode)) => turn.set(State::Absent),
            Err(Failure::Refused(_)) => turn.set(State::Held(mark)),
            Err(Failure::Unknown(_)) => {}
            Err(failure) => {
                turn.set(State::Held(mark));
                return Err(failure.into());
            }
        }
    }
}

/// Reads the claim from ZooKeeper; `None` if this session does not hold it.
async fn read_own(link: &SessionClient, key: ClaimKey) -> Result<Option<(Content, Stat)>, Failure> {
    let found = read(link, key).await?;
    Ok(found.filter(|(_, stat)| stat.ephemeral_owner == link.session_id()))
}

async fn read(link: &SessionClient, key: ClaimKey) -> Result<Option<(Content, Stat)>, Failure> {
    let path = znode::path(key);
    match link.request(async |client: Client| client.get_data(&path).await).await {
        Ok((bytes, stat)) => Ok(Some((Content::read(&bytes)?, stat))),
        Err(Failure::Refused(Reason::NoNode)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Waits for a separate task, which continues if the caller is cancelled.
async fn outcome<T>(task: JoinHandle<Result<T, Error>>) -> Result<T, Error> {
    task.await
        .unwrap_or_else(|_| Err(Error::Unavailable("the operation was not completed".to_owned())))
}

/// Waits for the work, at most for the time limit of one operation.
async fn in_time<T>(
    link: &SessionClient,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let limit = link.limit();
    tokio::select! {
        biased;
        () = link.over() => Err(Error::SessionOver),
        outcome = tokio::time::timeout(limit, work) => outcome
            .unwrap_or_else(|_| Err(Error::Unavailable(format!("no response within {limit:?}")))),
    }
}
