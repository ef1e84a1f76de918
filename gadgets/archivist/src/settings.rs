//! What an Archivist does where nothing else is said.

use std::time::Duration;

/// What can be set of the gadget. Checked when it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How much of what was logged before a trigger is sent. Default 90 s. What is kept must reach as far back, with `after` on top.
    pub before: Duration,
    /// How much of what is logged after it. Default 30 s; 0 sends at once, without what follows.
    pub after: Duration,
    /// Flushes of one day (UTC) at most; calls are exempt. Default 48; 0 flushes for calls only.
    pub per_day: u32,
    /// How long a service is watched before news of it counts. Default 2 min; hosts whose services take long to start want more.
    pub learning: Duration,
    /// The points that a new template needs to be an incident. Default 3; 2 triggers for warnings of trouble, 4 not even for a new
    /// error unless something is added to it.
    pub points: u8,
    /// Within this time of its first line, repetition of a new template counts. Default 10 s.
    pub repeats: Duration,
    /// Whether error rates are triggers. Default true.
    pub errors: bool,
    /// Whether the latency of spans is. Default true.
    pub latency: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            before: Duration::from_secs(90),
            after: Duration::from_secs(30),
            per_day: 48,
            learning: Duration::from_secs(120),
            points: 3,
            repeats: Duration::from_secs(10),
            errors: true,
            latency: true,
        }
    }
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {must}, not {found:?}")]
pub struct SettingsError {
    /// Which.
    pub name: &'static str,
    /// What it may be.
    pub must: &'static str,
    /// What was found.
    pub found: Duration,
}

impl Settings {
    /// The longest that an incident may reach: one trigger after the other cannot extend it for ever.
    pub const MOST: Duration = Duration::from_secs(3600);

    /// # Errors
    /// [`SettingsError`] says what cannot be.
    pub fn check(&self) -> Result<(), SettingsError> {
        let hour = |name, found| {
            let fits = found <= Self::MOST;
            fits.then_some(()).ok_or(SettingsError { name, must: "at most an hour", found })
        };
        hour("before", self.before)?;
        hour("after", self.after)?;
        hour("repeats", self.repeats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_beyond_its_range_is_named() {
        assert_eq!(Settings::default().check(), Ok(()));
        let far = Settings { before: Duration::from_secs(4000), ..Settings::default() };
        assert_eq!(
            far.check().unwrap_err().to_string(),
            "before must be at most an hour, not 4000s"
        );
    }
}
