//! What a blocked system call waits for, by its number and its arguments.

use gadget_core::Wait;

use super::parse::Call;

/// A wait on a futex, as the arguments of the system call tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutexCall {
    /// The address of the word.
    pub address: u64,
    /// What the word was to hold for the thread to sleep; none for the operations that take a lock.
    pub expected: Option<u32>,
    /// How it waits.
    pub operation: FutexOperation,
    /// Its key is the address space, and not what is mapped there.
    pub private: bool,
    /// It gives up after a time.
    pub timed: bool,
}

/// The operations of futex(2) that block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FutexOperation {
    /// `FUTEX_WAIT`.
    Wait,
    /// `FUTEX_WAIT_BITSET`, and futex_wait(2).
    WaitBitset,
    /// `FUTEX_LOCK_PI` and `FUTEX_LOCK_PI2`.
    LockPi,
    /// `FUTEX_WAIT_REQUEUE_PI`: at a condition variable whose mutex the kernel hands over.
    RequeuePi,
}

/// What a blocked thread waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    Futex(FutexCall),
    /// It reads from this file descriptor.
    Read {
        fd: u32,
    },
    Other(Wait),
}

impl Blocked {
    /// True if a signal ends this wait, so that in state `D` it can only be frozen: the freezer of cgroups version 1 leaves
    /// a thread where it sleeps (Linux 6.1).
    pub(crate) fn is_interruptible(&self) -> bool {
        !matches!(self, Self::Read { .. } | Self::Other(Wait::Call { .. }))
    }
}

const CMD_MASK: u64 = 0x7f;
const PRIVATE: u64 = 128;
/// Below this no stack of a 64-bit program lies; the numbers of 32-bit programs are others.
const NARROW: u64 = 1 << 32;

impl FutexCall {
    /// Decodes the arguments of futex(2); none for an operation that does not block.
    #[must_use]
    pub fn decode(arguments: &[u64; 6]) -> Option<Self> {
        let [address, operation, expected, timeout, ..] = *arguments;
        let command = match operation & CMD_MASK {
            0 => FutexOperation::Wait,
            9 => FutexOperation::WaitBitset,
            6 | 13 => FutexOperation::LockPi,
            11 => FutexOperation::RequeuePi,
            _ => return None,
        };
        Some(Self {
            address,
            expected: (command != FutexOperation::LockPi).then_some(expected as u32),
            operation: command,
            private: operation & PRIVATE != 0,
            timed: timeout != 0,
        })
    }

    /// Decodes the arguments of futex_wait(2) (Linux 6.7) of a word of 32 bits.
    fn decode2(arguments: &[u64; 6]) -> Option<Self> {
        const SIZE_MASK: u64 = 3;
        const SIZE_U32: u64 = 2;
        let [address, expected, _, flags, timeout, _] = *arguments;
        (flags & SIZE_MASK == SIZE_U32).then_some(Self {
            address,
            expected: Some(expected as u32),
            operation: FutexOperation::WaitBitset,
            private: flags & PRIVATE != 0,
            timed: timeout != 0,
        })
    }
}

/// What `call` waits for on this architecture.
pub(crate) fn blocked_in(call: &Call) -> Blocked {
    let number = call.number;
    if call.stack < NARROW {
        return Blocked::Other(Wait::Call { number });
    }
    let arguments = &call.arguments;
    let futex = |decoded: Option<FutexCall>| {
        decoded.map_or(Blocked::Other(Wait::Call { number }), Blocked::Futex)
    };
    let fd = |fd: u64| fd as u32;
    let wait = match Kind::of(number) {
        Kind::Futex => return futex(FutexCall::decode(arguments)),
        Kind::FutexWait => return futex(FutexCall::decode2(arguments)),
        // Any of several futexes, which are in memory.
        Kind::FutexWaitv if arguments[3] != 0 => Wait::Time,
        Kind::Read => return Blocked::Read { fd: fd(arguments[0]) },
        Kind::Accept => Wait::Client { fd: fd(arguments[0]) },
        Kind::Poll => Wait::Files { timed: arguments[2] as i32 >= 0 },
        Kind::Ppoll => Wait::Files { timed: arguments[2] != 0 },
        Kind::Select => Wait::Files { timed: arguments[4] != 0 },
        Kind::EpollWait => Wait::Files { timed: arguments[3] as i32 >= 0 },
        Kind::EpollPwait2 => Wait::Files { timed: arguments[3] != 0 },
        Kind::Sleep => Wait::Time,
        Kind::Child => Wait::Child,
        Kind::Signal => Wait::Signal,
        Kind::SignalInTime if arguments[2] != 0 => Wait::Time,
        Kind::SignalInTime => Wait::Signal,
        Kind::FutexWaitv | Kind::Other => Wait::Call { number },
    };
    Blocked::Other(wait)
}

