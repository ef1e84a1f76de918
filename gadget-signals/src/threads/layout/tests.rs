use super::*;
use proptest::prelude::*;

const OWNER: u32 = 4128;

fn plain(word: u32) -> FutexCall {
    FutexCall {
        address: 0x1000,
        expected: Some(word),
        operation: FutexOperation::Wait,
        private: true,
        timed: false,
    }
}

fn bitset(word: u32) -> FutexCall {
    FutexCall { operation: FutexOperation::WaitBitset, ..plain(word) }
}

fn at(at: [u32; 10]) -> LockWords {
    LockWords { before: Some([0; 4]), at, after: Some([0; 2]) }
}

fn mutex(kind: u32, count: u32) -> LockWords {
    at([2, count, OWNER, 1, kind, 0, 0, 0, 0, 0])
}

fn robust() -> LockWords {
    at([OWNER | WAITERS, 1, OWNER, 1, 16, 0, 1, 1, 1, 1])
}

/// A write-locked lock, from the futex that readers wait at.
fn rwlock() -> LockWords {
    LockWords {
        before: Some([0, 0, 3, 0]),
        at: [3, 1, 0, 0, OWNER, 0, 0, 0, 0, 0],
        after: Some([0; 2]),
    }
}

/// The same, from the futex that writers wait at.
fn rwlock_of_writers() -> LockWords {
    LockWords { before: Some([0, 3, 1, 1]), at: [3, 0, 0, OWNER, 0, 0, 0, 0, 0, 0], after: None }
}

fn musl() -> LockWords {
    LockWords {
        before: Some([0, 0, 0, 1]),
        at: [OWNER | WAITERS, 1, 0, 0, 2, 9, 9, 9, 9, 0],
        after: None,
    }
}

#[test]
fn each_layout_names_its_owner() {
    let robust_call = FutexCall { private: false, ..plain(OWNER | WAITERS) };
    for (words, call, kind, depth) in [
        (mutex(0, 0), plain(2), LockKind::GlibcMutex, Some(1)),
        (mutex(2, 0), plain(2), LockKind::GlibcMutex, Some(1)),
        (mutex(3, 0), plain(2), LockKind::GlibcMutex, Some(1)),
        (mutex(1, 3), plain(2), LockKind::GlibcRecursive, Some(3)),
        (robust(), robust_call, LockKind::Robust, Some(1)),
        (rwlock(), bitset(3), LockKind::GlibcRwlock, None),
        (rwlock_of_writers(), bitset(3), LockKind::GlibcRwlock, None),
        (musl(), plain(OWNER | WAITERS), LockKind::MuslMutex, Some(3)),
    ] {
        let contended = true;
        let shape = LockShape { kind, owner: OWNER, depth, contended, foreign: false };
        assert_eq!(words.recognise(&call), Some(shape), "{words:?}");
    }
}

