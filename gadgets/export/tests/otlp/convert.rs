//! What envelopes become.

use gadget_export::{AgentMetric, Batch, MetricKind, otlp};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, NumberDataPoint, metric,
};
use std::collections::HashSet;
use std::time::Duration;

use crate::sample::{attribute, identity, metrics, odd, points};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;

fn converted() -> ExportMetricsServiceRequest {
    let agent = [
        ("cpu_seconds_total", MetricKind::Counter, 1.5),
        ("fds", MetricKind::Gauge, 9.0),
        ("broken", MetricKind::Gauge, f64::NAN),
    ]
    .map(|(name, kind, value)| AgentMetric {
        name: name.into(),
        help: "h",
        kind,
        labels: vec![("module".into(), "scanner".into())],
        value,
    });
    let envelopes = odd();
    let within = Duration::ZERO;
    let batch = Batch { envelopes: &envelopes, agent: &agent, began_ns: 1, now_ns: 2, within };
    otlp::request(&batch, &identity())
}

fn number(point: &NumberDataPoint) -> f64 {
    match point.value.as_ref().unwrap() {
        Number::AsInt(it) => *it as f64,
        Number::AsDouble(it) => *it,
    }
}

fn histograms(request: &ExportMetricsServiceRequest) -> Vec<ExponentialHistogramDataPoint> {
    let all = metrics(request).filter_map(|it| match &it.data {
        Some(metric::Data::ExponentialHistogram(it)) => Some(it.data_points.clone()),
        _ => None,
    });
    all.flatten().collect()
}

#[test]
fn every_point_is_finite_bounded_and_at_a_time() {
    let request = converted();
    let resource = request.resource_metrics[0].resource.as_ref().unwrap().attributes.len();
    let sound = |attributes: &[KeyValue]| {
        let keys: HashSet<_> = attributes.iter().map(|it| &it.key).collect();
        assert_eq!(keys.len(), attributes.len(), "no key twice");
        assert!(attributes.len() + resource <= 150);
        for it in attributes {
            assert!(it.key.len() <= 255 && !it.key.is_empty());
            let Some(Value::StringValue(text)) = &it.value.as_ref().unwrap().value else {
                continue;
            };
            assert!(text.len() < 4096);
        }
    };
    let (mut numbers, mut names) = (0, HashSet::new());
    for it in metrics(&request) {
        assert!(names.insert(it.name.clone()), "{} twice", it.name);
        let (data, rises) = match it.data.as_ref().unwrap() {
            metric::Data::Gauge(it) => (&it.data_points, false),
            metric::Data::Sum(it) => (&it.data_points, it.is_monotonic),
            metric::Data::ExponentialHistogram(_) => continue,
            other => panic!("{other:?}"),
        };
        assert!(!data.is_empty());
        for point in data {
            numbers += 1;
            sound(&point.attributes);
            assert!(number(point).is_finite(), "{}", it.name);
            assert!(!rises || number(point) >= 0.0, "{} falls", it.name);
            assert!(point.time_unix_nano > 0 && point.start_time_unix_nano <= point.time_unix_nano);
        }
    }
    assert!(numbers > 50, "{numbers}");
    let all = histograms(&request);
    for it in &all {
        sound(&it.attributes);
        let (positive, negative) = (it.positive.as_ref().unwrap(), it.negative.as_ref().unwrap());
        let counts = positive.bucket_counts.iter().chain(&negative.bucket_counts).sum::<u64>();
        assert_eq!(counts + it.zero_count, it.count);
        assert!(it.min <= it.max && it.sum.is_none_or(f64::is_finite));
        assert!(positive.bucket_counts.len() <= 1 << 16);
    }
    let scales: Vec<_> = all.iter().map(|it| (it.scale, it.count)).collect();
    assert_eq!(scales, [(8, 6), (6, 6), (8, 1)]);
}

#[test]
fn buckets_hold_the_values_that_were_inserted() {
    for it in histograms(&converted()) {
        let positive = it.positive.unwrap();
        let base = 2f64.powf(0.5f64.powi(it.scale));
        let filled = positive.bucket_counts.iter().enumerate().filter(|it| *it.1 > 0);
        let middles: Vec<_> =
            filled.map(|(at, _)| base.powf(f64::from(positive.offset) + at as f64 + 0.5)).collect();
        assert!(middles.is_sorted());
        let expected: &[f64] = if it.count == 1 { &[0.25] } else { &[1e-3, 1.0, 1e6] };
        assert_eq!(middles.len(), expected.len());
        for (found, expected) in middles.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 0.01, "{found} {expected}");
        }
    }
}

#[test]
fn processes_have_the_names_of_the_conventions_and_add_up_with_the_sums() {
    let request = converted();
    let time = points(&request, "process.cpu.time");
    let of = |mode| {
        let own = time.iter().filter(|it| attribute(it, "gadget.group.kind").is_none());
        own.clone().find(|it| attribute(it, "cpu.mode") == Some(mode)).map(number)
    };
    assert_eq!(of("user"), Some(1.5));
    let memory = points(&request, "process.memory.usage");
    let kinds: Vec<_> = memory.iter().map(|it| attribute(it, "gadget.group.kind")).collect();
    assert_eq!(kinds, [None, Some("tail"), Some("other")]);
    assert_eq!(memory[1..].iter().map(number).sum::<f64>(), 30.0);
    assert_eq!(memory[0].value, Some(Number::AsInt(i64::MAX)), "what is too much is the most");
    assert_eq!(attribute(&memory[0], "process.owner"), Some("root"));
    assert_eq!(attribute(&memory[0], "container.id"), Some("c0ffee"));
    let below_zero = points(&request, "gadget.surveyor.unattributed.memory.usage");
    assert_eq!(below_zero.iter().map(number).collect::<Vec<_>>(), [-5.0]);
    let capture = points(&request, "gadget.surveyor.topn.capture");
    let capture: Vec<_> =
        capture.iter().map(|it| (attribute(it, "resource"), number(it))).collect();
    assert_eq!(capture, [(Some("cpu"), 0.5)], "what is not a number is not there");
    assert_eq!(points(&request, "process.cpu.utilization").len(), 0);
    assert_eq!(points(&request, "agent.fds").len(), 1);
    assert_eq!(points(&request, "agent.broken").len(), 0);
    assert_eq!(points(&request, "gadget.surveyor.unreadable.sketches").len(), 1);
    assert_eq!(number(&points(&request, "gadget.surveyor.ephemeral.signals")[0]), 2.0);
}
