//! The exit codes: one table for the program, its help text, the README and the tests (product.md 2).

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Everything asked for is true.
    Success,
    /// Something that should not happen.
    Unexpected,
    /// The command line, or what it names, is wrong.
    Usage,
    /// A manifest or a fleet file is invalid.
    InvalidManifest,
    /// Not authenticated or not permitted.
    NotPermitted,
    /// The hub cannot be reached or keeps refusing.
    HubUnavailable,
    /// The run ended and some device did not succeed.
    DevicesFailed,
    /// Stopped on purpose.
    Stopped,
    /// Gave up waiting; the job still runs.
    StillRunning,
    /// Refused to act.
    Refused,
    /// A plan would change something.
    Changes,
    /// Interrupted by a signal.
    Interrupted,
}

impl Exit {
    /// Every exit code, in the order of its number.
    pub const ALL: [Self; 12] = [
        Self::Success,
        Self::Unexpected,
        Self::Usage,
        Self::InvalidManifest,
        Self::NotPermitted,
        Self::HubUnavailable,
        Self::DevicesFailed,
        Self::Stopped,
        Self::StillRunning,
        Self::Refused,
        Self::Changes,
        Self::Interrupted,
    ];

    /// Of several runs, the first of these that occurred is the process's (product.md 2).
    const BY_WEIGHT: [Self; 12] = [
        Self::Interrupted,
        Self::Unexpected,
        Self::NotPermitted,
        Self::HubUnavailable,
        Self::Refused,
        Self::Stopped,
        Self::DevicesFailed,
        Self::StillRunning,
        Self::Usage,
        Self::InvalidManifest,
        Self::Changes,
        Self::Success,
    ];

    /// The number that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::InvalidManifest => 3,
            Self::NotPermitted => 4,
            Self::HubUnavailable => 5,
            Self::DevicesFailed => 6,
            Self::Stopped => 7,
            Self::StillRunning => 8,
            Self::Refused => 9,
            Self::Changes => 10,
            Self::Interrupted => 130,
        }
    }

    /// The exit with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// What the number means in a few words, for help; [`Exit::meaning`] has the cases.
    #[must_use]
    pub fn brief(self) -> &'static str {
        match self {
            Self::Success => "everything asked for is true",
            Self::Usage => "wrong usage, no hub named, or something named that is not there",
            Self::HubUnavailable => "the hub cannot be reached or keeps refusing",
            Self::DevicesFailed => "the run ended and some device did not succeed",
            Self::Refused => "refused: a guardrail, a fleet that has moved, or the hub will not cancel it any more",
            Self::Changes => "`plan --detailed-exitcode` or `--drift`: applying would change something",
            _ => self.meaning(),
        }
    }

    /// What the number means, for the README.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "everything asked for is true; `hub` and `device` end so on Ctrl-C and SIGTERM",
            Self::Unexpected => "unexpected failure",
            Self::Usage => {
                "wrong usage; also: no hub named, an unreadable connection string, a PATH without files, an ID that the hub does not know"
            }
            Self::InvalidManifest => "a manifest or a fleet file is invalid",
            Self::NotPermitted => "not authenticated or not permitted",
            Self::HubUnavailable => {
                "the hub cannot be reached or keeps refusing: network, unknown CA, quota, throttling, a tier without jobs"
            }
            Self::DevicesFailed => {
                "the run ended and some device did not succeed; also a hub job that ended `failed`, or no target with --require-targets"
            }
            Self::Stopped => "stopped on purpose: `apply` or `watch` found the run cancelled",
            Self::StillRunning => "gave up waiting; the job still runs on the hub, `iotjob watch` re-attaches",
            Self::Refused => {
                "refused: a guardrail forbids it, the fleet has moved since the plan was saved, the hub will not cancel what runs or has ended, or `device --prune` left devices that were changed meanwhile"
            }
            Self::Changes => {
                "`plan --detailed-exitcode`: applying would create a run, or twins no longer hold the patch of a run that has ended; `plan --drift`: twins do not hold a patch"
            }
            Self::Interrupted => "interrupted; says what still runs and how to re-attach",
        }
    }

    /// The exit of several runs together; success when there are none.
    #[must_use]
    pub fn of_runs(exits: &[Self]) -> Self {
        Self::BY_WEIGHT.into_iter().find(|exit| exits.contains(exit)).unwrap_or(Self::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_of_several_runs_wins() {
        use Exit::{DevicesFailed, HubUnavailable, Interrupted, NotPermitted, StillRunning, Success};
        assert_eq!(Exit::of_runs(&[]), Success);
        assert_eq!(Exit::of_runs(&[Success, StillRunning, DevicesFailed]), DevicesFailed);
        assert_eq!(Exit::of_runs(&[HubUnavailable, NotPermitted]), NotPermitted);
        assert_eq!(Exit::of_runs(&[NotPermitted, Interrupted]), Interrupted);
    }

    #[test]
    fn every_exit_has_a_weight_and_its_own_number() {
        for exit in Exit::ALL {
            assert!(Exit::BY_WEIGHT.contains(&exit), "{exit:?}");
            assert_eq!(Exit::ALL.iter().filter(|other| other.code() == exit.code()).count(), 1, "{exit:?}");
        }
    }
}
