//! View of a struct. Parses as much as possible, and checks only the arguments of the attributes.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Expr, Field, Fields, Lit, LitStr, Path, Type};

use crate::attr::{self, Place, Setting};
use crate::errors::Errors;

const ON_STRUCT: Place = Place {
    name: "`#[state]` on a struct",
    known: &["version", "migrate_from", "codec"],
    elsewhere: &[
        ("default", "`#[state]` on a field"),
        ("rename", "`#[state]` on a field"),
        ("alias", "`#[state]` on a field"),
    ],
    repeatable: &[],
};

const ON_FIELD: Place = Place {
    name: "`#[state]` on a field",
    known: &["default", "rename", "alias"],
    elsewhere: &[
        ("version", "`#[state]` on the struct"),
        ("migrate_from", "`#[state]` on the struct"),
        ("codec", "`#[state]` on the struct"),
    ],
    repeatable: &["alias"],
};

/// A struct that defines a state.
pub(super) struct Input<'a> {
    pub(super) item: &'a DeriveInput,
    pub(super) documentation: String,
    pub(super) version: u32,
    /// State of the previous version.
    pub(super) migrate_from: Option<Path>,
    /// Codec, if the state is not stored as JSON.
    pub(super) codec: Option<Path>,
    pub(super) fields: Vec<StateField<'a>>,
}

/// A named field of the struct.
pub(super) struct StateField<'a> {
    pub(super) ident: &'a Ident,
    pub(super) ty: &'a Type,
    pub(super) docs: Vec<&'a Attribute>,
    pub(super) default: Option<Expr>,
    pub(super) rename: Option<LitStr>,
    pub(super) aliases: Vec<LitStr>,
}

impl<'a> Input<'a> {
    pub(super) fn read(item: &'a DeriveInput, errors: &mut Errors) -> Input<'a> {
        let settings = attr::read_all(&item.attrs, "state", &ON_STRUCT, errors);
        let find = |name: &str| settings.iter().find(|setting| setting.name == name);
        Input {
            item,
            documentation: attr::documentation(&item.attrs),
            version: find("version").and_then(|found| version(found, errors)).unwrap_or(1),
            migrate_from: find("migrate_from")
                .and_then(|found| path(found, "the name of the older struct", "OldState", errors)),
            codec: find("codec")
                .and_then(|found| path(found, "the name of a type", "MyCodec", errors)),
            fields: named_fields(item)
                .filter_map(|field| StateField::read(field, errors))
                .collect(),
        }
    }
}

fn named_fields(item: &DeriveInput) -> impl Iterator<Item = &Field> {
    let fields = match &item.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Some(&fields.named),
            Fields::Unnamed(_) | Fields::Unit => None,
        },
        Data::Enum(_) | Data::Union(_) => None,
    };
    fields.into_iter().flatten()
}

impl<'a> StateField<'a> {
    fn read(field: &'a Field, errors: &mut Errors) -> Option<StateField<'a>> {
        let ident = field.ident.as_ref()?;
        let settings = attr::read_all(&field.attrs, "state", &ON_FIELD, errors);
        let mut read = StateField {
            ident,
            ty: &field.ty,
            docs: attr::named(&field.attrs, "doc").collect(),
            default: None,
            rename: None,
            aliases: Vec::new(),
        };
        for setting in &settings {
            if setting.name == "default" {
                read.default = default(setting, errors).cloned();
            } else if setting.name == "rename" {
                read.rename = setting.text("\"name\"", errors);
            } else {
                read.aliases.extend(setting.text("\"name\"", errors));
            }
        }
        Some(read)
    }

    /// Returns the field's name in JSON.
    pub(super) fn json_name(&self) -> String {
        match &self.rename {
            Some(name) => name.value(),
            None => self.ident.unraw().to_string(),
        }
    }
}

fn default<'s>(setting: &'s Setting, errors: &mut Errors) -> Option<&'s Expr> {
    if setting.value.is_none() {
        errors.push(
            &setting.name,
            "`default` needs a value; write `default = ..`, or remove it to use the default of the type",
        );
    }
    setting.value.as_ref()
}

fn version(setting: &Setting, errors: &mut Errors) -> Option<u32> {
    const WANTED: &str = "a whole number from 1 to 4294967295";
    let literal = setting.literal("2", errors)?;
    let Lit::Int(number) = literal else {
        return setting.wrong(WANTED, "2", literal, errors);
    };
    match number.base10_parse::<u32>() {
        Ok(version) if version > 0 => Some(version),
        Ok(_) | Err(_) => setting.wrong(WANTED, "2", number, errors),
    }
}

fn path(setting: &Setting, wanted: &str, example: &str, errors: &mut Errors) -> Option<Path> {
    match setting.expression(example, errors)? {
        Expr::Path(path) => Some(path.path.clone()),
        other => setting.wrong(wanted, example, other, errors),
    }
}
