//! A hostile component or call, and the outcome that must hold.

use super::blocks::{self, Block};
use super::object::Parts;

/// A component to upload, or a call of a guest that is deployed already.
#[derive(Debug)]
pub struct HostileComponent {
    /// Name.
    pub name: &'static str,
    /// Purpose, in one line.
    pub purpose: &'static str,
    /// Outcome that must hold.
    pub expected: Expected,
    source: Source,
}

/// Origin of a component.
#[derive(Debug)]
pub(super) enum Source {
    Guest,
    Object(Parts),
    Text(String),
    Bytes(Vec<u8>),
}

/// Outcome that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The upload is refused.
    Refused(Outcome),
    /// The component is deployed, and its objects end each step in one of these ways.
    Steps(Vec<(Step, Vec<Outcome>)>),
}

/// A step of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A call.
    Call {
        /// The object, as `type/key`.
        object: String,
        /// Handler.
        handler: String,
        /// Argument, as JSON.
        argument: String,
    },
    /// The object is unloaded.
    Deactivate {
        /// The object, as `type/key`.
        object: String,
    },
}

/// One possible outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Error code, or `done`.
    pub code: String,
    /// Part of the error's detail, or of the reply.
    pub part: String,
}

impl HostileComponent {
    pub(super) fn refused(
        name: &'static str,
        purpose: &'static str,
        expected: &str,
        bytes: Vec<u8>,
    ) -> Self {
        let expected = Expected::refused(expected).unwrap();
        Self { name, purpose, expected, source: Source::Bytes(bytes) }
    }

    /// Returns the bytes to upload; `None` if a guest is called.
    #[must_use]
    pub fn component(&self) -> Option<Vec<u8>> {
        let text = match &self.source {
            Source::Guest => return None,
            Source::Bytes(bytes) => return Some(bytes.clone()),
            Source::Object(parts) => &parts.text(),
            Source::Text(text) => text,
        };
        Some(wat::parse_str(text).unwrap_or_else(|error| panic!("{}: {error}", self.name)))
    }

    /// Returns the type that the component defines, if it is deployed.
    #[must_use]
    pub fn type_name(&self) -> Option<&str> {
        match (&self.source, &self.expected) {
            (Source::Object(parts), Expected::Steps(_)) => Some(parts.type_name()),
            _ => None,
        }
    }
}

impl Expected {
    /// Reads `refused: TEXT` or `refused CODE: TEXT`; `None` if it is another expectation.
    fn refused(text: &str) -> Option<Self> {
        let (head, part) = text.strip_prefix("refused")?.split_once(':')?;
        let code = if head.is_empty() { "component-refused" } else { head.trim() };
        Some(Self::Refused(Outcome { code: code.to_owned(), part: part.trim().to_owned() }))
    }
}

impl Outcome {
    /// Reads `CODE`, `CODE: TEXT` or `done TEXT`.
    fn read(text: &str) -> Self {
        let end = text.find([':', ' ']).unwrap_or(text.len());
        let part = text[end..].trim_start_matches(':').trim();
        Self { code: text[..end].to_owned(), part: part.to_owned() }
    }

    fn read_all(text: &str) -> Vec<Self> {
        text.split(" | ").map(Self::read).collect()
    }
}

/// Returns the entries of the text files.
pub(super) fn texts() -> Vec<HostileComponent> {
    let components =
        blocks::read(include_str!("../../corpus/components.txt")).into_iter().map(text);
    let descriptions = blocks::read(include_str!("../../corpus/descriptions.txt"));
    let objects = blocks::read(include_str!("../../corpus/objects.txt"));
    let objects = descriptions.into_iter().chain(objects).map(object);
    let calls = blocks::read(include_str!("../../corpus/calls.txt")).into_iter().map(call);
    components.chain(objects).chain(calls).collect()
}

fn text(block: Block) -> HostileComponent {
    let Block { name, purpose, expected, body } = block;
    let text = match body.starts_with("(component") {
        true => body,
        false => format!("(component (core module {body}))"),
    };
    let expected = Expected::refused(&expected);
    let expected = expected.unwrap_or_else(|| panic!("{name} must be refused"));
    HostileComponent { name, purpose, expected, source: Source::Text(text) }
}

fn object(block: Block) -> HostileComponent {
    let Block { name, purpose, expected, body } = block;
    let parts = Parts::read(name, &body);
    let object = format!("{}/a", parts.type_name());
    let step = |text: &str| match text {
        "deactivate" => (Step::Deactivate { object: object.clone() }, Outcome::read_all("done")),
        text => {
            let argument = parts.argument().to_owned();
            let call = Step::Call { object: object.clone(), handler: "go".to_owned(), argument };
            (call, Outcome::read_all(text))
        }
    };
    let refused = Expected::refused(&expected);
    let expected =
        refused.unwrap_or_else(|| Expected::Steps(expected.split(", ").map(step).collect()));
    HostileComponent { name, purpose, expected, source: Source::Object(parts) }
}

fn call(block: Block) -> HostileComponent {
    let Block { name, purpose, expected, body } = block;
    let words: Vec<_> = body.splitn(4, ' ').collect();
    let [type_name, key, handler, argument] = *words else { panic!("{name}: {body}") };
    let step = Step::Call {
        object: format!("{type_name}/{key}"),
        handler: handler.to_owned(),
        argument: argument.to_owned(),
    };
    let expected = Expected::Steps(vec![(step, Outcome::read_all(&expected))]);
    HostileComponent { name, purpose, expected, source: Source::Guest }
}
