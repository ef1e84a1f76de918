//! Memory that lies, processes that vanish, and what else can wake a thread.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use gadget_core::{ProcessId, ThreadId, Wait};
use gadget_signals::{ThreadReader, parse};

use crate::child::{Program, futex, identity, waiters};

#[test]
fn memory_that_is_gone_has_no_word_and_no_lock() {
    let Some(mut program) = Program::start(&["unmapped"]) else { return };
    let threads = program.look();
    let [waiter] = waiters(&threads)[..] else { panic!("{threads:?}") };
    let found = futex(waiter);
    assert_eq!((found.word, found.lock, found.joins), (None, None, None));
    assert!(found.private && !found.timed);
}

#[test]
fn only_a_live_thread_of_the_process_can_own_what_looks_like_a_mutex() {
    let Some(mut own) = Program::start(&["lookalike"]) else { return };
    let threads = own.look();
    let lock = futex(waiters(&threads)[0]).lock.unwrap();
    assert_eq!(lock.owner, Some(ThreadId { process: own.id(), tid: own.pid() }));
    // A thread that lives, of another process; one that nobody has; and no possible one.
    for owner in [std::process::id().to_string(), "4194303".into(), "1073741824".into()] {
        let mut other = Program::start(&["lookalike", &owner]).unwrap();
        let threads = other.look();
        assert_eq!(futex(waiters(&threads)[0]).lock, None, "{owner}");
        assert_eq!(futex(waiters(&threads)[0]).word, Some(2));
    }
}

#[test]
fn memory_that_changes_all_the_time_names_nobody_that_is_not_there() {
    let Some(program) = Program::start_restless(&["changing"]) else { return };
    let mut reader = ThreadReader::host().unwrap();
    let mut named = 0;
    for _ in 0..300 {
        let threads = reader.read(program.id()).unwrap().unwrap();
        // It may still be on its way there.
        if let Wait::Futex(found) = &threads.threads[1].wait
            && let Some(lock) = found.lock
        {
            let owner = lock.owner.unwrap();
            assert_eq!(owner.process, program.id());
            assert!(threads.threads.iter().any(|thread| thread.tid == owner.tid));
            named += 1;
        }
    }
    // Half of the time it is the first thread.
    assert!((1..300).contains(&named), "{named}");
}

#[test]
fn a_mutex_of_rust_names_nobody() {
    let mutex = Arc::new(Mutex::new(()));
    let held = mutex.lock().unwrap();
    let (tell, told) = mpsc::channel();
    let other = Arc::clone(&mutex);
    let waiter = std::thread::spawn(move || {
        tell.send(rustix::thread::gettid().as_raw_nonzero().get() as u32).unwrap();
        drop(other.lock().unwrap());
    });
    let tid = told.recv().unwrap();
    let id = identity(std::process::id()).unwrap();
    let mut reader = ThreadReader::host().unwrap();
    let found = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        let threads = reader.read(id).unwrap().unwrap();
        let thread = threads.threads.into_iter().find(|thread| thread.tid == tid)?;
        matches!(thread.wait, Wait::Futex(_)).then_some(thread)
    });
    let found = found.expect("it waits");
    assert_eq!((futex(&found).word, futex(&found).lock), (Some(2), None));
    assert!(futex(&found).private && !futex(&found).timed);
    drop(held);
    waiter.join().unwrap();
}

#[test]
fn another_process_with_the_same_number_is_not_read() {
    let Some(program) = Program::start(&["self"]) else { return };
    let mut reader = ThreadReader::host().unwrap();
    let id = program.id();
    assert!(reader.read(id).unwrap().is_some());
    for start in [id.start - 1, id.start + 1, 0, u64::MAX] {
        assert_eq!(reader.read(ProcessId { start, ..id }).unwrap(), None);
    }
    drop(program);
    assert_eq!(reader.read(id).unwrap(), None);
    assert_eq!(reader.read(ProcessId { pid: 0, start: 0 }).unwrap(), None);
    assert_eq!(reader.read(ProcessId { pid: u32::MAX, start: 0 }).unwrap(), None);
}

