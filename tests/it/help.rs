//! The whole reference of the command line, as a reader meets it: one snapshot, so that a review shows what changes.

use crate::support::env::TestEnv;

/// Rows of a terminal that shows the first page without scrolling.
const SCREEN_ROWS: usize = 46;

fn help(env: &TestEnv, command: &[&str]) -> String {
    let shown = env.run([command, &["--help"]].concat());
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""), "{command:?}: {}", shown.stderr);
    shown.stdout
}

/// The commands that a page lists.
fn commands(page: &str) -> Vec<&str> {
    let listed = page.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    listed.filter_map(|line| line.split_whitespace().next()).filter(|command| *command != "help").collect()
}

#[test]
fn the_reference_is_as_it_was_reviewed() {
    let env = TestEnv::new();
    let first = help(&env, &[]);
    let mut pages = vec![("iotjob".to_owned(), first.clone())];
    for command in commands(&first) {
        let page = help(&env, &[command]);
        pages.push((format!("iotjob {command}"), page.clone()));
        for deeper in commands(&page) {
            pages.push((format!("iotjob {command} {deeper}"), help(&env, &[command, deeper])));
        }
    }
    for (name, page) in &pages[1..] {
        assert!(page.contains("Examples:") && page.contains("Exit codes:"), "{name} does not teach:\n{page}");
    }
    let reference: Vec<String> = pages.iter().map(|(name, page)| format!("$ {name} --help\n{page}")).collect();
    insta::assert_snapshot!("reference", reference.join("\n"));
}

#[test]
fn the_first_page_fits_a_screen_and_comes_without_a_question() {
    let env = TestEnv::new();
    let page = help(&env, &[]);
    assert!(page.lines().count() <= SCREEN_ROWS, "{} rows:\n{page}", page.lines().count());
    let nothing_asked = env.run::<&str>([]);
    assert_eq!((nothing_asked.code, nothing_asked.stderr.as_str()), (2, page.as_str()));
}
