//! Setting a value and putting it back, whatever the setting is.

use gadget_core::{ActionError, Bytes, Setting, Summary, Value, summary};
use rustix::io::{Errno, Result};

use crate::error::system;

/// One setting of one target that was verified.
pub(crate) trait Knob {
    /// What is set now.
    fn read(&self) -> Result<Value>;
    /// Sets it.
    fn write(&self, value: &str) -> Result<()>;
}

/// Sets `wrote`, unless somebody has changed `before` since it was read.
pub(crate) fn set(
    knob: &dyn Knob,
    setting: Setting,
    name: &str,
    before: &str,
    wrote: &str,
) -> std::result::Result<Summary, ActionError> {
    let found = knob.read().map_err(|errno| refused(errno, "read the setting"))?;
    if !same(&found, before) {
        return Err(ActionError::Yielded { setting, found });
    }
    let written = knob.write(wrote);
    match (written, knob.read()) {
        (Ok(()), Ok(now)) if same(&now, wrote) => Ok(described(setting, name, before, wrote)),
        (Err(errno), Ok(now)) if same(&now, before) => Err(refused(errno, "write the setting")),
        // What could not be undone safely is not left standing.
        (written, _) => match (knob.write(before), written) {
            (Ok(()), Err(errno)) => {
                Err(refused(errno, "write all of the setting; it was put back"))
            }
            (Ok(()), Ok(())) => Err(system(
                "set that value: the kernel took another, the old one was put back",
                Errno::INVAL,
            )),
            (Err(errno), _) => Err(refused(
                errno,
                "put the old value back after the kernel took another than was set",
            )),
        },
    }
}

/// Puts `before` back, unless somebody has changed `wrote` since.
pub(crate) fn put_back(
    knob: &dyn Knob,
    setting: Setting,
    name: &str,
    before: &str,
    wrote: &str,
) -> std::result::Result<Summary, ActionError> {
    let found = knob.read().map_err(|errno| refused(errno, "read the setting"))?;
    if same(&found, before) {
        return Ok(summary(format_args!(
            "{} of {name} was {} already",
            label(setting),
            Shown(setting, before)
        )));
    }
    if !ours(&found, before, wrote) {
        return Err(ActionError::Yielded { setting, found });
    }
    knob.write(before).map_err(|errno| refused(errno, "put the setting back"))?;
    Ok(described(setting, name, wrote, before))
}

/// Equal but for white space: the kernel prints lists with tabs and takes them with blanks.
fn same(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// True if each word is the one that was there or the one that we wrote: a setting of several files is between the two when we
/// die between two writes.
fn ours(found: &str, before: &str, wrote: &str) -> bool {
    let words =
        || found.split_whitespace().zip(before.split_whitespace()).zip(wrote.split_whitespace());
    same(found, wrote)
        || (same_count(found, before) && same_count(found, wrote))
            && words().all(|((found, before), wrote)| found == before || found == wrote)
}

fn same_count(a: &str, b: &str) -> bool {
    a.split_whitespace().count() == b.split_whitespace().count()
}

fn refused(errno: Errno, attempt: &'static str) -> ActionError {
    match errno {
        Errno::NOENT | Errno::NODEV | Errno::SRCH => {
            ActionError::Stale { what: "the target of the setting is gone" }
        }
        errno => system(attempt, errno),
    }
}

fn described(setting: Setting, name: &str, from: &str, to: &str) -> Summary {
    let (from, to) = (Shown(setting, from), Shown(setting, to));
    summary(format_args!("{} of {name} {from} -> {to}", label(setting)))
}

/// A value for people.
struct Shown<'a>(Setting, &'a str);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(setting, value) = self;
        match (setting, value.parse::<u64>()) {
            // Version 1 has a number for no limit.
            (Setting::MemoryHigh | Setting::MemoryMax, Ok(bytes)) if bytes >= 1 << 62 => {
                f.write_str("max")
            }
            (Setting::MemoryHigh | Setting::MemoryMax, Ok(bytes)) => {
                write!(f, "{}", Bytes::new(bytes))
            }
            _ => f.write_str(value),
        }
    }
}

/// What people call a setting.
pub(crate) const fn label(setting: Setting) -> &'static str {
    match setting {
        Setting::MemoryHigh => "memory.high",
        Setting::MemoryMax => "memory.max",
        Setting::CpuMax => "cpu.max",
        Setting::CpuWeight => "cpu.weight",
        Setting::IoMax => "io.max",
        Setting::PidsMax => "pids.max",
        Setting::Nice => "nice value",
        Setting::IoPriority => "IO priority",
        Setting::Affinity => "affinity",
        Setting::OomScoreAdj => "oom_score_adj",
        Setting::Sysctl => "sysctl",
        _ => "setting",
    }
}