#[test]
fn a_process_that_ends_meanwhile_is_gone_and_no_error() {
    let mut reader = ThreadReader::host().unwrap();
    let (mut seen, mut gone) = (0, 0);
    for round in 0..150 {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let id = identity(child.id()).unwrap();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(round * 10));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        // It is read without a pause until it is gone, so that its end falls into a look, however late the killer runs.
        while let Some(threads) = reader.read(id).unwrap() {
            seen += usize::from(threads.threads.len() <= 1);
        }
        gone += 1;
        killer.join().unwrap();
        assert_eq!(reader.read(id).unwrap(), None);
    }
    assert!(seen > 0 && gone > 0, "{seen} seen, {gone} gone");
}

#[test]
fn threads_beyond_the_bound_are_counted() {
    let Some(program) = Program::start(&["threads", "60"]) else { return };
    let mut reader = ThreadReader::host().unwrap().most_threads(20);
    let threads = reader.read(program.id()).unwrap().unwrap();
    assert_eq!((threads.threads.len(), threads.left_out), (20, 41));
    let mut all = ThreadReader::host().unwrap().most_threads(usize::MAX);
    let threads = all.read(program.id()).unwrap().unwrap();
    assert_eq!((threads.threads.len(), threads.left_out), (61, 0));
    assert!(threads.threads.is_sorted_by_key(|thread| thread.tid));
}

#[test]
fn what_else_can_wake_a_thread_is_told() {
    let Some(mut timer) = Program::start(&["timer"]) else { return };
    assert_eq!(timer.look().wakers.signal_timers, Some(true));
    let mut alarm = Program::start(&["alarm"]).unwrap();
    assert_eq!(alarm.look().wakers.signal_timers, Some(true));
    for (mode, which) in [("ring", 0), ("traced", 1)] {
        let mut program = Program::start(&[mode]).unwrap();
        if program.said.iter().any(|line| line == "refused") {
            eprintln!("SKIPPED: {mode} is refused here");
            continue;
        }
        let wakers = program.look().wakers;
        let expected = [Some(which == 0), Some(which == 1)];
        assert_eq!([wakers.io_uring, wakers.traced], expected, "{mode}");
        assert_eq!(wakers.signal_timers, Some(false));
    }
}

#[test]
fn a_stopped_process_is_stopped_and_not_stuck() {
    let Some(mut program) = Program::start(&["abba"]) else { return };
    program.signal(rustix::process::Signal::STOP);
    program.settle();
    let threads = program.look();
    assert!(threads.threads.iter().all(|thread| thread.wait == Wait::Stopped), "{threads:?}");
    assert!(threads.threads.iter().all(|thread| thread.state == 'T'));
    program.signal(rustix::process::Signal::CONT);
    program.settle();
    assert!(program.look().threads.iter().all(|thread| matches!(thread.wait, Wait::Futex(_))));
}

#[test]
fn a_frozen_process_is_stopped_and_not_stuck() {
    let mut tested = 0;
    for (root, file, frozen, thawed) in [
        ("/sys/fs/cgroup/freezer", "freezer.state", "FROZEN", "THAWED"),
        ("/sys/fs/cgroup/unified", "cgroup.freeze", "1", "0"),
        ("/sys/fs/cgroup", "cgroup.freeze", "1", "0"),
    ] {
        let Some(mut program) = Program::start(&["abba"]) else { return };
        let group = format!("{root}/gadget-waits-{}", program.pid());
        // Only a hierarchy that has this freezer has its file in a new group.
        let file = std::path::Path::new(&group).join(file);
        if std::fs::create_dir(&group).is_err() {
            continue;
        }
        if file.exists() {
            std::fs::write(format!("{group}/cgroup.procs"), program.pid().to_string()).unwrap();
            std::fs::write(&file, frozen).unwrap();
            program.settle();
            let waits: Vec<_> =
                program.look().threads.into_iter().map(|thread| thread.wait).collect();
            std::fs::write(&file, thawed).unwrap();
            tested += 1;
            program.end();
            std::fs::remove_dir(&group).unwrap();
            assert_eq!(waits, vec![Wait::Stopped; 3], "{root}");
        } else {
            std::fs::remove_dir(&group).unwrap();
        }
    }
    if tested == 0 {
        eprintln!("SKIPPED: no cgroup can be made in which processes are frozen");
    }
}

