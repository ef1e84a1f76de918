//! How learned rules do, on its way from the log path to the agent.

use std::sync::Arc;

use gadget_core::{
    Reading, RuleReport, RuleStates, Scope, SignalError, SignalProvider, Signals, Subject,
    Timestamp,
};
use parking_lot::Mutex;

/// Holds the last report of each rule: whoever redacts [`put`](Self::put)s them, the agent is given a clone as a provider.
#[derive(Clone, Debug)]
pub struct RuleReports {
    last: Arc<Mutex<Vec<RuleReport>>>,
    states: RuleStates,
}

impl RuleReports {
    /// Of rules whose states are in `states`.
    #[must_use]
    pub fn new(states: RuleStates) -> Self {
        Self { last: Arc::default(), states }
    }

    /// Takes the place of what was put before.
    pub fn put(&self, reports: Vec<RuleReport>) {
        *self.last.lock() = reports;
    }
}

impl SignalProvider for RuleReports {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if !scope.holds(Subject::Agent) {
            return Ok(());
        }
        for report in self.last.lock().iter() {
            // What a plan has changed since it was put shows at once.
            let Some(state) = self.states.get(report.rule) else { continue };
            let report = RuleReport { state, ..report.clone() };
            out.push(Subject::Agent, Reading::RuleReport(Box::new(report)));
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        "learned-rules"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gadget_core::RuleState;
    use std::time::Duration;

    #[test]
    fn the_last_reports_are_read_with_the_state_that_is() {
        let states = RuleStates::default();
        states.set(7, RuleState::Trial);
        let mut reports = RuleReports::new(states.clone());
        let report = |rule| RuleReport {
            rule,
            finds: "name".into(),
            text: "after \"kunde\"".into(),
            state: RuleState::Trial,
            agreed: 1,
            disagreed: 0,
            lines: 1,
            lookalikes: 0,
            worst: 1,
            since: Timestamp::EPOCH,
            expires: Timestamp::EPOCH + Duration::from_secs(1),
        };
        reports.clone().put(vec![report(7), report(8)]);
        states.set(7, RuleState::Adopted);
        let mut out = Signals::at(Timestamp::from_secs(1));
        reports.sample(Timestamp::from_secs(1), Scope::Everything, &mut out).unwrap();
        let [signal] = out.as_slice() else { panic!("one that is not known is not read") };
        let Reading::RuleReport(read) = &signal.reading else { panic!("{signal:?}") };
        assert_eq!((read.rule, read.state), (7, RuleState::Adopted));
    }
}
