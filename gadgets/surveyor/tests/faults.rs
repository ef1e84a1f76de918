//! Real faults of a running agent: each makes it send less, and it comes back from each.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use gadget_core::{
    Agent, Ending, Entry, Gadget, ModuleUse, Name, Outcome, Plan, Plans, Policy, Reading, Scope,
    Signal, SignalProvider as _, Signals, Stop, Telemetry, TelemetryCell, Timestamp, World,
};
use gadget_envelope::AgentDiagEvent;
use gadget_signals::{ModuleHandle, Modules};
use gadget_surveyor::settings;
use gadget_surveyor::watchdog::Watchdog;

const MS: Duration = Duration::from_millis(1);

type Events = Arc<Mutex<Vec<AgentDiagEvent>>>;

/// The ladder alone.
#[derive(Clone)]
struct Ladder {
    watchdog: Watchdog,
    cell: TelemetryCell,
    base: Telemetry,
    events: Events,
}

impl Gadget for Ladder {
    fn name(&self) -> Name {
        "surveyor".into()
    }
    fn observe(&mut self, signal: &Signal) {
        if let Reading::ModuleUse(used) = &signal.reading {
            self.watchdog.observe(used, signal.at);
        }
    }
    fn plan(&mut self, now: Timestamp, _: &World, plans: &mut Plans) {
        let mut events = self.events.lock().unwrap();
        let say = &mut |event| events.push(event);
        self.watchdog.plan(now, self.cell.get(), self.base, plans, say);
    }
    fn done(&mut self, plan: &Plan) {
        self.watchdog.done(plan);
    }
    fn learn(&mut self, outcome: &Outcome) {
        self.watchdog.learn(outcome);
    }
}

fn whole(modules: &mut Modules) -> ModuleUse {
    let mut out = Signals::default();
    modules.sample(Timestamp::EPOCH, Scope::Everything, &mut out).unwrap();
    match &out.as_slice()[0].reading {
        Reading::ModuleUse(used) => (**used).clone(),
        other => panic!("{other:?}"),
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "not {what}");
        thread::sleep(5 * MS);
    }
}

/// A part that lives as long as it is told to, and burns what it is told to.
fn part(
    handle: ModuleHandle,
    beats: Arc<AtomicBool>,
    burns: Arc<AtomicBool>,
    stop: Stop,
) -> impl FnOnce() {
    move || {
        let _here = handle.enter();
        while !stop.is_stopped() {
            if beats.load(Ordering::Relaxed) {
                handle.beat();
            }
            if burns.load(Ordering::Relaxed) {
                (0..100_000_u64).for_each(|n| {
                    black_box(n);
                });
            } else {
                thread::sleep(10 * MS);
            }
        }
    }
}

#[test]
fn each_fault_is_a_step_down_and_each_end_of_one_a_way_back() {
    let mut modules = Modules::over(300 * MS).unwrap();
    let now = whole(&mut modules);
    let limits = settings::Watchdog {
        cpu_percent: 10.0,
        part_cpu_percent: 1_000.0,
        memory_mb: now.memory.unwrap().get() / 1_000_000 + 100,
        part_memory_mb: 1_000_000,
        fds: now.fds.unwrap() + 400,
        heartbeat: 500 * MS,
        readings: 2,
        settle: 500 * MS,
        recover: 200 * MS,
    };
    let base = Telemetry { every: 100 * MS, ..Telemetry::default() };
    let (cell, events) = (TelemetryCell::new(base), Events::default());
    let watchdog = Watchdog::new(&limits);
    let ladder = Ladder { watchdog, cell: cell.clone(), base, events: Arc::clone(&events) };
    let (beats, burns) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let stop = Stop::new();
    let handle = modules.module("part");
    let part = thread::spawn(part(handle, Arc::clone(&beats), Arc::clone(&burns), stop.clone()));
    let mut agent = Agent::builder()
        .provider(modules, 25 * MS)
        .gadget(ladder)
        .actions(gadget_actions::Linux::builder().telemetry(cell.clone()).build())
        .policy(Policy::from_toml(gadget_surveyor::POLICY).unwrap())
        .build()
        .unwrap();
    let run = {
        let stop = stop.clone();
        thread::spawn(move || {
            agent.run(&stop);
            agent
        })
    };
    // What has begun is given time to settle, as each step is.
    thread::sleep(600 * MS);

    let comes_back = || eventually("all is sent again", || cell.get() == base);
    let steps_down = |unit: &str, module: &str| {
        let told = || {
            let events = events.lock().unwrap();
            let mut since = events.iter().rev().take_while(|event| event.event_type == "step_down");
            since.any(|event| event.unit == unit && event.module == module)
        };
        eventually(&format!("a step down for {unit} of {module}"), told);
    };

    burns.store(true, Ordering::Relaxed);
    steps_down("%", "agent");
    burns.store(false, Ordering::Relaxed);
    comes_back();

    let grown = black_box(vec![1_u8; 200 << 20]);
    steps_down("By", "agent");
    drop(grown);
    comes_back();

    let leak: Vec<_> = (0..600).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    steps_down("{fd}", "agent");
    drop(leak);
    comes_back();

    beats.store(false, Ordering::Relaxed);
    steps_down("s", "part");
    beats.store(true, Ordering::Relaxed);
    comes_back();

    stop.stop();
    part.join().unwrap();
    let agent = run.join().unwrap();
    let (mut done, mut ended) = (0, Vec::new());
    for record in agent.ledger().records() {
        match record.unwrap().entry {
            Entry::Done { .. } => done += 1,
            Entry::Ended(outcome) => ended.push(outcome.ending),
            _ => {}
        }
    }
    assert!(done >= 4 && ended.len() == done, "{done} steps, {ended:?}");
    assert!(ended.iter().all(|ending| matches!(ending, Ending::Met | Ending::Unmet)), "{ended:?}");
    let events = events.lock().unwrap();
    assert!(events.iter().all(|event| !event.reason.is_empty() && event.ts_ns > 0));
    for event in &*events {
        println!("{} {}: {}", event.event_type, event.module, event.reason);
    }
}
