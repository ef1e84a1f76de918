#![doc = include_str!("../README.md")]

mod config;
mod model;
mod plan;

pub use config::{Config, ConfigError};
pub use model::{LowMemory, Verdict};

use gadget_core::{
    Assessment, Gadget, HostMemory, Model, Name, Plans, Probability, Reading, Signal, Subject,
    Timestamp, World,
};

/// The name in policies and ledgers.
const NAME: &str = "newcomer";

/// Drops clean caches when the host's memory runs low.
#[derive(Clone, Debug)]
pub struct Newcomer {
    model: LowMemory,
    /// The last reading and what it means.
    last: Option<(HostMemory, Verdict)>,
}

impl Newcomer {
    /// With these settings.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Self { model: LowMemory::below(config.floor()?), last: None })
    }
}

impl Gadget for Newcomer {
    fn name(&self) -> Name {
        Name::Borrowed(NAME)
    }

    fn observe(&mut self, signal: &Signal) {
        if let Reading::HostMemory(memory) = &signal.reading {
            self.last = Some((*memory, self.model.assess(memory)));
        }
    }

    fn plan(&mut self, now: Timestamp, _: &World, plans: &mut Plans) {
        let Some((memory, verdict)) = &self.last else { return };
        let is_low = verdict.low > Probability::ZERO;
        plans.assess(Assessment {
            gadget: self.name(),
            at: now,
            subject: Subject::Host,
            class: if is_low { "low-memory" } else { "calm" }.into(),
            probability: verdict.low,
            eta: None,
            culprit: None,
            statement: None,
            evidence: plan::evidence(verdict),
        });
        if is_low {
            plans.propose(plan::drop_caches(now, verdict, memory));
        }
    }
}
