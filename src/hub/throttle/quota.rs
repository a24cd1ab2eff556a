//! The daily quota of messages: it starts anew with each day of UTC.

use jiff::Timestamp;

const DAY_S: i64 = 86_400;

/// Counts what was used of a day's quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    limit: u64,
    day: i64,
    used: u64,
}

/// Nothing is left of today's quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedUp {
    /// The day's messages.
    pub limit: u64,
    /// What was counted.
    pub used: u64,
}

impl Quota {
    /// An untouched quota of so many messages a day.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { limit, day: i64::MIN, used: 0 }
    }

    /// Whether anything is left.
    ///
    /// # Errors
    /// [`UsedUp`] until the day is over.
    pub fn check(&mut self, now: Timestamp) -> Result<(), UsedUp> {
        let day = now.as_second().div_euclid(DAY_S);
        if day != self.day {
            (self.day, self.used) = (day, 0);
        }
        if self.used < self.limit { Ok(()) } else { Err(UsedUp { limit: self.limit, used: self.used }) }
    }

    /// Counts messages; the last of a day may be larger than what is left.
    ///
    /// # Errors
    /// As [`Self::check`]; nothing was counted then.
    pub fn take(&mut self, messages: u64, now: Timestamp) -> Result<(), UsedUp> {
        self.check(now)?;
        self.used = self.used.saturating_add(messages);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_holds_so_many_messages_and_the_next_as_many() {
        let mut quota = Quota::new(3);
        let evening: Timestamp = "2026-02-03T23:59:59Z".parse().unwrap();
        let midnight: Timestamp = "2026-02-04T00:00:00Z".parse().unwrap();
        assert_eq!(quota.take(1, evening), Ok(()));
        assert_eq!(quota.take(4, evening), Ok(()));
        assert_eq!(quota.take(1, evening), Err(UsedUp { limit: 3, used: 5 }));
        assert_eq!(quota.check(evening), Err(UsedUp { limit: 3, used: 5 }));
        assert_eq!(quota.take(1, midnight), Ok(()));
    }
}
