//! One log path: lines in, redacted lines out; the slow path within its budget, the learner and the report beside it.

use std::fmt;
use std::sync::Arc;

use gadget_core::{
    LogBatch, LogFlags, LogMeta, LogSource, LogSources, RuleReport, RuleStates, SourceId, Timestamp,
};
use gadget_template::shape_of;

use crate::armor::Armor;
use crate::entity::Entity;
use crate::label::{Labeller, Triage, TriageSettings, Wanted};
use crate::learn::{Learner, LearnerSettings, RuleBook, Sight, Tried};
use crate::redact::{Replaced, Style};
use crate::report::{Found, LeakReport};
use crate::scan::{Scanner, settle};
use crate::span::{Finder, Span};
use crate::suspicion::Suspicion;

/// From which probability a value in doubt is told to the learner, which then counts it neither for nor against a rule.
const DOUBT: f32 = 0.2;

/// What a pipeline does.
#[derive(Clone, Debug, Default)]
pub struct PipelineSettings {
    /// How values are redacted.
    pub style: Style,
    /// What the slow path may cost.
    pub triage: TriageSettings,
    /// What may be learned.
    pub learner: LearnerSettings,
}

/// What a pipeline has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PipelineCounts {
    /// Lines.
    pub lines: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Lines that were redacted.
    pub redacted: u64,
    /// Values hidden that rules found which are built in...
    pub by_rules: u64,
    /// ...that learned rules found...
    pub by_learned: u64,
    /// ...and that the slow path found, alone or first.
    pub by_labeller: u64,
    /// Lines that the slow path was asked about.
    pub asked: u64,
    /// Lines that it should have been asked about, had the budget allowed it.
    pub over_budget: u64,
}

/// Redacts batches of lines. One per thread; holds no text of a line but those clean ones that new rules are tried on.
pub struct Pipeline {
    scanner: Scanner,
    labeller: Labeller,
    /// The scores from which the slow path is believed, by kind.
    sure: Vec<u8>,
    triage: Triage,
    suspicion: Suspicion,
    learner: Learner,
    /// Keys that an earlier line began.
    armor: Armor,
    report: LeakReport,
    sources: LogSources,
    style: Style,
    /// The source of the last line, as most lines are from the one that the line before was.
    source: (SourceId, Arc<LogSource>),
    /// What rules found in all lines of a batch, and in one.
    block: Vec<Span>,
    found: Vec<Span>,
    labelled: Vec<Span>,
    doubtful: Vec<Span>,
    all: Vec<Span>,
    line: Vec<u8>,
    masked: Vec<u8>,
    replaced: Vec<Replaced>,
    counts: PipelineCounts,
}

impl Pipeline {
    /// With `scanner` for the fast path and `labeller` for the slow one. It goes on with the rules of `book`, whose states are in `states`
    /// from then on.
    #[must_use]
    pub fn new(
        settings: PipelineSettings,
        scanner: Scanner,
        labeller: Labeller,
        (states, book): (RuleStates, RuleBook),
        sources: LogSources,
    ) -> Self {
        let score = |entity: &Entity| (labeller.threshold(*entity) * 255.0) as u8;
        Self {
            scanner,
            sure: Entity::ALL.iter().map(score).collect(),
            triage: Triage::new(settings.triage),
            suspicion: Suspicion::default(),
            learner: Learner::new(
                settings.learner,
                states,
                book,
                labeller.model().lexicon().clone(),
            ),
            labeller: labeller.with_threshold(DOUBT),
            armor: Armor::default(),
            report: LeakReport::default(),
            source: (SourceId::OTHER, sources.get(SourceId::OTHER)),
            sources,
            style: settings.style,
            block: Vec::new(),
            found: Vec::new(),
            labelled: Vec::new(),
            doubtful: Vec::new(),
            all: Vec::new(),
            line: Vec::new(),
            masked: Vec::new(),
            replaced: Vec::new(),
            counts: PipelineCounts::default(),
        }
    }

    /// Appends the lines of `batch` to `out`, redacted. Once its buffers have grown it allocates only for lines with a value, and for
    /// those that the slow path is asked about.
    pub fn redact(&mut self, batch: &LogBatch, out: &mut LogBatch) {
        self.redact_and_tell(batch, out, |_, _| ());
    }

    /// As [`redact`](Self::redact), and tells of each line that is redacted, by its place in `batch`, what stands where.
    pub fn redact_and_tell(
        &mut self,
        batch: &LogBatch,
        out: &mut LogBatch,
        mut told: impl FnMut(usize, &[Replaced]),
    ) {
        self.learner.sync();
        out.lost += batch.lost;
        // All lines at once, which costs less than one by one. A value is of the line that it begins in; the other lines of a key, which
        // may come in a later batch and between those of others, are found as they come.
        self.block.clear();
        self.scanner.scan(batch.block(), &mut self.block);
        let (mut next, mut hidden) = (0, 0);
        for (nth, line) in batch.lines().iter().enumerate() {
            let range = LogBatch::range(line);
            let (from, to) = (range.start as u32, range.end as u32);
            self.found.clear();
            let again = from < hidden;
            while let Some(span) = self.block.get(next).filter(|span| span.start < to) {
                hidden = hidden.max(span.end);
                let (start, end) = (span.start.saturating_sub(from), span.end.min(to) - from);
                self.found.push(Span { start, end, ..*span });
                next += 1;
            }
            if again {
                // It was passed over, as if it were of a key.
                self.found.clear();
                self.scanner.scan(batch.text(line), &mut self.found);
            }
            self.armor.line(line.meta.source, batch.text(line), &mut self.found);
            if self.one(&line.meta, batch.text(line), out) {
                told(nth, &self.replaced);
            }
        }
    }

