use std::time::Duration;

use gadget_core::{
    Futex, FutexAddress, Lock, LockKind, ProcessId, Thread, ThreadId, Threads, Timestamp, Wait,
};
use proptest::prelude::*;

use super::{End, LockGraph, MOST_THREADS};

const HOME: ProcessId = ProcessId { pid: 100, start: 5 };
const OTHER: ProcessId = ProcessId { pid: 200, start: 9 };

fn waits(process: ProcessId, tid: u32, lock: u64, owner: ThreadId) -> Thread {
    let address = if owner.process == process {
        FutexAddress::Private(lock)
    } else {
        FutexAddress::Shared { device: 0x1a, inode: 42, offset: lock }
    };
    thread(
        tid,
        Wait::Futex(Futex {
            address,
            timed: false,
            private: owner.process == process,
            pi: false,
            word: Some(2),
            lock: Some(Lock {
                kind: LockKind::GlibcMutex,
                owner: Some(owner),
                contended: true,
                depth: None,
            }),
            joins: None,
        }),
    )
}

fn thread(tid: u32, wait: Wait) -> Thread {
    Thread {
        tid,
        name: "worker".into(),
        state: 'S',
        cpu: Duration::ZERO,
        ready: Duration::ZERO,
        slices: 1,
        since: Some(Timestamp::from_secs(53_000 + u64::from(tid % 100))),
        wait,
    }
}

fn home(tid: u32) -> ThreadId {
    ThreadId { process: HOME, tid }
}

fn of(threads: Vec<Thread>) -> LockGraph {
    LockGraph::of(HOME, &Threads { threads, ..Threads::default() })
}

/// Thread `n + 1` waits for what thread `owners[n]` holds.
fn chain(owners: &[u32]) -> LockGraph {
    let waiting = owners.iter().zip(1..);
    of(waiting.map(|(&owner, tid)| waits(HOME, tid, u64::from(owner), home(owner))).collect())
}

#[test]
fn rings_of_three_and_five_are_named_in_order() {
    let graph = chain(&[2, 3, 1, 5, 6, 7, 8, 4]);
    let rings: Vec<Vec<u32>> =
        graph.cycles().map(|ring| ring.threads().map(|thread| thread.tid).collect()).collect();
    assert_eq!(rings, [vec![1, 2, 3], vec![4, 5, 6, 7, 8]]);
    assert_eq!(
        graph.cycles().next().unwrap().sentence(None, 1),
        "thread 1 waits for the lock at 0x2 held by 2, which waits for 0x3 held by 3, which waits for 0x1 held by 1, \
         since 14:43:23; 1 client is queued"
    );
}

#[test]
fn the_ring_is_as_old_as_its_last_thread() {
    let graph = chain(&[2, 1]);
    let ring = graph.cycles().next().unwrap();
    assert_eq!(ring.since(), Some(Timestamp::from_secs(53_002)));
    assert!(ring.sentence(None, 0).ends_with(", since 14:43:22"), "{}", ring.sentence(None, 0));
}

#[test]
fn without_a_time_from_the_kernel_the_first_look_is_named() {
    let mut first = waits(HOME, 1, 0xa0, home(1));
    first.since = None;
    let graph = of(vec![first]);
    let ring = graph.cycles().next().unwrap();
    let seen = Some(Timestamp::from_secs(3_600));
    assert_eq!(
        ring.sentence(seen, 0),
        "thread 1 waits for the lock at 0xa0 held by itself, since 01:00:00"
    );
}

#[test]
fn a_ring_through_two_processes_is_found_and_names_them() {
    let away = ThreadId { process: OTHER, tid: 201 };
    let here = Threads { threads: vec![waits(HOME, 101, 0x40, away)], ..Threads::default() };
    let there = Threads { threads: vec![waits(OTHER, 201, 0x80, home(101))], ..Threads::default() };
    assert_eq!(LockGraph::of(HOME, &here).cycles().count(), 0, "one of them alone shows none");
    let graph = LockGraph::of_all([(HOME, &here), (OTHER, &there)]);
    let sentence = graph.cycles().next().unwrap().sentence(None, 0);
    assert!(
        sentence.starts_with(
            "thread 101 waits for the lock at 0x40 of shared memory 0x1a:42 held by 201 of process 200, \
             which waits for 0x80 of shared memory 0x1a:42 held by 101, since"
        ),
        "{sentence}"
    );
}

#[test]
fn a_long_ring_is_told_short() {
    let owners: Vec<u32> = (2..=50).chain([1]).collect();
    let graph = chain(&owners);
    let sentence = graph.cycles().next().unwrap().sentence(None, 0);
    assert!(sentence.contains("held by 9, and so on through 42 more threads"), "{sentence}");
    assert!(sentence.contains("the last waits for 0x1 held by 1, since"), "{sentence}");
}

