//! Whether a case is what it claims to be, by what the kernel shows.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::case::Condition;
use crate::patient::Patient;
use crate::procfs::{self, Stat};

/// Over what stretch threads are watched.
const WINDOW: Duration = Duration::from_millis(1500);
/// Share of a core below which a process is quiet. A JVM's own timers stay far below.
const QUIET: f64 = 0.10;
/// Share of a core above which it is busy: a niced spinner among many gets little more.
const BUSY: f64 = 0.02;

/// What was seen of a patient at one moment.
#[derive(Debug, Default)]
struct Look {
    cpu: Duration,
    slices: HashMap<u32, Option<u64>>,
    answers: u64,
}

impl Look {
    fn at(patient: &Patient) -> Self {
        let tids = match patient.told.blocked.is_empty() {
            true => procfs::threads(patient.pid),
            false => patient.told.blocked.clone(),
        };
        Self {
            cpu: Stat::read(patient.pid).map(|stat| stat.cpu).unwrap_or_default(),
            slices: tids.into_iter().map(|tid| (tid, procfs::slices(tid))).collect(),
            answers: patient.clients.as_ref().map_or(0, crate::traffic::Clients::answers),
        }
    }
}

/// Waits until each patient is in its condition, but no longer than `patience`; gives, for each, why it is not.
pub(crate) fn settled(patients: &[&Patient], patience: Duration) -> Vec<Option<String>> {
    let start = Instant::now();
    loop {
        let wrong = wrong(patients);
        if wrong.iter().all(Option::is_none) || start.elapsed() > patience {
            return wrong;
        }
    }
}

/// Looks twice; gives, for each patient, what is not as its conditions say.
fn wrong(patients: &[&Patient]) -> Vec<Option<String>> {
    let begin = Instant::now();
    let before: Vec<Look> = patients.iter().map(|patient| Look::at(patient)).collect();
    thread::sleep(WINDOW);
    let pairs = patients.iter().zip(before);
    pairs.map(|(patient, before)| first_wrong(patient, &before, begin.elapsed())).collect()
}

fn first_wrong(patient: &Patient, before: &Look, window: Duration) -> Option<String> {
    if !patient.lives() {
        return Some("it is gone".into());
    }
    let after = Look::at(patient);
    let share = after.cpu.saturating_sub(before.cpu).as_secs_f64() / window.as_secs_f64();
    patient.case.conditions.iter().find_map(|condition| match condition {
        Condition::Waits => wrong_wait(patient),
        Condition::Blocked => {
            let ran = after.slices.iter().find(|(tid, slices)| {
                slices.is_none() || before.slices.get(tid).copied().flatten() != **slices
            });
            ran.map(|(tid, _)| format!("thread {tid} ran"))
        }
        Condition::Quiet => (share > QUIET).then(|| format!("it used {share:.2} of a core")),
        Condition::Busy => (share < BUSY).then(|| format!("it used only {share:.3} of a core")),
        Condition::InState(wanted) => {
            let state = Stat::read(patient.pid).map_or('?', |stat| stat.state);
            (state != *wanted).then(|| format!("it is in state {state}"))
        }
        Condition::Queued => {
            (patient.told.port.map_or(0, procfs::queued) == 0).then(|| "nobody queues".into())
        }
        Condition::Answers => {
            (after.answers == before.answers).then(|| "nobody was answered".into())
        }
    })
}

fn wrong_wait(patient: &Patient) -> Option<String> {
    if patient.told.waits.is_empty() {
        return Some("it told of no waits".into());
    }
    patient.told.waits.iter().find_map(|wait| {
        let futex = procfs::futex(wait.tid);
        let there = futex.is_some_and(|futex| (wait.lock..wait.lock + wait.size).contains(&futex));
        (!there).then(|| format!("thread {} is not at the lock {:#x}", wait.tid, wait.lock))
    })
}
