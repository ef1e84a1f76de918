//! What the threads of one process wait for, by what is around them.

use std::collections::HashMap;
use std::path::Path;

use gadget_core::{
    Futex, FutexAddress, Listener, Lock, LockKind, Peer, ProcessId, ThreadId, Wait, Wakers,
};
use rustix::fd::OwnedFd;

use super::foreign::words_at;
use super::futex::{FutexCall, FutexOperation};
use super::layout::{LockShape, LockWords};
use super::parse::{Mapping, SchedStat, ThreadStatus, parse_maps, parse_status};
use super::reader::{Draft, ThreadReader};
use super::sockets::{network_of, peer_of};
use super::wakers::{Descriptors, signal_timers, socket_inode};
use crate::process::parse_stat;

/// One look at one process.
pub(super) struct Look<'r> {
    pub(super) reader: &'r mut ThreadReader,
    id: ProcessId,
    pub(super) folder: &'r OwnedFd,
    /// The threads that live, sorted.
    pub(super) tids: Vec<u32>,
    status: Option<ThreadStatus>,
    descriptors: Descriptors,
    /// Read when an address has to be looked up.
    maps: Option<Vec<Mapping>>,
    /// The threads by their ids in the process's own pid namespace, read when one is met.
    inner: Option<HashMap<u32, u32>>,
}

impl<'r> Look<'r> {
    pub(super) fn new(
        reader: &'r mut ThreadReader,
        id: ProcessId,
        folder: &'r OwnedFd,
        tids: Vec<u32>,
    ) -> Self {
        let text = reader.files.read(folder, format_args!("status")).ok();
        let status = text.and_then(|text| parse_status(text, Path::new("status")).ok());
        let descriptors = Descriptors::of(&mut reader.files, folder);
        Self { reader, id, folder, tids, status, descriptors, maps: None, inner: None }
    }

    pub(super) fn wakers(&mut self) -> Wakers {
        let signal_timers = self.status.and_then(|status| {
            signal_timers(&mut self.reader.files, self.folder, &self.tids, status.caught)
        });
        Wakers {
            signal_timers,
            io_uring: self.descriptors.io_uring,
            traced: self.status.map(|status| status.traced),
            caught: self.status.map(|status| status.caught),
        }
    }

    /// The sockets on which the process listens and has clients waiting.
    /// The sockets on which the process listens and has clients waiting.
    pub(super) fn listeners(&mut self) -> Vec<Listener> {
        let ThreadReader { files, root, listeners, sockets, .. } = &mut *self.reader;
        if !*sockets || self.descriptors.sockets.is_empty() {
            return Vec::new();
        }
        let Some(namespace) = network_of(files, self.folder, "ns/net") else { return Vec::new() };
        let waiting = listeners.of(files, root, self.folder, namespace).iter();
        let own = waiting.filter(|waiting| self.descriptors.sockets.contains(&waiting.inode));
        own.map(|waiting| waiting.listener).collect()
    }

    /// Fills in what the drafts wait for.
    pub(super) fn resolve(&mut self, drafts: &mut [Draft]) {
        let stacks: HashMap<u32, u64> =
            drafts.iter().filter_map(|draft| Some((draft.thread.tid, draft.stack?))).collect();
        for draft in drafts {
            if let Some(call) = draft.futex {
                let futex = self.futex(draft.thread.tid, draft.ran, &call, &stacks);
                draft.thread.wait = Wait::Futex(futex);
            } else if let Some(peer) = draft.read.and_then(|fd| self.peer(fd)) {
                draft.thread.wait = Wait::Peer(peer);
            }
        }
    }

    /// The other end, if `fd` is a socket.
    fn peer(&mut self, fd: u32) -> Option<Peer> {
        let mut target = [0; 64];
        let target = self.reader.files.link(self.folder, format_args!("fd/{fd}"), &mut target);
        socket_inode(target.ok()?)?;
        let unknown = Peer { address: None, sent: None, received: None, timed: false };
        let asked = self.reader.sockets.then(|| peer_of(self.id.pid, fd).ok());
        Some(asked.flatten().unwrap_or(unknown))
    }

