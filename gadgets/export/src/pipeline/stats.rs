//! How a pipeline goes.

use crate::prometheus::{AgentMetric, MetricKind};
use crate::spool::SpoolStats;

/// How a pipeline goes. Counts are since it began; those of the spool outlast it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportStats {
    /// Envelopes taken from the outbox.
    pub taken: u64,
    /// Of those, stopped by a stage.
    pub filtered: u64,
    /// Envelopes that a receiver has.
    pub sent: u64,
    /// Requests that it took.
    pub requests: u64,
    /// Requests that have to be made again.
    pub retried: u64,
    /// Envelopes that it refused for good.
    pub refused: u64,
    /// Envelopes in the spool that were none.
    pub unreadable: u64,
    /// Points that it took the request of and would not have.
    pub rejected_points: u64,
    /// Answers of success that were not what an answer has to be.
    pub odd_answers: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// What the receiver warned of last.
    pub last_warning: Option<String>,
    /// The spool.
    pub spool: SpoolStats,
}

impl ExportStats {
    /// The same as metrics.
    #[must_use]
    pub fn metrics(&self) -> Vec<AgentMetric> {
        let metric = |name: &str, kind, help, labels: &[(&str, &str)], value: u64| AgentMetric {
            name: format!("agent_export_{name}"),
            help,
            kind,
            labels: labels.iter().map(|&(key, value)| (key.into(), value.into())).collect(),
            value: value as f64,
        };
        let counter = |name, help, value| metric(name, MetricKind::Counter, help, &[], value);
        let gauge = |name, help, value| metric(name, MetricKind::Gauge, help, &[], value);
        let mut metrics = vec![
            counter("envelopes_total", "Envelopes taken to be exported.", self.taken),
            counter("sent_total", "Envelopes that a receiver has.", self.sent),
            counter("requests_total", "Requests that the receiver took.", self.requests),
            counter("retries_total", "Requests that had to be made again.", self.retried),
            counter(
                "rejected_points_total",
                "Points that the receiver rejected.",
                self.rejected_points,
            ),
            counter("odd_answers_total", "Answers that were none.", self.odd_answers),
            counter("spool_failures_total", "Failures of the spool's disk.", self.spool.failures),
            gauge("spool_records", "Envelopes that wait.", self.spool.records),
            gauge("spool_bytes", "Bytes that they have on disk.", self.spool.bytes),
            gauge(
                "spool_memory_bytes",
                "Bytes that they have in memory.",
                self.spool.memory_bytes as u64,
            ),
        ];
        for (reason, count) in [
            ("filtered", self.filtered),
            ("refused", self.refused),
            ("unreadable", self.unreadable),
            ("spool_full", self.spool.dropped),
            ("spool_damaged", self.spool.damaged),
        ] {
            let help = "Envelopes that no receiver will have.";
            let labels = [("reason", reason)];
            metrics.push(metric("dropped_total", MetricKind::Counter, help, &labels, count));
        }
        metrics
    }
}
