//! Whole runs against the scripted hub, in paused time.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::carry::{Ended, Waiting, carry_out, locate, reattach};
use super::event::{Cut, Happening, Left, RunEvent};
use super::find::Rerun;
use super::outcome::{OutcomeClass, Outcomes};
use super::scripted::{Fate, Script, ScriptedHub, answered, context, context_with, listing, row, step};
use super::verdict::Verdict;
use crate::model::limits::UNKNOWN_POLLS_MAX;
use crate::plan::Step;

fn counts(device_count: u64) -> Value {
    json!({"deviceCount": device_count, "succeededCount": device_count})
}

fn completed(device_count: u64) -> Value {
    json!({"status": "completed", "deviceJobStatistics": counts(device_count)})
}

/// Applies `step` and gives how it ended and what was said.
async fn apply(hub: &ScriptedHub, step: Step, waiting: Waiting, stop: &CancellationToken) -> (Ended, Vec<Happening>) {
    let (context, mut receiver) = context_with(hub.clone(), waiting);
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Some(RunEvent { what, .. }) = receiver.recv().await {
            heard.push(what);
        }
        heard
    });
    let located = locate(&context, vec![step], Rerun::No).await;
    let mut ended = carry_out(&context, located, stop).await;
    drop(context);
    (ended.remove(0), heard.await.unwrap())
}

async fn apply_to_the_end(script: Script) -> (Ended, Vec<Happening>, ScriptedHub) {
    let hub = ScriptedHub::of(script);
    let (ended, heard) = apply(&hub, step("lock-0"), Waiting::UntilEnd, &CancellationToken::new()).await;
    (ended, heard, hub)
}

