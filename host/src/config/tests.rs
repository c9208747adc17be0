//! What a configuration may say, what it may not, and that the documentation says the same.

use super::keys::KEYS;
use super::*;

fn from_file(text: &str) -> Result<Config, Error> {
    let mut config = Config::default();
    source::apply_file(&mut config, text, "highlander.toml").map(|()| config)
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Config, Error> {
    let owned = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Config::load(None, owned)
}

#[test]
fn a_file_sets_every_key() {
    let config = from_file(
        r#"
        [node]
        listen = "0.0.0.0:7411"
        advertise = "10.0.0.5:7411"
        data_dir = "/var/lib/highlander"
        insecure = true
        component_max = "16MiB"
        [registry]
        kind = "local"
        [store]
        kind = "embedded"
        [objects]
        idle_timeout = "30s"
        state_max = "8MiB"
        mailbox_len = 7
        call_timeout = "1m 30s"
        [sandbox]
        memory_max = "128MiB"
        cpu_max = "1s"
        resident_max = 12
        "#,
    )
    .unwrap();
    let expected = Config {
        listen: "0.0.0.0:7411".parse().unwrap(),
        advertise: Some("10.0.0.5:7411".to_owned()),
        data_dir: "/var/lib/highlander".into(),
        insecure: true,
        component_max: 16 << 20,
        idle_timeout: Duration::from_secs(30),
        state_max: 8 << 20,
        mailbox_len: 7,
        call_timeout: Duration::from_secs(90),
        memory_max: 128 << 20,
        cpu_max: Duration::from_secs(1),
        resident_max: 12,
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
    ] {
        let error = from_file(text).unwrap_err();
        let hint = error.hint.clone().unwrap_or_default();
        assert!(hint.contains(&format!("did you mean {nearest} ")), "{text}: {error:?}");
    }
    let error = from_environment(&[("HIGHLANDER_NODE__LISTN", "x")]).unwrap_err();
    assert!(error.hint.unwrap().contains("HIGHLANDER_NODE__LISTEN"));
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
        ("sandbox.resident_max", "20001"),
        ("node.listen", "localhost:7410"),
        ("node.advertise", "10.0.0.5"),
        ("node.data_dir", ""),
        ("node.insecure", "yes"),
    ] {
        let key = KEYS.iter().find(|known| known.name == key).unwrap();
        let error = from_environment(&[(&key.variable(), text)]).unwrap_err();
        assert!(error.message.starts_with(&key.variable()), "{error:?}");
        assert!(error.hint.unwrap().contains(key.unit));
    }
}

#[test]
fn kinds_that_this_build_lacks_are_named_before_their_keys() {
    let error = from_file("[registry]\nconnect = \"zk1:2181\"\nkind = \"zookeeper\"").unwrap_err();
    assert!(error.message.contains("this build has the registry \"local\" only"), "{error:?}");
    let error = from_file("[store]\nbucket = \"objects\"\nkind = \"s3\"").unwrap_err();
    assert!(error.message.contains("this build has the store \"embedded\" only"), "{error:?}");
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
    for key in KEYS.iter().filter(|key| key.name != "node.advertise") {
        let mut config = Config::default();
        (key.set)(&mut config, key.default).unwrap();
        assert_eq!(config, Config::default(), "{}", key.name);
    }
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
    assert!(text.contains(&table), "docs/configuration.md is to hold this table:\n{table}");
}
