//! Puts a Surveyor together.

use gadget_core::{SettingsError, TelemetryCell};
use gadget_envelope::{AgentIdentity, Outbox};

use crate::settings::Settings;
use crate::surveyor::Surveyor;

/// Envelopes that wait to be taken, where no outbox was given.
const OUTBOX: usize = 1_024;

/// What keeps a Surveyor from being made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SurveyorError {
    /// A setting cannot be.
    #[error("settings of the surveyor")]
    Settings(#[from] SettingsError),
    /// Nobody could tell whose envelopes they are.
    #[error("the surveyor needs an entity_guid that names the host")]
    Nameless,
}

/// Puts a [`Surveyor`] together.
#[derive(Clone, Debug, Default)]
pub struct SurveyorBuilder {
    pub(crate) settings: Settings,
    pub(crate) telemetry: Option<TelemetryCell>,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) identity: AgentIdentity,
    pub(crate) beside: Vec<&'static str>,
}

impl SurveyorBuilder {
    /// What holds where the operator's file of settings says nothing. Default: [`Settings::default`].
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// What is in force of what is sent, shared with the action backend and with the provider of censuses. It is set to what the
    /// settings say. Default: one of its own.
    #[must_use]
    pub fn telemetry(mut self, cell: TelemetryCell) -> Self {
        self.telemetry = Some(cell);
        self
    }

    /// Where envelopes go. Default: one of its own, for 1,024 of them: see [`Surveyor::outbox`].
    #[must_use]
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = Some(outbox);
        self
    }

    /// Who sends. Its `entity_guid` is required.
    #[must_use]
    pub fn identity(mut self, identity: AgentIdentity) -> Self {
        self.identity = identity;
        self
    }

    /// Tables of settings that belong to other crates and may be in the same text. Default none.
    #[must_use]
    pub fn beside(mut self, tables: &[&'static str]) -> Self {
        self.beside = tables.to_vec();
        self
    }

    /// The Surveyor.
    ///
    /// # Errors
    /// [`SurveyorError`] says what is wrong.
    pub fn build(self) -> Result<Surveyor, SurveyorError> {
        self.settings.check()?;
        if self.identity.entity_guid.is_empty() {
            return Err(SurveyorError::Nameless);
        }
        let outbox = self.outbox.clone().unwrap_or_else(|| Outbox::new(OUTBOX));
        Ok(Surveyor::new(self, outbox))
    }
}
