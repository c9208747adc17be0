//! Opens a session: servers, chroot, credentials, TLS, and the parent znodes of everything else.
//!
//! Invalid settings are reported here, once, in terms that an operator can act on. Nothing outside the chroot is
//! created, changed or read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use highlander_core::id::NodeId;
use highlander_core::registry::Error;
use highlander_core::registry::agreement::Terms;
use highlander_system::clock;
use highlander_system::files::{self, Rules};
use zookeeper_client::{Acls, Client, Connector, CreateMode, Error as ClientError, TlsOptions};

use super::claims::znode;
use super::client::SessionClient;
use super::description::Description;
use super::error::{Failure, Reason, refused};
use super::options::{Options, Tls};
use super::session::{Beginning, Shared};
use super::{agreement, heartbeat, members, type_changes};

/// Maximum length of a certificate file: the certificates of all public authorities take less than 1 MiB.
const PEM_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Mode bits that let other users write a file, and those that let them read or write it.
const CHANGEABLE: u32 = 0o022;
const READABLE: u32 = 0o077;
/// Path length for which `claims_max` is defined.
const PATH_BYTES_USUAL: usize = 48;
/// Minimum length of the server list given to the client library; servers are repeated to reach it. The library
/// doubles its pause from one round over all servers to the next, and increases it slowly within a round. With a
/// short list, an outage of a third of the session timeout would let it sleep through the rest of the session.
const SERVER_NAMES_MIN: usize = 20;
/// The connection is abandoned after this fraction of the session timeout without traffic, and so is an attempt to
/// connect: two machines that are down must not cost the lease.
const SILENCE_DIVISOR: u32 = 4;
/// Time to wait beyond the client library's own timeout.
const CONNECT_SLACK: Duration = Duration::from_secs(2);

/// Opens a session for `node`. The node's description is published when this returns.
pub(super) async fn begin(options: &Options, node: NodeId) -> Result<Arc<Shared>, Error> {
    check_name(&node)?;
    let (servers, chroot) = split(&options.connect);
    // The servers count the session timeout from this time at the earliest.
    let begun = clock::now();
    let client = connect(options, servers).await?;
    let acls = match &options.credentials {
        Some(_) => Acls::creator_all(),
        None => Acls::anyone_all(),
    };
    let link = SessionClient::new(enter(client, chroot, acls).await?, acls);
    make_folders(&link, options.credentials.is_some()).await?;
    let cluster = match &options.store {
        Some(store) => Some(agreement::join(&link, &**store).await?),
        None => None,
    };
    let terms = Terms::new(options.granularity, options.store.as_ref().map(|store| store.name()));
    agreement::check_terms(&link, &node, &terms).await?;
    let shared = Shared::new(
        link,
        Beginning {
            description: Description::new(node.clone(), &options.address, terms.clone()),
            node,
            cluster,
            granularity: options.granularity,
            places_max: places_max(options.claims_max, chroot.len() + znode::PATH_BYTES),
            begun,
        },
    );
    publish(&shared).await?;
    agreement::check_terms(&shared.link, &shared.node, &terms).await?;
    tracing::info!(
        node = %shared.node,
        timeout = ?shared.link.timeout(),
        "started a session with ZooKeeper"
    );
    Ok(Arc::new(shared))
}

/// Validates a node's name, because it becomes part of paths.
fn check_name(node: &NodeId) -> Result<(), Error> {
    let name = node.as_str();
    let is_bad = |c: char| c == '/' || c.is_control();
    if name.is_empty() || name.len() > 255 || name.contains(is_bad) || [".", ".."].contains(&name) {
        return Err(Error::Denied(format!(
            "{name:?} is not a valid node name; expected 1 to 255 bytes without slashes and control characters"
        )));
    }
    Ok(())
}

