//! Looks through a parsed query for what the service may refuse and what can't mean what it says.

use std::ops::Range;

use super::ast::{ArithmeticOp, Expr, ExprKind, Literal, Selection, Source};
use super::collection::{Collection, Property};
use super::path::{Origin, Path};
use super::select::Query;
use super::warning::Warning;

/// Adds the warnings of a whole query.
pub(super) fn query(query: &Query, warnings: &mut Vec<Warning>) {
    let collection = query.collection();
    if let Selection::Projections(projections) = &query.selection {
        for (index, projection) in projections.iter().enumerate() {
            if let Source::Path(found) | Source::Count(Some(found)) | Source::Numeric(_, found) = &projection.source {
                path(found, collection, warnings);
            }
            if projection.alias.is_none() && projection.source.is_aggregate() {
                let message = format!("the name of this column is not documented; here it is `{}`", projection.column);
                warnings.push(Warning::suspicious(projection.span.clone(), message).with_help("add AS and a name"));
            }
            if projections[..index].iter().any(|earlier| earlier.column == projection.column) {
                let message = format!("a second column named `{}`; here the last one wins", projection.column);
                warnings.push(Warning::unconfirmed(projection.span.clone(), message).with_help("add AS and a name"));
            }
        }
    }
    if let Some(filter) = &query.filter {
        expression(filter, collection, warnings);
    }
    for grouped in &query.group_by {
        path(grouped, collection, warnings);
        if collection == Collection::Modules {
            let message = "GROUP BY is documented for `devices` only";
            warnings.push(Warning::unconfirmed(grouped.span.clone(), message));
        }
    }
}

/// Adds the warnings of a condition.
pub(super) fn expression(expr: &Expr, collection: Collection, warnings: &mut Vec<Warning>) {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Array(_) => {}
        ExprKind::Path(found) => path(found, collection, warnings),
        ExprKind::Not(operand) | ExprKind::Sign { operand, .. } => expression(operand, collection, warnings),
        ExprKind::And(operands) | ExprKind::Or(operands) | ExprKind::Call { args: operands, .. } => {
            operands.iter().for_each(|operand| expression(operand, collection, warnings));
        }
        ExprKind::Compare { left, right, .. } => {
            expression(left, collection, warnings);
            expression(right, collection, warnings);
            compared(left, right, collection, warnings);
            compared(right, left, collection, warnings);
        }
        ExprKind::In { left, list, .. } => {
            expression(left, collection, warnings);
            if let ExprKind::Path(path) = &left.kind {
                list.items().iter().for_each(|item| value(path, item, &expr.span, collection, warnings));
            }
        }
        ExprKind::Arithmetic { first, rest } => {
            expression(first, collection, warnings);
            for (op, operand) in rest {
                expression(operand, collection, warnings);
                let joins = |side: &Expr| matches!(side.kind, ExprKind::Literal(Literal::String(_)));
                if *op == ArithmeticOp::Add && (joins(operand) || joins(first)) {
                    let message = "joining strings with + is not documented";
                    warnings.push(Warning::unconfirmed(operand.span.clone(), message));
                }
            }
        }
    }
}

/// Looks at one side of a comparison.
fn compared(side: &Expr, other: &Expr, collection: Collection, warnings: &mut Vec<Warning>) {
    match (&side.kind, &other.kind) {
        (ExprKind::Literal(Literal::Undefined), _) => {
            let warning = Warning::suspicious(side.span.clone(), "nothing compares with undefined, so no row passes");
            warnings.push(warning.with_help("use NOT IS_DEFINED(path)"));
        }
        (ExprKind::Literal(Literal::Null), ExprKind::Path(path)) if is_user_content(path) => {
            let warning = Warning::suspicious(side.span.clone(), "a twin never holds null: setting it removes the key");
            warnings.push(warning.with_help("use NOT IS_DEFINED(path)"));
        }
        (ExprKind::Array(_), _) => {
            let warning = Warning::suspicious(side.span.clone(), "arrays don't compare, so no row passes");
            warnings.push(warning.with_help("use IN for one of several values, ARRAY_CONTAINS to look into an array"));
        }
        (ExprKind::Literal(literal), ExprKind::Path(path)) => {
            value(path, literal, &side.span, collection, warnings);
        }
        _ => {}
    }
}

