//! Shows what is wrong with manifests and fleet files: for people with the text underlined, for machines one JSON object a line.

use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;

use super::failure::Failure;
use super::printer::Printer;
use crate::manifest::LoadError;
use crate::model::limits::PROBLEMS_SHOWN_MAX;
use crate::source::{Placed, Severity};

/// Problems of one kind, to be shown or to be put among those of others.
pub fn placed<P: Placed>(problems: &[P]) -> Vec<&dyn Placed> {
    problems.iter().map(|problem| problem as &dyn Placed).collect()
}

/// The failure for a path that names nothing readable, exit 2.
#[must_use]
pub fn unreadable(error: &LoadError) -> Failure {
    let failure = Failure::usage(error.to_string());
    match error {
        LoadError::NotFound { .. } | LoadError::NoFiles { .. } => {
            failure.hint("`iotjob init` writes a manifest to start from")
        }
        _ => failure,
    }
}

/// Shows every problem on stderr, the first [`PROBLEMS_SHOWN_MAX`] of each file in full and the rest as a count.
pub fn show(problems: &[&dyn Placed], printer: &Printer) {
    let theme = if printer.colours_stderr() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(printer.width()).with_links(false);
    for of_file in problems.chunk_by(|a, b| std::sync::Arc::ptr_eq(&a.place().file, &b.place().file)) {
        for &problem in of_file.iter().take(PROBLEMS_SHOWN_MAX) {
            let mut text = String::new();
            if handler.render_report(&mut text, problem).is_err() {
                text = problem.to_string();
            }
            printer.stderr_line(text.trim_end());
            printer.stderr_line("");
        }
        let rest = of_file.len().saturating_sub(PROBLEMS_SHOWN_MAX);
        if let Some(first) = of_file.first().filter(|_| rest > 0) {
            printer.stderr_line(&format!(
                "{}: {} not shown\n",
                first.place().file.name(),
                counted(rest, "more problem")
            ));
        }
    }
}

/// Writes every problem to stdout as one JSON object a line.
pub fn print_json(problems: &[&dyn Placed], printer: &Printer) {
    for &problem in problems {
        let line = serde_json::to_string(&ProblemLine::of(problem)).expect("texts and numbers are JSON");
        printer.data(&line);
    }
}

/// A problem as a line of JSON; lines and columns count from 1, columns in characters, the end is past the last.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProblemLine<'p> {
    pub file: &'p str,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
    pub code: String,
    pub severity: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl<'p> ProblemLine<'p> {
    /// Describes a problem.
    pub(super) fn of(problem: &'p dyn Placed) -> Self {
        let place = problem.place();
        let (line, column) = place.file.line_column(place.span.start);
        let (end_line, end_column) = place.file.line_column(place.span.end);
        Self {
            file: place.file.name(),
            line,
            column,
            end_line,
            end_column,
            code: problem.code().map(|code| code.to_string()).unwrap_or_default(),
            severity: match Severity::of(problem) {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message: problem.to_string(),
            help: problem.help().map(|help| help.to_string()),
        }
    }
}

/// `1 file`, `2 files`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
