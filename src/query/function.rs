//! The functions of a condition: which exist, what they take, and what they yield (GRAMMAR.md 4).

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::value::{Datum, Truth};

macro_rules! functions {
    ($($name:ident = $text:literal, $arity:expr, $standing:ident;)*) => {
        /// A function that the evaluator knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function { $($name,)* }

        impl Function {
            /// Every function.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name),*];

            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            pub(super) fn arity(self) -> RangeInclusive<usize> {
                match self { $(Self::$name => $arity,)* }
            }

            pub(super) fn standing(self) -> Standing {
                match self { $(Self::$name => Standing::$standing,)* }
            }
        }
    };
}

/// How sure it is that a twin query may use a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Documented, or seen in production.
    Confirmed,
    /// Named beside a confirmed one.
    Unconfirmed,
    /// One report says that it does not work.
    ReportedFailing,
    /// Documented for message routing alone.
    RoutingOnly,
}

functions! {
    IsDefined = "IS_DEFINED", 1..=1, Confirmed;
    StartsWith = "STARTSWITH", 2..=2, Confirmed;
    ArrayContains = "ARRAY_CONTAINS", 2..=2, Confirmed;
    // conformance-choice: GRAMMAR.md 4: ENDSWITH, CONTAINS and the functions of routing queries are evaluated unless strict
    EndsWith = "ENDSWITH", 2..=2, Unconfirmed;
    Contains = "CONTAINS", 2..=2, ReportedFailing;
    Abs = "ABS", 1..=1, RoutingOnly;
    Exp = "EXP", 1..=1, RoutingOnly;
    Power = "POWER", 2..=2, RoutingOnly;
    Square = "SQUARE", 1..=1, RoutingOnly;
    Ceiling = "CEILING", 1..=1, RoutingOnly;
    Floor = "FLOOR", 1..=1, RoutingOnly;
    Signum = "SIGN", 1..=1, RoutingOnly;
    Sqrt = "SQRT", 1..=1, RoutingOnly;
    IsArray = "IS_ARRAY", 1..=1, RoutingOnly;
    IsBool = "IS_BOOL", 1..=1, RoutingOnly;
    IsNull = "IS_NULL", 1..=1, RoutingOnly;
    IsNumber = "IS_NUMBER", 1..=1, RoutingOnly;
    IsObject = "IS_OBJECT", 1..=1, RoutingOnly;
    IsPrimitive = "IS_PRIMITIVE", 1..=1, RoutingOnly;
    IsString = "IS_STRING", 1..=1, RoutingOnly;
    Concat = "CONCAT", 2..=8, RoutingOnly;
    Length = "LENGTH", 1..=1, RoutingOnly;
    Lower = "LOWER", 1..=1, RoutingOnly;
    Upper = "UPPER", 1..=1, RoutingOnly;
    IndexOf = "INDEX_OF", 2..=2, RoutingOnly;
}

/// Functions of routing queries that are not worth an imitation here.
pub(super) const ROUTING_NOT_IMITATED: [&str; 2] = ["AS_NUMBER", "SUBSTRING"];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name().eq_ignore_ascii_case(name))
    }

    /// The function's value. `argument` evaluates the argument of that index, below the arity.
    ///
    /// An argument of the wrong type, and a missing one, make the value undefined; the type tests answer for both.
    pub(super) fn apply<'a>(self, count: usize, argument: impl Fn(usize) -> Datum<'a>) -> Datum<'a> {
        let number = |of: fn(f64) -> f64| match argument(0) {
            Datum::Number(number) => Datum::finite(of(number)),
            _ => Datum::Undefined,
        };
        let texts = |of: fn(&str, &str) -> bool| match (argument(0), argument(1)) {
            (Datum::String(a), Datum::String(b)) => Datum::Bool(of(&a, &b)),
            _ => Datum::Undefined,
        };
        let is = |of: fn(&Datum<'_>) -> bool| Datum::Bool(of(&argument(0)));
        match self {
            Self::IsDefined => is(|value| !matches!(value, Datum::Undefined)),
            Self::StartsWith => texts(|text, part| text.starts_with(part)),
            Self::EndsWith => texts(|text, part| text.ends_with(part)),
            Self::Contains => texts(|text, part| text.contains(part)),
            Self::ArrayContains => array_contains(&argument(0), &argument(1)).into(),
            Self::Abs => number(f64::abs),
            Self::Exp => number(f64::exp),
            Self::Square => number(|value| value * value),
            Self::Ceiling => number(f64::ceil),
            Self::Floor => number(f64::floor),
            Self::Signum => number(|value| if value == 0.0 { 0.0 } else { value.signum() }),
            Self::Sqrt => number(f64::sqrt),
            Self::Power => match (argument(0), argument(1)) {
                (Datum::Number(base), Datum::Number(exponent)) => Datum::finite(base.powf(exponent)),
                _ => Datum::Undefined,
            },
            Self::IsArray => is(|value| value.items().is_some() || matches!(value, Datum::List(_))),
            Self::IsBool => is(|value| matches!(value, Datum::Bool(_))),
            Self::IsNull => is(|value| matches!(value, Datum::Null)),
            Self::IsNumber => is(|value| matches!(value, Datum::Number(_))),
            Self::IsObject => is(|value| matches!(value, Datum::Compound(value) if value.is_object())),
            Self::IsPrimitive => is(|value| !matches!(value, Datum::Undefined | Datum::Compound(_) | Datum::List(_))),
            Self::IsString => is(|value| matches!(value, Datum::String(_))),
            Self::Concat => concat((0..count).map(argument)),
            Self::Length => match argument(0) {
                Datum::String(text) => count_of(text.chars().count()),
                _ => Datum::Undefined,
            },
            Self::Lower => change(argument(0), str::to_lowercase),
            Self::Upper => change(argument(0), str::to_uppercase),
            Self::IndexOf => match (argument(0), argument(1)) {
                (Datum::String(text), Datum::String(part)) => index_of(&text, &part),
                _ => Datum::Undefined,
            },
        }
    }
}

fn array_contains(array: &Datum<'_>, wanted: &Datum<'_>) -> Truth {
    match array {
        Datum::List(list) => wanted.is_in(list),
        _ => match array.items() {
            Some(items) => Truth::from(items.iter().any(|item| Datum::of_json(item).equals(wanted) == Truth::True)),
            None => Truth::Undefined,
        },
    }
}

fn concat<'a>(parts: impl Iterator<Item = Datum<'a>>) -> Datum<'a> {
    let mut whole = String::new();
    for part in parts {
        match part {
            Datum::String(text) => whole.push_str(&text),
            _ => return Datum::Undefined,
        }
    }
    Datum::String(Cow::Owned(whole))
}

fn change<'a>(text: Datum<'a>, of: fn(&str) -> String) -> Datum<'a> {
    match text {
        Datum::String(text) => Datum::String(Cow::Owned(of(&text))),
        _ => Datum::Undefined,
    }
}

/// The 0-based character at which a part begins, or -1.
fn index_of<'a>(text: &str, part: &str) -> Datum<'a> {
    match text.find(part) {
        Some(at) => count_of(text[..at].chars().count()),
        None => Datum::Number(-1.0),
    }
}

fn count_of<'a>(count: usize) -> Datum<'a> {
    // A text of a row is far shorter than 2^32 characters.
    Datum::Number(u32::try_from(count).map_or(f64::INFINITY, f64::from))
}
