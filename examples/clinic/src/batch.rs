//! A batch: cases side by side, a watcher beside them, and the judge at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use crate::case::{Case, Program};
use crate::check;
use crate::judge::{Facts, Finding, Grade, judge};
use crate::launch::Guardian;
use crate::patient::{Clinic, Patient, SETTLING};
use crate::procfs::{self, Stat};
use crate::watcher::{Said, Watcher, Word};
use crate::workshop::{Workshop, missing};

/// How a batch is run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// In file names.
    pub(crate) name: String,
    pub(crate) cases: Vec<&'static Case>,
    /// How long the watcher watches.
    pub(crate) watch: Duration,
    /// Who watches; nobody, and only the cases themselves are checked.
    pub(crate) watcher: Option<PathBuf>,
    /// What it is told besides `--json --all`.
    pub(crate) args: Vec<String>,
    /// Where programs, logs and lines go.
    pub(crate) directory: PathBuf,
    /// Where its recording and the labels go.
    pub(crate) record: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ward {
    pub(crate) findings: Vec<Finding>,
    /// Processes outside of the clinic that were called stuck, and why.
    pub(crate) strangers: Vec<(u32, String)>,
    /// Whether somebody watched.
    pub(crate) watched: bool,
    /// CPU of the watcher as a share of a core.
    pub(crate) watcher_cpu: Option<f64>,
}

/// A case that could be started, and what is wrong with it.
type Staged = (Patient, Option<String>);

/// Builds, starts, checks, watches, checks again and judges.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Ward> {
    let own = std::env::current_exe()?;
    let workshop = Workshop::at(plan.directory.join("programs"))?;
    let logs = plan.directory.join("logs").join(&plan.name);
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let clinic = Clinic::new(&own, &workshop, &logs)?;
    // Before the patients, so that it is dropped after them.
    let mut guardian = Guardian::start(&own)?;
    let (mut findings, mut staged) = (Vec::new(), Vec::new());
    for case in &plan.cases {
        match admit(case, &clinic, &mut guardian) {
            Ok(patient) => staged.push((patient, None)),
            Err(grade) => findings.push(Finding::none(case, grade)),
        }
    }
    for (patient, wrong) in &mut staged {
        *wrong = patient.settle().err().map(|error| format!("{error:#}"));
    }
    staged.retain(|(patient, wrong)| match (&patient.case.program, wrong) {
        // Mounting is a privilege, and freezing may not be had.
        (Program::Frozen, Some(why)) => {
            let why = format!("{why}; {}", last_line(&logs.join("frozen-writer.log")));
            findings.push(Finding::none(patient.case, Grade::Skipped(why)));
            false
        }
        _ => true,
    });
    let watched = watch(plan, &mut staged, &logs)?;
    let strangers = strangers(&staged, &watched.words);
    for (patient, wrong) in &staged {
        let facts = Facts {
            pid: patient.pid,
            pids: patient.processes(),
            told: patient.told.clone(),
            spoiled: wrong.clone(),
        };
        findings.push(match plan.watcher {
            Some(_) => judge(patient.case, &facts, &watched.words),
            None => Finding::none(patient.case, wrong.clone().map_or(Grade::Right, Grade::Failed)),
        });
    }
    if let Some(record) = plan.record.as_ref().filter(|_| plan.watcher.is_some()) {
        label(plan, record, &staged)?;
    }
    Ok(Ward { findings, strangers, watched: plan.watcher.is_some(), watcher_cpu: watched.cpu })
}

fn admit(
    case: &'static Case,
    clinic: &Clinic<'_>,
    guardian: &mut Guardian,
) -> Result<Patient, Grade> {
    if let Some(missing) = missing(&case.program) {
        return Err(Grade::Skipped(missing));
    }
    let failed = |error: anyhow::Error| Grade::Failed(format!("{error:#}"));
    clinic.workshop.build(&case.program).map_err(failed)?;
    let patient = Patient::start(case, clinic).map_err(failed)?;
    if let Some(group) = patient.group() {
        guardian.group(group).map_err(|error| failed(error.into()))?;
    }
    Ok(patient)
}

