//! What the agent sends of what it sees, as a setting that plans may change.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// How much is sent.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum TelemetryLevel {
    /// The processes that matter in full, sums of all others, and distributions as sketches.
    #[default]
    Sketches,
    /// The same without sketches.
    Smart,
    /// Every process in full, once a window.
    Bypass,
    /// Every process as it was read, each scan: nothing is ranked or summed, and a dozen times as many bytes are sent.
    Raw,
    /// Only that the agent lives, and the host's totals.
    Heartbeat,
}

impl TelemetryLevel {
    /// Every level, in the order of what is worked out.
    pub const ALL: [Self; 5] =
        [Self::Sketches, Self::Smart, Self::Bypass, Self::Raw, Self::Heartbeat];

    /// The name in settings, outputs and ledgers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sketches => "smart+sketch",
            Self::Smart => "smart",
            Self::Bypass => "bypass",
            Self::Raw => "raw",
            Self::Heartbeat => "heartbeat",
        }
    }
}

impl fmt::Display for TelemetryLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is sent: how much, of how many, how often. Prints and parses as `smart+sketch top 20 every 2000 ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Telemetry {
    /// How much.
    pub level: TelemetryLevel,
    /// How many processes are sent in full, at least.
    pub top: u32,
    /// How often processes are read; a whole number of milliseconds.
    pub every: Duration,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { level: TelemetryLevel::default(), top: 20, every: Duration::from_secs(2) }
    }
}

impl fmt::Display for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} top {} every {} ms", self.level, self.top, self.every.as_millis())
    }
}

/// Not what [`Telemetry`] prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `LEVEL top N every N ms`")]
pub struct NotTelemetry;

impl FromStr for Telemetry {
    type Err = NotTelemetry;

    fn from_str(text: &str) -> Result<Self, NotTelemetry> {
        let mut words = text.split(' ');
        let mut next = || words.next().ok_or(NotTelemetry);
        let level = next()?;
        let level = TelemetryLevel::ALL.into_iter().find(|it| it.name() == level);
        let (a, top, b, every, c) = (next()?, next()?, next()?, next()?, next()?);
        let top = top.parse().map_err(|_| NotTelemetry)?;
        let every = Duration::from_millis(every.parse().map_err(|_| NotTelemetry)?);
        let whole = (a, b, c, next()) == ("top", "every", "ms", Err(NotTelemetry));
        Ok(Self { level: level.filter(|_| whole).ok_or(NotTelemetry)?, top, every })
    }
}

/// The [`Telemetry`] that is in force: set by an operator's settings and by the action backend, read by whoever reads or sends.
/// Clones are the same cell.
#[derive(Clone, Debug, Default)]
pub struct TelemetryCell(Arc<Mutex<Telemetry>>);

impl TelemetryCell {
    /// With `telemetry` in force.
    #[must_use]
    pub fn new(telemetry: Telemetry) -> Self {
        Self(Arc::new(Mutex::new(telemetry)))
    }

    /// What is in force.
    #[must_use]
    pub fn get(&self) -> Telemetry {
        *self.0.lock()
    }

    /// Puts `telemetry` in force, and returns what was.
    pub fn set(&self, telemetry: Telemetry) -> Telemetry {
        std::mem::replace(&mut *self.0.lock(), telemetry)
    }

    /// Puts `to` in force if `from` is; what is there instead, if not.
    ///
    /// # Errors
    /// What somebody else has put in force since.
    pub fn exchange(&self, from: Telemetry, to: Telemetry) -> Result<(), Telemetry> {
        let mut held = self.0.lock();
        if *held != from {
            return Err(*held);
        }
        *held = to;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_prints_it_parses() {
        for level in TelemetryLevel::ALL {
            let telemetry = Telemetry { level, top: 7, every: Duration::from_millis(1500) };
            assert_eq!(telemetry.to_string().parse(), Ok(telemetry));
        }
        for text in
            ["", "raw", "raw top 1 every 2 s", "raw top 1 every 2 ms ", "r top 1 every 2 ms"]
        {
            assert_eq!(text.parse::<Telemetry>(), Err(NotTelemetry), "{text}");
        }
    }

    #[test]
    fn what_somebody_else_has_set_is_not_overwritten() {
        let (cell, raw) = (TelemetryCell::default(), TelemetryLevel::Raw);
        let before = cell.get();
        let theirs = Telemetry { top: 99, ..before };
        cell.set(theirs);
        assert_eq!(cell.exchange(before, Telemetry { level: raw, ..before }), Err(theirs));
        assert_eq!(cell.exchange(theirs, before), Ok(()));
        assert_eq!(cell.clone().get(), before);
    }
}
