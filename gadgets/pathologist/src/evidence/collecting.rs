//! A runtime that collects garbage, told by the names of its threads.

use std::time::Duration;

use crate::look::Look;

/// Share of one processor that the collector has to want.
const BUSY: f64 = 0.25;
/// And of what the whole process wants.
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

/// The share of what a process wants of the processors that goes into collecting garbage, and a sentence, if that is most
/// of it. Time on a run queue counts, for on a busy host a collector gets less than it would use.
pub(super) fn garbage(look: &Look) -> Option<(f64, String)> {
    let over = look.over?.as_secs_f64();
    let wanted = |of: &dyn Fn(&str) -> bool| {
        let wanted =
            look.iter().filter(|(thread, _)| of(&thread.name)).map(|(_, seen)| seen.wanted);
        wanted.sum::<Duration>().as_secs_f64() / over
    };
    let (collecting, all) = (wanted(&is_collector), wanted(&|_| true));
    (collecting >= BUSY && collecting >= MOST_OF_IT * all).then(|| {
        let text = format!(
            "its runtime's garbage collector wants {:.0} % of a processor, {:.0} % of all that it wants",
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
