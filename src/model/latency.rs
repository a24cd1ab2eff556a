//! How long something takes: always the same, evenly spread, or mostly short and seldom long.

use std::f64::consts::TAU;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use super::Draw;
use super::limits::LATENCY_S_MAX;

/// Standard deviations between the median and the 99th percentile of a normal distribution.
const DEVIATIONS_TO_P99: f64 = 2.326_347_874_040_841;

/// A time, or how times are distributed; at most [`LATENCY_S_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency(Distribution);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distribution {
    Fixed(Duration),
    Uniform { min: Duration, max: Duration },
    LogNormal { median: Duration, p99: Duration },
}

/// Says why something is no latency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLatency {
    /// No duration, and no span of two.
    #[error("`{text}` is no duration; write 250ms, 2s or 1m 30s, or two of them with `..` between, as in 1s..3s")]
    Text {
        /// The text.
        text: String,
    },
    /// The first is longer than the second.
    #[error("{min:?} is longer than {max:?}; write the shorter one first")]
    Order {
        /// What should be the shorter.
        min: Duration,
        /// What should be the longer.
        max: Duration,
    },
    /// A median of nothing, from which no distribution follows.
    #[error("the median must be longer than 0")]
    NoMedian,
    /// Longer than makes sense.
    #[error("{0:?} is longer than {LATENCY_S_MAX} s")]
    TooLong(Duration),
}

impl Latency {
    /// No time at all.
    pub const NONE: Self = Self(Distribution::Fixed(Duration::ZERO));

    /// Always the same.
    ///
    /// # Errors
    /// [`InvalidLatency::TooLong`].
    pub fn fixed(time: Duration) -> Result<Self, InvalidLatency> {
        within_limit(time)?;
        Ok(Self(Distribution::Fixed(time)))
    }

    /// Anything between the two, each as likely.
    ///
    /// # Errors
    /// [`InvalidLatency::TooLong`] and [`InvalidLatency::Order`].
    pub fn uniform(min: Duration, max: Duration) -> Result<Self, InvalidLatency> {
        ordered(min, max)?;
        Ok(Self(Distribution::Uniform { min, max }))
    }

    /// Half are shorter than `median`, one in a hundred is longer than `p99`; the logarithm is normal.
    ///
    /// # Errors
    /// [`InvalidLatency::TooLong`], [`InvalidLatency::Order`] and [`InvalidLatency::NoMedian`].
    pub fn log_normal(median: Duration, p99: Duration) -> Result<Self, InvalidLatency> {
        ordered(median, p99)?;
        if median.is_zero() {
            return Err(InvalidLatency::NoMedian);
        }
        Ok(Self(Distribution::LogNormal { median, p99 }))
    }

    /// The time that the decision makes it, in whole milliseconds but for a fixed one, and never past the limit.
    #[must_use]
    pub fn drawn(&self, draw: &mut Draw) -> Duration {
        let seconds = match self.0 {
            Distribution::Fixed(time) => return time,
            Distribution::Uniform { min, max } => {
                let (min, max) = (min.as_secs_f64(), max.as_secs_f64());
                min + (max - min) * draw.fraction()
            }
            Distribution::LogNormal { median, p99 } => {
                let deviation = (p99.as_secs_f64() / median.as_secs_f64()).ln() / DEVIATIONS_TO_P99;
                median.as_secs_f64() * (deviation * normal(draw)).exp()
            }
        };
        // Rounded, so that the last digits of a platform's logarithm decide nothing.
        Duration::from_millis((seconds.min(LATENCY_S_MAX as f64) * 1_000.0).round() as u64)
    }

    /// The shortest that is drawn.
    #[must_use]
    pub fn least(&self) -> Duration {
        match self.0 {
            Distribution::Fixed(time) => time,
            Distribution::Uniform { min, .. } => min,
            Distribution::LogNormal { .. } => Duration::ZERO,
        }
    }

