//! What is counted over windows, about the host as a whole.

use gadget_envelope::{Io, ProcessEnvelope};

use super::groups::seconds;
use super::text::Text;

/// Sums over windows.
#[derive(Default)]
pub(super) struct Counts {
    windows: u64,
    cpu_ns: u64,
    busy_ns: u64,
    io: Io,
    scan_ns: u64,
    created: u64,
    changed: u64,
    terminated: u64,
    diff_overflow: u64,
    vanished: u64,
    dropped_rows: u64,
    dropped_envelopes: u64,
}

impl Counts {
    pub(super) fn add(&mut self, it: &ProcessEnvelope) {
        let Some(batch) = &it.payload else { return };
        let totals = batch.totals.unwrap_or_default();
        let io = totals.io.unwrap_or_default();
        for (to, count) in [
            (&mut self.windows, 1),
            (&mut self.cpu_ns, totals.cpu_ns),
            (&mut self.busy_ns, totals.busy_ns),
            (&mut self.io.read_bytes, io.read_bytes),
            (&mut self.io.write_bytes, io.write_bytes),
            (&mut self.scan_ns, batch.scan_ns),
            (&mut self.created, batch.created),
            (&mut self.changed, batch.changed),
            (&mut self.terminated, batch.terminated),
            (&mut self.diff_overflow, batch.diff_overflow),
            (&mut self.vanished, batch.vanished),
            (&mut self.dropped_rows, it.dropped_rows),
        ] {
            *to = to.saturating_add(count);
        }
        // Counted by the agent already.
        self.dropped_envelopes = self.dropped_envelopes.max(it.dropped_envelopes);
    }

    pub(super) fn write(&self, text: &mut Text) {
        for (name, help, value) in [
            ("windows", "Windows.", self.windows as f64),
            ("cpu_seconds", "CPU time of all processes.", seconds(self.cpu_ns)),
            ("busy_seconds", "Time that processors were not idle.", seconds(self.busy_ns)),
            ("read_bytes", "Bytes read from storage.", self.io.read_bytes as f64),
            ("written_bytes", "Bytes written to storage.", self.io.write_bytes as f64),
            ("scan_cpu_seconds", "CPU time of scans.", seconds(self.scan_ns)),
            ("processes_created", "Processes first seen.", self.created as f64),
            ("processes_changed", "Processes that became another.", self.changed as f64),
            ("processes_terminated", "Processes that ended.", self.terminated as f64),
            (
                "diff_overflow",
                "Creations, changes and ends that were counted and not told.",
                self.diff_overflow as f64,
            ),
            ("processes_vanished", "Processes gone before they were read.", self.vanished as f64),
            ("dropped_rows", "Rows left out of envelopes.", self.dropped_rows as f64),
            ("dropped_envelopes", "Envelopes that nobody took.", self.dropped_envelopes as f64),
        ] {
            text.single(&format!("surveyor_{name}_total"), "counter", help, value);
        }
    }
}
