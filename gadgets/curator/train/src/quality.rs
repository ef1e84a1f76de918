//! The quality table: what rules hide, what the labeller hides, and what both do.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::Path;

use gadget_curator::label::{LABELS, Reading};
use gadget_curator::{Labeller, Scanner, Span};

use crate::corpus::{Labelled, Place, data, families, formats, read};
use crate::generate::Generator;
use crate::held_out::{Example, held_out, reliability, reported};
use crate::line::Sort;
use crate::score::Tally;

/// What is wanted: values hidden, look-alike lines with a false alarm, untouched lines with one.
const WANTED: (f64, f64, f64) = (0.90, 0.01, 0.001);
/// A family of the corpus has at least so many lines.
const FAMILY: usize = 20;

/// The same lines by rules alone, by the labeller alone, and by both.
#[derive(Clone, Copy, Debug, Default)]
struct Three([Tally; 3]);

const WAYS: [&str; 3] = ["rules alone", "labeller alone", "rules and labeller"];

impl Three {
    fn add(
        &mut self,
        text: &[u8],
        gold: &[Range<usize>],
        ignore: &[Range<usize>],
        found: [Vec<Range<usize>>; 2],
    ) {
        let [rules, labeller] = found;
        let both = [rules.clone(), labeller.clone()].concat();
        for (tally, found) in self.0.iter_mut().zip([rules, labeller, both]) {
            *tally += Tally::of(text, gold, ignore, &found);
        }
    }

    fn hidden(&self) -> [f64; 3] {
        self.0.map(|tally| tally.hidden_share().unwrap_or(1.0))
    }
}

/// The table as Markdown.
#[derive(Debug, Default)]
pub struct Report(String);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn ranges(spans: &[Span]) -> Vec<Range<usize>> {
    spans.iter().map(Span::range).collect()
}

impl Report {
    fn line(&mut self, text: impl fmt::Display) {
        // Writing to a String does not fail.
        _ = writeln!(self.0, "{text}");
    }

    /// Measures all; without the shared corpus its part says so.
    ///
    /// # Errors
    /// If the corpus is there and cannot be read.
    pub fn measure(seed: u64, lines: usize) -> anyhow::Result<Self> {
        let mut report = Self::default();
        report.line("# Quality of the Curator\n");
        report.line(
            "Written by `cargo run --release -p gadget-curator-train -- quality --write`. A value counts as hidden when every letter and \
             digit of it is covered. \"Labeller\" here is asked about every line; in a pipeline it sees the lines that its budget \
             allows, and the rules learned from them do the rest.\n",
        );
        report.corpus()?;
        report.formats()?;
        let generator = Generator::default();
        let readings = Labeller::shipped().model().origin.labels;
        let examples = held_out(&generator, seed, lines);
        report.generator(&generator, &examples, &readings);
        report.calibration(&examples, &readings);
        Ok(report)
    }

    fn corpus(&mut self) -> anyhow::Result<()> {
        self.line("## Shared corpus\n");
        let folder = data().join("pii");
        let (Some(lines), Some(plain)) =
            (read(&folder.join("pii_dev.jsonl"))?, read(&folder.join("plain_dev.jsonl"))?)
        else {
            eprintln!("SKIPPED the shared corpus: it is not where GADGET_DATA says");
            self.line("Not measured: `GADGET_DATA` names no folder with it.\n");
            return Ok(());
        };
        self.line(
            "The labeller was not trained on it. The rules were written and corrected with it at hand, so what they hide there is an upper \
             bound. Families are derived from what surrounds the values.\n",
        );
        let names = families(&lines, FAMILY);
        let plain_name = "untouched real lines";
        let sort = |line: &Labelled| match line.kind.as_str() {
            "pii" => "lines with values",
            "hardneg" => "look-alike lines",
            _ => "clean lines beside them",
        };
        let with_names = lines.iter().zip(&names).map(|(line, name)| (line, &**name, sort(line)));
        let untouched = plain.iter().map(|line| (line, plain_name, plain_name));
        self.lines(with_names.chain(untouched));
        Ok(())
    }

