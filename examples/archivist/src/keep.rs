//! What is kept, and the files that incidents are written to.

use std::time::Duration;

use anyhow::Context as _;
use gadget_archivist::flush::{Budget, BudgetSettings, FileSink, flush};
use gadget_archivist::{Archive, ArchiveSettings, Left, LogWatch};
use gadget_core::{Bytes, FlushRequest, LogBatch, LogSources, Timestamp};

use crate::cli::Asked;

/// The archive, and where incidents go.
pub(crate) struct Keep {
    archive: Archive,
    sink: FileSink,
    budget: Budget,
    #[cfg(feature = "otlp")]
    otlp: Option<gadget_archivist::flush::OtlpSink>,
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
            Left::Nothing | Left::InOrder => None,
        };
        let a_day = BudgetSettings { bytes: mega(asked.per_day), ..BudgetSettings::default() };
        let budget = Budget::open(asked.keep.join("budget"), a_day);
        let keep = Self {
            archive,
            sink: FileSink::new(&asked.out),
            budget,
            #[cfg(feature = "otlp")]
            otlp: asked
                .otlp
                .as_ref()
                .map(|endpoint| gadget_archivist::flush::OtlpSink::new(endpoint, Vec::new())),
        };
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

    /// Writes what was logged in the time that is asked for, and says how that went: a full disk is no reason to keep nothing.
    pub(crate) fn flush(
        &mut self,
        request: &FlushRequest,
        watch: &LogWatch,
        now: Timestamp,
    ) -> String {
        self.write(request, watch, now).unwrap_or_else(|error| {
            format!("incident of plan {} is not written: {error:#}", request.plan)
        })
    }

    fn write(
        &mut self,
        request: &FlushRequest,
        watch: &LogWatch,
        now: Timestamp,
    ) -> anyhow::Result<String> {
        self.budget.ask(now)?;
        let summary =
            flush(&self.archive, request, watch, &mut self.sink).context("cannot write it")?;
        self.budget.spend(summary.bytes).context("cannot remember what was written today")?;
        // The file is there by now, whatever becomes of the rest.
        #[cfg(feature = "otlp")]
        if let Some(sink) = &mut self.otlp {
            flush(&self.archive, request, watch, sink).context("written, but not sent")?;
        }
        let file = self.sink.last().map(|path| path.display().to_string()).unwrap_or_default();
        Ok(format!("{} lines of {} services in {file}", summary.lines, summary.services.len()))
    }

    /// Says that it ends in order.
    pub(crate) fn close(self) {
        self.archive.close();
    }
}
