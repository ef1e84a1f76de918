//! Filters in order, each behind a breaker; what goes wrong redacts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{Breaker, BreakerState, Timestamp};

use crate::filter::{Answer, Fields, Filter, MARKER, Reason};
use crate::package::LoadError;

/// Failures in a row that open a stage's breaker.
const FAILURES: u32 = 3;
/// How long a breaker is open at first.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// How long a breaker is open at most.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// What befell a stage; the embedder makes an event of its own of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stage's name.
    pub stage: Arc<str>,
    /// What happened.
    pub event: Event,
}

/// What happened to a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A text was redacted instead of filtered. For [`Reason::NotLoaded`] and [`Reason::NotAllowed`], which last, told of the first
    /// text of each field alone.
    Redacted {
        /// The field's name.
        field: String,
        /// Why.
        reason: Reason,
    },
    /// Until then every text of the stage is redacted and its filter does not run; then one text is tried.
    Opened {
        /// When one text is tried.
        until: Timestamp,
    },
    /// The text that was tried went well: the filter runs again.
    Closed,
}

impl Event {
    /// One word, for the type of an event.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Redacted { .. } => "redacted",
            Self::Opened { .. } => "opened",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = &self.stage;
        match &self.event {
            Event::Redacted { field, reason } => {
                write!(f, "filter {stage}: {field} redacted: {reason}")
            }
            Event::Opened { until } => {
                write!(
                    f,
                    "filter {stage}: stopped until {:.3} s, all its fields redacted",
                    until.as_secs_f64()
                )
            }
            Event::Closed => write!(f, "filter {stage}: runs again"),
        }
    }
}

/// What a stage has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Texts that the filter answered well.
    pub filtered: u64,
    /// Of those, texts that it changed.
    pub changed: u64,
    /// Texts that were redacted because the filter failed.
    pub failed: u64,
    /// Texts that were redacted without the filter: not loaded, not allowed, or behind an open breaker.
    pub unfiltered: u64,
}

/// One filter with the fields that the operator gives it.
pub struct Stage {
    name: Arc<str>,
    fields: Vec<String>,
    filter: Result<Box<dyn Filter>, Reason>,
    breaker: Breaker,
    /// Fields of which a lasting reason was told.
    told: Vec<String>,
    counts: Counts,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("name", &self.name)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

impl Stage {
    /// A filter of that name in the operator's settings, for those fields.
    #[must_use]
    pub fn new(name: &str, fields: &[&str], filter: impl Filter + 'static) -> Self {
        Self::with(name, fields, Ok(Box::new(filter)))
    }

    /// A filter that may not have been loaded: then its fields are redacted, all of them.
    #[must_use]
    pub fn loaded(
        name: &str,
        fields: &[&str],
        filter: Result<impl Filter + 'static, LoadError>,
    ) -> Self {
        Self::with(
            name,
            fields,
            match filter {
                Ok(filter) => Ok(Box::new(filter)),
                Err(error) => Err(Reason::NotLoaded(error.to_string())),
            },
        )
    }

    fn with(name: &str, fields: &[&str], filter: Result<Box<dyn Filter>, Reason>) -> Self {
        Self {
            name: name.into(),
            fields: fields.iter().map(|&field| field.to_owned()).collect(),
            filter,
            breaker: Breaker::new(FAILURES, FIRST_WAIT, LONGEST_WAIT),
            told: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has done.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What its breaker lets through.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.breaker.state()
    }

    fn run(
        &mut self,
        field: &str,
        text: &mut String,
        out: &mut String,
        now: Timestamp,
        report: &mut impl FnMut(Diagnostic),
    ) {
        if text.is_empty() || text == MARKER || !self.fields.iter().any(|it| it == field) {
            return;
        }
        let mut tell = |event| report(Diagnostic { stage: Arc::clone(&self.name), event });
        let filter = match &mut self.filter {
            Ok(filter) if filter.allows(field) => filter,
            lasting => {
                if !self.told.iter().any(|it| it == field) {
                    self.told.push(field.to_owned());
                    let reason = lasting.as_ref().err().cloned().unwrap_or(Reason::NotAllowed);
                    tell(Event::Redacted { field: field.to_owned(), reason });
                }
                self.counts.unfiltered += 1;
                return redact(text);
            }
        };
        if !self.breaker.admit(now) {
            self.counts.unfiltered += 1;
            return redact(text);
        }
        out.clear();
        let answer = match filter.apply(field, text, out) {
            Ok(Answer::Other) if out.len() > text.len() => Err(Reason::Grew),
            answer => answer,
        };
        match answer {
            Ok(answer) => {
                self.counts.filtered += 1;
                if answer == Answer::Other {
                    self.counts.changed += 1;
                    text.clone_from(out);
                }
                let probe = self.breaker.state() == BreakerState::HalfOpen;
                self.breaker.succeeded(now);
                if probe {
                    tell(Event::Closed);
                }
            }
            Err(reason) => {
                self.counts.failed += 1;
                redact(text);
                tell(Event::Redacted { field: field.to_owned(), reason });
                if self.breaker.failed(now)
                    && let BreakerState::Open { until } = self.breaker.state()
                {
                    tell(Event::Opened { until });
                }
            }
        }
    }
}

fn redact(text: &mut String) {
    text.clear();
    text.push_str(MARKER);
}

/// Stages in order.
#[derive(Debug, Default)]
pub struct Pipeline {
    stages: Vec<Stage>,
    out: String,
}

impl Pipeline {
    /// Without a stage: everything stays as it is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One stage more, after those that are there.
    #[must_use]
    pub fn stage(mut self, stage: Stage) -> Self {
        self.stages.push(stage);
        self
    }

