//! Threads that wait, beside what `/proc/PID/task/TID/syscall` says of them.

use std::fs;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use gadget_core::{Clock as _, ProcessId, SystemClock};
use gadget_signals::{BlockedThread, BlockedThreads, Candidate, Candidates as _, Suspicion, parse};
use rustix::thread::gettid;

use crate::support::or_skip;

/// Starts a thread of ours and says its number.
fn start(work: impl FnOnce() + Send + 'static) -> u32 {
    let (say, said) = mpsc::channel();
    thread::spawn(move || {
        say.send(gettid().as_raw_nonzero().get().cast_unsigned()).unwrap();
        work();
    });
    said.recv().unwrap()
}

fn wait_for_ever() {
    let (lock, signal) = (Mutex::new(()), Condvar::new());
    drop(signal.wait_while(lock.lock().unwrap(), |()| true));
}

fn read_for_ever() {
    let (mut own, _other) = UnixStream::pair().unwrap();
    let _ = std::io::Read::read(&mut own, &mut [0]);
}

/// The threads of ours that have waited for 50 ms, once `tids` are all among them.
fn found(blocked: &mut BlockedThreads, tids: &[u32]) -> Vec<BlockedThread> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let own = |thread: &&BlockedThread| thread.process.pid == std::process::id();
        let own: Vec<_> = blocked.look().unwrap().iter().filter(own).copied().collect();
        if tids.iter().all(|tid| own.iter().any(|thread| thread.tid == *tid)) {
            return own;
        }
        assert!(Instant::now() < until, "{tids:?} {own:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_thread_that_waits_is_told_with_the_arguments_of_its_call() {
    let Some(blocked) = or_skip(BlockedThreads::host()) else { return };
    let mut blocked = blocked.still(Duration::from_millis(50));
    let tids = [start(wait_for_ever), start(read_for_ever)];
    let own = found(&mut blocked, &tids);
    for tid in tids {
        let thread = own.iter().find(|thread| thread.tid == tid).unwrap();
        let path = format!("/proc/self/task/{tid}/syscall");
        let text = fs::read(&path).unwrap();
        let parse::SyscallLine::Blocked(call) = parse::syscall(&text, path.as_ref()).unwrap()
        else {
            panic!("{}", String::from_utf8_lossy(&text))
        };
        assert_eq!(thread.call, Some(call));
        assert_eq!((thread.state, thread.of_socket), ('S', tid == tids[1]));
        let status = fs::read_to_string(format!("/proc/self/task/{tid}/status")).unwrap();
        let of = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim().parse::<u64>().unwrap()
        };
        let switches = of("voluntary_ctxt_switches:") + of("nonvoluntary_ctxt_switches:");
        assert_eq!(thread.switches, switches);
        assert!(thread.threads > 2);
    }
}

#[test]
fn a_thread_that_ran_a_moment_ago_is_not_told() {
    let Some(blocked) = or_skip(BlockedThreads::host()) else { return };
    let mut blocked = blocked.still(Duration::from_millis(2_000));
    let resting = start(wait_for_ever);
    let busy = start(|| {
        loop {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let own = found(&mut blocked, &[resting]);
    assert!(own.iter().all(|thread| thread.tid != busy));
}

#[test]
fn candidates_wait_for_a_futex_or_for_a_socket() {
    let Some(blocked) = or_skip(BlockedThreads::host()) else { return };
    let mut blocked = blocked.still(Duration::from_millis(50));
    let tids = [start(wait_for_ever), start(read_for_ever)];
    let start = found(&mut blocked, &tids)[0].process;
    let mut look = || {
        let mut all = Vec::new();
        blocked.find(SystemClock::new().now(), &mut all).unwrap();
        all
    };
    let of = |all: &[Candidate], tid| *all.iter().find(|it| it.tid == tid).unwrap();
    let first = look();
    assert!(matches!(of(&first, tids[0]).suspicion, Suspicion::Futex(call) if !call.timed));
    assert!(matches!(of(&first, tids[1]).suspicion, Suspicion::Read { .. }));
    assert_eq!(of(&first, tids[0]).process, ProcessId { pid: std::process::id(), ..start });
    assert_eq!(of(&first, tids[0]).still, Duration::ZERO, "for as long as looks have seen");
    thread::sleep(Duration::from_millis(100));
    assert!(of(&look(), tids[0]).still >= Duration::from_millis(100));
}
