//! View of an `impl` block. Parses as much as possible, and checks only the arguments of the macro.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::{
    Attribute, FnArg, ImplItem, ImplItemFn, ItemImpl, LitStr, Pat, PatType, Receiver, ReturnType,
    Type,
};

use crate::attr::{self, Place};
use crate::errors::Errors;
use crate::names;

const ON_IMPL: Place = Place {
    name: "`#[object]`",
    known: &["type", "get", "put", "publish_state"],
    elsewhere: &[],
    repeatable: &[],
};

/// An `impl` block that defines an object type.
pub(super) struct Input<'a> {
    pub(super) block: &'a ItemImpl,
    /// Name of the state, if the block is on a plain name.
    pub(super) state: Option<&'a Ident>,
    /// Name of the type, if the author chose it.
    pub(super) chosen_name: Option<LitStr>,
    pub(super) has_get: bool,
    pub(super) has_put: bool,
    pub(super) publish_state: bool,
    pub(super) documentation: String,
    pub(super) methods: Vec<Method<'a>>,
}

/// A method of the block: a handler.
pub(super) struct Method<'a> {
    pub(super) function: &'a ImplItemFn,
    pub(super) name: String,
    pub(super) receiver: Option<&'a Receiver>,
    pub(super) has_context: bool,
    pub(super) arguments: Vec<Argument<'a>>,
    pub(super) cfgs: Vec<&'a Attribute>,
    pub(super) documentation: String,
}

/// An argument other than the receiver and the context.
pub(super) struct Argument<'a> {
    pub(super) typed: &'a PatType,
    /// Name, if the pattern is a plain name.
    pub(super) ident: Option<&'a Ident>,
}

impl<'a> Input<'a> {
    pub(super) fn read(
        arguments: TokenStream,
        block: &'a ItemImpl,
        errors: &mut Errors,
    ) -> Input<'a> {
        let settings = attr::read(arguments, &ON_IMPL, errors);
        let find = |name: &str| settings.iter().find(|setting| setting.name == name);
        let mut is_on = |name: &str, default: bool| {
            let example = if default { "false" } else { "true" };
            find(name)
                .and_then(|setting| setting.boolean(example, errors))
                .map_or(default, |value| value.value)
        };
        let (has_get, has_put) = (is_on("get", true), is_on("put", true));
        let publish_state = is_on("publish_state", false);
        let chosen_name = find("type").and_then(|setting| setting.text("\"todo-item\"", errors));
        let methods = block.items.iter().filter_map(|item| match item {
            ImplItem::Fn(function) => Some(Method::read(function)),
            _ => None,
        });
        Input {
            block,
            state: plain_name(&block.self_ty),
            chosen_name,
            has_get,
            has_put,
            publish_state,
            documentation: attr::documentation(&block.attrs),
            methods: methods.collect(),
        }
    }

    /// Returns the name of the object type: the chosen one, or the state's name in kebab case.
    pub(super) fn type_name(&self) -> String {
        match (&self.chosen_name, self.state) {
            (Some(chosen), _) => chosen.value(),
            (None, Some(state)) => names::kebab_case(&state.unraw().to_string()),
            (None, None) => String::new(),
        }
    }
}

impl<'a> Method<'a> {
    fn read(function: &'a ImplItemFn) -> Method<'a> {
        let mut receiver = None;
        let mut arguments = Vec::new();
        for input in &function.sig.inputs {
            match input {
                FnArg::Receiver(found) => receiver = Some(found),
                FnArg::Typed(typed) => arguments.push(Argument::read(typed)),
            }
        }
        let has_context = arguments.first().is_some_and(|first| is_context(&first.typed.ty));
        if has_context {
            arguments.remove(0);
        }
        Method {
            function,
            name: function.sig.ident.unraw().to_string(),
            receiver,
            has_context,
            arguments,
            cfgs: attr::named(&function.attrs, "cfg").collect(),
            documentation: attr::documentation(&function.attrs),
        }
    }

    pub(super) fn is_update(&self) -> bool {
        self.receiver.is_some_and(|receiver| receiver.mutability.is_some())
    }

    /// Returns the return type of the method, if it has one.
    pub(super) fn reply(&self) -> Option<&'a Type> {
        match &self.function.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(ty),
        }
    }

    /// Whether the handler may reject: its return type is written as `Result`.
    pub(super) fn is_fallible(&self) -> bool {
        self.reply().and_then(last_name).is_some_and(|name| name == "Result")
    }
}

impl<'a> Argument<'a> {
    fn read(typed: &'a PatType) -> Argument<'a> {
        let ident = match &*typed.pat {
            Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
                Some(&pattern.ident)
            }
            _ => None,
        };
        Argument { typed, ident }
    }
}

/// Whether `ty` is `Context`, with any references or none. The checks decide which form is valid.
pub(super) fn is_context(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => is_context(&reference.elem),
        other => last_name(other).is_some_and(|name| name == "Context"),
    }
}

/// Returns the last name in the path of a type.
fn last_name(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) if path.qself.is_none() => {
            path.path.segments.last().map(|segment| &segment.ident)
        }
        Type::Group(group) => last_name(&group.elem),
        Type::Paren(paren) => last_name(&paren.elem),
        _ => None,
    }
}

fn plain_name(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident(),
        Type::Group(group) => plain_name(&group.elem),
        _ => None,
    }
}
