//! What can be set of a process and put back: nice value, IO priority, affinity, `oom_score_adj`.

use std::fmt::Write as _;

use gadget_core::{ActionError, Setting, Step, Value};
use rustix::fd::AsFd as _;
use rustix::io::{Errno, Result};
use rustix::process::{Pid, getpriority_process, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::target::Target;
use crate::error::unsupported;
use crate::setting::Knob;
use crate::{file, sys};

/// `oom_score_adj` of a process.
#[derive(Debug)]
pub(crate) struct OomScoreAdj(pub(crate) Target);

impl Knob for OomScoreAdj {
    fn read(&self) -> Result<Value> {
        file::read_value(self.0.dir.as_fd(), "oom_score_adj")
    }
    fn write(&self, value: &str) -> Result<()> {
        file::write(self.0.dir.as_fd(), "oom_score_adj", value)
    }
}

/// An attribute that the kernel keeps for each thread.
///
/// The value of the process is that of its first thread. Setting it sets the threads that have that value, and leaves
/// those that were given one of their own.
#[derive(Debug)]
pub(crate) struct OfThreads {
    target: Target,
    get: Get,
    set: Set,
}

type Get = fn(i32) -> Result<Value>;
type Set = fn(i32, &str) -> Result<()>;

impl OfThreads {
    /// The attribute behind `setting`, if it is one of threads.
    pub(crate) fn new(target: Target, setting: Setting) -> Option<Self> {
        let (get, set): (Get, Set) = match setting {
            Setting::Nice => (get_nice, set_nice),
            Setting::IoPriority => (get_io_priority, set_io_priority),
            Setting::Affinity => (get_affinity, set_affinity),
            _ => return None,
        };
        Some(Self { target, get, set })
    }

    /// True if a thread other than the first has `value` and the first has not: undoing would not know it apart.
    pub(crate) fn ambiguous(&self, value: &str) -> bool {
        let mut found = false;
        let first = self.read();
        let _ = self.for_each_thread(&mut |tid| {
            found |= (self.get)(tid).is_ok_and(|has| has == *value);
            Ok(())
        });
        found && first.is_ok_and(|first| first != *value)
    }

    fn for_each_thread(&self, f: &mut dyn FnMut(i32) -> Result<()>) -> Result<()> {
        let tasks = file::open_dir(self.target.dir.as_fd(), "task")?;
        file::for_each_dir(tasks.as_fd(), &mut |name| {
            match f(name.to_str().ok().and_then(|name| name.parse().ok()).ok_or(Errno::ILSEQ)?) {
                Err(Errno::SRCH) => Ok(()), // the thread has ended
                other => other,
            }
        })
    }

    fn first(&self) -> Result<i32> {
        i32::try_from(self.target.id.pid).map_err(|_| Errno::SRCH)
    }
}

impl Knob for OfThreads {
    fn read(&self) -> Result<Value> {
        let value = (self.get)(self.first()?)?;
        // These calls take a number; that it was still the same process is known only afterwards.
        if self.target.exited() { Err(Errno::SRCH) } else { Ok(value) }
    }

    fn write(&self, value: &str) -> Result<()> {
        let before = self.read()?;
        // A thread that is started meanwhile takes its value from one that may not have been reached: twice finds it.
        for _ in 0..2 {
            self.for_each_thread(&mut |tid| {
                if (self.get)(tid)? == before { (self.set)(tid, value) } else { Ok(()) }
            })?;
        }
        if self.target.exited() { Err(Errno::SRCH) } else { Ok(()) }
    }
}

/// Which attribute `step` sets, and to what; none for other steps.
///
/// # Errors
/// A value out of range.
pub(crate) fn wanted(step: &Step) -> Option<std::result::Result<(Setting, Value), ActionError>> {
    let refuse = |needs| Some(Err(unsupported(step.kind(), needs)));
    let (setting, text) = match *step {
        Step::SetNice { to } if !(-20..=19).contains(&to) => {
            return refuse("a nice value from -20 to 19");
        }
        Step::SetNice { to } => (Setting::Nice, value(format_args!("{to}"))),
        Step::SetIoPriority { class, level } if !(1..=3).contains(&class) || level > 7 => {
            return refuse("a class from 1 to 3 and a level from 0 to 7");
        }
        Step::SetIoPriority { class, level } => {
            let level = if class == IDLE { 0 } else { level };
            (Setting::IoPriority, value(format_args!("{class}:{level}")))
        }
        Step::SetAffinity { cpus: 0 } => return refuse("at least one processor"),
        Step::SetAffinity { cpus } => (Setting::Affinity, value(format_args!("{cpus:#x}"))),
        Step::SetOomScoreAdj { to } if !(-1000..=1000).contains(&to) => {
            return refuse("a value from -1000 to 1000");
        }
        Step::SetOomScoreAdj { to } => (Setting::OomScoreAdj, value(format_args!("{to}"))),
        _ => return None,
    };
    Some(text.map(|text| (setting, text)).map_err(|_| unsupported(step.kind(), "a shorter value")))
}

/// True if `step` lowers what only `CAP_SYS_NICE` or `CAP_SYS_RESOURCE` may lower; says which.
pub(crate) fn lowering_needs(step: &Step, before: &str) -> Option<&'static str> {
    let before: i32 = before.parse().ok()?;
    match *step {
        Step::SetNice { to } if i32::from(to) < before => Some("CAP_SYS_NICE"),
        Step::SetOomScoreAdj { to } if i32::from(to) < before => Some("CAP_SYS_RESOURCE"),
        _ => None,
    }
}

