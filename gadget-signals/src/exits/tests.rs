//! Children of this test, seen by each source.

use std::process::Command;
use std::sync::Arc;

use gadget_core::Bytes;

use super::*;

/// Collects ends until that of each of `pids` has come, for some seconds at most.
fn ends_of(provider: &mut ExitsProvider, pids: &[u32]) -> Vec<End> {
    let mut ends = Vec::new();
    for second in 0..20 {
        let mut out = Signals::at(Timestamp::from_secs(second));
        provider.sample(Timestamp::from_secs(second), Scope::Everything, &mut out).unwrap();
        for signal in &out {
            let Reading::Exits(exits) = &signal.reading else { panic!("{signal:?}") };
            ends.extend(exits.ends.iter().filter(|end| pids.contains(&end.id.pid)).copied());
        }
        if ends.len() >= pids.len() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    ends
}

fn provider(source: ExitSource) -> Option<ExitsProvider> {
    match ExitsProvider::by(source) {
        Ok(provider) => Some(provider),
        Err(error) => {
            println!("SKIPPED: {}: {error}", source.name());
            None
        }
    }
}

/// Children that exit with 3, are killed by a signal, and execute twice.
fn children() -> [u32; 3] {
    ["exit 3", "kill -SEGV $$", "exec sh -c 'exit 0'"].map(|script| {
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        child.wait().unwrap();
        child.id()
    })
}

fn tells_how_children_ended(source: ExitSource) {
    let Some(mut provider) = provider(source) else { return };
    let pids = children();
    let ends = ends_of(&mut provider, &pids);
    let of = |at: usize| *ends.iter().find(|end| end.id.pid == pids[at]).expect("it was told");
    assert_eq!((of(0).exit.code, of(0).exit.signal), (Some(3), None));
    assert_eq!((of(1).exit.code, of(1).exit.signal), (None, Some(11)));
    assert_eq!((of(2).exit.code, of(2).execs), (Some(0), 2));
    for end in &ends {
        assert_eq!(end.parent, std::process::id(), "{end:?}");
        assert_eq!(end.comm.as_bytes(), b"sh");
        assert!(end.parent_comm.is_some() && !end.oom);
        assert!(end.exit.lifetime > Duration::ZERO && end.exit.lifetime < Duration::from_secs(60));
    }
}

#[cfg(feature = "bpf")]
#[test]
fn bpf_tells_how_children_ended() {
    tells_how_children_ended(ExitSource::Bpf);
}

#[test]
fn netlink_tells_how_children_ended() {
    tells_how_children_ended(ExitSource::Netlink);
}

/// The CPU time of a child of two busy threads, one of them its first, as `wait4` tells it and as the source does.
fn tells_what_a_child_used(source: ExitSource) {
    let Some(mut provider) = provider(source) else { return };
    let busy = "import threading, time\n\
                def spin():\n    end = time.thread_time() + 0.15\n    while time.thread_time() < end: pass\n\
                it = threading.Thread(target=spin)\nit.start()\nspin()\nit.join()\n";
    let before = children_cpu();
    let Ok(mut child) = Command::new("python3").args(["-c", busy]).spawn() else {
        println!("SKIPPED: needs python3");
        return;
    };
    child.wait().unwrap();
    let told = ends_of(&mut provider, &[child.id()]);
    let used = told[0].user.unwrap() + told[0].system.unwrap();
    // Other tests may wait for children meanwhile: a bound from above, and what the threads had to spin from below.
    let bound = children_cpu() - before + Duration::from_millis(20);
    assert!(used >= Duration::from_millis(290) && used <= bound, "{used:?} of at most {bound:?}");
    assert!(told[0].exit.peak_rss.unwrap() > Bytes::from_mib(2));
}

fn children_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    let field =
        |at: usize| fields.split_ascii_whitespace().nth(at).unwrap().parse::<u32>().unwrap();
    scan::tick() * (field(13) + field(14))
}

#[cfg(feature = "bpf")]
#[test]
fn bpf_tells_what_a_child_used() {
    tells_what_a_child_used(ExitSource::Bpf);
}

#[test]
fn taskstats_tell_what_a_child_used() {
    tells_what_a_child_used(ExitSource::Netlink);
}

