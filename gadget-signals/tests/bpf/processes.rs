//! Processes by a scan: what is sent, and what changes of an identity.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use gadget_core::{ProcessIdentity, ProcessUsage, Reading, Signal, Subject};
use gadget_signals::{CgroupLayout, ProcessFiles, ProcessScan, Processes};

use crate::support::{Process, or_skip, sample};

fn of(signals: &[Signal], pid: u32) -> Vec<&Reading> {
    let about = |it: &&Signal| matches!(it.subject, Subject::Process(id) if id.pid == pid);
    signals.iter().filter(about).map(|it| &it.reading).collect()
}

fn identity(signals: &[Signal], pid: u32) -> Option<ProcessIdentity> {
    of(signals, pid).into_iter().find_map(|reading| match reading {
        Reading::ProcessIdentity(identity) => Some((**identity).clone()),
        _ => None,
    })
}

fn usage(signals: &[Signal], pid: u32) -> Option<ProcessUsage> {
    of(signals, pid).into_iter().find_map(|reading| match reading {
        Reading::ProcessUsage(usage) => Some(*usage),
        _ => None,
    })
}

#[test]
fn a_sweep_by_a_scan_sends_what_one_by_files_does_and_switches() {
    let layout = CgroupLayout::detect().unwrap();
    if or_skip(ProcessScan::host(Some(&layout))).is_none() {
        return;
    }
    let by_scan = Processes::at("/proc", Some(layout.clone())).unwrap();
    assert!(by_scan.describe().contains("BPF"), "{}", by_scan.describe());
    let by_files = Processes::at("/proc", Some(layout)).unwrap().by_files();
    assert!(by_files.describe().contains("no scan"), "{}", by_files.describe());
    let mut by_scan = by_scan.with(ProcessFiles::IO).calm_sweeps(1);
    let mut by_files = by_files.calm_sweeps(1);
    let (scanned, read) = (sample(&mut by_scan), sample(&mut by_files));
    let mut compared = 0;
    for signal in &read {
        let Subject::Process(id) = signal.subject else { continue };
        let Reading::ProcessIdentity(theirs) = &signal.reading else { continue };
        let Some(ours) = identity(&scanned, id.pid) else { continue };
        if ours.comm == theirs.comm {
            assert_eq!(ours.kernel_thread, theirs.kernel_thread, "{ours:?}");
            let usage = usage(&scanned, id.pid).unwrap();
            assert!(usage.voluntary_switches.is_some() && usage.swap.is_some());
            assert!(of(&scanned, id.pid).iter().any(|it| matches!(it, Reading::ProcessIo(_))));
            compared += 1;
        }
    }
    assert!(compared >= 10, "{compared}");
}

#[test]
fn what_changes_of_a_known_process_is_told_at_the_next_sweep() {
    let Ok(layout) = CgroupLayout::detect() else { return };
    if or_skip(ProcessScan::host(Some(&layout))).is_none() {
        return;
    }
    let mut processes = Processes::detect().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo ready; read line; exec sleep 100"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut child = Process(child);
    let pid = child.0.id();
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();

    let first = sample(&mut processes);
    assert_eq!(&*identity(&first, pid).unwrap().comm, "sh");
    assert!(usage(&first, pid).unwrap().rss.get() > 0);
    assert_eq!(identity(&sample(&mut processes), pid), None, "told once");
    fs::write(format!("/proc/{pid}/oom_score_adj"), "321").unwrap();
    let told = identity(&sample(&mut processes), pid).unwrap();
    assert_eq!(told.oom_score_adj, Some(321));

    drop(child.0.stdin.take());
    let told = loop {
        let signals = sample(&mut processes);
        match identity(&signals, pid) {
            Some(told) if &*told.comm == "sleep" => break told,
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    assert!(told.exe.unwrap().contains("/"), "of the new program");
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    assert_eq!(of(&sample(&mut processes), pid), [&Reading::Gone]);
    assert!(of(&sample(&mut processes), pid).is_empty());
}