const IDLE: u8 = 3;

fn get_nice(tid: i32) -> Result<Value> {
    value(format_args!("{}", getpriority_process(Pid::from_raw(tid))?))
}

fn set_nice(tid: i32, text: &str) -> Result<()> {
    setpriority_process(Pid::from_raw(tid), text.parse().map_err(|_| Errno::INVAL)?)
}

/// `class:level` (ioprio_set(2)); class 0 is none, from the nice value.
fn get_io_priority(tid: i32) -> Result<Value> {
    let priority = sys::ioprio_get(tid)?;
    value(format_args!("{}:{}", priority >> 13, priority & 0x1fff))
}

fn set_io_priority(tid: i32, text: &str) -> Result<()> {
    let (class, level) = text.split_once(':').ok_or(Errno::INVAL)?;
    let (class, level): (u16, u16) =
        (class.parse().map_err(|_| Errno::INVAL)?, level.parse().map_err(|_| Errno::INVAL)?);
    sys::ioprio_set(tid, class << 13 | level & 0x1fff)
}

/// One bit per processor, the first 64.
fn get_affinity(tid: i32) -> Result<Value> {
    let set = sched_getaffinity(Pid::from_raw(tid))?;
    let cpus = (0..64).filter(|&cpu| set.is_set(cpu)).fold(0_u64, |cpus, cpu| cpus | 1 << cpu);
    // What does not fit into the bits could not be put back.
    if cpus.count_ones() == set.count() {
        value(format_args!("{cpus:#x}"))
    } else {
        Err(Errno::OVERFLOW)
    }
}

fn set_affinity(tid: i32, text: &str) -> Result<()> {
    let cpus = text
        .strip_prefix("0x")
        .and_then(|cpus| u64::from_str_radix(cpus, 16).ok())
        .ok_or(Errno::INVAL)?;
    let mut set = CpuSet::new();
    (0..64).filter(|cpu| cpus >> cpu & 1 == 1).for_each(|cpu| set.set(cpu));
    sched_setaffinity(Pid::from_raw(tid), &set)
}

fn value(text: std::fmt::Arguments<'_>) -> Result<Value> {
    let mut value = Value::new();
    value.write_fmt(text).map_err(|_| Errno::OVERFLOW)?;
    Ok(value)
}
