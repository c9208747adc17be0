//! The `deploy`, `rehearse` and `rollback` commands.
//!
//! The node decides whether a component is acceptable; the command only reads and uploads it. `spread` shows the
//! progress of the roll-out.

mod component;
mod rehearse;
mod share;
mod spread;

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use highlander_core::catalog::rollout::Stage;
use http::Method;

use self::component::component;
pub(super) use self::rehearse::Rehearse;
use self::rehearse::{nothing_tried, rehearsed};
use self::spread::spread;
use super::arguments::{idempotency_key, revision, type_name};
use super::client::{Client, Request, encoded};
use super::failure::Failure;
use super::output;
use crate::wire::rehearsals::Sample;
use crate::wire::rollouts::Rollout;

/// `highlander deploy`
#[derive(Debug, Args)]
pub(super) struct Deploy {
    /// Component to deploy
    // Optional for the parser, because `--canary` consumes it as a key if it is the last argument: see `file`.
    #[arg(value_name = "FILE.wasm")]
    file: Option<PathBuf>,
    /// Deploy the component even if it breaks compatibility with the current revision
    #[arg(long)]
    force: bool,
    /// First rehearse it on the states of all objects, or of this many
    #[arg(long, value_name = "all|N")]
    rehearse: Option<Sample>,
    /// Deploy it for a share of the objects, such as 10%, or for these keys
    #[arg(long, value_name = "P%|KEY", num_args = 1.., allow_negative_numbers = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    canary: Vec<String>,
    /// Deploy it for the object with this key, which may look like a number or a share
    #[arg(long, value_name = "KEY", allow_negative_numbers = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    canary_key: Vec<String>,
    /// Roll it back if more of the objects fail, such as 1%; none disables this [default: 1%]
    #[arg(long, value_name = "P%|none", allow_hyphen_values = true)]
    #[arg(value_parser = share::max_failures)]
    max_failures: Option<String>,
    /// Deploy only once, even if repeated with this key [default: a random key]
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<String>,
}

/// `highlander rollback`
#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// Type to roll back
    #[arg(value_name = "TYPE", value_parser = type_name)]
    type_name: String,
    /// Revision to make current [default: the previous one]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = revision)]
    to: Option<u32>,
    /// Roll back only once, even if repeated with this key [default: a random one]
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<String>,
}

/// Returns the stage of a roll-out in words, with its objects unless it is for all.
pub(super) fn described(rollout: &Rollout) -> String {
    let stage = match rollout.stage {
        Stage::Preparing => "being prepared",
        Stage::Rolling => "being rolled out",
        Stage::Verifying => "in use, being monitored",
    };
    match share::objects(&rollout.scope) {
        None => stage.to_owned(),
        Some(objects) => format!("{stage}, {objects}"),
    }
}

impl Deploy {
    pub(super) async fn run(mut self, client: &Client) -> Result<(), Failure> {
        let file = self.file()?;
        let parameters = self.parameters()?;
        let wasm = component(&file, client)?;
        if let Some(sample) = self.rehearse {
            let (type_name, rehearsal) = rehearsed(client, wasm.clone(), sample).await?;
            if rehearsal.rehearsed.tried == 0 {
                output::note(&nothing_tried(&type_name));
            }
            let failed = rehearsal.rehearsed.failed;
            if failed > 0 && !self.force {
                let text = format!(
                    "the component was not deployed: {failed} objects failed the rehearsal"
                );
                return Err(Failure::rejected(text)
                    .with_hint("fix the component, or deploy it anyway with --force"));
            }
        }
        let path = format!("/v1/types?{parameters}wait={}", client.is_json);
        let key = self.idempotency_key.clone().unwrap_or_else(random_key);
        let hint = format!(
            "repeat the command through any node with --idempotency-key {key}: the component \
             is deployed only once"
        );
        let request = Request::new(Method::POST, path)
            .with_body("application/wasm", wasm)
            .with_header("idempotency-key", &key)?
            .when_unanswered(hint);
        spread(client, client.send(request).await?, "the component was already deployed").await
    }

    /// Returns the component's file, which may be the last argument: `--canary 10% FILE.wasm`.
    fn file(&mut self) -> Result<PathBuf, Failure> {
        let is_component = |word: &mut String| word.ends_with(".wasm");
        let last = || self.canary.pop_if(is_component).map(PathBuf::from);
        let file = self.file.take().or_else(last);
        file.ok_or_else(|| {
            Failure::usage("the component file is missing").with_hint(
                match self.canary.is_empty() {
                    true => "highlander deploy FILE.wasm",
                    false => "put it first: highlander deploy FILE.wasm --canary 10%",
                },
            )
        })
    }

    fn parameters(&self) -> Result<String, Failure> {
        let mut parameters = String::new();
        let mut add = |name: &str, value: &str| {
            parameters.push_str(&format!("{name}={}&", encoded(value)));
        };
        if self.force {
            add("force", "true");
        }
        for (name, value) in share::parameters(&self.canary, &self.canary_key)? {
            add(name, &value);
        }
        if let Some(max) = &self.max_failures {
            add("max_failures", max);
        }
        Ok(parameters)
    }
}

fn random_key() -> String {
    format!("{:016x}", rand::random::<u64>())
}

impl Rollback {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let to = self.to.map(|to| format!("to={to}&")).unwrap_or_default();
        let name = encoded(&self.type_name);
        let path = format!("/v1/types/{name}/rollback?{to}wait={}", client.is_json);
        let key = self.idempotency_key.unwrap_or_else(random_key);
        let hint = format!(
            "repeat the command through any node with --idempotency-key {key}: the type is \
             rolled back only once"
        );
        let request = Request::new(Method::POST, path)
            .with_header("idempotency-key", &key)?
            .when_unanswered(hint);
        spread(client, client.send(request).await?, "the type was already rolled back").await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        deploy: Deploy,
    }

    #[test]
    fn the_component_may_come_first_or_last() {
        let read = |line: &str| {
            let mut deploy = Line::parse_from(line.split(' ')).deploy;
            let file = deploy.file().map_err(|failure| failure.message);
            (file, deploy.parameters().map_err(|failure| failure.message).unwrap())
        };
        let file = || Ok(PathBuf::from("a.wasm"));
        assert_eq!(read("deploy a.wasm --canary 10%"), (file(), "canary=10%25&".to_owned()));
        assert_eq!(read("deploy --canary 10% a.wasm"), (file(), "canary=10%25&".to_owned()));
        assert_eq!(read("deploy a.wasm --canary b.wasm").1, "canary_key=b.wasm&");
        assert_eq!(
            read("deploy --canary 1 2 a.wasm"),
            (file(), "canary_key=1&canary_key=2&".to_owned())
        );
        assert!(read("deploy --canary 10%").0.is_err());
    }
}
