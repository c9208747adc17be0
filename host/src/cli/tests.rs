//! Tests of the command-line arguments.

use clap::CommandFactory as _;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches_from(line.split_whitespace())?)
}

#[test]
fn every_command_can_be_written_as_documented() {
    command().debug_assert();
    for line in [
        "highlander dev",
        "highlander dev --data /tmp/x --listen 127.0.0.1:0 --log-format json",
        "highlander dev --web example-objects/web",
        "highlander serve",
        "highlander serve --config highlander.toml",
        "highlander token ci --scopes deploy:todo,call:*",
        "highlander new shared-list",
        "highlander new shared-list --lang js",
        "highlander deploy todo.wasm --force",
        "highlander deploy todo.wasm --canary-key 10 --canary-key 11 --max-failures 0.5%",
        "highlander deploy todo.wasm --canary-key -5 --max-failures none",
        "highlander completions bash",
        "highlander call counter/hits add -5",
        "highlander call counter/hits add -1.5e-3 --timeout 5s",
        "highlander call counter/hits add --timeout 5s -5",
        "highlander put counter/hits -5",
        "highlander get todo/..",
        "highlander types",
        "highlander types todo --json",
        "highlander call todo/42 complete",
        "highlander call todo/a/b complete {} --idempotency-key k --timeout 5s",
        "highlander call todo/42 complete -",
        "highlander get todo/42 --url http://127.0.0.1:1",
        "highlander put todo/42 {} --if-match 7",
        "highlander put todo/42 - --if-absent --json",
        "highlander delete todo/42 --if-match 7",
        "highlander list todo --prefix a --active --limit 5",
        "highlander where todo/42",
        "highlander deactivate todo/42",
        "highlander nodes --json",
        "highlander drain node-a --timeout 30s",
        "highlander doctor --config highlander.toml",
        "highlander compile-component --memory-max=1 --cpu-max=1 --answer-max=1 --parent=1",
        "highlander --json nodes --token-file t",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
}

#[test]
fn what_makes_no_sense_is_wrong_usage() {
    for line in [
        "highlander",
        "highlander call todo complete",
        "highlander call Todo/42 complete",
        "highlander call todo/42 complete --timeout 5",
        "highlander put todo/42 {} --if-match 7 --if-absent",
        "highlander list todo --limit 0",
        "highlander dev --listen localhost",
        "highlander dev --log-format xml",
        "highlander serve --web example-objects/web",
        "highlander serve --confg highlander.toml",
        "highlander watch todo",
        "highlander call todo/42 complete --no-such-option",
        "highlander call todo/42 complete -x",
        "highlander put todo/42 -x",
        "highlander watch todo/42 --count 0",
        "highlander deploy todo.wasm --max-failures 1",
        "highlander completions",
        "highlander completions tcsh",
        "highlander token ci",
        "highlander token ci --scopes root",
        "highlander drain",
        "highlander drain node-a --timeout 30",
    ] {
        let error = parse(line).expect_err(line);
        assert!(matches!(error.exit_code(), 2), "{line}: {}", error.exit_code());
    }
}

#[test]
fn errors_of_usage_say_what_would_be_right() {
    for (line, expected) in [
        ("highlander list todo --limit 0", "expected a number, 1 or more"),
        ("highlander watch todo/42 --count 0", "expected a number, 1 or more"),
        ("highlander deploy a.wasm --max-failures 1", "the percent sign is missing: 1%"),
        ("highlander call todo/42 complete --timout=5s", "there is no such option"),
        ("highlander call todo/42 complete --timeout 0s", "up to 5m"),
        ("highlander list todo --limit -1", "expected a number, 1 or more"),
        ("highlander watch todo/42 --count -1", "expected a number, 1 or more"),
        ("highlander put todo/42 {} --if-match x", "expected a version"),
        ("highlander put todo/42 {} --if-match -1", "expected a version"),
        ("highlander delete todo/42 --if-match -1", "expected a version"),
        ("highlander rollback todo --to -1", "expected the number of a revision"),
        ("highlander messages todo/42 --retry -1", "expected a number from the list, or all"),
        ("highlander alarms todo/42 --drop -1", "expected a number from the list, or all"),
        ("highlander deploy a.wasm --max-failures -1", "expected a share, such as 1%"),
        ("highlander deploy a.wasm --max-failures -1%", "expected a share from 0% to 100%"),
        ("highlander deploy a.wasm --max-failures NaN", "expected a share, such as 1%"),
        ("highlander call todo/42 complete --timeout -1s", "expected a time with a unit"),
        ("highlander drain node-a --timeout -1s", "expected a time with a unit"),
        ("highlander types ../x", "type name \"../x\" is not valid"),
        ("highlander types remove ../x", "type name \"../x\" is not valid"),
        ("highlander list Todo", "type name \"Todo\" is not valid"),
        ("highlander rollback a/b", "type name \"a/b\" is not valid"),
        ("highlander dev --listen localhost:1", "expected an IP address and a port"),
    ] {
        let error = parse(line).expect_err(line).to_string();
        assert!(error.contains(expected), "{line}: {error}");
        assert!(!error.contains("'-- "), "{line}: {error}");
    }
}

#[test]
fn what_is_empty_names_nothing() {
    for arguments in [
        ["call", "todo/42", ""],
        ["types", "remove", ""],
        ["deploy", "a.wasm", "--canary="],
        ["deploy", "a.wasm", "--canary-key="],
        ["deploy", "a.wasm", "--idempotency-key="],
        ["get", "todo/42", "--url="],
    ] {
        let words = ["highlander"].into_iter().chain(arguments);
        let error = command().try_get_matches_from(words).expect_err(arguments[2]).to_string();
        assert!(error.contains("value"), "{arguments:?}: {error}");
    }
}

#[test]
fn the_help_of_a_command_lists_the_options_that_it_uses() {
    let help = |name: &str| {
        let mut command = command();
        command.build();
        let found = command.find_subcommand_mut(name).unwrap();
        found.render_long_help().to_string()
    };
    for (name, used, unused) in [
        ("dev", &["--listen"][..], &["--url", "--json", "--token-file"][..]),
        ("serve", &["--config"], &["--url", "--json", "--token-file"]),
        ("new", &["--sdk"], &["--url", "--json", "--token-file"]),
        ("token", &["--scopes", "--json"], &["--url", "--token-file"]),
        ("completions", &[], &["--url", "--json", "--token-file"]),
        ("call", &["--url", "--json", "--token-file", "--timeout"], &[]),
        ("doctor", &["--url", "--json", "--token-file"], &[]),
    ] {
        let text = help(name);
        assert!(used.iter().all(|option| text.contains(option)), "{name}: {text}");
        assert!(!unused.iter().any(|option| text.contains(option)), "{name}: {text}");
    }
}

#[test]
fn the_commands_are_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    let text = std::fs::read_to_string(path).unwrap();
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let heading = format!("\n## `highlander {}", command.get_name());
        assert!(text.contains(&heading), "docs/cli.md has no section {heading:?}");
        for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(text.contains(&format!("`--{flag}")), "docs/cli.md does not name --{flag}");
        }
    }
}
