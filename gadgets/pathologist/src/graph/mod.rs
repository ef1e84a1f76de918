//! Who waits for whom.

mod picture;
#[cfg(test)]
mod tests;
mod text;
mod walk;

use std::sync::Arc;

use gadget_core::{FutexAddress, LockKind, ProcessId, Thread, ThreadId, Threads, Timestamp, Wait};

pub(crate) use text::{Lock, Quoted, TimeOfDay, Who, push_queued};
use walk::Walk;

/// The most threads of all processes together that a graph holds; what comes beyond is counted.
pub(crate) const MOST_THREADS: usize = 100_000;

/// Who waits for whom: threads, and the locks that they wait for with the threads that hold them.
///
/// Each thread waits for at most one lock, and each lock has at most one owner, so that every thread's chain of owners is a
/// line: it ends at a thread that waits for no lock, at one that was not looked at, or in a cycle. Building one takes time
/// in proportion to the number of threads, whatever they claim about one another.
///
/// ```
/// use gadget_core::{
///     Futex, FutexAddress, Lock, LockKind, ProcessId, Thread, ThreadId, Threads, Timestamp, Wait,
/// };
/// use gadget_pathologist::LockGraph;
///
/// let process = ProcessId { pid: 4126, start: 900 };
/// let waiting = |tid, at, owner| Thread {
///     tid,
///     name: "worker".into(),
///     state: 'S',
///     cpu: Default::default(),
///     ready: Default::default(),
///     slices: 3,
///     since: Some(Timestamp::from_secs(53_107)),
///     wait: Wait::Futex(Futex {
///         address: FutexAddress::Private(at),
///         timed: false,
///         private: true,
///         pi: false,
///         word: Some(2),
///         lock: Some(Lock {
///             kind: LockKind::GlibcMutex,
///             owner: Some(ThreadId { process, tid: owner }),
///             contended: true,
///             depth: None,
///         }),
///         joins: None,
///     }),
/// };
/// let threads = Threads {
///     threads: vec![waiting(4127, 0x7f10a0, 4128), waiting(4128, 0x7f1060, 4127)],
///     ..Threads::default()
/// };
/// let graph = LockGraph::of(process, &threads);
/// let cycle = graph.cycles().next().expect("they wait for each other");
/// assert_eq!(
///     cycle.sentence(None, 12),
///     "thread 4127 waits for the lock at 0x7f10a0 held by 4128, which waits for 0x7f1060 held by 4127, \
///      since 14:45:07; 12 clients are queued"
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct LockGraph {
    /// Sorted by id, no duplicates.
    pub(crate) nodes: Vec<Node>,
    /// Members of each cycle in the order of waiting, the smallest id first.
    pub(crate) cycles: Vec<Vec<u32>>,
    /// Where each node's chain of owners ends.
    pub(crate) ends: Vec<End>,
    pub(crate) left_out: u64,
}

/// One thread.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: ThreadId,
    pub(crate) name: Arc<str>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) does: Does,
    pub(crate) waits: Option<Edge>,
}

/// What a thread does that waits for no lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    Run,
    Time,
    Peer,
    Client,
    Kernel,
    Stopped,
    Futex,
    Other,
}

/// A thread waits for a lock, and somebody holds it.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) lock: FutexAddress,
    pub(crate) kind: LockKind,
    pub(crate) owner: ThreadId,
    /// The owner's place in the nodes; none if it was not looked at.
    pub(crate) to: Option<u32>,
    pub(crate) timed: bool,
}

/// Where a chain of owners ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At this thread, which waits for no lock.
    Thread(u32),
    /// At a thread that was not looked at, which holds what this one waits for.
    Unseen(u32),
    /// In this cycle.
    Cycle(u32),
}

impl LockGraph {
    /// The graph of one process.
    #[must_use]
    pub fn of(process: ProcessId, threads: &Threads) -> Self {
        Self::of_all([(process, threads)])
    }