    fn futex(
        &mut self,
        tid: u32,
        ran: SchedStat,
        call: &FutexCall,
        stacks: &HashMap<u32, u64>,
    ) -> Futex {
        let mapping = if call.private { None } else { self.mapping(call.address) };
        let address = match mapping.filter(|mapping| mapping.shared) {
            Some(Mapping { start, offset, device, inode, .. }) => {
                let offset = offset.saturating_add(call.address - start);
                FutexAddress::Shared { device, inode, offset }
            }
            None => FutexAddress::Private(call.address),
        };
        let mut futex = Futex {
            address,
            timed: call.timed,
            private: call.private || mapping.is_some_and(|mapping| !mapping.shared),
            pi: call.operation == FutexOperation::LockPi,
            word: None,
            lock: None,
            joins: None,
        };
        let words = if self.reader.memory { words_at(tid, call.address) } else { Ok(None) };
        let Ok(Some(words)) = words else { return futex };
        futex.word = Some(words.at[0]);
        let lock = words.recognise(call).and_then(|shape| self.lock(&shape));
        let joins = mapping
            .filter(|mapping| !mapping.shared)
            .and_then(|mapping| self.joins(tid, call, &words, &mapping, stacks));
        // What was read is of this wait only if the thread has not run meanwhile.
        let mut same = || self.reader.ran(self.folder, tid).is_ok_and(|now| now == ran);
        if (lock.is_some() || joins.is_some()) && same() {
            (futex.lock, futex.joins) = (lock, joins);
        }
        futex
    }

    /// The lock of this shape, if its owner is a thread that lives.
    fn lock(&mut self, shape: &LockShape) -> Option<Lock> {
        let sibling = self.outer(shape.owner).filter(|tid| self.tids.binary_search(tid).is_ok());
        let owner = match sibling {
            Some(tid) => Some(ThreadId { process: self.id, tid }),
            None if shape.foreign => self.stranger(shape.owner),
            None => None,
        };
        // Of these the operation alone proves the kind.
        let certain = shape.kind == LockKind::PriorityInheritance;
        (owner.is_some() || certain).then_some(Lock {
            kind: shape.kind,
            owner,
            contended: shape.contended,
            depth: shape.depth,
        })
    }

    /// The live sibling whose end `tid` waits for, as pthread_join(3) does: the word is that thread's id, which the kernel
    /// clears with a wake-up of the shared kind, and it lies where the thread's stack is.
    fn joins(
        &mut self,
        tid: u32,
        call: &FutexCall,
        words: &LockWords,
        mapping: &Mapping,
        stacks: &HashMap<u32, u64>,
    ) -> Option<u32> {
        let waits = matches!(call.operation, FutexOperation::Wait | FutexOperation::WaitBitset);
        if !waits || call.expected != Some(words.at[0]) {
            return None;
        }
        let sibling = self.outer(words.at[0])?;
        let lives = sibling != tid && self.tids.binary_search(&sibling).is_ok();
        // The first thread's stack is the kernel's, and its id lies elsewhere; of a running one the stack is not known.
        let near = sibling == self.id.pid
            || stacks.get(&sibling).is_none_or(|stack| mapping.holds(*stack));
        (lives && near).then_some(sibling)
    }

    fn mapping(&mut self, address: u64) -> Option<Mapping> {
        let Self { reader, folder, .. } = self;
        let maps = self.maps.get_or_insert_with(|| {
            let text = reader.files.read_all(folder, format_args!("maps")).unwrap_or_default();
            parse_maps(text, Path::new("maps")).flatten().collect()
        });
        let next = maps.partition_point(|mapping| mapping.end <= address);
        maps.get(next).filter(|mapping| mapping.holds(address)).copied()
    }

    /// The thread's id as the reader sees it, of one in the process's own pid namespace.
    fn outer(&mut self, inner: u32) -> Option<u32> {
        // Where that cannot be read no id is certain.
        self.status?.inner.map_or(Some(inner), |_| {
            let Self { reader, folder, tids, .. } = self;
            let all = self.inner.get_or_insert_with(|| {
                let mut read = |tid: u32| {
                    let text = reader.files.read(folder, format_args!("task/{tid}/status")).ok()?;
                    parse_status(text, Path::new("status")).ok()?.inner
                };
                tids.iter().filter_map(|&tid| Some((read(tid)?, tid))).collect()
            });
            all.get(&inner).copied()
        })
    }

    /// The live thread with this id in another process, where both use the reader's ids.
    fn stranger(&mut self, tid: u32) -> Option<ThreadId> {
        if self.status?.inner.is_some() {
            return None;
        }
        let ThreadReader { files, root, .. } = &mut *self.reader;
        let text = files.read(root, format_args!("{tid}/status")).ok()?;
        let ThreadStatus { process, inner: None, .. } =
            parse_status(text, Path::new("status")).ok()?
        else {
            return None;
        };
        let mut stat = |name: std::fmt::Arguments<'_>| {
            let stat = parse_stat(files.read(root, name).ok()?, Path::new("stat")).ok()?;
            Some((stat.start, stat.state))
        };
        let (_, state) = stat(format_args!("{process}/task/{tid}/stat"))?;
        let (start, _) = stat(format_args!("{process}/stat"))?;
        let lives = !matches!(state, 'Z' | 'X');
        lives.then_some(ThreadId { process: ProcessId { pid: process, start }, tid })
    }
}
