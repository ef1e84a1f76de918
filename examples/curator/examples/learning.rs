//! How much is hidden of formats that nothing knows, once they were seen: `cargo run --release -p curator --example learning`.
//!
//! A family is a stream of its own among untouched real lines, through the pipeline and an agent as in the program: what the labeller
//! finds within its budget is learned, tried and adopted under policy. It is measured twice: as shipped, with the built-in rules on and
//! learned rules on top, and with every built-in rule off, so that what is hidden was found by the labeller or learned.
//!
//! - Families of the shared corpus, which the labeller was not trained on: three quarters are learned from, repeated up to 2,000
//!   lines; of the last quarter is measured what is hidden.
//! - Families of the generator, each with a model that was trained without it: a service with ten statements of the family, whose
//!   texts stay and whose values change from line to line; 2,000 lines to learn from, 500 others to measure.
//!
//! `--rules` prints what was learned, `--only NAME` measures families whose name has it, `--corpus` and `--generator` one part alone.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use gadget_actions::Linux;
use gadget_core::{
    Agent, HostFacts, LogBatch, LogFlags, LogMeta, LogSource, LogSources, ManualClock, Policy,
    Reading, RuleState, RuleStates, Signal, SourceId, Subject, Timestamp,
};
use gadget_curator::learn::{Rule, RuleBook};
use gadget_curator::scan::Learned;
use gadget_curator::{Curator, Entity, Labeller, POLICY, Pipeline, PipelineSettings, Scanner};
use gadget_curator_train::{
    Draw, FOLDS, Generator, Line, Place, Rng, Sort, Tally, Training, data, families, read, train,
};

/// A family of the corpus has at least so many lines.
const LEAST: usize = 80;
/// Lines of a family that are learned from, and those of the generator that are measured.
const LINES: (usize, usize) = (2_000, 500);
/// Real lines without a value between two of them.
const BETWEEN: usize = 19;
/// Lines after which the agent hears how rules do: ten seconds' worth.
const TOLD: usize = 200;
/// Statements of a service.
const STATEMENTS: usize = 10;
/// Lines that a model is trained on that leaves families out, as for the quality table.
const TRAINED: usize = 40_000;
/// Made-up clean lines that adopted rules are tried on.
const CLEAN: usize = 20_000;

/// A line, and what in it is a value.
#[derive(Clone)]
struct Sample {
    text: Vec<u8>,
    values: Vec<Range<usize>>,
    ignored: Vec<Range<usize>>,
}

