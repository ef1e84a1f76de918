use std::fs;

use super::*;

/// A made-up `/proc`.
struct Fake(tempfile::TempDir);

impl Fake {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn process(&self, pid: u32, flags: u32) {
        let folder = self.0.path().join(pid.to_string());
        fs::create_dir_all(folder.join("task")).unwrap();
        let stat = stat(pid, 'S', flags, pid.into());
        fs::write(folder.join("stat"), stat).unwrap();
    }

    fn thread(&self, pid: u32, tid: u32, state: char, slices: u64, syscall: &str) {
        let folder = self.0.path().join(format!("{pid}/task/{tid}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("stat"), stat(tid, state, 0, 5)).unwrap();
        fs::write(folder.join("schedstat"), format!("{slices}000 1 {slices}\n")).unwrap();
        fs::write(folder.join("syscall"), format!("{syscall}\n")).unwrap();
    }

    fn end(&self, path: &str) {
        fs::remove_dir_all(self.0.path().join(path)).unwrap();
    }

    fn walk(&self) -> ProcWalk {
        ProcWalk::at(self.0.path()).unwrap()
    }
}

fn stat(id: u32, state: char, flags: u32, start: u64) -> String {
    format!("{id} (x) {state} 1 1 1 0 -1 {flags} 5 0 6 0 7 8 0 0 20 0 2 0 {start} 4096 11 0\n")
}

fn futex(address: u64, timeout: u64) -> String {
    let number = libc::SYS_futex;
    format!("{number} {address:#x} 0x80 0x2 {timeout:#x} 0x0 0x0 0x7fff00000000 0x1")
}

fn find(walk: &mut ProcWalk, second: u64) -> Vec<(u32, Suspicion)> {
    let mut found = Vec::new();
    walk.find(Timestamp::from_secs(1_000 + second), &mut found).unwrap();
    found.into_iter().map(|candidate| (candidate.tid, candidate.suspicion)).collect()
}

#[test]
fn a_thread_is_a_candidate_once_it_has_not_run_for_a_while() {
    let fake = Fake::new();
    fake.process(10, 0);
    fake.thread(10, 10, 'S', 3, &futex(64, 0));
    fake.thread(10, 11, 'R', 3, "running");
    let mut walk = fake.walk();
    assert_eq!(find(&mut walk, 0), []);
    assert_eq!(find(&mut walk, 4), []);
    let found = find(&mut walk, 5);
    let [(10, Suspicion::Futex(call))] = found[..] else { panic!("{found:?}") };
    assert_eq!((call.address, call.expected, call.private), (64, Some(2), true));
    // It has run, and waits elsewhere since.
    fake.thread(10, 10, 'S', 4, &futex(128, 0));
    assert_eq!(find(&mut walk, 10), []);
    let found = find(&mut walk, 15);
    let [(10, Suspicion::Futex(call))] = found[..] else { panic!("{found:?}") };
    assert_eq!(call.address, 128);
}

#[test]
fn a_process_is_closed_when_all_of_its_threads_wait_without_a_time_out() {
    let fake = Fake::new();
    fake.process(10, 0);
    fake.thread(10, 10, 'S', 3, &futex(64, 0));
    fake.thread(10, 11, 'S', 3, &futex(96, 0));
    // A first thread that has ended wakes nobody.
    fake.process(20, 0);
    fake.thread(20, 20, 'Z', 1, "0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0");
    fake.thread(20, 21, 'S', 3, &futex(96, 0));
    fake.process(30, 0);
    fake.thread(30, 30, 'S', 3, &futex(64, 0));
    fake.thread(30, 31, 'S', 3, &futex(96, 4096));
    let mut walk = fake.walk();
    find(&mut walk, 0);
    let found = find(&mut walk, 10);
    assert_eq!(found[..2], [(10, Suspicion::Closed), (20, Suspicion::Closed)]);
    assert!(matches!(found[2..], [(30, Suspicion::Futex(_))]), "{found:?}");
}

#[test]
fn what_waits_in_the_kernel_is_told_from_what_is_frozen() {
    let fake = Fake::new();
    let fsync = format!("{} 0x3 0x0 0x0 0x0 0x0 0x0 0x7fff00000000 0x1", libc::SYS_fsync);
    for (pid, line) in [(10, fsync), (20, futex(64, 0)), (30, "-1 0x7fff00000000 0x1".into())] {
        fake.process(pid, 0);
        fake.thread(pid, pid, 'D', 3, &line);
    }
    let mut walk = fake.walk();
    find(&mut walk, 0);
    assert_eq!(find(&mut walk, 10), [(10, Suspicion::Kernel), (30, Suspicion::Kernel)]);
}

#[test]
fn threads_of_the_kernel_and_the_dead_are_never_candidates() {
    let fake = Fake::new();
    fake.process(2, 0x0020_0000);
    fake.thread(2, 2, 'D', 3, "0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0");
    let mut walk = fake.walk();
    for second in [0, 10, 20] {
        assert_eq!(find(&mut walk, second), []);
    }
}

#[test]
fn a_walk_with_little_time_comes_by_every_process_in_turn() {
    let fake = Fake::new();
    for pid in [10, 20, 30, 40] {
        fake.process(pid, 0);
        fake.thread(pid, pid, 'S', 3, &futex(64, 0));
    }
    let mut walk = fake.walk().threads_per_look(2);
    assert_eq!(find(&mut walk, 0), []);
    assert_eq!(find(&mut walk, 10), []);
    let closed = |pid| (pid, Suspicion::Closed);
    assert_eq!(find(&mut walk, 20), [closed(10), closed(20)]);
    assert_eq!(find(&mut walk, 30), [closed(30), closed(40)]);
    fake.end("40");
    fake.end("10");
    assert_eq!(find(&mut walk, 40), [closed(20), closed(30)]);
    assert_eq!((walk.table.len(), walk.threads), (2, 2));
}

#[test]
fn another_process_with_the_same_number_begins_anew() {
    let fake = Fake::new();
    fake.process(10, 0);
    fake.thread(10, 10, 'S', 3, &futex(64, 0));
    let mut walk = fake.walk();
    find(&mut walk, 0);
    assert_eq!(find(&mut walk, 10).len(), 1);
    let folder = fake.0.path().join("10");
    fs::rename(&folder, fake.0.path().join("old")).unwrap();
    fake.process(10, 0);
    fs::write(folder.join("stat"), stat(10, 'S', 0, 99)).unwrap();
    fake.thread(10, 10, 'S', 3, &futex(64, 0));
    assert_eq!(find(&mut walk, 20), []);
    let mut found = Vec::new();
    walk.find(Timestamp::from_secs(1_030), &mut found).unwrap();
    assert_eq!(found[0].process, ProcessId { pid: 10, start: 99 });
}

#[test]
fn a_process_that_says_nonsense_is_left_out() {
    let fake = Fake::new();
    fake.process(10, 0);
    fake.thread(10, 10, 'S', 3, &futex(64, 0));
    fake.process(20, 0);
    fake.thread(20, 20, 'S', 3, &futex(64, 0));
    let folder = fake.0.path().join("10");
    fs::write(folder.join("task/10/schedstat"), "many\n").unwrap();
    let mut walk = fake.walk();
    find(&mut walk, 0);
    assert_eq!(find(&mut walk, 10), [(20, Suspicion::Closed)]);
    fs::write(folder.join("stat"), "10 (x").unwrap();
    assert_eq!(find(&mut fake.walk(), 0), []);
}
