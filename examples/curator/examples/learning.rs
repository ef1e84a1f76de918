//! How much is hidden of formats that no rule knows, once they were seen: `cargo run --release -p curator --example learning`.
//!
//! Each family of the shared corpus is a stream of its own, among untouched real lines, with every built-in rule off, so that nothing is
//! known of it: what the labeller finds within its budget is learned, tried and adopted by an agent, as in the program. Three quarters
//! of a family are for learning, repeated up to 2,000 lines; of the last quarter is measured what is hidden. `--with-rules` leaves the
//! built-in rules on, `--rules` prints what was learned.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use gadget_actions::Linux;
use gadget_core::{
    Agent, HostFacts, LogBatch, LogFlags, LogMeta, LogSource, LogSources, ManualClock, Policy,
    Reading, RuleState, RuleStates, Signal, SourceId, Subject, Timestamp,
};
use gadget_curator::learn::RuleBook;
use gadget_curator::scan::Learned;
use gadget_curator::{Curator, Labeller, POLICY, Pipeline, PipelineSettings, Scanner};
use gadget_curator_train::{Labelled, Place, Tally, data, families, read};

/// A family has at least so many lines.
const LEAST: usize = 80;
/// Lines of a family that are learned from.
const LINES: usize = 2_000;
/// Real lines without a value between two of them.
const BETWEEN: usize = 19;
/// Lines after which the agent hears how rules do.
const TOLD: usize = 1_000;

struct Host {
    pipeline: Pipeline,
    states: RuleStates,
    agent: Agent,
    source: SourceId,
    at: Timestamp,
    batch: LogBatch,
    out: LogBatch,
    lines: usize,
}

impl Host {
    fn new(with_rules: bool) -> anyhow::Result<Self> {
        let (states, sources) = (RuleStates::default(), LogSources::default());
        let at = Timestamp::from_secs(1_800_000_000);
        let source = LogSource { service: "app".into(), origin: "app.log".into(), container: None };
        let source = sources.id(&source);
        let held = (states.clone(), RuleBook::default());
        let scanner = if with_rules { Scanner::new() } else { Scanner::new().only(&[]) };
        let pipeline =
            Pipeline::new(PipelineSettings::default(), scanner, Labeller::shipped(), held, sources);
        let facts = HostFacts { boot_id: "b".into(), kernel: "6.12".into(), agent_pid: 9, cpus: 2 };
        let agent = Agent::builder()
            .host(facts)
            .clock(ManualClock::at(at))
            .replaying()
            .gadget(Curator::default())
            .policy(Policy::from_toml(POLICY)?)
            .actions(Linux::builder().learned_rules(states.clone()).build())
            .build()?;
        let (batch, out) = (LogBatch::default(), LogBatch::default());
        Ok(Self { pipeline, states, agent, source, at, batch, out, lines: 0 })
    }

    /// What is hidden of a line.
    fn line(&mut self, text: &str) -> Vec<Range<usize>> {
        self.at = self.at + Duration::from_millis(50);
        let (source, at) = (self.source, self.at);
        self.batch.clear();
        self.out.clear();
        let meta =
            LogMeta { source, at, written: None, severity: None, flags: LogFlags::default() };
        self.batch.push(meta, text.as_bytes());
        let mut hidden = Vec::new();
        self.pipeline.redact_and_tell(&self.batch, &mut self.out, |_, replaced| {
            hidden.extend(replaced.iter().map(|it| it.from.start as usize..it.from.end as usize));
        });
        self.lines += 1;
        if self.lines.is_multiple_of(TOLD) {
            let signal = |report| Signal {
                at,
                subject: Subject::Agent,
                reading: Reading::RuleReport(Box::new(report)),
            };
            let signals: Vec<Signal> =
                self.pipeline.rule_reports(at).into_iter().map(signal).collect();
            self.agent.step(&signals, at);
        }
        hidden
    }
}

