//! From a verdict to what is stated and proposed.

use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Assessment, Change, Evidence, Expectation, Name, Plan, PlanId, Probability, ProcessId, Reach,
    Step, Subject, Target, Timestamp, World,
};

use crate::case::Case;
use crate::config::PathologistSettings;
use crate::evidence::Verdict;
use crate::state::State;
use crate::treatment::Next;

/// How long a capture may take, and how long after its end a process may still be seen.
const CAPTURES: Duration = Duration::from_secs(60);
const SETTLES: Duration = Duration::from_secs(5);
const RESTARTS: Duration = Duration::from_secs(60);

/// What the state of a process is, as the agent wants to hear it.
pub(crate) fn assessment(id: ProcessId, case: &Case, at: Timestamp) -> Assessment {
    let verdict = &case.verdict;
    let finding = verdict.finding.as_ref().map(|finding| &finding.statement);
    let statement = finding.or(verdict.statement.as_ref()).map(|text| {
        if case.treatment.survived {
            Arc::from(format!("it was told to end and is still there: {text}"))
        } else {
            Arc::from(text.as_str())
        }
    });
    Assessment {
        gadget: Name::Borrowed(crate::NAME),
        at,
        subject: Subject::Process(id),
        class: Name::Borrowed(verdict.state.name()),
        probability: Probability::saturating(verdict.probability),
        eta: None,
        culprit: verdict.finding.as_ref().map(|finding| Subject::Process(finding.target)),
        statement,
        evidence: evidence(case),
    }
}

/// The state of a process of which only its usage is known.
pub(crate) fn by_usage(id: ProcessId, state: State, at: Timestamp) -> Assessment {
    let verdict = Verdict { state, probability: 0.9, ..Verdict::default() };
    assessment(id, &Case { verdict, ..Case::default() }, at)
}

/// The readings that a person wants to see first.
fn evidence(case: &Case) -> Evidence {
    let mut evidence = Evidence::new();
    let mut say = |name: &'static str, value: f64| {
        // Full: what comes last matters least.
        let _ = evidence.try_push((Name::Borrowed(name), value));
    };
    if let Some(finding) = &case.verdict.finding {
        say("evidence", finding.kind.number());
        say("held_s", finding.held.as_secs_f64());
        say("members", finding.members as f64);
    }
    if let Some(look) = &case.look {
        say("threads", look.threads.threads.len() as f64);
        say("clients_queued", f64::from(look.queued()));
    }
    if let Some(share) = case.verdict.share {
        say("cpu_share", share);
    }
    evidence
}

/// True if the backend can be expected to restart it.
pub(crate) fn is_service(id: ProcessId, world: &World, settings: &PathologistSettings) -> bool {
    let Some(identity) = world.process(id).and_then(|process| process.identity.as_ref()) else {
        return false;
    };
    let path = identity.cgroup_path.as_ref();
    path.is_some_and(|path| path.ends_with(".service"))
        || settings.restartable.contains(&identity.comm)
}

pub(crate) fn plan(
    next: Next,
    id: ProcessId,
    case: &Case,
    world: &World,
    now: Timestamp,
    settings: &PathologistSettings,
) -> Plan {
    let grace = settings.grace;
    let (step, reason, change, within, benefit) = match next {
        Next::Capture => (
            Step::CaptureStacks,
            "a deadlock is proved: keep what shows it",
            Change::Nothing,
            CAPTURES,
            1.0,
        ),
        Next::Restart => (
            Step::Restart,
            "a deadlock is proved, and the service can be restarted",
            Change::Gone,
            RESTARTS,
            3.0,
        ),
        Next::Terminate => (
            Step::Terminate { grace },
            "a deadlock is proved: none of its threads will ever go on",
            Change::Gone,
            grace + SETTLES,
            3.0,
        ),
    };
    let subject = Subject::Process(id);
    let name = world.process(id).map_or("?", |process| process.comm());
    Plan {
        id: PlanId::default(),
        gadget: Name::Borrowed(crate::NAME),
        at: now,
        step,
        target: Target { subject, reach: Reach::Alone, name: Arc::from(name) },
        reason: Name::Borrowed(reason),
        confidence: Probability::saturating(case.verdict.probability),
        evidence: evidence(case),
        expects: Expectation { subject, change, within },
        merit: benefit * case.verdict.probability,
        deadline: None,
    }
}
