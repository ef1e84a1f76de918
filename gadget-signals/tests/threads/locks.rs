//! Locks name their owners, and what is no lock never does.

use gadget_core::{FutexAddress, Lock, LockKind, ThreadId, Wait, Wakers};

use crate::child::{Program, futex, identity, waiters};

/// The lock that the second thread waits for and that the first one holds, depth included.
fn held_by_the_first(mode: &str) -> Option<(LockKind, Option<u32>)> {
    let mut program = Program::start(&[mode])?;
    let threads = program.look();
    let [waiter] = waiters(&threads)[..] else { panic!("{threads:?}") };
    assert!(!futex(waiter).timed);
    let lock = futex(waiter).lock.expect(mode);
    let owner = ThreadId { process: program.id(), tid: program.pid() };
    assert_eq!((lock.owner, lock.contended), (Some(owner), true), "{mode}");
    Some((lock.kind, lock.depth))
}

#[test]
fn two_threads_that_hold_what_the_other_wants_are_a_cycle() {
    let Some(mut program) = Program::start(&["abba"]) else { return };
    let threads = program.look();
    let [first, second] = waiters(&threads)[..] else { panic!("{threads:?}") };
    for (waiter, holder) in [(first, second), (second, first)] {
        let found = futex(waiter);
        let owner = ThreadId { process: program.id(), tid: holder.tid };
        let lock = Lock {
            kind: LockKind::GlibcMutex,
            owner: Some(owner),
            contended: true,
            depth: Some(1),
        };
        assert_eq!(found.lock, Some(lock));
        assert!(found.private && !found.timed && !found.pi);
        assert_eq!((found.word, found.joins), (Some(2), None));
    }
    assert_ne!(futex(first).address, futex(second).address);
    // The first thread waits for the end of one of them.
    let joiner = futex(&threads.threads[0]);
    assert_eq!((joiner.joins, joiner.lock), (Some(first.tid), None));
    assert!(joiner.private && !joiner.timed);
    let none = Some(false);
    let caught = threads.wakers.caught;
    assert_eq!(
        threads.wakers,
        Wakers { signal_timers: none, io_uring: none, traced: none, caught }
    );
    assert!(caught.is_some());
    // Nothing of it moves.
    assert_eq!(program.look(), threads);
}

#[test]
fn a_thread_can_wait_for_itself() {
    let Some(mut program) = Program::start(&["self"]) else { return };
    let threads = program.look();
    let owner = futex(&threads.threads[0]).lock.unwrap().owner;
    assert_eq!(owner, Some(ThreadId { process: program.id(), tid: program.pid() }));
}

#[test]
fn each_kind_of_mutex_is_told() {
    let glibc = |mode| held_by_the_first(mode);
    let Some(adaptive) = glibc("adaptive") else { return };
    assert_eq!(adaptive, (LockKind::GlibcMutex, Some(1)));
    assert_eq!(glibc("checking"), Some((LockKind::GlibcMutex, Some(1))));
    assert_eq!(glibc("recursive"), Some((LockKind::GlibcRecursive, Some(3))));
    assert_eq!(glibc("robust"), Some((LockKind::Robust, Some(1))));
    assert_eq!(glibc("inherit"), Some((LockKind::PriorityInheritance, None)));
}

#[test]
fn a_wait_with_a_time_out_is_told_from_one_without() {
    let Some(mut program) = Program::start(&["timed"]) else { return };
    let threads = program.look();
    let [waiter] = waiters(&threads)[..] else { panic!("{threads:?}") };
    assert!(futex(waiter).timed);
    assert_eq!(futex(waiter).lock.unwrap().owner.unwrap().tid, program.pid());
}

#[test]
fn a_writer_holds_a_lock_and_readers_do_not() {
    let Some(mut program) = Program::start(&["writer"]) else { return };
    let threads = program.look();
    let both = waiters(&threads);
    assert_eq!(both.len(), 2);
    for waiter in both {
        let lock = futex(waiter).lock.unwrap();
        assert_eq!(lock.kind, LockKind::GlibcRwlock);
        assert_eq!(lock.owner.unwrap().tid, program.pid());
    }
    let threads = Program::start(&["readers"]).unwrap().look();
    let [waiter] = waiters(&threads)[..] else { panic!("{threads:?}") };
    assert_eq!(futex(waiter).lock, None);
}