    fn formats(&mut self) -> anyhow::Result<()> {
        self.line("## Formats of others\n");
        self.line(
            "Written by somebody who had read neither the rules nor the generator ([formats](train/formats)). At first sight 0.867 of the \
             values were hidden, and 4.1 % of the look-alike lines touched; then kinds of errors in them were worked on, so this says whether \
             it stays, and not what the next format will bring.\n",
        );
        let lines = formats()?;
        let sort = |line: &Labelled| match line.kind.as_str() {
            "pii" => "lines with values",
            _ => "look-alike lines",
        };
        self.lines(lines.iter().map(|line| (line, &*line.src, sort(line))));
        Ok(())
    }

    /// Lines with their families and sorts.
    fn lines<'a>(&mut self, lines: impl Iterator<Item = (&'a Labelled, &'a str, &'a str)>) {
        let (scanner, mut labeller) = (Scanner::new(), Labeller::shipped());
        let mut by_sort: BTreeMap<&str, Three> = BTreeMap::new();
        let mut by_type: BTreeMap<&str, Three> = BTreeMap::new();
        let mut by_family: BTreeMap<&str, Three> = BTreeMap::new();
        for (line, name, sort) in lines {
            let text = line.text.as_bytes();
            let (mut rules, mut labelled) = (Vec::new(), Vec::new());
            scanner.scan(text, &mut rules);
            labeller.label(text, &mut labelled);
            let found = [ranges(&rules), ranges(&labelled)];
            let gold: Vec<_> = line.spans.iter().map(Place::range).collect();
            let ignore: Vec<_> = line.ignore.iter().map(Place::range).collect();
            by_sort.entry(sort).or_default().add(text, &gold, &ignore, found.clone());
            for (place, gold) in line.spans.iter().zip(&gold) {
                let gold = std::slice::from_ref(gold);
                by_type.entry(place.kind()).or_default().add(text, gold, &[], found.clone());
            }
            if !gold.is_empty() {
                by_family.entry(name).or_default().add(text, &gold, &ignore, found);
            }
        }
        self.totals(&by_sort);
        self.shares("type", by_type.iter().map(|(name, three)| (*name, three)));
        self.shares("family", by_family.iter().map(|(name, three)| (name.trim(), three)));
    }

    fn totals(&mut self, by_sort: &BTreeMap<&str, Three>) {
        self.line(
            "| | lines | values | rules alone | labeller alone | rules and labeller | wanted |",
        );
        self.line("|---|---|---|---|---|---|---|");
        for (name, three) in by_sort {
            let first = three.0[0];
            if first.values > 0 {
                let [a, b, c] = three.hidden();
                let wanted = WANTED.0;
                self.line(format_args!(
                    "| {name}: values hidden | {} | {} | {a:.3} | {b:.3} | **{c:.3}** | {wanted:.2} |",
                    first.lines, first.values
                ));
                let [a, b, c] =
                    three.0.map(|tally| tally.over as f64 * 1000.0 / tally.bytes as f64);
                self.line(format_args!(
                    "| {name}: other bytes hidden, of 1,000 | | | {a:.2} | {b:.2} | {c:.2} | |"
                ));
            } else {
                let [a, b, c] = three.0.map(|tally| tally.alarm_share().unwrap_or(0.0) * 100.0);
                let wanted = if name.starts_with("look") { WANTED.1 } else { WANTED.2 } * 100.0;
                self.line(format_args!(
                    "| {name}: with a false alarm | {} | | {a:.3} % | {b:.3} % | **{c:.3} %** | {wanted} % |",
                    first.lines
                ));
            }
        }
        self.line("");
    }

    fn shares<'a>(&mut self, what: &str, rows: impl Iterator<Item = (&'a str, &'a Three)>) {
        self.line(format_args!("| {what} | values | {} | {} | {} |", WAYS[0], WAYS[1], WAYS[2]));
        self.line("|---|---|---|---|---|");
        let mut below = Vec::new();
        for (name, three) in rows {
            let name = name.replace('|', "\\|").replace('`', "'");
            let [a, b, c] = three.hidden();
            self.line(format_args!(
                "| `{name}` | {} | {a:.3} | {b:.3} | {c:.3} |",
                three.0[0].values
            ));
            if c < WANTED.0 {
                below.push(format!("`{name}` ({c:.3})"));
            }
        }
        let below = if below.is_empty() { "none".to_owned() } else { below.join(", ") };
        self.line(format_args!("\nBelow {:.2}: {below}.\n", WANTED.0));
    }

    fn generator(
        &mut self,
        generator: &Generator,
        examples: &[Example],
        readings: &[Reading; LABELS],
    ) {
        self.line("## Generator, families left out\n");
        self.line(
            "Every family is measured by a model that was trained without it, without seven or more others and without an eighth of the \
             carriers; with the shipped thresholds. The rules were written with kinds of errors in its lines at hand.\n",
        );
        let scanner = Scanner::new();
        let mut by_family: BTreeMap<usize, Three> = BTreeMap::new();
        let mut by_sort: BTreeMap<Sort, Three> = BTreeMap::new();
        for example in examples {
            let text = &example.line.bytes;
            let mut rules = Vec::new();
            scanner.scan(text, &mut rules);
            let labelled: Vec<_> = reported(example, readings).map(Span::range).collect();
            let gold: Vec<_> = example.line.gold.iter().map(|gold| gold.start..gold.end).collect();
            let found = [ranges(&rules), labelled];
            by_family.entry(example.line.family).or_default().add(text, &gold, &[], found.clone());
            by_sort.entry(example.line.sort).or_default().add(text, &gold, &[], found);
        }
        let name = |sort: &Sort| match sort {
            Sort::Values => "lines with values",
            Sort::LookAlike => "look-alike lines",
            Sort::Plain => "plain lines",
        };
        self.totals(&by_sort.iter().map(|(sort, three)| (name(sort), *three)).collect());
        let names = generator.names();
        let of_values = by_family.iter().filter(|(_, three)| three.0[0].values > 0);
        self.shares("family", of_values.map(|(family, three)| (names[*family], three)));
        self.line(
            "| family without values | lines | rules alone | labeller alone | rules and labeller |",
        );
        self.line("|---|---|---|---|---|");
        for (family, three) in by_family.iter().filter(|(_, three)| three.0[0].values == 0) {
            let [a, b, c] = three.0.map(|tally| tally.alarm_share().unwrap_or(0.0) * 100.0);
            let (name, lines) = (names[*family], three.0[0].lines);
            self.line(format_args!("| `{name}` | {lines} | {a:.2} % | {b:.2} % | {c:.2} % |"));
        }
        self.line("");
    }

    fn calibration(&mut self, examples: &[Example], readings: &[Reading; LABELS]) {
        self.line("## Calibration\n");
        let reliability = reliability(examples, readings);
        self.line(format_args!("On families left out; Brier score {:.4}.\n", reliability.brier));
        self.line("| score | candidates | mean score | share that touches a value |");
        self.line("|---|---|---|---|");
        for (i, (count, score, share)) in reliability.bins.iter().enumerate() {
            let (from, to) = (i as f64 / 10.0, (i + 1) as f64 / 10.0);
            self.line(format_args!("| {from:.1} - {to:.1} | {count} | {score:.3} | {share:.3} |"));
        }
    }
}

/// What rules and labeller find in the shared corpus, or in another file of its kind, a JSON object a line, as the corpus's own scorer
/// reads it, with who found it; `None` without the file.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn predictions(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let corpus = data().join("pii/pii_dev.jsonl");
    let Some(lines) = read(file.unwrap_or(&corpus))? else { return Ok(None) };
    let (scanner, mut labeller) = (Scanner::new(), Labeller::shipped());
    let mut out = String::new();
    for line in &lines {
        let mut spans = Vec::new();
        scanner.scan(line.text.as_bytes(), &mut spans);
        labeller.label(line.text.as_bytes(), &mut spans);
        let spans: Vec<_> = spans
            .iter()
            .map(|span| {
                let (start, end, kind) = (span.start, span.end, span.entity.label());
                serde_json::json!({"start": start, "end": end, "type": kind, "by": span.by})
            })
            .collect();
        out += &serde_json::json!({"id": line.id, "spans": spans}).to_string();
        out.push('\n');
    }
    Ok(Some(out))
}
