//! Between forecast and action the ledger allocates nothing, and takes microseconds.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use counting::{Counting, allocations};
use gadget_core::{
    Assessment, CgroupId, Change, Effect, Ending, Entry, Estimate, Evidence, Expectation,
    GuardName, HostFacts, Ledger, Metric, Name, Opinion, Outcome, Plan, PlanId, Probability, Reach,
    Review, Step, Subject, Target, Timestamp, Undo, Verdict, summary,
};

#[path = "../src/testing/counting.rs"]
mod counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn evidence() -> Evidence {
    ["usage", "velocity", "acceleration", "headroom", "refault", "some avg10", "growth", "swap"]
        .into_iter()
        .zip([0.93, 1.5e7, -3.25e4, 6.4e8, 0.0, 12.5, f64::NAN, 17.0])
        .map(|(name, value)| (Name::Borrowed(name), value))
        .collect()
}

fn plan() -> Plan {
    let subject = Subject::Cgroup(CgroupId(7));
    Plan {
        id: PlanId(1),
        gadget: Name::Borrowed("oracle"),
        at: Timestamp::from_secs(1_700_000_000),
        step: Step::Freeze,
        target: Target { subject, reach: Reach::Alone, name: "/kubepods/pod1/leaky".into() },
        reason: Name::Borrowed("leak will exhaust the limit"),
        confidence: Probability::saturating(0.93),
        evidence: evidence(),
        expects: Expectation {
            subject,
            change: Change::AtMost(Metric::MemoryUsed, 1e9),
            within: Duration::from_secs(10),
        },
        merit: 1.25,
        deadline: Some(Duration::from_secs(60)),
    }
}

fn review(plan: &Plan) -> Review {
    Review {
        plan: plan.clone(),
        verdict: Verdict::Permitted,
        opinions: [
            GuardName::Pause,
            GuardName::Autonomy,
            GuardName::Protected,
            GuardName::Stale,
            GuardName::Confidence,
            GuardName::Cooldown,
            GuardName::Budget,
            GuardName::OnePlan,
        ]
        .into_iter()
        .map(|guard| (guard, Opinion::Pass))
        .collect(),
    }
}

#[test]
fn appending_allocates_nothing_once_warm_and_an_idle_ledger_wakes_nobody() {
    let home = tempfile::tempdir().unwrap();
    let facts = HostFacts { boot_id: "a".into(), kernel: "6.1.0".into(), agent_pid: 1, cpus: 2 };
    let mut at = Timestamp::from_secs(1_700_000_000);
    let mut ledger = Ledger::open(home.path(), &facts, at).unwrap();
    let (mut plan, undo) = (plan(), Undo::Thaw { cgroup: CgroupId(7), path: "/leaky".into() });
    let assessment = Assessment {
        gadget: plan.gadget.clone(),
        at,
        subject: plan.target.subject,
        class: Name::Borrowed("leak"),
        probability: plan.confidence,
        eta: Some(Estimate {
            likely: Duration::from_secs(60),
            low: Duration::from_secs(50),
            high: Duration::from_secs(80),
        }),
        culprit: None,
        statement: None,
        evidence: evidence(),
    };
    let effect = Effect { summary: summary(format_args!("froze /leaky")), complete: true };
    let mut review = review(&plan);

    let rounds = 100;
    let mut times = Vec::with_capacity(rounds * 5);
    let mut allocated = 0;
    for round in 0..rounds {
        plan.id = PlanId(round as u64 + 1);
        review.plan.id = plan.id;
        at = at + Duration::from_millis(10);
        let outcome = Outcome::of(&plan, Ending::Met, effect.summary);
        for entry in [
            Entry::Assessed(Cow::Borrowed(&assessment)),
            Entry::Reviewed(Cow::Borrowed(&review)),
            Entry::Intended { plan: Cow::Borrowed(&plan), undo: Cow::Borrowed(&undo) },
            Entry::Done { plan: plan.id, effect: Cow::Borrowed(&effect) },
            Entry::Ended(Cow::Borrowed(&outcome)),
        ] {
            let (before, start) = (allocations(), Instant::now());
            ledger.append(at, &entry).unwrap();
            times.push(start.elapsed());
            if round > 0 {
                allocated += allocations() - before;
            }
        }
    }
    assert_eq!(allocated, 0);
    assert!(allocations() > 0, "opening allocates, and the counter counts");

    times.sort_unstable();
    let synced = Instant::now();
    ledger.sync().unwrap();
    println!(
        "append: median {:?}, p99 {:?} of {}; {} bytes per record; sync {:?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times.len(),
        std::fs::metadata(home.path().join(format!("{:020}.ledger", 0))).unwrap().len()
            / times.len() as u64,
        synced.elapsed()
    );

    // What is under way comes to an end; a thread that woke by itself once in two seconds would never be quiet.
    let quiet = || {
        let before = sleeps();
        std::thread::sleep(Duration::from_millis(2_500));
        sleeps() == before
    };
    assert!((0..8).any(|_| quiet()), "an idle ledger wakes nobody");
    ledger.append(at, &Entry::Assessed(Cow::Borrowed(&assessment))).unwrap();
    assert!((0..8).any(|_| !quiet()), "a record is synced without being asked");
}

/// How often the ledger's thread went to sleep so far, by `/proc/self/task/TID/status`.
fn sleeps() -> u64 {
    let mut tasks = std::fs::read_dir("/proc/self/task").expect("proc is mounted");
    let status = tasks.find_map(|task| {
        let path = task.ok()?.path();
        let comm = std::fs::read_to_string(path.join("comm")).ok()?;
        (comm.trim() == "ledger-sync").then(|| std::fs::read_to_string(path.join("status")))?.ok()
    });
    let status = status.expect("the thread of the one open ledger");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).expect("a count of context switches")
}
