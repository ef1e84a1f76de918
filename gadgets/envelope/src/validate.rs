//! What an envelope has to hold to before it may be sent, or after it was received.

use gadget_sketch::proto::{DdSketch, Store};

use crate::envelope::Envelope;
use crate::error::EnvelopeError;
use crate::generated::{
    AgentDiagEvent, AggregateKind, AggregateRow, LifecycleSource, Mode, ProcessEnvelope,
    ProcessEphemeralSummary, ProcessRow, Severity, SketchEnvelope,
};

/// The `sketch_version` of a histogram whose bins are found by the floor of the logarithm, which is not interpolated.
pub const SKETCH_VERSION: u32 = 1;

/// How far the bucket ratio of a histogram may be from what `gamma` asks for.
const RATIO_TOLERANCE: f64 = 1e-9;

/// What is wrong, with which field.
type Fault = (&'static str, String);

impl Envelope {
    /// Looks whether it keeps its contract: what is required is there, its form is one that we know, numbers are finite, and
    /// what has to add up does.
    ///
    /// Another minor version of the same form is taken for what it is: a form with more fields.
    ///
    /// # Errors
    /// [`EnvelopeError::Invalid`], with the first thing that is wrong.
    pub fn validate(&self) -> Result<(), EnvelopeError> {
        let result = match self {
            Self::Process(it) => process(it),
            Self::Sketch(it) => sketch(it),
            Self::Diag(it) => diag(it),
            Self::Ephemeral(it) => ephemeral(it),
        };
        let kind = self.kind();
        result.map_err(|(field, problem)| EnvelopeError::Invalid { kind, field, problem })
    }
}

fn process(it: &ProcessEnvelope) -> Result<(), Fault> {
    filled("entity_guid", &it.entity_guid)?;
    schema(&it.schema_version, ProcessEnvelope::SCHEMA)?;
    boot_id(&it.boot_id)?;
    window(it.window_start_ns, it.window_end_ns)?;
    ensure(it.mode != Mode::Unspecified as i32, "mode", "is missing")?;
    let batch = it.payload.as_ref().ok_or(("payload", MISSING.to_owned()))?;
    ensure(batch.totals.is_some(), "payload.totals", MISSING)?;
    for (field, share) in
        [("payload.capture_cpu", batch.capture_cpu), ("payload.capture_rss", batch.capture_rss)]
    {
        let share = share.unwrap_or_default();
        ensure((0.0..=1.0).contains(&share), field, format_args!("is {share}"))?;
    }
    for row in &batch.rows {
        ensure(row.process_id != 0, "payload.rows.process_id", MISSING)?;
        not_negative("payload.rows.cpu_percent", row.cpu_percent)?;
        finite("payload.rows.score", row.score)?;
        let gone = row.is(ProcessRow::ENDED) && row.rss_bytes != 0;
        ensure(!gone, "payload.rows.rss_bytes", "is other than 0 after the end")?;
    }
    batch.tail.iter().try_for_each(|sum| aggregate(sum, "payload.tail.kind"))?;
    batch.residual.iter().try_for_each(|sum| aggregate(sum, "payload.residual.kind"))?;
    // A heartbeat has nothing but totals.
    if it.dropped_rows == 0 && it.mode != Mode::Heartbeat as i32 {
        let (cpu, rss) = batch.unaccounted();
        ensure(cpu == 0, "payload.totals.cpu_ns", format_args!("is {cpu} more than its parts"))?;
        ensure(rss == 0, "payload.totals.rss_bytes", format_args!("is {rss} more than its parts"))?;
    }
    Ok(())
}

fn aggregate(it: &AggregateRow, kind: &'static str) -> Result<(), Fault> {
    ensure(it.kind != AggregateKind::Unspecified as i32, kind, MISSING)?;
    not_negative("AggregateRow.cpu_percent_max", it.cpu_percent_max)
}

fn sketch(it: &SketchEnvelope) -> Result<(), Fault> {
    filled("metric_name", &it.metric_name)?;
    schema(&it.schema_version, SketchEnvelope::SCHEMA)?;
    boot_id(&it.boot_id)?;
    window(it.window_start_ns, it.window_end_ns)?;
    let version = it.sketch_version;
    ensure(version == SKETCH_VERSION, "sketch_version", format_args!("is {version}"))?;
    ensure(it.gamma > 0.0 && it.gamma < 1.0, "gamma", format_args!("is {}", it.gamma))?;
    let histogram = it.histogram.as_ref().ok_or(("histogram", MISSING.to_owned()))?;
    let (ratio, count) = counted(histogram, "histogram")?;
    let expected = (1.0 + it.gamma) / (1.0 - it.gamma);
    ensure(
        (ratio - expected).abs() <= RATIO_TOLERANCE,
        "histogram.mapping.gamma",
        format_args!("is {ratio}, where gamma {} asks for {expected}", it.gamma),
    )?;
    ensure(count == it.count, "count", format_args!("is {}, in the bins {count}", it.count))?;
    for (field, value) in [("sum", it.sum), ("min", it.min), ("max", it.max)] {
        finite(field, value)?;
        let none = it.count > 0 || value == 0.0;
        ensure(none, field, format_args!("is {value} of no values"))?;
    }
    ensure(it.min <= it.max, "min", format_args!("is {}, above max {}", it.min, it.max))
}

fn diag(it: &AgentDiagEvent) -> Result<(), Fault> {
    filled("module", &it.module)?;
    filled("event_type", &it.event_type)?;
    filled("reason", &it.reason)?;
    ensure(it.ts_ns != 0, "ts_ns", MISSING)?;
    schema(&it.schema_version, AgentDiagEvent::SCHEMA)?;
    ensure(it.severity != Severity::Unspecified as i32, "severity", MISSING)?;
    boot_id(&it.boot_id)?;
    finite("value", it.value.unwrap_or_default())?;
    finite("threshold", it.threshold.unwrap_or_default())
}

fn ephemeral(it: &ProcessEphemeralSummary) -> Result<(), Fault> {
    filled("entity_guid", &it.entity_guid)?;
    schema(&it.schema_version, ProcessEphemeralSummary::SCHEMA)?;
    boot_id(&it.boot_id)?;
    window(it.window_start_ns, it.window_end_ns)?;
    ensure(it.source != LifecycleSource::Unspecified as i32, "source", MISSING)?;
    let by_signal = it.signal_exit.values().fold(0, |sum: u64, &count| sum.saturating_add(count));
    let lifetimes = it.lifetime.as_ref().map_or(Ok(0), |it| Ok(counted(it, "lifetime")?.1))?;
    for (field, part) in [
        ("nonzero_exit_count", it.nonzero_exit_count),
        ("signal_exit", by_signal),
        ("oom_exit_count", it.oom_exit_count),
        ("lifetime", lifetimes),
    ] {
        let all = it.exit_count;
        ensure(part <= all, field, format_args!("counts {part} of {all} ends"))?;
    }
    let parents = it.parents.len();
    ensure(parents <= 3, "parents", format_args!("are {parents}, where 3 are the most"))
}

/// The bucket ratio of a histogram, and what its bins and its zero count add up to.
fn counted(it: &DdSketch, field: &'static str) -> Result<(f64, u64), Fault> {
    let mapping = it.mapping.as_ref().ok_or((field, "has no mapping".to_owned()))?;
    let ratio = mapping.gamma;
    let sound = ratio.is_finite() && ratio > 1.0;
    ensure(sound, field, format_args!("has a mapping of gamma {ratio}"))?;
    let offset = mapping.index_offset;
    ensure(offset.fract() == 0.0, field, format_args!("has an index offset of {offset}"))?;
    ensure(mapping.interpolation == 0, field, "has a logarithm that is interpolated")?;
    let mut sum = whole(it.zero_count, field)?;
    for store in [&it.positive_values, &it.negative_values].into_iter().flatten() {
        let Store { bin_counts, contiguous_bin_counts, contiguous_bin_index_offset } = store;
        let bins = i32::try_from(contiguous_bin_counts.len()).ok();
        let last = bins.and_then(|bins| contiguous_bin_index_offset.checked_add(bins));
        ensure(last.is_some(), field, "has bins beyond the last index")?;
        for &count in bin_counts.values().chain(contiguous_bin_counts) {
            sum = sum.saturating_add(whole(count, field)?);
        }
    }
    Ok((ratio, sum))
}

/// A count that travels as a double: whole, and small enough to be exact.
fn whole(count: f64, field: &'static str) -> Result<u64, Fault> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let sound = (0.0..=EXACT).contains(&count) && count.fract() == 0.0;
    ensure(sound, field, format_args!("has a count of {count}"))?;
    Ok(count as u64)
}

const MISSING: &str = "is missing";

fn ensure(holds: bool, field: &'static str, problem: impl ToString) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err((field, problem.to_string())) }
}

fn filled(field: &'static str, text: &str) -> Result<(), Fault> {
    ensure(!text.is_empty(), field, MISSING)
}

fn finite(field: &'static str, value: f64) -> Result<(), Fault> {
    ensure(value.is_finite(), field, format_args!("is {value}"))
}

fn not_negative(field: &'static str, value: f64) -> Result<(), Fault> {
    ensure(value.is_finite() && value >= 0.0, field, format_args!("is {value}"))
}

fn boot_id(bytes: &[u8]) -> Result<(), Fault> {
    let length = bytes.len();
    ensure(matches!(length, 0 | 16), "boot_id", format_args!("has {length} bytes"))
}

fn window(start: u64, end: u64) -> Result<(), Fault> {
    ensure(start <= end, "window_end_ns", format_args!("is {end}, before {start}"))
}

/// The same major version; a minor version only adds.
fn schema(theirs: &str, ours: &str) -> Result<(), Fault> {
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    ensure(
        !theirs.is_empty() && major(theirs) == major(ours),
        "schema_version",
        format_args!("is {theirs:?}, where {ours:?} is known"),
    )
}
