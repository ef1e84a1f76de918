//! Which metrics an envelope becomes. README.md has the table of them.

use std::collections::BTreeMap;

use gadget_envelope::{
    AgentDiagEvent, AgentIdentity, AggregateKind, AggregateRow, Envelope, HostTotals, Io,
    ProcessEnvelope, ProcessEphemeralSummary, ProcessRow, Severity, SketchEnvelope, TopNBatch,
};
use gadget_sketch::{Sketch, Summary};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::points::{Form, Points, Span, number, short, text};
use crate::pipeline::Batch;
use crate::prometheus::MetricKind;

/// Entries of a key that become attributes.
const MOST_KEYS: usize = 16;
/// Bytes of their values, and of names of processes, that go with each number.
const MOST_NAME: usize = 255;

/// What is sent for a batch.
#[must_use]
pub fn request(batch: &Batch<'_>, identity: &AgentIdentity) -> ExportMetricsServiceRequest {
    let mut points = Points::at(batch.now_ns);
    for envelope in batch.envelopes {
        match envelope {
            Envelope::Process(it) => processes(&mut points, it),
            Envelope::Sketch(it) => sketch(&mut points, it),
            Envelope::Diag(it) => event(&mut points, it),
            Envelope::Ephemeral(it) => ephemeral(&mut points, it),
        }
    }
    for metric in batch.agent {
        let name = metric.name.strip_prefix("agent_").unwrap_or(&metric.name);
        let form = match metric.kind {
            MetricKind::Gauge => Form::Gauge,
            MetricKind::Counter => Form::Total,
        };
        let attributes: Vec<_> = metric.labels.iter().map(|(key, it)| text(key, it)).collect();
        let span = Span { start: batch.began_ns, end: batch.now_ns };
        points.add((&format!("agent.{name}"), "", form), span, &attributes, metric.value);
    }
    let scope = InstrumentationScope {
        name: "gadget.surveyor".into(),
        version: identity.agent_version.clone(),
        ..Default::default()
    };
    let scope_metrics =
        ScopeMetrics { scope: Some(scope), metrics: points.into_metrics(), ..Default::default() };
    let resource = Resource { attributes: resource(identity), ..Default::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![scope_metrics],
            ..Default::default()
        }],
    }
}

fn resource(identity: &AgentIdentity) -> Vec<KeyValue> {
    let mut attributes = vec![
        text("service.name", "gadget-surveyor"),
        text("service.instance.id", &identity.entity_guid),
        text("service.version", &identity.agent_version),
    ];
    attributes.extend(said("host.id", &identity.host_id));
    attributes
}

/// An attribute, unless it is empty.
fn said(key: &str, value: &str) -> Option<KeyValue> {
    (!value.is_empty()).then(|| text(key, value))
}

/// `base`, and one more.
fn with(base: &[KeyValue], more: KeyValue) -> Vec<KeyValue> {
    base.iter().cloned().chain([more]).collect()
}

fn keys(key: &BTreeMap<String, String>) -> Vec<KeyValue> {
    let each = key.iter().take(MOST_KEYS);
    each.map(|(key, value)| text(&format!("gadget.key.{key}"), short(value, MOST_NAME))).collect()
}

const fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

fn processes(points: &mut Points, it: &ProcessEnvelope) {
    let Some(batch) = &it.payload else { return };
    let span = Span { start: it.window_start_ns, end: it.window_end_ns };
    for row in &batch.rows {
        process(points, span, row);
    }
    for sum in batch.tail.iter().chain(&batch.residual) {
        group(points, span, sum);
    }
    if let Some(it) = &batch.totals {
        totals(points, span, it);
    }
    ranking(points, span, batch);
    let level = ("gadget.surveyor.degradation.level", "1", Form::Gauge);
    points.add(level, span, &[], it.degradation_level);
    let rows = ("gadget.surveyor.dropped.rows", "{row}", Form::Delta);
    points.add(rows, span, &[], it.dropped_rows);
    let envelopes = ("gadget.surveyor.dropped.envelopes", "{envelope}", Form::Gauge);
    points.add(envelopes, span, &[], it.dropped_envelopes);
}

