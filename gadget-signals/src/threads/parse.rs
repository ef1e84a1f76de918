//! The text of the files of one thread.

use std::path::Path;
use std::time::Duration;

use gadget_core::SignalError;

use crate::text::{Line, digits, lines, missing, only_line};

/// What `/proc/PID/task/TID/syscall` says.
///
/// - Source: proc_pid_syscall(5). The kernel shows it only to who may attach to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyscallLine {
    /// `running`: on a processor, or ready to be.
    Running,
    /// `-1`: blocked outside of a system call.
    Outside,
    /// Blocked in a system call.
    Blocked(Call),
}

/// A system call that a thread is blocked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number on this architecture.
    pub number: u32,
    /// Its arguments, as the registers held them.
    pub arguments: [u64; 6],
    /// The stack pointer.
    pub stack: u64,
}

/// Parses `/proc/PID/task/TID/syscall`.
///
/// # Errors
/// [`SignalError::Parse`] for anything that is not such a line.
pub fn parse_syscall(text: &[u8], path: &Path) -> Result<SyscallLine, SignalError> {
    let line = only_line(text, path)?;
    let mut words = line.words();
    let number = match words.next() {
        Some(b"running") => return Ok(SyscallLine::Running),
        Some(b"-1") => return Ok(SyscallLine::Outside),
        word => word.and_then(digits).and_then(|number| u32::try_from(number).ok()),
    };
    let number = number.ok_or_else(|| line.error("the number of a system call"))?;
    let mut next = || {
        let word = words.next().and_then(|word| word.strip_prefix(b"0x"));
        word.and_then(hexadecimal).ok_or_else(|| line.error("six arguments and two registers"))
    };
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = next()?;
    }
    let stack = next()?;
    next()?;
    Ok(SyscallLine::Blocked(Call { number, arguments, stack }))
}

/// How much a thread has run: the same twice, and it did not run in between.
///
/// - Source: `/proc/PID/task/TID/schedstat`, Documentation/scheduler/sched-stats.rst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedStat {
    /// CPU time used.
    pub cpu: Duration,
    /// Time on a run queue, ready to run.
    pub ready: Duration,
    /// Time slices given.
    pub slices: u64,
}

/// Parses `/proc/PID/task/TID/schedstat`.
///
/// # Errors
/// [`SignalError::Parse`] for anything that is not such a line.
pub fn parse_schedstat(text: &[u8], path: &Path) -> Result<SchedStat, SignalError> {
    let line = only_line(text, path)?;
    let mut words = line.words();
    let mut next = || line.count(words.next());
    Ok(SchedStat {
        cpu: Duration::from_nanos(next()?),
        ready: Duration::from_nanos(next()?),
        slices: next()?,
    })
}

/// Parses out of `/proc/PID/task/TID/sched` when the thread was last accounted for: for a thread that waits, when it left
/// the processor. On the scheduler's clock, which stands still while a hypervisor takes the processor away.
///
/// # Errors
/// [`SignalError::Unsupported`] without the line, [`SignalError::Parse`] if it is not as the kernel writes it.
pub fn parse_exec_start(text: &[u8], path: &Path) -> Result<Duration, SignalError> {
    for line in lines(text, path) {
        let line = line?;
        let Some(rest) = line.text.strip_prefix(b"se.exec_start") else { continue };
        let value = rest.trim_ascii().strip_prefix(b":").map(<[u8]>::trim_ascii);
        // Milliseconds with six digits behind the point.
        let nanos = value.and_then(|value| {
            let point = value.iter().position(|byte| *byte == b'.')?;
            let (whole, fraction) = (digits(&value[..point])?, &value[point + 1..]);
            let fraction = (fraction.len() == 6).then(|| digits(fraction))??;
            whole.checked_mul(1_000_000)?.checked_add(fraction)
        });
        return nanos
            .map(Duration::from_nanos)
            .ok_or_else(|| line.error("milliseconds with six digits behind the point"));
    }
    Err(missing(path, "the line se.exec_start"))
}

