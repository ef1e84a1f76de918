//! Captures of real processes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadget_core::{
    Action as _, ActionError, Bytes, Effect, Plan, ProcessId, Step, StepKind, Subject, Timestamp,
};
use rustix::thread::CapabilitySet;

use crate::linux::{Linux, LinuxBuilder};
use crate::testing::{Child, act, eventually, finish, plan};
use crate::{Argv, UserRegisters};

const NOW: Timestamp = Timestamp::from_secs(2_000);
// The agent's time does not run out on a slow machine: 40 s of it are 4,000 looks of 10 ms.
const TICK: Duration = Duration::from_millis(10);

fn capture_of(child: &Child) -> Plan {
    plan(Step::CaptureStacks, Subject::Process(child.id()), "stuck")
}

/// A process that has got as far as to sleep.
fn asleep() -> Child {
    let child = Child::sleeping();
    let call = || std::fs::read_to_string(format!("/proc/{}/syscall", child.pid())).unwrap();
    let nanosleep = format!("{} ", libc::SYS_clock_nanosleep);
    eventually("it sleeps", || call().starts_with(&nanosleep));
    child
}

/// Captures, and returns what was said of it.
fn captured(linux: &mut Linux, plan: &Plan) -> Result<Effect, ActionError> {
    let (effect, _) = act(linux, plan)?;
    assert!(!effect.complete);
    let mut results = finish(linux, NOW, TICK);
    assert_eq!(results.len(), 1);
    results.remove(0)
}

fn builder(dir: &tempfile::TempDir) -> LinuxBuilder {
    Linux::builder().capture(dir.path().join("captures"))
}

/// The one folder that there is.
fn folder(dir: &tempfile::TempDir) -> PathBuf {
    let mut folders = std::fs::read_dir(dir.path().join("captures")).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    assert!(folders.next().is_none());
    folder
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn what_the_threads_do_is_in_the_folder_that_the_effect_names() {
    let child = asleep();
    let dir = tempfile::tempdir().unwrap();
    let mut linux = builder(&dir)
        .on_capture(|plan| {
            let svg = format!("<svg>{}</svg>", plan.target.name);
            vec![("locks.svg".into(), svg.into_bytes()), ("../locks".into(), b"text".to_vec())]
        })
        .build();
    let effect = captured(&mut linux, &capture_of(&child)).unwrap();
    let folder = folder(&dir);
    let name = folder.file_name().unwrap().to_str().unwrap();
    assert_eq!(name, format!("19700101T001640Z-plan1-{}-sleep", child.pid()));
    let said = format!("{name}: 1 threads, ");
    assert!(effect.complete && effect.summary.starts_with(&said), "{effect:?}");
    assert!(effect.summary.contains("2 files of the embedder"), "{effect:?}");
    let threads = read(&folder, "threads.txt");
    assert!(threads.contains(&format!("\n{} S ", child.pid())), "{threads}");
    assert!(read(&folder, "incident.txt").starts_with("#1 capture-stacks on stuck (process "));
    assert_eq!(read(&folder, "locks.svg"), "<svg>stuck</svg>");
    assert_eq!(read(&folder, "_._locks"), "text");
    let told = read(&folder, "captured.txt");
    assert!(told.contains("captured: 1 threads\n") && told.ends_with("removed: 0\n"), "{told}");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
    if linux.has_capability("CAP_SYS_ADMIN") {
        let stacks = read(&folder, "kernel-stacks.txt");
        assert!(stacks.contains("nanosleep"), "{stacks}");
    } else {
        assert!(told.contains("not captured: kernel stacks (CAP_SYS_ADMIN)"), "{told}");
    }
}

#[test]
fn without_a_folder_or_a_living_target_it_is_refused() {
    let child = Child::sleeping();
    let refused = crate::linux().prepare(&capture_of(&child));
    assert!(
        matches!(refused, Err(ActionError::Unsupported { step: StepKind::CaptureStacks, .. })),
        "{refused:?}"
    );
    let dir = tempfile::tempdir().unwrap();
    let mut linux = builder(&dir).build();
    let other = ProcessId { start: child.id().start + 1, ..child.id() };
    let stale = plan(Step::CaptureStacks, Subject::Process(other), "stuck");
    assert!(matches!(linux.prepare(&stale), Err(ActionError::Stale { .. })));
    let plan = capture_of(&child);
    let undo = linux.prepare(&plan).unwrap();
    drop(child);
    assert!(matches!(linux.carry_out(&plan, &undo), Err(ActionError::Stale { .. })));
    assert!(!dir.path().join("captures").exists());
    // A file where the folder should be.
    std::fs::write(dir.path().join("captures"), "").unwrap();
    let failed = captured(&mut linux, &capture_of(&Child::sleeping()));
    assert!(matches!(failed, Err(ActionError::System { .. })), "{failed:?}");
}

/// Calls `f` on a thread without these capabilities, and says so where it has not got what a capture needs to begin with.
fn without(names: &[&str], f: impl FnOnce() + Send + 'static) {
    if !crate::linux().has_capability("CAP_SYS_PTRACE") {
        eprintln!("SKIPPED: there is no CAP_SYS_PTRACE to leave out; capture/folder.rs needs none");
        return;
    }
    let drop = names
        .iter()
        .fold(CapabilitySet::empty(), |all, name| all | CapabilitySet::from_name(name).unwrap());
    let thread = std::thread::spawn(move || {
        let mut ours = rustix::thread::capabilities(None).unwrap();
        ours.effective -= drop;
        rustix::thread::set_capabilities(None, ours).unwrap();
        f();
    });
    thread.join().unwrap();
}

#[test]
fn what_capabilities_are_missing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let linux = builder(&dir);
    without(&["SYS_PTRACE"], || {
        let refused = linux.build().supports(StepKind::CaptureStacks);
        let step = StepKind::CaptureStacks;
        assert!(
            matches!(&refused, Err(ActionError::Missing { step: of, capability: "CAP_SYS_PTRACE" }) if *of == step),
            "{refused:?}"
        );
    });
    let dir = tempfile::tempdir().unwrap();
    let (linux, child) = (builder(&dir), asleep());
    // Of these two, either would lead to the mapped files and one to the kernel stacks.
    without(&["SYS_ADMIN", "CHECKPOINT_RESTORE"], move || {
        captured(&mut linux.build(), &capture_of(&child)).unwrap();
        let folder = folder(&dir);
        let told = read(&folder, "captured.txt");
        assert!(told.contains("not captured: kernel stacks (CAP_SYS_ADMIN)\n"), "{told}");
        assert!(!folder.join("kernel-stacks.txt").exists());
        if cfg!(all(feature = "stacks", target_arch = "x86_64")) {
            let stacks = read(&folder, "user-stacks.txt");
            assert!(stacks.contains("nanosleep+0x") && stacks.contains("libc"), "{stacks}");
        }
    });
}