#[test]
fn what_is_no_lock_has_no_owner() {
    for mode in ["condition", "semaphore", "barrier"] {
        // Several numbers of waiters: these are what the words hold.
        for number in ["1", "2", "3"] {
            let Some(mut program) = Program::start(&[mode, number]) else { return };
            let threads = program.look();
            let waiters = waiters(&threads);
            assert_eq!(waiters.len().to_string(), number);
            for waiter in waiters {
                assert_eq!((futex(waiter).lock, futex(waiter).joins), (None, None), "{mode}");
                assert!(futex(waiter).word.is_some());
            }
        }
    }
}

#[test]
fn a_mutex_whose_owner_is_gone_is_no_lock() {
    let Some(mut program) = Program::start(&["dead-owner"]) else { return };
    let threads = program.look();
    let [waiter] = waiters(&threads)[..] else { panic!("{threads:?}") };
    assert_eq!((futex(waiter).word, futex(waiter).lock), (Some(2), None));
}

#[test]
fn a_lock_of_two_processes_names_the_other_and_is_the_same_in_both() {
    let Some(program) = Program::start(&["shared"]) else { return };
    let child = program.said[0].strip_prefix("child ").unwrap().parse().unwrap();
    let mut reader = gadget_signals::ThreadReader::host().unwrap();
    let threads = reader.read(identity(child).unwrap()).unwrap().unwrap();
    let found = futex(&threads.threads[0]);
    let owner = ThreadId { process: program.id(), tid: program.pid() };
    assert_eq!(found.lock.unwrap().owner, Some(owner));
    let FutexAddress::Shared { inode, offset, .. } = found.address else { panic!("{found:?}") };
    assert!(inode > 0 && offset == 0 && !found.private);
}

#[test]
fn a_thread_that_joins_another_waits_for_its_end() {
    let Some(mut program) = Program::start(&["join"]) else { return };
    let threads = program.look();
    let [joiner, sleeper] = &threads.threads[..] else { panic!("{threads:?}") };
    assert_eq!((futex(joiner).joins, futex(joiner).lock), (Some(sleeper.tid), None));
    assert_eq!(sleeper.wait, Wait::Signal);
}

#[test]
fn without_foreign_memory_there_is_the_address_alone() {
    let Some(program) = Program::start(&["self"]) else { return };
    let mut reader = gadget_signals::ThreadReader::host().unwrap().foreign_memory(false);
    let threads = reader.read(program.id()).unwrap().unwrap();
    let found = futex(&threads.threads[0]);
    assert_eq!((found.word, found.lock), (None, None));
    assert!(found.private && !found.timed);
}

#[test]
fn musl_names_the_owners_of_all_but_plain_mutexes() {
    for (mode, depth) in [("recursive", 3), ("checking", 1)] {
        let Some(mut program) = Program::start_with_musl(&[mode]) else { return };
        let threads = program.look();
        let [waiter] = waiters(&threads)[..] else { panic!("{threads:?}") };
        let lock = futex(waiter).lock.unwrap();
        assert_eq!((lock.kind, lock.depth), (LockKind::MuslMutex, Some(depth)), "{mode}");
        assert_eq!(lock.owner.unwrap().tid, program.pid());
    }
    for mode in ["self", "condition", "semaphore", "barrier", "join", "writer"] {
        let threads = Program::start_with_musl(&[mode]).unwrap().look();
        let found = threads.threads.iter().filter_map(|thread| match &thread.wait {
            Wait::Futex(futex) => Some(futex.lock),
            _ => None,
        });
        let found: Vec<_> = found.collect();
        assert!(!found.is_empty() && found.iter().all(Option::is_none), "{mode}: {found:?}");
    }
}