    /// Filters a row in place. A text that is redacted as a whole, by whatever stage, is not shown to the stages after it.
    pub fn run<R: Fields + ?Sized>(
        &mut self,
        row: &mut R,
        now: Timestamp,
        mut report: impl FnMut(Diagnostic),
    ) {
        let Self { stages, out } = self;
        if stages.is_empty() {
            return;
        }
        row.each_field(&mut |field, text| {
            for stage in &mut *stages {
                stage.run(field, text, out, now, &mut report);
            }
        });
    }

    /// Its stages, for their counts and states.
    #[must_use]
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(Vec<(&'static str, String)>);

    impl Fields for Row {
        fn each_field(&mut self, visit: &mut dyn FnMut(&str, &mut String)) {
            self.0.iter_mut().for_each(|(field, text)| visit(field, text));
        }
    }

    /// Answers as the text says.
    struct Obedient;

    impl Filter for Obedient {
        fn allows(&self, field: &str) -> bool {
            field != "user_name"
        }

        fn apply(&mut self, _: &str, text: &str, out: &mut String) -> Result<Answer, Reason> {
            match text {
                "fail" => Err(Reason::Timeout),
                "grow" => {
                    out.push_str("grown");
                    Ok(Answer::Other)
                }
                "same" => {
                    out.push_str("something very long that does not count");
                    Ok(Answer::Same)
                }
                _ => {
                    out.push('x');
                    Ok(Answer::Other)
                }
            }
        }
    }

    fn run(
        pipeline: &mut Pipeline,
        secs: u64,
        field: &'static str,
        text: &str,
    ) -> (String, Vec<Event>) {
        let mut row = Row(vec![(field, text.to_owned()), ("other", text.to_owned())]);
        let mut events = Vec::new();
        pipeline.run(&mut row, Timestamp::from_secs(secs), |it| events.push(it.event));
        assert_eq!(row.0[1].1, text, "a field that is not named stays as it is");
        (row.0.remove(0).1, events)
    }

    fn pipeline() -> Pipeline {
        Pipeline::new().stage(Stage::new("obedient", &["command_line", "user_name"], Obedient))
    }

    fn redacted(field: &str, reason: Reason) -> Event {
        Event::Redacted { field: field.to_owned(), reason }
    }

    #[test]
    fn an_answer_stands_and_a_failure_redacts() {
        let mut it = pipeline();
        assert_eq!(run(&mut it, 1, "command_line", "hello"), ("x".to_owned(), vec![]));
        assert_eq!(run(&mut it, 1, "command_line", "same"), ("same".to_owned(), vec![]));
        assert_eq!(run(&mut it, 1, "command_line", ""), (String::new(), vec![]));
        for (text, reason) in [("fail", Reason::Timeout), ("grow", Reason::Grew)] {
            let expected = (MARKER.to_owned(), vec![redacted("command_line", reason)]);
            assert_eq!(run(&mut it, 1, "command_line", text), expected);
        }
        assert_eq!(
            it.stages()[0].counts(),
            Counts { filtered: 2, changed: 1, failed: 2, unfiltered: 0 }
        );
    }

    #[test]
    fn a_field_that_is_not_allowed_is_redacted_each_time_and_told_once() {
        let mut it = pipeline();
        let events = vec![redacted("user_name", Reason::NotAllowed)];
        assert_eq!(run(&mut it, 1, "user_name", "root"), (MARKER.to_owned(), events));
        assert_eq!(run(&mut it, 1, "user_name", "root"), (MARKER.to_owned(), vec![]));
        assert_eq!(it.stages()[0].counts().unfiltered, 2);
        assert_eq!(it.stages()[0].state(), BreakerState::Closed);
    }

    #[test]
    fn a_filter_that_was_not_loaded_redacts_its_fields() {
        let filter = Err::<Obedient, _>(LoadError::Signature);
        let mut it = Pipeline::new().stage(Stage::loaded("broken", &["command_line"], filter));
        let events =
            vec![redacted("command_line", Reason::NotLoaded(LoadError::Signature.to_string()))];
        assert_eq!(run(&mut it, 1, "command_line", "ls"), (MARKER.to_owned(), events));
        assert_eq!(run(&mut it, 2, "command_line", "ls"), (MARKER.to_owned(), vec![]));
    }

    #[test]
    fn the_breaker_opens_redacts_and_one_good_probe_closes_it() {
        let mut it = pipeline();
        for _ in 0..2 {
            run(&mut it, 1, "command_line", "fail");
        }
        let until = Timestamp::from_secs(11);
        let events = vec![redacted("command_line", Reason::Timeout), Event::Opened { until }];
        assert_eq!(run(&mut it, 1, "command_line", "fail"), (MARKER.to_owned(), events));
        assert_eq!(run(&mut it, 10, "command_line", "hello"), (MARKER.to_owned(), vec![]));
        assert_eq!(
            it.stages()[0].counts(),
            Counts { failed: 3, unfiltered: 1, ..Counts::default() }
        );
        let (text, events) = run(&mut it, 11, "command_line", "fail");
        assert_eq!((text.as_str(), events.len()), (MARKER, 2), "a failed probe opens it again");
        assert_eq!(
            run(&mut it, 31, "command_line", "hello"),
            ("x".to_owned(), vec![Event::Closed])
        );
        assert_eq!(run(&mut it, 31, "command_line", "hello"), ("x".to_owned(), vec![]));
    }

    #[test]
    fn a_redacted_text_is_not_shown_to_the_stages_after() {
        let mut it = pipeline().stage(Stage::new("second", &["command_line"], Obedient));
        assert_eq!(run(&mut it, 1, "command_line", "fail").0, MARKER);
        assert_eq!(it.stages()[1].counts(), Counts::default());
    }
}
