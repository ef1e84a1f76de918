//! The endpoint, scraped by Prometheus itself.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use gadget_envelope::{
    AggregateKind, AggregateRow, Delivery, Envelope, HostTotals, Mode, ProcessEnvelope,
    ProcessEphemeralSummary, ProcessRow, SKETCH_VERSION, SketchEnvelope, TopNBatch,
};
use gadget_export::{AgentMetric, Exposition, MetricKind, Prometheus};
use gadget_sketch::Sketch;
use serde_json::Value;

/// What a name of a process may hold, escaped where it was not UTF-8.
const NAMES: [&str; 4] = ["postgres", "a \"b\\\\c\"\n", "\u{1}\r\u{7f}{}=,#", r"größe\xff 🦀"];

fn row(at: usize) -> ProcessRow {
    let cpu = 1_000_000_007 * (at as u64 + 1);
    ProcessRow {
        process_id: 100 + at as u32,
        process_display_name: NAMES[at].into(),
        cpu_user_ns: cpu,
        rss_bytes: 4096,
        score: 1.0 / (at as f64 + 1.0),
        ..Default::default()
    }
}

/// A window of as many processes; all else there is has half a second of CPU time less than the sum of the groups.
fn window(seq: u64, rows: usize) -> Envelope {
    let sum = |kind: AggregateKind, cpu| AggregateRow {
        process_display_name: NAMES[1].into(),
        process_count: 3,
        cpu_user_ns: cpu,
        kind: kind.into(),
        ..Default::default()
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    let (tail, left) = (2_500_000_000_i64, -500_000_000_i64);
    let totals = HostTotals {
        cpu_ns: rows.iter().map(|row| row.cpu_user_ns).sum::<u64>() + 2_000_000_000,
        rss_bytes: 4096 * rows.len() as u64,
        process_count: 3 + rows.len() as u64,
        ..Default::default()
    };
    let envelope: Envelope = ProcessEnvelope {
        entity_guid: "guid".into(),
        schema_version: ProcessEnvelope::SCHEMA.into(),
        mode: Mode::Smart.into(),
        seq,
        window_start_ns: seq * 10_000_000_000,
        window_end_ns: (seq + 1) * 10_000_000_000,
        payload: Some(TopNBatch {
            rows,
            tail: vec![sum(AggregateKind::Tail, tail)],
            residual: vec![sum(AggregateKind::Unattributed, left)],
            totals: Some(totals),
            capture_cpu: Some(0.96875),
            capture_rss: Some(0.75),
            created: 5,
            ..Default::default()
        }),
        ..Default::default()
    }
    .into();
    envelope.validate().unwrap();
    envelope
}

fn others(exposition: &Exposition, seq: u64) {
    let mut values = Sketch::new();
    (1..=100).for_each(|value| values.insert(f64::from(value)));
    let sketch = SketchEnvelope {
        metric_name: "process.cpu.percent".into(),
        key: [("user".to_owned(), NAMES[1].to_owned())].into(),
        schema_version: SketchEnvelope::SCHEMA.into(),
        gamma: 0.0075,
        sketch_version: SKETCH_VERSION,
        histogram: Some(values.to_proto()),
        count: values.count(),
        sum: values.sum(),
        min: 1.0,
        max: 100.0,
        window_start_ns: seq * 10_000_000_000,
        window_end_ns: (seq + 1) * 10_000_000_000,
        ..Default::default()
    };
    let sketch = Envelope::from(sketch);
    sketch.validate().unwrap();
    exposition.absorb(&sketch);
    let ends = ProcessEphemeralSummary {
        process_display_name: NAMES[2].into(),
        window_end_ns: (seq + 1) * 10_000_000_000,
        exit_count: 7,
        signal_exit: [(9, 2)].into(),
        delivery: Some(Delivery { produced_events: 21, lost_events: 1 }),
        ..Default::default()
    };
    exposition.absorb(&ends.into());
    let cpu = AgentMetric {
        name: "cpu_seconds_total".into(),
        help: "CPU time.",
        kind: MetricKind::Counter,
        labels: vec![("module".into(), "scanner".into())],
        value: 1.5,
    };
    let memory = AgentMetric {
        name: "agent_resident_bytes".into(),
        help: "Memory.",
        kind: MetricKind::Gauge,
        labels: vec![],
        value: 9e6,
    };
    exposition.set_agent([cpu, memory]);
}

fn installed(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    let found = asked.status().is_ok();
    if !found {
        println!("SKIPPED: {program} is not installed (Debian's package prometheus)");
    }
    found
}

#[test]
fn the_official_lint_has_nothing_to_say() {
    if !installed("promtool") {
        return;
    }
    let exposition = Exposition::default();
    exposition.absorb(&window(1, NAMES.len()));
    others(&exposition, 1);
    let mut lint = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    lint.stdin.take().unwrap().write_all(exposition.text().as_bytes()).unwrap();
    let output = lint.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&said).as_ref()), (Some(0), ""));
}