#[test]
fn a_callback_that_panics_costs_its_own_files_alone() {
    let child = asleep();
    let dir = tempfile::tempdir().unwrap();
    let mut linux = builder(&dir).on_capture(|_| panic!("no lock graph")).build();
    for _ in 0..2 {
        let plan = Plan { at: Timestamp::from_secs(7), ..capture_of(&child) };
        captured(&mut linux, &plan).unwrap();
    }
    let folder =
        dir.path().join("captures").join(format!("19700101T000007Z-plan1-{}-sleep-2", child.pid()));
    let told = read(&folder, "captured.txt");
    assert!(
        told.contains("not captured: files of the embedder (its callback panicked)\n"),
        "{told}"
    );
    assert!(told.starts_with("captured: 1 threads\n"), "{told}");
}

#[test]
fn one_that_ends_meanwhile_leaves_what_was_read_before() {
    let child = asleep();
    let dir = tempfile::tempdir().unwrap();
    let plan = capture_of(&child);
    let child = std::sync::Mutex::new(Some(child));
    let kill = move |_: &Plan| {
        drop(child.lock().unwrap().take());
        Vec::new()
    };
    let mut linux = builder(&dir).on_capture(kill).build();
    let effect = captured(&mut linux, &plan).unwrap();
    assert!(effect.complete, "{effect:?}");
    let told = read(&folder(&dir), "captured.txt");
    assert!(told.contains("not captured: the rest (it has ended)\n"), "{told}");
    assert!(read(&folder(&dir), "threads.txt").contains(" S "));
    assert!(!folder(&dir).join("user-stacks.txt").exists());
}

#[test]
fn a_comm_full_of_traps_makes_one_folder_and_one_line() {
    let child = Child::script(
        "printf '../a/b\\n) R 1' > /proc/$$/comm; echo ready; while :; do sleep 0.1; done",
    );
    let dir = tempfile::tempdir().unwrap();
    captured(&mut builder(&dir).build(), &capture_of(&child)).unwrap();
    let folder = folder(&dir);
    assert!(folder.to_str().unwrap().ends_with("-_._a_b___R_1"), "{folder:?}");
    let threads = read(&folder, "threads.txt");
    assert_eq!(threads.lines().count(), 2, "{threads}");
    assert!(threads.ends_with("\"../a/b\\n) R 1\"\n"), "{threads}");
}

