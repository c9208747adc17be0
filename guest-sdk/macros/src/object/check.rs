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
            "`#[object]` stands on an `impl` of the state itself, not of a trait; write `impl Todo { .. }`",
        );
    }
    if !block.generics.params.is_empty() {
        errors.push(
            &block.generics.params,
            "an object type has no generic parameters; write `impl Todo { .. }`",
        );
    } else if input.state.is_none() {
        errors.push(
            &block.self_ty,
            "an object type is a plain name of this module; write `impl Todo { .. }`",
        );
    }
    if let Some(clause) = &block.generics.where_clause {
        errors.push(
            clause,
            "an object type has no generic parameters, so a `where` clause has no use here",
        );
    }
    if let Some(token) = &block.unsafety {
        errors.push(token, "the `impl` of an object is not `unsafe`; leave it out");
    }
}

fn check_items(input: &Input<'_>, errors: &mut Errors) {
    for item in &input.block.items {
        if let ImplItem::Macro(call) = item {
            errors.push(
                &call.mac.path,
                "handlers behind a macro cannot be seen here; write the methods out, \
                 or move the macro to another `impl` block",
            );
        }
    }
    let generated = usize::from(input.has_get) + usize::from(input.has_put);
    if let Some(method) = input.methods.get(HANDLERS_MAX - generated) {
        errors.push(
            &method.function.sig.ident,
            format!("an object type has at most {HANDLERS_MAX} handlers, with `get` and `put`; divide it"),
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
                "`{name}` cannot name an object type; \
                 write 1 to {} lower case letters, digits and hyphens, a letter first",
                names::NAME_BYTES_MAX
            ),
        );
    } else if let Some(state) = input.state {
        errors.push(
            state,
            format!(
                "`{name}` cannot name an object type, \
                 which has at most {} lower case letters, digits and hyphens; write `#[object(type = \"..\")]`",
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
                    "every object has a handler `{name}` already; write `#[object({name} = false)]` to have your own"
                ),
            );
        } else if RESERVED.contains(&name) {
            errors.push(
                ident,
                format!(
                    "the host answers to `{name}` itself, so no handler can have this name; choose another one"
                ),
            );
        } else if !names::is_handler_name(name) {
            errors.push(
                ident,
                format!(
                    "`{name}` cannot name a handler; \
                     write 1 to {} lower case letters, digits and underscores, a letter first",
                    names::NAME_BYTES_MAX
                ),
            );
        // Two methods under opposite conditions are valid.
        } else if taken.iter().any(|(before, had_cfg)| *before == name && !(*had_cfg && has_cfg)) {
            errors.push(ident, format!("there are two handlers `{name}`; give one another name"));
        }
        taken.push((name, has_cfg));
    }
}
