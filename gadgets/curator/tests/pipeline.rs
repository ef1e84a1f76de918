//! Lines in, redacted lines out; a format that no rule knows is learned, adopted and hidden by a rule.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::time::Duration;

use gadget_actions::Linux;
use gadget_core::{
    Agent, Entry, HostFacts, Ledger, LogBatch, LogFlags, LogMeta, LogSource, LogSources,
    ManualClock, Policy, Reading, RuleState, RuleStates, Signal, SourceId, Step, Subject,
    Timestamp,
};
use gadget_curator::learn::RuleBook;
use gadget_curator::{Curator, Entity, Labeller, POLICY, Pipeline, PipelineSettings, Scanner};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn meta(source: SourceId, at: Timestamp) -> LogMeta {
    LogMeta { source, at, written: None, severity: None, flags: LogFlags::default() }
}

struct Host {
    pipeline: Pipeline,
    states: RuleStates,
    sources: LogSources,
    at: Timestamp,
}

impl Host {
    /// One whose rules know every kind of value but names, so that all there is to know of those is learned.
    fn new(book: RuleBook) -> Self {
        let (states, sources) = (RuleStates::default(), LogSources::default());
        let kinds: Vec<Entity> =
            Entity::ALL.iter().copied().filter(|kind| *kind != Entity::Name).collect();
        let scanner = Scanner::new().only(&kinds);
        let held = (states.clone(), book);
        // Below what it was found to need for few false alarms: what is tested here is what becomes of what it finds.
        let labeller = Labeller::shipped().with_threshold(0.9);
        let pipeline =
            Pipeline::new(PipelineSettings::default(), scanner, labeller, held, sources.clone());
        Self { pipeline, states, sources, at: START }
    }

    fn redact(&mut self, service: &str, lines: &[impl AsRef<str>]) -> Vec<String> {
        let source = self.sources.id(&LogSource {
            service: service.into(),
            origin: "stdin".into(),
            container: None,
        });
        let (mut batch, mut out) = (LogBatch::default(), LogBatch::default());
        for line in lines {
            self.at = self.at + Duration::from_millis(100);
            batch.push(meta(source, self.at), line.as_ref().as_bytes());
        }
        self.pipeline.redact(&batch, &mut out);
        out.iter().map(|(_, text)| String::from_utf8(text.to_vec()).unwrap()).collect()
    }
}

#[test]
fn values_are_hidden_and_all_else_is_as_it_was() {
    let mut host = Host::new(RuleBook::default());
    let lines = ["gc took 17 ms", "user ann@example.com logged in", "ssn: 123-45-6789", ""];
    let out = host.redact("api", &lines);
    assert_eq!(out[0], lines[0]);
    assert_eq!(out[1], "user ***@example.com logged in");
    assert_eq!(out[2], "ssn: [SSN_REDACTED]");
    assert_eq!(out[3], "");
    let counts = host.pipeline.counts();
    assert_eq!((counts.lines, counts.redacted, counts.by_rules), (4, 2, 2));
    let leaks = host.pipeline.report().leaks();
    let kinds: Vec<Entity> = leaks.iter().map(|leak| leak.entity).collect();
    assert_eq!(kinds, [Entity::Email, Entity::Ssn]);
    assert!(!format!("{leaks:?}").contains("ann@") && !format!("{leaks:?}").contains("6789"));
    assert!(!format!("{:?}", host.pipeline).contains("ann"));
}

#[test]
fn lines_that_are_redacted_say_so_and_what_was_lost_stays_counted() {
    let mut host = Host::new(RuleBook::default());
    let (mut batch, mut out) = (LogBatch::default(), LogBatch::default());
    batch.lost = 3;
    batch.push(meta(SourceId::OTHER, START), b"ssn: 123-45-6789");
    batch.push(meta(SourceId::OTHER, START), b"nothing");
    host.pipeline.redact(&batch, &mut out);
    let flags: Vec<bool> =
        out.lines().iter().map(|line| line.meta.flags.has(LogFlags::REDACTED)).collect();
    assert_eq!((flags, out.lost), (vec![true, false], 3));
}

#[test]
fn a_key_is_hidden_in_each_of_its_lines_and_what_others_log_meanwhile_is_read_as_ever() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let lines = [
        (1, "begin"),
        (1, "-----BEGIN PRIVATE KEY-----"),
        (1, body),
        (2, "user ann@example.com logged in"),
        (1, body),
        (1, "-----END PRIVATE KEY-----"),
        (1, "end ssn: 123-45-6789"),
    ];
    for at_a_time in [1, 2, lines.len()] {
        let mut host = Host::new(RuleBook::default());
        let source = |nth: i32| {
            let (service, origin) = (nth.to_string().into(), "stdin".into());
            host.sources.id(&LogSource { service, origin, container: None })
        };
        let mut out = LogBatch::default();
        for lines in lines.chunks(at_a_time) {
            let mut batch = LogBatch::default();
            for (of, line) in lines {
                batch.push(meta(source(*of), START), line.as_bytes());
            }
            host.pipeline.redact(&batch, &mut out);
        }
        let texts: Vec<&str> =
            out.iter().map(|(_, text)| std::str::from_utf8(text).unwrap()).collect();
        let key = "[PRIVATE_KEY_REDACTED]";
        let (other, end) = ("user ***@example.com logged in", "end ssn: [SSN_REDACTED]");
        assert_eq!(texts, ["begin", key, key, other, key, key, end], "{at_a_time} at a time");
    }
}