    /// The graph of several processes that share locks.
    #[must_use]
    pub fn of_all<'a>(readings: impl IntoIterator<Item = (ProcessId, &'a Threads)>) -> Self {
        let mut graph = Self::default();
        for (process, reading) in readings {
            graph.left_out += u64::from(reading.left_out);
            for thread in &reading.threads {
                if graph.nodes.len() >= MOST_THREADS {
                    graph.left_out += 1;
                } else if !matches!(thread.state, 'Z' | 'X') {
                    graph.nodes.push(Node::of(process, thread));
                }
            }
        }
        // Stable: of two threads with one id the first one counts.
        graph.nodes.sort_by_key(|node| node.id);
        graph.nodes.dedup_by_key(|node| node.id);
        for at in 0..graph.nodes.len() {
            let owner = graph.nodes[at].waits.as_ref().map(|edge| edge.owner);
            let to = owner.and_then(|owner| graph.place_of(owner));
            if let Some(edge) = &mut graph.nodes[at].waits {
                edge.to = to;
            }
        }
        let Walk { cycles, ends } = Walk::over(&graph.nodes);
        (graph.cycles, graph.ends) = (cycles, ends);
        graph
    }

    /// Every cycle of threads that wait for one another.
    pub fn cycles(&self) -> impl Iterator<Item = Cycle<'_>> {
        self.cycles.iter().map(|members| Cycle { graph: self, members })
    }

    /// How many threads it holds.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.nodes.len()
    }

    /// How many threads wait for a lock that another one, or they themselves, hold.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.nodes.iter().filter(|node| node.waits.is_some()).count()
    }

    /// Threads that are not in it, because there were too many.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(crate) fn place_of(&self, id: ThreadId) -> Option<u32> {
        self.nodes.binary_search_by_key(&id, |node| node.id).ok().map(|at| at as u32)
    }

    pub(crate) fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    /// Where the chain of owners that begins at this thread ends.
    pub(crate) fn end_of(&self, at: u32) -> End {
        self.ends[at as usize]
    }
}

/// Threads that wait for one another in a ring.
#[derive(Clone, Copy, Debug)]
pub struct Cycle<'a> {
    graph: &'a LockGraph,
    members: &'a [u32],
}

impl<'a> Cycle<'a> {
    /// The threads in the order of waiting, the smallest first: each waits for a lock that the next one holds.
    pub fn threads(&self) -> impl Iterator<Item = ThreadId> + use<'a> {
        let graph = self.graph;
        self.members.iter().map(|&at| graph.node(at).id)
    }

    /// How many there are; one that waits for itself is a cycle too.
    #[allow(clippy::len_without_is_empty, reason = "a cycle is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// False if one of them gives up after a time: then they may let go of one another, and nothing is proved.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        self.edges().all(|(_, edge)| !edge.timed)
    }

    /// When the last of them began to wait, which closed the ring; none where the kernel did not say.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        let mut since = self.members.iter().map(|&at| self.graph.node(at).since);
        since.try_fold(Timestamp::EPOCH, |latest, since| Some(latest.max(since?)))
    }

    pub(crate) fn edges(&self) -> impl Iterator<Item = (&'a Node, &'a Edge)> + use<'a> {
        let graph = self.graph;
        self.members.iter().filter_map(|&at| {
            let node = graph.node(at);
            Some((node, node.waits.as_ref()?))
        })
    }
}

impl Node {
    fn of(process: ProcessId, thread: &Thread) -> Self {
        let id = ThreadId { process, tid: thread.tid };
        let does = match &thread.wait {
            Wait::Running => Does::Run,
            Wait::Futex(futex) if futex.timed => Does::Time,
            Wait::Futex(_) => Does::Futex,
            Wait::Time | Wait::Files { timed: true } => Does::Time,
            Wait::Peer(_) => Does::Peer,
            Wait::Client { .. } | Wait::Files { timed: false } => Does::Client,
            Wait::Kernel { .. } => Does::Kernel,
            Wait::Stopped => Does::Stopped,
            _ => Does::Other,
        };
        let waits = match &thread.wait {
            Wait::Futex(futex) => futex.lock.filter(|lock| lock.contended).and_then(|lock| {
                let owner = lock.owner?;
                let edge = Edge {
                    lock: futex.address,
                    kind: lock.kind,
                    owner,
                    to: None,
                    timed: futex.timed,
                };
                // Nobody blocks on a recursive lock of his own, and the kernel refuses such a wait with priority
                // inheritance: what looks like one is something else.
                let never =
                    matches!(lock.kind, LockKind::GlibcRecursive | LockKind::PriorityInheritance);
                (owner != id || !never).then_some(edge)
            }),
            _ => None,
        };
        Self { id, name: Arc::clone(&thread.name), since: thread.since, does, waits }
    }
}
