//! What is left of runs when they are over: report files, and what the CI system that runs this process reads.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::failure::Failure;
use super::pending_file::PendingFile;
use super::printer::Printer;
use super::report_args::ReportFiles;
use crate::model::Clock;
use crate::model::limits::STEP_SUMMARY_BYTES_MAX;
use crate::report::{Account, Pipeline, Reporter, markdown_text, upload_summary};

/// Keeps account of runs for as long as somebody wants to know.
#[derive(Debug)]
pub struct Answers {
    account: Arc<Mutex<Account>>,
    files: ReportFiles,
    printer: Printer,
}

impl Answers {
    /// For these files, and for the CI system if there is one.
    #[must_use]
    pub fn new(files: ReportFiles, printer: &Printer) -> Self {
        Self { account: Arc::default(), files, printer: printer.clone() }
    }

    /// Who has to hear the events; nobody when nothing is to be written.
    #[must_use]
    pub fn reporter(&self) -> Option<Box<dyn Reporter>> {
        let is_wanted = !self.files.is_empty() || self.printer.pipeline().is_some();
        is_wanted.then(|| Box::new(Arc::clone(&self.account)) as Box<dyn Reporter>)
    }

    /// Writes everything. That a summary cannot be written is a warning: it changes nothing for the fleet.
    ///
    /// # Errors
    /// Exit 1 for report files that could not be written.
    pub fn write(self, clock: &Clock) -> Result<(), Failure> {
        let account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = self.printer.pipeline().filter(|_| !account.runs().is_empty()) {
            pipeline.lines(&account, clock.now()).iter().for_each(|line| self.printer.pipeline_command(line));
            if let Err(error) = summarize(pipeline, &account, &self.printer) {
                self.printer.warn(&format!("the summary for the page of this job could not be written: {error}"));
            }
        }
        self.files.write(&account)
    }
}

/// Shows the Markdown report on the page of the job, where the CI system has such a page.
fn summarize(pipeline: &Pipeline, account: &Account, printer: &Printer) -> io::Result<()> {
    match pipeline {
        Pipeline::GitHub { summary: Some(path) } => append(path, account),
        Pipeline::AzureDevOps { temp: Some(folder) } => {
            let path = folder.join(format!("iotjob-summary-{}.md", std::process::id()));
            let text = markdown_text(account, STEP_SUMMARY_BYTES_MAX);
            PendingFile::create(&path)?.write(|out| out.write_all(text.as_bytes()))?;
            printer.pipeline_command(&upload_summary(&path.display().to_string()));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Adds to what other commands of the step have written; all of it together has the limit.
fn append(path: &Path, account: &Account) -> io::Result<()> {
    let written = fs::metadata(path).map_or(0, |found| found.len());
    let room = STEP_SUMMARY_BYTES_MAX.saturating_sub(usize::try_from(written).unwrap_or(usize::MAX));
    File::options().append(true).create(true).open(path)?.write_all(markdown_text(account, room).as_bytes())
}
