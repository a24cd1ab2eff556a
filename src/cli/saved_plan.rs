//! A plan that was saved: read, compared with the fleet of now, and refused when that has moved too far.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::looking::{Keeps, Kept, LookArgs, survey};
use super::printer::Printer;
use super::problems::{self, placed};
use crate::client::HubClient;
use crate::manifest::{Loaded, Manifest, parse_text};
use crate::model::limits::SAVED_PLAN_BYTES_MAX;
use crate::plan::{Moved, SAVED_VERSION, SavedPlan, Tolerance};
use crate::run::{Found, Located, Pace};
use crate::survey::Names;

/// Devices that are named for each way in which a fleet moved.
const NAMED_MAX: usize = 5;

/// Reads a saved plan.
///
/// # Errors
/// Exit 2 for a file that is none, or that another version wrote.
pub fn read(path: &Path) -> Result<SavedPlan, Failure> {
    let shown = path.display();
    let unreadable =
        |error: &dyn std::fmt::Display| Failure::usage(format!("the plan `{shown}` cannot be read: {error}"));
    let size = fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > SAVED_PLAN_BYTES_MAX {
        return Err(unreadable(&format!("it has {size} bytes, more than {SAVED_PLAN_BYTES_MAX}")));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    let plan: SavedPlan = serde_json::from_str(&text).map_err(|error| {
        unreadable(&error).hint("`iotjob plan --out FILE` writes one; PATHs are given without --plan")
    })?;
    if plan.iotjob_plan != SAVED_VERSION {
        let written = plan.iotjob_plan;
        return Err(unreadable(&format!("it has version {written}, this iotjob reads version {SAVED_VERSION}"))
            .hint("plan again with this iotjob"));
    }
    Ok(plan)
}

/// The manifests of a saved plan; `None` when they have problems, which are shown then.
///
/// # Errors
/// Exit 2 when the file was changed by hand.
pub fn manifests(plan: &SavedPlan, path: &Path, printer: &Printer) -> Result<Option<Vec<Manifest>>, Failure> {
    // All in one text, so that `after` finds what it names.
    let documents: Vec<String> = plan.runs.iter().map(|run| run.manifest.to_string()).collect();
    let loaded = parse_text(&path.display().to_string(), &documents.join("\n---\n"));
    if loaded.has_errors() {
        problems::show(&placed(&loaded.problems), printer);
        return Ok(None);
    }
    let Loaded { manifests, .. } = loaded;
    for (run, manifest) in plan.runs.iter().zip(&manifests) {
        if !is_run_of(&run.run_id, manifest) {
            let (run, name) = (&run.run_id, &manifest.name);
            return Err(Failure::usage(format!("the plan's run `{run}` is not that of its manifest `{name}`"))
                .hint("the file was changed; plan again"));
        }
    }
    Ok(Some(manifests))
}

/// Whether an id is the manifest's own, with or without `-rN`.
fn is_run_of(run_id: &str, manifest: &Manifest) -> bool {
    let own = manifest.run_id();
    match run_id.strip_prefix(own.as_str()) {
        Some("") => true,
        Some(rest) => rest.strip_prefix("-r").is_some_and(|number| number.parse::<u32>().is_ok()),
        None => false,
    }
}

/// Refuses a plan whose hub, runs or targets are not what they were.
///
/// # Errors
/// Exit 9 when the fleet has moved further than `tolerance`; as the hub's when it cannot be asked.
pub async fn refuse_moved(
    client: &HubClient,
    (plan, manifests, located): (&SavedPlan, &[Manifest], &[Located]),
    (look, tolerance, pace): (&LookArgs, Tolerance, Pace),
    printer: &Printer,
) -> Result<(), Failure> {
    if plan.hub != client.host_name() {
        let (saved, named) = (&plan.hub, client.host_name());
        return Err(Failure::new(Exit::Refused, format!("the plan is for the hub `{saved}`, not for `{named}`"))
            .hint("plan again for this hub"));
    }
    for (run, located) in plan.runs.iter().zip(located) {
        let found = located.step.run_id.to_string();
        if run.run_id != found {
            let saved = &run.run_id;
            return Err(Failure::new(
                Exit::Refused,
                format!("the plan is for the run `{saved}`; by now it is `{found}`"),
            )
            .hint("somebody ran it again; plan again"));
        }
    }
    let mut kept = Kept::new(printer, Keeps { devices: false, digests: true });
    let new: Vec<usize> = (0..located.len()).filter(|&at| matches!(located[at].found, Ok(Found::New))).collect();
    let chosen_manifests: Vec<Manifest> = new.iter().map(|&at| manifests[at].clone()).collect();
    let chosen: Vec<Located> = new.iter().map(|&at| located[at].clone()).collect();
    survey(client, &chosen_manifests, &chosen, (look, Names::All, pace), &mut kept).await?;
    for (run, manifest) in new.iter().map(|&at| (&plan.runs[at], &manifests[at])) {
        let nothing = BTreeMap::new();
        let now = kept.digests.get(manifest.name.as_str()).unwrap_or(&nothing);
        let moved = Moved::between(&run.targets, now);
        let allowed = tolerance.of(run.targets.len());
        if moved.count() > allowed {
            return Err(refusal(&run.run_id, &moved, allowed));
        }
    }
    Ok(())
}

fn refusal(run_id: &str, moved: &Moved, allowed: usize) -> Failure {
    let message = format!(
        "`{run_id}`: {} targets have moved since the plan was saved, more than the {allowed} of --tolerance; nothing was sent",
        moved.count()
    );
    let mut failure = Failure::new(Exit::Refused, message);
    for (what, ids) in [("new", &moved.added), ("gone", &moved.removed), ("with other values", &moved.changed)] {
        if !ids.is_empty() {
            let named = ids.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
            let more = if ids.len() > NAMED_MAX { ", ..." } else { "" };
            failure = failure.hint(format!("{} {what}: {named}{more}", ids.len()));
        }
    }
    failure.hint("plan again, or allow more with --tolerance")
}
