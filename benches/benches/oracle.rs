//! What the Oracle costs per cgroup and second, and its forest beside the one it was trained as.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gadget_benches::{Limit, Scene, ThreadCpu, asked, criterion, print};
use gadget_core::testing::{Counting, allocations};
use gadget_core::{Agent, Gadget, Idle, ManualClock, Plans, thread_cpu};
use gadget_oracle::train::{Example, Growth, Trained, grow};
use gadget_oracle::{Class, FEATURES, Forest, Oracle};
use smartcore::linalg::basic::matrix::DenseMatrix;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const GROUPS: u64 = 500;

fn oracle() -> Oracle {
    Oracle::builder().build().expect("the defaults are valid")
}

/// One tick: 500 cgroups were read, each in full, and the gadget is asked.
fn tick(c: &mut Criterion<ThreadCpu>) {
    let mut group = c.benchmark_group("oracle");
    group.throughput(Throughput::Elements(GROUPS)).sample_size(10);
    let (usual, leaking) = (Scene::new(GROUPS, 1_000), Scene::leaking(GROUPS, 1_000));
    ticks(&mut group, "tick_500_leaking_cgroups (budget 5 us each)", leaking, oracle());
    ticks(&mut group, "tick_500_cgroups (budget 5 us each)", usual, oracle());
    let usual = Scene::new(GROUPS, 1_000);
    ticks(&mut group, "tick_of_an_idle_gadget (baseline)", usual, Idle);

    let mut scene = Scene::new(GROUPS, 1_000);
    let mut agent = Agent::builder()
        .host(Scene::facts())
        .clock(ManualClock::at(scene.now))
        .gadget_from(oracle)
        .build()
        .expect("an agent can be built");
    group.bench_function("step_of_the_whole_agent", |b| {
        b.iter_custom(|ticks| {
            let mut spent = Duration::ZERO;
            for _ in 0..ticks {
                let signals = scene.sweep();
                let start = thread_cpu();
                black_box(agent.step(&signals, scene.now));
                spent += thread_cpu() - start;
            }
            spent
        });
    });
    group.finish();
}

fn ticks(
    group: &mut criterion::BenchmarkGroup<'_, ThreadCpu>,
    name: &str,
    mut scene: Scene,
    mut gadget: impl Gadget,
) {
    let mut plans = Plans::default();
    let mut tick = move || {
        let signals = scene.sweep();
        let start = thread_cpu();
        signals.iter().for_each(|signal| gadget.observe(signal));
        plans.clear();
        gadget.plan(scene.now, &scene.world, &mut plans);
        thread_cpu() - start
    };
    // Two minutes, so that windows are full.
    for _ in 0..120 {
        tick();
    }
    group.bench_function(name, |b| b.iter_custom(|ticks| (0..ticks).map(|_| tick()).sum()));
}

fn forest(c: &mut Criterion<ThreadCpu>) {
    let (examples, rows) = (examples(5_000), examples(256));
    let (trained, forest) = grow(&examples, Growth::default()).expect("a forest can be grown");
    let mut group = c.benchmark_group("forest");
    let matrices: Vec<_> = rows.iter().map(matrix).collect();
    let mut next = (0..rows.len()).cycle();
    group.bench_function("smartcore (baseline)", |b| {
        b.iter(|| trained.predict(&matrices[next.next().unwrap_or(0)]).expect("it fits"));
    });
    group.bench_function("flat (budget 0.25x smartcore)", |b| {
        b.iter(|| forest.class(black_box(&rows[next.next().unwrap_or(0)].row)));
    });
    group.finish();
    if asked("forest") {
        same_classes_without_allocation(&trained, &forest, &rows);
    }
}

fn same_classes_without_allocation(trained: &Trained, forest: &Forest, rows: &[Example]) {
    let before = allocations();
    let classes: Vec<Class> = Vec::with_capacity(rows.len());
    let with_the_list = allocations() - before;
    let mut classes = classes;
    let before = allocations();
    classes.extend(rows.iter().map(|row| forest.class(&row.row)));
    let calls = allocations() - before;
    let differing = rows.iter().zip(&classes).filter(|(row, class)| {
        let theirs = trained.predict(&matrix(row)).expect("it fits");
        theirs != [**class as u32]
    });
    let differing = differing.count();
    assert_eq!(with_the_list, 1, "allocations are not counted");
    print("forest/allocations", calls as f64, "in 256 predictions", Limit::AtMost(0.0), "");
    print("forest/other_classes", differing as f64, "of 256", Limit::AtMost(0.0), "smartcore");
}

fn matrix(row: &Example) -> DenseMatrix<f64> {
    DenseMatrix::from_2d_vec(&vec![row.row.to_vec()]).expect("one row")
}

/// Made-up rows, whose classes follow from a few of the features and some noise, so that trees grow to their depth.
fn examples(count: usize) -> Vec<Example> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64 ^ count as u64;
    let mut uniform = move || {
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        (random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1 << 24) as f32
    };
    let mut examples = Vec::with_capacity(count);
    for _ in 0..count {
        // As the forest compares: rounded to 32 bits.
        let row: [f64; FEATURES] = std::array::from_fn(|_| f64::from(uniform()));
        let score =
            row[0] * row[3] + row[5] * row[7] + row[1].mul_add(0.3, f64::from(uniform()) * 0.2);
        let class = Class::ALL[((score * 5.0) as usize).min(Class::ALL.len() - 1)];
        examples.push(Example {
            scenario: "made up".to_owned(),
            run: "made up".to_owned(),
            row,
            class,
            left: None,
        });
    }
    examples
}

criterion_group!(name = cpu; config = criterion(ThreadCpu); targets = tick, forest);
criterion_main!(cpu);
