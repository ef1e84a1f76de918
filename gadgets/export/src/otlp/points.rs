//! Points, gathered by the metric that they belong to.

use std::collections::HashMap;

use gadget_sketch::Sketch;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Metric,
    NumberDataPoint, Sum, metric, number_data_point,
};

/// Attributes that a point has at most, those of the resource left room for.
const MOST_ATTRIBUTES: usize = 120;
/// Bytes of a name, and of a value, at most.
const MOST_NAME: usize = 255;
const MOST_VALUE: usize = 4095;
/// Converts the sketches' own mapping within 1 %; those of scale 6 without loss.
const SCALES: [i32; 2] = [8, 6];

/// An attribute.
pub(super) fn text(key: &str, value: &str) -> KeyValue {
    any(key, any_value::Value::StringValue(short(value, MOST_VALUE).to_owned()))
}

/// An attribute that is a number.
pub(super) fn number(key: &str, value: u64) -> KeyValue {
    any(key, any_value::Value::IntValue(value.try_into().unwrap_or(i64::MAX)))
}

fn any(key: &str, value: any_value::Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: short(key, MOST_NAME).to_owned(), value, ..Default::default() }
}

/// The beginning of a text, of so many bytes at most.
pub(super) fn short(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// How numbers of a metric go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// What is there at one time.
    Gauge,
    /// What is there at one time, and can be summed.
    Level,
    /// What was counted in the window.
    Delta,
    /// What was counted since the agent began.
    Total,
    /// Bins.
    Histogram,
}

/// The time that points are of, nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// A number, as it was.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Integer(i128),
    Float(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// The metrics of one request.
#[derive(Debug)]
pub(super) struct Points {
    /// The time of what does not say its own.
    now: u64,
    metrics: Vec<Metric>,
    /// By name, unit and form: those of one name that differ in the others are two metrics.
    index: HashMap<(String, String, Form), usize>,
}

impl Points {
    pub(super) fn at(now: u64) -> Self {
        Self { now, metrics: Vec::new(), index: HashMap::new() }
    }

    /// One that ended, and not before it began: clocks may be set.
    fn sound(&self, span: Span) -> Span {
        let end = if span.end == 0 { self.now } else { span.end };
        Span { start: span.start.min(end), end }
    }

    pub(super) fn into_metrics(self) -> Vec<Metric> {
        self.metrics
    }

    /// Adds a point; none that is not finite.
    pub(super) fn add(
        &mut self,
        (name, unit, form): (&str, &str, Form),
        span: Span,
        attributes: &[KeyValue],
        value: impl Into<Value>,
    ) {
        let value = match value.into() {
            Value::Float(value) if !value.is_finite() => return,
            Value::Float(value) => number_data_point::Value::AsDouble(value),
            Value::Integer(value) => {
                let most = i128::from(i64::MAX);
                let value = value.clamp(-most, most) as i64;
                number_data_point::Value::AsInt(value)
            }
        };
        let span = self.sound(span);
        let start = if form == Form::Gauge { 0 } else { span.start };
        let point = NumberDataPoint {
            attributes: attributes.iter().take(MOST_ATTRIBUTES).cloned().collect(),
            start_time_unix_nano: start,
            time_unix_nano: span.end,
            value: Some(value),
            ..Default::default()
        };
        match &mut self.metric(name, unit, form).data {
            Some(metric::Data::Gauge(gauge)) => gauge.data_points.push(point),
            Some(metric::Data::Sum(sum)) => sum.data_points.push(point),
            _ => {}
        }
    }

    /// Adds a distribution; false if it cannot be told in bins of powers of two.
    pub(super) fn add_sketch(
        &mut self,
        (name, unit): (&str, &str),
        span: Span,
        attributes: &[KeyValue],
        sketch: &Sketch,
    ) -> bool {
        let Some(it) = SCALES.iter().find_map(|&scale| sketch.to_exponential_histogram(scale).ok())
        else {
            return false;
        };
        let span = self.sound(span);
        let buckets = |it: gadget_sketch::Buckets| {
            Some(Buckets { offset: it.offset, bucket_counts: it.counts })
        };
        let point = ExponentialHistogramDataPoint {
            attributes: attributes.iter().take(MOST_ATTRIBUTES).cloned().collect(),
            start_time_unix_nano: span.start,
            time_unix_nano: span.end,
            count: it.count,
            // One that has values below zero is no sum that only rises.
            sum: (it.sum.is_finite() && it.negative.counts.is_empty()).then_some(it.sum),
            scale: it.scale,
            zero_count: it.zero_count,
            positive: buckets(it.positive),
            negative: buckets(it.negative),
            min: it.min.filter(|it| it.is_finite()),
            max: it.max.filter(|it| it.is_finite()),
            ..Default::default()
        };
        if let Some(metric::Data::ExponentialHistogram(histogram)) =
            &mut self.metric(name, unit, Form::Histogram).data
        {
            histogram.data_points.push(point);
        }
        true
    }

    fn metric(&mut self, name: &str, unit: &str, form: Form) -> &mut Metric {
        let key = (short(name, MOST_NAME).to_owned(), short(unit, MOST_NAME).to_owned(), form);
        let next = self.metrics.len();
        let at = *self.index.entry(key.clone()).or_insert(next);
        if at == next {
            let (name, unit, _) = key;
            self.metrics.push(Metric { name, unit, data: Some(empty(form)), ..Default::default() });
        }
        &mut self.metrics[at]
    }
}

fn empty(form: Form) -> metric::Data {
    let (delta, cumulative) = (AggregationTemporality::Delta, AggregationTemporality::Cumulative);
    let sum = |temporality, is_monotonic| {
        let aggregation_temporality = i32::from(temporality);
        metric::Data::Sum(Sum { data_points: Vec::new(), aggregation_temporality, is_monotonic })
    };
    match form {
        Form::Gauge => metric::Data::Gauge(Gauge::default()),
        Form::Level => sum(cumulative, false),
        Form::Delta => sum(delta, true),
        Form::Total => sum(cumulative, true),
        Form::Histogram => metric::Data::ExponentialHistogram(ExponentialHistogram {
            data_points: Vec::new(),
            aggregation_temporality: delta.into(),
        }),
    }
}
