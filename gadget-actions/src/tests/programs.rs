//! Hooks, restarts and collectors, with real programs and a real JVM.

use std::process::Command;
use std::time::Duration;

use gadget_core::{Action as _, ActionError, Effect, Step, Subject, Timestamp};

use crate::linux::Linux;
use crate::process::Stat;
use crate::runtime::Collector;
use crate::testing::{Child, act, eventually, finish, identity, plan, proc};
use crate::{Argv, NotAbsolute};

const NOW: Timestamp = Timestamp::from_secs(2_000);
// As fast as `finish` looks, so that a slow machine costs a program none of its time.
const TICK: Duration = Duration::from_millis(10);

fn argv<const N: usize>(argv: [&str; N]) -> Argv {
    Argv::new(argv).unwrap()
}

fn hook(name: &'static str) -> Step {
    Step::Hook { name: name.into() }
}

fn only(linux: &mut Linux) -> Result<Effect, ActionError> {
    let mut results = finish(linux, NOW, TICK);
    assert_eq!(results.len(), 1);
    results.remove(0)
}

#[test]
fn a_hook_gets_its_target_as_arguments_without_a_shell_in_between() {
    let child = Child::sleeping();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    // The name would do harm in a shell; the program that looks at it here is one, and gets it as one argument.
    let script = format!("printf '%s|' \"$@\" \"$GADGET_PID\" \"$HOME\" > {}", out.display());
    let mut linux = Linux::builder()
        .hook("note", argv(["/bin/sh", "-c", &script, "note", "{pid}", "of {name}"]))
        .build();
    let name = "$(touch /tmp/x); `x`";
    let (effect, _) =
        act(&mut linux, &plan(hook("note"), Subject::Process(child.id()), name)).unwrap();
    assert!(!effect.complete);
    assert_eq!(&*only(&mut linux).unwrap().summary, format!("hook note on {name} succeeded"));
    let pid = child.pid();
    assert_eq!(std::fs::read_to_string(out).unwrap(), format!("{pid}|of {name}|{pid}||"));
}

#[test]
fn a_hook_that_fails_or_runs_too_long_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let hangs = format!("sleep 1000 & echo $! > {}; wait", pid.display());
    let mut linux = Linux::builder()
        .hook("fails", argv(["/bin/false"]))
        .hook("hangs", argv(["/bin/sh", "-c", &hangs]))
        .hook("missing", argv(["/nonexistent"]))
        .timeout(Duration::from_secs(2))
        .build();
    let run = |linux: &mut Linux, name| act(linux, &plan(hook(name), Subject::Host, "host"));
    assert!(matches!(run(&mut linux, "missing"), Err(ActionError::System { .. })));
    assert!(matches!(run(&mut linux, "unknown"), Err(ActionError::Unsupported { .. })));
    run(&mut linux, "fails").unwrap();
    assert!(matches!(only(&mut linux), Err(ActionError::System { .. })));
    run(&mut linux, "hangs").unwrap();
    let written = || std::fs::read_to_string(&pid).unwrap_or_default();
    eventually("it has a child", || written().ends_with('\n'));
    let Err(ActionError::System { source, .. }) = only(&mut linux) else { panic!() };
    assert_eq!(source.kind(), std::io::ErrorKind::TimedOut);
    // With all of its process group.
    let pid = written().trim().parse().unwrap();
    eventually("its child has ended too", || {
        Stat::of(proc(), pid).is_none_or(|stat| stat.state == b'Z')
    });
}

#[test]
fn a_program_is_named_by_its_absolute_path() {
    assert_eq!(Argv::new(["sh", "-c"]), Err(NotAbsolute("sh".into())));
    assert_eq!(Argv::new(Vec::<String>::new()), Err(NotAbsolute(String::new())));
}

#[test]
fn a_restart_is_found_by_its_unit_or_its_name() {
    let child = Child::sleeping();
    let mut linux = Linux::builder().restart("web", argv(["/bin/true"])).build();
    let restart = |name| plan(Step::Restart, Subject::Process(child.id()), name);
    act(&mut linux, &restart("web")).unwrap();
    assert_eq!(&*only(&mut linux).unwrap().summary, "restart of web succeeded");
    assert!(matches!(linux.prepare(&restart("other")), Err(ActionError::Unsupported { .. })));
    let mut linux = Linux::builder().restart("web.service", argv(["/bin/true"])).build();
    let group =
        plan(Step::Restart, Subject::Cgroup(gadget_core::CgroupId(1)), "/system.slice/web.service");
    act(&mut linux, &group).unwrap();
    assert_eq!(&*only(&mut linux).unwrap().summary, "restart of web.service succeeded");
}

