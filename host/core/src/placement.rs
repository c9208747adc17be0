//! Placement: rendezvous hashing over the live nodes selects the node for an object that has no owner.
//!
//! Every node computes the same order from the same members. All nodes therefore send the first call to a cold
//! object to one node, before any node requests the claim, and a node that joins or leaves moves only its own
//! share. Placement is a preference: only the claim decides who owns an object. The functions are pure. Their
//! results are part of the protocol between nodes: see [`PROTOCOL`].

use crate::registry::claims::ClaimKey;
use crate::registry::members::{Member, Members, NodeStatus, PROTOCOL};

/// Returns the node that should own the objects under `key`. `None` if no node accepts objects.
#[must_use]
pub fn preferred(key: ClaimKey, members: &Members) -> Option<&Member> {
    order(key, members).next()
}

/// Returns the node that performs the cluster-wide task that `key` stands for: the [`preferred`] node, or, if no
/// node accepts objects (all drain, for example), any reachable one. `None` if no node can be reached.
#[must_use]
pub fn coordinator(key: ClaimKey, members: &Members) -> Option<&Member> {
    preferred(key, members).or_else(|| {
        let speaking = members.iter().filter(|member| member.protocol == PROTOCOL);
        speaking.max_by_key(|member| (score(key, member), &member.node))
    })
}

/// Returns the nodes that accept objects, in order of preference for `key`.
///
/// Each step scans all members, because most callers need only the first node.
pub fn order(key: ClaimKey, members: &Members) -> impl Iterator<Item = &Member> {
    let mut last = None;
    std::iter::from_fn(move || {
        let ranked = members.iter().filter(|member| takes_objects(member)).map(|member| {
            // Equal scores are practically impossible; names, which are unique, break the tie.
            (score(key, member), &member.node, member)
        });
        let below = ranked.filter(|&(score, node, _)| last.is_none_or(|last| (score, node) < last));
        let (score, node, member) = below.max_by_key(|&(score, node, _)| (score, node))?;
        last = Some((score, node));
        Some(member)
    })
}

/// Whether unowned objects may be placed on a member.
fn takes_objects(member: &Member) -> bool {
    member.status == NodeStatus::Ready && member.protocol == PROTOCOL
}

/// Returns the preference of `key` for `member`.
///
/// The hash covers the whole name, including the part that is new for each session. A node that returns has none
/// of its former objects in memory, so nothing is lost if it gets different ones.
fn score(key: ClaimKey, member: &Member) -> u64 {
    let key = key.as_u128();
    let (high, low) = ((key >> 64) as u64, key as u64);
    mix(mix(name_hash(member.node.as_str()) ^ low).wrapping_add(high))
}

