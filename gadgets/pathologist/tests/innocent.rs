//! What is not dead is left alone: the healthy, the idle and the merely slow programs of the notes, five minutes each.

mod host;

use std::time::Duration;

use gadget_core::{Thread, Wait};
use host::{Actor, Host, futex, listener, lock, named, pathologist, peer, ran, thread, timed};

/// Watches one for five minutes: nothing may be proposed, and nothing called stuck.
fn left_alone(actor: Actor) -> Vec<String> {
    let pid = actor.id.pid;
    let comm = actor.comm;
    let mut host = Host::new(pathologist(), vec![actor]);
    host.run(0, 300);
    assert_eq!(host.steps(), [], "{comm}");
    host.classes(pid)
}

fn files(timed: bool) -> Wait {
    Wait::Files { timed }
}

#[test]
fn idle_servers_are_left_alone() {
    let alone: Vec<(&str, Vec<Thread>)> = vec![
        ("c-accept", vec![thread(10, Wait::Client { fd: 3 })]),
        ("nginx", vec![thread(10, files(false))]),
        (
            "go",
            vec![
                thread(10, futex(0x10)),
                thread(11, timed(futex(0x20))),
                thread(12, futex(0x30)),
                thread(13, files(false)),
            ],
        ),
        (
            "node",
            vec![
                thread(10, files(false)),
                thread(11, futex(0x20)),
                thread(12, futex(0x20)),
                thread(13, futex(0x20)),
            ],
        ),
        ("sleep", vec![thread(10, Wait::Time)]),
        ("sigwait", vec![thread(10, Wait::Signal), thread(11, futex(0x10))]),
        ("supervisor", vec![thread(10, Wait::Child)]),
        ("blocking-echo", vec![thread(10, peer(30, 20))]),
    ];
    for (comm, threads) in alone {
        assert_eq!(left_alone(Actor::new(10, comm, threads)), [""; 0], "{comm}");
    }
}

#[test]
fn daemons_that_a_signal_gets_going_are_left_alone() {
    let waiting = |count: u32| (10..10 + count).map(|tid| thread(tid, futex(1))).collect();
    for count in [1, 5] {
        let mut daemon = Actor::new(10, "daemon", waiting(count));
        daemon.threads.wakers.caught = Some(1 << 14);
        assert_eq!(left_alone(daemon), [""; 0]);
    }
}

#[test]
fn runtimes_that_tick_are_left_alone() {
    let threads = (10..31).map(|tid| thread(tid, futex(u64::from(tid)))).collect();
    let jvm = Actor::new(10, "java", threads).living(|_, threads| {
        threads.threads[20].wait = Wait::Files { timed: false };
        // Its own timers run now and then.
        for thread in &mut threads.threads[5..9] {
            ran(thread, 1);
            thread.wait = timed(futex(0x10));
        }
    });
    assert_eq!(left_alone(jvm), [""; 0]);
    let redis = vec![thread(10, files(true)), thread(11, futex(1)), thread(12, futex(2))];
    let redis = Actor::new(10, "redis", redis).living(|_, threads| ran(&mut threads.threads[0], 5));
    assert_eq!(left_alone(redis), [""; 0]);
}

#[test]
fn computation_is_left_alone() {
    let busy = Actor::new(10, "compute", vec![thread(10, Wait::Running)])
        .living(|_, threads| ran(&mut threads.threads[0], 3_000));
    assert_eq!(left_alone(busy), [""; 0]);
}

#[test]
fn a_busy_server_is_left_alone() {
    let busy = Actor::new(10, "http", vec![thread(10, files(false)), thread(11, futex(0x10))])
        .living(|second, threads| {
            ran(&mut threads.threads[0], 900);
            threads.listeners = listener(u32::from(second % 10 == 0), 0);
        });
    assert_eq!(left_alone(busy), [""; 0]);
}

#[test]
fn waiters_on_an_owner_that_works_are_slow() {
    let mut threads = vec![thread(10, Wait::Running)];
    threads.extend((11..14).map(|tid| thread(tid, lock(0x60, 10, 10))));
    let holder =
        Actor::new(10, "holder", threads).living(|_, threads| ran(&mut threads.threads[0], 1_800));
    assert_eq!(left_alone(holder), ["slow"]);
}

#[test]
fn a_convoy_is_left_alone() {
    let threads = (10..15).map(|tid| thread(tid, Wait::Time)).collect();
    let convoy = Actor::new(10, "convoy", threads).living(|second, threads| {
        let owner = 10 + (second / 5 % 5) as u32;
        for thread in &mut threads.threads {
            ran(thread, 200);
            thread.wait = if thread.tid == owner { Wait::Time } else { lock(0x60, 10, owner) };
        }
    });
    assert_eq!(left_alone(convoy), [""; 0]);
}