/// A piece of an address space: a line of `/proc/PID/maps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first address.
    pub start: u64,
    /// The first address behind it.
    pub end: u64,
    /// Others that map the same see what is written here.
    pub shared: bool,
    /// Where in the file it begins.
    pub offset: u64,
    /// The device of the file, as `makedev(3)` makes it.
    pub device: u64,
    /// The inode of the file; 0 for memory of no file.
    pub inode: u64,
}

impl Mapping {
    /// True if `address` lies in it.
    #[must_use]
    pub const fn holds(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }
}

/// Parses the lines of `/proc/PID/maps`.
///
/// Each item is a [`SignalError::Parse`] if its line is not as the kernel writes it.
pub fn parse_maps<'t>(
    text: &'t [u8],
    path: &'t Path,
) -> impl Iterator<Item = Result<Mapping, SignalError>> + 't {
    lines(text, path).map(|line| {
        let line = line?;
        mapping(&line).ok_or_else(|| line.error("start-end perms offset dev inode"))
    })
}

fn mapping(line: &Line<'_, '_>) -> Option<Mapping> {
    fn pair(word: &[u8], between: u8) -> Option<(u64, u64)> {
        let middle = word.iter().position(|byte| *byte == between)?;
        Some((hexadecimal(&word[..middle])?, hexadecimal(&word[middle + 1..])?))
    }
    let mut words = line.words();
    let (start, end) = pair(words.next()?, b'-')?;
    let shared = match words.next()? {
        [_, _, _, b's'] => true,
        [_, _, _, b'p'] => false,
        _ => return None,
    };
    let offset = hexadecimal(words.next()?)?;
    let (major, minor) = pair(words.next()?, b':')?;
    let inode = digits(words.next()?)?;
    let device = rustix::fs::makedev(u32::try_from(major).ok()?, u32::try_from(minor).ok()?);
    (start < end).then_some(Mapping { start, end, shared, offset, device, inode })
}

/// What `/proc/PID/status` says of who could wake the process, and of its ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadStatus {
    /// (`Tgid`) The process that the thread belongs to.
    pub process: u32,
    /// (`TracerPid`) A debugger is attached.
    pub traced: bool,
    /// (`NSpid`, Linux 4.1) The thread's id in its own pid namespace, which is not the reader's.
    pub inner: Option<u32>,
    /// (`SigCgt`) The signals that have handlers; signal 1 is the lowest bit.
    pub caught: u64,
}

/// Parses `/proc/PID/task/TID/status`.
///
/// # Errors
/// [`SignalError::Unsupported`] if a line is missing, [`SignalError::Parse`] if one is not as the kernel writes it.
pub fn parse_status(text: &[u8], path: &Path) -> Result<ThreadStatus, SignalError> {
    let (mut process, mut traced, mut inner, mut caught) = (None, None, None, None);
    for line in lines(text, path) {
        let line = line?;
        let id = |word: Option<&[u8]>| {
            u32::try_from(line.count(word)?).map_err(|_| line.error("a number below 2^32"))
        };
        match line.key() {
            (b"Tgid", value) => process = Some(id(Some(value))?),
            (b"TracerPid", value) => traced = Some(id(Some(value))? != 0),
            (b"NSpid", _) => {
                // From the outermost namespace that the reader sees to the thread's own.
                let ids = line.words().skip(1);
                inner = ids.skip(1).last().map(|word| id(Some(word))).transpose()?;
            }
            (b"SigCgt", value) => {
                let mask = hexadecimal(value).ok_or_else(|| line.error("a set of signals"))?;
                caught = Some(mask);
            }
            _ => {}
        }
    }
    Ok(ThreadStatus {
        process: process.ok_or_else(|| missing(path, "the line Tgid"))?,
        traced: traced.ok_or_else(|| missing(path, "the line TracerPid"))?,
        inner,
        caught: caught.ok_or_else(|| missing(path, "the line SigCgt"))?,
    })
}

/// A number written in 1 to 16 hexadecimal digits and nothing else.
fn hexadecimal(word: &[u8]) -> Option<u64> {
    if word.is_empty() || word.len() > 16 {
        return None;
    }
    word.iter().try_fold(0, |value, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests;
