//! One of each envelope, every field of it set.

use gadget_envelope::{
    AgentDiagEvent, AggregateKind, AggregateRow, Container, Delivery, Detail, Envelope, HostTotals,
    Io, LifecycleSource, Mode, Parent, ProcessEnvelope, ProcessEphemeralSummary, ProcessRow,
    SKETCH_VERSION, Severity, SketchEnvelope, State, TopNBatch,
};
use gadget_sketch::proto::{DdSketch, IndexMapping, Store};

const BEGAN: u64 = 1_700_000_000_000_000_000;
const ENDED: u64 = BEGAN + 10_000_000_000;
const BOOT: [u8; 16] = *b"0123456789abcdef";

pub(crate) fn all() -> [Envelope; 4] {
    [process().into(), sketch().into(), diag().into(), ephemeral().into()]
}

pub(crate) fn process() -> ProcessEnvelope {
    ProcessEnvelope {
        entity_guid: "guid".into(),
        schema_version: ProcessEnvelope::SCHEMA.into(),
        payload: Some(batch()),
        account_id: 1,
        host_id: "host".into(),
        boot_id: BOOT.into(),
        seq: 300,
        window_start_ns: BEGAN,
        window_end_ns: ENDED,
        mode: Mode::Smart.into(),
        agent_version: "0.1.0".into(),
        degradation_level: 1,
        dropped_rows: 2,
        config_version: "c".into(),
        clock_offset_ns: -3,
        dropped_envelopes: 4,
    }
}

fn batch() -> TopNBatch {
    TopNBatch {
        rows: vec![row()],
        tail: vec![aggregate(AggregateKind::Other)],
        n_effective: 20,
        k_total: 500,
        capture_cpu: Some(0.75),
        capture_rss: Some(0.5),
        bypassed: true,
        totals: Some(HostTotals {
            cpu_ns: 1_000,
            rss_bytes: 2_000,
            process_count: 500,
            threads: 900,
            io: Some(io()),
            busy_ns: 1_100,
        }),
        residual: vec![aggregate(AggregateKind::Unattributed)],
        scan_ns: 5,
        scan_source: "files".into(),
        created: 6,
        changed: 7,
        terminated: 8,
        diff_overflow: 9,
        vanished: 10,
    }
}

const fn io() -> Io {
    Io { read_bytes: 4096, write_bytes: 8192 }
}

fn row() -> ProcessRow {
    ProcessRow {
        process_id: 4321,
        start_ticks: 123_456_789,
        parent_process_id: 1,
        process_display_name: "postgres".into(),
        command_name: r"post\xff".into(),
        command_line: "postgres -D /data".into(),
        user_name: "postgres".into(),
        state: u32::from(b'S'),
        cpu_percent: 12.5,
        cpu_user_ns: 600,
        cpu_system_ns: 150,
        rss_bytes: 1_000,
        detail: Some(Detail {
            vms_bytes: 9_000,
            minor_faults: 1,
            major_faults: 2,
            voluntary_switches: Some(3),
            involuntary_switches: Some(4),
            swap_bytes: Some(5),
            pss_bytes: Some(6),
            uid: Some(114),
            cgroup_id: Some(7),
            exe: "/usr/lib/postgresql/bin/postgres".into(),
        }),
        thread_count: 3,
        fd_count: Some(0),
        io: Some(io()),
        container: Some(Container {
            runtime: "docker".into(),
            id: "0a1b".into(),
            pod: "uid".into(),
            cgroup: "/docker/0a1b".into(),
        }),
        score: 0.25,
        flags: 3,
    }
}

fn aggregate(kind: AggregateKind) -> AggregateRow {
    AggregateRow {
        process_display_name: "bash".into(),
        key: [("user".to_owned(), "root".to_owned()), ("container".to_owned(), "0a1b".to_owned())]
            .into(),
        process_count: 11,
        cpu_user_ns: 260,
        cpu_system_ns: -135,
        cpu_percent_max: 1.5,
        rss_bytes: 500,
        rss_max_bytes: 90,
        vms_bytes: -1,
        thread_count: 12,
        io: Some(io()),
        created: 1,
        exited: 2,
        is_other: true,
        kind: kind.into(),
        minor_faults: 3,
        major_faults: 4,
    }
}

fn histogram() -> DdSketch {
    DdSketch {
        mapping: Some(IndexMapping { gamma: 1.0075 / 0.9925, index_offset: 1.0, interpolation: 0 }),
        positive_values: Some(Store {
            bin_counts: [(-7, 1.0), (300, 2.0)].into_iter().collect(),
            contiguous_bin_counts: vec![1.0, 0.0, 3.0],
            contiguous_bin_index_offset: -2,
        }),
        negative_values: Some(Store {
            contiguous_bin_counts: vec![5.0],
            contiguous_bin_index_offset: 9,
            ..Default::default()
        }),
        zero_count: 4.0,
    }
}

pub(crate) fn sketch() -> SketchEnvelope {
    SketchEnvelope {
        metric_name: "process.cpu.percent".into(),
        gamma: 0.0075,
        sketch_version: SKETCH_VERSION,
        histogram: Some(histogram()),
        key: [("user".to_owned(), "root".to_owned())].into(),
        entity_guid: "guid".into(),
        account_id: 1,
        seq: 2,
        window_start_ns: BEGAN,
        window_end_ns: ENDED,
        count: 16,
        sum: 90.5,
        min: -1.25,
        max: 90.0,
        unit: "%".into(),
        schema_version: SketchEnvelope::SCHEMA.into(),
        boot_id: BOOT.into(),
        host_id: "host".into(),
        rejected: 3,
    }
}

pub(crate) fn diag() -> AgentDiagEvent {
    AgentDiagEvent {
        module: "watchdog".into(),
        event_type: "step_down".into(),
        reason: "scanner used 3.1 % of a processor".into(),
        ts_ns: BEGAN,
        severity: Severity::Warn.into(),
        entity_guid: "guid".into(),
        boot_id: BOOT.into(),
        seq: 5,
        state_from: State::Sketches.into(),
        state_to: State::Smart.into(),
        value: Some(3.1),
        threshold: Some(0.0),
        unit: "%".into(),
        attributes: [("module".to_owned(), "scanner".to_owned())].into(),
        schema_version: AgentDiagEvent::SCHEMA.into(),
        suppressed: 6,
        host_id: "host".into(),
    }
}

pub(crate) fn ephemeral() -> ProcessEphemeralSummary {
    ProcessEphemeralSummary {
        entity_guid: "guid".into(),
        schema_version: ProcessEphemeralSummary::SCHEMA.into(),
        window_start_ns: BEGAN,
        window_end_ns: ENDED,
        process_display_name: "cc1".into(),
        cgroup_id: 77,
        exec_count: 100,
        exit_count: 99,
        nonzero_exit_count: 3,
        signal_exit: [(9, 2), (15, 1)].into(),
        oom_exit_count: 1,
        lifetime: Some(histogram()),
        cpu_ns: 1_000,
        rss_max_bytes: 2_000,
        parents: vec![Parent { process_id: 10, name: "make".into(), count: 99 }],
        source: LifecycleSource::Ebpf.into(),
        delivery: Some(Delivery { produced_events: 298, lost_events: 1 }),
        seq: 8,
        boot_id: BOOT.into(),
    }
}