#[test]
fn a_collector_by_signal_reaches_only_who_catches_it() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("collected");
    let script =
        format!("trap 'echo > {}' USR2; echo ready; while :; do sleep 0.1; done", mark.display());
    let catcher = Child::script(&script);
    let sleeper = Child::sleeping();
    let shell = std::fs::read_link(format!("/proc/{}/exe", catcher.pid())).unwrap();
    let shell = shell.file_name().unwrap().to_str().unwrap();
    let mut linux = Linux::builder()
        .collector(shell, Collector::Signal(12))
        .collector("sleep", Collector::Signal(12))
        .build();
    let collect = |child: &Child| plan(Step::CollectGarbage, Subject::Process(child.id()), "x");
    let refused = act(&mut linux, &collect(&sleeper));
    assert!(matches!(refused, Err(ActionError::Unsupported { .. })), "{refused:?}");
    let (effect, _) = act(&mut linux, &collect(&catcher)).unwrap();
    assert!(effect.complete);
    eventually("it collects", || mark.exists());
    assert!(matches!(
        crate::linux().prepare(&collect(&sleeper)),
        Err(ActionError::Unsupported { .. })
    ));
}

const GARBAGE: &str = "
class Garbage {
    public static void main(String[] arguments) throws Exception {
        for (int i = 0; i < 200; i++) { byte[] garbage = new byte[1 << 20]; garbage[i] = 1; }
        System.out.println(\"ready\");
        Thread.sleep(600_000);
    }
}";

#[test]
fn a_real_jvm_collects_its_garbage() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("Garbage.java");
    std::fs::write(&source, GARBAGE).unwrap();
    let compiled = Command::new("javac").arg("-d").arg(dir.path()).arg(&source).status();
    if !compiled.is_ok_and(|status| status.success()) {
        eprintln!(
            "SKIPPED: there is no javac; runtime/jvm.rs tests the protocol against a fake JVM"
        );
        return;
    }
    let log = dir.path().join("gc.log");
    let java = format!(
        "exec java -Xmx512m -Xms512m -Xlog:gc:{} -cp {} Garbage",
        log.display(),
        dir.path().display()
    );
    let child = Child::script(&java);
    let mut linux = crate::linux();
    let collect = plan(Step::CollectGarbage, Subject::Process(child.id()), "garbage");
    // The second time it listens already.
    for times in 1..=2 {
        let (effect, _) = act(&mut linux, &collect).unwrap();
        assert!(!effect.complete);
        let effect = only(&mut linux).unwrap();
        assert!(
            effect.summary.starts_with(&format!("GC.run in {} (garbage), resident ", child.pid())),
            "{effect:?}"
        );
        let log = std::fs::read_to_string(&log).unwrap();
        assert_eq!(log.matches("Pause Full (Diagnostic Command)").count(), times, "{log}");
    }
    assert!(
        !std::path::Path::new(&format!("/proc/{0}/root/tmp/.attach_pid{0}", child.pid())).exists()
    );
}

#[test]
fn a_jvm_in_namespaces_of_its_own_is_found() {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let source = dir.path().join("Garbage.java");
    std::fs::write(&source, GARBAGE).unwrap();
    let script = format!(
        "exec unshare --mount --pid --fork sh -c 'mount -t tmpfs none /tmp && exec java {}'",
        source.display()
    );
    let outer = Child::script(&script);
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", outer.pid()))
        .unwrap_or_default();
    let java = children.trim().parse().ok();
    let Some(java) = java.filter(|pid: &u32| {
        std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("java"))
    }) else {
        eprintln!(
            "SKIPPED: no JVM could be started in namespaces of its own; the others run in ours"
        );
        return;
    };
    let mut linux = crate::linux();
    act(&mut linux, &plan(Step::CollectGarbage, Subject::Process(identity(java)), "pod")).unwrap();
    let collected = only(&mut linux);
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(java).unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    assert!(collected.unwrap().summary.starts_with("GC.run in "));
}

#[test]
fn a_jvm_that_sigquit_would_end_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("Garbage.java");
    std::fs::write(&source, GARBAGE).unwrap();
    let child = Child::script(&format!("exec java -Xrs {}", source.display()));
    if !std::fs::read_link(format!("/proc/{}/exe", child.pid()))
        .is_ok_and(|exe| exe.ends_with("java"))
    {
        eprintln!("SKIPPED: there is no java; a signal that is not caught is tested with a shell");
        return;
    }
    let refused =
        crate::linux().prepare(&plan(Step::CollectGarbage, Subject::Process(child.id()), "x"));
    assert!(matches!(refused, Err(ActionError::Unsupported { .. })), "{refused:?}");
    assert_ne!(child.state(), b'Z');
}
