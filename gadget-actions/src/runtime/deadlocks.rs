//! The deadlocks in the thread dump of a JVM.

use std::sync::Arc;

use gadget_core::{MonitorWait, RuntimeReport};

/// The most deadlocks, and the most threads of one, that are taken from a dump.
const MAX_DEADLOCKS: usize = 64;
const MAX_THREADS: usize = 1024;

/// The longest name that is kept, in characters.
const MAX_NAME: usize = 256;

/// The cycles that a HotSpot JVM reports at the end of a thread dump.
///
/// Each begins with `Found one Java-level deadlock:`. Then come its threads, each in quotation marks with a colon behind,
/// what it waits for (a monitor, or an ownable synchronizer of `java.util.concurrent`), and by whom that is held. A cycle
/// that is not closed, as of a dump that was cut, is left out.
#[must_use]
pub fn deadlocks(dump: &str) -> RuntimeReport {
    let mut deadlocks = Vec::new();
    let mut lines = dump.lines();
    while deadlocks.len() < MAX_DEADLOCKS {
        if !lines.by_ref().any(|line| line.trim_end() == "Found one Java-level deadlock:") {
            break;
        }
        let cycle = cycle(&mut lines);
        if closed(&cycle) {
            deadlocks.push(cycle);
        }
    }
    RuntimeReport { deadlocks }
}

/// Each waits for what the next one holds, and the last for what the first does.
fn closed(cycle: &[MonitorWait]) -> bool {
    let next = cycle.iter().cycle().skip(1);
    !cycle.is_empty() && cycle.iter().zip(next).all(|(wait, next)| wait.held_by == next.thread)
}

fn cycle<'d>(lines: &mut (impl Iterator<Item = &'d str> + Clone)) -> Vec<MonitorWait> {
    let mut cycle = Vec::new();
    let (mut thread, mut monitor) = (None, None);
    loop {
        let before = lines.clone();
        let Some(line) = lines.next() else { break };
        // Their stacks come next, or another deadlock.
        if line.starts_with("Java stack information") || line.starts_with("Found ") {
            *lines = before;
            break;
        }
        if let Some(rest) = line.strip_prefix('"') {
            thread = rest.trim_end().strip_suffix("\":").map(name);
            monitor = None;
            continue;
        }
        let line = line.trim();
        if let Some(rest) = ["waiting to lock monitor ", "waiting for ownable synchronizer "]
            .iter()
            .find_map(|what| line.strip_prefix(what))
        {
            monitor = Some(name(rest.trim_end_matches(',')));
        } else if let Some(holder) =
            line.split_once("which is held by \"").and_then(|(_, holder)| holder.strip_suffix('"'))
            && let (Some(thread), Some(monitor)) = (thread.take(), monitor.take())
            && cycle.len() < MAX_THREADS
        {
            cycle.push(MonitorWait { thread, monitor, held_by: name(holder) });
        }
    }
    cycle
}

/// A name as the JVM writes it, cut to a length.
fn name(text: &str) -> Arc<str> {
    let end = text.char_indices().nth(MAX_NAME).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or(text).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Thread, monitor up to its class, holder.
    fn told(dump: &str) -> Vec<Vec<(String, String, String)>> {
        let wait = |wait: &MonitorWait| {
            let class = wait.monitor.rsplit("a ").next().unwrap().trim_end_matches(')');
            (wait.thread.to_string(), class.to_owned(), wait.held_by.to_string())
        };
        deadlocks(dump).deadlocks.iter().map(|cycle| cycle.iter().map(wait).collect()).collect()
    }

    fn wait(thread: &str, class: &str, holder: &str) -> (String, String, String) {
        (thread.to_owned(), class.to_owned(), holder.to_owned())
    }

    const GOLDEN: &str = include_str!("../../testdata/java17/deadlocks.txt");

    #[test]
    fn all_cycles_of_a_real_dump_are_found_with_monitors_and_synchronizers() {
        let (fair, unfair) = ("ReentrantLock$FairSync", "ReentrantLock$NonfairSync");
        let lock = |kind| format!("java.util.concurrent.locks.{kind}");
        let ring = |a, class, b| wait(a, &format!("java.lang.{class}"), b);
        assert_eq!(
            told(GOLDEN),
            [
                vec![
                    wait("worker-a", "java.lang.StringBuilder", "worker-b"),
                    wait("worker-b", "java.lang.Object", "worker-a"),
                ],
                vec![
                    wait("lock \"one\": x", &lock(fair), "lock-other"),
                    wait("lock-other", &lock(unfair), "lock \"one\": x"),
                ],
                vec![
                    ring("ring-0", "StringBuilder", "ring-1"),
                    ring("ring-1", "Throwable", "ring-2"),
                    ring("ring-2", "Object", "ring-0"),
                ],
            ]
        );
        let first = &deadlocks(GOLDEN).deadlocks[0][0];
        assert_eq!(
            &*first.monitor,
            "0x00007fa8a80688e0 (object 0x000000069ec1ad50, a java.lang.StringBuilder)"
        );
    }

    #[test]
    fn a_dump_that_was_cut_reports_only_the_cycles_that_are_whole() {
        let ends: Vec<_> = GOLDEN.char_indices().map(|(at, _)| at).collect();
        let mut found = 0;
        for end in ends {
            let now = deadlocks(&GOLDEN[..end]).deadlocks.len();
            assert!(now >= found, "at {end}");
            found = now;
        }
        assert_eq!(found, 3);
    }

    #[test]
    fn a_dump_without_deadlocks_reports_none() {
        let end = GOLDEN.find("Found one").unwrap();
        assert_eq!(deadlocks(&GOLDEN[..end]), RuntimeReport::default());
        assert_eq!(deadlocks(""), RuntimeReport::default());
    }
    proptest! {
        #[test]
        fn what_is_reported_is_always_a_closed_cycle(dump in prop::collection::vec(prop::sample::select(vec![
            "Found one Java-level deadlock:", "=====", "\"a\":", "\"b\":", "\"", "\":",
            "  waiting to lock monitor 0x1 (object 0x2, a A),", "  waiting for ownable synchronizer 0x3, (a B),",
            "  which is held by \"a\"", "  which is held by \"b\"", "which is held by \"", "",
            "Java stack information for the threads listed above:", "Found 1 deadlock.",
        ]), 0..40)) {
            let dump = dump.join("\n");
            for cycle in deadlocks(&dump).deadlocks {
                prop_assert!(closed(&cycle));
                for wait in cycle {
                    let line = format!("\"{}\":", wait.thread);
                    prop_assert!(dump.contains(&line) && dump.contains(&*wait.monitor));
                }
            }
        }

        #[test]
        fn any_text_is_read_without_harm(dump in "\\PC*") {
            prop_assert!(deadlocks(&dump).deadlocks.is_empty() || dump.contains("deadlock"));
        }
    }
}
