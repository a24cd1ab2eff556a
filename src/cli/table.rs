//! Tables on stdout: a header, columns two blanks apart, no lines, so that `awk` and `grep` read them too.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::model::WireTime;

/// Characters of a cell that are shown; `--output json` shows all.
const CELL_CHARS_MAX: usize = 200;

/// Rows of one table; longer listings become several, so that none has to fit into memory.
pub const ROWS_MAX: usize = 10_000;

/// Lays rows out under a header; one line each.
pub fn render(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header.iter().map(|title| cell(title)));
    for row in rows {
        table.add_row(row.iter().map(|text| cell(text)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// A text that fits a cell: one line, nothing that a terminal would obey, not too long.
fn cell(text: &str) -> String {
    let mut cell: String = text.chars().take(CELL_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(CELL_CHARS_MAX).is_some() {
        cell.push('…');
    }
    cell
}

/// A time for a cell: to the second, `-` for what has not happened yet.
#[must_use]
pub fn time(time: Option<WireTime>) -> String {
    match time.and_then(WireTime::timestamp) {
        Some(time) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let rows =
            [vec!["a-long-id".to_owned(), "x".to_owned()], vec!["b".to_owned(), "two\nlines\u{1b}[2J".to_owned()]];
        assert_eq!(render(&["ID", "NOTE"], rows), "ID         NOTE\na-long-id  x\nb          two lines [2J");
    }

    #[test]
    fn a_cell_is_cut_by_characters() {
        assert_eq!(cell(&"ö".repeat(300)).chars().count(), CELL_CHARS_MAX + 1);
    }

    #[test]
    fn sentinels_are_dashes() {
        assert_eq!(time(Some("9999-12-31T23:59:59.9999999Z".parse().unwrap())), "-");
        assert_eq!(time(Some("2026-05-01T02:00:05.3Z".parse().unwrap())), "2026-05-01T02:00:05Z");
        assert_eq!(time(None), "-");
    }
}
