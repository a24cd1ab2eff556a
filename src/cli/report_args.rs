//! `--report FORMAT=FILE`: reports that are written when all runs are over.

use std::path::PathBuf;
use std::str::FromStr;

use super::exit::Exit;
use super::failure::Failure;
use super::pending_file::PendingFile;
use crate::report::{Account, ReportFormat};

/// Flags that ask for reports.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArgs {
    /// Write a report at the end: junit=FILE, csv=FILE, json=FILE or markdown=FILE; also several
    #[arg(long = "report", value_name = "FORMAT=FILE")]
    reports: Vec<ReportFile>,
}

/// One `--report`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ReportFile {
    format: ReportFormat,
    path: PathBuf,
}

impl FromStr for ReportFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = ReportFormat::NAMED.map(|(name, _)| name).join(", ");
        let (name, path) = text.split_once('=').ok_or(format!("write it as FORMAT=FILE, with one of {names}"))?;
        let found = ReportFormat::NAMED.into_iter().find(|(known, _)| *known == name);
        let (_, format) = found.ok_or(format!("`{name}` is no format of a report: {names} are"))?;
        if path.is_empty() {
            return Err(format!("`{name}=` names no file"));
        }
        Ok(Self { format, path: path.into() })
    }
}

impl ReportArgs {
    /// Makes room for the files, so that nothing is done whose result could not be kept.
    ///
    /// # Errors
    /// Exit 2 for a file that cannot be written, or that two reports name.
    pub fn open(&self) -> Result<ReportFiles, Failure> {
        let mut files: Vec<(ReportFormat, PendingFile)> = Vec::with_capacity(self.reports.len());
        for ReportFile { format, path } in &self.reports {
            let file = PendingFile::create(path).map_err(|error| {
                Failure::usage(format!("the report `{}` cannot be written: {error}", path.display()))
            })?;
            if files.iter().any(|(_, other)| other.target() == file.target() && file.target().is_file()) {
                return Err(taken(path));
            }
            files.push((*format, file));
        }
        // A file that is not there yet has no one name that all spellings lead to.
        for (index, report) in self.reports.iter().enumerate() {
            if self.reports[..index].iter().any(|other| other.path == report.path) {
                return Err(taken(&report.path));
            }
        }
        Ok(ReportFiles { files })
    }
}

fn taken(path: &std::path::Path) -> Failure {
    Failure::usage(format!("two reports cannot share the file `{}`", path.display()))
}

/// Files that wait for their reports.
#[derive(Debug)]
pub struct ReportFiles {
    files: Vec<(ReportFormat, PendingFile)>,
}

impl ReportFiles {
    /// Whether no report is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Writes every report, also when one of them fails.
    ///
    /// # Errors
    /// Exit 1 for reports that could not be written.
    pub fn write(self, account: &Account) -> Result<(), Failure> {
        let mut failed = Vec::new();
        for (format, file) in self.files {
            let path = file.target().display().to_string();
            if let Err(error) = file.write(|out| format.render(account, out)) {
                failed.push(format!("the report `{path}` could not be written: {error}"));
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Unexpected, failed.join("; "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_format_and_a_file() {
        let read = |text: &str| text.parse::<ReportFile>();
        let csv = ReportFile { format: ReportFormat::Csv, path: "a=b.csv".into() };
        assert_eq!(read("csv=a=b.csv"), Ok(csv));
        for bad in ["", "junit", "junit=", "xml=a", "=a", "CSV=a"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_reports_never_share_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let open = |reports: &[&str]| {
            let file = |name: &&str| ReportFile { format: ReportFormat::Csv, path: folder.path().join(name) };
            ReportArgs { reports: reports.iter().map(file).collect() }.open()
        };
        std::fs::write(folder.path().join("old"), "").unwrap();
        assert_eq!(open(&["a", "b"]).unwrap().files.len(), 2);
        assert_eq!(open(&["a", "a"]).unwrap_err().exit, Exit::Usage);
        assert_eq!(open(&["old", "./old"]).unwrap_err().exit, Exit::Usage);
    }
}