/// Splits a connect string into servers and chroot; the chroot is empty if there is none.
pub(super) fn split(connect: &str) -> (&str, &str) {
    // Start of the last server, then of its host after an optional scheme.
    let last = connect.rfind(',').map_or(0, |comma| comma + 1);
    let host =
        connect.get(last..).and_then(|server| server.find("://")).map_or(last, |at| last + at + 3);
    let slash = connect.get(host..).and_then(|rest| rest.find('/')).map(|at| host + at);
    let (servers, chroot) = connect.split_at(slash.unwrap_or(connect.len()));
    (servers, chroot.trim_end_matches('/'))
}

/// Repeats the servers until the list is long enough.
fn repeated(servers: &str) -> String {
    let count = servers.split(',').count();
    vec![servers; SERVER_NAMES_MIN.div_ceil(count)].join(",")
}

/// Returns the maximum number of claims for paths of this length.
fn places_max(claims_max: usize, path_bytes: usize) -> usize {
    match path_bytes {
        ..=PATH_BYTES_USUAL => claims_max,
        _ => (claims_max.saturating_mul(PATH_BYTES_USUAL) / path_bytes).max(1),
    }
}

/// Opens a session with the servers.
pub(super) async fn connect(options: &Options, servers: &str) -> Result<Client, Error> {
    let mut connector = Client::connector()
        .with_session_timeout(options.session_timeout)
        .with_connection_timeout(options.session_timeout / SILENCE_DIVISOR);
    if let Some(credentials) = &options.credentials {
        connector = connector.with_auth("digest", credentials.as_bytes());
    }
    if let Some(tls) = &options.tls {
        connector = connector.with_tls(tls_options(tls)?);
    }
    let has_tls = options.tls.is_some();
    let connecting = connect_within(connector, repeated(servers), has_tls);
    let limit = options.session_timeout + CONNECT_SLACK;
    // A separate task, because the client library panics if a host name is not valid in a certificate.
    let connected = tokio::time::timeout(limit, tokio::spawn(connecting)).await;
    match connected {
        Ok(Ok(Ok(client))) => Ok(client),
        Ok(Ok(Err(error))) => Err(connect_error(&error, servers, has_tls)),
        Ok(Err(_)) => Err(Error::Denied(format!("cannot connect to {servers:?}"))),
        Err(_) => Err(connect_error(&ClientError::Timeout, servers, has_tls)),
    }
}

async fn connect_within(
    connector: Connector,
    servers: String,
    has_tls: bool,
) -> Result<Client, ClientError> {
    match has_tls {
        true => connector.secure_connect(&servers).await,
        false => connector.connect(&servers).await,
    }
}

fn connect_error(error: &ClientError, servers: &str, has_tls: bool) -> Error {
    match error {
        ClientError::BadArguments(why) => Error::Denied(format!("servers {servers:?}: {why}")),
        ClientError::AuthFailed => {
            Error::Denied(format!("ZooKeeper at {servers} rejects the credentials"))
        }
        // From here, invalid certificates look the same as servers that are down.
        _ if has_tls => Error::Unavailable(format!(
            "no session with ZooKeeper at {servers}: {error} (is this its TLS port, and do the certificates match?)"
        )),
        _ => Error::Unavailable(format!("no session with ZooKeeper at {servers}: {error}")),
    }
}

fn tls_options(tls: &Tls) -> Result<TlsOptions, Error> {
    let refused = |path: &Path, error: ClientError| {
        Error::Denied(format!("TLS with ZooKeeper: {}: {error}", path.display()))
    };
    let ca = read(&tls.ca, CHANGEABLE)?;
    let options = TlsOptions::new().with_pem_ca(&ca).map_err(|error| refused(&tls.ca, error))?;
    let Some((certificate, key)) = &tls.identity else { return Ok(options) };
    options
        .with_pem_identity(&read(certificate, CHANGEABLE)?, &read(key, READABLE)?)
        .map_err(|error| refused(certificate, error))
}

