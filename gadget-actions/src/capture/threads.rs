//! What the kernel shows of each thread: files below `/proc/PID/task/TID` that take no lock of the process's memory.

use std::fmt::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use crate::file;
use crate::process::Target;

/// The most threads that are looked at.
pub(crate) const MAX_THREADS: usize = 4096;

/// One thread.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) tid: u32,
    /// Its `comm`, without what would break a line.
    pub(crate) name: String,
    pub(crate) state: char,
    /// On processors, ready and waiting, and slices it was given (`schedstat`).
    schedstat: String,
    wchan: String,
    /// The line of `syscall`.
    pub(crate) syscall: String,
}

/// Where a blocked thread left user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its stack pointer.
    pub sp: u64,
    /// Its instruction pointer.
    pub pc: u64,
}

/// From the line of `/proc/PID/task/TID/syscall`; none for a thread that runs.
///
/// The line ends with the stack and the instruction pointer, both in a system call and outside of one (number -1).
#[must_use]
pub fn parse_syscall(line: &str) -> Option<Left> {
    let mut fields = line.split_ascii_whitespace();
    let number: i64 = fields.next()?.parse().ok()?;
    let hex = |field: &str| u64::from_str_radix(field.strip_prefix("0x")?, 16).ok();
    let skip = if number < 0 { 0 } else { 6 };
    let (sp, pc) = (hex(fields.nth(skip)?)?, hex(fields.next()?)?);
    fields.next().is_none().then_some(Left { sp, pc })
}

/// The threads of a process at one look.
#[derive(Debug)]
pub(crate) struct Threads {
    tasks: OwnedFd,
    pub(crate) list: Vec<Thread>,
    /// Those beyond [`MAX_THREADS`].
    pub(crate) left_out: usize,
}

impl Threads {
    pub(crate) fn read(target: &Target) -> rustix::io::Result<Self> {
        let tasks = file::open_dir(target.dir.as_fd(), "task")?;
        let (mut list, mut left_out) = (Vec::new(), 0);
        file::for_each_dir(tasks.as_fd(), &mut |name| {
            let tid = name.to_str().ok().and_then(|name| name.parse().ok()).ok_or(Errno::ILSEQ)?;
            if list.len() < MAX_THREADS {
                list.extend(Thread::read(tasks.as_fd(), tid));
            } else {
                left_out += 1;
            }
            Ok(())
        })?;
        Ok(Self { tasks, list, left_out })
    }

    /// The facts as lines.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "# tid state on-cpu-ns ready-ns slices wchan syscall [number, six arguments, sp, pc] name\n",
        );
        for thread in &self.list {
            let Thread { tid, name, state, schedstat, wchan, syscall } = thread;
            let _ = writeln!(text, "{tid} {state} {schedstat} {wchan} [{syscall}] \"{name}\"");
        }
        if self.left_out > 0 {
            let _ = writeln!(text, "# and {} more threads", self.left_out);
        }
        text
    }

    /// The kernel stacks, and how many there are. Empty is that of a thread that runs.
    pub(crate) fn kernel_stacks(&self) -> Result<(String, usize), Errno> {
        let (mut text, mut count) = (String::new(), 0);
        for thread in &self.list {
            let mut buffer = [0; 8192];
            let stack = match read(self.tasks.as_fd(), thread.tid, "stack", &mut buffer) {
                Err(Errno::ACCESS | Errno::PERM) => return Err(Errno::ACCESS),
                stack => stack.unwrap_or_default(),
            };
            let _ = writeln!(text, "{thread}\n{}", String::from_utf8_lossy(stack).trim_end());
            count += usize::from(!stack.is_empty());
        }
        Ok((text, count))
    }

    /// True if the thread has not run since it was looked at.
    #[cfg(any(test, all(feature = "stacks", target_arch = "x86_64")))]
    pub(crate) fn still(&self, thread: &Thread) -> bool {
        line(self.tasks.as_fd(), thread.tid, "schedstat") == thread.schedstat
    }
}

impl std::fmt::Display for Thread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { tid, name, state, wchan, .. } = self;
        write!(f, "thread {tid} \"{name}\", state {state}, in {wchan}")
    }
}

impl Thread {
    fn read(tasks: BorrowedFd<'_>, tid: u32) -> Option<Self> {
        let mut buffer = [0; 1024];
        let stat = read(tasks, tid, "stat", &mut buffer).ok()?;
        let (open, close) =
            (stat.iter().position(|&b| b == b'(')?, stat.iter().rposition(|&b| b == b')')?);
        let name = String::from_utf8_lossy(stat.get(open + 1..close)?).escape_debug().to_string();
        let state = char::from(*stat.get(close + 2)?);
        let wchan = match &*line(tasks, tid, "wchan") {
            "" | "0" => "-".to_owned(),
            channel => channel.to_owned(),
        };
        let or_unknown = |text: String| if text.is_empty() { "?".to_owned() } else { text };
        let schedstat = line(tasks, tid, "schedstat");
        let syscall = or_unknown(line(tasks, tid, "syscall"));
        Some(Self { tid, name, state, schedstat, wchan, syscall })
    }
}

fn read<'b>(
    tasks: BorrowedFd<'_>,
    tid: u32,
    file: &str,
    buffer: &'b mut [u8],
) -> rustix::io::Result<&'b [u8]> {
    file::read_into(tasks, &format!("{tid}/{file}"), buffer)
}

/// A file of one line, empty if it cannot be read.
fn line(tasks: BorrowedFd<'_>, tid: u32, file: &str) -> String {
    let mut buffer = [0; 512];
    let text = read(tasks, tid, file, &mut buffer).unwrap_or_default();
    String::from_utf8_lossy(text).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Child, proc};

    #[test]
    fn the_registers_stand_at_the_end_of_the_line_in_a_call_and_outside_of_one() {
        let left = Some(Left { sp: 0x7ffd10, pc: 0x7f0020 });
        assert_eq!(parse_syscall("202 0x1 0x80 0x2 0x0 0x0 0x0 0x7ffd10 0x7f0020"), left);
        assert_eq!(parse_syscall("-1 0x7ffd10 0x7f0020"), left);
        for text in [
            "running",
            "",
            "202 0x1",
            "-1 7 8",
            "-1 0x7 0x8 0x9",
            "202 0x1 0x80 0x2 0x0 0x0 0x0 0x7",
        ] {
            assert_eq!(parse_syscall(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_sleeping_process_shows_its_thread_and_has_not_run() {
        let child = Child::script("echo ready; exec sleep 1000");
        let target = Target::open(proc(), child.id()).unwrap();
        crate::testing::eventually("it sleeps", || {
            let threads = Threads::read(&target).unwrap();
            threads
                .list
                .iter()
                .all(|thread| thread.name == "sleep" && parse_syscall(&thread.syscall).is_some())
        });
        let threads = Threads::read(&target).unwrap();
        let [thread] = &threads.list[..] else { panic!("{threads:?}") };
        assert_eq!((thread.tid, thread.state, threads.left_out), (child.pid(), 'S', 0));
        assert!(threads.still(thread));
        assert!(threads.table().contains(&format!("\n{} S ", child.pid())), "{}", threads.table());
        drop(child);
        assert!(!threads.still(thread));
        assert!(Threads::read(&target).map_or(true, |threads| threads.list.is_empty()));
    }
}
