//! What the core costs: reviewing a plan, writing to the ledger, measuring a gadget.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use gadget_benches::{Scene, ThreadCpu, criterion};
use gadget_core::{
    Cost, Ending, Entry, Governor, Ledger, Meter, Outcome, Permit, Plan, Policy, Request, Review,
    Step, Summary, Timestamp, Undo,
};

/// Everything is permitted, again and again.
const POLICY: &str = r#"
[autonomy]
default = "act"
[sustained]
low = "0s"
medium = "0s"
high = "0s"
[cooldown]
target = "0s"
kind = "0s"
[budget]
steps = 1000
high_risk = 1000
"#;

fn policy() -> Policy {
    Policy::from_toml(POLICY).expect("the bench's policy is valid")
}

fn reviewed(policy: &mut Policy, scene: &Scene, plan: &Plan) -> (Review, Option<Permit>) {
    policy.review(plan, &Request { now: scene.now, world: &scene.world, incapable: None })
}

fn permitted(policy: &mut Policy, scene: &Scene, plan: &Plan) -> Permit {
    let (review, permit) = reviewed(policy, scene, plan);
    permit.unwrap_or_else(|| panic!("the bench's plan is refused: {:?}", review.decided_by()))
}

/// How the plan ended: told to a policy, its target is free for the next permit.
fn outcome(plan: &Plan) -> Outcome {
    Outcome::of(plan, Ending::Met, Summary::default())
}

fn review(c: &mut Criterion<ThreadCpu>) {
    let mut group = c.benchmark_group("policy");
    let scene = Scene::new(500, 1_000);
    for (name, plan) in [
        ("review_cgroup (budget 5 us)", scene.plan_on_cgroup(Step::Freeze)),
        ("review_process (budget 5 us)", scene.plan_on_process(Step::Kill)),
    ] {
        let (policy, over) = (RefCell::new(policy()), outcome(&plan));
        group.bench_function(name, |b| {
            b.iter_batched(
                || policy.borrow_mut().ended(&over, scene.now),
                |()| permitted(&mut policy.borrow_mut(), &scene, black_box(&plan)),
                BatchSize::PerIteration,
            );
        });
    }
    let plan = scene.plan_on_cgroup(Step::Freeze);
    group.bench_function("copy_of_the_plan (baseline)", |b| b.iter(|| black_box(&plan).clone()));
    group.finish();
}

fn governor(c: &mut Criterion<ThreadCpu>) {
    let mut group = c.benchmark_group("governor");
    group.bench_function("meter_and_charge (budget 2 us)", |b| {
        let mut governor = Governor::new("bench", gadget_core::Budget::default());
        let now = Timestamp::from_secs(1);
        b.iter(|| {
            let meter = Meter::start();
            governor.charge(now, Cost { cpu: Duration::ZERO, ..meter.stop() })
        });
    });
    group.bench_function("thread_cpu (baseline)", |b| b.iter(gadget_core::thread_cpu));
    group.finish();
}

fn ledger(c: &mut Criterion<ThreadCpu>) {
    let mut group = c.benchmark_group("ledger");
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let scene = Scene::new(20, 40);
    let plan = scene.plan_on_cgroup(Step::Freeze);
    let (review, _) = reviewed(&mut policy(), &scene, &plan);
    let entry = Entry::Reviewed(Cow::Borrowed(&review));
    let mut ledger = open(&dir.path().join("append"), &scene);
    group.bench_function("append_review (budget 20 us)", |b| {
        b.iter(|| ledger.append(scene.now, &entry).expect("the disk takes it"));
    });
    let mut memory = Ledger::in_memory(&Scene::facts(), scene.now);
    group.bench_function("append_review_in_memory", |b| {
        b.iter(|| memory.append(scene.now, &entry).expect("memory takes it"));
    });
    let ledger = RefCell::new(open(&dir.path().join("intend"), &scene));
    let (mut policy, over) = (policy(), outcome(&plan));
    group.bench_function("intend_freeze (budget 20 us)", |b| {
        b.iter_batched(
            || {
                policy.ended(&over, scene.now);
                let ended = Entry::Ended(Cow::Borrowed(&over));
                ledger.borrow_mut().append(scene.now, &ended).expect("the disk takes it");
                permitted(&mut policy, &scene, &plan)
            },
            |permit| {
                let recorded = ledger.borrow_mut().intend(permit, Undo::Nothing, scene.now);
                recorded.expect("the disk takes it")
            },
            BatchSize::PerIteration,
        );
    });
    let mut file = File::create(dir.path().join("bare")).expect("a file can be made");
    let record = record();
    group.bench_function("bare_write (baseline)", |b| {
        b.iter(|| file.write_all(black_box(&record)).expect("the disk takes it"));
    });
    group.finish();
}

/// By the wall: fsync is waiting. The ledger's own share is what it takes beyond a bare write and fsync.
fn ledger_sync(c: &mut Criterion<WallTime>) {
    let mut group = c.benchmark_group("ledger_sync");
    group.sample_size(20);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let scene = Scene::new(20, 40);
    let plan = scene.plan_on_cgroup(Step::Freeze);
    let (review, _) = reviewed(&mut policy(), &scene, &plan);
    let entry = Entry::Reviewed(Cow::Borrowed(&review));
    let mut file = File::create(dir.path().join("bare")).expect("a file can be made");
    let record = record();
    group.bench_function("bare_write_and_fsync (baseline)", |b| {
        b.iter(|| {
            file.write_all(&record).expect("the disk takes it");
            file.sync_data().expect("the disk takes it");
        });
    });
    let mut ledger = open(&dir.path().join("sync"), &scene);
    group.bench_function("append_and_sync (budget 2x bare_write_and_fsync)", |b| {
        b.iter(|| {
            ledger.append(scene.now, &entry).expect("the disk takes it");
            ledger.sync().expect("the disk takes it");
        });
    });
    group.finish();
}

fn open(dir: &Path, scene: &Scene) -> Ledger {
    Ledger::open(dir, &Scene::facts(), scene.now).expect("a ledger can be opened")
}

/// About as long as a review is on record.
fn record() -> Vec<u8> {
    vec![b'x'; 1_500]
}

criterion_group!(name = cpu; config = criterion(ThreadCpu); targets = review, governor, ledger);
criterion_group!(name = wall; config = criterion(WallTime); targets = ledger_sync);
criterion_main!(cpu, wall);
