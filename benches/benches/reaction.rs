//! How long it takes from a stall that crosses its threshold to the system call of the action, on a loaded host.
//!
//! The pressure file is made up, so that the moment of the crossing is known; everything behind it is real: the watch, the
//! agent and its policy, a ledger on disk, and SIGSTOP for a child process.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gadget_actions::Linux;
use gadget_benches::{Limit, asked, print};
use gadget_core::testing::FakeHost;
use gadget_core::{
    Action, ActionError, Agent, Change, Clock, Effect, Expectation, Gadget, HostFacts, Ledger,
    Metric, Name, Plan, PlanId, Plans, Policy, Probability, ProcessId, Reach, Reading,
    RecordedPermit, Resource, Signal, Step, StepKind, Stop, Subject, Summary, SystemClock, Target,
    Timestamp, Undo, World,
};
use gadget_signals::{PressureProvider, Processes, PsiTrigger, StallWatch};

const ROUNDS: usize = 100;
const BUSY_THREADS: usize = 4;

/// So much stall within the window is told.
const STALL: Duration = Duration::from_millis(50);
const WINDOW: Duration = Duration::from_millis(1_000);
/// The made-up total is written about every millisecond and never leaps by more: no kernel's gets ahead of the time, and the
/// watch relies on that.
const LEAP: Duration = Duration::from_micros(1_500);

const TICK: Duration = Duration::from_millis(100);

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
"#;

fn main() -> Result<()> {
    if !asked("reaction") {
        return Ok(());
    }
    match PsiTrigger::host_memory() {
        Ok(trigger) => println!("{}", trigger.describe()),
        Err(error) => println!("no trigger here: {error}"),
    }
    let busy = Arc::new(AtomicBool::new(true));
    let load: Vec<_> = (0..BUSY_THREADS).map(|_| keep_busy(&busy)).collect();
    let results = [("", 0), ("_at_nice_-20", -20)].map(|(how, nice)| (how, measure(nice)));
    busy.store(false, Ordering::Relaxed);
    for thread in load {
        let _ = thread.join();
    }
    for (how, result) in results {
        let (reactions, overslept) = result?;
        let load = format!(
            "{BUSY_THREADS} busy threads, {} tries; a sleep of 10 ms ends {:.1} ms late at its p99",
            reactions.len(),
            overslept.as_secs_f64() * 1e3
        );
        let show = |name: &str, share: usize, limit, of: fn(&Reaction) -> Duration| {
            let mut times: Vec<_> = reactions.iter().map(of).collect();
            times.sort_unstable();
            let value = times[times.len() * share / 100].as_secs_f64() * 1e3;
            print(&format!("reaction/{name}_p{share}{how}"), value, "ms", limit, &load);
        };
        show("stall_to_action", 50, Limit::None, |it| it.from_stall);
        show("stall_to_action", 99, Limit::AtMost(20.0), |it| it.from_stall);
        show("signal_to_action", 50, Limit::None, |it| it.from_signal);
        show("signal_to_action", 99, Limit::None, |it| it.from_signal);
    }
    Ok(())
}

/// One stall and what followed.
struct Reaction {
    from_stall: Duration,
    /// From the time of the reading that told of it.
    from_signal: Duration,
}

