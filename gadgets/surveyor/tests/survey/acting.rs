//! In an agent, with the policy that the gadget brings: what it says and does is on record.

use std::sync::Arc;

use gadget_core::{
    Agent, Entry, ManualClock, ModuleUse, Policy, Reading, SettingsText, Signal, Subject,
    TelemetryCell, TelemetryLevel, Timestamp,
};
use gadget_envelope::{Envelope, Outbox, State};
use gadget_surveyor::{POLICY, Surveyor};

use crate::host::{census, facts, identity, ms, row};

struct Live {
    agent: Agent,
    cell: TelemetryCell,
    outbox: Outbox,
    now: Timestamp,
    scans: u64,
}

impl Live {
    fn new() -> Self {
        let (cell, outbox) = (TelemetryCell::default(), Outbox::new(10_000));
        let surveyor = Surveyor::builder()
            .telemetry(cell.clone())
            .outbox(outbox.clone())
            .identity(identity())
            .build()
            .unwrap();
        let agent = Agent::builder()
            .replaying()
            .host(facts())
            .gadget(surveyor)
            .clock(ManualClock::default())
            .actions(gadget_actions::Linux::builder().telemetry(cell.clone()).build())
            .policy(Policy::from_toml(POLICY).unwrap())
            .build()
            .unwrap();
        Self { agent, cell, outbox, now: Timestamp::from_secs(1_000), scans: 0 }
    }

    /// Two seconds, with a scan; the agent uses so many percent of a core.
    fn scan(&mut self, percent: u64) {
        self.now = self.now + ms(2_000);
        self.scans += 1;
        let rows = (1..60).map(|pid| {
            let user = ms(self.scans * u64::from(pid));
            gadget_core::CensusRow { user, ..row(pid, "w") }
        });
        let census = census(ms(self.scans * 2_000), rows.collect());
        let used = ModuleUse {
            module: ModuleUse::WHOLE.into(),
            cpu: ms(percent * 100),
            over: ms(10_000),
            memory: None,
            fds: None,
            silent: None,
        };
        let readings = [
            (Subject::Host, Reading::Census(Arc::new(census))),
            (Subject::Agent, Reading::ModuleUse(Box::new(used))),
        ];
        let signals = readings.map(|(subject, reading)| Signal { at: self.now, subject, reading });
        self.agent.step(&signals, self.now);
    }

    fn set(&mut self, text: &str) {
        let text = SettingsText {
            gadget: "surveyor".into(),
            from: "control socket, uid 0".into(),
            text: text.into(),
        };
        let reading = Reading::Settings(Box::new(text));
        self.agent.step(&[Signal { at: self.now, subject: Subject::Agent, reading }], self.now);
    }

    /// What is on record of what was said: class and statement.
    fn said(&self) -> Vec<(String, String)> {
        let records = self.agent.ledger().records().map(|record| record.unwrap().entry);
        let said = records.filter_map(|entry| match entry {
            Entry::Assessed(it) => {
                Some((it.class.to_string(), it.statement.as_deref().unwrap_or("").to_owned()))
            }
            _ => None,
        });
        said.collect()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.outbox.drain(|envelope| envelope.encode_to(&mut bytes));
        bytes
    }
}

#[test]
fn every_setting_and_every_change_of_what_is_sent_is_a_record() {
    let mut live = Live::new();
    live.scan(0);
    live.set("[telemetry]\nlevel = \"raw\"");
    live.scan(0);
    live.set("[telemetry]\nlevel = \"rwa\"");
    live.set("[telemetry]\nlevel = \"rwa\"");
    live.set("[telemetry]\nlevel = \"bypass\"");
    live.scan(0);
    let (all, raw, bypass) = (
        "smart+sketch top 20 every 2000 ms",
        "raw top 20 every 2000 ms",
        "bypass top 20 every 2000 ms",
    );
    let said = live.said();
    let classes: Vec<_> = said.iter().map(|(class, _)| class.as_str()).collect();
    assert_eq!(
        classes,
        [
            "telemetry",
            "settings",
            "telemetry",
            "settings-refused",
            "settings-refused",
            "settings",
            "telemetry"
        ]
    );
    let statements: Vec<_> =
        said.iter().filter(|(class, _)| class == "telemetry").map(|(_, it)| it.clone()).collect();
    assert_eq!(
        statements,
        [all.to_owned(), format!("{all} -> {raw}"), format!("{raw} -> {bypass}")]
    );
}

#[test]
fn over_its_limits_it_sends_less_and_says_so_in_every_way() {
    let mut live = Live::new();
    for _ in 0..20 {
        live.scan(0);
    }
    for _ in 0..10 {
        live.scan(50);
    }
    assert_eq!(live.cell.get().level, TelemetryLevel::Smart);
    let changes = live.said().iter().filter(|(class, _)| class == "telemetry").count();
    assert_eq!(changes, 2);
    let (mut degraded, mut steps) = (0, Vec::new());
    live.outbox.drain(|envelope| match envelope {
        Envelope::Process(it) => degraded = it.degradation_level,
        Envelope::Diag(it) if it.event_type == "step_down" => {
            steps.push((it.state_from(), it.state_to()));
        }
        _ => {}
    });
    assert_eq!((degraded, steps), (1, vec![(State::Sketches, State::Smart)]));
    for _ in 0..100 {
        live.scan(0);
    }
    assert_eq!(live.cell.get().level, TelemetryLevel::Sketches);
}

#[test]
fn what_an_operator_asks_for_holds_also_while_less_is_sent() {
    let mut live = Live::new();
    for _ in 0..20 {
        live.scan(0);
    }
    for _ in 0..6 {
        live.scan(50);
    }
    assert_eq!(live.cell.get().level, TelemetryLevel::Smart);
    live.set("[telemetry]\ntop = 7");
    for _ in 0..60 {
        live.scan(0);
    }
    assert_eq!(live.cell.get().to_string(), "smart+sketch top 7 every 2000 ms");
}

#[test]
fn two_runs_are_the_same_to_the_byte() {
    let run = || {
        let mut live = Live::new();
        for scan in 0..40 {
            live.scan(if scan % 9 > 4 { 50 } else { 0 });
        }
        live.bytes()
    };
    let first = run();
    assert!(first.len() > 10_000);
    assert!(first == run());
}
