//! Chains of owners that end at a thread which may yet let go: slow, not dead.

use super::Scene;
use crate::graph::{End, Lock, Who};
use gadget_core::ThreadId;

impl Scene<'_> {
    /// The thread that has waited longest for a lock whose chain of owners does not end in a deadlock.
    pub(super) fn slow(&self) -> Option<String> {
        let look = self.look;
        let mut waiting = 0;
        let mut longest = None;
        for (thread, seen) in look.iter() {
            let id = ThreadId { process: self.process, tid: thread.tid };
            let Some(at) = self.graph.place_of(id) else { continue };
            let Some(edge) = &self.graph.node(at).waits else { continue };
            // One that gives up and tries again runs in between; one that waits on does not.
            let since = if edge.timed { seen.same } else { seen.still.max(seen.same) };
            if look.at.since(since) < self.settings.apart {
                continue;
            }
            waiting += 1;
            if longest.is_none_or(|(before, _, _)| since < before) {
                longest = Some((since, at, edge));
            }
        }
        let (_, at, edge) = longest?;
        let home = Some(self.process);
        let mut text = format!(
            "thread {} waits for the lock at {} held by {}",
            self.graph.node(at).id.tid,
            Lock(edge.lock),
            Who(edge.owner, home)
        );
        match self.graph.end_of(at) {
            End::Thread(end) if self.graph.node(end).id == edge.owner => {
                text += &format!(", which {}", self.graph.node(end).does);
            }
            End::Thread(end) => {
                let end = self.graph.node(end);
                text += &format!(", whose chain ends at {}, which {}", Who(end.id, home), end.does);
            }
            End::Unseen(_) => text += ", whose chain ends at a thread that was not looked at",
            End::Cycle(_) => text += ", in a cycle",
        }
        if waiting > 1 {
            text += &format!("; {waiting} threads wait so");
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::Wait;

    use crate::evidence::stage::{Stage, lock, timed_lock};
    use crate::state::State;

    #[test]
    fn a_chain_that_ends_at_a_running_owner_is_slow() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, Wait::Running);
            (11..14).for_each(|tid| stage.thread(tid, lock(0x60, 10)));
        });
        stage.look_at(0);
        stage.thread_mut(10).slices += 900;
        let verdict = stage.look_at(12);
        assert_eq!((verdict.state, verdict.finding), (State::Slow, None));
        assert_eq!(
            verdict.statement.unwrap(),
            "thread 11 waits for the lock at 0x60 held by 10, which runs; 3 threads wait so"
        );
    }

    #[test]
    fn timed_retries_against_a_sleeping_owner_are_slow() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, Wait::Time);
            (11..15).for_each(|tid| stage.thread(tid, timed_lock(0x60, 10)));
        });
        stage.look_at(0);
        (11..15).for_each(|tid| stage.thread_mut(tid).slices += 50);
        let verdict = stage.look_at(10);
        assert_eq!(verdict.state, State::Slow);
        assert!(verdict.statement.unwrap().contains("held by 10, which waits for a time"));
    }

    #[test]
    fn a_convoy_that_moves_is_not_slow() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, Wait::Time);
            (11..15).for_each(|tid| stage.thread(tid, lock(0x60, 10)));
        });
        stage.look_at(0);
        for second in 1..6 {
            (10..15).for_each(|tid| stage.thread_mut(tid).slices += 5_000);
            assert_ne!(stage.look_at(5 * second).state, State::Slow);
        }
    }
}
