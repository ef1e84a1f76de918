//! The settings, each with its effect, its default and its range.

use std::sync::Arc;
use std::time::Duration;

use gadget_core::Glob;

use gadget_forest::ForestError;

use crate::behaviour::BehaviourModel;
use crate::pathologist::Pathologist;

/// How long what has to hold, and what may follow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathologistSettings {
    /// How often a suspect is looked at. Default 5 s, from 1 s to 1 min. A policy refuses targets that it has not seen for
    /// 10 s unless it is told otherwise, so that slower looks want a larger `stale.unseen` there.
    pub look: Duration,
    /// How far apart two looks have to lie that show the same threads in the same waits, without a time slice in between,
    /// to prove a deadlock. Default 10 s, from 2 s to 10 min.
    pub apart: Duration,
    /// How long a proof has to stand before a step that ends the process is proposed. Default 60 s, from `apart` to a day.
    pub sustained: Duration,
    /// The time that a process is given between `SIGTERM` and `SIGKILL`. Default 10 s, up to 5 min.
    pub grace: Duration,
    /// Whether the stacks of a process are captured before it is ended. Default true.
    pub capture: bool,
    /// Whether a service is restarted instead of ended. Default true. A process is a service if its cgroup's path ends in
    /// `.service`, or if it is named in [`restartable`](Self::restartable).
    pub restart: bool,
    /// Names (`comm`) of processes that the backend can restart. Default none.
    pub restartable: Vec<Arc<str>>,
    /// How long clients have to wait, with none accepted, to be evidence. Default 30 s, from 5 s to an hour.
    pub unaccepted: Duration,
    /// How long an answer has to be outstanding, at least, to be evidence; and twice as long as the longest one that this
    /// peer ever gave. Default 60 s, from 5 s to a day.
    pub unanswered: Duration,
    /// How long a thread has to sleep where no signal reaches it to be reported. Default 120 s, from 10 s to a day.
    pub uninterruptible: Duration,
    /// How often a runtime that can be asked is asked of its own threads. Default none: to ask is to act, a Java virtual
    /// machine stops its threads for a moment to answer. From 1 min to a day; it takes a provider that asks those who are
    /// watched. One that has named a deadlock is asked again until it is proved or denied.
    pub ask_runtimes: Option<Duration>,
    /// Processes, by patterns of their names (`comm`), that are looked at all the time, so that their behaviour can be
    /// compared with what it was. Default none: each costs what a suspect costs.
    pub studied: Vec<Glob>,
    /// Whether every change of every process's state is stated, working and idle included. Default false: a host changes
    /// all the time.
    pub every_state: bool,
}

impl Default for PathologistSettings {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            look: secs(5),
            apart: secs(10),
            sustained: secs(60),
            grace: secs(10),
            capture: true,
            restart: true,
            restartable: Vec::new(),
            unaccepted: secs(30),
            unanswered: secs(60),
            uninterruptible: secs(120),
            ask_runtimes: None,
            studied: Vec::new(),
            every_state: false,
        }
    }
}

/// Why a Pathologist cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathologistError {
    /// A setting is outside its range.
    #[error("{setting} is {found:?}, expected {expected}")]
    OutOfRange {
        /// The setting.
        setting: &'static str,
        /// What was given.
        found: Duration,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The model cannot be used.
    #[error("cannot use the model")]
    Model(#[from] ForestError),
}

impl PathologistSettings {
    fn check(&self) -> Result<(), PathologistError> {
        const DAY: u64 = 86_400;
        let secs = Duration::from_secs;
        for (setting, found, low, high, expected) in [
            ("look", self.look, secs(1), secs(60), "1 s to 1 min"),
            ("apart", self.apart, secs(2), secs(600), "2 s to 10 min"),
            ("sustained", self.sustained, self.apart, secs(DAY), "`apart` to 1 day"),
            ("grace", self.grace, secs(0), secs(300), "0 s to 5 min"),
            ("unaccepted", self.unaccepted, secs(5), secs(3_600), "5 s to 1 h"),
            ("unanswered", self.unanswered, secs(5), secs(DAY), "5 s to 1 day"),
            ("uninterruptible", self.uninterruptible, secs(10), secs(DAY), "10 s to 1 day"),
            (
                "ask_runtimes",
                self.ask_runtimes.unwrap_or(secs(60)),
                secs(60),
                secs(DAY),
                "1 min to 1 day",
            ),
        ] {
            if !(low..=high).contains(&found) {
                return Err(PathologistError::OutOfRange { setting, found, expected });
            }
        }
        Ok(())
    }
}

/// Makes a [`Pathologist`]; see [`PathologistSettings`] for what each setting does.
#[derive(Clone, Debug, Default)]
pub struct PathologistBuilder {
    settings: PathologistSettings,
    model: Option<Vec<u8>>,
    rules_only: bool,
}

macro_rules! setters {
    ($($name:ident: $type:ty,)*) => {$(
        #[doc = concat!("Sets [`PathologistSettings::", stringify!($name), "`].")]
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.settings.$name = $name;
            self
        }
    )*};
}

impl PathologistBuilder {
    setters! {
        look: Duration,
        apart: Duration,
        sustained: Duration,
        grace: Duration,
        capture: bool,
        restart: bool,
        restartable: Vec<Arc<str>>,
        unaccepted: Duration,
        unanswered: Duration,
        uninterruptible: Duration,
        ask_runtimes: Option<Duration>,
        studied: Vec<Glob>,
        every_state: bool,
    }

    /// Sets all of them.
    #[must_use]
    pub fn settings(mut self, settings: PathologistSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Judges behaviour by this model instead of the one that ships with the crate: bytes that training wrote.
    #[must_use]
    pub fn model(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.model = Some(bytes.into());
        self
    }

    /// Judges by evidence 1 to 6 alone, without a trained model.
    #[must_use]
    pub fn rules_only(mut self) -> Self {
        self.rules_only = true;
        self
    }

    /// Checks the settings and makes the Pathologist.
    ///
    /// # Errors
    /// [`PathologistError::OutOfRange`] names the setting that cannot be, [`PathologistError::Model`] is for a model that
    /// was given and cannot be used.
    pub fn build(self) -> Result<Pathologist, PathologistError> {
        self.settings.check()?;
        let model = match (&self.model, self.rules_only) {
            (_, true) => None,
            (Some(bytes), false) => Some(BehaviourModel::read(bytes)?),
            (None, false) => BehaviourModel::shipped(),
        };
        Ok(Pathologist::new(self.settings, model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_ranges() {
        assert!(PathologistBuilder::default().build().is_ok());
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_its_range_and_the_value() {
        let error = PathologistBuilder::default().apart(Duration::ZERO).build().unwrap_err();
        assert_eq!(error.to_string(), "apart is 0ns, expected 2 s to 10 min");
        let hasty = PathologistBuilder::default().sustained(Duration::from_secs(5));
        let error = hasty.build().unwrap_err();
        assert_eq!(error.to_string(), "sustained is 5s, expected `apart` to 1 day");
    }
}