#[test]
fn two_looks_tell_who_is_gone_and_count_who_was_not_seen() {
    let mut provider = ExitsProvider::by(ExitSource::Scan).unwrap();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let look = |provider: &mut ExitsProvider| {
        let mut out = Signals::at(Timestamp::from_secs(1));
        provider.sample(Timestamp::from_secs(1), Scope::Everything, &mut out).unwrap();
        let Reading::Exits(exits) = &out.as_slice()[0].reading else { panic!() };
        Arc::clone(exits)
    };
    look(&mut provider);
    child.kill().unwrap();
    child.wait().unwrap();
    Command::new("true").status().unwrap();
    let exits = look(&mut provider);
    let end = exits.ends.iter().find(|end| end.id.pid == child.id()).expect("it is gone");
    assert_eq!((end.exit.code, end.exit.signal), (None, None), "nobody knows how");
    assert!(exits.lost >= 1, "`true` was never seen: {}", exits.lost);
}

/// Ends of 2,000 processes that live for a moment: all of them are told, by the cheapest source that this host offers.
#[test]
fn a_storm_is_told_to_the_last_process() {
    const COUNT: usize = 2_000;
    let Some(mut provider) = provider(ExitSource::Bpf) else { return };
    let mut pids = Vec::with_capacity(COUNT);
    let storm = "import os\nfor _ in range(2000):\n    pid = os.posix_spawn('/bin/true', ['true'], {})\n    os.waitpid(pid, 0)\n    print(pid)\n";
    let Ok(output) = Command::new("python3").args(["-c", storm]).output() else {
        println!("SKIPPED: needs python3");
        return;
    };
    pids.extend(
        String::from_utf8(output.stdout).unwrap().lines().map(|it| it.parse::<u32>().unwrap()),
    );
    assert_eq!(pids.len(), COUNT);
    let ends = ends_of(&mut provider, &pids);
    assert_eq!(ends.len(), COUNT, "each once");
    assert!(ends.iter().all(|end| end.comm.as_bytes() == b"true" && end.execs == 1));
}

#[test]
fn what_a_full_socket_drops_is_counted_by_the_kernel_s_forks() {
    let Some(mut provider) = provider(ExitSource::Netlink) else { return };
    if let Source::Netlink { connector, .. } = &provider.source {
        connector.shrink();
    }
    let pids: Vec<_> = (0..100)
        .map(|_| {
            let mut child = Command::new("true").spawn().unwrap();
            child.wait().unwrap();
            child.id()
        })
        .collect();
    let mut out = Signals::at(Timestamp::from_secs(1));
    provider.sample(Timestamp::from_secs(1), Scope::Everything, &mut out).unwrap();
    let Reading::Exits(exits) = &out.as_slice()[0].reading else { panic!() };
    let told = exits.ends.iter().filter(|end| pids.contains(&end.id.pid)).count() as u64;
    assert!(told < 100, "the socket was not full");
    // Ends of others that began before, of which there are a few, are taken for ends of these.
    assert!(told + exits.lost >= 90, "{told} and {} lost", exits.lost);
}

#[test]
fn a_source_that_loses_too_much_is_left_and_tried_again() {
    let Some(mut provider) = provider(ExitSource::Netlink) else { return };
    let at = Timestamp::from_secs;
    let reading = |provider: &mut ExitsProvider, second, lost| {
        (provider.exits.produced, provider.exits.lost) = (1_000, lost);
        provider.choose(at(second));
    };
    reading(&mut provider, 1, 1);
    reading(&mut provider, 2, 2);
    reading(&mut provider, 3, 2);
    assert_eq!(provider.source(), ExitSource::Netlink, "two in a row are not enough");
    reading(&mut provider, 4, 2);
    assert_eq!(provider.source(), ExitSource::Scan);
    let notes = provider.take_notes();
    assert!(notes[0].contains("netlink -> scan") && notes[0].contains("2 of 1002"), "{notes:?}");
    reading(&mut provider, 63, 500);
    assert_eq!(provider.source(), ExitSource::Scan, "its own misses do not count, nor is it time");
    reading(&mut provider, 65, 0);
    assert_eq!(provider.source(), ExitSource::Netlink);
    assert!(provider.take_notes()[0].contains("tried again"));
    reading(&mut provider, 66, 0);
    assert_eq!(provider.breakers[1].state(), BreakerState::Closed);
}

#[test]
fn from_the_last_source_the_first_is_tried_again_though_the_second_never_failed() {
    let at = Timestamp::from_secs;
    let mut provider = ExitsProvider::by(ExitSource::Scan).unwrap();
    provider.breakers[0].failed(at(1));
    provider.choose(at(60));
    assert_eq!(provider.source(), ExitSource::Scan, "it is not time");
    provider.choose(at(61));
    let notes = provider.take_notes();
    if provider.source() == ExitSource::Bpf {
        assert!(notes[0].contains("scan -> bpf"), "{notes:?}");
    } else {
        assert!(notes[0].contains("not by bpf"), "{notes:?}");
        let until = provider.breakers[0].state();
        assert!(matches!(until, BreakerState::Open { .. }), "{until:?}: later, once more");
    }
}