    /// One line, with what rules found in it; true if it was redacted.
    fn one(&mut self, meta: &LogMeta, text: &[u8], out: &mut LogBatch) -> bool {
        self.counts.lines += 1;
        self.counts.bytes += text.len() as u64;
        if self.source.0 != meta.source {
            self.source = (meta.source, self.sources.get(meta.source));
        }
        self.all.clone_from(&self.found);
        let service = Arc::clone(&self.source.1.service);
        let tried = self.learner.scan(text, &service, &mut self.all);
        // What is known to stand where it does makes a line neither new nor suspicious.
        let suspicion = match tried {
            Tried::Trial => u8::MAX,
            Tried::Known => 0,
            Tried::Nothing => self.suspicion.of(text),
        };
        let shape = if self.all.is_empty() { shape_of(text) } else { self.shape_without(text) };
        let asked = self.triage.line(shape, suspicion);
        self.counts.over_budget += u64::from(asked == Wanted::OverBudget);
        let asked = asked == Wanted::Yes;
        if asked {
            self.ask(text);
        }
        if asked || tried != Tried::Nothing {
            self.learner.saw(&Sight {
                line: text,
                service: &service,
                at: meta.at,
                found: &self.found,
                labelled: asked.then_some(&*self.labelled),
                doubtful: &self.doubtful,
            });
        }
        if self.all.is_empty() {
            out.push(*meta, text);
            return false;
        }
        settle(&mut self.all, 0);
        for span in &self.all {
            *match span.by {
                Finder::Rule(_) => &mut self.counts.by_rules,
                Finder::Learned(_) => &mut self.counts.by_learned,
                Finder::Labeller => &mut self.counts.by_labeller,
            } += 1;
        }
        self.line.clear();
        self.replaced.clear();
        self.style.redact(text, &self.all, &mut self.line, &mut self.replaced);
        let flags = meta.flags.with(LogFlags::REDACTED);
        out.push(LogMeta { flags, ..*meta }, &self.line);
        self.counts.redacted += 1;
        self.tell(meta);
        true
    }

    /// The shape of a line without the values that were found.
    fn shape_without(&mut self, text: &[u8]) -> u64 {
        self.masked.clear();
        let mut done = 0;
        for span in &self.all {
            let range = span.range();
            // They may overlap.
            self.masked.extend_from_slice(text.get(done..range.start).unwrap_or_default());
            self.masked.push(b'0');
            done = done.max(range.end);
        }
        self.masked.extend_from_slice(text.get(done..).unwrap_or_default());
        shape_of(&self.masked)
    }

    /// Asks the slow path. What it is sure of is hidden.
    fn ask(&mut self, text: &[u8]) {
        self.counts.asked += 1;
        self.labelled.clear();
        self.labeller.label(text, &mut self.labelled);
        let sure = &self.sure;
        let doubtful = |span: &Span| span.score < sure[span.entity as usize];
        self.doubtful.clear();
        self.doubtful.extend(self.labelled.iter().filter(|span| doubtful(span)));
        self.labelled.retain(|span| !doubtful(span));
        self.all.extend_from_slice(&self.labelled);
    }

    /// Tells the report what was hidden in the line, with nothing of it but its kind.
    fn tell(&mut self, meta: &LogMeta) {
        self.masked.clear();
        let mut done = 0;
        for it in &self.replaced {
            self.masked.extend_from_slice(&self.line[done..it.to.start as usize]);
            self.masked.extend_from_slice(b"[");
            self.masked.extend_from_slice(it.entity.label().as_bytes());
            self.masked.extend_from_slice(b"_REDACTED]");
            done = it.to.end as usize;
        }
        self.masked.extend_from_slice(&self.line[done..]);
        let shape = shape_of(&self.masked);
        for &entity in Entity::ALL {
            let values = self.replaced.iter().filter(|it| it.entity == entity).count() as u64;
            if values > 0 {
                let (source, at, redacted) = (meta.source, meta.at, &*self.masked);
                let found = Found { source, at, redacted, shape, entity, values };
                self.report.add(found, &self.sources);
            }
        }
    }

    /// What it has done.
    #[must_use]
    pub const fn counts(&self) -> PipelineCounts {
        self.counts
    }

    /// Who leaks what.
    pub fn report(&mut self) -> &mut LeakReport {
        &mut self.report
    }

    /// What is learned.
    #[must_use]
    pub const fn learner(&self) -> &Learner {
        &self.learner
    }

    /// How each learned rule does, for the control plane.
    pub fn rule_reports(&mut self, now: Timestamp) -> Vec<RuleReport> {
        self.learner.reports(now)
    }

    /// The rules as they are to be kept, if something about them has changed since this was last asked.
    pub fn unsaved(&mut self) -> Option<RuleBook> {
        self.learner.sync();
        self.learner.unsaved()
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("counts", &self.counts).finish_non_exhaustive()
    }
}
