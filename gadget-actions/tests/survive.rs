//! In a process of its own, for what it changes is the process itself.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use gadget_actions::{Argv, Linux, Locked, survive};
use gadget_core::{Action as _, Reach, Step, Subject};
use support::Desk;

mod support;

fn own(file: &str) -> String {
    std::fs::read_to_string(format!("/proc/self/{file}")).unwrap()
}

#[test]
fn it_gets_what_it_may_and_what_it_starts_is_as_killable_as_before() {
    let niceness = rustix::process::getpriority_process(None).unwrap();
    // From here it can be lowered again, whatever capabilities there are, and no lower without them.
    let floor: i16 = own("oom_score_adj").trim().parse().unwrap();
    std::fs::write("/proc/self/oom_score_adj", "500").unwrap();
    let survival = survive();
    let now = survival.oom_score_adj.unwrap();
    assert!(now <= floor, "{survival:?}");
    assert_eq!(own("oom_score_adj").trim(), now.to_string());
    let locked = own("status")
        .lines()
        .find_map(|line| line.strip_prefix("VmLck:").map(str::to_owned))
        .unwrap();
    assert_eq!(
        survival.locked == Locked::Nothing,
        locked.trim() == "0 kB",
        "{survival:?}, VmLck {locked}"
    );
    let nice = rustix::process::getpriority_process(None).unwrap();
    assert_eq!(survival.nice, nice);
    assert!(
        survival.to_string().ends_with(&format!("oom_score_adj is {now}, nice is {nice}")),
        "{survival}"
    );
    assert_eq!(survive(), survival);

    let dir = tempfile::tempdir().unwrap();
    let seen = dir.path().join("seen");
    let write = format!("(cat /proc/self/oom_score_adj; nice) > {}", seen.display());
    let copy = Argv::new(["/bin/sh", "-c", write.as_str()]).unwrap();
    let mut linux = Linux::builder().hook("copy", copy).build();
    let mut desk = Desk::new(None);
    let plan = desk.plan(Step::Hook { name: "copy".into() }, Subject::Host, Reach::Alone, "host");
    desk.act(&mut linux, &plan);
    while linux.next_advance().is_some() {
        linux.advance(desk.now, &mut |_, result| assert!(result.unwrap().complete));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(std::fs::read_to_string(seen).unwrap(), format!("500\n{niceness}\n"));
}
