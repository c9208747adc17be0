//! Access checks: whether requests need a token, and whether the token files are usable.
//! One machine cannot check whether all nodes of a cluster have the same files.

use super::Finding;
use crate::config::Config;

/// Runs all checks of tokens.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![tokens(config)];
    findings.extend(node_tokens(config));
    findings
}

fn tokens(config: &Config) -> Finding {
    const CHECK: &str = "auth.tokens_file";
    if let Some(warning) = config.openness() {
        let mend =
            "auth.tokens_file = \"/etc/highlander/tokens\", with lines that highlander token makes";
        return Finding::warn(CHECK, warning, mend);
    }
    match config.auth.tokens() {
        Ok(None) => Finding::ok(CHECK, "everybody on this machine may do everything"),
        Ok(Some(tokens)) if tokens.count() == 0 => {
            let mend = "add a line: highlander token NAME --scopes call:TYPE";
            Finding::warn(CHECK, "it holds no token, so that nobody is let in", mend)
        }
        Ok(Some(tokens)) => Finding::ok(CHECK, format!("it holds {} tokens", tokens.count())),
        Err(error) => Finding::fail(CHECK, error.message, error.hint.unwrap_or_default()),
    }
}

fn node_tokens(config: &Config) -> Option<Finding> {
    const CHECK: &str = "auth.node_token_file";
    match config.auth.node_tokens() {
        Ok(None) => None,
        Ok(Some(_)) => Some(Finding::ok(CHECK, "nodes of the cluster are known by it")),
        Err(error) => Some(Finding::fail(CHECK, error.message, error.hint.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::Verdict;
    use super::*;
    use crate::config::auth::AuthConfig;

    fn verdict(listen: &str, tokens_file: Option<&str>) -> Verdict {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let path = tokens_file.map(|text| {
            file.write_all(text.as_bytes()).unwrap();
            file.path().to_owned()
        });
        let auth = AuthConfig { tokens_file: path, ..AuthConfig::default() };
        tokens(&Config { listen: listen.parse().unwrap(), auth, ..Config::default() }).verdict
    }

    #[test]
    fn an_open_node_is_told_where_other_machines_reach_it() {
        assert_eq!(verdict("127.0.0.1:1", None), Verdict::Ok);
        assert_eq!(verdict("0.0.0.0:1", None), Verdict::Warn);
    }

    #[test]
    fn files_that_cannot_be_used_are_told() {
        let line = format!("ci {} admin", crate::id::Digest::of(b"x"));
        assert_eq!(verdict("0.0.0.0:1", Some(&line)), Verdict::Ok);
        assert_eq!(verdict("0.0.0.0:1", Some("# nobody")), Verdict::Warn);
        assert_eq!(verdict("0.0.0.0:1", Some("ci")), Verdict::Fail);
        assert!(node_tokens(&Config::default()).is_none());
        let node_token_file = Some("/nowhere/node-token".into());
        let auth = AuthConfig { node_token_file, ..AuthConfig::default() };
        let found = node_tokens(&Config { auth, ..Config::default() }).unwrap();
        assert_eq!(found.verdict, Verdict::Fail);
    }
}