#[test]
fn captures_are_kept_up_to_a_bound() {
    let child = Child::sleeping();
    let dir = tempfile::tempdir().unwrap();
    let mut linux = builder(&dir).captures_kept(1, Bytes::from_mib(64)).build();
    let mut last = String::new();
    for at in 0..6 {
        let plan = Plan { at: Timestamp::from_secs(at), ..capture_of(&child) };
        last = captured(&mut linux, &plan).unwrap().summary.to_string();
    }
    assert!(last.ends_with("1 older removed"), "{last}");
    // Never fewer than can be under way.
    assert_eq!(std::fs::read_dir(dir.path().join("captures")).unwrap().count(), 4);
}

#[test]
fn captures_that_do_not_come_back_are_given_up_and_bounded() {
    let child = Child::sleeping();
    let dir = tempfile::tempdir().unwrap();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let hang = move |_: &Plan| {
        let _ = wait.recv();
        Vec::new()
    };
    let mut linux = builder(&dir).on_capture(hang).build();
    for _ in 0..4 {
        act(&mut linux, &capture_of(&child)).unwrap();
    }
    let mut results = Vec::new();
    for after in [0, 41] {
        linux.advance(NOW + Duration::from_secs(after), &mut |_, result| results.push(result));
    }
    assert_eq!(results.len(), 4);
    for result in results {
        assert!(matches!(result, Err(ActionError::System { .. })), "{result:?}");
    }
    let more = linux.prepare(&capture_of(&child));
    assert!(matches!(more, Err(ActionError::Unsupported { .. })), "{more:?}");
    drop(go_on);
    eventually("they come back", || linux.prepare(&capture_of(&child)).is_ok());
}

#[test]
fn a_configured_dumper_prints_into_the_folder_and_does_not_run_for_ever() {
    let child = asleep();
    let sleep = std::fs::read_link(format!("/proc/{}/exe", child.pid())).unwrap();
    let sleep = sleep.file_name().unwrap().to_str().unwrap();
    for (script, printed) in [
        ("echo stacks of $1; echo more >&2", "\nmore\n\n[exit status: 0]\n"),
        ("echo stacks of $1; exit 3", "\n\n[exit status: 3]\n"),
        (
            "echo stacks of $1; sleep 1000 & wait",
            "\n\n[killed: it ran too long or printed too much]\n",
        ),
        (
            "echo stacks of $1; exec >&- 2>&-; sleep 1000",
            "\n\n[killed: it ran too long or printed too much]\n",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let argv = Argv::new(["/bin/sh", "-c", script, "dumper", "{pid}"]).unwrap();
        let mut linux =
            builder(&dir).dumper(sleep, argv).timeout(Duration::from_millis(500)).build();
        let effect = captured(&mut linux, &capture_of(&child)).unwrap();
        assert!(effect.summary.contains("dumper.txt"), "{effect:?}");
        let told = read(&folder(&dir), "dumper.txt");
        assert_eq!(told, format!("stacks of {}{printed}", child.pid()));
    }
    let dir = tempfile::tempdir().unwrap();
    let missing = Argv::new(["/nonexistent"]).unwrap();
    let mut linux = builder(&dir).dumper(sleep, missing).build();
    captured(&mut linux, &capture_of(&child)).unwrap();
    let told = read(&folder(&dir), "captured.txt");
    assert!(told.contains("not captured: the runtime's dump ("), "{told}");
}

/// A source of registers that says which threads it was asked about.
struct Asked(std::sync::mpsc::Sender<u32>);

impl crate::Registers for Asked {
    fn registers(&mut self, tid: u32) -> Option<UserRegisters> {
        self.0.send(tid).unwrap();
        None
    }
}

#[test]
fn a_configured_source_of_registers_is_asked_first() {
    let child = Child::sleeping();
    let dir = tempfile::tempdir().unwrap();
    let (send, asked) = std::sync::mpsc::channel();
    let mut linux = builder(&dir).registers(Asked(send)).build();
    captured(&mut linux, &capture_of(&child)).unwrap();
    drop(linux);
    let expected: &[u32] =
        if cfg!(all(feature = "stacks", target_arch = "x86_64")) { &[child.pid()] } else { &[] };
    assert_eq!(asked.iter().collect::<Vec<_>>(), expected);
}
