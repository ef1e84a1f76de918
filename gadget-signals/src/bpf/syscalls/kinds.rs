//! What system calls do with their time.

use super::NUMBERS;

/// `enum call_kind` of `bpf/syscalls.h`; what is in neither list works.
const WAITS: u8 = 1;
const BY_FILE: u8 = 2;

/// They wait until something happens that others do, or for a time.
const WAITING: &[libc::c_long] = &[
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_clock_nanosleep,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_flock,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_io_getevents,
    libc::SYS_io_uring_enter,
    libc::SYS_mq_timedreceive,
    libc::SYS_msgrcv,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // futex_wait, of Linux 6.7; the same on every architecture.
    455,
];

/// Calls that newer architectures do without.
#[cfg(target_arch = "x86_64")]
const WAITING_OLD: &[libc::c_long] =
    &[libc::SYS_epoll_wait, libc::SYS_pause, libc::SYS_poll, libc::SYS_select];
#[cfg(not(target_arch = "x86_64"))]
const WAITING_OLD: &[libc::c_long] = &[];

/// They wait or work by what their first argument is.
const READING: &[libc::c_long] = &[libc::SYS_read, libc::SYS_readv];

/// The kind of each call by its number.
pub(super) fn kinds() -> [u8; NUMBERS] {
    let mut kinds = [0; NUMBERS];
    for (list, kind) in [(WAITING, WAITS), (WAITING_OLD, WAITS), (READING, BY_FILE)] {
        for number in list {
            if let Some(entry) = usize::try_from(*number).ok().and_then(|at| kinds.get_mut(at)) {
                *entry = kind;
            }
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_and_working_calls_are_told_apart() {
        let kinds = kinds();
        let of = |number: libc::c_long| kinds[usize::try_from(number).unwrap()];
        assert_eq!(of(libc::SYS_futex), WAITS);
        assert_eq!(of(libc::SYS_read), BY_FILE);
        assert_eq!(of(libc::SYS_getppid) + of(libc::SYS_write) + of(libc::SYS_sched_yield), 0);
        assert_eq!(kinds[NUMBERS - 1], 0, "what is not told apart works");
    }
}
