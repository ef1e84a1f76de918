//! In an agent, with the policy and the backend that it has.

use std::sync::{Arc, Mutex};

use gadget_core::{
    Agent, Entry, Gadget, ManualClock, Policy, Reading, Signal, TelemetryCell, Verdict, World,
};

use super::*;

/// The ladder alone.
#[derive(Clone)]
struct Ladders {
    watchdog: Watchdog,
    cell: TelemetryCell,
    events: Arc<Mutex<Vec<AgentDiagEvent>>>,
}

impl Gadget for Ladders {
    fn name(&self) -> Name {
        "surveyor".into()
    }
    fn observe(&mut self, signal: &Signal) {
        if let Reading::ModuleUse(used) = &signal.reading {
            self.watchdog.observe(used, signal.at);
        }
    }
    fn plan(&mut self, now: Timestamp, _: &World, plans: &mut Plans) {
        let (base, mut events) = (Telemetry::default(), self.events.lock().unwrap());
        self.watchdog.plan(now, self.cell.get(), base, plans, &mut |event| events.push(event));
    }
    fn done(&mut self, plan: &Plan) {
        self.watchdog.done(plan);
    }
    fn learn(&mut self, outcome: &Outcome) {
        self.watchdog.learn(outcome);
    }
}

struct Live {
    agent: Agent,
    cell: TelemetryCell,
    events: Arc<Mutex<Vec<AgentDiagEvent>>>,
    now: Timestamp,
}

impl Live {
    fn new(policy: &str) -> Self {
        let cell = TelemetryCell::default();
        let events = Arc::new(Mutex::new(Vec::new()));
        let watchdog = Watchdog::new(&settings::Watchdog::default());
        let agent = Agent::builder()
            .gadget(Ladders { watchdog, cell: cell.clone(), events: Arc::clone(&events) })
            .clock(ManualClock::default())
            .actions(gadget_actions::Linux::builder().telemetry(cell.clone()).build())
            .policy(Policy::from_toml(policy).unwrap())
            .build()
            .unwrap();
        let mut live = Self { agent, cell, events, now: Timestamp::from_secs(1_000) };
        live.run(60, CALM);
        live
    }

    fn run(&mut self, secs: u64, load: Load) -> TelemetryLevel {
        for _ in 0..secs {
            self.now = self.now + Duration::from_secs(1);
            let signals = load.readings().map(|reading| Signal {
                at: self.now,
                subject: Subject::Agent,
                reading: Reading::ModuleUse(Box::new(reading)),
            });
            self.agent.step(&signals, self.now);
        }
        self.cell.get().level
    }

    /// What of the ladder's plans is on record, in words.
    fn recorded(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for record in self.agent.ledger().records() {
            match record.unwrap().entry {
                Entry::Reviewed(review) if review.verdict == Verdict::Permitted => {
                    lines.push(format!("permitted {}", review.plan.step));
                }
                Entry::Reviewed(review) => lines.push(format!("{:?}", review.verdict)),
                Entry::Done { effect, .. } => lines.push(effect.summary.to_string()),
                Entry::Ended(outcome) => {
                    lines.push(format!("{:?}: {}", outcome.ending, outcome.summary));
                }
                Entry::Assessed(assessment) => lines.push(assessment.class.to_string()),
                _ => {}
            }
        }
        lines
    }
}

/// What the gadget's own program grants.
const GRANTED: &str = crate::POLICY;

#[test]
fn where_it_may_act_the_ladder_is_climbed_down_and_up_on_the_record() {
    let mut live = Live::new(GRANTED);
    assert_eq!(live.run(40, HOG), Raw);
    assert_eq!(live.run(300, CALM), Sketches);
    let all = "smart+sketch top 20 every 2000 ms";
    let (smart, raw) = ("smart top 20 every 2000 ms", "raw top 20 every 2000 ms");
    assert_eq!(
        live.recorded(),
        [
            "over-cpu".to_owned(),
            format!("permitted set-telemetry to {smart}"),
            format!("telemetry {all} -> {smart}"),
            // Not enough: the next step, from what was asked for.
            format!("Unmet: telemetry {smart} -> {all}"),
            format!("permitted set-telemetry to {raw}"),
            format!("telemetry {all} -> {raw}"),
            format!("Met: telemetry {raw} -> {all}"),
            format!("permitted set-telemetry to {smart}"),
            format!("telemetry {all} -> {smart}"),
            format!("Met: telemetry {smart} -> {all}"),
        ]
    );
    let steps: Vec<_> = live
        .events
        .lock()
        .unwrap()
        .iter()
        .map(|event| (event.state_from(), event.state_to()))
        .collect();
    let (a, b, c) = (State::Sketches, State::Smart, State::Raw);
    assert_eq!(steps, [(a, b), (b, c), (c, b), (b, a)]);
}

#[test]
fn where_nothing_is_granted_it_only_says_so() {
    let mut live = Live::new("");
    assert_eq!(live.run(100, HOG), Sketches);
    assert_eq!(live.recorded(), ["over-cpu", "Observed"]);
    assert!(live.events.lock().unwrap().is_empty());
}

#[test]
fn with_the_cooldown_of_a_common_policy_a_step_comes_later_and_no_step_is_lost() {
    let mut live = Live::new("[autonomy]\n\"surveyor.set-telemetry\" = \"act\"");
    assert_eq!(live.run(4, HOG), Smart);
    assert_eq!(live.run(30, HOG), Sketches, "put back for the next step, which has to wait");
    assert_eq!(live.run(32, HOG), Raw);
    assert_eq!(live.run(600, CALM), Sketches);
}

#[test]
fn an_agent_that_ends_puts_back_what_was_asked_for() {
    let mut live = Live::new(GRANTED);
    assert_eq!(live.run(4, HOG), Smart);
    live.agent.finish(live.now);
    assert_eq!(live.cell.get(), Telemetry::default());
}

#[test]
fn what_stays_over_its_limit_stays_down_beyond_the_longest_hold() {
    let mut live = Live::new(GRANTED);
    live.run(200, HOG);
    assert_eq!(live.cell.get().level, Heartbeat);
    let mut up = 0;
    for _ in 0..4_000 {
        up += u64::from(live.run(1, HOG) != Heartbeat);
    }
    // Every 15 min the agent puts it back, and the ladder sees at once that it was needed.
    assert!((1..=8).contains(&up), "{up} s");
}

#[test]
fn what_an_operator_set_in_the_cell_is_not_overwritten() {
    let mut live = Live::new(GRANTED);
    assert_eq!(live.run(4, HOG), Smart);
    let theirs = Telemetry { level: Raw, top: 7, ..Telemetry::default() };
    live.cell.set(theirs);
    live.run(400, HOG);
    assert_eq!(live.cell.get(), theirs);
    assert!(live.recorded().iter().any(|line| line.starts_with("Yielded: ")));
}
