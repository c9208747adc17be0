//! The macros of `highlander-sdk`: this file documents and dispatches, and decides nothing.
//!
//! Each macro is a pipeline: `input.rs` reads the tokens into a view of its own, `check.rs` applies every rule and
//! collects all mistakes, `expand.rs` writes the code and may assume that the view is valid. Where it is not,
//! `fallback.rs` writes stubs, so that one mistake is one error and not a trail of them.
//!
//! With the environment variable `HIGHLANDER_MACRO_DEBUG` set, the expansions are printed while compiling.

mod attr;
mod data;
mod errors;
mod names;
mod object;
mod state;

use proc_macro::TokenStream;

/// Makes a struct the state of an object.
///
/// It implements `Default`, `serde::Serialize`, `serde::Deserialize`, `schemars::JsonSchema` and `ObjectState`, so
/// none of them may be derived besides. The struct has named fields and no generic parameters. It is stored as a JSON
/// object, unless it names a codec of its own.
///
/// A field that a snapshot or the argument of `put` leaves out takes its default, so that a new field needs neither a
/// higher version nor a migration. A field that they have and the struct has not is an error, since dropping it would
/// lose data without a word.
///
/// For any other change of the shape raise the version, keep the older struct as it was under another name, and say
/// with `impl From<Older> for Newer` what becomes of it; `TryFrom` does as well where a state may be refused. The older
/// struct names the one before it in the same way, so that a state of version 1 comes to version 3 by way of 2.
/// Snapshots of versions that no struct stands for are refused.
///
/// # Arguments
///
/// On the struct, `#[state(..)]`:
///
/// | argument | default | means |
/// |---|---|---|
/// | `version = 2` | `1` | version of the shape of the state |
/// | `migrate_from = OlderState` | none | the state of the version before, which converts into this one |
/// | `codec = MyCodec` | JSON | how the state is written: a type that implements `StateCodec` |
///
/// On a field, `#[state(..)]`:
///
/// | argument | default | means |
/// |---|---|---|
/// | `default = EXPRESSION` | `Default::default()` | the value in a new object, and where it is left out |
/// | `rename = "name"` | the field's name | its name in JSON |
/// | `alias = "name"` | none | another name under which it is read, as of before a renaming |
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// /// A seat in a theatre.
/// #[derive(ObjectState)]
/// #[state(version = 2, migrate_from = SeatV1)]
/// struct Seat {
///     #[state(default = "free".to_owned())]
///     label: String,
///     #[state(alias = "guest")]
///     visitor: Option<String>,
/// }
///
/// /// Until seats had labels.
/// #[derive(ObjectState)]
/// struct SeatV1 {
///     row: u32,
///     guest: Option<String>,
/// }
///
/// impl From<SeatV1> for Seat {
///     fn from(old: SeatV1) -> Seat {
///         Seat { label: format!("row {}", old.row), visitor: old.guest }
///     }
/// }
///
/// assert_eq!(Seat::default().label, "free");
/// ```
#[proc_macro_derive(ObjectState, attributes(state))]
pub fn object_state(item: TokenStream) -> TokenStream {
    print_when_asked(state::derive(item.into())).into()
}

/// Makes the methods of an `impl` block the handlers of an object type.
///
/// The block is an inherent one, on a struct with `#[derive(ObjectState)]`; a crate has one such object. Helpers, and
/// functions without a receiver, stand in another `impl` block.
///
/// - `&mut self` makes an update, `&self` a query.
/// - `&Context` may follow the receiver.
/// - Then come the arguments. A single one is the whole JSON of the call; several are the fields of one JSON object,
///   with the names that they have in the method. Without any, the JSON is `null`.
/// - What is returned is the reply. A method that may reject returns a `Result` whose error converts into a
///   `Rejection`; it is written out as `Result<..>` in the signature.
/// - The handler has the name of the method, and its doc comment is the handler's documentation.
///
/// `get` (a query) answers with the whole state, and `put` (an update) replaces it. Both come by themselves.
///
/// Other objects reach these handlers with types: `Todo::at("42").complete()` calls one, and
/// `Todo::send_to("42").complete()` sends it a message. For that a lifetime in a reply is written out: `View<'_>`.
/// With the feature `client` of the crate that it stands in, the macro leaves the exports of the component out, so that
/// the crate can be a library of another component.
///
/// # Arguments
///
/// | argument | default | means |
/// |---|---|---|
/// | `type = "todo-item"` | the struct's name, `TodoItem` as `todo-item` | the name of the object type |
/// | `get = false` | `true` | no generated `get` |
/// | `put = false` | `true` | no generated `put` |
/// | `shows_state = true` | `false` | those who watch an object are shown its state after every change |
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// #[derive(ObjectState)]
/// struct Account {
///     balance: u64,
/// }
///
/// #[object(put = false)]
/// impl Account {
///     /// Pays in, and answers with the new balance.
///     fn deposit(&mut self, amount: u64) -> u64 {
///         self.balance += amount;
///         self.balance
///     }
///
///     /// Takes out: `{"amount": 5, "reason": "rent"}`.
///     fn withdraw(
///         &mut self,
///         ctx: &Context,
///         amount: u64,
///         reason: Option<String>,
///     ) -> Result<u64, Rejection> {
///         let Some(rest) = self.balance.checked_sub(amount) else {
///             reject!("too-little", "{} holds {}, which is less than {amount}", ctx.id(), self.balance);
///         };
///         ctx.info(reason.unwrap_or_default());
///         self.balance = rest;
///         Ok(rest)
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn object(arguments: TokenStream, item: TokenStream) -> TokenStream {
    print_when_asked(object::expand(arguments.into(), &item.into())).into()
}

/// Makes a struct or an enum a value that can be in a state, an argument or a reply.
///
/// It derives `Clone`, `Debug`, `PartialEq`, `serde::Serialize`, `serde::Deserialize` and `schemars::JsonSchema`.
/// Variants of enums are written in `snake_case`: `Color::DarkBlue` is `"dark_blue"`. Unknown fields are refused.
/// Further derives (`Copy`, `Default`, `Eq`, `Ord`) and `#[serde(..)]` attributes stand below it.
///
/// It takes no arguments. A type that derives the traits from `serde` and `schemars` by itself does as well.
///
/// # Examples
///
/// ```
/// use highlander_sdk::prelude::*;
///
/// /// How urgent something is.
/// #[data]
/// #[derive(Copy, Default)]
/// enum Urgency {
///     #[default]
///     CanWait,
///     Today,
/// }
///
/// assert_eq!(json!(Urgency::CanWait), "can_wait");
/// ```
#[proc_macro_attribute]
pub fn data(arguments: TokenStream, item: TokenStream) -> TokenStream {
    print_when_asked(data::expand(&arguments.into(), &item.into())).into()
}

#[expect(clippy::print_stderr, reason = "the only way in which a macro can show something")]
fn print_when_asked(expansion: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    if std::env::var_os("HIGHLANDER_MACRO_DEBUG").is_some_and(|value| !value.is_empty()) {
        eprintln!("{expansion}");
    }
    expansion
}
