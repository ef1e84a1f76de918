//! Verdict to plan.

use std::time::Duration;

use gadget_core::{
    Change, Evidence, Expectation, HostMemory, Metric, Name, Plan, PlanId, Reach, Step, Subject,
    Target, Timestamp,
};

use crate::model::Verdict;

/// What to do about low memory: drop clean page cache, and expect some memory back.
pub(crate) fn drop_caches(now: Timestamp, verdict: &Verdict, memory: &HostMemory) -> Plan {
    let used = memory.total.saturating_sub(memory.available).as_f64();
    Plan {
        // The agent gives it its own.
        id: PlanId::default(),
        gadget: Name::Borrowed(crate::NAME),
        at: now,
        step: Step::DropCaches { level: 1 },
        target: Target { subject: Subject::Host, reach: Reach::Alone, name: "host".into() },
        reason: "memory runs low".into(),
        confidence: verdict.low,
        evidence: evidence(verdict),
        expects: Expectation {
            subject: Subject::Host,
            change: Change::AtMost(Metric::MemoryUsed, used),
            within: Duration::from_secs(10),
        },
        merit: verdict.low.get(),
        deadline: None,
    }
}

/// The readings behind a verdict.
pub(crate) fn evidence(verdict: &Verdict) -> Evidence {
    Evidence::from_iter([("available_percent".into(), verdict.available)])
}
