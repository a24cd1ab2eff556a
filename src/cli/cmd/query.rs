//! `iotjob query 'SELECT ...'`: asks the hub for twins, modules or device jobs.

use serde_json::Value;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hub_target::{HubArgs, failure};
use crate::cli::json_line::to_json_line;
use crate::cli::output::OutputFormat;
use crate::cli::printer::Printer;
use crate::cli::table;
use crate::client::HubClient;
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::query::{ItemType, Query, QueryError, parse};

/// What `query` takes.
#[derive(Debug, clap::Args)]
pub struct QueryArgs {
    /// The query, for instance "SELECT deviceId, tags.building FROM devices WHERE tags.building = 43"
    #[arg(value_name = "SELECT")]
    text: String,
    /// How to write the rows to stdout; as text, columns become a table and whole documents stay JSON
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text, value_name = "text|json", hide_possible_values = true)]
    output: OutputFormat,
    #[command(flatten)]
    hub: HubArgs,
}

/// Runs the command.
///
/// # Errors
/// [`Failure`]: exit 2 for a query that cannot be read; nothing is sent then.
pub async fn run(args: QueryArgs, printer: &Printer) -> Result<Exit, Failure> {
    let query = parse(&args.text).map_err(|error| unreadable(&args.text, &error))?;
    for warning in query.warnings() {
        printer.warn(&format!("in the query: {}", warning.message));
    }
    let client = args.hub.client(printer)?;
    let mut table = Vec::new();
    let outcome = read(&client, (&args, &query), printer, &mut table).await;
    // What was read before a failure is worth showing.
    print_table(&mut table, printer);
    outcome.map(|()| Exit::Success)
}

/// Prints documents as they come and gathers columns in `table`.
async fn read(
    client: &HubClient,
    (args, query): (&QueryArgs, &Query),
    printer: &Printer,
    table: &mut Vec<Value>,
) -> Result<(), Failure> {
    let mut pages = client.query_pages(&args.text, PAGE_ITEMS_MAX);
    while let Some(page) = pages.next_page().await.map_err(|error| failure(&error))? {
        if args.output == OutputFormat::Text && is_raw(page.item_type.as_deref(), query) {
            table.extend(page.rows);
        } else {
            page.rows.iter().for_each(|row| printer.data(&to_json_line(row)));
        }
        if table.len() >= table::ROWS_MAX {
            print_table(table, printer);
        }
    }
    Ok(())
}

fn print_table(rows: &mut Vec<Value>, printer: &Printer) {
    if !rows.is_empty() {
        printer.data(&render(rows));
        rows.clear();
    }
}

/// Whether rows are made of columns. The header decides; live hubs have left it out (REST.md 4.8).
fn is_raw(header: Option<&str>, query: &Query) -> bool {
    match header {
        Some(item_type) => item_type.eq_ignore_ascii_case(ItemType::Raw.name()),
        None => query.item_type() == ItemType::Raw,
    }
}

/// Shows the mistake under the query itself.
fn unreadable(text: &str, error: &QueryError) -> Failure {
    let (line, column) = error.position(text);
    let source = text.lines().nth(line - 1).unwrap_or_default();
    let width = text.get(error.span.clone()).map_or(1, |part| part.chars().take_while(|&c| c != '\n').count().max(1));
    let marks = format!("{}{}", " ".repeat(column - 1), "^".repeat(width));
    let source = source.replace(char::is_control, " ");
    let failure = Failure::usage(format!("the query cannot be read: {}\n  {source}\n  {marks}", error.message));
    match &error.help {
        Some(help) => failure.hint(help.clone()),
        None => failure,
    }
}

/// A table with a column for each member that a row has, in the order of their first appearance.
fn render(rows: &[Value]) -> String {
    let mut titles: Vec<&str> = Vec::new();
    for key in rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        if !titles.contains(&key.as_str()) {
            titles.push(key);
        }
    }
    let cells = |row: &Value| titles.iter().map(|title| cell(row.get(title))).collect();
    table::render(&titles, rows.iter().map(cells))
}

/// A text without its quotes, anything else as JSON, `-` for what the row lacks.
fn cell(value: Option<&Value>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_come_from_all_rows() {
        let rows = [json!({"deviceId": "a", "building": 43}), json!({"deviceId": "b", "floor": {"n": null}})];
        insta::assert_snapshot!(render(&rows), @r#"
        deviceId  building  floor
        a         43        -
        b         -         {"n":null}
        "#);
    }

    #[test]
    fn a_mistake_is_shown_under_the_query() {
        let text = "SELECT * FROM things";
        let failure = unreadable(text, &parse(text).unwrap_err());
        assert_eq!(failure.exit, Exit::Usage);
        let shown: Vec<&str> = failure.message.lines().skip(1).collect();
        assert_eq!(shown, ["  SELECT * FROM things", "                ^^^^^^"]);
    }

    #[test]
    fn the_header_decides_what_rows_are_and_the_query_when_there_is_none() {
        let query = parse("SELECT deviceId FROM devices").unwrap();
        assert!(is_raw(None, &query) && is_raw(Some("raw"), &query));
        assert!(!is_raw(Some("Twin"), &query));
    }
}