/// The child begins as one that shares our memory (vfork), and gives it back when it executes a program.
fn does_not_take_our_memory_for_the_child_s(source: ExitSource) {
    let Some(mut provider) = provider(source) else { return };
    let ours = std::hint::black_box(vec![1_u8; 64 << 20]);
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let end = ends_of(&mut provider, &[child.id()])[0];
    assert_eq!(ours.len(), 64 << 20);
    let peak = end.exit.peak_rss.unwrap();
    assert!(peak > Bytes::ZERO && peak < Bytes::from_mib(16), "{peak}");
}

#[cfg(feature = "bpf")]
#[test]
fn bpf_does_not_take_our_memory_for_the_child_s() {
    // What the tracepoint says since Linux 6.16, when it also was moved to where the process still has its memory.
    let says_last =
        crate::bpf::Kernel::probe().ok().map(|it| it.arguments_of("sched_process_exit"));
    if says_last.is_some_and(|it| it != Some(2)) {
        println!("SKIPPED: needs Linux 6.16, where the peak of an exit is the process's own");
        return;
    }
    does_not_take_our_memory_for_the_child_s(ExitSource::Bpf);
}

#[test]
fn taskstats_do_not_take_our_memory_for_the_child_s() {
    does_not_take_our_memory_for_the_child_s(ExitSource::Netlink);
}

/// The signals that end processes most: each is told as it is.
#[test]
fn each_signal_is_told_as_it_is() {
    let Some(mut provider) = provider(ExitSource::Bpf) else { return };
    let signals = [1_u8, 2, 6, 9, 11, 13, 15];
    let pids = signals.map(|signal| {
        let script = format!("ulimit -c 0; kill -{signal} $$");
        let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        child.wait().unwrap();
        child.id()
    });
    let ends = ends_of(&mut provider, &pids);
    for (pid, signal) in pids.into_iter().zip(signals) {
        let end = ends.iter().find(|end| end.id.pid == pid).expect("it was told");
        assert_eq!((end.exit.code, end.exit.signal, end.oom), (None, Some(signal), false));
    }
}

/// A cgroup with a limit of memory, removed with this value.
struct Small(std::path::PathBuf);

impl Small {
    fn of(name: &str) -> std::io::Result<Self> {
        let root = std::path::Path::new("/sys/fs/cgroup");
        let (root, limit, swap) = match root.join("memory/memory.limit_in_bytes").exists() {
            true => (root.join("memory"), "memory.limit_in_bytes", "memory.swappiness"),
            false => (root.to_owned(), "memory.max", "memory.swap.max"),
        };
        let group = root.join(format!("gadget-test-{name}-{}", std::process::id()));
        std::fs::create_dir(&group)?;
        let group = Self(group);
        std::fs::write(group.0.join(limit), "16777216")?;
        std::fs::write(group.0.join(swap), "0")?;
        Ok(group)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // A process that was killed leaves it a moment after it was waited for.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn one_that_the_oom_killer_chose_is_told_and_one_that_was_killed_is_not() {
    let Some(mut provider) = provider(ExitSource::Bpf) else { return };
    let group = match Small::of("oom") {
        Ok(group) => group,
        Err(error) => {
            println!("SKIPPED: a cgroup of its own: {error}");
            return;
        }
    };
    let in_group = |then: &str| {
        // Without the group it must not begin: `tail` keeps a line that does not end.
        let script = format!("echo $$ > {}/cgroup.procs && {then}", group.0.display());
        let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        child.wait().unwrap();
        child.id()
    };
    let pids = [in_group("exec tail /dev/zero"), in_group("kill -9 $$")];
    let ends = ends_of(&mut provider, &pids);
    let of = |at: usize| *ends.iter().find(|end| end.id.pid == pids[at]).expect("it was told");
    assert_eq!((of(0).exit.signal, of(0).oom), (Some(9), true));
    assert_eq!((of(0).comm.as_bytes(), of(0).execs), (&b"tail"[..], 2));
    assert!(of(0).exit.peak_rss.unwrap() >= Bytes::from_mib(8), "{:?}", of(0));
    assert_eq!((of(1).exit.signal, of(1).oom), (Some(9), false));
}
