//! Evidence 5: a peer was asked and did not answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gadget_core::{Peer, Thread, Wait};

use super::{Finding, Scene, WORKS};
use crate::look::Look;
use crate::state::EvidenceKind;

/// The most peers whose longest answer is remembered; the quickest is forgotten first.
const MOST_PEERS: usize = 1_024;
/// Unanswered for this long, it is worth another look.
const WORTH: Duration = Duration::from_secs(5);

/// How long each peer has taken to answer, at the most, as far as was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    longest: BTreeMap<SocketAddr, Duration>,
}

impl Peers {
    /// Learns from the threads that had asked at the look before and have been answered since.
    pub(crate) fn learn(&mut self, before: &Look, now: &Look) {
        for (thread, _) in before.iter() {
            let Some((address, asked)) = outstanding(thread) else { continue };
            let over = now.at.since(before.at);
            let took = match now.thread(thread.tid).map(|(now, _)| &now.wait) {
                Some(Wait::Peer(peer)) if peer.address == Some(address) => match peer.received {
                    Some(received) if received < over => asked + (over - received),
                    _ => continue,
                },
                Some(_) => asked,
                None => continue,
            };
            self.answered(address, took);
        }
    }

    fn answered(&mut self, address: SocketAddr, took: Duration) {
        let longest = self.longest.entry(address).or_default();
        *longest = took.max(*longest);
        if self.longest.len() > MOST_PEERS {
            let quickest =
                self.longest.iter().min_by_key(|(_, took)| **took).map(|(peer, _)| *peer);
            quickest.map(|peer| self.longest.remove(&peer));
        }
    }

    fn longest(&self, address: SocketAddr) -> Option<Duration> {
        self.longest.get(&address).copied()
    }
}

/// The peer that this thread has asked and waits for, and how long ago it asked.
pub(crate) fn outstanding(thread: &Thread) -> Option<(SocketAddr, Duration)> {
    match thread.wait {
        Wait::Peer(Peer { address: Some(address), sent: Some(sent), received, timed: false })
            if received.is_none_or(|received| sent < received) =>
        {
            Some((address, sent))
        }
        _ => None,
    }
}

impl Scene<'_> {
    /// Threads wait, without a limit, for the answer of a peer that has never taken so long, and the process does nothing
    /// else. The fault is elsewhere.
    pub(super) fn unanswered(&self) -> Option<Finding> {
        let look = self.look;
        if look.share(|_| true).is_none_or(|share| share >= WORKS) {
            return None;
        }
        let late = |thread: &Thread| {
            let (address, asked) = outstanding(thread)?;
            let usual = self.peers.longest(address).unwrap_or_default();
            (asked >= self.settings.unanswered.max(2 * usual)).then_some((address, asked))
        };
        let (address, asked) =
            look.iter().filter_map(|(thread, _)| late(thread)).max_by_key(|(_, asked)| *asked)?;
        let members = look.iter().filter(|(thread, _)| late(thread).is_some()).count();
        let mut statement =
            format!("waiting for {address}: asked {} s ago and not answered", asked.as_secs());
        if let Some(usual) = self.peers.longest(address) {
            statement += &format!(", its longest answer took {:.1} s", usual.as_secs_f64());
        }
        if members > 1 {
            statement += &format!("; {members} threads wait so");
        }
        Some(Finding {
            kind: EvidenceKind::Unanswered,
            still: look.at - asked,
            held: asked,
            sure: false,
            members,
            target: self.process,
            statement,
        })
    }

    /// Something is outstanding that may become evidence.
    pub(super) fn has_asked(&self) -> bool {
        self.look
            .iter()
            .any(|(thread, _)| outstanding(thread).is_some_and(|(_, asked)| asked >= WORTH))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gadget_core::{Peer, Wait};

    use crate::evidence::stage::Stage;
    use crate::state::{EvidenceKind, State};

    fn peer(sent: u64, received: u64) -> Wait {
        Wait::Peer(Peer {
            address: Some("10.0.0.5:5432".parse().unwrap()),
            sent: Some(Duration::from_secs(sent)),
            received: Some(Duration::from_secs(received)),
            timed: false,
        })
    }

    #[test]
    fn a_pool_on_a_dead_backend_waits_for_it() {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, Wait::Client { fd: 3 });
            (11..15).for_each(|tid| stage.thread(tid, peer(20, 25)));
        });
        assert_ne!(stage.look_at(0).state, State::WaitingOnPeer);
        assert!(stage.verdict().suspect);
        (11..15).for_each(|tid| stage.thread_mut(tid).wait = peer(75, 80));
        let verdict = stage.look_at(55);
        let finding = verdict.finding.unwrap();
        assert_eq!((verdict.state, finding.kind), (State::WaitingOnPeer, EvidenceKind::Unanswered));
        assert_eq!(
            finding.statement,
            "waiting for 10.0.0.5:5432: asked 75 s ago and not answered; 4 threads wait so"
        );
    }

    #[test]
    fn a_first_question_can_be_without_an_answer_too() {
        let first = |age| match peer(age, 0) {
            Wait::Peer(peer) => Wait::Peer(Peer { received: None, ..peer }),
            other => other,
        };
        let mut stage = Stage::new(|stage| stage.thread(10, first(70)));
        stage.look_at(0);
        stage.thread_mut(10).wait = first(75);
        assert_eq!(stage.look_at(5).state, State::WaitingOnPeer);
    }

    #[test]
    fn a_server_that_waits_for_the_next_question_waits_for_nobody() {
        let mut stage = Stage::new(|stage| stage.thread(10, peer(500, 490)));
        stage.look_at(0);
        assert_eq!(stage.look_at(20).state, State::Idle);
    }

    #[test]
    fn a_peer_that_is_always_slow_is_given_its_time() {
        let mut stage = Stage::new(|stage| stage.thread(10, peer(80, 90)));
        stage.look_at(0);
        // It answered 10 s later, and is asked anew.
        stage.thread_mut(10).wait = peer(1, 5);
        stage.look_at(15);
        stage.thread_mut(10).wait = peer(150, 155);
        assert_eq!(stage.look_at(164).state, State::Idle, "90 s were not too long before");
        stage.thread_mut(10).wait = peer(200, 205);
        let finding = stage.look_at(214).finding.unwrap();
        assert!(
            finding.statement.ends_with("its longest answer took 90.0 s"),
            "{}",
            finding.statement
        );
    }
}