fn read(path: &Path, mode_denied: u32) -> Result<String, Error> {
    let rules = Rules::of_operator(mode_denied, PEM_BYTES_MAX);
    let read = files::read(path, &rules).map_err(|untrusted| untrusted.to_string());
    let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()));
    text.map_err(|why| Error::Denied(format!("TLS with ZooKeeper: {}: {why}", path.display())))
}

/// Enters the chroot; creates it if it does not exist.
async fn enter(client: Client, chroot: &str, acls: Acls<'static>) -> Result<Client, Error> {
    if chroot.is_empty() {
        return Ok(client);
    }
    let options = CreateMode::Persistent.with_acls(acls);
    let make = async |client: Client| client.mkdir(chroot, &options).await;
    SessionClient::new(client.clone(), acls)
        .request(make)
        .await
        .map_err(|failure| refused(chroot, failure))?;
    let denied = |_| Error::Denied(format!("{chroot:?} is not a valid chroot"));
    client.chroot(chroot.to_owned()).map_err(denied)
}

async fn make_folders(link: &SessionClient, must_be_closed: bool) -> Result<(), Error> {
    let options = CreateMode::Persistent.with_acls(link.acls());
    for folder in [znode::FOLDER, members::FOLDER, heartbeat::FOLDER, type_changes::FOLDER] {
        let make = async |client: Client| client.mkdir(folder, &options).await;
        link.request(make).await.map_err(|failure| refused(folder, failure))?;
        if must_be_closed {
            let look = async |client: Client| client.get_acl(folder).await;
            let (acls, _) = link.request(look).await.map_err(|failure| refused(folder, failure))?;
            // Permission to delete a znode's children suffices to delete claims, whatever the claims' own
            // permissions.
            if acls.iter().any(|acl| acl.scheme() == "world") {
                return Err(Error::Denied(format!(
                    "the znode {folder} in ZooKeeper is open to everybody, because it was created without \
                     credentials: use another chroot, or restrict it and all znodes below it with setAcl"
                )));
            }
        }
    }
    Ok(())
}

async fn publish(shared: &Shared) -> Result<(), Error> {
    for outcome in [heartbeat::begin(shared).await, members::publish(shared).await] {
        outcome.map_err(|failure| match failure {
            Failure::Refused(Reason::NodeExists) => {
                Error::Denied(format!("another session already has the name {}", shared.node))
            }
            other => refused(members::FOLDER, other),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chroot_is_what_follows_the_last_server() {
        for (connect, expected) in [
            ("h1", ("h1", "")),
            ("h1:1,h2:2", ("h1:1,h2:2", "")),
            ("h1:1,h2:2/a/b", ("h1:1,h2:2", "/a/b")),
            ("h1/", ("h1", "")),
            ("tcp://h1:1,tcp+tls://h2/a/", ("tcp://h1:1,tcp+tls://h2", "/a")),
        ] {
            assert_eq!(split(connect), expected, "{connect}");
        }
    }

    #[test]
    fn servers_are_named_often_enough() {
        assert_eq!(repeated("h1:1,h2:2").matches("h1:1,h2:2").count(), 10);
        assert_eq!(repeated("h1:1").split(',').count(), 20);
        assert_eq!(repeated("a,b,c").split(',').count(), 21);
    }

    #[test]
    fn longer_paths_leave_fewer_places() {
        assert_eq!(places_max(25_000, znode::PATH_BYTES), 25_000);
        assert_eq!(places_max(25_000, 48), 25_000);
        assert_eq!(places_max(25_000, 96), 12_500);
        assert_eq!(places_max(1, 1000), 1);
    }

    #[test]
    fn names_that_would_change_a_path_are_refused() {
        assert_eq!(check_name(&NodeId::new("a-1.example.org:44")), Ok(()));
        for name in ["", "a/b", "..", "a\n", &"n".repeat(256)] {
            assert!(matches!(check_name(&NodeId::new(name)), Err(Error::Denied(_))), "{name}");
        }
    }
}
