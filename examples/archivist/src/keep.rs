//! What is kept, and the files that incidents are kept in until they are written.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use gadget_archivist::flush::{Budget, BudgetSettings, Kept};
use gadget_archivist::{Archive, ArchiveSettings, Left, LogWatch};
use gadget_core::{Bytes, FlushRequest, LogBatch, LogSources, Timestamp};

use crate::cli::Asked;
use crate::write::Writer;

/// The archive, and where incidents go.
pub(crate) struct Keep {
    archive: Archive,
    out: PathBuf,
    budget: Budget,
    writer: Writer,
}

impl Keep {
    /// Opens both, and says from when to when something was left behind by a life that did not end in order.
    pub(crate) fn open(asked: &Asked) -> anyhow::Result<(Self, Option<(Timestamp, Timestamp)>)> {
        let path = asked.keep.join("archive");
        let mega = |count: u64| Bytes::new(count.saturating_mul(1_000_000));
        let settings = ArchiveSettings {
            bytes: mega(asked.memory),
            // An incident may be drawn out by as much again as follows it.
            window: Duration::from_secs(asked.before.saturating_add(asked.after.saturating_mul(2))),
            ..ArchiveSettings::default()
        };
        let (archive, left) = Archive::open(&path, settings)?;
        let left = match left {
            Left::Behind { first, last, .. } => Some((first, last)),
            Left::Nothing | Left::Aside { .. } | Left::InOrder => None,
        };
        let a_day = BudgetSettings { bytes: mega(asked.per_day), ..BudgetSettings::default() };
        let budget = Budget::open(asked.keep.join("budget"), a_day);
        let writer = Writer::start(asked)?;
        let keep = Self { archive, out: asked.out.clone(), budget, writer };
        Ok((keep, left))
    }

    /// What an earlier life has kept is known, and no news.
    pub(crate) fn teach(&self, watch: &mut LogWatch) {
        let (from, until) = (Timestamp::EPOCH, Timestamp::from_nanos(u64::MAX));
        self.archive.read(from, until, |entry| watch.learn(entry.service, entry.text));
    }

    /// Keeps the lines of a batch; `templates` are their templates.
    pub(crate) fn batch(&mut self, batch: &LogBatch, sources: &LogSources, templates: &[u32]) {
        self.archive.append_batch(batch, sources, templates);
    }

    /// Lets go what is old, also where nothing is logged any more.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.archive.expire(now);
    }

    /// Keeps what was logged in the time that is asked for, whatever comes after, to be written; says how that went: a full disk is no
    /// reason to keep nothing.
    pub(crate) fn flush(
        &mut self,
        request: &FlushRequest,
        watch: &LogWatch,
        now: Timestamp,
    ) -> String {
        self.keep(request, watch, now).unwrap_or_else(|error| {
            format!("incident of plan {} is not kept: {error:#}", request.plan)
        })
    }

    fn keep(
        &mut self,
        request: &FlushRequest,
        watch: &LogWatch,
        now: Timestamp,
    ) -> anyhow::Result<String> {
        self.budget.ask(now)?;
        let kept = Kept::keep(&self.archive, request, watch, &self.out)?;
        let (lines, bytes) = (kept.summary().lines, kept.summary().bytes);
        self.writer.take(kept);
        self.budget.spend(bytes).context("cannot remember what was sent today")?;
        Ok(format!("incident of plan {}: {lines} lines are safe", request.plan))
    }

    /// Says that it ends in order, and ends once all is written.
    pub(crate) fn close(self) {
        self.archive.close();
        self.writer.end();
    }
}
