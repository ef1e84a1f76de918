//! A recording through the gadget, down to encoded bytes and back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use gadget_core::{
    Agent, Census, ManualClock, Policy, Reading, Recording, Signal, Telemetry, TelemetryCell,
    Timestamp, thread_cpu,
};
use gadget_envelope::{AgentIdentity, Envelope, Outbox};
use gadget_surveyor::Surveyor;
use gadget_surveyor::settings::Settings;

use super::exact::Exact;

/// What came of a recording.
pub(crate) struct Replayed {
    /// The envelopes, decoded from the bytes that would have been sent.
    pub(crate) envelopes: Vec<Envelope>,
    /// The length of these bytes.
    pub(crate) bytes: usize,
    /// CPU time that the agent took for all steps, making and encoding the envelopes included.
    pub(crate) cpu: Duration,
    /// Processes seen, over all scans.
    pub(crate) rows: u64,
    /// Recorded time.
    pub(crate) span: Duration,
    /// The exact answer.
    pub(crate) exact: Exact,
}

/// Replays `path`, scanned every `telemetry.every` however often it was recorded.
pub(crate) fn replay(
    path: &Path,
    settings: &Settings,
    telemetry: Telemetry,
) -> anyhow::Result<Replayed> {
    let opened =
        || Recording::open(path).with_context(|| format!("cannot read {}", path.display()));
    let mut recording = opened()?;
    let facts = recording.facts().clone();
    let outbox = Outbox::new(1 << 20);
    let surveyor = Surveyor::builder()
        .settings(Settings { telemetry, ..settings.clone() })
        .telemetry(TelemetryCell::new(telemetry))
        .outbox(outbox.clone())
        .identity(AgentIdentity { entity_guid: "replay".to_owned(), ..AgentIdentity::default() })
        .build()?;
    let mut agent = Agent::builder()
        .replaying()
        .host(facts)
        .clock(ManualClock::default())
        .policy(Policy::from_toml(gadget_surveyor::POLICY)?)
        .actions(gadget_core::Rehearsal)
        .gadget(surveyor)
        .build()?;

    let mut replayed = Replayed {
        envelopes: Vec::new(),
        bytes: 0,
        cpu: Duration::ZERO,
        rows: 0,
        span: Duration::ZERO,
        exact: Exact::default(),
    };
    let mut thinner = Thinner { every: telemetry.every, ..Thinner::default() };
    let (mut batch, mut bytes) = (Vec::new(), Vec::new());
    let (mut first, mut now) = (None, Timestamp::EPOCH);
    while recording.next_batch(&mut batch)? {
        thinner.thin(&mut batch);
        now = batch.iter().map(|signal| signal.at).max().unwrap_or(now).max(now);
        first.get_or_insert(now);
        for signal in &batch {
            replayed.exact.observe(signal);
            if let Reading::Census(census) = &signal.reading {
                replayed.rows += census.rows.len() as u64;
            }
        }
        let before = thread_cpu();
        agent.step(&batch, now);
        bytes.clear();
        outbox.drain(|envelope| envelope.encode_to(&mut bytes));
        replayed.cpu += thread_cpu().saturating_sub(before);
        replayed.bytes += bytes.len();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let envelope = Envelope::decode(&mut rest)?;
            envelope.validate()?;
            replayed.envelopes.push(envelope);
        }
    }
    agent.finish(now);
    ensure!(outbox.dropped() == 0, "{} envelopes were dropped", outbox.dropped());
    replayed.span = first.map_or(Duration::ZERO, |first| now.since(first));
    Ok(replayed)
}

/// Leaves out censuses that come sooner than they would have been taken.
#[derive(Default)]
struct Thinner {
    every: Duration,
    last: Option<Timestamp>,
    /// Time covered by what was left out.
    skipped: Duration,
}

impl Thinner {
    fn thin(&mut self, batch: &mut Vec<Signal>) {
        batch.retain_mut(|signal| {
            let Reading::Census(census) = &mut signal.reading else { return true };
            let over = census.over.unwrap_or_default();
            // A recorder is late now and then by some milliseconds.
            let slack = Duration::from_millis(500).min(self.every / 4);
            if self.last.is_some_and(|last| signal.at.since(last) + slack < self.every) {
                self.skipped += over;
                return false;
            }
            if !self.skipped.is_zero() {
                let whole = Some(over + std::mem::take(&mut self.skipped));
                *census = Arc::new(Census { over: whole, ..(**census).clone() });
            }
            self.last = Some(signal.at);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use gadget_core::{CensusSource, Subject};

    use super::*;

    #[test]
    fn a_recording_of_each_second_is_scanned_every_two() {
        let census = |second: u64| Signal {
            at: Timestamp::from_secs(100 + second),
            subject: Subject::Host,
            reading: Reading::Census(Arc::new(Census {
                source: CensusSource::Files,
                over: (second > 0).then_some(Duration::from_secs(1)),
                cost: Duration::ZERO,
                busy: Duration::ZERO,
                vanished: 0,
                rows: Vec::new(),
            })),
        };
        let mut thinner = Thinner { every: Duration::from_secs(2), ..Thinner::default() };
        let mut seen = Vec::new();
        for second in 0..7 {
            let mut batch = vec![census(second)];
            thinner.thin(&mut batch);
            for signal in batch {
                let Reading::Census(census) = &signal.reading else { unreachable!() };
                seen.push((
                    signal.at.as_nanos() / 1_000_000_000,
                    census.over.map(|it| it.as_secs()),
                ));
            }
        }
        assert_eq!(seen, [(100, None), (102, Some(2)), (104, Some(2)), (106, Some(2))]);
    }
}
