//! What all providers of the kernel cost while nothing happens: the processor time and the memory of the agent that has them,
//! and what their programs take in the kernel of whatever else this host does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use gadget_benches::{Limit, Program, asked, print, run_until_input_ends};
use gadget_core::{
    Agent, Clock as _, Gadget, HostFacts, KernelCost, Ledger, Name, Plans, Reading, Signal,
    SystemClock, Timestamp, World,
};
use gadget_signals::{Kernel, KernelProviders};

const WARM_UP: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(30);

/// Set for the child that has the providers: where its ledger lies.
const LEDGER: &str = "GADGET_KERNEL_IDLE_LEDGER";

fn main() -> Result<()> {
    if let Some(ledger) = std::env::var_os(LEDGER) {
        return be_agent(ledger.as_ref());
    }
    if !asked("kernel_idle") {
        return Ok(());
    }
    if let Err(error) = Kernel::probe() {
        eprintln!("SKIPPED kernel_idle/*: {error}");
        return Ok(());
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut agent = Command::new(std::env::current_exe()?);
    agent.env(LEDGER, folder.path().join("ledger")).stdout(Stdio::piped());
    let mut agent = Program::start(&mut agent)?;
    thread::sleep(WARM_UP);
    let cpu = |agent: &Program| {
        let threads = agent.cpu().context("the agent ended while it was measured")?;
        anyhow::Ok(threads.values().sum::<Duration>())
    };
    let before = cpu(&agent)?;
    thread::sleep(MEASURED);
    let spent = cpu(&agent)? - before;
    let (rss, peak) = (agent.kib("status", "VmRSS:")?, agent.kib("status", "VmHWM:")?);
    let said = agent.end()?;
    let percent = 100.0 * spent.as_secs_f64() / MEASURED.as_secs_f64();
    let providers = said.lines().filter(|line| line.starts_with("with ")).count();
    said.lines().for_each(|line| println!("{line}"));
    let note = format!("{providers} providers");
    print("kernel_idle/agent_cpu", percent, "% of a core", Limit::AtMost(0.1), &note);
    let note = format!("{:.1} MiB while it started", peak as f64 / 1024.0);
    print("kernel_idle/rss", rss as f64 / 1024.0, "MiB", Limit::AtMost(10.0), &note);
    let share = |line: &str| {
        let (before, _) = line.split_once(" % of a core")?;
        before.rsplit(' ').next()?.parse::<f64>().ok()
    };
    let in_kernel = said.lines().filter_map(share).fold(0.0, |sum, share| sum + share);
    let note = "of what others do meanwhile";
    print("kernel_idle/programs", in_kernel, "% of a core", Limit::None, note);
    Ok(())
}

/// Keeps the last cost of each provider.
struct Costs;

static COSTS: Mutex<Vec<KernelCost>> = Mutex::new(Vec::new());

impl Gadget for Costs {
    fn name(&self) -> Name {
        "costs".into()
    }

    fn observe(&mut self, signal: &Signal) {
        if let (Reading::KernelCost(cost), Ok(mut costs)) = (&signal.reading, COSTS.lock()) {
            costs.retain(|it| it.provider != cost.provider);
            costs.push((**cost).clone());
        }
    }

    fn plan(&mut self, _: Timestamp, _: &World, _: &mut Plans) {}
}

/// The child's part: an agent with all providers, until standard input closes.
fn be_agent(ledger: &Path) -> Result<()> {
    let facts = HostFacts::read(Path::new("/proc"))?;
    let clock = SystemClock::new();
    let ledger = Ledger::open(ledger, &facts, clock.now())?;
    let mut builder =
        Agent::builder().clock(clock).host(facts).ledger(ledger).gadget_from(|| Costs);
    for chosen in KernelProviders::host().chosen {
        println!("with {}: {}", chosen.provider.name(), chosen.decided);
        builder = builder.provider(chosen.provider, chosen.every);
    }
    run_until_input_ends(&mut builder.build()?);
    let costs = COSTS.lock().map_err(|_| anyhow::anyhow!("a gadget panicked"))?;
    for cost in costs.iter().filter(|cost| !cost.over.is_zero()) {
        let share = 100.0 * cost.took.as_secs_f64() / cost.over.as_secs_f64();
        let each = cost.took.as_nanos() as f64 / cost.runs.max(1) as f64;
        println!(
            "in the kernel, {}: {} runs of {each:.0} ns, {share:.4} % of a core; {} lost",
            cost.provider, cost.runs, cost.lost
        );
    }
    Ok(())
}
