//! Rules for one handler. Reports every mistake.

use syn::{PathArguments, Type};

use super::super::input::{Argument, Method, is_context};
use crate::errors::Errors;

pub(super) fn check(method: &Method<'_>, errors: &mut Errors) {
    check_receiver(method, errors);
    check_signature(method, errors);
    check_context(method, errors);
    for argument in &method.arguments {
        check_argument(method, argument, errors);
    }
    check_reply(method, errors);
}

fn check_receiver(method: &Method<'_>, errors: &mut Errors) {
    let name = &method.name;
    let Some(receiver) = method.receiver else {
        errors.push(
            &method.function.sig.ident,
            format!(
                "handler `{name}` has no receiver; write `&mut self` for an update or `&self` for a query, \
                 or move `{name}` to another `impl` block"
            ),
        );
        return;
    };
    if receiver.reference.is_none() || receiver.colon_token.is_some() {
        errors.push(
            receiver,
            format!(
                "handler `{name}` cannot take ownership of the state; write `&mut self` for an \
                 update or `&self` for a query"
            ),
        );
    }
}

fn check_signature(method: &Method<'_>, errors: &mut Errors) {
    let name = &method.name;
    let signature = &method.function.sig;
    if let Some(token) = &signature.asyncness {
        errors.push(
            token,
            format!(
                "handler `{name}` is `async`, but an object runs one call at a time; remove `async`"
            ),
        );
    }
    if let Some(token) = &signature.unsafety {
        errors.push(token, format!("handler `{name}` cannot be `unsafe`; remove `unsafe`"));
    }
    if let Some(abi) = &signature.abi {
        errors.push(abi, format!("handler `{name}` must be an ordinary method; remove `extern`"));
    }
    if !signature.generics.params.is_empty() {
        errors.push(
            &signature.generics.params,
            format!("handler `{name}` is generic, but callers send JSON; use concrete types"),
        );
    } else if let Some(clause) = &signature.generics.where_clause {
        errors.push(clause, format!("handler `{name}` cannot have a `where` clause; remove it"));
    }
}

fn check_context(method: &Method<'_>, errors: &mut Errors) {
    let name = &method.name;
    let contexts = method.function.sig.inputs.iter().filter_map(|input| match input {
        syn::FnArg::Typed(typed) if is_context(&typed.ty) => Some(typed),
        _ => None,
    });
    for (index, typed) in contexts.enumerate() {
        let is_shared = matches!(
            &*typed.ty,
            Type::Reference(reference)
                if reference.mutability.is_none() && matches!(&*reference.elem, Type::Path(_))
        );
        if !is_shared {
            errors.push(
                &typed.ty,
                format!("handler `{name}` can only take its context by shared reference; write `&Context`"),
            );
        }
        if index > 0 || !method.has_context {
            errors.push(
                typed,
                format!("handler `{name}` can take `&Context` only once, directly after the receiver; move it there"),
            );
        }
    }
}

fn check_argument(method: &Method<'_>, argument: &Argument<'_>, errors: &mut Errors) {
    let name = &method.name;
    if is_context(&argument.typed.ty) {
        return;
    }
    // The name of a single argument is not in its JSON, so any pattern would work. But then adding a second
    // argument would be a surprise.
    if argument.ident.is_none() {
        errors.push(
            &argument.typed.pat,
            format!("an argument of handler `{name}` is a pattern; use a plain name"),
        );
    }
    let owned = match &*argument.typed.ty {
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => "`String`",
            Type::Slice(_) => "`Vec<..>`",
            _ => "the type without `&`",
        },
        Type::ImplTrait(_) | Type::Infer(_) => "a concrete type",
        _ => return,
    };
    errors.push(
        &argument.typed.ty,
        format!("an argument of handler `{name}` is deserialized from JSON, so it must be owned; write {owned}"),
    );
}

fn check_reply(method: &Method<'_>, errors: &mut Errors) {
    let name = &method.name;
    match method.reply() {
        Some(ty @ Type::ImplTrait(_)) => errors.push(
            ty,
            format!("the reply of handler `{name}` needs a concrete type for its JSON Schema; write the type out"),
        ),
        Some(ty @ Type::Never(_)) => {
            errors.push(ty, format!("handler `{name}` never returns; write the type of its reply"));
        }
        Some(ty @ Type::Path(path)) if method.is_fallible() => {
            let is_bare = path
                .path
                .segments
                .last()
                .is_some_and(|last| matches!(last.arguments, PathArguments::None));
            if is_bare {
                errors.push(
                    ty,
                    format!("the types in the reply of handler `{name}` are hidden; write `Result<Reply, Rejection>`"),
                );
            }
        }
        _ => {}
    }
}