/// With the agent's threads at `nice`. Also the 99th percentile of how late a thread beside them wakes, which is the host's
/// share.
fn measure(nice: i32) -> Result<(Vec<Reaction>, Duration)> {
    let stop = Stop::new();
    let host = FakeHost::v2();
    let target = Victim(Command::new("sleep").arg("600").spawn().context("cannot start sleep")?);
    let pid = target.0.id();
    let phase = Arc::new(AtomicU64::new(0));
    let (acted, actions) = channel();
    let mut pressure = StalledFile::open(&host)?;
    let stalls = StallWatch::at(
        host.proc().join("pressure/memory"),
        Subject::Host,
        Resource::Memory,
        STALL,
        WINDOW,
    )?;
    let ledger = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let clock = SystemClock::new();
    let facts = HostFacts::read(std::path::Path::new("/proc"))?;
    let reflex = Reflex { pid, phase: Arc::clone(&phase), stalled: None, open: None };
    let mut agent = Agent::builder()
        .clock(clock)
        .host(facts.clone())
        .provider(stalls, Duration::from_secs(1))
        .provider(Processes::detect()?, Duration::from_secs(1))
        // Gives the gadget an occasion to put its effect back soon.
        .provider(PressureProvider::at(host.proc())?, TICK)
        .gadget_from(move || reflex.clone())
        .actions(Timed { inner: gadget_actions::linux(), clock, acted: Mutex::new(acted) })
        .policy(Policy::from_toml(POLICY)?)
        .ledger(Ledger::open(ledger.path(), &facts, clock.now())?)
        .on_event(|event, _| {
            if let gadget_core::Event::Noted(note) = event {
                eprintln!("{}: {}", note.part, note.text);
            }
        })
        .build()?;
    let run = stop.clone();
    let agent = thread::spawn(move || {
        be_nice(nice);
        agent.run(&run);
    });
    let sleeper = oversleep(stop.clone(), nice);
    // The file should be on time, whatever the load.
    be_nice(-20);
    thread::sleep(Duration::from_secs(3));
    let rounds = (0..ROUNDS).map(|_| round(&mut pressure, &phase, &actions));
    let reactions = rounds.collect::<Result<Vec<_>>>();
    stop.stop();
    let _ = agent.join();
    let reactions: Vec<_> = reactions?.into_iter().flatten().collect();
    anyhow::ensure!(
        reactions.len() > ROUNDS / 2,
        "{} of {ROUNDS} tries are spoiled",
        ROUNDS - reactions.len()
    );
    let overslept = sleeper.join().ok().context("the sleeper panicked")?;
    Ok((reactions, overslept))
}

/// Sleeps 10 ms over and over, as the watch does while it matters, and tells the 99th percentile of its lateness.
fn oversleep(stop: Stop, nice: i32) -> thread::JoinHandle<Duration> {
    thread::spawn(move || {
        be_nice(nice);
        let nap = Duration::from_millis(10);
        let mut late = Vec::new();
        while !stop.is_stopped() {
            let began = Instant::now();
            thread::sleep(nap);
            late.push(began.elapsed().saturating_sub(nap));
        }
        late.sort_unstable();
        late.get(late.len() * 99 / 100).copied().unwrap_or_default()
    })
}

/// Sets the nice value of this thread, and of those that it starts from now on.
fn be_nice(nice: i32) {
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        eprintln!("SKIPPED nice {nice}, so that what follows is measured without: {error}");
    }
}

/// Lets memory stall until the agent has acted, and gives it time to put that back. `None` if what it did was an answer to
/// the try before.
fn round(
    pressure: &mut StalledFile,
    phase: &AtomicU64,
    actions: &Receiver<(Instant, Duration)>,
) -> Result<Option<Reaction>> {
    actions.try_iter().for_each(drop);
    phase.fetch_add(1, Ordering::Relaxed);
    let began = Instant::now();
    let (mut written, mut stalled, mut crossed) = (began, Duration::ZERO, None);
    let (at, from_signal) = loop {
        let now = Instant::now();
        stalled += (now - written).min(LEAP);
        written = now;
        if stalled >= STALL {
            crossed.get_or_insert(now);
        }
        pressure.stall(stalled)?;
        if let Ok(action) = actions.recv_timeout(Duration::from_millis(1)) {
            break action;
        }
        anyhow::ensure!(began.elapsed() < Duration::from_secs(10), "the agent does not react");
    };
    pressure.stall_ends();
    phase.fetch_add(1, Ordering::Relaxed);
    // The window has to pass without a stall, and a tick has to come by for the effect to be put back.
    thread::sleep(WINDOW + 2 * TICK);
    let from_stall = crossed.map(|crossed| at.saturating_duration_since(crossed));
    Ok(from_stall.map(|from_stall| Reaction { from_stall, from_signal }))
}

/// A pressure file whose total grows while there is a stall. Overwritten in place, with a number of fixed width.
struct StalledFile {
    file: File,
    /// Before this stall, and now.
    before: Duration,
    total: Duration,
}

