//! The settings, each with its effect, its default and its range.

use std::time::Duration;

use gadget_core::Probability;

use crate::forest::{Forest, ForestError};
use crate::oracle::Oracle;

/// How far ahead the Oracle looks, how sure it has to be, and how much it may watch.
#[derive(Clone, Debug, PartialEq)]
pub struct OracleSettings {
    /// How far ahead an out-of-memory is of interest: nothing is proposed for one that is farther away. Default 180 s,
    /// from 10 s to an hour. All rungs of the ladder shrink and grow with it.
    pub horizon: Duration,
    /// Sure enough to reclaim caches and to ask for a garbage collection. Default 0.50, 0 to 1.
    pub reclaim_floor: Probability,
    /// Sure enough to slow, freeze or pause the culprit, which can be undone. Default 0.70, 0 to 1.
    pub contain_floor: Probability,
    /// Sure enough to end or restart the culprit, which cannot. Default 0.85, 0 to 1; hosts where a burst may fill all of a
    /// limit want more, and lose the time that it takes to be surer.
    pub terminate_floor: Probability,
    /// The most time that a process is given between `SIGTERM` and `SIGKILL`; what is left before the limit cuts it
    /// shorter. Default 10 s, up to 5 min; zero kills at once.
    pub grace: Duration,
    /// How long a contained culprit is held before it is let go; if it then grows again it is ended. Default 60 s, from
    /// 1 s to an hour.
    pub hold: Duration,
    /// The share of the culprit's growth in that of its group below which nobody is touched: memory that no process
    /// explains is not freed by ending one. Default 0.25, 0 to 1.
    pub least_share: f64,
    /// How often the hottest subject is read. Default 20 ms, from 5 ms to 1 s; slower saves CPU during an incident and
    /// misses leaks that fill a limit in a second.
    pub fastest: Duration,
    /// The share of a limit below which a group at rest is left to the providers' own pace. Default 0.5, 0 to 1; one reads
    /// nobody faster before growth was seen.
    pub guard_share: f64,
    /// Whether a service may be restarted instead of ended while there is time. Default true.
    pub restart: bool,
}

impl Default for OracleSettings {
    fn default() -> Self {
        Self {
            horizon: Duration::from_secs(180),
            reclaim_floor: Probability::saturating(0.50),
            contain_floor: Probability::saturating(0.70),
            terminate_floor: Probability::saturating(0.85),
            grace: Duration::from_secs(10),
            hold: Duration::from_secs(60),
            least_share: 0.25,
            fastest: Duration::from_millis(20),
            guard_share: 0.5,
            restart: true,
        }
    }
}

/// Why an Oracle cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OracleError {
    /// A setting is outside its range.
    #[error("{setting} is {found}, expected {expected}")]
    OutOfRange {
        /// The setting.
        setting: &'static str,
        /// What was given.
        found: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The floors do not rise with the harm of their rungs.
    #[error("{lower} is above {upper}: what does more harm must need more confidence")]
    Order {
        /// The setting that should be the smaller one.
        lower: &'static str,
        /// The setting that should be the larger one.
        upper: &'static str,
    },
    /// The model cannot be used.
    #[error("cannot use the model")]
    Model(#[from] ForestError),
}

impl OracleSettings {
    fn check(&self) -> Result<(), OracleError> {
        let within = |setting, value: Duration, low, high, expected| {
            if (Duration::from_millis(low)..=Duration::from_millis(high)).contains(&value) {
                Ok(())
            } else {
                Err(OracleError::OutOfRange { setting, found: format!("{value:?}"), expected })
            }
        };
        within("horizon", self.horizon, 10_000, 3_600_000, "10 s to 1 h")?;
        within("grace", self.grace, 0, 300_000, "0 s to 5 min")?;
        within("hold", self.hold, 1_000, 3_600_000, "1 s to 1 h")?;
        within("fastest", self.fastest, 5, 1_000, "5 ms to 1 s")?;
        for (setting, value) in
            [("least_share", self.least_share), ("guard_share", self.guard_share)]
        {
            if !(0.0..=1.0).contains(&value) {
                return Err(OracleError::OutOfRange {
                    setting,
                    found: value.to_string(),
                    expected: "0 to 1",
                });
            }
        }
        if self.reclaim_floor > self.contain_floor {
            return Err(OracleError::Order { lower: "reclaim_floor", upper: "contain_floor" });
        }
        if self.contain_floor > self.terminate_floor {
            return Err(OracleError::Order { lower: "contain_floor", upper: "terminate_floor" });
        }
        Ok(())
    }
}

/// Makes an [`Oracle`]; see [`OracleSettings`] for what each setting does.
#[derive(Clone, Debug, Default)]
pub struct OracleBuilder {
    settings: OracleSettings,
    model: Option<Vec<u8>>,
    statistics_only: bool,
}

macro_rules! setters {
    ($($name:ident: $type:ty,)*) => {$(
        #[doc = concat!("Sets [`OracleSettings::", stringify!($name), "`].")]
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.settings.$name = $name;
            self
        }
    )*};
}

impl OracleBuilder {
    setters! {
        horizon: Duration,
        reclaim_floor: Probability,
        contain_floor: Probability,
        terminate_floor: Probability,
        grace: Duration,
        hold: Duration,
        least_share: f64,
        fastest: Duration,
        guard_share: f64,
        restart: bool,
    }

    /// Sets all of them.
    #[must_use]
    pub fn settings(mut self, settings: OracleSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Judges by this model instead of the one that ships with the crate: bytes that training wrote.
    #[must_use]
    pub fn model(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.model = Some(bytes.into());
        self
    }

    /// Judges by the statistics alone, without a trained model.
    #[must_use]
    pub fn statistics_only(mut self) -> Self {
        self.statistics_only = true;
        self
    }

    /// Checks the settings and makes the Oracle.
    ///
    /// # Errors
    /// [`OracleError::OutOfRange`] and [`OracleError::Order`] for settings, [`OracleError::Model`] for a model that was
    /// given and cannot be used.
    pub fn build(self) -> Result<Oracle, OracleError> {
        self.settings.check()?;
        let forest = match (&self.model, self.statistics_only) {
            (_, true) => None,
            (Some(bytes), false) => Some(Forest::read(bytes)?),
            (None, false) => Forest::shipped(),
        };
        Ok(Oracle::new(self.settings, forest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_ranges() {
        assert!(OracleBuilder::default().build().is_ok());
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_its_range_and_the_value() {
        let error = OracleBuilder::default().horizon(Duration::from_secs(1)).build().unwrap_err();
        assert_eq!(error.to_string(), "horizon is 1s, expected 10 s to 1 h");
        let error = OracleBuilder::default().least_share(f64::NAN).build().unwrap_err();
        assert_eq!(error.to_string(), "least_share is NaN, expected 0 to 1");
    }

    #[test]
    fn floors_rise_with_the_harm() {
        let error = OracleBuilder::default().contain_floor(Probability::ONE).build().unwrap_err();
        assert!(error.to_string().starts_with("contain_floor is above terminate_floor"));
    }
}
