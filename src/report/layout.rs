//! Columns for the last screen: two blanks apart, no lines, wrapped to the width of the terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

/// Columns below which a table is not squeezed any further.
const WIDTH_MIN: usize = 40;

/// Lays rows out under a header, at most `width` columns wide; nothing when there is no row.
pub(super) fn lines<const N: usize>(header: [&str; N], rows: Vec<[String; N]>, width: usize) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width.max(WIDTH_MIN)).unwrap_or(u16::MAX));
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((2, 0));
    }
    table.trim_fmt().lines().map(|line| line.trim_end().to_owned()).collect()
}
