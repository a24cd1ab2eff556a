//! A text that was read, with the name that a user knows it by, and stretches of it.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::text_problem::TextProblem;
use crate::model::limits::SOURCE_BYTES_MAX;

/// Room for what most files hold.
const SOURCE_BYTES_OFTEN: usize = 4_096;
/// Most bytes of a file that one problem shows.
const EXCERPT_BYTES_MAX: usize = 1_000;
/// Bytes shown before a problem in a line that is too long to show.
const EXCERPT_LEAD_BYTES: usize = 40;
/// Bytes shown of a problem, and of the line behind it, when either is too long to show.
const EXCERPT_TAIL_BYTES: usize = 120;

/// Reads one byte more than a file may have, which is enough to know.
///
/// # Errors
/// The source's own.
pub fn read_limited(source: impl Read) -> io::Result<Vec<u8>> {
    // Most files are small: without room from the start they would be read in ever larger pieces.
    let mut bytes = Vec::with_capacity(SOURCE_BYTES_OFTEN);
    let most = u64::try_from(SOURCE_BYTES_MAX).unwrap_or(u64::MAX);
    source.take(most + 1).read_to_end(&mut bytes)?;
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// Bytes that make no text.
#[derive(Debug)]
pub struct NoText {
    /// A file to show the problem in.
    pub file: SourceFile,
    /// The problem's place there.
    pub span: Range<usize>,
    /// What is wrong.
    pub problem: TextProblem,
}

/// A text that was read, with the name that a user knows it by.
#[derive(Debug)]
pub struct SourceFile {
    name: String,
    text: String,
    /// Where each line starts; found when the first place is asked for.
    line_starts: OnceLock<Vec<usize>>,
}

impl SourceFile {
    /// Wraps a text and its name.
    #[must_use]
    pub fn new(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), text, line_starts: OnceLock::new() }
    }

    /// Takes the bytes of a file, of which [`read_limited`] reads as many as matter.
    ///
    /// # Errors
    /// [`NoText`], when they are none that is read.
    pub fn of_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, Box<NoText>> {
        if bytes.len() > SOURCE_BYTES_MAX {
            let file = Self::new(name, String::new());
            return Err(Box::new(NoText { file, span: 0..0, problem: TextProblem::FileTooLarge }));
        }
        match String::from_utf8(bytes) {
            Ok(mut text) => {
                // The parser miscounts columns after a byte order mark, and nobody sees it.
                if text.starts_with('\u{feff}') {
                    text.remove(0);
                }
                Ok(Self::new(name, text))
            }
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
                Err(Box::new(NoText { file: Self::new(name, text), span, problem: TextProblem::NotUtf8 }))
            }
        }
    }

    /// The path as given, or `<stdin>`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte, both from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let byte = self.floor(byte);
        let starts = self
            .line_starts
            .get_or_init(|| std::iter::once(0).chain(self.text.match_indices('\n').map(|(end, _)| end + 1)).collect());
        let line = starts.partition_point(|&start| start <= byte);
        let start = starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        (line, self.text[start..byte].chars().count() + 1)
    }
}

impl SourceFile {
    /// The last byte at or before `byte` that starts a character.
    fn floor(&self, byte: usize) -> usize {
        self.text.floor_char_boundary(byte)
    }

    /// The part of a long line round `span`.
    fn excerpt(&self, span: &SourceSpan) -> Range<usize> {
        let at = self.floor(span.offset());
        let line_start = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line_end = self.text[at..].find('\n').map_or(self.text.len(), |end| at + end);
        let start = self.floor(at.saturating_sub(EXCERPT_LEAD_BYTES)).max(line_start);
        let end = self.floor(span.offset() + span.len() + EXCERPT_TAIL_BYTES).min(line_end);
        start..end.max(start)
    }
}

impl SourceCode for SourceFile {
    /// The lines round a span; of a line that would flood the terminal only the part that matters.
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let lines = self.text.read_span(span, lines_before, lines_after)?;
        let name = self.name.clone();
        let contents = if lines.data().len() <= EXCERPT_BYTES_MAX {
            MietteSpanContents::new_named(
                name,
                lines.data(),
                *lines.span(),
                lines.line(),
                lines.column(),
                lines.line_count(),
            )
        } else {
            let part = self.excerpt(span);
            let (line, column) = self.line_column(part.start);
            let data = &self.text.as_bytes()[part.clone()];
            MietteSpanContents::new_named(name, data, part.into(), line - 1, column - 1, 1)
        };
        Ok(Box::new(contents))
    }
}

/// A stretch of a file.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The bytes, from the file's start.
    pub span: Range<usize>,
}

impl Place {
    /// What of the span is underlined: a very long one would flood the terminal.
    pub(super) fn shown(&self) -> Range<usize> {
        let Range { start, end } = self.span;
        start..if end - start > EXCERPT_BYTES_MAX { self.file.floor(start + EXCERPT_TAIL_BYTES) } else { end }
    }
}
