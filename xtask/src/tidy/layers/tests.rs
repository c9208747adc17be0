use super::super::file::{assert_findings, file};
use super::*;

#[track_caller]
fn find(path: &str, text: &str, expected: &[&str]) {
    assert_findings(&check(&file(path, text)), expected);
}

#[track_caller]
fn check_uses(text: &str, expected: &[(&str, usize)]) {
    let found = uses(text);
    let found: Vec<_> = found.iter().map(|Use { path, line }| (&**path, *line)).collect();
    assert_eq!(found, expected);
}

#[test]
fn paths_are_read_from_uses_and_from_code() {
    check_uses("use crate::id::ObjectId;", &[("id::ObjectId", 1)]);
    check_uses(
        "use crate::clock;\nfn f() { crate::store::put::<u8>() }",
        &[("clock", 1), ("store::put", 2)],
    );
    check_uses("pub(crate) fn f(at: crate::clock::BootTime) {}", &[("clock::BootTime", 1)]);
    check_uses("vec![crate::id::A]", &[("id::A", 1)]);
}

#[test]
fn groups_are_followed() {
    check_uses(
        "use crate::registry::{\n    self, Claimed as C, zookeeper::{A, B},\n    NodeId,\n};",
        &[
            ("registry", 2),
            ("registry::Claimed", 2),
            ("registry::zookeeper::A", 2),
            ("registry::zookeeper::B", 2),
            ("registry::NodeId", 3),
        ],
    );
    check_uses("use crate::{id, store::record::*};", &[("id", 1), ("store::record", 1)]);
}

#[test]
fn comments_and_strings_do_not_count() {
    check_uses("/// See [`crate::node`].\n// crate::node\nfn f() { g(\"crate::node\") }", &[]);
}

#[test]
fn a_lower_layer_must_not_use_a_higher_one() {
    find("host/src/node.rs", "use crate::activation::Call;", &[]);
    find(
        "host/src/activation/driver.rs",
        "\nuse crate::node::Node;",
        &["2: `activation::driver` (activation) uses `node::Node` (node), which is above it"],
    );
    find("host/core/src/id.rs", "use crate::limits::KEY_BYTES_MAX;", &[]);
    find(
        "host/core/src/catalog/record.rs",
        "use crate::rollout::Report;",
        &["1: `catalog::record` (catalog) uses `rollout::Report` (policies), which is above it"],
    );
    find("host/src/main.rs", "use crate::http::serve;", &[]);
}

#[test]
fn ports_do_not_know_each_other() {
    find(
        "host/core/src/engine.rs",
        "use crate::store::ETag;",
        &["1: `engine` uses `store::ETag`, but ports must not use each other"],
    );
    find("host/core/src/store/record.rs", "use crate::store::ETag;", &[]);
}

#[test]
fn a_module_without_a_layer_is_found() {
    find("host/src/gossip.rs", "", &["1: module `gossip` is not assigned to a layer"]);
    find("host/src/lib.rs", "pub mod gossip;", &[]);
    find("guest-sdk/src/gossip.rs", "", &[]);
}