    /// The longest that is drawn, or of a log-normal distribution the 99th percentile.
    #[must_use]
    pub fn most(&self) -> Duration {
        match self.0 {
            Distribution::Fixed(time) | Distribution::Uniform { max: time, .. } => time,
            Distribution::LogNormal { p99, .. } => p99,
        }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::NONE
    }
}

impl FromStr for Latency {
    type Err = InvalidLatency;

    fn from_str(text: &str) -> Result<Self, InvalidLatency> {
        let read = |part: &str| {
            let duration: Option<SignedDuration> = part.trim().parse().ok();
            duration
                .and_then(|duration| Duration::try_from(duration).ok())
                .ok_or_else(|| InvalidLatency::Text { text: text.to_owned() })
        };
        match text.split_once("..") {
            None => Self::fixed(read(text)?),
            Some((min, max)) => Self::uniform(read(min)?, read(max)?),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Distribution::Fixed(time) => write!(f, "{time:?}"),
            Distribution::Uniform { min, max } => write!(f, "{min:?}..{max:?}"),
            Distribution::LogNormal { median, p99 } => write!(f, "median {median:?}, p99 {p99:?}"),
        }
    }
}

fn within_limit(time: Duration) -> Result<(), InvalidLatency> {
    if time > Duration::from_secs(LATENCY_S_MAX) { Err(InvalidLatency::TooLong(time)) } else { Ok(()) }
}

fn ordered(min: Duration, max: Duration) -> Result<(), InvalidLatency> {
    within_limit(min)?;
    within_limit(max)?;
    if min > max { Err(InvalidLatency::Order { min, max }) } else { Ok(()) }
}

/// A normally distributed number (Box and Muller's way).
fn normal(draw: &mut Draw) -> f64 {
    // The logarithm of 0 is nothing to multiply with.
    let (radius, angle) = (1.0 - draw.fraction(), draw.fraction());
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Seed;

    fn sorted(latency: Latency) -> Vec<Duration> {
        let mut drawn: Vec<_> = (0..10_000).map(|n| latency.drawn(&mut Seed::new(1).draw("d", "latency", n))).collect();
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn texts_are_times_and_spans() {
        let (s, ms) = (Duration::from_secs, Duration::from_millis);
        assert_eq!("2s".parse(), Latency::fixed(s(2)));
        assert_eq!("200ms..2s".parse(), Latency::uniform(ms(200), s(2)));
        assert_eq!("1m 30s .. 2m".parse(), Latency::uniform(s(90), s(120)));
        assert_eq!("3s..1s".parse::<Latency>(), Err(InvalidLatency::Order { min: s(3), max: s(1) }));
        assert_eq!("48h".parse::<Latency>(), Err(InvalidLatency::TooLong(s(48 * 3_600))));
        for text in ["", "1", "..", "1s..", "1s...2s", "-1s", "1s..2s..3s", "soon"] {
            assert!(matches!(text.parse::<Latency>(), Err(InvalidLatency::Text { .. })), "{text}");
        }
    }

    #[test]
    fn a_span_is_filled_evenly() {
        let drawn = sorted("100ms..300ms".parse().unwrap());
        assert!(drawn[0] >= Duration::from_millis(100) && drawn[9_999] <= Duration::from_millis(300));
        assert!((195..205).contains(&drawn[5_000].as_millis()), "{:?}", drawn[5_000]);
    }

    #[test]
    fn a_log_normal_has_its_median_and_percentile() {
        let drawn = sorted(Latency::log_normal(Duration::from_millis(300), Duration::from_secs(4)).unwrap());
        assert!((285..315).contains(&drawn[5_000].as_millis()), "{:?}", drawn[5_000]);
        assert!((3_500..4_600).contains(&drawn[9_900].as_millis()), "{:?}", drawn[9_900]);
        assert!(Latency::log_normal(Duration::ZERO, Duration::ZERO).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = text.parse::<Latency>();
        }
    }
}
