//! Envelopes on their way out.

use gadget_core::Timestamp;
use gadget_envelope::{
    AgentDiagEvent, AgentIdentity, Outbox, ProcessEnvelope, ProcessEphemeralSummary, SketchEnvelope,
};

/// Adds to envelopes who sends them and their number.
#[derive(Clone)]
pub(crate) struct Sender {
    identity: AgentIdentity,
    outbox: Outbox,
    processes: u64,
    sketches: u64,
    diags: u64,
    ephemerals: u64,
}

/// A window's begin and end.
pub(crate) type Span = (Timestamp, Timestamp);

impl Sender {
    pub(crate) const fn new(identity: AgentIdentity, outbox: Outbox) -> Self {
        Self { identity, outbox, processes: 0, sketches: 0, diags: 0, ephemerals: 0 }
    }

    fn boot_id(&self) -> Vec<u8> {
        let known = self.identity.boot_id != [0; 16];
        if known { self.identity.boot_id.to_vec() } else { Vec::new() }
    }

    pub(crate) fn process(&mut self, (from, to): Span, envelope: ProcessEnvelope) {
        self.processes += 1;
        let made = ProcessEnvelope {
            entity_guid: self.identity.entity_guid.clone(),
            schema_version: ProcessEnvelope::SCHEMA.to_owned(),
            host_id: self.identity.host_id.clone(),
            boot_id: self.boot_id(),
            seq: self.processes,
            window_start_ns: from.as_nanos(),
            window_end_ns: to.as_nanos(),
            agent_version: self.identity.agent_version.clone(),
            dropped_envelopes: self.outbox.dropped(),
            ..envelope
        };
        self.outbox.push(made.into());
    }

    pub(crate) fn sketch(&mut self, (from, to): Span, envelope: SketchEnvelope) {
        self.sketches += 1;
        let made = SketchEnvelope {
            entity_guid: self.identity.entity_guid.clone(),
            schema_version: SketchEnvelope::SCHEMA.to_owned(),
            host_id: self.identity.host_id.clone(),
            boot_id: self.boot_id(),
            seq: self.sketches,
            window_start_ns: from.as_nanos(),
            window_end_ns: to.as_nanos(),
            ..envelope
        };
        self.outbox.push(made.into());
    }

    pub(crate) fn ephemeral(&mut self, (from, to): Span, summary: ProcessEphemeralSummary) {
        self.ephemerals += 1;
        let made = ProcessEphemeralSummary {
            entity_guid: self.identity.entity_guid.clone(),
            schema_version: ProcessEphemeralSummary::SCHEMA.to_owned(),
            boot_id: self.boot_id(),
            seq: self.ephemerals,
            window_start_ns: from.as_nanos(),
            window_end_ns: to.as_nanos(),
            ..summary
        };
        self.outbox.push(made.into());
    }

    pub(crate) fn diag(&mut self, event: AgentDiagEvent) {
        self.diags += 1;
        let made = AgentDiagEvent {
            entity_guid: self.identity.entity_guid.clone(),
            schema_version: AgentDiagEvent::SCHEMA.to_owned(),
            host_id: self.identity.host_id.clone(),
            boot_id: self.boot_id(),
            seq: self.diags,
            ..event
        };
        self.outbox.push(made.into());
    }
}