/// FNV-1a: short, and stable on every platform and in every version, which the standard library's hashers do not
/// guarantee.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Spreads each bit over all others: the final steps of SplitMix64, a permutation.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::id::{NodeId, ObjectId};
    use crate::registry::claims::Granularity;

    fn member(name: &str) -> Member {
        Member {
            node: NodeId::new(name),
            address: "127.0.0.1:7410".into(),
            protocol: PROTOCOL,
            status: NodeStatus::Ready,
        }
    }

    fn members(names: &[&str]) -> Members {
        Members::new(names.iter().copied().map(member).collect())
    }

    fn key(n: u32) -> ClaimKey {
        Granularity::Object.key_of(&ObjectId::new("todo", &n.to_string()).unwrap())
    }

    fn names(key: ClaimKey, members: &Members) -> Vec<&str> {
        order(key, members).map(|member| member.node.as_str()).collect()
    }

    #[test]
    fn every_node_gets_about_its_share() {
        let members = members(&["a", "b", "c", "d", "e"]);
        let mut counts = BTreeMap::<&str, u32>::new();
        for n in 0..10_000 {
            *counts.entry(preferred(key(n), &members).unwrap().node.as_str()).or_default() += 1;
        }
        assert!(counts.values().all(|count| (1800..2200).contains(count)), "{counts:?}");
    }

    #[test]
    fn every_second_choice_is_spread_too() {
        let members = members(&["a", "b", "c", "d"]);
        let mut counts = BTreeMap::<&str, u32>::new();
        for n in (0..12_000).filter(|n| names(key(*n), &members).first() == Some(&"a")) {
            *counts.entry(names(key(n), &members)[1]).or_default() += 1;
        }
        assert_eq!(counts.len(), 3);
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn only_the_share_of_a_node_that_joins_or_leaves_moves() {
        let (few, many) = (members(&["a", "b", "c"]), members(&["a", "b", "c", "d"]));
        let mut moved = 0;
        for n in 0..4000 {
            let (before, after) = (names(key(n), &few), names(key(n), &many));
            if before.first() != after.first() {
                assert_eq!(after.first(), Some(&"d"));
                moved += 1;
            }
            let without: Vec<_> = after.into_iter().filter(|name| *name != "d").collect();
            assert_eq!(without, before, "the order of the others stays");
        }
        assert!((900..1100).contains(&moved), "{moved}");
    }

    #[test]
    fn nodes_that_take_no_objects_are_left_out() {
        let draining = Member { status: NodeStatus::Draining, ..member("b") };
        let unhealthy = Member { status: NodeStatus::Unhealthy, ..member("c") };
        let stranger = Member { protocol: PROTOCOL + 1, ..member("d") };
        let some = Members::new(vec![member("a"), draining.clone(), unhealthy, stranger]);
        for n in 0..100 {
            assert_eq!(names(key(n), &some), ["a"]);
        }
        assert_eq!(preferred(key(1), &Members::new(vec![draining])), None);
        assert_eq!(preferred(key(1), &Members::default()), None);
    }

    #[test]
    fn one_node_coordinates_whatever_the_nodes_are_like_unless_there_is_none() {
        let with = |status, name: &str| Member { status, ..member(name) };
        let coordinators = |members: &Members| -> Vec<String> {
            let found = (0..64).filter_map(|n| coordinator(key(n), members));
            let mut names: Vec<_> = found.map(|member| member.node.to_string()).collect();
            names.sort_unstable();
            names.dedup();
            names
        };
        let (ready, draining, unhealthy) =
            (NodeStatus::Ready, NodeStatus::Draining, NodeStatus::Unhealthy);
        let stranger = Member { protocol: PROTOCOL + 1, ..member("s") };
        for (members, expected) in [
            (vec![], &[][..]),
            (vec![stranger.clone()], &[]),
            (vec![with(ready, "a"), with(draining, "b"), with(unhealthy, "c")], &["a"]),
            (vec![with(draining, "a"), with(draining, "b"), stranger], &["a", "b"]),
            (vec![with(unhealthy, "a")], &["a"]),
        ] {
            assert_eq!(coordinators(&Members::new(members.clone())), expected, "{members:?}");
        }
    }

    #[test]
    fn every_node_is_named_once() {
        let members = members(&["a", "b", "c", "d", "e", "f"]);
        for n in 0..100 {
            let mut names = names(key(n), &members);
            names.sort_unstable();
            assert_eq!(names, ["a", "b", "c", "d", "e", "f"]);
        }
    }

    #[test]
    fn nodes_of_every_build_agree() {
        assert_eq!(mix(1), 0x5692_161d_100b_05e5);
        assert_eq!(name_hash("a"), 0xaf63_dc4c_8601_ec8c);
        let members = members(&["alpha-00000001", "beta-00000002", "gamma-00000003"]);
        let firsts: String = (0..32)
            .map(|n| preferred(ClaimKey::from_u128(n << 61 | n), &members).unwrap())
            .map(|member| member.node.as_str().chars().next().unwrap())
            .collect();
        assert_eq!(firsts, "gbbagbagaagbgbaagagbabbggggbbaab");
    }
}
