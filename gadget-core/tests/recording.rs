//! A recording replayed: exact, and the same as what the live agent decided.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{
    Agent, Bytes, CgroupId, CgroupIdentity, CgroupMemory, CgroupVersion, Change, Expectation,
    Gadget, HostFacts, ManualClock, MemoryLimit, Metric, Name, Plan, PlanId, Plans, Policy,
    Probability, ProcessId, ProcessIdentity, Reach, Reading, Recorder, Recording, RecordingError,
    Rehearsal, Runtime, Signal, Step, Subject, Target, Timestamp, World, replay,
};

const MIB: u64 = 1 << 20;

/// Wants to freeze every cgroup that is at nine tenths of its limit.
#[derive(Clone)]
struct Brakeman;

impl Gadget for Brakeman {
    fn name(&self) -> Name {
        "brakeman".into()
    }

    fn observe(&mut self, _: &Signal) {}

    fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
        for (id, cgroup) in world.cgroups() {
            let Some(memory) = cgroup.memory else { continue };
            let Some(limit) = memory.max.bytes() else { continue };
            let share = memory.current.as_f64() / limit.as_f64();
            if share < 0.9 {
                continue;
            }
            plans.propose(Plan {
                id: PlanId::default(),
                gadget: self.name(),
                at: now,
                step: Step::Freeze,
                target: Target {
                    subject: Subject::Cgroup(id),
                    reach: Reach::Alone,
                    name: cgroup.path().into(),
                },
                reason: "nearly full".into(),
                confidence: Probability::saturating(share),
                evidence: [(Name::Borrowed("share"), share)].into_iter().collect(),
                expects: Expectation {
                    subject: Subject::Cgroup(id),
                    change: Change::AtMost(Metric::MemoryUsed, limit.as_f64() / 2.0),
                    within: Duration::from_secs(20),
                },
                merit: share,
                deadline: None,
            });
        }
    }
}

fn facts() -> HostFacts {
    HostFacts { boot_id: "8e24".into(), kernel: "6.12.48".into(), agent_pid: 1_000_000, cpus: 2 }
}

fn policy() -> Policy {
    Policy::from_toml("[autonomy]\ndefault = \"act\"\n[blast_radius]\ncgroups = 1.0\n").unwrap()
}

fn cgroup(path: &Arc<str>) -> Reading {
    Reading::CgroupIdentity(Box::new(CgroupIdentity {
        path: Arc::clone(path),
        parent: None,
        version: CgroupVersion::V2,
        container: None,
        oom_group: false,
    }))
}

fn process_in(cgroup: CgroupId, path: &Arc<str>) -> Reading {
    Reading::ProcessIdentity(Box::new(ProcessIdentity {
        parent: 1,
        comm: "service".into(),
        exe: Some("/usr/bin/service".into()),
        uid: 1000,
        cgroup: Some(cgroup),
        cgroup_path: Some(Arc::clone(path)),
        oom_score_adj: Some(0),
        kernel_thread: false,
        runtime: Runtime::Native,
    }))
}

/// Twenty cgroups with a process each whose use rises and falls, each in its own rhythm, one reading every second.
fn second(second: u64) -> Vec<Signal> {
    let at = Timestamp::from_secs(1_700_000_000 + second);
    let mut signals = Vec::new();
    for number in 0..20 {
        let subject = Subject::Cgroup(CgroupId(100 + number));
        if second == 0 {
            let path: Arc<str> = format!("/app/{number}").into();
            let process = ProcessId { pid: 500 + u32::try_from(number).unwrap(), start: 1 };
            signals.push(Signal { at, subject, reading: cgroup(&path) });
            let subject = Subject::Process(process);
            let reading = process_in(CgroupId(100 + number), &path);
            signals.push(Signal { at, subject, reading });
        }
        let period = 40 + 7 * number;
        let memory = CgroupMemory {
            current: Bytes::new(100 * MIB * (second % period) / period),
            max: MemoryLimit::At(Bytes::from_mib(100)),
            high: MemoryLimit::Unlimited,
            stat: None,
            events: None,
        };
        signals.push(Signal { at, subject, reading: Reading::CgroupMemory(memory) });
    }
    signals
}

fn agent(policy: Policy) -> Agent {
    Agent::builder()
        .host(facts())
        .clock(ManualClock::default())
        .gadget(Brakeman)
        .policy(policy)
        .actions(Rehearsal)
        .replaying()
        .build()
        .unwrap()
}

fn record(path: &Path, seconds: u64) {
    let mut recorder = Recorder::create(path, &facts()).unwrap();
    (0..seconds).for_each(|at| recorder.write(&second(at)).unwrap());
    recorder.finish().unwrap();
}

fn replayed(path: &Path, policy: Policy) -> (Vec<u8>, gadget_core::ReplaySummary) {
    let mut agent = agent(policy);
    let summary = replay(Recording::open(path).unwrap(), &mut agent).unwrap();
    (agent.ledger().bytes(), summary)
}

#[test]
fn the_same_recording_gives_the_same_ledger_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.rec");
    record(&path, 600);
    let (first, summary) = replayed(&path, policy());
    let (second, _) = replayed(&path, policy());
    assert!(first == second, "two ledgers of {} and {} bytes differ", first.len(), second.len());
    assert_eq!((summary.batches, summary.signals), (600, 600 * 20 + 2 * 20));
    assert!(summary.done >= 5, "only {} plans were done: too little to compare", summary.done);
    assert!(!summary.cut);

    let (observed, summary) = replayed(&path, Policy::observe());
    assert_eq!(summary.done, 0);
    assert!(observed != first, "other settings, and the same ledger");
}

#[test]
fn an_agent_that_is_stepped_live_decides_what_its_recording_replays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.rec");
    let mut live = Agent::builder()
        .host(facts())
        .clock(ManualClock::default())
        .gadget(Brakeman)
        .policy(policy())
        .actions(Rehearsal)
        .recorder(Recorder::create(&path, &facts()).unwrap())
        .replaying()
        .build()
        .unwrap();
    let mut last = Timestamp::EPOCH;
    for at in 0..300 {
        let signals = second(at);
        last = signals[0].at;
        live.step(&signals, last);
    }
    live.finish(last);
    let (again, summary) = replayed(&path, policy());
    assert!(summary.done > 0);
    assert!(live.ledger().bytes() == again, "the replay decided something else");
}

#[test]
fn a_cut_recording_replays_what_is_there_and_says_that_it_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.rec");
    record(&path, 100);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() * 3 / 4]).unwrap();
    let (_, summary) = replayed(&path, policy());
    assert!(summary.cut);
    assert!((50..100).contains(&summary.batches), "{} batches", summary.batches);
}

#[test]
fn a_recording_of_another_boot_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.rec");
    let other = HostFacts { boot_id: "other".into(), ..facts() };
    Recorder::create(&path, &other).unwrap().finish().unwrap();
    let refused = replay(Recording::open(&path).unwrap(), &mut agent(policy()));
    assert!(matches!(refused, Err(RecordingError::OtherHost { .. })));
}