fn ranking(points: &mut Points, span: Span, it: &TopNBatch) {
    for (resource, capture) in [("cpu", it.capture_cpu), ("memory", it.capture_rss)] {
        let capture = capture.filter(|it| (0.0..=1.0).contains(it));
        if let Some(capture) = capture {
            let metric = ("gadget.surveyor.topn.capture", "1", Form::Gauge);
            points.add(metric, span, &[text("resource", resource)], capture);
        }
    }
    points.add(("gadget.surveyor.topn.size", "{process}", Form::Gauge), span, &[], it.n_effective);
    let source = [text("gadget.scan.source", &it.scan_source)];
    let time = ("gadget.surveyor.scan.time", "s", Form::Delta);
    points.add(time, span, &source, it.scan_ns as f64 / 1e9);
    for (change, count) in [
        ("created", it.created),
        ("changed", it.changed),
        ("terminated", it.terminated),
        ("overflow", it.diff_overflow),
        ("vanished", it.vanished),
    ] {
        let metric = ("gadget.surveyor.process.changes", "{process}", Form::Delta);
        points.add(metric, span, &[text("gadget.change", change)], count);
    }
}

/// One process: the names of OpenTelemetry's semantic conventions for processes.
fn process(points: &mut Points, span: Span, row: &ProcessRow) {
    let mut attributes = vec![number("process.pid", row.process_id.into())];
    attributes.extend(said("process.executable.name", short(&row.process_display_name, MOST_NAME)));
    attributes.extend(said("process.owner", &row.user_name));
    let container = row.container.as_ref();
    attributes.extend(container.and_then(|it| said("container.id", &it.id)));
    // What is long goes once, not with each number.
    let mut info = attributes.clone();
    info.push(number("process.parent_pid", row.parent_process_id.into()));
    info.extend(said("process.command", &row.command_name));
    info.extend(said("process.command_line", &row.command_line));
    if let Some(it) = container {
        info.extend(said("container.runtime.name", &it.runtime));
        info.extend(said("k8s.pod.uid", &it.pod));
        info.extend(said("process.linux.cgroup", &it.cgroup));
    }
    points.add(("gadget.surveyor.process.info", "1", Form::Gauge), span, &info, 1u32);
    let user = i64::try_from(row.cpu_user_ns).unwrap_or(i64::MAX);
    let system = i64::try_from(row.cpu_system_ns).unwrap_or(i64::MAX);
    cpu(points, span, &attributes, [user, system]);
    let utilization = ("process.cpu.utilization", "1", Form::Gauge);
    points.add(utilization, span, &attributes, row.cpu_percent / 100.0);
    points.add(("process.memory.usage", "By", Form::Level), span, &attributes, row.rss_bytes);
    points.add(
        ("process.thread.count", "{thread}", Form::Level),
        span,
        &attributes,
        row.thread_count,
    );
    if let Some(count) = row.fd_count {
        let metric = ("process.open_file_descriptor.count", "{file_descriptor}", Form::Level);
        points.add(metric, span, &attributes, count);
    }
    io(points, span, &attributes, row.io.as_ref());
    points.add(("gadget.surveyor.score", "1", Form::Gauge), span, &attributes, row.score);
    let Some(it) = &row.detail else { return };
    points.add(("process.memory.virtual", "By", Form::Level), span, &attributes, it.vms_bytes);
    faults(points, span, &attributes, it.minor_faults, it.major_faults);
    for (kind, count) in
        [("voluntary", it.voluntary_switches), ("involuntary", it.involuntary_switches)]
    {
        if let Some(count) = count {
            let attributes = with(&attributes, text("process.context_switch.type", kind));
            let metric = ("process.context_switches", "{context_switch}", Form::Delta);
            points.add(metric, span, &attributes, count);
        }
    }
}

