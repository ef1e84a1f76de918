//! Recognising a lock by the words around the address that a thread waits at.
//!
//! A wrong guess could end a healthy process, so whatever is not exactly as a held and contended lock of that layout is
//! no lock. The words alone are not enough: the caller checks that the owner is a live thread.

use gadget_core::LockKind;

use super::futex::{FutexCall, FutexOperation};

/// The memory around a futex: 16 bytes before, 40 from its address on, 8 behind those; in words of 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockWords {
    /// The four words before; none where that is not mapped.
    pub before: Option<[u32; 4]>,
    /// The futex, and the nine words behind it; those are zero if the memory ends before the last of them.
    pub at: [u32; 10],
    /// The two words behind those; none where that is not mapped.
    pub after: Option<[u32; 2]>,
}

/// What a lock says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockShape {
    /// Its layout.
    pub kind: LockKind,
    /// The thread that holds it, by its id in its own pid namespace.
    pub owner: u32,
    /// How often that thread has locked it, where the layout counts that.
    pub depth: Option<u32>,
    /// It says that somebody waits.
    pub contended: bool,
    /// The owner may be a thread of another process.
    pub foreign: bool,
}

/// `FUTEX_WAITERS`, `FUTEX_OWNER_DIED`, `FUTEX_TID_MASK` of include/uapi/linux/futex.h.
const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const TID_MASK: u32 = 0x3fff_ffff;
/// The kernel gives no higher id (`PID_MAX_LIMIT`).
const MAX_TID: u32 = 4 << 20;
/// No lock is used by more threads at once.
const MAX_USERS: u32 = MAX_TID;

impl LockWords {
    /// The lock that lives here and that `call` waits for; none unless all of it is as it must be.
    #[must_use]
    pub fn recognise(&self, call: &FutexCall) -> Option<LockShape> {
        let shape = if call.operation == FutexOperation::LockPi {
            self.priority_inheritance(call)
        } else if call.expected != Some(self.at[0]) {
            // The word has changed since the thread went to sleep: it is about to be woken, or waits for nothing.
            None
        } else {
            self.glibc_mutex(call)
                .or_else(|| self.glibc_rwlock(call))
                .or_else(|| self.musl_mutex(call))
        };
        shape.filter(|shape| (1..=MAX_TID).contains(&shape.owner))
    }

    /// The operation itself says that the kernel keeps the owner in the word.
    fn priority_inheritance(&self, call: &FutexCall) -> Option<LockShape> {
        let word = self.at[0];
        Some(LockShape {
            kind: LockKind::PriorityInheritance,
            owner: word & TID_MASK,
            depth: None,
            contended: word & WAITERS != 0,
            foreign: !call.private,
        })
    }

    /// glibc, sysdeps/nptl/bits/struct_mutex.h with 64 bits: lock, count, owner, users, kind, spins, list of two pointers.
    fn glibc_mutex(&self, call: &FutexCall) -> Option<LockShape> {
        const RECURSIVE: u32 = 1;
        const ADAPTIVE: u32 = 3;
        const ROBUST: u32 = 16;
        const SHARED: u32 = 128;
        const ELISION: u32 = 256 | 512;
        let [lock, count, owner, users, kind, spins, p0, p1, n0, n1] = self.at;
        let (previous, next) = ([p0, p1], [n0, n1]);
        if kind & !(3 | ROBUST | SHARED | ELISION) != 0 || !(1..=MAX_USERS).contains(&users) {
            return None;
        }
        let form = kind & 3;
        let recursive = form == RECURSIVE;
        let linked = next != [0; 2] && previous != [0; 2];
        let loose = next == [0; 2] && previous == [0; 2];
        let right = if kind & ROBUST != 0 {
            // Held ones are in a list of their owner's.
            lock == owner | WAITERS
                && linked
                && call.operation == FutexOperation::Wait
                && !call.private
        } else {
            // Only with a time out is the operation that of condition variables and semaphores.
            let operation = call.operation == FutexOperation::Wait || call.timed;
            lock == 2 && loose && operation && call.private == (kind & SHARED == 0)
        };
        let counted = recursive || kind & ROBUST != 0;
        // Spins are counted by adaptive ones alone.
        let spun = form == ADAPTIVE || spins & 0xffff == 0;
        (right && spun && counted == (count != 0)).then_some(LockShape {
            kind: match (kind & ROBUST != 0, recursive) {
                (true, _) => LockKind::Robust,
                (false, true) => LockKind::GlibcRecursive,
                (false, false) => LockKind::GlibcMutex,
            },
            owner,
            depth: Some(count.max(1)),
            contended: true,
            foreign: kind & SHARED != 0,
        })
    }

