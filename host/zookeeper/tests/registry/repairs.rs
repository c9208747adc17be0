//! Recovery after an operator removes whole folders: their claims and sessions are lost, and everything else is
//! repaired.

use highlander_core::id::{NodeId, TypeName};
use highlander_core::registry::{Claimed, Registry, SessionEvent};
use highlander_testing::registry::patient::claim;
use highlander_zookeeper::ZooKeeperSessions;
use zookeeper_client::{Client, Error};

use crate::cluster::{Cluster, claim_path, id, lease_holds, notices_until, until};

/// Removes a znode and everything below it, as `deleteall` does, even if it is created again concurrently.
async fn delete_all(operator: &Client, folder: &str) {
    let mut paths = vec![folder.to_owned()];
    while let Some(path) = paths.last() {
        match operator.delete(path, None).await {
            Ok(()) | Err(Error::NoNode) => drop(paths.pop()),
            Err(Error::NotEmpty) => {
                let children = operator.list_children(path).await.unwrap_or_default();
                let children: Vec<_> =
                    children.iter().map(|child| format!("{path}/{child}")).collect();
                paths.extend(children);
            }
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_whose_folder_was_removed_are_lost_and_made_anew() {
    let cluster = Cluster::start().await;
    let operator = cluster.operator().await;
    let (session, other) = (cluster.join("a-1").await, cluster.join("b-1").await);
    for number in 0..3 {
        assert_eq!(claim(&session, &id(number)).await, Ok(Claimed::Granted));
    }
    delete_all(&operator, "/c").await;
    // The claims are gone from the registry, so the first session to request one gets it.
    assert_eq!(claim(&other, &id(1)).await, Ok(Claimed::Granted));
    let notice = loop {
        match session.next_event().await {
            SessionEvent::ClaimsLost(lost) => break lost,
            other => assert!(matches!(other, SessionEvent::TypesUncertain), "{other:?}"),
        }
    };
    let key_of = |number| session.granularity().key_of(&id(number));
    assert!((0..3).all(|number| notice.contains(&key_of(number))), "{notice:?}");
    assert_eq!(session.claim_count(), 0);
    assert_eq!(claim(&session, &id(1)).await, Ok(Claimed::Held(NodeId::new("b-1"))));
    assert_eq!(claim(&session, &id(0)).await, Ok(Claimed::Granted));
    assert_eq!(claim(&session, &id(7)).await, Ok(Claimed::Granted));
    assert!(operator.check_stat(&claim_path(&id(7))).await.unwrap().is_some());
    assert!(lease_holds(&session) && lease_holds(&other), "this ends no session");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_with_the_folder_of_their_descriptions_and_begin_anew() {
    for folder in ["/n", "/h"] {
        let cluster = Cluster::start().await;
        let operator = cluster.operator().await;
        let (session, other) = (cluster.join("a-1").await, cluster.join("b-1").await);
        assert_eq!(claim(&session, &id(1)).await, Ok(Claimed::Granted));
        delete_all(&operator, folder).await;
        for session in [&session, &other] {
            notices_until(session, &SessionEvent::SessionOver).await;
            assert!(!lease_holds(session), "{folder}: earlier claims are no longer trusted");
        }
        let (session, other) = (cluster.join("a-2").await, cluster.join("b-2").await);
        until("only live members are listed", async || {
            let members = other.members();
            let names: Vec<_> = members.iter().map(|member| member.node.as_str()).collect();
            names == ["a-2", "b-2"]
        })
        .await;
        assert_eq!(claim(&session, &id(1)).await, Ok(Claimed::Granted), "{folder}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_told_of_types_whose_folder_was_removed() {
    let cluster = Cluster::start().await;
    let operator = cluster.operator().await;
    let (session, other) = (cluster.join("a-1").await, cluster.join("b-1").await);
    for round in 0..3 {
        delete_all(&operator, "/t").await;
        let type_name = TypeName::new(&format!("t{round}")).unwrap();
        assert_eq!(session.publish_type_change(&type_name).await, Ok(()));
        notices_until(&other, &SessionEvent::TypeChanged(type_name)).await;
    }
    assert!(lease_holds(&session) && lease_holds(&other), "this ends no session");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_made_again_where_the_chroot_was_removed() {
    let cluster = Cluster::start().await;
    let session = cluster.join("a-1").await;
    assert_eq!(claim(&session, &id(1)).await, Ok(Claimed::Granted));
    let operator = Client::connect(&cluster.ensemble.connect_string()).await.unwrap();
    delete_all(&operator, "/test").await;
    notices_until(&session, &SessionEvent::SessionOver).await;
    let sessions = ZooKeeperSessions::new(cluster.options.clone());
    let again = sessions.begin_as(NodeId::new("a-2")).await.unwrap();
    assert_eq!(claim(&again, &id(1)).await, Ok(Claimed::Granted));
}
