//! What the agent does with logs: which learned rules redact, and when what was kept is sent. Both in memory of the agent.

use std::sync::Arc;

use gadget_core::{
    ActionError, Effect, FlushQueue, FlushRequest, Plan, RuleState, RuleStates, Setting, Step,
    StepKind, Subject, Summary, Undo, Value, summary,
};

use crate::error::unsupported;
use crate::linux::{Linux, done};

/// What is missing of a backend without the states of rules.
pub(crate) const NEEDS_RULES: &str = "a program that redacts logs";
/// What is missing of a backend without a queue.
pub(crate) const NEEDS_QUEUE: &str = "a program that keeps logs";

const UNKNOWN: ActionError = ActionError::Stale { what: "the rule is not known" };

impl Linux {
    pub(crate) fn prepare_rule(&self, rule: u32, to: RuleState) -> Result<Undo, ActionError> {
        let before = self.rules()?.get(rule).ok_or(UNKNOWN)?;
        Ok(Undo::Restore {
            subject: Subject::Agent,
            setting: Setting::LearnedRule,
            path: rule.to_string().into(),
            before: value(before),
            wrote: value(to),
        })
    }

    pub(crate) fn apply_rule(&self, rule: u32, undo: &Undo) -> Result<Effect, ActionError> {
        let Undo::Restore { setting: Setting::LearnedRule, before, wrote, .. } = undo else {
            return Err(unsupported(StepKind::SetRule, "a rule's state to put back"));
        };
        self.rules()?.exchange(rule, parsed(before)?, parsed(wrote)?).map_err(yielded)?;
        Ok(done(summary(format_args!("rule {rule} {before} -> {wrote}"))))
    }

    pub(crate) fn put_back_rule(
        &self,
        path: &str,
        (before, wrote): (&str, &str),
    ) -> Result<Summary, ActionError> {
        let rule = path.parse().map_err(|_| UNKNOWN)?;
        match self.rules()?.exchange(rule, parsed(wrote)?, parsed(before)?) {
            Ok(()) => Ok(summary(format_args!("rule {rule} {wrote} -> {before}"))),
            Err(Some(found)) if found.name() == before => {
                Ok(summary(format_args!("rule {rule} was {before} already")))
            }
            Err(found) => Err(yielded(found)),
        }
    }

    pub(crate) fn apply_flush(&self, plan: &Plan) -> Result<Effect, ActionError> {
        let Step::FlushLogs { from, until } = plan.step else {
            return Err(unsupported(plan.step.kind(), "another target than the agent"));
        };
        let request = FlushRequest {
            plan: plan.id,
            from,
            until,
            reason: plan.reason.as_ref().into(),
            about: Arc::clone(&plan.target.name),
        };
        self.flushes()?
            .ask(request)
            .map_err(|_| unsupported(StepKind::FlushLogs, "one of 16 waiting to be sent first"))?;
        Ok(done(summary(format_args!("asked for what was logged from {from} to {until}"))))
    }

    /// A flush moves nothing that could be put back.
    pub(crate) fn prepare_flush(&self) -> Result<Undo, ActionError> {
        self.flushes().map(|_| Undo::Nothing)
    }

    fn rules(&self) -> Result<&RuleStates, ActionError> {
        self.settings().rules.as_ref().ok_or(unsupported(StepKind::SetRule, NEEDS_RULES))
    }

    fn flushes(&self) -> Result<&FlushQueue, ActionError> {
        self.settings().flushes.as_ref().ok_or(unsupported(StepKind::FlushLogs, NEEDS_QUEUE))
    }
}

fn yielded(found: Option<RuleState>) -> ActionError {
    found.map_or(UNKNOWN, |found| ActionError::Yielded {
        setting: Setting::LearnedRule,
        found: value(found),
    })
}

fn value(state: RuleState) -> Value {
    Value::from(state.name()).unwrap_or_default()
}

fn parsed(text: &str) -> Result<RuleState, ActionError> {
    text.parse().map_err(|_| ActionError::Stale { what: "the rule's state is not on record" })
}
