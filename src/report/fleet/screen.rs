//! On a terminal: a bar of the devices that are online, and a row a group, a few times a second.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::picture::{FleetPicture, GroupPicture, Rates};
use crate::report::table::Paint;
use crate::report::words::{clean, duration, shortened};

/// Groups that have a row; more are summed up in one.
const ROWS_MAX: usize = 16;
/// Characters of a group's name.
const NAME_CHARS_MAX: usize = 18;
const HEADER: [&str; 7] = ["GROUP", "DEVICES", "ONLINE", "OFFLINE", "CALLS", "ANSWERS/S", "LOST"];

/// A live screen. Lines of the printer go above it.
pub struct FleetScreen {
    /// All of it is one bar with a long message, so that it is drawn in one go.
    bar: ProgressBar,
    rates: Rates,
}

impl FleetScreen {
    /// Draws on `screen`.
    #[must_use]
    pub fn new(screen: &MultiProgress, paint: Paint) -> Self {
        let template = match paint {
            Paint::Colours => "{bar:24.green/dim} {msg}",
            Paint::Plain => "{bar:24} {msg}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is right").progress_chars("█▉▊▋▌▍▎▏░");
        let bar = screen.add(ProgressBar::new(0).with_style(style));
        Self { bar, rates: Rates::default() }
    }

    /// Shows the fleet as it is now.
    pub fn draw(&mut self, picture: &FleetPicture) {
        self.rates.take_in(picture);
        let total = picture.total();
        self.bar.set_length(total.devices);
        self.bar.set_position(total.figures.online);
        self.bar.set_message(format!("{}\n{}", headline(&total, picture), rows(picture, &self.rates).join("\n")));
    }

    /// Takes the screen away: what the fleet came to is said in its place.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn headline(total: &GroupPicture, picture: &FleetPicture) -> String {
    format!("{} of {} online, {}", total.figures.online, total.devices, duration(picture.elapsed))
}

/// A header, a row for each group, and their sum.
fn rows(picture: &FleetPicture, rates: &Rates) -> Vec<String> {
    let mut cells = vec![HEADER.map(str::to_owned)];
    let shown = if picture.groups.len() > ROWS_MAX { ROWS_MAX - 1 } else { ROWS_MAX };
    for (place, group) in picture.groups.iter().enumerate().take(shown) {
        cells.push(row(group, rates.of_group(place)));
    }
    let rest = picture.groups.len().saturating_sub(shown);
    if rest > 0 {
        let groups = picture.groups.iter().skip(shown).cloned().collect();
        let others = FleetPicture { groups, ..picture.clone() }.total();
        let rate = (shown..picture.groups.len()).map(|place| rates.of_group(place)).sum();
        cells.push(row(&GroupPicture { name: format!("{rest} more"), ..others }, rate));
    }
    if picture.groups.len() > 1 {
        cells.push(row(&picture.total(), rates.total()));
    }
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    cells.iter().map(|row| laid_out(row, &widths)).collect()
}

fn row(group: &GroupPicture, rate: f64) -> [String; 7] {
    let figures = &group.figures;
    [
        shortened(&clean(&group.name), NAME_CHARS_MAX),
        group.devices.to_string(),
        figures.online.to_string(),
        group.offline().to_string(),
        figures.calls.to_string(),
        format!("{rate:.1}"),
        group.lost().to_string(),
    ]
}

/// The name to the left, numbers to the right.
fn laid_out(row: &[String; 7], widths: &[usize; 7]) -> String {
    let mut line = format!("{:<1$}", row[0], widths[0]);
    for (cell, width) in row.iter().zip(widths).skip(1) {
        line.push_str(&format!("  {cell:>width$}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::super::picture::tests::picture;
    use super::*;

    #[test]
    fn every_group_has_a_row_and_all_have_a_sum() {
        let lines = rows(&picture(), &Rates::default());
        insta::assert_snapshot!(lines.join("\n"), @r#"
        GROUP    DEVICES  ONLINE  OFFLINE  CALLS  ANSWERS/S  LOST
        doors        800     760       40   1204        0.0     5
        sensors      200     199        1      0        0.0     0
        total       1000     959       41   1204        0.0     5
        "#);
        assert_eq!(headline(&picture().total(), &picture()), "959 of 1000 online, 10 min 3 s");
    }

    #[test]
    fn many_groups_and_large_numbers_fit_80_columns() {
        let mut picture = picture();
        let mut large = picture.groups[0].clone();
        large.name = "x".repeat(60);
        (large.devices, large.figures.calls) = (1_000_000, 999_999_999);
        picture.groups = vec![large; 40];
        let lines = rows(&picture, &Rates::default());
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        assert_eq!(lines.len(), ROWS_MAX + 2);
        assert!(lines[ROWS_MAX].starts_with("25 more"), "{lines:#?}");
    }

    #[test]
    fn the_bar_follows_the_devices_that_are_online() {
        let target = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let mut screen = FleetScreen::new(&target, Paint::Plain);
        screen.draw(&picture());
        assert_eq!((screen.bar.position(), screen.bar.length()), (959, Some(1_000)));
        assert!(screen.bar.message().starts_with("959 of 1000 online"), "{}", screen.bar.message());
        screen.clear();
        assert!(screen.bar.is_finished());
    }
}
