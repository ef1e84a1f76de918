//! What the graph says in words.

use std::fmt::{self, Write as _};

use gadget_core::{FutexAddress, ProcessId, ThreadId, Timestamp};

use super::{Cycle, Does, End, LockGraph, Node};

/// The most threads of a cycle that a sentence names.
const MOST_NAMED: usize = 8;
/// The most lines that a graph is printed in.
const MOST_LINES: usize = 1_000;

impl Cycle<'_> {
    /// The finding in a sentence: who waits for what held by whom, since when, and how many clients are queued.
    ///
    /// The time is that of the day in UTC, from [`since`](Self::since), or from `seen` where the kernel did not say when the
    /// threads began to wait: then they have waited since before that.
    #[must_use]
    pub fn sentence(&self, seen: Option<Timestamp>, queued: u32) -> String {
        let home = self.threads().next().map(|id| id.process);
        let mut text = String::from("thread ");
        let mut first = true;
        for (at, (node, edge)) in self.edges().enumerate() {
            let last = at + 1 == self.len();
            if at >= MOST_NAMED && !last {
                continue;
            }
            let lock = Lock(edge.lock);
            let owner = Who(edge.owner, home);
            let _ = match (first, self.len()) {
                (true, 1) => {
                    write!(text, "{} waits for the lock at {lock} held by itself", node.id.tid)
                }
                (true, _) => {
                    write!(text, "{} waits for the lock at {lock} held by {owner}", node.id.tid)
                }
                (false, count) if last && count > MOST_NAMED + 1 => write!(
                    text,
                    ", and so on through {} more threads, of which the last waits for {lock} held by {owner}",
                    count - MOST_NAMED
                ),
                (false, _) => write!(text, ", which waits for {lock} held by {owner}"),
            };
            first = false;
        }
        if let Some(since) = self.since().or(seen) {
            let _ = write!(text, ", since {}", TimeOfDay(since));
        }
        push_queued(&mut text, queued);
        text
    }
}

/// How many clients wait for the process, where any does.
pub(crate) fn push_queued(text: &mut String, queued: u32) {
    let _ = match queued {
        0 => Ok(()),
        1 => write!(text, "; 1 client is queued"),
        _ => write!(text, "; {queued} clients are queued"),
    };
}

/// One line for each thread that waits for a lock, those of cycles first, then what the owners do that wait for none.
impl fmt::Display for LockGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = 0;
        for cycle in self.cycles() {
            let kind =
                if cycle.is_for_good() { "deadlock" } else { "cycle of waits that time out" };
            writeln!(f, "{kind}: {}", cycle.sentence(None, 0))?;
            lines += 1;
            if lines >= MOST_LINES {
                return writeln!(f, "and more");
            }
        }
        let waiting = self.nodes.iter().enumerate().filter(|(_, node)| node.waits.is_some());
        for (at, node) in waiting {
            if lines >= MOST_LINES {
                return writeln!(f, "and more threads that wait");
            }
            lines += 1;
            self.line(f, at as u32, node)?;
        }
        if self.left_out > 0 {
            writeln!(f, "{} threads were not looked at", self.left_out)?;
        }
        if lines == 0 {
            writeln!(f, "no thread waits for a lock whose owner is known")?;
        }
        Ok(())
    }
}

impl LockGraph {
    fn line(&self, f: &mut fmt::Formatter<'_>, at: u32, node: &Node) -> fmt::Result {
        let Some(edge) = &node.waits else { return Ok(()) };
        let home = Some(node.id.process);
        write!(
            f,
            "thread {} {} waits for the {} at {} held by {}",
            node.id.tid,
            Quoted(&node.name),
            lock_name(edge.kind),
            Lock(edge.lock),
            Who(edge.owner, home)
        )?;
        if edge.timed {
            f.write_str(", for a time")?;
        }
        match self.end_of(at) {
            End::Cycle(_) => f.write_str(", which leads into a cycle"),
            End::Unseen(_) => f.write_str(", which ends at a thread that was not looked at"),
            End::Thread(end) => {
                let end = self.node(end);
                write!(
                    f,
                    ", which ends at {} {}: it {}",
                    Who(end.id, home),
                    Quoted(&end.name),
                    end.does
                )
            }
        }?;
        writeln!(f)
    }
}

impl fmt::Display for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Run => "runs",
            Self::Time => "waits for a time",
            Self::Peer => "waits for a peer",
            Self::Client => "waits for a client",
            Self::Kernel => "waits in the kernel",
            Self::Stopped => "is stopped",
            Self::Futex => "waits on a futex whose owner is not known",
            Self::Other => "waits for something else",
        })
    }
}

pub(super) const fn lock_name(kind: gadget_core::LockKind) -> &'static str {
    use gadget_core::LockKind;
    match kind {
        LockKind::GlibcMutex | LockKind::MuslMutex => "mutex",
        LockKind::GlibcRecursive => "recursive mutex",
        LockKind::GlibcRwlock => "rwlock",
        LockKind::Robust => "robust mutex",
        LockKind::PriorityInheritance => "priority-inheritance futex",
        _ => "lock",
    }
}

/// A lock's place: its address, or where in which file it is shared.
pub(crate) struct Lock(pub(crate) FutexAddress);

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            FutexAddress::Private(address) => write!(f, "{address:#x}"),
            FutexAddress::Shared { device, inode, offset } => {
                write!(f, "{offset:#x} of shared memory {device:#x}:{inode}")
            }
        }
    }
}

/// A thread, with its process where that is not the one that is spoken of.
pub(crate) struct Who(pub(crate) ThreadId, pub(crate) Option<ProcessId>);

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.tid)?;
        if self.1.is_some_and(|home| home != self.0.process) {
            write!(f, " of process {}", self.0.process.pid)?;
        }
        Ok(())
    }
}

/// A name as it may be printed: a `comm` can hold anything, control sequences of a terminal too.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_debug())
    }
}

/// The time of the day in UTC, to the second.
pub(crate) struct TimeOfDay(pub(crate) Timestamp);

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0.as_nanos() / 1_000_000_000 % 86_400;
        write!(f, "{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
    }
}
