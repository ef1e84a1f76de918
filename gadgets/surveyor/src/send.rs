//! What is sent carries who sends it and how many went before.

use gadget_core::Timestamp;
use gadget_envelope::{
    AgentDiagEvent, AgentIdentity, Envelope, Outbox, ProcessEnvelope, ProcessEphemeralSummary,
    SketchEnvelope,
};

/// Puts envelopes into the outbox.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    outbox: Outbox,
    identity: AgentIdentity,
    boot_id: Vec<u8>,
    /// Of each kind, how many were made.
    processes: u64,
    sketches: u64,
    diags: u64,
    ephemerals: u64,
}

impl Sender {
    pub(crate) fn new(outbox: Outbox, identity: AgentIdentity) -> Self {
        // All zero is no boot.
        let known = identity.boot_id.iter().any(|&byte| byte != 0);
        let boot_id = if known { identity.boot_id.to_vec() } else { Vec::new() };
        Self { outbox, identity, boot_id, processes: 0, sketches: 0, diags: 0, ephemerals: 0 }
    }

    pub(crate) fn process(&mut self, span: (Timestamp, Timestamp), envelope: ProcessEnvelope) {
        self.processes += 1;
        self.push(ProcessEnvelope {
            entity_guid: self.identity.entity_guid.clone(),
            schema_version: ProcessEnvelope::SCHEMA.into(),
            host_id: self.identity.host_id.clone(),
            boot_id: self.boot_id.clone(),
            seq: self.processes,
            window_start_ns: span.0.as_nanos(),
            window_end_ns: span.1.as_nanos(),
            agent_version: self.identity.agent_version.clone(),
            dropped_envelopes: self.outbox.dropped(),
            ..envelope
        });
    }

    pub(crate) fn sketch(&mut self, span: (Timestamp, Timestamp), envelope: SketchEnvelope) {
        self.sketches += 1;
        self.push(SketchEnvelope {
            entity_guid: self.identity.entity_guid.clone(),
            schema_version: SketchEnvelope::SCHEMA.into(),
            host_id: self.identity.host_id.clone(),
            boot_id: self.boot_id.clone(),
            seq: self.sketches,
            window_start_ns: span.0.as_nanos(),
            window_end_ns: span.1.as_nanos(),
            ..envelope
        });
    }

    pub(crate) fn ephemeral(
        &mut self,
        span: (Timestamp, Timestamp),
        envelope: ProcessEphemeralSummary,
    ) {
        self.ephemerals += 1;
        self.push(ProcessEphemeralSummary {
            entity_guid: self.identity.entity_guid.clone(),
            schema_version: ProcessEphemeralSummary::SCHEMA.into(),
            boot_id: self.boot_id.clone(),
            seq: self.ephemerals,
            window_start_ns: span.0.as_nanos(),
            window_end_ns: span.1.as_nanos(),
            ..envelope
        });
    }

    pub(crate) fn diag(&mut self, event: AgentDiagEvent) {
        self.diags += 1;
        self.push(AgentDiagEvent {
            entity_guid: self.identity.entity_guid.clone(),
            schema_version: AgentDiagEvent::SCHEMA.into(),
            host_id: self.identity.host_id.clone(),
            boot_id: self.boot_id.clone(),
            seq: self.diags,
            // Zero would be no time at all.
            ts_ns: event.ts_ns.max(1),
            ..event
        });
    }

    fn push(&self, envelope: impl Into<Envelope>) {
        let envelope = envelope.into();
        debug_assert_eq!(envelope.validate(), Ok(()));
        self.outbox.push(envelope);
    }
}