fn cpu(points: &mut Points, span: Span, attributes: &[KeyValue], [user, system]: [i64; 2]) {
    for (mode, ns) in [("user", user), ("system", system)] {
        let attributes = with(attributes, text("cpu.mode", mode));
        points.add(("process.cpu.time", "s", Form::Delta), span, &attributes, seconds(ns));
    }
}

fn io(points: &mut Points, span: Span, attributes: &[KeyValue], io: Option<&Io>) {
    let Some(io) = io else { return };
    for (direction, bytes) in [("read", io.read_bytes), ("write", io.write_bytes)] {
        let attributes = with(attributes, text("disk.io.direction", direction));
        points.add(("process.disk.io", "By", Form::Delta), span, &attributes, bytes);
    }
}

fn faults(points: &mut Points, span: Span, attributes: &[KeyValue], minor: u64, major: u64) {
    for (kind, count) in [("minor", minor), ("major", major)] {
        let attributes = with(attributes, text("process.paging.fault_type", kind));
        points.add(("process.paging.faults", "{fault}", Form::Delta), span, &attributes, count);
    }
}

/// A sum: the same metrics, so that over rows and sums they add up to the totals.
fn group(points: &mut Points, span: Span, it: &AggregateRow) {
    let kind = match it.kind() {
        AggregateKind::Unspecified => return,
        AggregateKind::Tail => "tail",
        AggregateKind::Other => "other",
        AggregateKind::Ephemeral => "ephemeral",
        AggregateKind::Excluded => "excluded",
        AggregateKind::Unattributed => "unattributed",
    };
    let mut attributes = vec![text("gadget.group.kind", kind)];
    attributes.extend(said("gadget.group", short(&it.process_display_name, MOST_NAME)));
    attributes.extend(keys(&it.key));
    let times = [it.cpu_user_ns, it.cpu_system_ns];
    if it.kind() == AggregateKind::Unattributed {
        // They may be below zero, which nothing that only rises can tell.
        for (mode, ns) in ["user", "system"].into_iter().zip(times) {
            let metric = ("gadget.surveyor.unattributed.cpu.time", "s", Form::Gauge);
            points.add(metric, span, &[text("cpu.mode", mode)], seconds(ns));
        }
        let memory = ("gadget.surveyor.unattributed.memory.usage", "By", Form::Gauge);
        points.add(memory, span, &[], it.rss_bytes);
        return;
    }
    cpu(points, span, &attributes, times.map(|it| it.max(0)));
    points.add(("process.memory.usage", "By", Form::Level), span, &attributes, it.rss_bytes);
    points.add(("process.memory.virtual", "By", Form::Level), span, &attributes, it.vms_bytes);
    points.add(
        ("process.thread.count", "{thread}", Form::Level),
        span,
        &attributes,
        it.thread_count,
    );
    io(points, span, &attributes, it.io.as_ref());
    faults(points, span, &attributes, it.minor_faults, it.major_faults);
    let most = ("gadget.surveyor.group.cpu.utilization.max", "1", Form::Gauge);
    points.add(most, span, &attributes, it.cpu_percent_max / 100.0);
    let most = ("gadget.surveyor.group.memory.usage.max", "By", Form::Gauge);
    points.add(most, span, &attributes, it.rss_max_bytes);
    let count = ("gadget.surveyor.group.processes", "{process}", Form::Level);
    points.add(count, span, &attributes, it.process_count);
    for (name, count) in [("created", it.created), ("exited", it.exited)] {
        let name = format!("gadget.surveyor.group.{name}");
        points.add((&name, "{process}", Form::Delta), span, &attributes, count);
    }
}

