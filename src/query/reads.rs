//! Which members of a row somebody looks at, so that no others need be read.

use super::ast::{Expr, ExprKind, Source};
use super::condition::Condition;
use super::path::Path;
use super::select::Query;

/// The paths that are followed into a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// The row as a whole.
    Everything,
    /// These paths, as the service spells its own names; none for who only counts rows.
    Paths(Vec<Vec<String>>),
}

impl Condition {
    /// What [`Condition::matches`] looks at.
    #[must_use]
    pub fn filter_reads(&self) -> Reads {
        Reads::of_filter(self.filter.as_ref())
    }
}

impl Query {
    /// What [`Query::matches`] looks at.
    #[must_use]
    pub fn filter_reads(&self) -> Reads {
        Reads::of_filter(self.filter.as_ref())
    }

    /// What the answer is made of, of a row that matches.
    #[must_use]
    pub fn answer_reads(&self) -> Reads {
        if self.selects_everything() && !self.is_aggregate() {
            return Reads::Everything;
        }
        let columns = self.projections().iter().filter_map(|projection| match &projection.source {
            Source::Path(path) | Source::Count(Some(path)) | Source::Numeric(_, path) => Some(path),
            Source::Count(None) => None,
        });
        Reads::Paths(columns.chain(&self.group_by).map(keys).collect())
    }
}

impl Reads {
    fn of_filter(filter: Option<&Expr>) -> Self {
        let mut paths = Vec::new();
        if let Some(filter) = filter {
            collect(filter, &mut paths);
        }
        Self::Paths(paths)
    }
}

fn collect(expr: &Expr, paths: &mut Vec<Vec<String>>) {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Array(_) => {}
        ExprKind::Path(path) => paths.push(keys(path)),
        ExprKind::Not(operand) | ExprKind::Sign { operand, .. } | ExprKind::In { left: operand, .. } => {
            collect(operand, paths);
        }
        ExprKind::And(operands) | ExprKind::Or(operands) | ExprKind::Call { args: operands, .. } => {
            operands.iter().for_each(|operand| collect(operand, paths));
        }
        ExprKind::Compare { left, right, .. } => {
            collect(left, paths);
            collect(right, paths);
        }
        ExprKind::Arithmetic { first, rest } => {
            collect(first, paths);
            rest.iter().for_each(|(_, operand)| collect(operand, paths));
        }
    }
}

fn keys(path: &Path) -> Vec<String> {
    path.keys.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{parse, parse_condition};

    fn dotted(reads: Reads) -> String {
        match reads {
            Reads::Everything => "*".to_owned(),
            Reads::Paths(paths) => paths.iter().map(|path| path.join(".")).collect::<Vec<_>>().join(" "),
        }
    }

    #[test]
    fn every_path_of_a_filter_is_named_wherever_it_stands() {
        for (condition, want) in [
            ("*", ""),
            ("tags.a = 1", "tags.a"),
            ("NOT (tags.a + tags.b > 3 OR STARTSWITH(deviceid, 'x'))", "tags.a tags.b deviceId"),
            ("Properties.Reported.v IN ['1'] AND IS_DEFINED(status)", "properties.reported.v status"),
            ("-tags.a = tags.c", "tags.a tags.c"),
        ] {
            assert_eq!(dotted(parse_condition(condition).unwrap().filter_reads()), want, "{condition}");
        }
    }

    #[test]
    fn an_answer_reads_its_columns_and_groups() {
        for (query, want) in [
            ("SELECT * FROM devices WHERE tags.a = 1", "*"),
            ("SELECT deviceId, tags.a AS x FROM devices", "deviceId tags.a"),
            ("SELECT COUNT() AS n FROM devices", ""),
            ("SELECT tags.a, AVG(tags.b) AS m FROM devices GROUP BY tags.a", "tags.a tags.b tags.a"),
        ] {
            assert_eq!(dotted(parse(query).unwrap().answer_reads()), want, "{query}");
        }
    }
}
