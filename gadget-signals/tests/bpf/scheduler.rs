//! The scheduler, with children that sleep and that are in each other's way.

use std::fs;
use std::time::Duration;

use gadget_core::{
    CgroupId, Latencies, ProcessId, Reading, Scheduling, Scope, Signal, SignalProvider as _,
    Signals, Subject, SystemClock,
};
use gadget_signals::{CgroupLayout, SchedulerWatch};

use crate::caller::Caller;
use crate::support::{Group, or_skip, sample};

fn of(signals: &[Signal], subject: Subject) -> Option<Scheduling> {
    signals.iter().find_map(|signal| match &signal.reading {
        Reading::Scheduling(found) if signal.subject == subject => Some(**found),
        _ => None,
    })
}

/// Switches of a process with one thread, voluntary and not, by `/proc/PID/status`.
fn switches(id: ProcessId) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{}/status", id.pid)).unwrap();
    let line = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().parse().unwrap()
    };
    (line("voluntary_ctxt_switches:"), line("nonvoluntary_ctxt_switches:"))
}

fn from(latencies: &Latencies, bucket: usize) -> u32 {
    latencies.0[bucket..].iter().sum()
}

/// About how long they took together.
fn sum(latencies: &Latencies) -> Duration {
    let each = latencies.0.iter().enumerate().map(|(bucket, count)| {
        Latencies::below(bucket).unwrap_or(Duration::MAX / 1_000_000) * 3 / 4 * *count
    });
    each.sum()
}

#[test]
fn switches_and_sleeps_are_those_of_the_files() {
    let Some(mut watch) = or_skip(SchedulerWatch::host(None)) else { return };
    let nap = Duration::from_millis(50);
    let Some(mut caller) = Caller::new(
        "select(undef, undef, undef, 0.05) for 1..10; $x = 0; $x += $_ for 1..3_000_000",
    ) else {
        return;
    };
    let id = caller.id;
    let before = switches(id);
    assert!(watch.follow(Subject::Process(id)).unwrap());
    let inner = switches(id);
    caller.go();
    let scheduling = of(&sample(&mut watch), Subject::Process(id)).unwrap();
    let after = switches(id);
    // Ten naps, and back to the pipe from which it is told to go.
    assert!(scheduling.voluntary >= 11, "{scheduling:?}");
    assert_eq!(before, inner, "nothing happens unless it is told to go");
    assert_eq!(
        (scheduling.voluntary, scheduling.involuntary),
        (after.0 - before.0, after.1 - before.1),
    );
    let off = Latencies::bucket(nap);
    // A busy host may stretch a nap, and nothing shortens it.
    assert!(
        scheduling.off_cpu.0[off] > 0 && from(&scheduling.off_cpu, off) == 10,
        "{scheduling:?}"
    );
    // Each time that it was woken or preempted it was ready once; the first was before.
    let ready = scheduling.run_queue.count();
    assert!(
        ready >= 10 && ready <= scheduling.voluntary + scheduling.involuntary,
        "{scheduling:?}"
    );

    let idle = of(&sample(&mut watch), Subject::Process(id)).unwrap();
    assert_eq!((idle.voluntary, idle.run_queue.count()), (0, 0), "{idle:?}");
    watch.unfollow(Subject::Process(id)).unwrap();
    assert_eq!(watch.following(), (0, 0));
}

#[test]
fn a_group_with_more_busy_tasks_than_processors_waits_for_them() {
    let Some(layout) = or_skip(CgroupLayout::detect()) else { return };
    let Some(mut watch) = or_skip(SchedulerWatch::host(Some(&layout))) else { return };
    let Some(group) = Group::new(&layout, "scheduler") else { return };
    let (subject, root) = (Subject::Cgroup(group.id), Subject::Cgroup(layout.id_of("/").unwrap()));
    let nobody = Subject::Cgroup(CgroupId(u64::MAX));
    for asked in [subject, root, nobody] {
        assert!(watch.follow(asked).unwrap());
    }
    let busy = "while :; do :; done";
    let millisecond = Latencies::bucket(Duration::from_millis(1));
    // For as long as it takes until there were so many delays of a millisecond: a busy host gives slices seldom.
    let mut measure = |script: &str, delays: u32| {
        let mut load = group.run(&format!("exec taskset -c 0 sh -c '{script}'"));
        std::thread::sleep(Duration::from_millis(100));
        sample(&mut watch);
        let (mut long, mut waited, mut over) = (0, Duration::ZERO, Duration::ZERO);
        let mut involuntary = 0;
        while over < Duration::from_millis(400) || long < delays && over < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(200));
            let signals = sample(&mut watch);
            let found = [subject, root, nobody].map(|asked| of(&signals, asked).unwrap());
            assert!(
                found[1].involuntary >= found[0].involuntary,
                "what is below counts: {found:?}"
            );
            assert!(found[1].voluntary > 0, "others run on this host");
            assert_eq!((found[2].voluntary, found[2].run_queue.count()), (0, 0));
            long += from(&found[0].run_queue, millisecond);
            waited += sum(&found[0].run_queue);
            over += found[0].over;
            involuntary += found[0].involuntary;
        }
        // It ends with its standard input, and so do its children.
        drop(load.0.stdin.take());
        load.0.wait().unwrap();
        (waited.as_secs_f64() / over.as_secs_f64(), long, involuntary)
    };
    let end = "read end; kill $one $two $three";
    let (alone, ..) = measure(&format!("{busy} & one=$!; two= three=; {end}"), 0);
    let crowd = format!("{busy} & one=$!; {busy} & two=$!; {busy} & three=$!; {end}");
    let (crowd, long, involuntary) = measure(&crowd, 30);
    // Two of three wait at any time; one alone waits for others on this host at most all the time.
    assert!(crowd > alone, "{crowd} s of waiting a second, and alone {alone}");
    assert!(long >= 30 && involuntary >= 30, "{long} long delays, {involuntary} times preempted");
    assert_eq!(watch.following(), (0, 3));
}

#[test]
fn a_gadget_that_names_a_process_is_told_from_the_second_time_on() {
    let Some(mut watch) = or_skip(SchedulerWatch::host(None)) else { return };
    let Some(mut caller) = Caller::new("select(undef, undef, undef, 0.001) for 1..20") else {
        return;
    };
    let subject = Subject::Process(caller.id);
    let mut named = || {
        let mut signals = Signals::at(gadget_core::Clock::now(&SystemClock::new()));
        watch.sample(signals.taken_at(), Scope::Only(&[subject]), &mut signals).unwrap();
        of(signals.as_slice(), subject)
    };
    assert_eq!(named(), None);
    caller.go();
    let scheduling = named().unwrap();
    assert!(scheduling.voluntary >= 20 && scheduling.off_cpu.count() >= 20, "{scheduling:?}");
    assert_eq!(of(&sample(&mut watch), subject), None, "a sweep tells only what is followed");
    assert_eq!(watch.following(), (1, 0));
}
