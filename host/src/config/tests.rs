//! Valid and invalid configurations, and agreement with the documentation.

mod may_call;

use highlander_core::registry::claims::Granularity;
use highlander_core::schedule::quota::Kind;

use super::backends::{RegistryKind, StoreKind};
use super::keys::KEYS;
use super::type_keys::TYPE_KEYS;
use super::*;

/// Settings required in every cluster.
const CLUSTER: [(&str, &str); 4] = [
    ("HIGHLANDER_REGISTRY__KIND", "zookeeper"),
    ("HIGHLANDER_REGISTRY__CONNECT", "127.0.0.1:2181"),
    ("HIGHLANDER_STORE__KIND", "s3"),
    ("HIGHLANDER_STORE__BUCKET", "objects"),
];

fn from_file(text: &str) -> Result<Config, Error> {
    let mut config = Config::default();
    let mut given = source::Given::new();
    source::apply_file(&mut config, &mut given, text, "highlander.toml")?;
    validate::check(&config, &given).map(|()| config)
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Config, Error> {
    let owned = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Config::load(None, owned)
}

/// File with every key.
const EVERY_KEY: &str = r#"
[node]
name = "node-a"
listen = "0.0.0.0:7411"
advertise = "10.0.0.5:7411"
data_dir = "/var/lib/highlander"
insecure = true
component_max = "16MiB"
connections_max = 900
[auth]
tokens_file = "/etc/highlander/tokens"
node_token_file = "/etc/highlander/node-token"
[registry]
kind = "zookeeper"
connect = "zk1:2181,zk2:2181/highlander"
session_timeout = "4s"
claims = { partitions = 4096 }
claims_max = 20000
credentials_file = "/etc/highlander/zookeeper"
tls_ca = "ca.pem"
tls_cert = "cert.pem"
tls_key = "key.pem"
[store]
kind = "s3"
bucket = "objects"
prefix = "prod/eu"
endpoint = "https://s3.example:9000/"
region = "eu-central-1"
path_style = false
request_timeout = "2s"
[objects]
idle_timeout = "30s"
state_max = "8MiB"
mailbox_len = 7
quarantine_after = 3
revisions_kept = 4
component_retention = "2h"
call_timeout = "1m 30s"
activation_rate = 200
store_unavailable_timeout = "20s"
[sandbox]
memory_max = "128MiB"
memory_total = "6GiB"
cpu_max = "1s"
resident_max = 12
compile_time_max = "10s"
compile_memory_max = "2GiB"
code_cache_max = "3GiB"
guest_threads = 3
[types.todo]
weight = 300
calls_per_second = 10
messages_per_second = 20
alarms_per_second = 30
"#;

#[test]
fn a_file_sets_every_key() {
    let config = from_file(EVERY_KEY).unwrap();
    let todo = TypeName::new("todo").unwrap();
    let rates = [(Kind::Call, 10), (Kind::Message, 20), (Kind::Alarm, 30)];
    let registry = RegistryConfig {
        kind: RegistryKind::ZooKeeper,
        connect: Some("zk1:2181,zk2:2181/highlander".to_owned()),
        session_timeout: Duration::from_secs(4),
        claims: Granularity::Partitions(4096),
        claims_max: 20_000,
        credentials_file: Some("/etc/highlander/zookeeper".into()),
        tls_ca: Some("ca.pem".into()),
        tls_cert: Some("cert.pem".into()),
        tls_key: Some("key.pem".into()),
    };
    let auth = AuthConfig {
        tokens_file: Some("/etc/highlander/tokens".into()),
        node_token_file: Some("/etc/highlander/node-token".into()),
    };
    let store = StoreConfig {
        kind: StoreKind::S3,
        bucket: Some("objects".to_owned()),
        prefix: "prod/eu".to_owned(),
        endpoint: Some("https://s3.example:9000".to_owned()),
        region: Some("eu-central-1".to_owned()),
        path_style: Some(false),
        request_timeout: Duration::from_secs(2),
    };
    let expected = Config {
        name: Some("node-a".to_owned()),
        listen: "0.0.0.0:7411".parse().unwrap(),
        advertise: Some("10.0.0.5:7411".to_owned()),
        data_dir: "/var/lib/highlander".into(),
        is_dev: false,
        web: None,
        insecure: true,
        component_max: 16 << 20,
        connections_max: 900,
        auth,
        registry,
        store,
        idle_timeout: Duration::from_secs(30),
        state_max: 8 << 20,
        mailbox_len: 7,
        quarantine_after: 3,
        revisions_kept: 4,
        component_retention: Duration::from_hours(2),
        call_timeout: Duration::from_secs(90),
        activation_rate: Some(200),
        store_unavailable_timeout: Duration::from_secs(20),
        memory_max: 128 << 20,
        memory_total: Some(6 << 30),
        cpu_max: Duration::from_secs(1),
        resident_max: 12,
        compile_time_max: Duration::from_secs(10),
        compile_memory_max: 2 << 30,
        code_cache_max: 3 << 30,
        guest_threads: Some(3),
        may_call: BTreeMap::new(),
        weights: BTreeMap::from([(todo.clone(), 300)]),
        rates: BTreeMap::from([(todo, rates.into())]),
    };
    assert_eq!(config, expected);
}

#[test]
fn the_environment_stands_above_the_file() {
    let config = from_environment(&[
        ("HIGHLANDER_OBJECTS__STATE_MAX", "2MiB"),
        ("HIGHLANDER_NODE__LISTEN", "[::1]:80"),
        ("HIGHLANDER_URL", "http://127.0.0.1:1"),
        ("PATH", "/bin"),
    ]);
    let config = config.unwrap();
    assert_eq!((config.state_max, config.listen), (2 << 20, "[::1]:80".parse().unwrap()));
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_one() {
    for (text, nearest) in [
        ("[objects]\nidle_timout = \"1s\"", "objects.idle_timeout"),
        ("[object]\nidle_timeout = \"1s\"", "objects.idle_timeout"),
        ("listen = \"1.1.1.1:1\"", "node.listen"),
        ("[sandbox]\nresidents_max = 1", "sandbox.resident_max"),
        ("[node]\nport = 7410", "node.listen"),
        ("[server]\nhost = \"0.0.0.0\"", "node.listen"),
        ("[node]\nnaem = \"a\"", "node.name"),
        ("[store]\nkin = \"s3\"", "store.kind"),
    ] {
        let error = from_file(text).unwrap_err();
        let hint = error.hint.clone().unwrap_or_default();
        assert!(hint.contains(&format!("did you mean {nearest} ")), "{text}: {error:?}");
    }
    let error = from_environment(&[("HIGHLANDER_NODE__LISTN", "x")]).unwrap_err();
    assert!(error.hint.unwrap().contains("HIGHLANDER_NODE__LISTEN"));
    let error = from_environment(&[("HIGHLANDER_NODE_DATA_DIR", "/x")]).unwrap_err();
    assert!(error.message.contains("one underscore"), "{error:?}");
    assert_eq!(error.hint.unwrap(), "HIGHLANDER_NODE__DATA_DIR");
}

#[test]
fn values_out_of_range_or_without_unit_are_refused() {
    for (key, text) in [
        ("objects.state_max", "1048576"),
        ("objects.state_max", "9MiB"),
        ("objects.state_max", "0B"),
        ("objects.idle_timeout", "5"),
        ("objects.idle_timeout", "0s"),
        ("objects.call_timeout", "6m"),
        ("objects.mailbox_len", "0"),
        ("objects.mailbox_len", "-1"),
        ("sandbox.memory_max", "lots"),
        ("sandbox.memory_total", "15MiB"),
        ("sandbox.memory_total", "17TiB"),
        ("sandbox.resident_max", "20001"),
        ("sandbox.compile_time_max", "999ms"),
        ("sandbox.compile_time_max", "11m"),
        ("sandbox.compile_memory_max", "255MiB"),
        ("sandbox.code_cache_max", "1023KiB"),
        ("node.listen", "localhost:7410"),
        ("node.advertise", "10.0.0.5"),
        ("node.insecure", "yes"),
        ("node.name", "a.b"),
        ("node.name", &"n".repeat(41)),
        ("registry.kind", "ZooKeeper"),
        ("registry.connect", "zk1"),
        ("registry.connect", "zk1:2181,"),
        ("registry.connect", "zk1:2181/"),
        ("registry.connect", "zk1:2181/a//b"),
        ("registry.connect", "zk1:2181/a/../b"),
        ("registry.session_timeout", "900ms"),
        ("registry.session_timeout", "61s"),
        ("registry.claims", "objects"),
        ("registry.claims", "partitions = 0"),
        ("registry.claims", "partitions = 16385"),
        ("registry.claims_max", "40001"),
        ("store.kind", "S3"),
        ("store.bucket", "a/b"),
        ("store.bucket", "ab"),
        ("store.bucket", "Objects"),
        ("store.prefix", "/prod"),
        ("store.prefix", "prod/"),
        ("store.prefix", "a/../b"),
        ("store.endpoint", "127.0.0.1:9000"),
        ("store.endpoint", "ftp://127.0.0.1:9000"),
        ("store.endpoint", "http://user:hunter2@127.0.0.1:9000"),
        ("store.path_style", "1"),
        ("store.request_timeout", "50ms"),
        ("objects.activation_rate", "0"),
        ("objects.store_unavailable_timeout", "500ms"),
    ] {
        let key = KEYS.iter().find(|known| known.name == key).unwrap();
        let error = from_environment(&[(&key.variable(), text)]).unwrap_err();
        assert!(error.message.starts_with(&key.variable()), "{error:?}");
        assert!(!error.message.contains("hunter2"), "{error:?}");
        assert!(error.hint.unwrap().contains(key.unit));
    }
}

#[test]
fn a_value_out_of_its_range_is_told_on_which_side() {
    for (variable, text, expected) in [
        ("HIGHLANDER_SANDBOX__CPU_MAX", "20s", "20s is more than the 10s allowed"),
        ("HIGHLANDER_OBJECTS__IDLE_TIMEOUT", "1ms", "1ms is less than the 1s required"),
        ("HIGHLANDER_OBJECTS__STATE_MAX", "9MiB", "9MiB is more than the 8.0 MiB allowed"),
        ("HIGHLANDER_OBJECTS__MAILBOX_LEN", "0", "0 is less than the 1 required"),
        (
            "HIGHLANDER_OBJECTS__MAILBOX_LEN",
            "99999999999",
            "99999999999 is more than the 65536 allowed",
        ),
        ("HIGHLANDER_SANDBOX__CPU_MAX", "20", "\"20\" is not a time with a unit"),
    ] {
        let error = from_environment(&[(variable, text)]).unwrap_err();
        assert!(error.message.starts_with(&format!("{variable}: {expected}")), "{error:?}");
    }
}

#[test]
fn empty_values_are_unset_in_the_environment_and_wrong_in_a_file() {
    let empty = [("HIGHLANDER_NODE__LISTEN", ""), ("HIGHLANDER_NODE__NO_SUCH_KEY", "")];
    assert_eq!(from_environment(&empty), Ok(Config::default()));
    for text in [
        "[node]\ndata_dir = \"\"",
        "[node]\nname = \"\"",
        "[registry]\ncredentials_file = \"\"",
        "[store]\nregion = \"\"",
    ] {
        assert!(from_file(text).unwrap_err().message.contains("highlander.toml: "), "{text}");
    }
}

#[test]
fn the_granularity_of_claims_has_one_meaning_in_all_its_spellings() {
    let claims = |value: &str| {
        let kind = "kind = \"zookeeper\"\nconnect = \"zk1:2181\"";
        let store = "[store]\nkind = \"s3\"\nbucket = \"objects\"";
        from_file(&format!("[registry]\n{kind}\nclaims = {value}\n{store}"))
            .map(|config| config.registry.claims)
    };
    assert_eq!(claims("\"object\""), Ok(Granularity::Object));
    assert_eq!(claims("{ partitions = 16 }"), Ok(Granularity::Partitions(16)));
    assert_eq!(claims("\"partitions = 16\""), Ok(Granularity::Partitions(16)));
    for wrong in ["{ partitions = 16, of = 2 }", "{ partition = 16 }", "{}", "16"] {
        assert!(claims(wrong).is_err(), "{wrong}");
    }
    let mut variables = CLUSTER.to_vec();
    variables.push(("HIGHLANDER_REGISTRY__CLAIMS", "partitions=256"));
    let config = from_environment(&variables).unwrap();
    assert_eq!(config.registry.claims, Granularity::Partitions(256));
}

#[test]
fn the_memory_of_all_instances_holds_one_at_least() {
    let config = |max, total| {
        from_file(&format!("[sandbox]\nmemory_max = \"{max}\"\nmemory_total = \"{total}\""))
    };
    assert_eq!(config("64MiB", "64MiB").unwrap().memory_total(), 64 << 20);
    let error = config("64MiB", "63MiB").unwrap_err();
    let text = "sandbox.memory_total is 63.0 MiB, less than sandbox.memory_max, 64.0 MiB";
    assert_eq!((error.message.as_str(), error.hint.is_some()), (text, true));
    // By default it depends on the machine, which may be small.
    let config = from_file("[sandbox]\nmemory_max = \"4GiB\"").unwrap();
    assert!(config.memory_total() >= 4 << 30);
}

#[track_caller]
fn check_cluster(variables: &[(&str, &str)], message: &str) {
    let error = from_environment(variables).unwrap_err();
    assert!(error.message.contains(message), "{error:?}");
    assert!(error.hint.is_some(), "{error:?}");
}

#[test]
fn a_cluster_says_what_it_needs() {
    let without = |name: &str| {
        CLUSTER.iter().copied().filter(|(variable, _)| *variable != name).collect::<Vec<_>>()
    };
    assert!(from_environment(&CLUSTER).is_ok());
    check_cluster(&without("HIGHLANDER_REGISTRY__CONNECT"), "registry.connect is missing");
    check_cluster(&without("HIGHLANDER_STORE__BUCKET"), "store.bucket is missing");
    let mut exposed = CLUSTER.to_vec();
    exposed.push(("HIGHLANDER_NODE__LISTEN", "0.0.0.0:7410"));
    check_cluster(&exposed, "every address of this machine");
    exposed.push(("HIGHLANDER_NODE__ADVERTISE", "10.0.0.5:7410"));
    assert!(from_environment(&exposed).is_ok());
    let mut half = CLUSTER.to_vec();
    half.push(("HIGHLANDER_REGISTRY__TLS_KEY", "key.pem"));
    check_cluster(&half, "must be set together");
    half.push(("HIGHLANDER_REGISTRY__TLS_CERT", "cert.pem"));
    check_cluster(&half, "registry.tls_ca");
}

#[test]
fn nodes_that_ask_for_tokens_know_each_other_by_one() {
    let mut variables = CLUSTER.to_vec();
    variables.push(("HIGHLANDER_AUTH__TOKENS_FILE", "tokens"));
    check_cluster(&variables, "auth.node_token_file is missing");
    variables.push(("HIGHLANDER_AUTH__NODE_TOKEN_FILE", "node-token"));
    assert!(from_environment(&variables).is_ok());
    // Without `tokens_file`, so that authentication can be enabled node by node.
    variables.retain(|(name, _)| *name != "HIGHLANDER_AUTH__TOKENS_FILE");
    assert!(from_environment(&variables).is_ok());
    check_cluster(&[("HIGHLANDER_AUTH__NODE_TOKEN_FILE", "x")], "has no effect without");
    assert!(from_environment(&[("HIGHLANDER_AUTH__TOKENS_FILE", "tokens")]).is_ok());
}

#[test]
fn a_node_that_is_open_to_other_machines_is_told() {
    let exposed = Config { listen: "0.0.0.0:7410".parse().unwrap(), ..Config::default() };
    assert!(exposed.exposure_warning().unwrap().contains("0.0.0.0:7410"));
    let auth = AuthConfig { tokens_file: Some("tokens".into()), ..AuthConfig::default() };
    assert_eq!(Config { auth, ..exposed }.exposure_warning(), None);
    assert_eq!(Config::default().exposure_warning(), None);
}

#[test]
fn registry_and_store_are_both_of_a_cluster_or_neither_is() {
    let zookeeper =
        [("HIGHLANDER_REGISTRY__KIND", "zookeeper"), ("HIGHLANDER_REGISTRY__CONNECT", "zk1:2181")];
    check_cluster(&zookeeper, "could not read each other's records");
    let s3 = [("HIGHLANDER_STORE__KIND", "s3"), ("HIGHLANDER_STORE__BUCKET", "objects")];
    check_cluster(&s3, "would not see each other's claims");
}

#[test]
fn keys_of_a_kind_that_was_not_chosen_are_refused() {
    check_cluster(&[("HIGHLANDER_REGISTRY__CLAIMS_MAX", "7")], "registry.claims_max has no effect");
    check_cluster(&[("HIGHLANDER_STORE__PREFIX", "prod")], "store.prefix has no effect");
    let error = from_file("[store]\nbucket = \"objects\"").unwrap_err();
    assert!(error.message.starts_with("highlander.toml: store.bucket"), "{error:?}");
}

#[test]
fn the_bucket_is_in_the_path_where_the_server_is_not_aws() {
    let mut config = StoreConfig::default();
    assert!(!config.is_path_style());
    config.endpoint = Some("http://127.0.0.1:9000".to_owned());
    assert!(config.is_path_style());
    config.path_style = Some(false);
    assert!(!config.is_path_style());
}

#[test]
fn activations_are_paced_where_an_ensemble_serves_them() {
    assert_eq!(Config::default().activations_per_s(), None);
    assert_eq!(from_environment(&CLUSTER).unwrap().activations_per_s(), Some(1000));
    let said = ("HIGHLANDER_OBJECTS__ACTIVATION_RATE", "70");
    assert_eq!(from_environment(&[said]).unwrap().activations_per_s(), Some(70));
    let said = [CLUSTER.as_slice(), &[said]].concat();
    assert_eq!(from_environment(&said).unwrap().activations_per_s(), Some(70));
}

#[test]
fn a_node_without_a_name_has_its_hosts() {
    let name = Config::default().node_name();
    assert_eq!(parse::name(&name), Ok(name));
    assert_eq!(parse::fitting_name("web_1.example\n"), "web1example");
    assert_eq!(parse::fitting_name("…"), "node");
}

#[test]
fn errors_of_a_file_name_their_line() {
    let error = from_file("[node]\nlisten = \n").unwrap_err();
    assert!(error.message.starts_with("highlander.toml, line 2: "), "{error:?}");
}

#[test]
fn plain_http_beyond_loopback_must_be_asked_for() {
    let exposed = Config { listen: "0.0.0.0:7410".parse().unwrap(), ..Config::default() };
    assert!(exposed.check_exposure().unwrap_err().hint.unwrap().contains("node.insecure = true"));
    assert_eq!(Config { insecure: true, ..exposed }.check_exposure(), Ok(()));
    assert_eq!(Config::default().check_exposure(), Ok(()));
}

#[test]
fn resident_instances_fit_into_the_kernels_mappings() {
    assert_eq!(resident_allowed(65_530), 15_294);
    assert_eq!(resident_allowed(0), 1);
    assert!(map_count_needed(resident_allowed(65_530)) <= 65_530);
}

#[test]
fn the_defaults_in_the_table_are_those_that_hold() {
    // These defaults are descriptions, which cannot be set as values.
    let unsaid = ["none", "the host name", "the listen address", "as resolved by the AWS SDK"];
    let by_kind = ["true if an endpoint is set", "1000 in a cluster, none for a standalone node"];
    let by_machine = ["half of the memory of the machine or its cgroup", "one for each core"];
    let unsaid = [unsaid.as_slice(), &by_kind, &by_machine].concat();
    for key in KEYS.iter().filter(|key| !unsaid.contains(&key.default)) {
        let mut config = Config::default();
        (key.set)(&mut config, key.default).unwrap();
        assert_eq!(config, Config::default(), "{}", key.name);
    }
}

#[test]
fn the_ranges_in_the_table_are_those_that_hold() {
    let whole = Duration::ZERO..=Duration::MAX;
    let nanos = |text: &str| parse::time(text, whole.clone()).unwrap().as_nanos();
    let bytes = |text: &str| parse::size(text, 0..=usize::MAX).unwrap() as u128;
    let mut checked_count = 0;
    for key in KEYS {
        let Some((kind, range)) = key.unit.split_once(", ") else { continue };
        let (value, suffix): (&dyn Fn(&str) -> u128, _) = match kind {
            "time" => (&nanos, "ns"),
            "size" => (&bytes, "B"),
            "number" => (&|text| text.parse().unwrap(), ""),
            _ => continue,
        };
        let (from, to) = range.split_once(" to ").unwrap();
        let (from, to) = (value(from), value(to));
        for (value, is_allowed) in [(from - 1, false), (from, true), (to, true), (to + 1, false)] {
            let set = (key.set)(&mut Config::default(), &format!("{value}{suffix}"));
            assert_eq!(set.is_ok(), is_allowed, "{}: {value}{suffix}: {set:?}", key.name);
        }
        checked_count += 1;
    }
    assert!(checked_count >= 20, "{checked_count}");
}

#[test]
fn the_documentation_has_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = KEYS.iter().map(|key| {
        let (name, variable) = (key.name, key.variable());
        format!("| `{name}` | `{}` | {} | `{variable}` | {} |", key.default, key.unit, key.meaning)
    });
    let table = rows.collect::<Vec<_>>().join("\n");
    assert!(text.contains(&table), "docs/configuration.md must contain this table:\n{table}");
    let rows = TYPE_KEYS.iter().map(|key| {
        let (name, variable) = (key.name, key.name.to_uppercase());
        let variable = format!("HIGHLANDER_TYPES__NAME__{variable}");
        let (default, unit, meaning) = (key.default, key.unit, key.meaning);
        format!("| `types.NAME.{name}` | `{default}` | {unit} | `{variable}` | {meaning} |")
    });
    let table = rows.collect::<Vec<_>>().join("\n");
    assert!(text.contains(&table), "docs/configuration.md must contain this table:\n{table}");
}