#[test]
fn a_hundred_thousand_threads_in_one_chain_are_walked() {
    let count = MOST_THREADS as u32;
    let owners: Vec<u32> = (2..=count).chain([1]).collect();
    let graph = chain(&owners);
    assert_eq!(graph.cycles().next().unwrap().len(), MOST_THREADS);
    let more = chain(&(0..count + 7).map(|_| 1).collect::<Vec<u32>>());
    assert_eq!((more.threads(), more.left_out()), (MOST_THREADS, 7));
    assert!(more.svg().len() < 100_000 && more.to_string().len() < 1_000_000);
}

#[test]
fn the_text_says_where_each_chain_ends() {
    let mut threads = vec![waits(HOME, 1, 0x10, home(2)), waits(HOME, 2, 0x20, home(3))];
    threads.push(thread(3, Wait::Running));
    threads.push(waits(HOME, 4, 0x40, home(99)));
    let text = of(threads).to_string();
    assert_eq!(
        text,
        "thread 1 \"worker\" waits for the mutex at 0x10 held by 2, which ends at 3 \"worker\": it runs\n\
         thread 2 \"worker\" waits for the mutex at 0x20 held by 3, which ends at 3 \"worker\": it runs\n\
         thread 4 \"worker\" waits for the mutex at 0x40 held by 99, which ends at a thread that was not looked at\n"
    );
    assert_eq!(of(vec![]).to_string(), "no thread waits for a lock whose owner is known\n");
}

#[test]
fn names_that_look_like_code_stay_text() {
    let mut threads = vec![waits(HOME, 1, 0x10, home(2)), waits(HOME, 2, 0x20, home(1))];
    threads[0].name = "</text><script>".into();
    threads[1].name = "a&b\u{1b}[2J\"\u{0}".into();
    let graph = of(threads);
    let picture = graph.svg();
    assert!(picture.contains("&lt;/text&gt;&lt;script&gt;") && !picture.contains("<script>"));
    assert!(picture.contains("a&amp;b\u{fffd}[2J&quot;\u{fffd}"));
    let text = graph.to_string();
    assert!(text.contains(r#""a&b\u{1b}[2J\"\0""#), "{text}");
}

#[test]
fn the_picture_is_the_same_each_time_and_marks_the_deadlock() {
    let graph = chain(&[2, 1, 1, 3]);
    assert_eq!(graph.svg(), chain(&[2, 1, 1, 3]).svg());
    assert!(graph.svg().contains("1 deadlock, 4 of 4 threads wait for a lock"));
    assert!(graph.svg().contains("leads into a cycle"));
    let calm = of(vec![thread(1, Wait::Running)]).svg();
    assert!(calm.contains("no deadlock") && !calm.contains("url(#dead)"));
}

/// Whether the chain that begins at `tid` comes back to it, found by walking as often as there are threads.
fn is_on_a_cycle(owners: &[Option<u32>], tid: u32) -> bool {
    let mut at = tid;
    for _ in 0..=owners.len() {
        match owners.get(at as usize - 1).copied().flatten() {
            Some(owner) if owner == tid => return true,
            Some(owner) if owner >= 1 && owner as usize <= owners.len() => at = owner,
            _ => return false,
        }
    }
    false
}

proptest! {
    #[test]
    fn a_cycle_is_reported_exactly_where_one_is(
        owners in proptest::collection::vec(proptest::option::of(1..24_u32), 1..20)
    ) {
        let threads = owners.iter().zip(1..).map(|(owner, tid)| match owner {
            Some(owner) => waits(HOME, tid, u64::from(*owner), home(*owner)),
            None => thread(tid, Wait::Running),
        });
        let graph = of(threads.collect());
        let mut found: Vec<u32> =
            graph.cycles().flat_map(|ring| ring.threads().map(|thread| thread.tid)).collect();
        found.sort_unstable();
        let searched: Vec<u32> = (1..=owners.len() as u32).filter(|&tid| is_on_a_cycle(&owners, tid)).collect();
        prop_assert_eq!(found, searched, "no thread is on two cycles, and none is missed");
        for at in 0..owners.len() as u32 {
            // Each chain ends as its owner's does.
            if let Some(to) = graph.node(at).waits.as_ref().and_then(|edge| edge.to) {
                prop_assert_eq!(graph.end_of(at), graph.end_of(to));
            } else if graph.node(at).waits.is_some() {
                prop_assert_eq!(graph.end_of(at), End::Unseen(at));
            } else {
                prop_assert_eq!(graph.end_of(at), End::Thread(at));
            }
        }
        prop_assert!(graph.to_string().lines().count() <= 2 * owners.len() + 1);
        prop_assert!(graph.svg().ends_with("</svg>\n"));
    }
}