impl Sample {
    fn tally(&self, hidden: &[Range<usize>]) -> Tally {
        Tally::of(&self.text, &self.values, &self.ignored, hidden)
    }
}

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
    fn new(rules: bool, labeller: Labeller) -> anyhow::Result<Self> {
        let (states, sources) = (RuleStates::default(), LogSources::default());
        let at = Timestamp::from_secs(1_800_000_000);
        let source = LogSource { service: "app".into(), origin: "app.log".into(), container: None };
        let source = sources.id(&source);
        let held = (states.clone(), RuleBook::default());
        let scanner = if rules { Scanner::new() } else { Scanner::new().only(&[]) };
        let pipeline = Pipeline::new(PipelineSettings::default(), scanner, labeller, held, sources);
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
    fn line(&mut self, text: &[u8]) -> Vec<Range<usize>> {
        self.at = self.at + Duration::from_millis(50);
        let (source, at) = (self.source, self.at);
        self.batch.clear();
        self.out.clear();
        let meta =
            LogMeta { source, at, written: None, severity: None, flags: LogFlags::default() };
        self.batch.push(meta, text);
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

/// A family: what is learned from, and what is measured.
struct Family {
    name: String,
    learned_from: Vec<Sample>,
    measured: Vec<Sample>,
    /// A model that does not know it; none for the shipped one.
    model: Option<Arc<[u8]>>,
}

impl Family {
    fn labeller(&self) -> anyhow::Result<Labeller> {
        Ok(match &self.model {
            Some(model) => Labeller::from_bytes(model)?,
            None => Labeller::shipped(),
        })
    }
}

/// Clean lines: those that are between the lines of families, and those that adopted rules are tried on.
struct Clean {
    between: Vec<Vec<u8>>,
    tried: Vec<Sample>,
}

/// Families measured together.
#[derive(Default)]
struct Sum {
    tallies: [Tally; 3],
    families: usize,
    reached: usize,
    rules: usize,
    touched: usize,
}

impl Sum {
    fn add(&mut self, family: &Family, clean: &Clean, rules: bool) -> anyhow::Result<()> {
        let mut host = Host::new(rules, family.labeller()?)?;
        let (mut labeller, mut tallies) = (family.labeller()?, [Tally::default(); 3]);
        let scanner = if rules { Scanner::new() } else { Scanner::new().only(&[]) };
        for line in &family.measured {
            let mut spans = Vec::new();
            scanner.scan(&line.text, &mut spans);
            labeller.label(&line.text, &mut spans);
            let mut found: Vec<_> = spans.iter().map(gadget_curator::Span::range).collect();
            found.sort_by_key(|range| range.start);
            tallies[0] += line.tally(&found);
        }
        let (mut between, mut asked) = (clean.between.iter().cycle(), 0);
        for (nth, line) in family.learned_from.iter().enumerate() {
            let before = host.pipeline.counts().asked;
            let hidden = host.line(&line.text);
            asked += host.pipeline.counts().asked - before;
            if nth < family.measured.len() {
                tallies[1] += line.tally(&hidden);
            }
            between.by_ref().take(BETWEEN).for_each(|line| drop(host.line(line)));
        }
        for line in &family.measured {
            tallies[2] += line.tally(&host.line(&line.text));
        }
        let adopted: Vec<_> = host
            .pipeline
            .learner()
            .rules()
            .filter(|rule| host.states.get(rule.id) == Some(RuleState::Adopted))
            .cloned()
            .collect();
        let learned = Learned::new(&adopted.iter().map(Rule::compiled).collect::<Vec<_>>());
        let mut spans = Vec::new();
        let print = std::env::args().any(|arg| arg == "--rules");
        let touches = clean.tried.iter().filter(|line| {
            spans.clear();
            learned.scan(&line.text, &mut spans);
            let hidden: Vec<_> = spans.iter().map(gadget_curator::Span::range).collect();
            let alarm = line.tally(&hidden).alarms > 0;
            if alarm && print {
                println!("  touches {:?} {hidden:?}", String::from_utf8_lossy(&line.text));
            }
            alarm
        });
        let touches = touches.count();
        let [ceiling, before, after] = tallies.map(|tally| tally.hidden_share().unwrap_or(1.0));
        println!(
            "| `{}` | {asked} | {ceiling:.3} | {before:.3} | {after:.3} | {} | {touches} |",
            family.name.trim().replace('|', "\\|").replace('`', "'"),
            adopted.len()
        );
        if print {
            for rule in host.pipeline.learner().rules() {
                println!("  {} {rule} {:?} {:?}", rule.state, rule.entity, rule.tally);
            }
            println!("  {:?} {:?}", host.pipeline.learner().counts(), host.pipeline.counts());
            for line in family.measured.iter().take(100) {
                let hidden = host.line(&line.text);
                if line.tally(&hidden).hidden < line.values.len() {
                    let text = String::from_utf8_lossy(&line.text);
                    println!("  missed in {text:?} {:?} {hidden:?}", line.values);
                }
            }
        }
        self.families += 1;
        self.reached += usize::from(after >= 0.9);
        self.rules += adopted.len();
        self.touched += touches;
        self.tallies.iter_mut().zip(tallies).for_each(|(sum, tally)| *sum += tally);
        Ok(())
    }

    /// All of `families`, with the built-in rules or without.
    fn measure(
        title: &str,
        families: &[Family],
        clean: &Clean,
        rules: bool,
    ) -> anyhow::Result<String> {
        let with = if rules { "as shipped" } else { "built-in rules off" };
        println!("\n## {title}, {with}\n");
        println!(
            "| family | lines labelled | labelling every line | before | after | rules | clean lines touched |\n|---|---|---|---|---|---|---|"
        );
        let mut sum = Self::default();
        families.iter().try_for_each(|family| sum.add(family, clean, rules))?;
        let [ceiling, before, after] = sum.tallies.map(|tally| tally.hidden_share().unwrap_or(1.0));
        Ok(format!(
            "| {title}, {with} | {ceiling:.3} | {before:.3} | {after:.3} | {} of {} | {} | {} of {} |",
            sum.reached,
            sum.families,
            sum.rules,
            sum.touched,
            sum.families * clean.tried.len()
        ))
    }
}

/// The families of the shared corpus; `None` where it is not there.
fn of_corpus(wanted: impl Fn(&str) -> bool) -> anyhow::Result<Option<Vec<Family>>> {
    let Some(lines) = read(&data().join("pii/pii_dev.jsonl"))? else { return Ok(None) };
    let mut by_name: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for (name, line) in families(&lines, LEAST).into_iter().zip(&lines) {
        if !line.spans.is_empty() && wanted(&name) {
            let of = |places: &[Place]| places.iter().map(Place::range).collect();
            let (text, values) = (line.text.clone().into_bytes(), of(&line.spans));
            let sample = Sample { text, values, ignored: of(&line.ignore) };
            by_name.entry(name).or_default().push(sample);
        }
    }
    let family = |(name, lines): (String, Vec<Sample>)| {
        let (first, last) = lines.split_at(lines.len() * 3 / 4);
        let learned_from = first.iter().cycle().take(LINES.0).cloned().collect();
        Family { name, learned_from, measured: last.to_vec(), model: None }
    };
    Ok(Some(by_name.into_iter().map(family).collect()))
}

/// A statement of a service: a line's text with other values of its family in it, and other digits in its numbers.
fn say(statement: &Line, values: &BTreeMap<Entity, Vec<Vec<u8>>>, rng: &mut Rng) -> Sample {
    let mut line = Sample { text: Vec::new(), values: Vec::new(), ignored: Vec::new() };
    let mut at = 0;
    let other = |from: &[u8], to: &mut Vec<u8>, rng: &mut Rng| {
        for run in from.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
            let number = run.len() > 1 && run[0].is_ascii_digit();
            to.extend(
                run.iter().map(|byte| if number { b'0' + rng.below(10) as u8 } else { *byte }),
            );
        }
    };
    for gold in &statement.gold {
        other(&statement.bytes[at..gold.start], &mut line.text, rng);
        let start = line.text.len();
        let choices = &values[&gold.entity];
        line.text.extend_from_slice(&choices[rng.below(choices.len())]);
        line.values.push(start..line.text.len());
        at = gold.end;
    }
    other(&statement.bytes[at..], &mut line.text, rng);
    line
}

/// The families of the generator that have values, each with a model that was trained without it.
fn of_generator(generator: &Generator, wanted: impl Fn(&str) -> bool) -> Vec<Family> {
    let (names, mut all) = (generator.names(), BTreeMap::new());
    for fold in 0..FOLDS {
        let mine = |(nth, name): (usize, &&str)| nth % FOLDS == fold && wanted(name);
        if !names.iter().enumerate().any(mine) {
            continue;
        }
        let training =
            Training { seed: 2 + fold as u64, lines: TRAINED, draw: Draw::Without(fold) };
        let mut trained = train(generator, &training);
        trained.origin.labels = Labeller::shipped().model().origin.labels;
        let model: Arc<[u8]> = trained.to_bytes().into();
        let mut rng = Rng::new(0x1ea2 + fold as u64);
        let mut lines: BTreeMap<usize, Vec<Line>> = BTreeMap::new();
        for _ in 0..10_000 {
            let line = generator.line(&mut rng, Draw::Only(fold));
            if line.sort == Sort::Values && !line.gold.is_empty() && wanted(names[line.family]) {
                lines.entry(line.family).or_default().push(line);
            }
        }
        for (family, lines) in lines {
            let mut values: BTreeMap<Entity, Vec<Vec<u8>>> = BTreeMap::new();
            for (line, gold) in
                lines.iter().flat_map(|line| line.gold.iter().map(move |gold| (line, gold)))
            {
                values
                    .entry(gold.entity)
                    .or_default()
                    .push(line.bytes[gold.start..gold.end].to_vec());
            }
            let statements = &lines[..STATEMENTS.min(lines.len())];
            let mut some = |count: usize| -> Vec<Sample> {
                (0..count)
                    .map(|_| say(&statements[rng.below(statements.len())], &values, &mut rng))
                    .collect()
            };
            let (learned_from, measured) = (some(LINES.0), some(LINES.1));
            let (name, model) = (names[family].to_owned(), Some(Arc::clone(&model)));
            all.insert(family, Family { name, learned_from, measured, model });
        }
    }
    all.into_values().collect()
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let only = args.iter().skip_while(|arg| *arg != "--only").nth(1);
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only.as_str()));
    let generator = Generator::default();
    let mut rng = Rng::new(0xc1ea);
    let made_up: Vec<Vec<u8>> = (0..2 * CLEAN)
        .map(|_| generator.line(&mut rng, Draw::All))
        .filter(|line| line.gold.is_empty())
        .take(CLEAN)
        .map(|line| line.bytes)
        .collect();
    let plain = read(&data().join("pii/plain_dev.jsonl"))?;
    let real = |line: gadget_curator_train::Labelled| Sample {
        ignored: line.ignore.iter().map(Place::range).collect(),
        text: line.text.into_bytes(),
        values: Vec::new(),
    };
    let mut tried: Vec<Sample> = plain.into_iter().flatten().map(real).collect();
    let between = if tried.is_empty() {
        &made_up
    } else {
        &tried.iter().map(|line| line.text.clone()).collect()
    };
    let between = between.clone();
    tried.extend(made_up.into_iter().map(|text| Sample {
        text,
        values: Vec::new(),
        ignored: Vec::new(),
    }));
    let clean = Clean { between, tried };
    let mut totals = Vec::new();
    if !has("--generator") {
        match of_corpus(wanted)? {
            None => println!("SKIPPED the shared corpus: it is not where GADGET_DATA says"),
            Some(families) => {
                for rules in [true, false] {
                    totals.push(Sum::measure("shared corpus", &families, &clean, rules)?);
                }
            }
        }
    }
    if !has("--corpus") {
        let families = of_generator(&generator, wanted);
        for rules in [true, false] {
            totals.push(Sum::measure("generator", &families, &clean, rules)?);
        }
    }
    println!("\n## All\n");
    println!(
        "| families | labelling every line | before | after | reach 0.9 | rules | clean lines touched |\n|---|---|---|---|---|---|---|"
    );
    totals.iter().for_each(|total| println!("{total}"));
    Ok(())
}
