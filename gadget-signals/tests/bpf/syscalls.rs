//! System calls, of children that make known ones.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use gadget_core::{
    Latencies, ProcessId, Reading, Scope, Signal, SignalProvider as _, Signals, Subject, Syscalls,
    SystemClock,
};
use gadget_signals::SyscallProfile;

use crate::caller::{Caller, identity};
use crate::support::{Process, or_skip, sample};

/// Linux numbers these otherwise on every architecture; Perl makes them by number.
const GETPPID: u16 = 110;
const GETUID: u16 = 102;
const READ: u16 = 0;

fn profile() -> Option<SyscallProfile> {
    or_skip(SyscallProfile::host())
}

fn only(profile: &mut SyscallProfile, id: ProcessId) -> Option<Syscalls> {
    let now = gadget_core::Clock::now(&SystemClock::new());
    let mut signals = Signals::at(now);
    profile.sample(now, Scope::Only(&[Subject::Process(id)]), &mut signals).unwrap();
    of(signals.as_slice(), id)
}

fn of(signals: &[Signal], id: ProcessId) -> Option<Syscalls> {
    signals.iter().find_map(|signal| match &signal.reading {
        Reading::Syscalls(calls) if signal.subject == Subject::Process(id) => {
            Some((**calls).clone())
        }
        _ => None,
    })
}

fn count(calls: &Syscalls, number: u16) -> u64 {
    calls.counts.iter().find(|(found, _)| *found == number).map_or(0, |(_, count)| *count)
}

/// `syscr` of `/proc/PID/io`: reads that have returned, by the kernel's own count.
fn reads(id: ProcessId) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/io", id.pid)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("syscr: ")).unwrap();
    line.parse().unwrap()
}

#[test]
fn every_call_between_two_samples_is_counted_and_no_other() {
    let Some(mut profile) = profile() else { return };
    let Some(mut caller) = Caller::making_calls(
        "syscall(110), syscall(102) for 1..1000; syscall($_) for 511, 512, 600, 0x40000000 + 110; open F, '/dev/zero'; sysread(F, $x, 10) for 1..500; close F",
    ) else {
        return;
    };
    let before = reads(caller.id);
    assert_eq!(only(&mut profile, caller.id), None, "the first sample begins");
    caller.go();
    let calls = only(&mut profile, caller.id).unwrap();
    let after = reads(caller.id);
    assert_eq!((count(&calls, GETPPID), count(&calls, GETUID)), (1000, 1000));
    assert_eq!(count(&calls, Syscalls::OTHER), 4, "numbers that are none, or of another ABI");
    let read = count(&calls, READ);
    // One that was in progress before has returned since, and one that has begun since is in progress.
    assert!(read >= 501 && after - before == read, "{read} of {}", after - before);
    let entropy = calls.entropy().unwrap();
    assert!((1.4..1.7).contains(&entropy), "of 1000, 1000, 500 and few others: {entropy}");
    assert_eq!((calls.waits, calls.works), (None, None));

    let calls = only(&mut profile, caller.id).unwrap();
    assert_eq!((calls.count(), calls.entropy()), (0, None), "{calls:?}");
}

#[test]
fn two_processes_are_not_mixed_up_and_one_that_is_let_go_is_not_counted() {
    let Some(mut profile) = profile() else { return };
    let Some(mut one) = Caller::making_calls("syscall(110) for 1..300") else { return };
    let Some(mut other) = Caller::making_calls("syscall(102) for 1..700") else { return };
    assert!(profile.follow(one.id).unwrap() && profile.follow(other.id).unwrap());
    one.go();
    other.go();
    let signals = sample(&mut profile);
    let (first, second) = (of(&signals, one.id).unwrap(), of(&signals, other.id).unwrap());
    assert_eq!((count(&first, GETPPID), count(&first, GETUID)), (300, 0));
    assert_eq!((count(&second, GETPPID), count(&second, GETUID)), (0, 700));

    profile.unfollow(one.id);
    one.go();
    let signals = sample(&mut profile);
    assert_eq!((of(&signals, one.id), profile.following()), (None, 1));
    assert!(of(&signals, other.id).is_some());
    // Its place has a past, which is not told of the next.
    assert!(profile.follow(one.id).unwrap());
    one.go();
    assert_eq!(count(&of(&sample(&mut profile), one.id).unwrap(), GETPPID), 300);
}

