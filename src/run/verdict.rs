//! How a run ended for the person who started it, and the exit code that says so (product.md 2).

use super::outcome::Tally;
use super::snapshot::JobEnd;
use crate::manifest::Success;

/// What a run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Everything asked for is true.
    Done,
    /// Something that should not happen.
    Unexpected,
    /// The id, or what it names, is wrong.
    Usage,
    /// Not authenticated or not permitted.
    NotPermitted,
    /// The hub cannot be reached or keeps refusing.
    HubUnavailable,
    /// Some device did not succeed, the job failed, or targets were required and none was found.
    DevicesFailed,
    /// The run was cancelled.
    Stopped,
    /// Nobody waits any longer; the job still runs.
    StillRunning,
    /// A signal came.
    Interrupted,
}

/// Whether a run without targets is a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTargets {
    /// It is, with a warning.
    Warn,
    /// It is not (`--require-targets`).
    Fail,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::NotPermitted,
        Self::HubUnavailable,
        Self::DevicesFailed,
        Self::Stopped,
        Self::StillRunning,
        Self::Interrupted,
    ];

    /// The exit code of a process whose only run ended so.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::NotPermitted => 4,
            Self::HubUnavailable => 5,
            Self::DevicesFailed => 6,
            Self::Stopped => 7,
            Self::StillRunning => 8,
            Self::Interrupted => 130,
        }
    }

    /// The verdict on a job that has ended. "Completed" says nothing about success (REST.md 11.3).
    #[must_use]
    pub fn of_ended(end: JobEnd, tally: &Tally, success: &Success, no_targets: NoTargets) -> Self {
        match end {
            JobEnd::Cancelled => Self::Stopped,
            JobEnd::Failed => Self::DevicesFailed,
            JobEnd::Completed if tally.counted(success) == 0 && no_targets == NoTargets::Fail => Self::DevicesFailed,
            JobEnd::Completed if tally.reaches(success) => Self::Done,
            JobEnd::Completed => Self::DevicesFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::OfflineTargets;
    use crate::run::outcome::{DeviceResult, OutcomeClass, TargetId};

    fn tally(classes: &[OutcomeClass]) -> Tally {
        let results: Vec<_> =
            classes.iter().map(|&class| DeviceResult::without_row(&TargetId::device("a"), class, "r")).collect();
        Tally::of(results.iter(), 0, 0)
    }

    #[test]
    fn completed_is_a_success_only_when_every_target_succeeded() {
        use OutcomeClass::{Rejected, Succeeded, Unknown};
        let cases = [
            (JobEnd::Completed, vec![Succeeded, Succeeded], NoTargets::Warn, Verdict::Done),
            (JobEnd::Completed, vec![Succeeded, Rejected], NoTargets::Warn, Verdict::DevicesFailed),
            (JobEnd::Completed, vec![Unknown], NoTargets::Warn, Verdict::DevicesFailed),
            (JobEnd::Completed, vec![], NoTargets::Warn, Verdict::Done),
            (JobEnd::Completed, vec![], NoTargets::Fail, Verdict::DevicesFailed),
            (JobEnd::Failed, vec![Succeeded], NoTargets::Warn, Verdict::DevicesFailed),
            (JobEnd::Cancelled, vec![], NoTargets::Fail, Verdict::Stopped),
        ];
        for (end, classes, no_targets, want) in cases {
            assert_eq!(
                Verdict::of_ended(end, &tally(&classes), &Success::default(), no_targets),
                want,
                "{end:?} {classes:?}"
            );
        }
    }

    #[test]
    fn a_manifest_may_ask_for_less() {
        use OutcomeClass::{Offline, Rejected, Succeeded};
        let ask = |share: &str, offline| Success { share: share.parse().unwrap(), offline, ..Success::default() };
        let cases = [
            (ask("75%", OfflineTargets::Fail), vec![Succeeded, Succeeded, Succeeded, Rejected], Verdict::Done),
            (ask("76%", OfflineTargets::Fail), vec![Succeeded, Succeeded, Succeeded, Rejected], Verdict::DevicesFailed),
            (ask("100%", OfflineTargets::Ignore), vec![Succeeded, Offline, Offline], Verdict::Done),
            (ask("100%", OfflineTargets::Ignore), vec![Rejected, Offline], Verdict::DevicesFailed),
            (ask("100%", OfflineTargets::Ignore), vec![Offline], Verdict::DevicesFailed),
        ];
        for (success, classes, want) in cases {
            let got = Verdict::of_ended(JobEnd::Completed, &tally(&classes), &success, NoTargets::Fail);
            assert_eq!(got, want, "{success:?} {classes:?}");
        }
    }
}