#[tokio::test(start_paused = true)]
async fn a_run_tells_its_story_and_counts_every_device() {
    let script = Script {
        reads: [
            json!({"status": "queued"}),
            json!({"status": "running", "deviceJobStatistics": {"deviceCount": 3, "runningCount": 3}}),
            completed(3),
        ]
        .into(),
        readings: [vec![vec![answered("a", 200), answered("b", 404)], vec![answered("c", 200)]]].into(),
        ..Script::default()
    };
    let (ended, heard, _) = apply_to_the_end(script).await;
    assert_eq!(ended.verdict, Verdict::DevicesFailed);
    let outcomes = Outcomes { succeeded: 2, rejected: 1, ..Outcomes::default() };
    assert_eq!(ended.tally.unwrap().outcomes(), outcomes);
    let names: Vec<String> = heard.iter().map(|event| json!(event)["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        names,
        [
            "runPlanned",
            "submitted",
            "queued",
            "started",
            "progress",
            "progress",
            "jobEnded",
            "deviceResult",
            "deviceResult",
            "deviceResult",
            "runEnded"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn creations_that_meet_trouble_end_in_one_job_or_a_clear_no() {
    use Fate::{AnswerLost, Denied, LostOnTheWay, NoSlot};
    let cases: [(&[Fate], u32, Verdict, u32); 8] = [
        (&[AnswerLost], 0, Verdict::Done, 1),
        // Still `unknown` at the sixth look: put again, and the 409 is ours.
        (&[AnswerLost], 6, Verdict::Done, 1),
        (&[LostOnTheWay], 0, Verdict::Done, 1),
        (&[LostOnTheWay, AnswerLost], 6, Verdict::Done, 1),
        (&[LostOnTheWay, LostOnTheWay, LostOnTheWay, LostOnTheWay], 0, Verdict::HubUnavailable, 0),
        (&[NoSlot, NoSlot, NoSlot], 0, Verdict::Done, 1),
        (&[AnswerLost, NoSlot], 7, Verdict::Done, 1),
        (&[Denied], 0, Verdict::NotPermitted, 0),
    ];
    for (fates, hidden_reads, verdict, jobs) in cases {
        let script = Script {
            fates: fates.iter().copied().collect(),
            hidden_reads,
            reads: [completed(1)].into(),
            readings: [vec![vec![answered("a", 200)]]].into(),
            ..Script::default()
        };
        let (ended, heard, hub) = apply_to_the_end(script).await;
        assert_eq!(ended.verdict, verdict, "{fates:?} {heard:?}");
        assert_eq!(hub.script(|script| script.creations), jobs, "{fates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_put_that_meets_a_409_joins_the_other_apply() {
    let hub = ScriptedHub::of(Script { hidden_reads: 2, ..Script::default() });
    // Another apply has just created it, and looking does not show it yet.
    hub.script(|script| script.jobs.insert("lock-0".to_owned(), 2));
    let (ended, heard) = apply(&hub, step("lock-0"), Waiting::UntilEnd, &CancellationToken::new()).await;
    assert!(heard.iter().any(|event| matches!(event, Happening::Attached { .. })), "{heard:?}");
    assert_eq!((ended.verdict, hub.script(|script| script.creations)), (Verdict::Done, 0));
}

#[tokio::test(start_paused = true)]
async fn late_rows_are_waited_for_and_what_never_comes_is_unknown() {
    let pending = || row("b", json!({"status": "running"}));
    let script = Script {
        reads: [completed(3)].into(),
        readings: [vec![vec![]], vec![vec![answered("a", 200), pending()]], vec![vec![answered("a", 200), pending()]]]
            .into(),
        ..Script::default()
    };
    let hub = ScriptedHub::of(script);
    let (context, _events) = context(hub.clone());
    let clock = context.clock.clone();
    let located = locate(&context, vec![step("lock-0")], Rerun::No).await;
    let ended = carry_out(&context, located, &CancellationToken::new()).await.remove(0);
    assert_eq!(ended.tally.unwrap().outcomes(), Outcomes { succeeded: 1, unknown: 2, ..Outcomes::default() });
    assert!((60..65).contains(&clock.monotonic().as_secs()), "{:?}", clock.monotonic());
    assert!(hub.script(|script| script.queries) < 20, "readings back off");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ended_long_ago_is_read_once() {
    let mut ended_then = completed(2);
    ended_then["endTime"] = json!("2026-04-30T00:00:00Z");
    let hub = ScriptedHub::with_jobs(&["lock-0"]);
    hub.script(|script| {
        script.reads = [ended_then].into();
        script.readings = [vec![vec![answered("a", 200)]]].into();
    });
    let (ended, _) = apply(&hub, step("lock-0"), Waiting::No, &CancellationToken::new()).await;
    assert_eq!(ended.verdict, Verdict::DevicesFailed, "an ended run is reported, also without waiting");
    assert_eq!(ended.tally.unwrap().outcomes(), Outcomes { succeeded: 1, unknown: 1, ..Outcomes::default() });
    assert_eq!(hub.script(|script| script.queries), 1);
}

#[tokio::test(start_paused = true)]
async fn listed_ids_without_a_row_are_told_apart() {
    let hub = ScriptedHub::of(Script {
        reads: [completed(2)].into(),
        readings: [vec![vec![answered("a", 200), answered("b", 200)]]].into(),
        unregistered: ["ghost".to_owned()].into(),
        ..Script::default()
    });
    // `late` was registered after the job began: the hub neither counted nor called it.
    let step = listing("lock-0", &["a", "ghost", "b", "late"]);
    let (ended, heard) = apply(&hub, step, Waiting::UntilEnd, &CancellationToken::new()).await;
    let tally = ended.tally.unwrap();
    assert_eq!(tally.outcomes(), Outcomes { succeeded: 2, failed: 1, unknown: 1, ..Outcomes::default() });
    assert_eq!(tally.targets(), 4);
    let ghost = heard.iter().find_map(|event| match event {
        Happening::DeviceResult(result) if &*result.device_id == "ghost" => Some(result.clone()),
        _ => None,
    });
    assert_eq!(ghost.unwrap().reason.as_deref(), Some("not registered"));
}

#[tokio::test(start_paused = true)]
async fn jobs_that_never_ran_have_no_rows_to_read() {
    let cases = [
        ("cancelled", Verdict::Stopped, OutcomeClass::Canceled),
        ("failed", Verdict::DevicesFailed, OutcomeClass::Failed),
    ];
    for (status, verdict, class) in cases {
        let hub = ScriptedHub::of(Script {
            reads: [json!({"status": status, "failureReason": "because"})].into(),
            ..Script::default()
        });
        let step = listing("lock-0", &["a"]);
        let (ended, heard) = apply(&hub, step, Waiting::UntilEnd, &CancellationToken::new()).await;
        assert_eq!(ended.verdict, verdict, "{status}");
        assert_eq!(ended.tally.unwrap().outcomes().of(class), 1, "{status}");
        assert_eq!(hub.script(|script| script.queries), 0, "{status}");
        let Some(Happening::RunEnded { reason, .. }) = heard.last() else { panic!("{heard:?}") };
        assert_eq!(reason.as_deref(), Some("because"));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_asked() {
    let running = || json!({"status": "running", "deviceJobStatistics": {"deviceCount": 3, "runningCount": 3}});
    let minute = Waiting::AtMost(Duration::from_secs(60));
    let no_slot = || [Fate::NoSlot; 100].into_iter().collect();
    let cases = [
        (Script { reads: [running()].into(), ..Script::default() }, Waiting::No, Verdict::Done, Left::OnHub),
        (Script { reads: [running()].into(), ..Script::default() }, minute, Verdict::StillRunning, Left::OnHub),
        (Script { fates: no_slot(), ..Script::default() }, minute, Verdict::HubUnavailable, Left::NotSubmitted),
    ];
    for (script, waiting, verdict, left) in cases {
        let hub = ScriptedHub::of(script);
        let (ended, heard) = apply(&hub, step("lock-0"), waiting, &CancellationToken::new()).await;
        assert_eq!(ended.verdict, verdict);
        let Some(Happening::Detached { job, reattach, .. }) = heard.last() else { panic!("{heard:?}") };
        assert_eq!(*job, left);
        assert_eq!(reattach.is_some(), left == Left::OnHub);
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_leaves_the_job_and_names_the_way_back() {
    let reads = [json!({"status": "running", "deviceJobStatistics": {"deviceCount": 3, "runningCount": 3}})];
    let hub = ScriptedHub::of(Script { reads: reads.into(), ..Script::default() });
    let stop = CancellationToken::new();
    let asker = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(30)).await;
        asker.cancel();
    });
    let (ended, heard) = apply(&hub, step("lock-0"), Waiting::UntilEnd, &stop).await;
    assert_eq!(ended.verdict, Verdict::Interrupted);
    let Some(Happening::Detached { cut, reattach, targets, not_yet_read, .. }) = heard.last() else {
        panic!("{heard:?}")
    };
    assert_eq!((*cut, reattach.as_deref()), (Cut::Interrupted, Some("iotjob watch lock-0")));
    assert_eq!((*targets, *not_yet_read), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_stays_unknown_is_given_up() {
    let hub = ScriptedHub::of(Script { hidden_reads: 1_000, ..Script::default() });
    let (ended, _) = apply(&hub, step("lock-0"), Waiting::UntilEnd, &CancellationToken::new()).await;
    assert_eq!(ended.verdict, Verdict::Unexpected);

    let (context, _events) = context(ScriptedHub::default());
    assert_eq!(reattach(&context, "typo", &CancellationToken::new()).await.verdict, Verdict::Usage);
}

#[tokio::test(start_paused = true)]
async fn runs_go_side_by_side() {
    let hub = ScriptedHub::of(Script {
        reads: [completed(1)].into(),
        readings: [vec![vec![answered("a", 200)]]].into(),
        create_takes: Duration::from_secs(10),
        ..Script::default()
    });
    let (context, _events) = context(hub);
    let located = locate(&context, vec![step("lock-0"), step("open-0"), step("ring-0")], Rerun::No).await;
    let ended = carry_out(&context, located, &CancellationToken::new()).await;
    let ids: Vec<&str> = ended.iter().map(|ended| ended.run_id.as_str()).collect();
    assert_eq!(ids, ["lock-0", "open-0", "ring-0"]);
    assert_eq!(context.clock.monotonic().as_secs() / 10, 2, "three creations of 20 s took 20 s together");
}

/// Applies steps and gives how they ended and, by run, what was said.
async fn apply_all(hub: &ScriptedHub, steps: Vec<Step>, waiting: Waiting) -> (Vec<Ended>, Vec<RunEvent>) {
    let (context, mut receiver) = context_with(hub.clone(), waiting);
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Some(event) = receiver.recv().await {
            heard.push(event);
        }
        heard
    });
    let located = locate(&context, steps, Rerun::No).await;
    let ended = carry_out(&context, located, &CancellationToken::new()).await;
    drop(context);
    (ended, heard.await.unwrap())
}

fn in_parts(id: &str, lists: &[&[&str]]) -> Step {
    let mut step = step(id);
    let part = step.parts.remove(0);
    for (number, ids) in lists.iter().enumerate() {
        let mut part = part.clone();
        part.request.job_id = step.run_id.job_id(number, lists.len());
        part.listed = ids.iter().map(|id| id.parse().unwrap()).collect();
        step.parts.push(part);
    }
    step
}

#[tokio::test(start_paused = true)]
async fn a_run_of_parts_is_one_run_with_one_answer() {
    let reading = |ids: &[&str]| vec![ids.iter().map(|id| answered(id, 200)).collect::<Vec<_>>()];
    let hub = ScriptedHub::of(Script {
        slots: Some(1),
        reads: [completed(2)].into(),
        readings_of: [
            ("lock-0-p1", reading(&["a", "b"])),
            ("lock-0-p2", reading(&["c"])),
            ("lock-0-p3", reading(&["d", "e"])),
        ]
        .map(|(id, pages)| (id.to_owned(), pages))
        .into(),
        unregistered: ["ghost".to_owned()].into(),
        ..Script::default()
    });
    let step = in_parts("lock-0", &[&["a", "b"], &["c", "ghost"], &["d", "e"]]);
    let (ended, heard) = apply_all(&hub, vec![step.clone()], Waiting::UntilEnd).await;
    assert_eq!(hub.jobs_created(), ["lock-0-p1", "lock-0-p2", "lock-0-p3"]);
    // The hub counted two devices for the second part and has one row: one of its ids may have run.
    let tally = ended[0].tally.unwrap();
    assert_eq!(tally.outcomes(), Outcomes { succeeded: 5, failed: 1, unknown: 1, ..Outcomes::default() });
    let about = |name: &str| heard.iter().filter(|event| json!(event)["event"] == name).count();
    assert_eq!(["runPlanned", "submitted", "jobEnded", "runEnded"].map(about), [1, 3, 1, 1], "{heard:#?}");
    assert!(about("waitingForSlot") > 0, "one slot for three jobs");
    assert!(heard.iter().any(|event| event.job_id.as_deref() == Some("lock-0-p2")));

    // Whoever comes back finds it by its own id, and an apply by its manifest.
    let (context, _events) = context(hub.clone());
    let again = reattach(&context, "lock-0", &CancellationToken::new()).await;
    assert_eq!(again.tally.unwrap().outcomes().succeeded, 5);
    let (ended, _) = apply_all(&hub, vec![step], Waiting::UntilEnd).await;
    assert_eq!((ended[0].verdict, hub.jobs_created().len()), (Verdict::DevicesFailed, 3));
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_died_between_two_parts_is_carried_on() {
    let hub = ScriptedHub::with_jobs(&["lock-0-p1"]);
    hub.script(|script| script.reads = [completed(1)].into());
    let (_, heard) = apply_all(&hub, vec![in_parts("lock-0", &[&["a"], &["b"]])], Waiting::UntilEnd).await;
    assert_eq!(hub.jobs_created(), ["lock-0-p2"]);
    assert!(
        heard
            .iter()
            .any(|event| event.job_id.as_deref() == Some("lock-0-p1")
                && matches!(event.what, Happening::Attached { .. }))
    );
}

fn after(step: Step, names: &[&str]) -> Step {
    Step { after: names.iter().map(|name| (*name).to_owned()).collect(), ..step }
}

#[tokio::test(start_paused = true)]
async fn runs_keep_the_order_that_their_manifests_ask_for() {
    let script = || Script {
        reads: [completed(1)].into(),
        readings: [vec![vec![answered("a", 200)]]].into(),
        ..Script::default()
    };
    let steps = || vec![after(step("c-0"), &["b"]), after(step("b-0"), &["a"]), step("a-0"), step("z-0")];
    let hub = ScriptedHub::of(script());
    let (ended, _) = apply_all(&hub, steps(), Waiting::UntilEnd).await;
    assert!(ended.iter().all(|ended| ended.verdict == Verdict::Done), "{ended:?}");
    let order = hub.jobs_created();
    let position = |id: &str| order.iter().position(|job| job == id).unwrap();
    assert!(position("a-0") < position("b-0") && position("b-0") < position("c-0"), "{order:?}");

    let hub = ScriptedHub::of(Script { readings: [vec![vec![answered("a", 500)]]].into(), ..script() });
    let (ended, heard) = apply_all(&hub, steps(), Waiting::UntilEnd).await;
    assert_eq!(hub.jobs_created(), ["a-0", "z-0"]);
    assert_eq!(ended.iter().map(|ended| ended.verdict).collect::<Vec<_>>(), [Verdict::DevicesFailed; 4]);
    let skipped: Vec<(String, String)> = heard
        .iter()
        .filter_map(|event| match &event.what {
            Happening::RunSkipped { because, exit_code: 6 } => Some((event.run_id.clone(), because.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(skipped, [("b-0".to_owned(), "a".to_owned()), ("c-0".to_owned(), "b".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn immediate_runs_are_submitted_before_scheduled_ones() {
    let hub = ScriptedHub::of(Script { slots: Some(1), reads: [completed(1)].into(), ..Script::default() });
    let night = Step { start: Some("2026-05-01T03:00:00Z".parse().unwrap()), ..step("night-0") };
    apply_all(&hub, vec![night, step("a-0"), step("b-0")], Waiting::UntilEnd).await;
    assert_eq!(hub.jobs_created(), ["a-0", "b-0", "night-0"]);
}

#[tokio::test(start_paused = true)]
async fn a_manifest_decides_what_a_success_is() {
    let hub = ScriptedHub::of(Script {
        reads: [completed(3)].into(),
        readings: [vec![vec![
            answered("a", 200),
            answered("b", 404),
            row("c", json!({"status": "failed", "error": {"code": "DeviceNotOnline", "description": ""}})),
        ]]]
        .into(),
        ..Script::default()
    });
    let text = "success: { statuses: [2xx, 404], offline: ignore }\n\
                type: scheduleDeviceMethod\nquery: '*'\nmethod: { name: m }\n";
    let success = crate::manifest::parse_text("lock.yaml", text).manifests[0].success.clone();
    let (ended, heard) = apply_all(&hub, vec![Step { success, ..step("lock-0") }], Waiting::UntilEnd).await;
    assert_eq!(ended[0].verdict, Verdict::Done);
    assert_eq!(ended[0].tally.unwrap().outcomes(), Outcomes { succeeded: 2, offline: 1, ..Outcomes::default() });
    let Some(Happening::RunEnded { asked_for: Some(asked_for), .. }) = heard.last().map(|event| &event.what) else {
        panic!("{heard:?}")
    };
    assert_eq!(asked_for, "100% of the devices, offline ones aside, with status 2xx, 404");
}

/// A runner that is killed at some moment, and another that applies the same manifest again.
fn killed_and_applied_again(fates: Vec<Fate>, hidden_reads: u32, kill_after: Duration) -> (Verdict, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let hub = ScriptedHub::of(Script {
            fates: fates.into(),
            hidden_reads,
            create_takes: Duration::from_secs(2),
            reads: [completed(1)].into(),
            readings: [vec![vec![answered("a", 200)]]].into(),
            ..Script::default()
        });
        let stop = CancellationToken::new();
        let killed = apply(&hub, step("lock-0"), Waiting::UntilEnd, &stop);
        let _ = tokio::time::timeout(kill_after, killed).await;
        let (ended, _) = apply(&hub, step("lock-0"), Waiting::UntilEnd, &stop).await;
        (ended.verdict, hub.script(|script| script.jobs.keys().cloned().collect()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_lost_or_killed_there_is_one_job_and_its_result(
        fates in prop::collection::vec(
            prop::sample::select(vec![Fate::Answered, Fate::LostOnTheWay, Fate::AnswerLost, Fate::NoSlot]), 0..4),
        // A fresh job may read `unknown` six times and no more (REST.md 4.6).
        hidden_reads in 0_u32..=UNKNOWN_POLLS_MAX,
        kill_after_s in 0_u64..120,
    ) {
        let (verdict, jobs) = killed_and_applied_again(fates, hidden_reads, Duration::from_secs(kill_after_s));
        prop_assert_eq!(verdict, Verdict::Done);
        prop_assert_eq!(jobs, vec!["lock-0".to_owned()]);
    }

    #[test]
    fn two_runners_and_a_killed_one_make_each_part_once(
        fates in prop::collection::vec(
            prop::sample::select(vec![Fate::Answered, Fate::LostOnTheWay, Fate::AnswerLost, Fate::NoSlot]), 0..8),
        hidden_reads in 0_u32..=UNKNOWN_POLLS_MAX,
        slots in prop::sample::select(vec![None, Some(1), Some(5)]),
        kill_after_s in 0_u64..120,
        late_by_s in 0_u64..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (jobs, verdicts) = runtime.block_on(async {
            let hub = ScriptedHub::of(Script {
                fates: fates.into(),
                hidden_reads,
                slots,
                create_takes: Duration::from_secs(2),
                reads: [completed(1)].into(),
                ..Script::default()
            });
            let steps = || vec![in_parts("lock-0", &[&["a"], &["b"], &["c"]]), step("open-0")];
            let one = async {
                let killed = apply_all(&hub, steps(), Waiting::UntilEnd);
                let _ = tokio::time::timeout(Duration::from_secs(kill_after_s), killed).await;
                apply_all(&hub, steps(), Waiting::UntilEnd).await
            };
            let other = async {
                tokio::time::sleep(Duration::from_secs(late_by_s)).await;
                apply_all(&hub, steps(), Waiting::UntilEnd).await
            };
            let ((one, _), (other, _)) = tokio::join!(one, other);
            let verdicts: Vec<Verdict> = one.iter().chain(&other).map(|ended| ended.verdict).collect();
            (hub.script(|script| script.jobs.keys().cloned().collect::<Vec<_>>()), verdicts)
        });
        prop_assert_eq!(jobs, ["lock-0-p1", "lock-0-p2", "lock-0-p3", "open-0"]);
        // Nobody has rows here, so every run that was followed to its end says that its devices are unknown.
        prop_assert_eq!(verdicts, vec![Verdict::DevicesFailed; 4]);
    }
}
