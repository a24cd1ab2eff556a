//! Fills a template for one device and one occasion.

use serde_json::{Number, Value};

use super::Individual;
use super::node::{Generator, Node, Steps};
use crate::model::Draw;
use crate::model::limits::FLEET_DEVICES_MAX;

/// What a template is filled with.
pub(super) struct Occasion<'o> {
    pub(super) individual: &'o Individual<'o>,
    pub(super) purpose: &'o str,
    pub(super) count: u64,
    pub(super) request: Option<&'o Value>,
}

impl Node {
    pub(super) fn fill(&self, occasion: &Occasion<'_>) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(text) => text.fill(occasion),
            Self::Array(items) => items.iter().map(|item| item.fill(occasion)).collect(),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(key, node)| (key.clone(), node.fill(occasion))).collect())
            }
            Self::Drawn { place, generator } => {
                let purpose = format!("{}{place}", occasion.purpose);
                generator.fill(occasion, &mut occasion.individual.seed.draw(&purpose, occasion.count))
            }
        }
    }

    /// A value at least as large, written as JSON, as any that is filled in.
    pub(super) fn largest(&self) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(text) => text.largest(),
            Self::Array(items) => items.iter().map(Self::largest).collect(),
            Self::Object(members) => {
                Value::Object(members.iter().map(|(key, node)| (key.clone(), node.largest())).collect())
            }
            Self::Drawn { generator, .. } => generator.largest(),
        }
    }
}

impl Generator {
    fn fill(&self, occasion: &Occasion<'_>, draw: &mut Draw) -> Value {
        let individual = occasion.individual;
        match self {
            Self::Index { start } => start.saturating_add_unsigned(individual.number.saturating_sub(1)).into(),
            Self::Choice(items) => draw.pick(items).map_or(Value::Null, |item| item.fill(occasion)),
            Self::Integers { min, step, steps } => {
                let taken = draw.between(0, i64::try_from(*steps).unwrap_or(i64::MAX)).unsigned_abs();
                min.saturating_add_unsigned(step.saturating_mul(taken)).into()
            }
            Self::Floats { min, max, steps } => {
                let drawn = match *steps {
                    Steps::Of { size, count } => rounded(min + size * draw.below(count + 1) as f64, 9),
                    Steps::Decimals(decimals) => rounded(min + (max - min) * draw.fraction(), decimals),
                };
                number(drawn.clamp(*min, *max))
            }
            Self::Pattern(pattern) => pattern.fill(individual, draw).into(),
        }
    }

    fn largest(&self) -> Value {
        match self {
            Self::Index { start } => {
                let last = start.saturating_add_unsigned(FLEET_DEVICES_MAX - 1);
                if start.to_string().len() > last.to_string().len() { *start } else { last }.into()
            }
            Self::Choice(items) => {
                let largest = items.iter().map(Node::largest).max_by_key(|value| value.to_string().len());
                largest.unwrap_or(Value::Null)
            }
            Self::Integers { min, step, steps } => {
                let max = min.saturating_add_unsigned(step.saturating_mul(*steps));
                if min.to_string().len() > max.to_string().len() { *min } else { max }.into()
            }
            Self::Floats { min, max, .. } => number(if min.abs() > max.abs() { *min } else { *max }),
            Self::Pattern(pattern) => pattern.largest().into(),
        }
    }
}

fn number(drawn: f64) -> Value {
    Number::from_f64(drawn).map_or(Value::Null, Value::Number)
}

fn rounded(drawn: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    let rounded = (drawn * scale).round() / scale;
    if rounded.is_finite() { rounded } else { drawn }
}