/// The system calls that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Futex,
    FutexWait,
    FutexWaitv,
    Read,
    Accept,
    Poll,
    Ppoll,
    Select,
    EpollWait,
    EpollPwait2,
    /// `nanosleep(2)` and its like; and `restart_syscall(2)`, by which timed waits go on after a stop.
    Sleep,
    Child,
    Signal,
    SignalInTime,
    Other,
}

impl Kind {
    const fn of(number: u32) -> Self {
        if cfg!(target_arch = "x86_64") { Self::of_x86_64(number) } else { Self::of_others(number) }
    }

    /// By the table of arch/x86/entry/syscalls/syscall_64.tbl.
    const fn of_x86_64(number: u32) -> Self {
        match number {
            202 => Self::Futex,
            455 => Self::FutexWait,
            449 => Self::FutexWaitv,
            // read, readv, recvfrom, recvmsg, recvmmsg
            0 | 19 | 45 | 47 | 299 => Self::Read,
            43 | 288 => Self::Accept,
            7 => Self::Poll,
            271 => Self::Ppoll,
            23 | 270 => Self::Select,
            232 | 281 => Self::EpollWait,
            441 => Self::EpollPwait2,
            // nanosleep, clock_nanosleep, restart_syscall
            35 | 230 | 219 => Self::Sleep,
            // wait4, waitid
            61 | 247 => Self::Child,
            // pause, rt_sigsuspend
            34 | 130 => Self::Signal,
            128 => Self::SignalInTime,
            _ => Self::Other,
        }
    }

