//! The forms of data on stdout.

use clap::ValueEnum;

/// How the problems of manifests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProblemsFormat {
    /// For people, on stderr.
    Text,
    /// One JSON object a line.
    Json,
    /// One SARIF log.
    Sarif,
}

/// How results are written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
