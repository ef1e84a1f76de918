//! A host that is made up: what it has is written down, and what the gadget sends of it is looked at.

use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Bytes, Census, CensusRow, CensusSource, CgroupId, Comm, End, Exit, ExitSource, Exits, Gadget,
    HostFacts, IoCount, Plans, ProcessId, Reading, SettingsText, Signal, Subject, TelemetryCell,
    Timestamp, World,
};
use gadget_envelope::{
    AgentDiagEvent, AgentIdentity, AggregateKind, Envelope, Outbox, ProcessEnvelope,
    ProcessEphemeralSummary, SketchEnvelope, TopNBatch,
};
use gadget_surveyor::Surveyor;
use gadget_surveyor::settings::Settings;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn row(pid: u32, name: &str) -> CensusRow {
    CensusRow {
        id: ProcessId { pid, start: u64::from(pid) * 10 },
        parent: 1,
        uid: 0,
        comm: Comm::new(name.as_bytes()),
        state: 'S',
        kernel_thread: false,
        threads: 1,
        execs: Some(1),
        cgroup: Some(CgroupId(1)),
        user: Duration::ZERO,
        system: Duration::ZERO,
        minor_faults: 0,
        major_faults: 0,
        voluntary_switches: None,
        involuntary_switches: None,
        rss: Bytes::new(1 << 20),
        virtual_size: Bytes::new(1 << 30),
        swap: None,
        io: Some(IoCount::default()),
    }
}

pub(crate) fn census(busy: Duration, mut rows: Vec<CensusRow>) -> Census {
    rows.sort_by_key(|row| row.id);
    Census { source: CensusSource::Files, over: None, cost: ms(1), busy, vanished: 0, rows }
}

pub(crate) fn end(row: &CensusRow, user: Duration, lifetime: Duration) -> End {
    End {
        id: row.id,
        parent: row.parent,
        parent_comm: Some(Comm::new(b"shell")),
        comm: row.comm,
        cgroup: row.cgroup,
        exit: Exit { code: Some(0), signal: None, lifetime, peak_rss: Some(Bytes::new(1 << 20)) },
        user: Some(user),
        system: Some(Duration::ZERO),
        execs: 1,
        oom: false,
    }
}

pub(crate) fn exits(ends: Vec<End>) -> Reading {
    let count = ends.len() as u64;
    Reading::Exits(Arc::new(Exits {
        source: ExitSource::Bpf,
        forks: count,
        execs: count,
        produced: 3 * count,
        lost: 0,
        ends,
    }))
}

/// The gadget, and the agent around it.
pub(crate) struct Rig {
    pub(crate) surveyor: Surveyor,
    pub(crate) cell: TelemetryCell,
    pub(crate) outbox: Outbox,
    pub(crate) world: World,
    pub(crate) plans: Plans,
    pub(crate) now: Timestamp,
}

pub(crate) fn identity() -> AgentIdentity {
    AgentIdentity {
        entity_guid: "host-1".into(),
        host_id: "4f".into(),
        boot_id: [7; 16],
        agent_version: "1".into(),
    }
}

pub(crate) fn facts() -> HostFacts {
    HostFacts { boot_id: "b".into(), kernel: "6.18".into(), agent_pid: 9, cpus: 2 }
}

impl Rig {
    /// With these settings, as TOML.
    pub(crate) fn new(settings: &str) -> Self {
        let (cell, outbox) = (TelemetryCell::default(), Outbox::new(10_000));
        let surveyor = Surveyor::builder()
            .settings(Settings::from_toml(settings).unwrap())
            .telemetry(cell.clone())
            .outbox(outbox.clone())
            .identity(identity())
            .build()
            .unwrap();
        let (world, now) = (World::new(facts()), Timestamp::from_secs(1_000));
        Self { surveyor, cell, outbox, world, plans: Plans::default(), now }
    }

    /// One scan in each window.
    pub(crate) fn each_scan(settings: &str) -> Self {
        Self::new(&format!("[telemetry]\nwindow = 1\n{settings}"))
    }

    pub(crate) fn see(&mut self, subject: Subject, reading: Reading) {
        let signal = Signal { at: self.now, subject, reading };
        self.world.observe(&signal);
        self.surveyor.observe(&signal);
    }

    pub(crate) fn ask(&mut self) {
        self.plans.clear();
        self.surveyor.plan(self.now, &self.world, &mut self.plans);
    }

    pub(crate) fn scan(&mut self, census: Census) {
        self.see(Subject::Host, Reading::Census(Arc::new(census)));
        self.ask();
    }

    /// Two seconds later, another scan.
    pub(crate) fn next(&mut self, census: Census) {
        self.now = self.now + ms(2_000);
        self.scan(census);
    }

    /// Ends that are told a second after the last scan.
    pub(crate) fn ended(&mut self, ends: Vec<End>) {
        self.now = self.now + ms(1_000);
        self.see(Subject::Host, exits(ends));
        self.now = self.now - ms(1_000);
    }

    pub(crate) fn set(&mut self, from: &str, text: &str) {
        let gadget = "surveyor".into();
        let text = SettingsText { gadget, from: from.into(), text: text.into() };
        self.see(Subject::Agent, Reading::Settings(Box::new(text)));
        self.ask();
    }

    pub(crate) fn sent(&self) -> Sent {
        let mut sent = Sent::default();
        self.outbox.drain(|envelope| {
            envelope.validate().unwrap();
            match envelope {
                Envelope::Process(it) => sent.processes.push(*it),
                Envelope::Sketch(it) => sent.sketches.push(*it),
                Envelope::Diag(it) => sent.diags.push(*it),
                Envelope::Ephemeral(it) => sent.ephemerals.push(*it),
            }
        });
        sent
    }

    /// The only window that was sent.
    pub(crate) fn window(&self) -> ProcessEnvelope {
        let mut sent = self.sent();
        assert_eq!(sent.processes.len(), 1);
        sent.processes.remove(0)
    }
}

/// What was sent, by kind.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) processes: Vec<ProcessEnvelope>,
    pub(crate) sketches: Vec<SketchEnvelope>,
    pub(crate) diags: Vec<AgentDiagEvent>,
    pub(crate) ephemerals: Vec<ProcessEphemeralSummary>,
}

impl Sent {
    pub(crate) fn diag(&self, kind: &str) -> Option<&AgentDiagEvent> {
        self.diags.iter().find(|event| event.event_type == kind)
    }
}

pub(crate) fn batch(envelope: &ProcessEnvelope) -> &TopNBatch {
    envelope.payload.as_ref().unwrap()
}

pub(crate) fn pids(envelope: &ProcessEnvelope) -> Vec<u32> {
    let mut pids: Vec<_> = batch(envelope).rows.iter().map(|row| row.process_id).collect();
    pids.sort_unstable();
    pids
}

/// CPU time of the residual of a kind, nanoseconds; none if there is none.
pub(crate) fn residual(envelope: &ProcessEnvelope, kind: AggregateKind) -> Option<i64> {
    let row = batch(envelope).residual.iter().find(|row| row.kind() == kind)?;
    Some(row.cpu_user_ns + row.cpu_system_ns)
}
