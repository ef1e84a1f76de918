//! The same signals give the same ledger, byte for byte.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::path::Path;
use std::time::Duration;

use gadget_core::{
    Agent, HostFacts, Ledger, ManualClock, Policy, Reading, Recorder, Recording, Rehearsal,
    RuleReport, RuleState, Signal, Subject, Timestamp, replay,
};
use gadget_curator::{Curator, POLICY};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn facts() -> HostFacts {
    HostFacts { boot_id: "b".into(), kernel: "6.12".into(), agent_pid: 9, cpus: 2 }
}

fn agent(ledger: &Path) -> Agent {
    Agent::builder()
        .replaying()
        .host(facts())
        .clock(ManualClock::default())
        .gadget(Curator::default())
        .policy(Policy::from_toml(POLICY).unwrap())
        .actions(Rehearsal)
        .ledger(Ledger::open(ledger, &facts(), Timestamp::EPOCH).unwrap())
        .build()
        .unwrap()
}

/// Three rules: one stands its trial and then touches clean lines, one fails, one expires.
fn reports(second: u64) -> Vec<Signal> {
    let at = START + Duration::from_secs(second);
    let report = |rule: u32, agreed, lookalikes, days: u64, adopted: u64| RuleReport {
        rule,
        finds: "name".into(),
        text: format!("after \"key {rule}\": upper lower{{2,20}}").into(),
        state: if second > adopted { RuleState::Adopted } else { RuleState::Trial },
        agreed,
        disagreed: lookalikes,
        lines: second * 100,
        lookalikes,
        worst: 900,
        since: START,
        expires: START + Duration::from_secs(days * 24 * 3600),
    };
    let reports = [
        report(1, second / 2, second.saturating_sub(200), 7, 20),
        report(2, second / 3, second / 40, 7, u64::MAX),
        report(3, second, 0, 0, 0),
    ];
    let signal = |report| Signal {
        at,
        subject: Subject::Agent,
        reading: Reading::RuleReport(Box::new(report)),
    };
    reports.into_iter().map(signal).collect()
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_same_recording_gives_the_same_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("rules.recording");
    {
        let mut live = Agent::builder()
            .replaying()
            .host(facts())
            .clock(ManualClock::at(START))
            .gadget(Curator::default())
            .recorder(Recorder::create(&recording, &facts()).unwrap())
            .build()
            .unwrap();
        for second in (0..300).step_by(10) {
            live.step(&reports(second), START + Duration::from_secs(second));
        }
        live.finish(START + Duration::from_secs(300));
    }
    let ledgers = ["one", "two"].map(|name| {
        let ledger = dir.path().join(name);
        let mut agent = agent(&ledger);
        let summary = replay(Recording::open(&recording).unwrap(), &mut agent).unwrap();
        assert!(summary.done >= 3, "adopted, and both retired: {summary:?}");
        agent.finish(START + Duration::from_secs(300));
        drop(agent);
        files(&ledger)
    });
    assert!(!ledgers[0].is_empty());
    assert_eq!(ledgers[0], ledgers[1]);
}