#[test]
fn the_kernels_own_locks_need_no_layout() {
    let call =
        FutexCall { operation: FutexOperation::LockPi, expected: None, private: false, ..plain(0) };
    let words = at([OWNER | WAITERS, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
    let shape = words.recognise(&call).unwrap();
    assert_eq!((shape.kind, shape.owner), (LockKind::PriorityInheritance, OWNER));
    assert!(shape.contended && shape.foreign);
    assert_eq!(at([WAITERS; 10]).recognise(&call), None);
}

#[test]
fn a_mutex_of_several_processes_may_have_its_owner_in_another() {
    let shared = FutexCall { private: false, ..plain(2) };
    assert!(mutex(128, 0).recognise(&shared).unwrap().foreign);
    assert_eq!(mutex(128, 0).recognise(&plain(2)), None);
    assert_eq!(mutex(0, 0).recognise(&shared), None);
}

#[test]
fn the_operation_of_condition_variables_is_that_of_a_mutex_only_with_a_time_out() {
    assert_eq!(mutex(0, 0).recognise(&bitset(2)), None);
    let timed = FutexCall { timed: true, ..bitset(2) };
    assert!(mutex(0, 0).recognise(&timed).is_some());
    let requeued = FutexCall { operation: FutexOperation::RequeuePi, ..plain(2) };
    assert_eq!(mutex(0, 0).recognise(&requeued), None);
}

#[test]
fn a_condition_variable_with_a_locked_mutex_behind_it_is_no_lock() {
    // Both of its futexes, whatever the value; behind them lock, count, owner, users and kind of the mutex.
    for kind in 0..4 {
        for signals in 0..4 {
            let first = at([signals, signals, 1, 1, OWNER, 1, kind, 0, 0, 0]);
            let second = at([signals, 1, 1, OWNER, 1, kind, 0, 0, 0, 0]);
            assert_eq!(first.recognise(&bitset(signals)), None, "{first:?}");
            assert_eq!(second.recognise(&bitset(signals)), None, "{second:?}");
        }
    }
}

#[test]
fn a_word_that_has_changed_since_is_no_lock() {
    assert_eq!(mutex(0, 0).recognise(&plain(1)), None);
    let mut words = mutex(0, 0);
    words.at[0] = 1;
    assert_eq!(words.recognise(&plain(1)), None);
    assert_eq!(words.recognise(&plain(2)), None);
}

#[test]
fn without_what_is_around_it_only_what_begins_with_its_futex_is_recognised() {
    let alone = |words: LockWords| LockWords { before: None, after: None, ..words };
    assert!(alone(mutex(0, 0)).recognise(&plain(2)).is_some());
    assert_eq!(alone(rwlock()).recognise(&bitset(3)), None);
    assert_eq!(alone(musl()).recognise(&plain(OWNER | WAITERS)), None);
    let cut = LockWords { after: None, ..rwlock() };
    assert_eq!(cut.recognise(&bitset(3)), None);
}

fn any_words() -> impl Strategy<Value = LockWords> {
    // Mostly small, as real structures are.
    let word = || prop_oneof![4 => 0..4_u32, 1 => Just(OWNER), 1 => Just(OWNER | WAITERS), 1 => any::<u32>()];
    let before = proptest::option::of(proptest::array::uniform4(word()));
    let after = proptest::option::of(proptest::array::uniform2(word()));
    (before, proptest::array::uniform10(word()), after).prop_map(|(before, at, after)| LockWords {
        before,
        at,
        after,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_recognised_is_contended_and_has_a_possible_owner(
        words in any_words(),
        expected in prop_oneof![Just(2_u32), Just(3), Just(OWNER | WAITERS), any::<u32>()],
        (wait, private, timed) in any::<(bool, bool, bool)>(),
    ) {
        let operation = if wait { FutexOperation::Wait } else { FutexOperation::WaitBitset };
        let call =
            FutexCall { address: 4096, expected: Some(expected), operation, private, timed };
        if let Some(shape) = words.recognise(&call) {
            prop_assert!(shape.contended && (1..=MAX_TID).contains(&shape.owner));
            prop_assert_eq!(words.at[0], expected);
            // Words of small numbers, as those of semaphores and barriers, name nobody else.
            let all = words.before.iter().flatten().chain(&words.at);
            prop_assert!(all.copied().any(|word| word & TID_MASK == shape.owner));
        }
    }

    #[test]
    fn one_wrong_word_that_matters_and_it_is_no_lock(place in 0..10_usize, value in 4..u32::MAX) {
        let mut words = mutex(0, 0);
        words.at[place] = value;
        let found = words.recognise(&plain(2));
        match place {
            // Another owner; more users, who wait at a condition variable of its.
            2 | 3 => prop_assert!(found.is_none_or(|shape| shape.kind == LockKind::GlibcMutex)),
            // Other kinds, and the half word that lock elision uses.
            4 | 5 => {}
            _ => prop_assert_eq!(found, None),
        }
    }
}
