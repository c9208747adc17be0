//! Pairs of registry and store that belong together, and the founding of clusters under every interruption.

use super::*;

fn number(n: u8) -> ClusterId {
    ClusterId([n; 16])
}

fn founded(id: u8, founding: u8) -> Identity {
    Identity { founding: Some(number(founding)), ..Identity::of(number(id)) }
}

#[test]
fn a_node_joins_only_where_registry_and_store_name_one_cluster() {
    use Mismatch::{Differ, StoreBlank, StoreTaken};
    let of = |n| Some(Identity::of(number(n)));
    let founding = |n| Some(Identity::founding(number(n)));
    let fresh = number(99);
    let begin = Step::WriteRegistry(Identity::founding(fresh));
    let (join, refuse) = (|n| Step::Join(number(n)), Step::Refuse);
    let differ = |a, b| refuse(Differ { registry: number(a), store: number(b) });
    let (to_registry, to_store) = (
        |n| Step::WriteRegistry(Identity::of(number(n))),
        |n| Step::WriteStore(Identity::of(number(n))),
    );
    let new_store =
        |n| Step::WriteStore(Identity { id: Some(fresh), ..Identity::founding(number(n)) });
    // (registry, store, known, expected step)
    let table = [
        (None, None, None, begin),
        (None, None, Some(1), begin),
        (None, of(1), None, refuse(StoreTaken(number(1)))),
        (None, of(1), Some(2), refuse(StoreTaken(number(1)))),
        (None, of(1), Some(1), to_registry(1)),
        (None, Some(founded(1, 7)), None, refuse(StoreTaken(number(1)))),
        (of(1), None, None, refuse(StoreBlank(number(1)))),
        (of(1), None, Some(2), refuse(StoreBlank(number(1)))),
        (of(1), None, Some(1), to_store(1)),
        (of(1), of(1), None, join(1)),
        (of(1), of(1), Some(2), join(1)),
        (of(1), Some(founded(1, 7)), None, join(1)),
        (of(1), of(2), None, differ(1, 2)),
        (of(1), of(2), Some(1), differ(1, 2)),
        (of(1), of(2), Some(2), differ(1, 2)),
        (founding(7), None, None, new_store(7)),
        (founding(7), Some(founded(1, 7)), None, to_registry(1)),
        (founding(7), Some(founded(1, 8)), None, refuse(StoreTaken(number(1)))),
        (founding(7), of(1), None, refuse(StoreTaken(number(1)))),
        (founding(7), of(1), Some(1), to_registry(1)),
    ];
    for (registry, store, known, expected) in table {
        let step = next_step(registry, store, known.map(number), fresh);
        assert_eq!(step, expected, "{registry:?} {store:?} {known:?}");
    }
}

/// Nodes that found a cluster take their steps in any order, and any of them may die after any step.
#[test]
fn nodes_that_found_a_cluster_together_join_the_same_one() {
    let mut random: u64 = 1;
    let mut below = |bound: usize| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % bound
    };
    for _ in 0..2_000 {
        let (mut registry, mut store) = (None, None);
        let mut seen = [(None, None); 3];
        let mut joined = Vec::new();
        let mut fresh: u8 = 0;
        while joined.len() < 6 {
            let node = below(3);
            if below(2) == 0 {
                // The node reads both again, as after a restart.
                seen[node] = (registry, store);
                continue;
            }
            fresh = fresh.wrapping_add(1);
            let (r, s) = seen[node];
            match next_step(r, s, None, number(fresh)) {
                Step::Join(id) => joined.push(id),
                Step::WriteRegistry(new) if registry == r => registry = Some(new),
                Step::WriteStore(new) if store.is_none() => store = Some(new),
                // Another node was faster.
                Step::WriteRegistry(_) | Step::WriteStore(_) => {}
                Step::Refuse(why) => panic!("{why:?} at {r:?} and {s:?}"),
            }
        }
        assert!(joined.windows(2).all(|pair| pair[0] == pair[1]), "{joined:?}");
    }
}

/// With two new stores and one new registry, the nodes of at most one store may join.
#[test]
fn of_two_stores_with_one_registry_one_is_refused() {
    for order in 0..64_u32 {
        let (mut registry, mut stores) = (None, [None, None]);
        let mut joined = [false, false];
        for turn in 0..24 {
            let node = usize::try_from((order >> (turn % 6)) & 1).unwrap();
            let fresh = number(u8::try_from(turn + 1).unwrap());
            match next_step(registry, stores[node], None, fresh) {
                Step::Join(_) => joined[node] = true,
                Step::WriteRegistry(new) => registry = Some(new),
                Step::WriteStore(new) => stores[node] = Some(new),
                Step::Refuse(_) => {}
            }
        }
        assert_ne!(joined, [true, true], "order {order:b}");
        assert!(joined.contains(&true), "order {order:b}");
    }
}

#[test]
fn an_identity_reads_back_and_nothing_else_is_one() {
    for identity in [founded(1, 2), Identity::of(number(3)), Identity::founding(number(4))] {
        assert_eq!(Identity::read(&identity.bytes(), "x"), Ok(identity));
    }
    let bytes = Identity::of(number(3)).bytes();
    let digits = "03".repeat(16);
    assert_eq!(bytes, format!("{{\"format\":1,\"id\":\"{digits}\"}}\n").as_bytes());
    let newer = format!(r#"{{"format":2,"id":"{digits}","more":true}}"#);
    let mut long = bytes;
    long.resize(BYTES_MAX + 1, b' ');
    for wrong in [b"".as_slice(), b"{}", br#"{"format":1}"#, newer.as_bytes(), &long] {
        let refused = Identity::read(wrong, "the blob cluster.json");
        let Err(Error::Denied(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("the blob cluster.json"), "{why}");
    }
}

#[test]
fn terms_differ_where_both_nodes_tell_them() {
    let terms = |claims, store| Terms::new(claims, store);
    let mine = terms(Granularity::Object, Some("objects/prod"));
    assert_eq!(mine.difference(&mine.clone()), None);
    assert_eq!(mine.difference(&Terms::default()), None, "it publishes nothing");
    let other = terms(Granularity::Partitions(8), Some("objects/prod"));
    let expected =
        Difference { setting: "registry.claims", mine: "object", theirs: "partitions = 8" };
    assert_eq!(mine.difference(&other), Some(expected));
    let fewer = terms(Granularity::Partitions(4), Some("objects/prod"));
    assert_eq!(fewer.difference(&other).map(|found| found.setting), Some("registry.claims"));
    let elsewhere = terms(Granularity::Object, Some("objects/test"));
    let name = mine.difference(&elsewhere).unwrap().setting;
    assert!(name.contains("store.bucket") && name.contains("store.prefix"), "{name}");
}
