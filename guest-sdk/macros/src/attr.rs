//! Arguments of our attributes, `name = value`, parsed with the tokens kept for their spans.
//!
//! Reports unknown, misplaced and duplicate arguments. Each macro interprets the values.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::token::Paren;
use syn::{Attribute, Expr, ExprLit, Lit, LitBool, LitStr, Meta, Token};

use crate::errors::Errors;
use crate::names::{enumeration, nearest};

/// One argument of an attribute.
pub(crate) struct Setting {
    pub(crate) name: Ident,
    pub(crate) value: Option<Expr>,
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> syn::Result<Setting> {
        // `type` is a keyword, and an argument of `#[object]`.
        let name = input.call(Ident::parse_any)?;
        if input.peek(Paren) {
            return Err(input.error(format!("`{name}` takes no parentheses; write `{name} = ..`")));
        }
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Some(input.parse()?)
        } else {
            None
        };
        Ok(Setting { name, value })
    }
}

/// Position of an attribute, and the arguments that it takes there.
pub(crate) struct Place {
    /// Name for error messages, as in "`#[state]` on a field".
    pub(crate) name: &'static str,
    pub(crate) known: &'static [&'static str],
    /// Arguments that belong to another place, and the name of that place.
    pub(crate) elsewhere: &'static [(&'static str, &'static str)],
    /// Arguments that may be given more than once.
    pub(crate) repeatable: &'static [&'static str],
}

/// Parses the arguments of an attribute macro.
pub(crate) fn read(tokens: TokenStream, place: &Place, errors: &mut Errors) -> Vec<Setting> {
    let parsed = Punctuated::<Setting, Token![,]>::parse_terminated.parse2(tokens);
    match parsed {
        Ok(settings) => only_known(settings, place, errors),
        Err(error) => {
            errors.push_error(error);
            Vec::new()
        }
    }
}

/// Parses the arguments of all attributes in `attributes` that are named `attribute`.
pub(crate) fn read_all(
    attributes: &[Attribute],
    attribute: &str,
    place: &Place,
    errors: &mut Errors,
) -> Vec<Setting> {
    let mut settings = Punctuated::<Setting, Token![,]>::new();
    for found in attributes.iter().filter(|found| found.path().is_ident(attribute)) {
        let Meta::List(list) = &found.meta else {
            let example = place.known.first().copied().unwrap_or_default();
            errors.push(
                &found.meta,
                format!("`#[{attribute}]` needs arguments; write `#[{attribute}({example} = ..)]`"),
            );
            continue;
        };
        match list.parse_args_with(Punctuated::<Setting, Token![,]>::parse_terminated) {
            Ok(more) => settings.extend(more),
            Err(error) => errors.push_error(error),
        }
    }
    only_known(settings, place, errors)
}

fn only_known(
    settings: impl IntoIterator<Item = Setting>,
    place: &Place,
    errors: &mut Errors,
) -> Vec<Setting> {
    let mut known: Vec<Setting> = Vec::new();
    for setting in settings {
        let name = setting.name.to_string();
        if let Some(message) = unknown(&name, place) {
            errors.push(&setting.name, message);
        } else if known.iter().any(|before| before.name == name)
            && !place.repeatable.contains(&name.as_str())
        {
            errors.push(&setting.name, format!("`{name}` is given twice; keep one of them"));
        } else {
            known.push(setting);
        }
    }
    known
}

fn unknown(name: &str, place: &Place) -> Option<String> {
    if place.known.contains(&name) {
        return None;
    }
    if let Some((_, home)) = place.elsewhere.iter().find(|(elsewhere, _)| *elsewhere == name) {
        return Some(format!("`{name}` is not valid in {}; move it to {home}", place.name));
    }
    let mut message =
        format!("unknown argument `{name}`; {} takes {}", place.name, enumeration(place.known));
    if let Some(meant) = nearest(name, place.known) {
        message.push_str(&format!("; did you mean `{meant}`?"));
    }
    Some(message)
}

impl Setting {
    /// Returns the value, which must not be missing.
    pub(crate) fn expression(&self, example: &str, errors: &mut Errors) -> Option<&Expr> {
        if self.value.is_none() {
            let name = &self.name;
            errors.push(name, format!("`{name}` needs a value; write `{name} = {example}`"));
        }
        self.value.as_ref()
    }

    /// Returns the value, which must be text.
    pub(crate) fn text(&self, example: &str, errors: &mut Errors) -> Option<LitStr> {
        match self.literal(example, errors)? {
            Lit::Str(text) => Some(text.clone()),
            other => self.wrong("a string in quotes", example, other, errors),
        }
    }

    /// Returns the value, which must be `true` or `false`.
    pub(crate) fn boolean(&self, example: &str, errors: &mut Errors) -> Option<LitBool> {
        match self.literal(example, errors)? {
            Lit::Bool(boolean) => Some(boolean.clone()),
            other => self.wrong("`true` or `false`", example, other, errors),
        }
    }

    /// Returns the value, which must be a literal.
    pub(crate) fn literal(&self, example: &str, errors: &mut Errors) -> Option<&Lit> {
        match self.expression(example, errors)? {
            Expr::Lit(ExprLit { lit, .. }) => Some(lit),
            other => self.wrong("a literal", example, other, errors),
        }
    }

    /// Reports that the value is of the wrong kind.
    pub(crate) fn wrong<T>(
        &self,
        wanted: &str,
        example: &str,
        found: impl ToTokens,
        errors: &mut Errors,
    ) -> Option<T> {
        let name = &self.name;
        errors.push(found, format!("`{name}` must be {wanted}; write `{name} = {example}`"));
        None
    }
}

/// Returns the doc comment in `attributes` as text, without the leading space of each line.
pub(crate) fn documentation(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value()),
                _ => None,
            },
            _ => None,
        })
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    lines.join("\n").trim().to_owned()
}

/// Returns the attributes named `name`, to repeat them on generated code.
pub(crate) fn named<'a>(
    attributes: &'a [Attribute],
    name: &'static str,
) -> impl Iterator<Item = &'a Attribute> {
    attributes.iter().filter(move |attribute| attribute.path().is_ident(name))
}
