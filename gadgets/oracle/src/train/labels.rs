//! Recordings and what they show, made into rows.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use gadget_core::{Gadget as _, Plans, Recording, RecordingError, Subject, World};
use serde::Deserialize;

use crate::features::{Feature, Row};
use crate::forecast::Class;
use crate::oracle::Oracle;

/// A subject has met its limit if this much of it was in use.
const MET: f64 = 0.97;
/// Rows of one subject lie at least this far apart, in seconds.
const APART: f64 = 0.1;

/// What a recording shows.
#[derive(Clone, Debug, Deserialize)]
pub struct Labels {
    /// Runs of one scenario are alike: they are never split between training and judging.
    pub scenario: String,
    /// What its memory does, by [`Class::name`].
    pub class: String,
    /// Seconds from the start of the recording to that of the incident; none if it never began.
    pub incident_s: Option<f64>,
    /// Seconds to the kernel's first kill; none if there was none.
    pub oom_s: Option<f64>,
}

/// One row, and the truth about it.
#[derive(Clone, Debug)]
pub struct Example {
    /// The scenario.
    pub scenario: String,
    /// The run, for weights: its file's name.
    pub run: String,
    /// What the models see.
    pub row: Row,
    /// What the memory was doing.
    pub class: Class,
    /// Seconds from then to the kernel's kill, and the time left that was foretold: low, likely, high.
    pub left: Option<(f64, [f64; 3])>,
}

/// Why no rows could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelsError {
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
    /// A class that is none.
    #[error("{path}: there is no class {class:?}")]
    Class {
        /// Which.
        path: PathBuf,
        /// What it says.
        class: String,
    },
    /// The recording cannot be read.
    #[error("cannot replay a recording")]
    Recording(#[from] RecordingError),
}

/// The rows of every pair in `directory`, in the order of their names.
///
/// # Errors
/// Any [`LabelsError`].
pub fn examples(directory: &Path) -> Result<Vec<Example>, LabelsError> {
    let read = |source| LabelsError::Read { path: directory.to_owned(), source };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory).map_err(read)? {
        files.push(entry.map_err(read)?.path());
    }
    files.sort();
    let mut all = Vec::new();
    for labels in
        files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"))
    {
        let recording =
            files.iter().find(|path| *path != labels && path.file_stem() == labels.file_stem());
        if let Some(recording) = recording {
            all.extend(of_pair(recording, labels)?);
        }
    }
    Ok(all)
}

fn of_pair(recording: &Path, labels: &Path) -> Result<Vec<Example>, LabelsError> {
    let text =
        fs::read(labels).map_err(|source| LabelsError::Read { path: labels.to_owned(), source })?;
    let truth: Labels = serde_json::from_slice(&text)
        .map_err(|source| LabelsError::Form { path: labels.to_owned(), source })?;
    let class =
        Class::ALL.into_iter().find(|class| class.name() == truth.class).ok_or_else(|| {
            LabelsError::Class { path: labels.to_owned(), class: truth.class.clone() }
        })?;
    let seen = replay(recording)?;
    let met: HashMap<Subject, bool> = seen.iter().fold(HashMap::new(), |mut met, seen| {
        *met.entry(seen.subject).or_default() |= Feature::Used.of(&seen.row) >= MET;
        met
    });
    let begins = truth.incident_s.unwrap_or(f64::INFINITY);
    let ends = truth.oom_s.unwrap_or(f64::INFINITY);
    let run =
        labels.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let mut examples = Vec::new();
    for seen in seen.into_iter().filter(|seen| seen.time < ends) {
        let class = match (seen.time >= begins, class.is_fatal(), met[&seen.subject]) {
            // What starts up before the incident grows, and stops.
            (false, ..) => Class::Burst,
            // A group around the one that is lost leaks too, and is saved by the loss: it teaches neither.
            (true, true, false) => continue,
            (true, ..) => class,
        };
        let left = class
            .is_fatal()
            .then_some((ends - seen.time, seen.left))
            .filter(|(left, _)| left.is_finite());
        examples.push(Example {
            scenario: truth.scenario.clone(),
            run: run.clone(),
            row: seen.row,
            class,
            left,
        });
    }
    Ok(examples)
}

struct Seen {
    time: f64,
    subject: Subject,
    row: Row,
    left: [f64; 3],
}

/// What the Oracle saw of every subject that grew.
fn replay(path: &Path) -> Result<Vec<Seen>, LabelsError> {
    let mut recording = Recording::open(path)?;
    let mut world = World::new(recording.facts().clone());
    let mut oracle = Oracle::builder()
        .statistics_only()
        .build()
        .unwrap_or_else(|_| unreachable!("the defaults are valid"));
    let (mut batch, mut plans, mut seen) = (Vec::new(), Plans::default(), Vec::new());
    let mut start = None;
    let mut last: HashMap<Subject, f64> = HashMap::new();
    while recording.next_batch(&mut batch)? {
        let Some(now) = batch.iter().map(|signal| signal.at).max() else { continue };
        let time = now.since(*start.get_or_insert(now)).as_secs_f64();
        for signal in &batch {
            world.observe(signal);
            oracle.observe(signal);
        }
        plans.clear();
        oracle.plan(now, &world, &mut plans);
        for forecast in oracle.forecasts().filter(|forecast| forecast.at == now) {
            let Some(eta) = forecast.eta else { continue };
            if last.get(&forecast.subject).is_some_and(|last| time - last < APART) {
                continue;
            }
            last.insert(forecast.subject, time);
            let left = [eta.low, eta.likely, eta.high].map(|left| left.as_secs_f64());
            seen.push(Seen { time, subject: forecast.subject, row: forecast.features, left });
        }
    }
    Ok(seen)
}
