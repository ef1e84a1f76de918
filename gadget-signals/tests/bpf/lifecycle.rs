//! Processes that begin and end, each of them.

use std::collections::{HashMap, HashSet};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use gadget_core::{Exit, ProcessId, Reading, SignalProvider as _, Subject};
use gadget_signals::{LifecycleWatch, ProcessChange, ProcessEvent};

use crate::support::{Process, or_skip, sample};

/// Takes events until `enough` says so.
fn events(
    watch: &mut LifecycleWatch,
    mut enough: impl FnMut(&[ProcessEvent]) -> bool,
) -> Vec<ProcessEvent> {
    let until = Instant::now() + Duration::from_secs(20);
    let mut all = Vec::new();
    loop {
        watch.drain(|event| all.push(*event)).unwrap();
        if enough(&all) {
            return all;
        }
        assert!(Instant::now() < until, "{} events", all.len());
        thread::sleep(Duration::from_millis(10));
    }
}

fn exit_of(events: &[ProcessEvent], pid: u32) -> Option<Exit> {
    events.iter().filter(|event| event.process.pid == pid).find_map(|event| match event.change {
        ProcessChange::Exited(exit) => Some(exit),
        _ => None,
    })
}

/// Runs a shell command to its end; its process id, and how it ended by wait(2).
fn run(script: &str) -> (u32, ExitStatus) {
    let mut child = Process(Command::new("sh").args(["-c", script]).spawn().unwrap());
    (child.0.id(), child.0.wait().unwrap())
}

#[test]
fn an_exit_has_the_code_or_the_signal_that_its_parent_is_told() {
    let Some(mut watch) = or_skip(LifecycleWatch::host(None)) else { return };
    for script in ["exit 0", "exit 7", "exit 255", "kill -TERM $$", "kill -KILL $$", "sleep 0.2"] {
        let (pid, status) = run(script);
        let all = events(&mut watch, |all| exit_of(all, pid).is_some());
        let exit = exit_of(&all, pid).unwrap();
        assert_eq!(exit.code.map(i32::from), status.code(), "{script}");
        assert_eq!(exit.signal.map(i32::from), status.signal(), "{script}");
        let slept = Duration::from_millis(if script.starts_with("sleep") { 200 } else { 0 });
        assert!(exit.lifetime >= slept && exit.lifetime < Duration::from_secs(20), "{exit:?}");
        assert!(exit.peak_rss.unwrap().get() > 100 << 10, "{exit:?}");
        let own: Vec<_> = all.iter().filter(|event| event.process.pid == pid).collect();
        assert_eq!(own[0].change, ProcessChange::Forked);
        assert_eq!(own[0].parent, std::process::id());
        assert!(own.iter().any(|event| event.change == ProcessChange::Executed));
        assert!(own.iter().all(|event| event.process == own[0].process && event.at >= own[0].at));
    }
}

#[test]
fn fourteen_thousand_short_processes_are_each_seen_from_fork_to_exit() {
    const SHELLS: u64 = 2;
    const EACH: u64 = 7_000;
    let Some(mut watch) = or_skip(LifecycleWatch::host(None)) else { return };
    let script = format!("i=0; while [ $i -lt {EACH} ]; do (exit 3); i=$((i+1)); done");
    let shells: Vec<_> = (0..SHELLS)
        .map(|_| Process(Command::new("sh").args(["-c", &script]).spawn().unwrap()))
        .collect();
    let parents: HashSet<u32> = shells.iter().map(|shell| shell.0.id()).collect();
    let (mut living, mut matched) = (HashMap::<u32, ProcessId>::new(), 0);
    let until = Instant::now() + Duration::from_secs(120);
    while matched < SHELLS * EACH {
        assert!(Instant::now() < until, "{matched} matched, {} live", living.len());
        thread::sleep(Duration::from_millis(50));
        watch
            .drain(|event| {
                if !parents.contains(&event.parent) {
                    return;
                }
                let pid = event.process.pid;
                match event.change {
                    ProcessChange::Forked => {
                        assert_eq!(living.insert(pid, event.process), None, "began twice");
                    }
                    ProcessChange::Exited(exit) => {
                        assert_eq!(living.remove(&pid), Some(event.process), "without a fork");
                        assert_eq!((exit.code, exit.signal), (Some(3), None));
                        matched += 1;
                    }
                    _ => {}
                }
            })
            .unwrap();
    }
    assert_eq!((watch.lost(), living.len()), (0, 0));
}

