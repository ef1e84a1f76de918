//! What a window comes to.

use std::collections::BTreeMap;

use gadget_core::{ProcessDetail, ProcessId, Telemetry, TelemetryLevel, World};
use gadget_envelope::{
    AggregateKind, AggregateRow, HostTotals, Mode, ProcessEnvelope, SketchEnvelope, TopNBatch,
};
use gadget_sketch::Mapping;

use crate::names::{Patterns, UserNames};
use crate::rank::{Captured, Choice, Ranking};
use crate::rows::Sources;
use crate::settings::Settings;
use crate::sketches::Sketches;
use crate::tail::Tail;
use crate::usage::{Sum, Usage, io};
use crate::window::Window;

/// The most rows in full in one envelope: 20 MB. Who is beyond is in the sums.
const MAX_ROWS: usize = 50_000;

/// The most processes that are read closely at once: those with the highest scores.
const MAX_CLOSELY: usize = 1_024;

/// What is worked with and kept from window to window.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    usages: Vec<Usage>,
    all: Vec<u32>,
    tail: Tail,
    sketches: Sketches,
    /// Who is to be read closely, by identity.
    pub(crate) closely: Vec<ProcessId>,
}

impl Scratch {
    pub(crate) fn new(mapping: Mapping) -> Self {
        Self {
            usages: Vec::new(),
            all: Vec::new(),
            tail: Tail::default(),
            sketches: Sketches::new(mapping),
            closely: Vec::new(),
        }
    }
}

/// A window that ends.
pub(crate) struct Ending<'a> {
    pub(crate) window: &'a mut Window,
    pub(crate) settings: &'a Settings,
    pub(crate) sent: Telemetry,
    pub(crate) users: &'a UserNames,
    pub(crate) world: &'a World,
    pub(crate) patterns: &'a Patterns,
    pub(crate) details: &'a BTreeMap<ProcessId, ProcessDetail>,
}

impl Ending<'_> {
    /// The window's envelope, but for who sends it; `send` is given its sketches.
    pub(crate) fn report(
        self,
        scratch: &mut Scratch,
        ranking: &mut Ranking,
        send: &mut impl FnMut(SketchEnvelope),
    ) -> ProcessEnvelope {
        let Scratch { usages, all, tail, sketches, closely } = scratch;
        closely.clear();
        let (beyond, ephemeral) = self.window.usages(usages);
        let busy = self.window.busy();
        let Self { window, settings, sent, users, world, patterns, details } = self;
        let window = &*window;
        for usage in usages.iter_mut() {
            let row = window.row(usage);
            // The kernel's own idle task has no number that could be told.
            usage.eligible =
                row.id.pid != 0 && (patterns.are_none() || patterns.admit(row, users, world));
        }
        let mut total = ephemeral;
        total.merge(&beyond);
        for usage in usages.iter() {
            total.add(usage, window.row(usage));
        }
        let mut batch = TopNBatch {
            k_total: u32::try_from(window.latest().rows.len()).unwrap_or(u32::MAX),
            totals: Some(totals(&total, busy)),
            scan_ns: window.counts.cost,
            scan_source: window.latest().source.name().into(),
            created: window.counts.created,
            changed: window.counts.changed,
            terminated: window.counts.terminated,
            diff_overflow: window.counts.overflow,
            vanished: window.counts.vanished,
            ..TopNBatch::default()
        };
        if sent.level == TelemetryLevel::Heartbeat {
            ranking.clear();
            return envelope(Mode::Heartbeat, batch);
        }
        let ids = |usage: &Usage| window.row(usage).id;
        let choice = if sent.level == TelemetryLevel::Raw {
            ranking.clear();
            Choice { n: sent.top, bypassed: false }
        } else {
            ranking.score(usages, ids, window.counts.scans, &settings.top);
            ranking.choose(usages, ids, sent.top, &settings.top)
        };
        let usages = usages.as_slice();
        let best = ranking.chosen().iter().map(|&at| &usages[at as usize]);
        let of_interest = |usage: &&Usage| usage.is_alive() && !window.row(usage).kernel_thread;
        closely.extend(best.filter(of_interest).take(MAX_CLOSELY).map(ids));
        closely.sort_unstable();
        let everybody = matches!(sent.level, TelemetryLevel::Raw | TelemetryLevel::Bypass);
        let chosen: &[u32] = if everybody {
            all.clear();
            all.extend((0..usages.len() as u32).filter(|&at| usages[at as usize].eligible));
            if sent.level == TelemetryLevel::Bypass {
                Ranking::by_score(usages, ids, all);
            }
            all.truncate(MAX_ROWS);
            all
        } else {
            ranking.chosen()
        };
        let held = Captured::of(usages, chosen);
        let sources = Sources { window, ranking, details, users, world };
        batch.rows = chosen.iter().map(|&at| sources.row(&usages[at as usize])).collect();
        let (groups, more) =
            tail.sum((usages, chosen), window, &settings.tail, (users, world), beyond);
        if sent.level == TelemetryLevel::Sketches {
            sketches.make(&settings.sketch, window, usages, (tail, &groups), send);
        }
        batch.tail = groups.into_iter().map(|group| group.row).chain(more).collect();
        batch.residual = residual(&ephemeral, busy, &total, window.length());
        (batch.n_effective, batch.bypassed) = (choice.n, choice.bypassed && !everybody);
        (batch.capture_cpu, batch.capture_rss) = (held.cpu(), held.rss());
        let mode = match sent.level {
            TelemetryLevel::Raw => Mode::Raw,
            TelemetryLevel::Bypass => Mode::Bypass,
            _ if choice.bypassed => Mode::Bypass,
            _ => Mode::Smart,
        };
        envelope(mode, batch)
    }
}

fn envelope(mode: Mode, batch: TopNBatch) -> ProcessEnvelope {
    ProcessEnvelope { mode: mode.into(), payload: Some(batch), ..ProcessEnvelope::default() }
}

/// CPU time is what the processors were busy for: all that is known of processes, and what nobody can be charged with. Where that
/// is not known it is what is known of processes.
fn totals(total: &Sum, busy: Option<u64>) -> HostTotals {
    HostTotals {
        cpu_ns: busy.unwrap_or_else(|| total.cpu()),
        rss_bytes: total.rss,
        process_count: total.count,
        threads: total.threads,
        io: total.io.map(io),
        busy_ns: busy.unwrap_or_default(),
    }
}

/// What the totals hold beyond those that a scan saw.
fn residual(ephemeral: &Sum, busy: Option<u64>, total: &Sum, window: u64) -> Vec<AggregateRow> {
    let mut rows = Vec::new();
    if !ephemeral.is_nothing() {
        // The most memory of one of them is not memory that they have.
        rows.push(ephemeral.row(AggregateKind::Ephemeral, window));
    }
    if let Some(busy) = busy {
        // Both are no more than a signed number holds.
        let cpu_system_ns = busy as i64 - total.cpu() as i64;
        let unattributed = AggregateRow {
            cpu_system_ns,
            ..Sum::default().row(AggregateKind::Unattributed, window)
        };
        rows.push(unattributed);
    }
    rows
}