#[test]
fn a_parent_that_waits_for_vfork_waits_in_the_kernel() {
    let Some(mut program) = Program::start(&["vfork"]) else { return };
    let threads = program.look();
    let Wait::Kernel { channel } = &threads.threads[0].wait else { panic!("{threads:?}") };
    assert!(threads.threads[0].state == 'D' && !channel.is_empty(), "{threads:?}");
}

#[test]
fn owners_and_queues_are_found_in_namespaces_of_the_process() {
    let Some(program) = Program::start(&["inside"]) else { return };
    let Some(child) = program.said[0].strip_prefix("child ") else {
        return eprintln!("SKIPPED: namespaces are refused here");
    };
    let id = identity(child.parse().unwrap()).unwrap();
    let mut reader = ThreadReader::host().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let threads = reader.read(id).unwrap().unwrap();
    let [first, second] = waiters(&threads)[..] else { panic!("{threads:?}") };
    for (waiter, holder) in [(first, second), (second, first)] {
        let owner = futex(waiter).lock.unwrap().owner;
        assert_eq!(owner, Some(ThreadId { process: id, tid: holder.tid }));
    }
    let [listener] = threads.listeners[..] else { panic!("{threads:?}") };
    assert_eq!((listener.queued, listener.still), (2, Duration::ZERO));
}

#[test]
fn a_thread_sleeps_since_it_left_the_processor() {
    let Some(mut program) = Program::start(&["self"]) else { return };
    let thread = program.look().threads.remove(0);
    let Some(since) = thread.since else {
        return eprintln!("SKIPPED: this kernel does not tell (CONFIG_SCHED_DEBUG)");
    };
    let text = std::fs::read("/proc/uptime").unwrap();
    let up: f64 = String::from_utf8(text).unwrap().split(' ').next().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let started = now.as_secs_f64() - up + program.id().start as f64 / 100.0;
    // Start times are in clock ticks.
    let since = since.as_secs_f64();
    assert!(since >= started - 0.1 && since <= now.as_secs_f64(), "{started} {since}");
    // The same at every look while it does not run, and another once it has.
    assert_eq!(program.look().threads[0].since, thread.since);
    program.signal(rustix::process::Signal::STOP);
    program.signal(rustix::process::Signal::CONT);
    program.settle();
    assert!(program.look().threads[0].since > thread.since);
}

#[test]
fn a_walk_over_recorded_files_needs_no_process() {
    let text = b"4 (a) b) S 1 1 1 0 -1 4194304 5 0 6 0 7 8 0 0 20 0 9 0 10 4096 11 0\n";
    let stat = parse::process_stat(text, "stat".as_ref()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("4/task/4");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(root.path().join("4/fd")).unwrap();
    std::fs::write(root.path().join("4/stat"), text).unwrap();
    let status = "Tgid:\t4\nTracerPid:\t7\nSigCgt:\t0000000000000000\n";
    std::fs::write(root.path().join("4/status"), status).unwrap();
    for (name, content) in [
        ("stat", std::str::from_utf8(text).unwrap()),
        ("schedstat", "10 20 3\n"),
        ("syscall", "-1 0x7ffd00000000 0x1\n"),
        ("wchan", "0"),
    ] {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let id = ProcessId { pid: 4, start: stat.start };
    let mut reader = ThreadReader::at(root.path()).unwrap();
    let threads = reader.read(id).unwrap().unwrap();
    let [thread] = &threads.threads[..] else { panic!("{threads:?}") };
    assert_eq!((&*thread.name, thread.slices, thread.since), ("a) b", 3, None));
    assert_eq!((&thread.wait, threads.wakers.traced), (&Wait::Unknown, Some(true)));
    assert_eq!((threads.wakers.signal_timers, threads.wakers.io_uring), (None, Some(false)));
    std::fs::write(folder.join("schedstat"), "ten\n").unwrap();
    let error = reader.read(id).unwrap_err().to_string();
    assert!(
        error.ends_with("schedstat:1: expected a number from 0 to 2^63 - 1, found \"ten\""),
        "{error}"
    );
}
