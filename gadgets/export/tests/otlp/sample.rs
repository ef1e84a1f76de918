//! Envelopes to send, and what becomes of them.

use std::time::{Duration, Instant};

use gadget_envelope::{
    AgentDiagEvent, AgentIdentity, AggregateKind, AggregateRow, Container, Detail, Envelope,
    HostTotals, Io, Mode, ProcessEnvelope, ProcessEphemeralSummary, ProcessRow, SketchEnvelope,
    TopNBatch,
};
use gadget_export::{ExportHandle, ExportSettings, ExportStats};
use gadget_sketch::{Mapping, Sketch};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric};

pub(crate) fn identity() -> AgentIdentity {
    AgentIdentity {
        entity_guid: "guid".into(),
        host_id: "host".into(),
        agent_version: "1.2.3".into(),
        ..Default::default()
    }
}

/// One that is told from others by `seq`.
pub(crate) fn event(seq: u64) -> Envelope {
    let module = seq.to_string();
    AgentDiagEvent { module, seq, ts_ns: seq, ..Default::default() }.into()
}

/// The numbers of the events in a request.
pub(crate) fn events(request: &ExportMetricsServiceRequest) -> Vec<u64> {
    points(request, "gadget.surveyor.events").iter().map(|it| it.time_unix_nano).collect()
}

pub(crate) fn metrics(request: &ExportMetricsServiceRequest) -> impl Iterator<Item = &Metric> {
    let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    scopes.flat_map(|it| &it.metrics)
}

/// All points of a metric that are numbers.
pub(crate) fn points(request: &ExportMetricsServiceRequest, name: &str) -> Vec<NumberDataPoint> {
    let found = metrics(request).filter(|it| it.name == name);
    found
        .flat_map(|it| match &it.data {
            Some(metric::Data::Sum(it)) => it.data_points.clone(),
            Some(metric::Data::Gauge(it)) => it.data_points.clone(),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// An attribute that is a text.
pub(crate) fn attribute<'a>(point: &'a NumberDataPoint, key: &str) -> Option<&'a str> {
    let found = point.attributes.iter().find(|it| it.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

pub(crate) fn settings(endpoint: String) -> ExportSettings {
    ExportSettings {
        endpoint,
        insecure: true,
        batch_ms: 0,
        batch_envelopes: 8,
        retry_first_ms: 10,
        retry_most_ms: 20,
        timeout_ms: 5000,
        ..Default::default()
    }
}

/// Waits until it is so.
pub(crate) fn until(handle: &ExportHandle, done: impl Fn(&ExportStats) -> bool) -> ExportStats {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let stats = handle.stats();
        if done(&stats) {
            return stats;
        }
        assert!(Instant::now() < end, "{stats:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// One of every kind, with everything that may go wrong in it.
pub(crate) fn odd() -> Vec<Envelope> {
    let row = ProcessRow {
        process_id: 7,
        process_display_name: "ß".repeat(5000),
        user_name: "root".into(),
        cpu_percent: f64::NAN,
        cpu_user_ns: 1_500_000_000,
        cpu_system_ns: u64::MAX,
        rss_bytes: u64::MAX,
        fd_count: Some(3),
        io: Some(Io { read_bytes: 1, write_bytes: 2 }),
        container: Some(Container { id: "c0ffee".into(), ..Default::default() }),
        detail: Some(Detail { voluntary_switches: Some(4), ..Default::default() }),
        score: f64::INFINITY,
        ..Default::default()
    };
    let sum = |kind: AggregateKind, memory| AggregateRow {
        process_display_name: "sh".into(),
        key: (0..500).map(|at| (format!("k{at}"), "v".repeat(9000))).collect(),
        kind: kind.into(),
        rss_bytes: memory,
        cpu_user_ns: memory,
        ..Default::default()
    };
    let batch = TopNBatch {
        rows: vec![row],
        tail: vec![sum(AggregateKind::Tail, 10), sum(AggregateKind::Other, 20)],
        residual: vec![sum(AggregateKind::Unattributed, -5)],
        totals: Some(HostTotals { rss_bytes: 30, ..Default::default() }),
        capture_cpu: Some(0.5),
        capture_rss: Some(f64::NAN),
        n_effective: 1,
        ..Default::default()
    };
    let mode = Mode::Smart.into();
    let process = ProcessEnvelope {
        payload: Some(batch),
        mode,
        window_start_ns: 100,
        window_end_ns: 200,
        ..Default::default()
    };
    let mut all = vec![process.into()];
    for mut sketch in [Sketch::new(), Sketch::with(Mapping::BASE2)] {
        [0.0, -3.0, 1.0, 1.0, 1e6, 1e-3].into_iter().for_each(|it| sketch.insert(it));
        let summary = sketch.summary();
        all.push(
            SketchEnvelope {
                metric_name: "process.rss.bytes".into(),
                unit: "By".into(),
                histogram: Some(sketch.to_proto()),
                count: sketch.count(),
                sum: summary.sum,
                min: summary.min,
                max: summary.max,
                window_start_ns: 100,
                window_end_ns: 200,
                ..Default::default()
            }
            .into(),
        );
    }
    all.push(SketchEnvelope { metric_name: "broken".into(), ..Default::default() }.into());
    let mut lifetime = Sketch::new();
    lifetime.insert(0.25);
    all.push(
        ProcessEphemeralSummary {
            exit_count: 9,
            signal_exit: [(9, 2)].into(),
            lifetime: Some(lifetime.to_proto()),
            ..Default::default()
        }
        .into(),
    );
    all.push(event(3));
    all
}