fn tally(line: &Labelled, hidden: &[Range<usize>]) -> Tally {
    let of = |places: &[Place]| places.iter().map(Place::range).collect::<Vec<_>>();
    Tally::of(line.text.as_bytes(), &of(&line.spans), &of(&line.ignore), hidden)
}

fn main() -> anyhow::Result<()> {
    let folder = data().join("pii");
    let (Some(lines), Some(plain)) =
        (read(&folder.join("pii_dev.jsonl"))?, read(&folder.join("plain_dev.jsonl"))?)
    else {
        println!("SKIPPED the shared corpus: it is not where GADGET_DATA says");
        return Ok(());
    };
    let mut by_family: BTreeMap<String, Vec<&Labelled>> = BTreeMap::new();
    for (name, line) in
        families(&lines, LEAST).into_iter().zip(&lines).filter(|(_, line)| !line.spans.is_empty())
    {
        by_family.entry(name).or_default().push(line);
    }
    println!(
        "| family | lines | labeller on every line | before | after | rules | clean lines touched |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut all = [Tally::default(); 3];
    let (mut reached, mut touched, mut clean) = (0, 0, plain.iter().cycle());
    for (name, lines) in &by_family {
        let (learned_from, measured) = lines.split_at(lines.len() * 3 / 4);
        let mut host = Host::new(std::env::args().any(|arg| arg == "--with-rules"))?;
        let mut labeller = Labeller::shipped();
        let mut tallies = [Tally::default(); 3];
        for line in measured {
            let mut spans = Vec::new();
            labeller.label(line.text.as_bytes(), &mut spans);
            tallies[0] +=
                tally(line, &spans.iter().map(gadget_curator::Span::range).collect::<Vec<_>>());
        }
        for (nth, line) in learned_from.iter().cycle().take(LINES).enumerate() {
            let hidden = host.line(&line.text);
            if nth < measured.len() {
                tallies[1] += tally(line, &hidden);
            }
            for line in clean.by_ref().take(BETWEEN) {
                host.line(&line.text);
            }
        }
        for line in measured {
            let hidden = host.line(&line.text);
            tallies[2] += tally(line, &hidden);
        }
        let adopted = host.states.all_in(RuleState::Adopted);
        let rules: Vec<_> = host
            .pipeline
            .learner()
            .rules()
            .filter(|rule| rule.state == RuleState::Adopted)
            .collect();
        let learned = Learned::new(&rules.iter().map(|rule| rule.compiled()).collect::<Vec<_>>());
        let mut spans = Vec::new();
        let touches = plain.iter().filter(|line| {
            spans.clear();
            learned.scan(line.text.as_bytes(), &mut spans);
            let hidden: Vec<_> = spans.iter().map(gadget_curator::Span::range).collect();
            tally(line, &hidden).alarms > 0
        });
        let touches = touches.count();
        let [ceiling, before, after] = tallies.map(|tally| tally.hidden_share().unwrap_or(1.0));
        println!(
            "| {name} | {} | {ceiling:.3} | {before:.3} | {after:.3} | {} | {touches} |",
            learned_from.len(),
            adopted.len()
        );
        if std::env::args().any(|arg| arg == "--rules") {
            for rule in host.pipeline.learner().rules() {
                println!("  {} {rule} {:?}", rule.state, rule.tally);
            }
            println!("  {:?} {:?}", host.pipeline.learner().counts(), host.pipeline.counts());
        }
        reached += usize::from(after >= 0.9);
        touched += touches;
        for (sum, tally) in all.iter_mut().zip(tallies) {
            *sum += tally;
        }
    }
    let [ceiling, before, after] = all.map(|tally| tally.hidden_share().unwrap_or(1.0));
    println!("| all | {} | {ceiling:.3} | {before:.3} | {after:.3} | | {touched} |", all[2].lines);
    println!(
        "\n{reached} of {} families reach 0.9; adopted rules touch {touched} untouched real lines",
        by_family.len()
    );
    Ok(())
}