#[test]
fn threads_are_counted_for_their_process_and_one_that_ends_takes_nothing_away() {
    let Some(mut profile) = profile() else { return };
    let own = identity(std::process::id());
    assert!(profile.follow(own).unwrap());
    let mut made = 0;
    for _ in 0..2 {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(|| {
                    (0..2_000).for_each(|_| {
                        let _ = rustix::process::getppid();
                    });
                })
            })
            .collect();
        made += threads.len() as u64 * 2_000;
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
    let calls = of(&sample(&mut profile), own).unwrap();
    let number = u16::try_from(libc::SYS_getppid).unwrap();
    assert_eq!(count(&calls, number), made);
}

#[test]
fn a_stranger_with_the_id_of_one_that_ended_is_not_counted() {
    let Some(mut profile) = profile() else { return };
    let Some(mut caller) = Caller::making_calls("syscall(110) for 1..300") else { return };
    let id = caller.id;
    assert!(profile.follow(id).unwrap());
    caller.go();
    drop(caller);
    let mut stranger = None;
    for _ in 0..300 {
        let last = (id.pid - 1).to_string();
        if let Err(error) = fs::write("/proc/sys/kernel/ns_last_pid", last) {
            println!("SKIPPED: cannot choose a process id: {error}");
            return;
        }
        let Some(next) = Caller::begin("syscall(110) for 1..5000") else { return };
        if next.id.pid == id.pid {
            stranger = Some(next);
            break;
        }
    }
    let Some(mut stranger) = stranger else {
        println!("SKIPPED: others took the process id each time");
        return;
    };
    stranger.answer();
    stranger.go();
    let calls = of(&sample(&mut profile), id).expect("what it did before its end is told");
    assert_eq!(count(&calls, GETPPID), 300);
    assert_eq!(profile.following(), 0);
    // By the old identity nobody is followed, by the new one the stranger.
    let old = ProcessId { start: id.start.wrapping_sub(1), ..stranger.id };
    assert!(!profile.follow(old).unwrap() && profile.follow(stranger.id).unwrap());
    assert!(stranger.process.0.try_wait().unwrap().is_none());
}

#[test]
fn one_more_than_there_is_room_for_is_refused_and_counted_as_lost() {
    let Some(mut profile) = profile() else { return };
    let mut sleepers: Vec<_> =
        (0..65).map(|_| Process(Command::new("sleep").arg("60").spawn().unwrap())).collect();
    let ids: Vec<_> = sleepers.iter().map(|sleeper| identity(sleeper.0.id())).collect();
    let taken: Vec<_> = ids.iter().map(|id| profile.follow(*id).unwrap()).collect();
    assert!(taken[..64].iter().all(|taken| *taken) && !taken[64]);
    let signals = sample(&mut profile);
    let lost = signals.iter().find_map(|signal| match &signal.reading {
        Reading::KernelCost(cost) => Some(cost.lost),
        _ => None,
    });
    assert_eq!(lost, Some(1));
    sleepers.remove(0);
    let until = Instant::now() + Duration::from_secs(10);
    while profile.following() == 64 && Instant::now() < until {
        sample(&mut profile);
    }
    assert!(profile.follow(ids[64]).unwrap(), "one that ended made room");
}

#[test]
fn waits_and_works_are_timed_apart() {
    let Some(profile) = profile() else { return };
    let mut profile = profile.with_latencies();
    let Some(mut caller) = Caller::making_calls(
        "syscall(110) for 1..1000; $t = pack('qq', 0, 5_000_000); syscall(35, $t, 0) for 1..20; \
         open F, '/dev/zero'; sysread(F, $x, 10) for 1..100; close F",
    ) else {
        return;
    };
    assert!(profile.follow(caller.id).unwrap());
    caller.go();
    let calls = of(&sample(&mut profile), caller.id).unwrap();
    assert_eq!(count(&calls, GETPPID), 1000);
    let (waits, works) = (calls.waits.unwrap(), calls.works.unwrap());
    let nap = Latencies::bucket(Duration::from_millis(5));
    let from = |latencies: &Latencies, bucket: usize| latencies.0[bucket..].iter().sum::<u32>();
    // The naps, and the read of the pipe from which it is told to go, which began before.
    assert_eq!((waits.count(), from(&waits, nap)), (20, 20), "{waits:?}");
    // A neighbour may stretch some, not most.
    let quick = Latencies::bucket(Duration::from_micros(20));
    assert!(works.count() >= 1100 && from(&works, quick) < 100, "{works:?}");
    assert!(from(&works, nap) <= 2, "{works:?}");
}