const GIVEN: [&str; 12] = [
    "Maria", "James", "Olivia", "Peter", "Sophie", "Daniel", "Laura", "Thomas", "Emma", "Robert",
    "Julia", "Michael",
];
const FAMILY: [&str; 11] = [
    "Johnson", "Miller", "Garcia", "Wilson", "Anderson", "Taylor", "Moore", "Jackson", "Martin",
    "Thompson", "White",
];

/// The nth line of a service that writes names behind a key that is no rule's.
fn leaking(nth: usize) -> String {
    let (given, family) = (GIVEN[nth % GIVEN.len()], FAMILY[nth % FAMILY.len()]);
    format!("claim {nth} opened claimant: {given} {family}, amount {}.50 EUR", nth * 7)
}

fn name_of(nth: usize) -> String {
    format!("{} {}", GIVEN[nth % GIVEN.len()], FAMILY[nth % FAMILY.len()])
}

/// Lines without a value.
fn clean(nth: usize) -> Vec<String> {
    (0..10)
        .map(|i| format!("worker {i} took job {nth} of queue default in {} ms", nth * 3 + i))
        .collect()
}

/// Runs lines through a host and what it says of its rules through an agent; how many of the last lines leaked.
fn run(host: &mut Host, agent: &mut Agent, lines: std::ops::Range<usize>) -> usize {
    let mut leaked = 0;
    for nth in lines.clone() {
        let out = host.redact("claims", &[leaking(nth)]);
        leaked += usize::from(nth + 50 >= lines.end && out[0].contains(&name_of(nth)));
        host.redact("claims", &clean(nth));
        if nth % 50 == 49 {
            tell(host, agent);
        }
    }
    leaked
}

fn tell(host: &mut Host, agent: &mut Agent) {
    let at = host.at;
    let reports = host.pipeline.rule_reports(at);
    let signal = |report| Signal {
        at,
        subject: Subject::Agent,
        reading: Reading::RuleReport(Box::new(report)),
    };
    let signals: Vec<Signal> = reports.into_iter().map(signal).collect();
    agent.step(&signals, at);
}

fn facts() -> HostFacts {
    HostFacts { boot_id: "b".into(), kernel: "6.12".into(), agent_pid: 9, cpus: 2 }
}

fn agent(host: &Host, policy: &str, dir: &std::path::Path) -> Agent {
    Agent::builder()
        .host(facts())
        .clock(ManualClock::at(host.at))
        .replaying()
        .gadget(Curator::default())
        .policy(Policy::from_toml(policy).unwrap())
        .ledger(Ledger::open(dir, &facts(), host.at).unwrap())
        .actions(Linux::builder().learned_rules(host.states.clone()).build())
        .build()
        .unwrap()
}

/// The rules that were put in a state, by the ledger.
fn steps(dir: &std::path::Path) -> Vec<(u32, RuleState)> {
    let records = Ledger::read(dir).map(|record| record.unwrap());
    let step = |entry| match entry {
        Entry::Intended { plan, .. } => match plan.step {
            Step::SetRule { rule, to } => Some((rule, to)),
            _ => None,
        },
        _ => None,
    };
    records.filter_map(|record| step(record.entry)).collect()
}

#[test]
fn a_format_that_no_rule_knows_is_learned_adopted_and_kept_and_can_be_retired() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, rules) = (dir.path().join("ledger"), dir.path().join("rules.json"));
    let mut host = Host::new(RuleBook::default());
    let mut agent = agent(&host, POLICY, &ledger);
    let leaked = run(&mut host, &mut agent, 0..300);
    assert_eq!(leaked, 0, "{:#?}", host.pipeline.learner().rules().collect::<Vec<_>>());
    let adopted: Vec<u32> = host.states.all_in(RuleState::Adopted);
    let [rule] = adopted[..] else { panic!("{adopted:?}") };
    assert_eq!(steps(&ledger), [(rule, RuleState::Adopted)]);
    assert!(host.pipeline.counts().by_learned > 0);
    let counts = host.pipeline.counts();
    assert!(counts.asked <= 256 + counts.lines / 100, "{counts:?}");

    host.pipeline.unsaved().unwrap().save(&rules).unwrap();
    let text = std::fs::read_to_string(&rules).unwrap();
    let shown = String::from_utf8_lossy(&std::fs::read(&rules).unwrap()).into_owned();
    for word in GIVEN.iter().chain(&FAMILY) {
        assert!(!text.contains(word) && !shown.contains(word), "{word}");
    }

    // A new start knows it at the first line.
    let mut again = Host::new(RuleBook::load(&rules).unwrap());
    let out = again.redact("claims", &[leaking(7)]);
    assert_eq!(out[0], "claim 7 opened claimant: [NAME_REDACTED], amount 49.50 EUR");
    assert_eq!(again.pipeline.counts().by_learned, 1);

    // An operator retires it.
    host.states.set(rule, RuleState::Retired);
    host.redact("claims", &[leaking(8)]);
    let before = host.pipeline.counts().by_learned;
    host.redact("claims", &[leaking(9)]);
    assert_eq!(host.pipeline.counts().by_learned, before);
}

#[test]
fn without_a_policy_that_says_so_nothing_learned_is_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let mut host = Host::new(RuleBook::default());
    let mut agent = agent(&host, "", dir.path());
    run(&mut host, &mut agent, 0..200);
    assert!(host.states.all_in(RuleState::Adopted).is_empty());
    assert!(!host.states.all_in(RuleState::Trial).is_empty(), "it is tried");
    assert_eq!(host.pipeline.counts().by_learned, 0);
}