/// Points at a path that leads nowhere in the rows of its collection.
fn path(path: &Path, collection: Collection, warnings: &mut Vec<Warning>) {
    match path.origin {
        Origin::IdAlias => {
            // conformance-choice: GRAMMAR.md 3: `id` is the deviceId unless strict
            let warning = Warning::unconfirmed(path.span.clone(), "`id` is not documented");
            warnings.push(warning.with_help("write deviceId"));
        }
        Origin::Unknown => {
            let name = path.keys.first().map_or("", AsRef::as_ref);
            let warning = Warning::suspicious(path.span.clone(), format!("`{collection}` has no property `{name}`"));
            warnings.push(warning.with_help(unknown_help(path, name, collection)));
        }
        Origin::Known => {
            if let Some((parent, name)) = unknown_member(path, collection) {
                let members: Vec<&str> = parent.members.iter().map(|member| member.name).collect();
                let message = format!("`{}` has no member `{name}`", parent.name);
                let warning = Warning::suspicious(path.span.clone(), message);
                warnings.push(warning.with_help(format!("it has {}", members.join(" and "))));
            }
        }
    }
}

fn unknown_help(path: &Path, name: &str, collection: Collection) -> String {
    const EDITS_MAX: usize = 3;
    let near = collection
        .properties()
        .iter()
        .map(|property| (strsim::damerau_levenshtein(property.name, name), property.name))
        .min()
        .filter(|&(edits, near)| edits <= EDITS_MAX && edits < near.len() / 2);
    match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None if path.written.len() == 1 => format!("a string stands in quotes: '{name}'; a tag is tags.{name}"),
        None => format!("a tag is tags.{path}, a reported property properties.reported.{path}"),
    }
}

/// The place where a path leaves what the service itself names completely.
fn unknown_member(path: &Path, collection: Collection) -> Option<(&'static Property, &str)> {
    let (root, below) = path.keys.split_first()?;
    let mut parent = Property::find(collection.properties(), root)?;
    for key in below {
        if parent.members.is_empty() {
            return None;
        }
        match Property::find(parent.members, key) {
            Some(member) => parent = member,
            None => return Some((parent, key)),
        }
    }
    None
}

/// Points at a string that a property of a few values never has.
fn value(path: &Path, literal: &Literal, span: &Range<usize>, collection: Collection, warnings: &mut Vec<Warning>) {
    let (Some(known), Literal::String(text)) = (known_values(path, collection), literal) else { return };
    if !known.contains(&text.as_ref()) {
        let message = format!("`{path}` is never '{text}'");
        let listed: Vec<String> = known.iter().map(|value| format!("'{value}'")).collect();
        let warning = Warning::suspicious(span.clone(), message);
        warnings.push(warning.with_help(format!("it is {}", listed.join(", "))));
    }
}

/// Whether a path leads to what users store in a twin.
fn is_user_content(path: &Path) -> bool {
    path.keys.first().is_some_and(|root| matches!(root.as_ref(), "tags" | "properties"))
}

fn known_values(path: &Path, collection: Collection) -> Option<&'static [&'static str]> {
    let [name] = path.keys.as_slice() else { return None };
    Some(match (name.as_ref(), collection) {
        ("connectionState", _) => &["Connected", "Disconnected"],
        ("status", Collection::Devices | Collection::Modules) => &["enabled", "disabled"],
        ("status", Collection::Jobs) => &["pending", "scheduled", "running", "completed", "failed", "canceled"],
        ("authenticationType", _) => &["sas", "selfSigned", "certificateAuthority", "none"],
        ("jobType", _) => &["scheduleDeviceMethod", "scheduleUpdateTwin"],
        _ => return None,
    })
}