#[test]
fn a_process_ends_once_however_its_threads_end() {
    const TIMES: usize = 20;
    if std::env::var_os("GADGET_TEST_THREADS").is_some() {
        // All of them end at the same moment.
        let barrier = std::sync::Arc::new(std::sync::Barrier::new(4));
        let wait = || {
            let barrier = barrier.clone();
            thread::spawn(move || barrier.wait().is_leader())
        };
        let _threads = [wait(), wait(), wait()];
        barrier.wait();
        std::process::exit(4);
    }
    let Some(mut watch) = or_skip(LifecycleWatch::host(None)) else { return };
    let test = "lifecycle::a_process_ends_once_however_its_threads_end";
    let mut pids = HashSet::new();
    let mut all = Vec::new();
    for _ in 0..TIMES {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test]).env("GADGET_TEST_THREADS", "").stdout(Stdio::null());
        let mut child = Process(command.spawn().unwrap());
        pids.insert(child.0.id());
        assert_eq!(child.0.wait().unwrap().code(), Some(4));
        watch.drain(|event| all.push(*event)).unwrap();
    }
    let ended = |event: &&ProcessEvent| {
        pids.contains(&event.process.pid) && matches!(event.change, ProcessChange::Exited(_))
    };
    assert_eq!(all.iter().filter(ended).count(), pids.len());
}

#[test]
fn samples_count_what_came_and_tell_who_lived_longer_or_was_ended_by_a_signal() {
    let Some(mut watch) = or_skip(LifecycleWatch::host(None)) else { return };
    sample(&mut watch);
    let (short, _) = run("exit 1");
    let (killed, _) = run("kill -SEGV $$");
    let (long, _) = run("exec sleep 1.1");
    while !watch.wait(Duration::from_secs(10)).unwrap().unwrap() {}
    let signals = sample(&mut watch);
    let [Reading::Lifecycle(counted)] = &signals
        .iter()
        .filter(|it| it.subject == Subject::Host)
        .map(|it| &it.reading)
        .filter(|it| matches!(it, Reading::Lifecycle(_)))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{signals:?}")
    };
    assert!(counted.forks >= 3 && counted.execs >= 4 && counted.exits >= 3, "{counted:?}");
    assert!(counted.signalled >= 1 && counted.short >= 2, "{counted:?}");
    let told = |pid| {
        signals.iter().any(|it| {
            matches!(it.subject, Subject::Process(id) if id.pid == pid)
                && matches!(it.reading, Reading::Exited(_))
        })
    };
    assert_eq!((told(short), told(killed), told(long)), (false, true, true));
}

#[test]
fn only_a_child_of_those_that_are_watched_wakes_us() {
    let Some(mut watch) = or_skip(LifecycleWatch::host(None)) else { return };
    let woke = |watch: &mut LifecycleWatch, timeout: u64| {
        let mut pids = Vec::new();
        let timeout = Duration::from_millis(timeout);
        watch.drain_urgent(timeout, |event| pids.push((event.process.pid, event.parent))).unwrap();
        pids
    };
    run("true");
    assert_eq!(woke(&mut watch, 0), []);
    watch.watch_children_of(std::process::id()).unwrap();
    let (pid, _) = run("exit 0");
    assert!(woke(&mut watch, 5_000).contains(&(pid, std::process::id())));
    watch.forget_children_of(std::process::id());
    woke(&mut watch, 0);
    let (pid, _) = run("exit 0");
    assert!(!woke(&mut watch, 0).iter().any(|(woken, _)| *woken == pid));
}