fn totals(points: &mut Points, span: Span, it: &HostTotals) {
    let cpu = ("gadget.surveyor.host.cpu.time", "s", Form::Delta);
    points.add(cpu, span, &[], it.cpu_ns as f64 / 1e9);
    let busy = ("gadget.surveyor.host.busy.time", "s", Form::Delta);
    points.add(busy, span, &[], it.busy_ns as f64 / 1e9);
    let memory = ("gadget.surveyor.host.memory.usage", "By", Form::Level);
    points.add(memory, span, &[], it.rss_bytes);
    points.add(("system.process.count", "{process}", Form::Level), span, &[], it.process_count);
    let threads = ("gadget.surveyor.host.thread.count", "{thread}", Form::Level);
    points.add(threads, span, &[], it.threads);
    if let Some(io) = &it.io {
        for (direction, bytes) in [("read", io.read_bytes), ("write", io.write_bytes)] {
            let metric = ("gadget.surveyor.host.disk.io", "By", Form::Delta);
            points.add(metric, span, &[text("disk.io.direction", direction)], bytes);
        }
    }
}

fn sketch(points: &mut Points, it: &SketchEnvelope) {
    let span = Span { start: it.window_start_ns, end: it.window_end_ns };
    let summary = Summary { sum: it.sum, min: it.min, max: it.max };
    let sketch = it.histogram.as_ref().and_then(|it| Sketch::from_proto(it, Some(summary)).ok());
    let metric = (it.metric_name.as_str(), it.unit.as_str());
    let added =
        sketch.is_some_and(|sketch| points.add_sketch(metric, span, &keys(&it.key), &sketch));
    if !added {
        let metric = ("gadget.surveyor.unreadable.sketches", "{sketch}", Form::Delta);
        points.add(metric, span, &[text("gadget.metric", &it.metric_name)], 1u32);
    }
}

fn event(points: &mut Points, it: &AgentDiagEvent) {
    let span = Span { start: it.ts_ns, end: it.ts_ns };
    let severity = match it.severity() {
        Severity::Unspecified | Severity::Info => "info",
        Severity::Warn => "warn",
        Severity::Crit => "crit",
    };
    let attributes = [
        text("gadget.module", &it.module),
        text("gadget.event", &it.event_type),
        text("gadget.severity", severity),
    ];
    let metric = ("gadget.surveyor.events", "{event}", Form::Delta);
    points.add(metric, span, &attributes, 1 + u64::from(it.suppressed));
}

fn ephemeral(points: &mut Points, it: &ProcessEphemeralSummary) {
    let span = Span { start: it.window_start_ns, end: it.window_end_ns };
    let mut attributes = vec![text("gadget.group.kind", "ephemeral")];
    attributes.extend(said("gadget.group", short(&it.process_display_name, MOST_NAME)));
    if it.cgroup_id > 0 {
        attributes.push(number("gadget.cgroup.id", it.cgroup_id));
    }
    for (name, count) in [
        ("execs", it.exec_count),
        ("exits", it.exit_count),
        ("failures", it.nonzero_exit_count),
        ("oom_kills", it.oom_exit_count),
    ] {
        let name = format!("gadget.surveyor.ephemeral.{name}");
        points.add((&name, "{process}", Form::Delta), span, &attributes, count);
    }
    for (&signal, &count) in &it.signal_exit {
        let attributes = with(&attributes, number("gadget.signal", signal.into()));
        let metric = ("gadget.surveyor.ephemeral.signals", "{process}", Form::Delta);
        points.add(metric, span, &attributes, count);
    }
    let time = ("gadget.surveyor.ephemeral.cpu.time", "s", Form::Delta);
    points.add(time, span, &attributes, it.cpu_ns as f64 / 1e9);
    let memory = ("gadget.surveyor.ephemeral.memory.usage.max", "By", Form::Gauge);
    points.add(memory, span, &attributes, it.rss_max_bytes);
    let lifetime = it.lifetime.as_ref().and_then(|it| Sketch::from_proto(it, None).ok());
    if let Some(lifetime) = lifetime {
        points.add_sketch(
            ("gadget.surveyor.ephemeral.lifetime", "s"),
            span,
            &attributes,
            &lifetime,
        );
    }
}
