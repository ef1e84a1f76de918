//! Lines pass the Curator before anything is kept of them.

use gadget_core::{LogBatch, LogSources, RuleStates};
use gadget_curator::learn::RuleBook;
use gadget_curator::{Labeller, Pipeline, PipelineSettings, Scanner};

/// What is done to lines before they are kept.
pub(crate) enum Redact {
    /// The Curator's pipeline.
    Curator(Box<Pipeline>),
    /// Nothing: something else has done it.
    Plain,
}

impl Redact {
    /// The Curator with what it knows without having learned anything here.
    pub(crate) fn curator(sources: &LogSources) -> Self {
        let rules = (RuleStates::default(), RuleBook::default());
        let (scanner, labeller) = (Scanner::new(), Labeller::shipped());
        let settings = PipelineSettings::default();
        Self::Curator(Pipeline::new(settings, scanner, labeller, rules, sources.clone()).into())
    }

    /// Appends the lines of `raw` to `clean`, redacted.
    pub(crate) fn batch(&mut self, raw: &LogBatch, clean: &mut LogBatch) {
        match self {
            Self::Curator(pipeline) => pipeline.redact(raw, clean),
            Self::Plain => {
                clean.lost += raw.lost;
                raw.iter().for_each(|(meta, text)| clean.push(*meta, text));
            }
        }
    }
}
