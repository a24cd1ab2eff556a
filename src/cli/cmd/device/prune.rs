//! `iotjob device --prune`: deletes what a fleet made.

use serde_json::json;

use super::crowd::{CrowdArgs, registration_failure};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::hub_target::HubArgs;
use crate::cli::output::OutputFormat;
use crate::cli::printer::Printer;
use crate::device::{Behaviour, Transport};
use crate::model::Clock;
use crate::registration::{Pruned, prune};

/// Devices between two words on how far it is.
const DELETED_TOLD: usize = 1_000;

/// Deletes every device with the fleet's mark.
pub(super) async fn run(
    crowd: &CrowdArgs,
    hub: &HubArgs,
    output: OutputFormat,
    printer: &Printer,
) -> Result<Exit, Failure> {
    let (_, mark) = crowd.spec(Behaviour::default(), Transport::default(), printer)?;
    let client = hub.client(printer)?;
    let mut told = 0;
    let on_batch = |deleted: usize, of: usize| {
        if deleted / DELETED_TOLD > told && deleted < of {
            told = deleted / DELETED_TOLD;
            printer.say(&format!("{deleted} of {of} devices are deleted"));
        }
    };
    let pruned = prune(&client, &mark, on_batch).await;
    let Pruned { deleted, changed } = pruned.map_err(|error| registration_failure(&error))?;
    if output == OutputFormat::Json {
        let time = Clock::system().now().to_string();
        printer.data(
            &json!({ "v": 1, "event": "pruned", "time": time, "deleted": deleted, "changed": changed }).to_string(),
        );
    }
    printer.say(&format!("{deleted} devices deleted that carry the mark `{mark}`"));
    if changed == 0 {
        return Ok(Exit::Success);
    }
    Err(Failure::new(
        Exit::Refused,
        format!("{changed} devices were changed after the hub's index saw them, and were left"),
    )
    .hint("run it again in a minute, when the index has caught up"))
}