#[test]
fn prometheus_stores_what_the_last_window_said() {
    if !installed("prometheus") {
        return;
    }
    let exposition = Exposition::default();
    exposition.absorb(&window(1, NAMES.len()));
    others(&exposition, 1);
    let server = Prometheus::serve((Ipv4Addr::LOCALHOST, 0).into(), exposition.clone()).unwrap();
    let scraper = Scraper::start(server.address());

    scraper.wait_for("up == 1", 1);
    // Each series, once: one that is not understood would end the scrape, a double one would not be stored.
    let lines = exposition.text().lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(scraper.wait_for("scrape_samples_scraped", 1)[0].1, lines as f64);
    assert_eq!(
        scraper.query("count({job=\"surveyor\",__name__!~\"up|scrape_.*\"})")[0].1,
        lines as f64
    );

    let captured = scraper.query("topn_capture_ratio");
    let ratio = |resource: &str| {
        captured.iter().find(|(labels, _)| labels["resource"] == resource).map(|(_, value)| *value)
    };
    assert_eq!((ratio("cpu"), ratio("rss")), (Some(0.96875), Some(0.75)));
    let rows = scraper.query("surveyor_process_cpu_user_seconds");
    assert_eq!(rows.len(), NAMES.len());
    for (labels, value) in &rows {
        let at: usize = labels["pid"].as_str().unwrap().parse::<usize>().unwrap() - 100;
        assert_eq!(labels["name"], NAMES[at]);
        assert_eq!(*value, 1.000_000_007 * (at as f64 + 1.0));
    }
    let parts = "sum({__name__=~\"surveyor_(process|group)_cpu_(user|system)_seconds\"})";
    let rest = scraper.query(&format!("{parts} - sum(surveyor_window_cpu_seconds)"));
    assert!(rest[0].1.abs() < 1e-9, "{rest:?}");
    for (query, value) in [
        ("sum(surveyor_group_cpu_user_seconds{kind=\"unattributed\"})", -0.5),
        ("surveyor_processes_created_total", 5.0),
        ("surveyor_sketch_process_cpu_percent_count", 100.0),
        ("surveyor_sketch_process_cpu_percent_sum", 5050.0),
        ("surveyor_ephemeral_exits_total", 7.0),
        ("surveyor_ephemeral_signals_total{signal=\"9\"}", 2.0),
        ("surveyor_lifecycle_events_total{outcome=\"lost\"}", 1.0),
        ("agent_cpu_seconds_total{module=\"scanner\"}", 1.5),
        ("agent_resident_bytes", 9e6),
    ] {
        let found = scraper.query(query);
        assert_eq!(found.iter().map(|it| it.1).collect::<Vec<_>>(), [value], "{query}");
    }
    // The value at rank 0.99 * 99 is 99.
    let found = scraper.query("surveyor_sketch_process_cpu_percent{quantile=\"0.99\"}");
    assert!((found[0].1 / 99.0 - 1.0).abs() <= 0.0075, "{found:?}");
    assert_eq!(found[0].0["user"], NAMES[1]);

    // A process that is not there any more leaves no series behind; counters go on.
    exposition.absorb(&window(2, 1));
    others(&exposition, 2);
    scraper.wait_for("surveyor_windows_total == 2", 1);
    scraper.wait_for("surveyor_process_score", 1);
    for (query, value) in [
        ("surveyor_processes_created_total", 10),
        ("surveyor_sketch_process_cpu_percent_count", 200),
        ("surveyor_ephemeral_exits_total", 14),
    ] {
        scraper.wait_for(&format!("{query} == {value}"), 1);
    }
}

/// A Prometheus of our own, and the folder of its data.
struct Scraper {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Scraper {
    /// Scrapes `target` once a second.
    fn start(target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: surveyor\n  static_configs:\n  - targets: ['{target}']\n"
        );
        fs::write(&config, text).unwrap();
        // Freed right before it is taken.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, address, _folder: folder }
    }

    /// The labels and values that a query gives now.
    fn query(&self, query: &str) -> Vec<(Value, f64)> {
        self.ask(query).unwrap_or_else(|| panic!("no answer to {query}"))
    }

    /// Asks until as many series are there.
    fn wait_for(&self, query: &str, series: usize) -> Vec<(Value, f64)> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let found = self.ask(query);
            match found {
                Some(found) if found.len() == series => return found,
                _ if Instant::now() > until => panic!("{query}: {found:?}"),
                _ => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn ask(&self, query: &str) -> Option<Vec<(Value, f64)>> {
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let mut connection = TcpStream::connect(self.address).ok()?;
        // The older version, so that nothing comes in chunks.
        write!(connection, "GET /api/v1/query?query={query} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let body: Value = serde_json::from_str(body).ok()?;
        let series = body["data"]["result"].as_array()?.iter();
        series
            .map(|it| Some((it["metric"].clone(), it["value"][1].as_str()?.parse().ok()?)))
            .collect()
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        // It was started here and holds nothing that has to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