#[test]
fn retries_of_a_timed_lock_are_slow() {
    let mut threads = vec![thread(10, Wait::Time)];
    threads.extend((11..15).map(|tid| thread(tid, timed(lock(0x60, 10, 10)))));
    let retry = Actor::new(10, "retry", threads).living(|_, threads| {
        threads.threads[1..].iter_mut().for_each(|thread| ran(thread, 2));
    });
    assert_eq!(left_alone(retry), ["slow"]);
}

#[test]
fn garbage_collection_is_told_as_such() {
    let mut threads = vec![thread(10, futex(1)), thread(11, futex(2))];
    threads.push(named(12, "GC Thread#0", futex(3)));
    threads.push(named(13, "VM Thread", timed(futex(4))));
    let thrash = Actor::new(10, "java", threads).living(|_, threads| {
        ran(&mut threads.threads[2], 4_000);
        ran(&mut threads.threads[3], 500);
    });
    assert_eq!(left_alone(thrash), ["gc"]);
}

#[test]
fn what_an_operator_stopped_is_his() {
    let mut threads = vec![thread(10, Wait::Stopped), thread(11, Wait::Stopped)];
    threads.iter_mut().for_each(|thread| thread.state = 'T');
    let stopped = Actor::new(10, "server", threads)
        .living(|second, threads| threads.listeners = listener(9, second));
    assert_eq!(left_alone(stopped), ["stopped"]);
}

#[test]
fn a_deadlock_under_a_debugger_or_stopped_in_time_is_left_alone() {
    let mut traced = host::abba(10);
    traced.threads.wakers.traced = Some(true);
    assert!(!left_alone(traced).contains(&"stuck".to_owned()));
}

#[test]
fn the_parent_of_a_vfork_is_harmless() {
    let channel = || Wait::Kernel { channel: "kernel_clone".into() };
    assert_eq!(left_alone(Actor::new(10, "make", vec![thread(10, channel())])), [""; 0]);
}

#[test]
fn one_that_no_signal_reaches_is_reported_and_sent_none() {
    let channel = Wait::Kernel { channel: "percpu_rwsem_wait".into() };
    let mut host =
        Host::new(pathologist(), vec![Actor::new(10, "writer", vec![thread(10, channel)])]);
    host.run(0, 300);
    assert_eq!(host.steps(), []);
    assert_eq!(host.classes(10), ["stuck"]);
    assert_eq!(
        host.last_statement(10),
        "thread 10 sleeps in \"percpu_rwsem_wait\" since 14:45:00, where no signal reaches it"
    );
}

#[test]
fn a_pool_on_a_dead_backend_waits_for_a_peer() {
    let mut threads = vec![thread(10, Wait::Client { fd: 3 })];
    threads.extend((11..15).map(|tid| thread(tid, Wait::Unknown)));
    let pool = Actor::new(10, "pool", threads).living(|second, threads| {
        for thread in &mut threads.threads[1..] {
            thread.wait = peer(second + 1, second + 3);
        }
    });
    assert_eq!(left_alone(pool), ["waiting-on-peer"]);
}

#[test]
fn clients_that_nobody_accepts_are_reported_and_nobody_is_ended_for_them() {
    let spin = Actor::new(10, "node", vec![thread(10, Wait::Running), thread(11, futex(0x10))])
        .living(|second, threads| {
            ran(&mut threads.threads[0], 2_900);
            threads.threads[0].ready += Duration::from_millis(2_000);
            threads.listeners = listener(5, second);
        });
    assert_eq!(left_alone(spin), ["stuck"]);
}

#[test]
fn a_deadlock_of_threads_that_run_now_and_then_is_none() {
    let nervous = host::abba(10).living(|_, threads| {
        threads.threads.iter_mut().for_each(|thread| ran(thread, 1));
    });
    assert!(!left_alone(nervous).contains(&"stuck".to_owned()));
}

#[test]
fn a_process_that_ends_and_another_that_gets_its_id_are_two() {
    let mut host = Host::new(pathologist(), vec![host::abba(10)]);
    host.run(0, 55);
    host.actors[0].id.start += 1;
    host.run(60, 105);
    assert!(host.proposed.iter().all(|(_, plan)| !host::is_terminate(plan)), "{:?}", host.steps());
}

#[test]
fn a_thread_id_that_is_used_again_is_another_thread() {
    let reused = host::abba(10).living(|second, threads| {
        // A new thread with the same id, in the same wait, after as many slices.
        threads.threads[1].cpu = Duration::from_millis(second / 5);
    });
    assert!(!left_alone(reused).contains(&"stuck".to_owned()));
}