struct Watched {
    words: Vec<Word>,
    cpu: Option<f64>,
}

fn watch(plan: &Plan, staged: &mut [Staged], logs: &Path) -> anyhow::Result<Watched> {
    examine(staged, SETTLING);
    let Some(program) = &plan.watcher else {
        return Ok(Watched { words: Vec::new(), cpu: None });
    };
    let mut args = plan.args.clone();
    if let Some(record) = &plan.record {
        fs::create_dir_all(record)?;
        args.extend([
            "--record".into(),
            record.join(&plan.name).with_extension("rec").display().to_string(),
        ]);
    }
    let mut watcher = Watcher::start(program, &args, logs, &plan.name)?;
    while watcher.elapsed() < plan.watch {
        if let Some(status) = watcher.ended() {
            let log = last_line(&logs.join(format!("{}.watcher.log", plan.name)));
            anyhow::bail!("the watcher ended: {status}; {log}");
        }
        thread::sleep(Duration::from_millis(200));
    }
    examine(staged, Duration::from_secs(10));
    let cpu = watcher.cost().map(|cost| cost.cpu);
    Ok(Watched { words: watcher.stop(), cpu })
}

/// Notes of each that was well so far what is wrong with it.
fn examine(staged: &mut [Staged], patience: Duration) {
    let well: Vec<usize> = (0..staged.len()).filter(|index| staged[*index].1.is_none()).collect();
    let patients: Vec<&Patient> = well.iter().map(|index| &staged[*index].0).collect();
    let wrong = check::settled(&patients, patience);
    for (index, wrong) in well.into_iter().zip(wrong) {
        staged[index].1 = wrong;
    }
}

/// What a recording shows: which process, by id and start, is what; for whoever learns from it.
fn label(plan: &Plan, record: &Path, staged: &[Staged]) -> anyhow::Result<()> {
    let well = staged.iter().filter(|(_, wrong)| wrong.is_none());
    let labels: Vec<_> = well
        .flat_map(|(patient, _)| {
            let pids = match patient.told.pids.as_slice() {
                [] => std::slice::from_ref(&patient.pid),
                pids => pids,
            };
            pids.iter().map(|pid| {
                json!({
                    "case": patient.case.name,
                    "family": patient.case.family,
                    "state": patient.case.truth.state,
                    "pid": pid,
                    "start": Stat::read(*pid).map(|stat| stat.start),
                })
            })
        })
        .collect();
    let file = record.join(&plan.name).with_extension("truth.json");
    fs::write(&file, serde_json::to_string_pretty(&labels)?)
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Processes that are no case, of another clinic neither, and were called stuck: not known to be wrong, but worth a look.
fn strangers(staged: &[Staged], words: &[Word]) -> Vec<(u32, String)> {
    let ours: Vec<u32> = staged.iter().flat_map(|(patient, _)| patient.processes()).collect();
    let mut found: Vec<(u32, String)> = Vec::new();
    for word in words.iter().filter(|word| !ours.contains(&word.pid)) {
        if let Said::Assessed { class, evidence, sentence, .. } = &word.what
            && class == "stuck"
            && !found.iter().any(|(pid, _)| *pid == word.pid)
            && procfs::is_case(word.pid) != Some(true)
        {
            let kind = evidence.map_or("no".into(), |kind| kind.to_string());
            let gone = if Stat::read(word.pid).is_none() { ", gone by now" } else { "" };
            let text = format!("process {}{gone}, evidence {kind}: {sentence}", word.pid);
            found.push((word.pid, text));
        }
    }
    found
}

pub(crate) fn last_line(file: &Path) -> String {
    fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .last()
        .unwrap_or("it said nothing")
        .to_owned()
}
