//! Rules for a struct that defines a state. Pure: reads the view and reports all mistakes.

use syn::{Data, Fields, Type};

use super::input::{Input, StateField};
use crate::errors::Errors;

pub(super) fn check(input: &Input<'_>, errors: &mut Errors) {
    check_shape(input, errors);
    check_generics(input, errors);
    check_migration(input, errors);
    for field in &input.fields {
        check_type(field, errors);
    }
    check_names(&input.fields, errors);
}

fn check_shape(input: &Input<'_>, errors: &mut Errors) {
    let name = &input.item.ident;
    match &input.item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(_) => {}
            Fields::Unnamed(fields) => errors.push(
                fields,
                format!(
                    "the fields of a state must have names, which become the field names in JSON; \
                     write `struct {name} {{ value: .. }}`"
                ),
            ),
            Fields::Unit => errors.push(
                name,
                format!("the state of an object cannot be a unit struct; write `struct {name} {{}}`"),
            ),
        },
        Data::Enum(data) => errors.push(
            data.enum_token,
            "the state of an object must be a struct; put `#[data]` on this enum and make it a field of a `struct`",
        ),
        Data::Union(data) => {
            errors.push(data.union_token, "the state of an object must be a struct; write `struct`");
        }
    }
}

fn check_migration(input: &Input<'_>, errors: &mut Errors) {
    let Some(older) = &input.migrate_from else { return };
    let name = &input.item.ident;
    if older.is_ident(name) {
        errors.push(
            older,
            format!("a state cannot be migrated from itself; keep the older struct as `{name}V1` and name that one"),
        );
    } else if input.version == 1 {
        errors.push(
            older,
            "there is no version before 1 to migrate from; add `version = 2`, or remove `migrate_from`",
        );
    }
}

fn check_generics(input: &Input<'_>, errors: &mut Errors) {
    let generics = &input.item.generics;
    if !generics.params.is_empty() {
        errors.push(
            &generics.params,
            "a state cannot have generic parameters, because an object type is a single type; use concrete types",
        );
    } else if let Some(clause) = &generics.where_clause {
        errors.push(clause, "a state cannot have generic parameters; remove the `where` clause");
    }
}

fn check_type(field: &StateField<'_>, errors: &mut Errors) {
    let owned = match field.ty {
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => "`String`",
            Type::Slice(_) => "`Vec<..>`",
            _ => "the type without `&`",
        },
        Type::Ptr(_) | Type::BareFn(_) => "a type that can be stored",
        _ => return,
    };
    errors.push(
        field.ty,
        format!("a state is stored and restored, so it must own its data; write {owned}"),
    );
}

fn check_names(fields: &[StateField<'_>], errors: &mut Errors) {
    let mut taken: Vec<String> = Vec::new();
    for field in fields {
        let name = field.json_name();
        if taken.contains(&name) {
            match &field.rename {
                Some(rename) => errors.push(rename, twice(&name)),
                None => errors.push(field.ident, twice(&name)),
            }
        }
        taken.push(name);
    }
    // Against all names, because an alias may precede the field that it collides with.
    for alias in fields.iter().flat_map(|field| &field.aliases) {
        if taken.contains(&alias.value()) {
            errors.push(alias, twice(&alias.value()));
        }
        taken.push(alias.value());
    }
}

fn twice(name: &str) -> String {
    format!("two fields are named `{name}` in JSON; rename one of them")
}