    /// glibc 2.25 and later, sysdeps/nptl/bits/struct_rwlock.h with 64 bits: readers, writers, the two futexes, two words
    /// of nothing, the writer, whether it is shared, four words of nothing, flags.
    fn glibc_rwlock(&self, call: &FutexCall) -> Option<LockShape> {
        /// `PTHREAD_RWLOCK_WRPHASE` and `PTHREAD_RWLOCK_WRLOCKED`.
        const WRITE_LOCKED: u32 = 3;
        /// A writer has it, and somebody waits for that to change.
        const HELD_AND_USED: u32 = 3;
        const FLAGS: u32 = 2;
        // Four words before, the futex, and what is behind.
        let mut all = [0; 16];
        let behind = self.at.iter().chain(self.after.iter().flatten());
        let read = self.before.as_ref()?.iter().chain(behind);
        let len = all.iter_mut().zip(read).map(|(into, from)| *into = *from).count();
        // The futex of the phase is the third word, that of the writers the fourth.
        [2, 1].into_iter().find_map(|start| {
            let words = all[..len].get(start..)?.first_chunk::<13>()?;
            let [readers, _, phase, writers, p0, p1, owner, shared, p2, p3, p4, p5, flags] = *words;
            let right = readers & WRITE_LOCKED == WRITE_LOCKED
                && self.at[0] == HELD_AND_USED
                && [phase, writers].iter().all(|futex| matches!(futex, 1 | 3))
                && [p0, p1, p2, p3, p4, p5] == [0; 6]
                && flags <= FLAGS
                && shared <= 1
                && call.private == (shared == 0);
            right.then_some(LockShape {
                kind: LockKind::GlibcRwlock,
                owner,
                depth: None,
                contended: true,
                foreign: shared == 1,
            })
        })
    }

    /// musl, src/internal/pthread_impl.h with 64 bits: type, lock, waiters, two words, count, two pointers. A plain one
    /// does not name its owner.
    fn musl_mutex(&self, call: &FutexCall) -> Option<LockShape> {
        const RECURSIVE: u32 = 1;
        const ROBUST: u32 = 4;
        const SHARED: u32 = 128;
        let kind = self.before?[3];
        let [lock, waiters, _, _, count, p0, p1, n0, n1, _] = self.at;
        let form = kind & 3;
        let right = kind & !(3 | ROBUST | SHARED) == 0
            && matches!(form, RECURSIVE | 2)
            && lock & (WAITERS | OWNER_DIED) == WAITERS
            && (1..=MAX_USERS).contains(&waiters)
            && (form == RECURSIVE || count == 0)
            // Held ones are in a list of their owner's.
            && [p0, p1] != [0; 2]
            && [n0, n1] != [0; 2]
            && call.operation == FutexOperation::Wait
            && call.private == (kind & SHARED == 0);
        right.then_some(LockShape {
            kind: LockKind::MuslMutex,
            owner: lock & TID_MASK,
            depth: Some(count.saturating_add(1)),
            contended: true,
            foreign: kind & SHARED != 0,
        })
    }
}
#[cfg(test)]
mod tests;
