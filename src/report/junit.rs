//! JUnit XML, as CI systems read it: a suite a run, a case a device.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::account::{Account, RunAccount, class_name};
use crate::run::{DeviceResult, OutcomeClass};

/// Writes the report.
pub(super) fn render(account: &Account, out: &mut dyn Write) -> io::Result<()> {
    let mut report = Report::new("iotjob");
    report.add_test_suites(account.runs().iter().map(suite));
    report.serialize(out).map_err(io::Error::other)
}

fn suite(run: &RunAccount) -> TestSuite {
    let mut suite = TestSuite::new(run.run_id.as_str());
    suite.timestamp = run.begun.to_string().parse().ok();
    suite.set_time(run.lasted());
    suite.add_properties(properties(run));
    suite.add_test_cases(run.results.values().map(|result| case(run, result)));
    if let count @ 1.. = run.nameless() {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type(class_name(OutcomeClass::Unknown)).set_message(run.nameless_reason());
        suite.add_test_case(named(run, &format!("({count} more)"), status));
    }
    let is_good = suite.failures + suite.errors == 0;
    if is_good && run.exit_code() != Some(0) {
        // No device is to blame, and yet a reader must not find the suite green.
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("run").set_message(run.sentence());
        suite.add_test_case(named(run, "run", status));
    }
    suite
}

fn properties(run: &RunAccount) -> Vec<Property> {
    let mut properties = vec![Property::new("runId", run.run_id.as_str()), Property::new("name", run.name())];
    if let Some(plan) = &run.plan {
        properties.push(Property::new("type", plan.job_type.name()));
        properties.extend(plan.query_condition.as_deref().map(|query| Property::new("query", query)));
        properties.extend(plan.listed.map(|listed| Property::new("listed", listed.to_string())));
        properties.extend(plan.parts.map(|parts| Property::new("parts", parts.to_string())));
    }
    properties.push(Property::new("targets", run.outcomes().total().to_string()));
    properties.extend(run.exit_code().map(|code| Property::new("exitCode", code.to_string())));
    properties
}

fn case(run: &RunAccount, result: &DeviceResult) -> TestCase {
    let detail = detail(result);
    let mut status = match result.outcome {
        OutcomeClass::Succeeded => TestCaseStatus::success(),
        OutcomeClass::Canceled => TestCaseStatus::skipped(),
        OutcomeClass::Rejected | OutcomeClass::Offline | OutcomeClass::TimedOut => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
        OutcomeClass::Failed | OutcomeClass::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    let is_success = result.outcome == OutcomeClass::Succeeded;
    if !is_success {
        status.set_type(class_name(result.outcome));
        status.set_message(result.reason.as_deref().unwrap_or(result.outcome.words()));
        if let Some(detail) = &detail {
            status.set_description(detail.as_str());
        }
    }
    let mut case = named(run, &result.target().to_string(), status);
    if let Some(detail) = detail.filter(|_| is_success) {
        case.set_system_out(detail);
    }
    case
}

fn named(run: &RunAccount, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(run.name());
    case
}

/// What the device and the hub said, a line each; nothing for a twin that was patched.
fn detail(result: &DeviceResult) -> Option<String> {
    let status = result.status.map(|status| format!("status {status}"));
    let payload = result.payload.as_ref().map(|payload| format!("payload {payload}"));
    let error = result.error.as_ref().map(|error| format!("error {} {}", error.code, error.description));
    let lines: Vec<String> = [status, payload, error].into_iter().flatten().collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{account, event, story};
    use crate::run::{Happening, Left};

    fn xml(account: &Account) -> String {
        let mut out = Vec::new();
        render(account, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_suite_is_a_run_and_a_case_is_a_device() {
        insta::assert_snapshot!(xml(&account(&story())));
    }

    #[test]
    fn a_run_that_fails_as_a_whole_is_red() {
        let failed = Happening::RunFailed {
            error: "the hub does not take the <key>".to_owned(),
            hint: None,
            job: Left::NotSubmitted,
            reattach: None,
            exit_code: 4,
        };
        let xml = xml(&account(&[event(0, failed)]));
        assert!(xml.contains(r#"errors="1""#) && xml.contains("&lt;key&gt;"), "{xml}");
    }
}
