use std::net::{SocketAddr, TcpListener, TcpStream};

use gadget_core::{
    Futex, FutexAddress, Listener, Lock, LockKind, Peer, Thread, ThreadId, Threads, Wait,
};

use super::*;

const ID: ProcessId = ProcessId { pid: 7, start: 1 };

fn thread(tid: u32, slices: u64, wait: Wait) -> Thread {
    Thread {
        tid,
        name: "t".into(),
        state: 'S',
        cpu: Duration::ZERO,
        ready: Duration::ZERO,
        slices,
        since: None,
        wait,
    }
}

fn futex(owner: Option<u32>, timed: bool) -> Wait {
    let owner = owner.map(|tid| ThreadId { process: ID, tid });
    let lock = Lock { kind: LockKind::GlibcMutex, owner, contended: true, depth: Some(1) };
    Wait::Futex(Futex {
        address: FutexAddress::Private(64),
        timed,
        private: true,
        pi: false,
        word: Some(2),
        lock: owner.map(|_| lock),
        joins: None,
    })
}

fn look(threads: Vec<Thread>) -> Threads {
    Threads { threads, ..Threads::default() }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(1_000 + second)
}

/// Whether each of the looks, ten seconds apart, is worth telling.
fn told(looks: impl IntoIterator<Item = Threads>) -> Vec<bool> {
    let mut suspect = Suspect::default();
    let looks = looks.into_iter().zip(0..);
    looks.map(|(look, number)| suspect.looks(&look, at(number * 10))).collect()
}

#[test]
fn all_in_futexes_without_a_time_out_is_worth_it_and_one_that_is_not_ends_that() {
    let closed =
        |timed| look(vec![thread(7, 1, futex(None, false)), thread(8, 1, futex(None, timed))]);
    assert_eq!(told([closed(false), closed(false), closed(true)]), [true, true, false]);
    let left_out = Threads { left_out: 1, ..closed(false) };
    assert_eq!(told([left_out, look(vec![])]), [false, false]);
}

#[test]
fn a_lock_counts_only_while_its_waiter_does_not_run() {
    let waits =
        |slices| look(vec![thread(7, slices, futex(Some(8), false)), thread(8, 9, Wait::Running)]);
    // A convoy: always somebody waits, and all of them get on.
    assert_eq!(told([waits(1), waits(2), waits(3)]), [false; 3]);
    assert_eq!(told([waits(1), waits(1), waits(2)]), [false, true, false]);
    let mut found = Suspect::default();
    let (still, suspicion) = (Duration::from_secs(10), Suspicion::Kernel);
    found.rests(&Candidate { process: ID, tid: 7, still, suspicion }, at(0));
    assert!(found.looks(&waits(1), at(0)));
}

#[test]
fn the_kernel_has_half_a_minute_and_a_peer_a_minute() {
    let kernel = || look(vec![thread(7, 1, Wait::Kernel { channel: "x".into() })]);
    let looks: Vec<_> = (0..4).map(|_| kernel()).collect();
    assert_eq!(told(looks), [false, false, false, true]);
    let peer = |sent| {
        let peer = Peer { address: None, sent, received: None, timed: false };
        look(vec![thread(7, 1, Wait::Peer(peer))])
    };
    let looks: Vec<_> = (0..7).map(|_| peer(Some(Duration::ZERO))).collect();
    assert_eq!(told(looks), [false, false, false, false, false, false, true]);
    let looks: Vec<_> = (0..9).map(|_| peer(None)).collect();
    assert_eq!(told(looks), [false; 9]);
}

#[test]
fn clients_that_wait_are_worth_it_while_none_is_accepted() {
    let crowd = |queued, still| {
        let address: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let still = Duration::from_secs(still);
        let listeners = vec![Listener { address, queued, limit: 9, still }];
        Threads { listeners, ..look(vec![thread(7, 1, Wait::Running)]) }
    };
    assert_eq!(told([crowd(1, 0), crowd(1, 10), crowd(0, 20)]), [false, true, false]);
}

#[test]
fn many_threads_wait_for_their_turn() {
    let many = (0..600).map(|tid| thread(tid, 1, futex(None, false))).collect();
    let mut suspect = Suspect::default();
    assert!(suspect.is_due(at(0)));
    assert!(suspect.looks(&look(many), at(0)));
    let due: Vec<_> = (1..4).map(|number| suspect.is_due(at(number * 10))).collect();
    assert_eq!(due, [false, false, true]);
}

#[test]
fn the_process_that_does_not_accept_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut reader = ThreadReader::host().unwrap();
    if super::super::sockets::ask_own().is_err() {
        return eprintln!("SKIPPED: no sock_diag");
    }
    let mut queues = Queues::with(Duration::from_millis(100));
    let own = std::process::id();
    let mut found = |second| {
        std::thread::sleep(Duration::from_millis(250));
        queues.stuck(&mut reader, at(second)).iter().any(|process| process.pid == own)
    };
    assert!(!found(0));
    assert!(found(10));
    let _accepted = listener.accept().unwrap();
    assert!(!found(20));
}
