//! A recording through an agent.

use super::{Recording, RecordingError};
use crate::agent::{Agent, StepReport};
use crate::units::Timestamp;

/// What a replay came to. What was decided, and why, is in the agent's ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Batches that were replayed.
    pub batches: u64,
    /// Signals in them.
    pub signals: u64,
    /// The time of the first batch and of the last; none of an empty recording.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Plans that gadgets proposed, counted at each step they stood.
    pub proposed: u64,
    /// Plans that were permitted and done, by whatever backend the agent has.
    pub done: u64,
    /// The recording has no proper end: its writer was killed, or the file was cut.
    pub cut: bool,
}

/// Steps `agent` through a recording at full speed, with the recorded times as its clock, and finishes it.
///
/// Between two batches the agent is stepped where it asked to be ([`StepReport::next`]). The same recording, gadgets and
/// settings give the same ledger, byte for byte, if the agent was built for it: with
/// [`replaying`](crate::AgentBuilder::replaying), the recorded [`host`](crate::AgentBuilder::host) and a
/// [`ManualClock`](crate::ManualClock).
///
/// ```
/// # use gadget_core::{Agent, HostFacts, ManualClock, Recorder, Recording, Rehearsal, replay};
/// # let dir = std::env::temp_dir().join(format!("replay-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let path = dir.join("night.rec");
/// # let facts = HostFacts { boot_id: "8e24".into(), kernel: "6.12.48".into(), agent_pid: 812, cpus: 2 };
/// # Recorder::create(&path, &facts)?.finish()?;
/// let recording = Recording::open(&path)?;
/// let mut agent = Agent::builder()
///     .host(recording.facts().clone())
///     .clock(ManualClock::default())
///     .actions(Rehearsal)
///     .replaying()
///     .build()?;
/// let summary = replay(recording, &mut agent)?;
/// for record in agent.ledger().records() {
///     println!("{:?}", record?);
/// }
/// # assert_eq!(summary.batches, 0);
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RecordingError::OtherHost`] before anything was replayed; those of [`Recording::next_batch`], with everything
/// before the damage replayed and on record.
pub fn replay(
    mut recording: Recording,
    agent: &mut Agent,
) -> Result<ReplaySummary, RecordingError> {
    if agent.world().facts() != recording.facts() {
        return Err(RecordingError::OtherHost { path: recording.path });
    }
    let mut replay = Replay { agent, now: Timestamp::EPOCH, summary: ReplaySummary::default() };
    let mut due = None;
    let mut batch = Vec::new();
    let result = loop {
        match recording.next_batch(&mut batch) {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
        let taken = batch.iter().map(|signal| signal.at).max().unwrap_or_default();
        while let Some(next) = due.filter(|&due| due > replay.now && due < taken) {
            replay.now = next;
            due = replay.step(&[]).next;
        }
        replay.now = replay.now.max(taken);
        due = replay.step(&batch).next;
        replay.summary.batches += 1;
        replay.summary.signals += batch.len() as u64;
        let (began, _) = replay.summary.span.unwrap_or((replay.now, replay.now));
        replay.summary.span = Some((began, replay.now));
    };
    let Replay { agent, now, mut summary } = replay;
    agent.finish(now);
    summary.cut = recording.cut();
    result.map(|()| summary)
}

struct Replay<'a> {
    agent: &'a mut Agent,
    now: Timestamp,
    summary: ReplaySummary,
}

impl Replay<'_> {
    fn step(&mut self, signals: &[crate::signal::Signal]) -> StepReport {
        let report = self.agent.step(signals, self.now);
        self.summary.proposed += report.proposed as u64;
        self.summary.done += report.done as u64;
        report
    }
}
