//! Training the behaviour model from labelled recordings. Not needed to run a Pathologist.
//!
//! A directory holds pairs: a recording `NAME.rec` of a host whose processes were all studied, and `NAME.truth.json`, which
//! says which of them were what.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use gadget_core::{ProcessId, Reading, Recording, RecordingError, Subject};
pub use gadget_forest::train::{
    ConvertError, Growth, Reliability, Sample, brier, held_out, isotonic, reliability, train,
};
use serde::Deserialize;

use crate::behaviour::{Behaviour, CLASSES, Row};
use crate::look::Look;
use crate::state::State;

/// Of all windows, the share that is taken to be of stuck processes, which weights see to whatever a clinic stages.
pub const PRIOR: f64 = 0.5;

/// Stuck programs that nothing in a window tells from healthy ones: they spin as others compute, or tick as others idle.
/// They are judged, and teach nothing.
pub const HIDDEN: [&str; 3] = ["spin-lock", "yield-spin", "java-monitors"];

/// What one process of a recording was.
#[derive(Clone, Debug, Deserialize)]
pub struct Truth {
    /// What was staged.
    pub case: String,
    /// Cases of one family are alike: they are never split between training and judging.
    pub family: String,
    /// Its process id.
    pub pid: u32,
    /// Its start, in ticks since boot.
    pub start: u64,
    /// Its state, by [`State::name`]; others teach nothing here.
    pub state: String,
}

/// One window, and the truth about it.
#[derive(Clone, Debug)]
pub struct Example {
    /// What was staged, and in which run.
    pub run: String,
    /// What was staged.
    pub case: String,
    /// Its family.
    pub family: String,
    /// What the model sees.
    pub row: Row,
    /// The place of its state among the classes.
    pub class: u8,
    /// It is stuck.
    pub stuck: bool,
}

impl Example {
    /// What is never split: a family of stuck programs, or one program that is well, in all its runs.
    #[must_use]
    pub fn group(&self) -> &str {
        if self.stuck { &self.family } else { &self.case }
    }
}

/// Why no rows could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A file or directory could not be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Labels of another form.
    #[error("{path} holds no labels")]
    Form {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The recording cannot be read.
    #[error("cannot read a recording")]
    Recording(#[from] RecordingError),
}

/// The windows of every pair in `directory`, in the order of their names.
///
/// # Errors
/// Any [`TrainError`].
pub fn examples(directory: &Path) -> Result<Vec<Example>, TrainError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| TrainError::Read { path, source }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(read(directory))? {
        files.push(entry.map_err(read(directory))?.path());
    }
    files.sort();
    let mut all = Vec::new();
    for recording in files.iter().filter(|path| path.extension().is_some_and(|end| end == "rec")) {
        let labels = recording.with_extension("truth.json");
        let text = fs::read(&labels).map_err(read(&labels))?;
        let truths: Vec<Truth> = serde_json::from_slice(&text)
            .map_err(|source| TrainError::Form { path: labels, source })?;
        let run = recording.file_stem().unwrap_or_default().to_string_lossy();
        all.extend(windows(recording, &run, &truths)?);
    }
    Ok(all)
}

fn windows(recording: &Path, run: &str, truths: &[Truth]) -> Result<Vec<Example>, TrainError> {
    let known: HashMap<ProcessId, &Truth> = truths
        .iter()
        .map(|truth| (ProcessId { pid: truth.pid, start: truth.start }, truth))
        .collect();
    let mut recording = Recording::open(recording)?;
    let mut seen: HashMap<ProcessId, (Look, Behaviour)> = HashMap::new();
    let (mut batch, mut examples) = (Vec::new(), Vec::new());
    while recording.next_batch(&mut batch)? {
        for signal in &batch {
            let Subject::Process(id) = signal.subject else { continue };
            let Some(truth) = known.get(&id) else { continue };
            let Reading::Threads(threads) = &signal.reading else { continue };
            let Some((before, behaviour)) = seen.get_mut(&id) else {
                seen.insert(id, (Look::first(signal.at, threads), Behaviour::default()));
                continue;
            };
            if signal.at <= before.at {
                continue;
            }
            let now = before.next(signal.at, threads);
            behaviour.look(before, &now);
            *before = now;
            let class = CLASSES.iter().position(|class| class.name() == truth.state);
            if let (Some(class), Some(row)) = (class, behaviour.row()) {
                examples.push(Example {
                    run: format!("{run} {}", truth.case),
                    case: truth.case.clone(),
                    family: truth.family.clone(),
                    row,
                    class: class as u8,
                    stuck: CLASSES[class] == State::Stuck,
                });
            }
        }
    }
    Ok(examples)
}

/// The examples as what forests are grown from: each run counts the same, and stuck ones as much as [`PRIOR`] says.
#[must_use]
pub fn samples(examples: &[Example]) -> Vec<Sample<'_>> {
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for example in examples {
        *rows.entry(&example.run).or_default() += 1;
    }
    let runs = |stuck: bool| {
        let mut runs: Vec<&str> = examples
            .iter()
            .filter(|example| example.stuck == stuck)
            .map(|example| example.run.as_str())
            .collect();
        runs.dedup();
        runs.sort_unstable();
        runs.dedup();
        runs.len().max(1) as f64
    };
    let (stuck, well) = (PRIOR / runs(true), (1.0 - PRIOR) / runs(false));
    examples
        .iter()
        .map(|example| Sample {
            row: &example.row,
            class: example.class,
            marked: example.stuck,
            weight: examples.len() as f64 * if example.stuck { stuck } else { well }
                / rows[example.run.as_str()] as f64,
            group: example.group(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::FEATURES;

    #[test]
    fn each_run_counts_the_same_and_stuck_ones_as_much_as_the_prior_says() {
        let example = |case: &str, stuck| Example {
            run: format!("1 {case}"),
            case: case.to_owned(),
            family: "family".to_owned(),
            row: [0.0; FEATURES],
            class: u8::from(stuck),
            stuck,
        };
        let examples: Vec<Example> =
            [("long", false), ("long", false), ("short", false), ("dead", true), ("dead", true)]
                .map(|(case, stuck)| example(case, stuck))
                .into();
        let samples = samples(&examples);
        let weight = |of: &str| -> f64 {
            let of = examples.iter().zip(&samples).filter(|(example, _)| example.case == of);
            of.map(|(_, sample)| sample.weight).sum()
        };
        assert!((weight("long") - weight("short")).abs() < 1e-9);
        assert!((weight("dead") - PRIOR * 5.0).abs() < 1e-9);
        let groups: Vec<&str> = samples.iter().map(|sample| sample.group).collect();
        assert_eq!(groups, ["long", "long", "short", "family", "family"]);
    }
}
