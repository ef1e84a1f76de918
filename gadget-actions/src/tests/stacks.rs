//! User stacks of real programs, compiled here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gadget_core::{Step, Subject, Timestamp};

use crate::linux::Linux;
use crate::testing::{Child, act, eventually, finish, plan, threads_in_futex};

/// Compiles a program of `testdata` with these options; none, and says so, where there is no compiler.
fn compiled(source: &str, dir: &Path, options: &[&str]) -> Option<PathBuf> {
    let program = dir.join(source.trim_end_matches(".c"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(source);
    let mut gcc = Command::new("gcc");
    gcc.args(options).arg("-o").arg(&program).arg(source).arg("-pthread");
    let done = gcc.status().is_ok_and(|status| status.success());
    if !done {
        eprintln!("SKIPPED: there is no gcc; capture/user tests unwinding on the test's own stack");
    }
    done.then_some(program)
}

/// The stacks of the deadlocked program: of the main thread, of the two workers.
fn stacks(program: &Path) -> [String; 3] {
    let child = Child::script(&format!("exec {}", program.display()));
    eventually("all three wait", || threads_in_futex(child.pid()) == 3);
    let ran = || -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.pid())).unwrap();
        let schedstat = |task: std::fs::DirEntry| task.path().join("schedstat");
        tasks.map(|task| std::fs::read_to_string(schedstat(task.unwrap())).unwrap()).collect()
    };
    let before = ran();
    let stacks: [String; 3] = captured(&child).try_into().unwrap();
    assert_eq!(ran(), before, "a capture made it run");
    assert!(stacks[0].starts_with(&format!("thread {} \"abba\", state S, in ", child.pid())));
    stacks
}

/// The user stacks of a process, a thread each.
fn captured(child: &Child) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut linux = Linux::builder().capture(dir.path()).build();
    let plan = plan(Step::CaptureStacks, Subject::Process(child.id()), "stuck");
    act(&mut linux, &plan).unwrap();
    let results = finish(&mut linux, Timestamp::from_secs(2_000), Duration::from_millis(10));
    let [Ok(effect)] = &results[..] else { panic!("{results:?}") };
    assert!(effect.summary.contains(" user stacks"), "{effect:?}");
    let folder = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(folder.join("user-stacks.txt")).unwrap();
    text.split("\n\n").map(str::to_owned).filter(|stack| !stack.is_empty()).collect()
}

/// True if the text holds each of `parts`, in this order.
fn in_order(text: &str, parts: &[&str]) -> bool {
    let mut rest = text;
    parts.iter().all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

#[test]
fn stacks_name_the_functions_of_a_deadlock_and_their_lines() {
    // With and without frame pointers, which the kernel does not show; and with no index of the unwind tables.
    for options in [&["-g", "-O0"][..], &["-g", "-O2"], &["-g", "-O2", "-static"]] {
        let dir = tempfile::tempdir().unwrap();
        let Some(program) = compiled("abba.c", dir.path(), options) else { return };
        let [main, a, b] = &stacks(&program);
        assert!(
            in_order(main, &["#0", " main+0x", "(abba+0x", "abba.c:41", "_start+0x"]),
            "{main}"
        );
        let lock = "pthread_mutex_lock+0x";
        let calls = ["#0", lock, " take+0x", " abba.c:13", " worker_a+0x", " abba.c:20"];
        assert!(in_order(a, &calls), "{options:?}: {a}");
        assert!(in_order(b, &["#0", lock, " worker_b+0x", " abba.c:28"]), "{options:?}: {b}");
        for stack in [main, a] {
            assert!(!stack.contains('?') && !stack.contains("no further"), "{options:?}: {stack}");
        }
    }
}

#[test]
fn a_stripped_program_has_modules_with_offsets_and_what_is_not_sure_is_marked() {
    for (options, sure) in [(["-O2", "-s"], true), (["-O0", "-s"], false)] {
        let dir = tempfile::tempdir().unwrap();
        let Some(program) = compiled("abba.c", dir.path(), &options) else { return };
        let [_, a, b] = &stacks(&program);
        let (lock, libc, abba) = ("pthread_mutex_lock+0x", " (libc.so.6+0x", " (abba+0x");
        assert!(in_order(a, &[lock, libc, abba, abba, libc]) && !a.contains("take"), "{a}");
        // Who called is known from the call itself. Where that was through a pointer, which says nothing of whom it calls,
        // and the frame needs the frame pointer, the caller is a guess.
        assert!(!a.contains('?'), "{a}");
        assert!(in_order(b, &[lock, libc, abba, libc]), "{b}");
        let (own, caller) = b.split_once(abba).unwrap();
        assert!(!own.contains('?') && caller.contains("? 0x") != sure, "{b}");
    }
}

#[test]
fn a_stack_goes_on_behind_a_signal_handler() {
    for (option, sure) in [("-O0", false), ("-O2", true)] {
        let dir = tempfile::tempdir().unwrap();
        let Some(program) = compiled("signal.c", dir.path(), &["-g", option]) else { return };
        let child = Child::script(&format!("exec {}", program.display()));
        let call = || std::fs::read_to_string(format!("/proc/{}/syscall", child.pid())).unwrap();
        eventually("it pauses", || call().starts_with(&format!("{} ", libc::SYS_pause)));
        let stacks = captured(&child);
        let calls = [" handler+0x", " signal.c:1", " interrupted+0x", " signal.c:17", " main+0x"];
        assert!(in_order(&stacks[0], &calls), "{option}: {}", stacks[0]);
        // A handler that needs the frame pointer was called by nobody who could prove it.
        assert_eq!(!stacks[0].contains("? 0x"), sure, "{option}: {}", stacks[0]);
    }
}
