//! Children of this test, seen by each source.

use std::process::Command;

use std::sync::Arc;

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
    assert!(told[0].exit.peak_rss.unwrap() > gadget_core::Bytes::from_mib(2));
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
