//! What the thread does.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use gadget_envelope::Envelope;

use super::backoff::Backoff;
use super::{Batch, ExportStats, Outcome, Pipeline, Shared};
use crate::spool::Spool;

/// No turn waits longer for an envelope.
const TURN: Duration = Duration::from_secs(1);
/// How often what is too old is looked for.
const EXPIRE: Duration = Duration::from_secs(60);

pub(super) struct Run {
    it: Pipeline,
    shared: Arc<Shared>,
    spool: Spool,
    backoff: Backoff,
    stats: ExportStats,
    began_ns: u64,
    /// No request before this.
    not_before: Instant,
    /// Since when an envelope waits for others.
    since: Option<Instant>,
    /// Bytes that came since the last request.
    fresh: usize,
    /// More waits than a request holds, or from before.
    backlog: bool,
    /// Envelopes in a request at most, after the receiver would not have more.
    most: usize,
    expired: Instant,
    record: Vec<u8>,
}

impl Run {
    pub(super) fn new(it: Pipeline, shared: Arc<Shared>) -> Self {
        let mut options = it.settings.spool();
        if it.sender.is_none() {
            options.directory = None;
        }
        let spool = Spool::open(options);
        let millis = Duration::from_millis;
        let settings = &it.settings;
        let now = Instant::now();
        Self {
            backoff: Backoff::new(
                millis(settings.retry_first_ms),
                millis(settings.retry_most_ms),
                it.seed,
            ),
            stats: ExportStats::default(),
            began_ns: time_of_day(),
            not_before: now,
            since: None,
            fresh: 0,
            backlog: !spool.is_empty(),
            most: settings.batch_envelopes,
            expired: now,
            record: Vec::new(),
            it,
            shared,
            spool,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            if let Some(heartbeat) = &mut self.it.heartbeat {
                heartbeat();
            }
            let stop = *self.shared.stop.lock();
            let wait = if stop.is_some() { Duration::ZERO } else { self.wait() };
            self.take(wait);
            let now = Instant::now();
            if now.duration_since(self.expired) >= EXPIRE {
                self.spool.expire();
                self.expired = now;
            }
            let left = stop.map(|stop| stop.saturating_duration_since(now));
            let mut sent = false;
            if self.due(now, left) {
                let timeout = self.it.settings.timeout();
                sent = self.send(left.map_or(timeout, |left| left.min(timeout)));
            }
            if stop.is_some() && !sent && self.it.outbox.is_empty() {
                self.spool.sync();
                self.publish();
                return;
            }
            self.publish();
        }
    }

    fn publish(&mut self) {
        self.stats.spool = self.spool.stats();
        self.shared.stats.lock().clone_from(&self.stats);
    }

    /// How long to wait for an envelope.
    fn wait(&self) -> Duration {
        if self.spool.is_empty() {
            return TURN;
        }
        let now = Instant::now();
        let wait = self.not_before.saturating_duration_since(now);
        let batch = Duration::from_millis(self.it.settings.batch_ms);
        let batch =
            self.since.map_or(Duration::ZERO, |it| (it + batch).saturating_duration_since(now));
        TURN.min(if self.backlog { wait } else { wait.max(batch) })
    }

    fn take(&mut self, wait: Duration) {
        // Those that come meanwhile wait for the next turn.
        let there = self.it.outbox.len().max(1);
        for at in 0..there {
            let wait = if at == 0 { wait } else { Duration::ZERO };
            let Some(envelope) = self.it.outbox.take(wait) else { return };
            self.absorb(envelope);
        }
    }

    fn absorb(&mut self, envelope: Envelope) {
        self.stats.taken += 1;
        let mut passing = Some(envelope);
        for stage in &mut self.it.stages {
            passing = passing.and_then(|envelope| stage.pass(envelope));
        }
        let Some(envelope) = passing else {
            self.stats.filtered += 1;
            return;
        };
        if self.it.sender.is_none() {
            return;
        }
        self.record.clear();
        envelope.encode_to(&mut self.record);
        self.spool.append(&self.record);
        self.fresh += self.record.len();
        self.since.get_or_insert_with(Instant::now);
    }

    /// Whether it is time for a request. At the end there is one more try, if there is time for it.
    fn due(&self, now: Instant, left: Option<Duration>) -> bool {
        if self.it.sender.is_none() || self.spool.is_empty() {
            return false;
        }
        if let Some(left) = left {
            return !left.is_zero();
        }
        let settings = &self.it.settings;
        let batch = Duration::from_millis(settings.batch_ms);
        now >= self.not_before
            && (self.backlog
                || self.fresh >= settings.batch_bytes
                || self.spool.stats().records >= self.most as u64
                || self.since.is_none_or(|since| now.duration_since(since) >= batch))
    }

    /// One request; whether the next may follow.
    fn send(&mut self, within: Duration) -> bool {
        let records = self.spool.peek(self.most, self.it.settings.batch_bytes);
        let Some(last) = records.last().map(|it| it.number) else {
            // It cannot be read for now, or nothing of it at all.
            self.not_before = Instant::now() + self.backoff.next(None);
            return false;
        };
        let envelopes: Vec<_> = records
            .iter()
            .filter_map(|it| {
                let mut rest = it.bytes.as_slice();
                Envelope::decode(&mut rest).ok().filter(|_| rest.is_empty())
            })
            .collect();
        let unreadable = (records.len() - envelopes.len()) as u64;
        let agent = self.it.agent.as_mut().map(|agent| agent()).unwrap_or_default();
        let batch = Batch {
            envelopes: &envelopes,
            agent: &agent,
            began_ns: self.began_ns,
            now_ns: time_of_day(),
            within,
        };
        let Some(sender) = self.it.sender.as_mut() else { return false };
        let count = envelopes.len() as u64;
        let outcome = if envelopes.is_empty() {
            Outcome::Accepted { rejected_points: 0, message: None, understood: true }
        } else {
            sender.send(&batch)
        };
        match outcome {
            Outcome::Accepted { rejected_points, message, understood } => {
                self.stats.sent += count;
                self.stats.requests += u64::from(count > 0);
                self.stats.rejected_points += rejected_points;
                self.stats.odd_answers += u64::from(!understood);
                if message.is_some() {
                    self.stats.last_warning = message;
                }
                self.most = (self.most * 2).min(self.it.settings.batch_envelopes);
            }
            Outcome::TooLong if records.len() > 1 => {
                self.most = records.len() / 2;
                self.backlog = true;
                return true;
            }
            Outcome::TooLong => {
                self.stats.refused += count;
                self.stats.last_error = Some("an envelope alone is too long".into());
            }
            Outcome::Refused { reason } => {
                self.stats.refused += count;
                self.stats.last_error = Some(reason);
            }
            Outcome::Retry { after, reason } => {
                self.stats.retried += 1;
                self.stats.last_error = Some(reason);
                self.not_before = Instant::now() + self.backoff.next(after);
                self.backlog = true;
                return false;
            }
        }
        self.stats.unreadable += unreadable;
        self.backoff.reset();
        self.spool.acknowledge(last);
        (self.since, self.fresh) = (None, 0);
        self.backlog = !self.spool.is_empty();
        true
    }
}

fn time_of_day() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
