//! The `token` command: generates a token and its line for the token file. It contacts no node and writes no file.

use clap::Args;
use highlander_core::caller::scopes::Scopes;
use highlander_core::caller::{Principal, tokens};
use serde::Serialize;

use super::failure::Failure;
use super::output;

/// `highlander token`
#[derive(Debug, Args)]
pub(super) struct Token {
    /// Principal that the token authenticates: 1 to 64 of A-Z, a-z, 0-9, -, _, . and @
    name: String,
    /// Scopes of the token, comma-separated: call:TYPE, deploy:TYPE, admin, metrics; * means every type
    #[arg(long, value_name = "SCOPES")]
    scopes: Scopes,
}

/// Output of `token --json`.
#[derive(Debug, Serialize)]
struct Generated<'a> {
    line: &'a str,
    token: &'a str,
}

impl Token {
    pub(super) fn run(self, is_json: bool) -> Result<(), Failure> {
        let Some(principal) = Principal::new(&self.name, self.scopes) else {
            let text = format!("{:?} is not a valid name", self.name);
            let hint =
                "a name has 1 to 64 of A-Z, a-z, 0-9, -, _, . and @, and is not \"anonymous\"";
            return Err(Failure::usage(text).with_hint(hint));
        };
        let token = tokens::token(rand::random());
        let line = tokens::line(&principal, &token);
        if is_json {
            let document = Generated { line: &line, token: &token };
            return output::value(&document);
        }
        output::note("the token, which is displayed only once, and its line for auth.tokens_file:");
        output::line(&token)?;
        output::line(&line)
    }
}