impl StalledFile {
    fn open(host: &FakeHost) -> Result<Self> {
        let path = host.proc().join("pressure/memory");
        let mut file =
            Self { file: File::create(path)?, before: Duration::ZERO, total: Duration::ZERO };
        file.stall(Duration::ZERO)?;
        Ok(file)
    }

    fn stall(&mut self, stall: Duration) -> Result<()> {
        self.total = self.before + stall;
        let total = self.total.as_micros();
        let line = |kind| format!("{kind} avg10=0.00 avg60=0.00 avg300=0.00 total={total:012}\n");
        let text = line("some") + &line("full");
        Ok(self.file.write_all_at(text.as_bytes(), 0)?)
    }

    fn stall_ends(&mut self) {
        self.before = self.total;
    }
}

/// Pauses one process when memory stalls, and lets it go on in the next phase: stalls, which are odd, and calm take turns.
#[derive(Clone)]
struct Reflex {
    pid: u32,
    phase: Arc<AtomicU64>,
    /// The phase in which the last stall was told.
    stalled: Option<u64>,
    /// What was done, and in which phase.
    open: Option<(PlanId, u64)>,
}

impl Gadget for Reflex {
    fn name(&self) -> Name {
        "reflex".into()
    }

    fn observe(&mut self, signal: &Signal) {
        if matches!(signal.reading, Reading::StallTrigger(_)) {
            self.stalled = Some(self.phase.load(Ordering::Relaxed));
        }
    }

    fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
        let phase = self.phase.load(Ordering::Relaxed);
        if let Some((plan, _)) = self.open.take_if(|(_, since)| *since != phase) {
            plans.release(plan);
        }
        let Some((id, _)) = world.process_with_pid(self.pid) else { return };
        if self.stalled == Some(phase) && phase % 2 == 1 && self.open.is_none() {
            plans.propose(self.pause(id, now));
        }
    }

    fn done(&mut self, plan: &Plan) {
        self.open = self.stalled.map(|phase| (plan.id, phase));
    }
}

impl Reflex {
    fn pause(&self, id: ProcessId, now: Timestamp) -> Plan {
        let subject = Subject::Process(id);
        Plan {
            id: PlanId::default(),
            gadget: self.name(),
            at: now,
            step: Step::Pause,
            target: Target { subject, reach: Reach::Alone, name: "sleep".into() },
            reason: "memory stalls".into(),
            confidence: Probability::ONE,
            evidence: [(Name::Borrowed("stalled"), 1.0)].into_iter().collect(),
            expects: Expectation {
                subject,
                change: Change::AtLeast(Metric::ProcessRss, 0.0),
                within: Duration::from_secs(5),
            },
            merit: 1.0,
            deadline: None,
        }
    }
}

/// Tells when the backend has acted, and how long after the plan's signals.
struct Timed {
    inner: Linux,
    clock: SystemClock,
    acted: Mutex<Sender<(Instant, Duration)>>,
}

impl Action for Timed {
    fn supports(&self, kind: StepKind) -> Result<(), ActionError> {
        self.inner.supports(kind)
    }
    fn prepare(&mut self, plan: &Plan) -> Result<Undo, ActionError> {
        self.inner.prepare(plan)
    }
    fn apply(&mut self, permit: RecordedPermit) -> Result<Effect, ActionError> {
        let proposed = permit.plan().at;
        let effect = self.inner.apply(permit)?;
        let message = (Instant::now(), self.clock.now().since(proposed));
        let _ = self.acted.lock().expect("nobody panics here").send(message);
        Ok(effect)
    }
    fn undo(&mut self, undo: &Undo) -> Result<Summary, ActionError> {
        self.inner.undo(undo)
    }
    fn advance(
        &mut self,
        now: Timestamp,
        done: &mut dyn FnMut(PlanId, Result<Effect, ActionError>),
    ) {
        self.inner.advance(now, done);
    }
    fn next_advance(&self) -> Option<Timestamp> {
        self.inner.next_advance()
    }
}

/// The process that is paused; ends with the bench.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn keep_busy(busy: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let busy = Arc::clone(busy);
    thread::spawn(move || {
        let mut number = 1_u64;
        while busy.load(Ordering::Relaxed) {
            for _ in 0..10_000 {
                number = black_box(number.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 1);
            }
        }
    })
}
