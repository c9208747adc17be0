//! Rules for an `impl` block that defines an object type. Pure: reads the view and reports all mistakes.
//!
//! The rules for a single method are in `method.rs`.

mod method;

use syn::ImplItem;

use super::input::Input;
use crate::errors::Errors;
use crate::names;

/// Maximum number of handlers of one type in the WIT world.
const HANDLERS_MAX: usize = 256;

/// Names of operations that the host handles.
const RESERVED: [&str; 3] = ["owner", "events", "deactivate"];

pub(super) fn check(input: &Input<'_>, errors: &mut Errors) {
    check_block(input, errors);
    check_items(input, errors);
    check_type_name(input, errors);
    check_handler_names(input, errors);
    for method in &input.methods {
        method::check(method, errors);
    }
}

fn check_block(input: &Input<'_>, errors: &mut Errors) {
    let block = input.block;
    if let Some((_, path, _)) = &block.trait_ {
        errors.push(
            path,
            "`#[object]` applies to an `impl` of the state itself, not of a trait; write `impl Todo { .. }`",
        );
    }
    if !block.generics.params.is_empty() {
        errors.push(
            &block.generics.params,
            "an object type cannot have generic parameters; write `impl Todo { .. }`",
        );
    } else if input.state.is_none() {
        errors.push(
            &block.self_ty,
            "an object type must be the plain name of a struct of this module; write `impl Todo { .. }`",
        );
    }
    if let Some(clause) = &block.generics.where_clause {
        errors.push(
            clause,
            "an object type cannot have generic parameters; remove the `where` clause",
        );
    }
    if let Some(token) = &block.unsafety {
        errors.push(token, "the `impl` of an object cannot be `unsafe`; remove `unsafe`");
    }
}

fn check_items(input: &Input<'_>, errors: &mut Errors) {
    for item in &input.block.items {
        if let ImplItem::Macro(call) = item {
            errors.push(
                &call.mac.path,
                "`#[object]` cannot see handlers that a macro generates; write the methods out, \
                 or move the macro to another `impl` block",
            );
        }
    }
    let generated = usize::from(input.has_get) + usize::from(input.has_put);
    if let Some(method) = input.methods.get(HANDLERS_MAX - generated) {
        errors.push(
            &method.function.sig.ident,
            format!("an object type can have at most {HANDLERS_MAX} handlers, including `get` and `put`; split it"),
        );
    }
}

fn check_type_name(input: &Input<'_>, errors: &mut Errors) {
    let name = input.type_name();
    if names::is_type_name(&name) {
        return;
    }
    if let Some(chosen) = &input.chosen_name {
        errors.push(
            chosen,
            format!(
                "`{name}` is not a valid name for an object type; use 1 to {} lowercase letters, \
                 digits and hyphens, starting with a letter",
                names::NAME_BYTES_MAX
            ),
        );
    } else if let Some(state) = input.state {
        errors.push(
            state,
            format!(
                "`{name}` is not a valid name for an object type: expected at most {} lowercase \
                 letters, digits and hyphens; write `#[object(type = \"..\")]`",
                names::NAME_BYTES_MAX
            ),
        );
    }
}

fn check_handler_names(input: &Input<'_>, errors: &mut Errors) {
    let mut taken: Vec<(&str, bool)> = Vec::new();
    for method in &input.methods {
        let ident = &method.function.sig.ident;
        let name = method.name.as_str();
        let is_generated = (name == "get" && input.has_get) || (name == "put" && input.has_put);
        let has_cfg = !method.cfgs.is_empty();
        if is_generated {
            errors.push(
                ident,
                format!(
                    "every object already has a handler `{name}`; write `#[object({name} = false)]` to define your own"
                ),
            );
        } else if RESERVED.contains(&name) {
            errors.push(
                ident,
                format!(
                    "the name `{name}` is reserved for the host; choose another name for the handler"
                ),
            );
        } else if !names::is_handler_name(name) {
            errors.push(
                ident,
                format!(
                    "`{name}` is not a valid name for a handler; use 1 to {} lowercase letters, \
                     digits and underscores, starting with a letter",
                    names::NAME_BYTES_MAX
                ),
            );
        // Two methods under opposite conditions are valid.
        } else if taken.iter().any(|(before, had_cfg)| *before == name && !(*had_cfg && has_cfg)) {
            errors
                .push(ident, format!("there are two handlers named `{name}`; rename one of them"));
        }
        taken.push((name, has_cfg));
    }
}