    /// By the table of include/uapi/asm-generic/unistd.h, which aarch64 follows.
    const fn of_others(number: u32) -> Self {
        match number {
            98 => Self::Futex,
            455 => Self::FutexWait,
            449 => Self::FutexWaitv,
            // read, readv, recvfrom, recvmsg, recvmmsg
            63 | 65 | 207 | 212 | 243 => Self::Read,
            202 | 242 => Self::Accept,
            73 => Self::Ppoll,
            72 => Self::Select,
            22 => Self::EpollWait,
            441 => Self::EpollPwait2,
            // nanosleep, clock_nanosleep, restart_syscall
            101 | 115 | 128 => Self::Sleep,
            // wait4, waitid
            260 | 95 => Self::Child,
            // rt_sigsuspend
            133 => Self::Signal,
            137 => Self::SignalInTime,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: i64, arguments: [u64; 6]) -> Blocked {
        let number = u32::try_from(number).unwrap();
        blocked_in(&Call { number, arguments, stack: 0x7fff_0000_0000 })
    }

    fn futex(operation: i32, timeout: u64) -> Option<FutexCall> {
        FutexCall::decode(&[0x1000, operation as u64, 7, timeout, 0, 0])
    }

    #[test]
    fn operations_that_wait_are_decoded_and_others_are_not() {
        use FutexOperation::{LockPi, RequeuePi, Wait, WaitBitset};
        for (operation, expected) in [
            (libc::FUTEX_WAIT, Wait),
            (libc::FUTEX_WAIT_BITSET, WaitBitset),
            (libc::FUTEX_LOCK_PI, LockPi),
            (libc::FUTEX_LOCK_PI2, LockPi),
            (libc::FUTEX_WAIT_REQUEUE_PI, RequeuePi),
        ] {
            let found = futex(operation, 0).unwrap();
            assert_eq!((found.operation, found.private, found.timed), (expected, false, false));
            let marked = operation | libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
            let found = futex(marked, 1).unwrap();
            assert_eq!((found.operation, found.private, found.timed), (expected, true, true));
        }
        for operation in [libc::FUTEX_WAKE, libc::FUTEX_UNLOCK_PI, libc::FUTEX_TRYLOCK_PI, 77] {
            assert_eq!(futex(operation, 0), None);
        }
    }

    #[test]
    fn calls_are_told_by_their_numbers() {
        let reads = [libc::SYS_read, libc::SYS_readv, libc::SYS_recvfrom, libc::SYS_recvmsg];
        for number in reads {
            assert_eq!(call(number, [4, 0, 0, 0, 0, 0]), Blocked::Read { fd: 4 });
        }
        for (number, wait) in [
            (libc::SYS_accept, Wait::Client { fd: 4 }),
            (libc::SYS_accept4, Wait::Client { fd: 4 }),
            (libc::SYS_ppoll, Wait::Files { timed: false }),
            (libc::SYS_pselect6, Wait::Files { timed: false }),
            (libc::SYS_epoll_pwait2, Wait::Files { timed: false }),
            (libc::SYS_nanosleep, Wait::Time),
            (libc::SYS_clock_nanosleep, Wait::Time),
            (libc::SYS_restart_syscall, Wait::Time),
            (libc::SYS_wait4, Wait::Child),
            (libc::SYS_waitid, Wait::Child),
            (libc::SYS_rt_sigsuspend, Wait::Signal),
            (libc::SYS_rt_sigtimedwait, Wait::Signal),
            (libc::SYS_fsync, Wait::Call { number: libc::SYS_fsync as u32 }),
        ] {
            assert_eq!(call(number, [4, 0, 0, 0, 0, 0]), Blocked::Other(wait), "{number}");
        }
        assert!(matches!(call(libc::SYS_futex, [8, 128, 2, 0, 0, 0]), Blocked::Futex(_)));
    }

    #[test]
    fn the_same_calls_are_told_by_both_tables() {
        // futex, read, readv, recvfrom, recvmsg, recvmmsg, accept, accept4, ppoll, pselect6, epoll_pwait, nanosleep,
        // clock_nanosleep, restart_syscall, wait4, waitid, rt_sigsuspend, rt_sigtimedwait
        let x86_64 =
            [202, 0, 19, 45, 47, 299, 43, 288, 271, 270, 281, 35, 230, 219, 61, 247, 130, 128];
        let others =
            [98, 63, 65, 207, 212, 243, 202, 242, 73, 72, 22, 101, 115, 128, 260, 95, 133, 137];
        for (one, other) in x86_64.into_iter().zip(others) {
            assert_eq!(Kind::of_x86_64(one), Kind::of_others(other), "{one} {other}");
            assert_ne!(Kind::of_x86_64(one), Kind::Other, "{one}");
        }
        // From 424 on they are the same.
        for number in 424..460 {
            assert_eq!(Kind::of_x86_64(number), Kind::of_others(number), "{number}");
        }
    }

    #[test]
    fn minus_one_is_for_ever_and_zero_is_not() {
        let wait = |timeout| call(libc::SYS_epoll_pwait, [4, 0, 0, timeout, 0, 0]);
        assert_eq!(wait(u64::from(u32::MAX)), Blocked::Other(Wait::Files { timed: false }));
        assert_eq!(wait(u64::MAX), Blocked::Other(Wait::Files { timed: false }));
        assert_eq!(wait(5_000), Blocked::Other(Wait::Files { timed: true }));
        let timed = call(libc::SYS_rt_sigtimedwait, [4, 0, 9, 0, 0, 0]);
        assert_eq!(timed, Blocked::Other(Wait::Time));
    }

    #[test]
    fn a_32_bit_program_has_other_numbers() {
        let arguments = [4, 128, 2, 0, 0, 0];
        let call = Call { number: libc::SYS_futex as u32, arguments, stack: 0xffff_0000 };
        let wait = Wait::Call { number: call.number };
        assert_eq!(blocked_in(&call), Blocked::Other(wait));
    }
}
