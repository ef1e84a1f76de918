//! A runtime that collects garbage, told by the names of its threads.

use crate::look::Look;

/// Share of one processor that the collector has to use.
const BUSY: f64 = 0.25;
/// And of what the whole process uses.
const MOST_OF_IT: f64 = 0.5;

/// How the names of threads begin that collect garbage, cut to the 15 bytes of a `comm`: HotSpot's parallel, G1, Z and
/// Shenandoah collectors and its VM thread, which runs the serial one; .NET.
const COLLECTORS: [&str; 12] = [
    "GC Thread#",
    "G1 Main",
    "G1 Conc#",
    "G1 Refine",
    "G1 Young",
    "ParGC Thread",
    "VM Thread",
    "ZWorker",
    "ZDriver",
    "Shenandoah",
    ".NET Server GC",
    ".NET BGC",
];

pub(crate) fn is_collector(name: &str) -> bool {
    COLLECTORS.iter().any(|collector| name.starts_with(collector))
}

/// The share of a processor that goes into collecting garbage, and a sentence, if that is most of what the process does.
pub(super) fn garbage(look: &Look) -> Option<(f64, String)> {
    let collecting = look.share(|thread| is_collector(&thread.name))?;
    let all = look.share(|_| true)?;
    (collecting >= BUSY && collecting >= MOST_OF_IT * all).then(|| {
        let text = format!(
            "its runtime's garbage collector uses {:.0} % of a processor, {:.0} % of all that it uses",
            100.0 * collecting,
            100.0 * collecting / all
        );
        (collecting / all, text)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gadget_core::Wait;

    use crate::evidence::stage::{Stage, futex};
    use crate::state::State;

    #[test]
    fn a_runtime_busy_with_its_garbage_is_neither_working_nor_stuck() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, futex(0x10));
            stage.named(11, "GC Thread#0", Wait::Running);
            stage.named(12, "GC Thread#1", futex(0x20));
        });
        stage.look_at(0);
        stage.thread_mut(11).cpu += Duration::from_secs(5);
        stage.thread_mut(12).cpu += Duration::from_secs(4);
        stage.thread_mut(10).cpu += Duration::from_secs(1);
        let verdict = stage.look_at(10);
        assert_eq!(verdict.state, State::Gc);
        assert!(verdict.statement.unwrap().contains("90 % of a processor, 90 % of all"));
    }

    #[test]
    fn a_collection_now_and_then_is_work() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, Wait::Running);
            stage.named(11, "G1 Conc#0", futex(0x10));
        });
        stage.look_at(0);
        stage.thread_mut(10).cpu += Duration::from_secs(8);
        stage.thread_mut(11).cpu += Duration::from_secs(1);
        assert_eq!(stage.look_at(10).state, State::Working);
    }
}
