use std::time::Duration;

use gadget_core::{Action as _, ActionError, Setting, Step, Subject, Timestamp, Undo};

use crate::linux::Linux;
use crate::testing::{act, finish, plan};

const NOW: Timestamp = Timestamp::from_secs(2_000);
const TICK: Duration = Duration::from_millis(100);

/// A `/proc` with kernel settings of its own: changing those of the host would touch everybody on it.
fn fake_proc() -> (tempfile::TempDir, Linux) {
    let proc = tempfile::tempdir().unwrap();
    for dir in ["sys/vm", "sys/net/ipv4"] {
        std::fs::create_dir_all(proc.path().join(dir)).unwrap();
    }
    for (name, text) in [
        ("sys/vm/swappiness", "60\n"),
        ("sys/vm/drop_caches", "0\n"),
        ("sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
        ("meminfo", "MemTotal:        1000 kB\nMemFree:          300 kB\n"),
    ] {
        std::fs::write(proc.path().join(name), text).unwrap();
    }
    let linux = Linux::builder().proc_root(proc.path()).build();
    (proc, linux)
}

fn set(key: &'static str, value: &'static str) -> Step {
    Step::SetSysctl { key: key.into(), value: value.into() }
}

#[test]
fn a_kernel_setting_is_set_put_back_and_left_to_whoever_changes_it() {
    let (proc, mut linux) = fake_proc();
    let read = |name: &str| std::fs::read_to_string(proc.path().join("sys").join(name)).unwrap();
    let (effect, undo) =
        act(&mut linux, &plan(set("vm.swappiness", "10"), Subject::Host, "host")).unwrap();
    assert_eq!(&*effect.summary, "sysctl of vm/swappiness 60 -> 10");
    assert_eq!(read("vm/swappiness"), "10");
    std::fs::write(proc.path().join("sys/vm/swappiness"), "33\n").unwrap();
    let Err(ActionError::Yielded { setting: Setting::Sysctl, found }) = linux.undo(&undo) else {
        panic!()
    };
    assert_eq!(&*found, "33");

    let lists = plan(set("net.ipv4.tcp_rmem", "4096 131072 8388608"), Subject::Host, "host");
    let (_, undo) = act(&mut linux, &lists).unwrap();
    // A kernel prints with tabs what it took with blanks.
    std::fs::write(proc.path().join("sys/net/ipv4/tcp_rmem"), "4096\t131072\t8388608\n").unwrap();
    linux.undo(&undo).unwrap();
    assert_eq!(read("net/ipv4/tcp_rmem"), "4096\t131072\t6291456");
}

#[test]
fn settings_that_do_not_exist_or_run_programs_are_refused() {
    let (_proc, mut linux) = fake_proc();
    for (key, value) in [
        ("vm.no_such", "1"),
        ("kernel.core_pattern", "|/bin/true"),
        ("vm.swappiness", "1\n2"),
        ("vm.swappiness", " "),
    ] {
        let refused = linux.prepare(&plan(set(key, value), Subject::Host, "host"));
        assert!(matches!(refused, Err(ActionError::Unsupported { .. })), "{key}: {refused:?}");
    }
}

#[test]
fn a_live_kernel_setting_is_read_without_being_changed() {
    let mut linux = crate::linux();
    if let Err(error) = linux.supports(gadget_core::StepKind::SetSysctl) {
        eprintln!("SKIPPED: {error}; the fake /proc stands for it");
        return;
    }
    let before = std::fs::read_to_string("/proc/sys/vm/swappiness").unwrap();
    let value: &'static str = before.trim().to_owned().leak();
    // To what it is already: set, verified and put back, while nothing changes.
    let (_, undo) =
        act(&mut linux, &plan(set("vm/swappiness", value), Subject::Host, "host")).unwrap();
    assert!(linux.undo(&undo).unwrap().contains("already"));
    assert_eq!(std::fs::read_to_string("/proc/sys/vm/swappiness").unwrap(), before);
}

#[test]
fn caches_are_dropped_at_a_level_that_exists() {
    let (proc, mut linux) = fake_proc();
    let drop = |level| plan(Step::DropCaches { level }, Subject::Host, "host");
    for level in [0, 4] {
        assert!(matches!(linux.prepare(&drop(level)), Err(ActionError::Unsupported { .. })));
    }
    let (effect, undo) = act(&mut linux, &drop(3)).unwrap();
    assert_eq!((effect.complete, undo), (false, Undo::Nothing));
    let results = finish(&mut linux, NOW, TICK);
    let [Ok(effect)] = &results[..] else { panic!("{results:?}") };
    assert_eq!(&*effect.summary, "drop_caches 3: free memory rose by 0 B");
    assert_eq!(std::fs::read_to_string(proc.path().join("sys/vm/drop_caches")).unwrap(), "3");
}

#[test]
fn sync_reports_when_all_is_written() {
    let mut linux = crate::linux();
    act(&mut linux, &plan(Step::Sync, Subject::Host, "host")).unwrap();
    let results = finish(&mut linux, NOW, TICK);
    assert!(matches!(&results[..], [Ok(effect)] if effect.complete), "{results:?}");
}
