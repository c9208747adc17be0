//! A session never trusts a claim that another session can hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use highlander_core::clock::BootTime;
use highlander_core::registry::{Claimed, Registry, SessionEvent};
use highlander_services::fault_proxy::FaultProxy;
use highlander_services::zookeeper::Config;
use highlander_system::clock;
use highlander_testing::registry::patient::{claim, release};
use highlander_zookeeper::Session;
use rand::RngExt as _;

use crate::cluster::{Cluster, claim_path, id, lease_holds, notices_until, until, within};

const SESSIONS: usize = 20;

/// Acquires every claim of the sessions as soon as it is free, and checks that its holder's lease has ended by
/// then.
async fn take_over(holders: &[Session], taker: &Session) {
    let take = async |number: usize, holder: &Session| {
        while taker.claim(&id(number)).await != Ok(Claimed::Granted) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let now = clock::now();
        let late = holder.lease_until().since(now);
        assert!(
            holder.lease_until() <= now,
            "{number} is taken, and its holder trusts it for {late:?}"
        );
    };
    let taking = holders.iter().enumerate().map(|(number, holder)| take(number, holder));
    within("everything is taken", join_all(taking)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_is_over_before_another_session_has_the_claim() {
    let cluster = Cluster::start().await;
    let taker = cluster.join("taker-1").await;
    for round in 0..3 {
        let names = (0..SESSIONS).map(|number| format!("holder-{round}-{number}"));
        let joining = names.map(async |name| cluster.join_by_link(&name, 0).await);
        let (holders, links): (Vec<_>, Vec<_>) = join_all(joining).await.into_iter().unzip();
        for (number, holder) in holders.iter().enumerate() {
            assert_eq!(claim(holder, &id(number)).await, Ok(Claimed::Granted));
        }
        for link in &links {
            // At a random phase of the heartbeats and of the servers' ticks.
            let pause = rand::rng().random_range(0..200);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            link.cut();
        }
        take_over(&holders, &taker).await;
        for number in 0..SESSIONS {
            assert_eq!(release(&taker, &id(number)).await, Ok(()));
        }
    }
}

/// A follower that is cut off from its leader still answers reads and pings, while the leader ends the follower's
/// sessions.
#[tokio::test(flavor = "multi_thread")]
async fn the_lease_is_over_before_the_leader_ends_sessions_on_a_server_that_is_cut_off() {
    let links: Vec<_> = join_all((0..9).map(|_| FaultProxy::unaimed())).await;
    let links: Arc<Vec<FaultProxy>> = Arc::new(links.into_iter().map(Result::unwrap).collect());
    let routes = Arc::clone(&links);
    let config = Config {
        route: Some(Arc::new(move |from, to, address: String| {
            let link = &routes[from * 3 + to];
            link.aim(address.parse::<SocketAddr>().unwrap());
            link.address().to_string()
        })),
        // A server that is cut off stays a follower for longer than the sessions live.
        sync_limit: 30,
        ..Config::with_servers(3)
    };
    let cluster = Cluster::start_with(config, Duration::from_secs(4)).await;
    for round in 0..4 {
        let mut leader = None;
        until("there is a leader", async || {
            leader = cluster.ensemble.leader();
            leader.is_some()
        })
        .await;
        let leader = leader.unwrap();
        let follower = (leader + 1) % 3;
        let (taker, _link) = cluster.join_by_link(&format!("taker-{round}"), leader).await;
        let names = (0..SESSIONS).map(|number| format!("holder-{round}-{number}"));
        let joining = names.map(async |name| cluster.join_by_link(&name, follower).await);
        let joined = join_all(joining).await;
        let (holders, _links): (Vec<_>, Vec<_>) = joined.into_iter().unzip();
        for (number, holder) in holders.iter().enumerate() {
            assert_eq!(claim(holder, &id(number)).await, Ok(Claimed::Granted));
        }
        before_a_bad_moment().await;
        links[follower * 3 + leader].cut();
        take_over(&holders, &taker).await;
        links[follower * 3 + leader].heal();
        taker.leave().await;
    }
}

/// Waits for the worst phase. The leader counts whole ticks of the machine's clock, from reports that arrive every
/// half tick. It has the least information about requests that are sent just after a tick has begun and are not
/// reported any more.
async fn before_a_bad_moment() {
    let since_boot = clock::now().since(BootTime::from_boot(Duration::ZERO));
    let tick_ms = u128::from(Config::default().tick_ms);
    let phase = u64::try_from(since_boot.as_millis() % tick_ms).unwrap();
    let pause = u64::from(Config::default().tick_ms) - phase + rand::rng().random_range(60..120);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_its_lease_a_session_claims_nothing_and_afterwards_keeps_what_it_held() {
    let cluster = Cluster::start_with(Config::default(), Duration::from_secs(8)).await;
    let operator = cluster.operator().await;
    for round in 0.. {
        let (session, link) = cluster.join_by_link(&format!("a-{round}"), 0).await;
        for number in 0..3 {
            assert_eq!(claim(&session, &id(number)).await, Ok(Claimed::Granted));
        }
        link.cut();
        until("the lease is over", async || !lease_holds(&session)).await;
        assert!(
            session.claim(&id(0)).await.is_err(),
            "the claims that it held are not granted either"
        );
        assert!(session.claim(&id(4)).await.is_err());
        operator.delete(&claim_path(&id(1)), None).await.unwrap();
        link.heal();
        let notices = async {
            loop {
                match session.next_event().await {
                    SessionEvent::TypesUncertain => {}
                    SessionEvent::ClaimsLost(lost) => {
                        assert!(
                            !lease_holds(&session),
                            "the lease waits for the loss to be dealt with"
                        );
                        assert_eq!(lost, [session.granularity().key_of(&id(1))]);
                        let next = notices_until(&session, &SessionEvent::LeaseResumed).await;
                        assert!(!next.contains(&SessionEvent::SessionOver));
                        return true;
                    }
                    SessionEvent::SessionOver => return false,
                    other => panic!("{other:?}"),
                }
            }
        };
        if within("an event of the session", notices).await {
            assert!(lease_holds(&session));
            assert_eq!(session.claim_count(), 2);
            assert_eq!(claim(&session, &id(0)).await, Ok(Claimed::Granted));
            assert_eq!(claim(&session, &id(1)).await, Ok(Claimed::Granted), "it was free");
            return;
        }
        // The machine was too slow, and the servers have ended the session.
        assert!(round < 5, "a session never outlives its lease");
    }
}
