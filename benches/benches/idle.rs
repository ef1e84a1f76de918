//! Agents at rest, side by side for a minute: the Oracle on a host with 500 more processes and 200 limited cgroups, the
//! memory guard alone, and what else people install for the same, where it is installed.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gadget_benches::{Limit, OwnGroups, Program, asked, print, run_until_input_ends};
use gadget_core::{Agent, Bytes, Clock as _, HostFacts, Ledger, SystemClock};
use gadget_oracle::Oracle;
use gadget_signals::{Cgroups, HostProviders};

const PROCESSES: usize = 500;
const GROUPS: u32 = 200;

/// Long enough for windows to be full and caches to be warm.
const WARM_UP: Duration = Duration::from_secs(20);
const MEASURED: Duration = Duration::from_secs(60);

/// Where the exporter is asked to listen, and how often it is asked for its metrics: Prometheus' default.
const EXPORTER: &str = "127.0.0.1:19100";
const SCRAPE_EVERY: Duration = Duration::from_secs(15);

/// Set for a child: which agent to be, where its ledger lies, and which cgroups it watches: only our own, for what others
/// on this machine do to theirs is not rest.
const ROLE: &str = "GADGET_IDLE_ROLE";
const LEDGER: &str = "GADGET_IDLE_LEDGER";
const CGROUPS: &str = "GADGET_IDLE_CGROUPS";

fn main() -> Result<()> {
    if let Ok(role) = std::env::var(ROLE) {
        return be_agent(&role);
    }
    if !asked("idle") {
        return Ok(());
    }
    let groups = OwnGroups::make(GROUPS, Bytes::from_mib(64))
        .context("SKIPPED idle/*: no cgroups can be made here");
    let Ok(groups) = groups.inspect_err(|error| eprintln!("{error:#}")) else { return Ok(()) };
    let life = (WARM_UP + MEASURED).as_secs() + 120;
    let _sleepers = (0..PROCESSES)
        .map(|_| Program::start_silent(Command::new("sleep").arg(life.to_string())))
        .collect::<Result<Vec<_>>>()?;

    let exe = std::env::current_exe()?;
    let ledgers = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let agent = |role: &str| {
        let ledger = ledgers.path().join(role);
        Program::start_silent(
            Command::new(&exe).env(ROLE, role).env(LEDGER, ledger).env(CGROUPS, groups.path()),
        )
    };
    let (oracle, guard) = (agent("oracle")?, agent("guard")?);
    let earlyoom = peer(Command::new("earlyoom").args(["--dryrun", "-r", "0"]));
    let exporter =
        peer(Command::new("prometheus-node-exporter").args(["--web.listen-address", EXPORTER]));

    // Until the exporter listens.
    thread::sleep(Duration::from_secs(3));
    let exporter_runs = exporter.is_some();
    rest(WARM_UP, exporter_runs);
    let agents = [Some(&oracle), Some(&guard), earlyoom.as_ref(), exporter.as_ref()];
    let before = agents.map(|agent| agent.and_then(Program::cpu));
    rest(MEASURED, exporter_runs);
    let after = agents.map(|agent| agent.and_then(Program::cpu));
    let minute = |spent: Duration| spent.as_secs_f64() * 1e3 * 60.0 / MEASURED.as_secs_f64();
    let cpu = |index: usize| {
        let (after, before) = after[index].as_ref().zip(before[index].as_ref())?;
        Some(minute(after.values().sum::<Duration>() - before.values().sum::<Duration>()))
    };
    for (thread, spent) in after[0].iter().flatten() {
        let before = before[0].as_ref().and_then(|before| before.get(thread));
        println!(
            "oracle, {thread}: {:.1} ms",
            minute(*spent - before.copied().unwrap_or_default())
        );
    }
    let of = |name: &str, index: usize| cpu(index).map(|cpu| format!("{name} {cpu:.1} ms"));
    let peers: Vec<_> = [of("earlyoom", 2), of("node-exporter", 3)].into_iter().flatten().collect();
    let running =
        fs::read_dir("/proc")?.flatten().filter(|it| is_pid(it.file_name().to_str())).count();
    println!("{running} processes run on this host");

    let unit = "ms of CPU a minute";
    let oracle_cpu = cpu(0).context("the Oracle ended while it was measured")?;
    print("idle/oracle_cpu", oracle_cpu, unit, Limit::AtMost(60.0), &peers.join(", "));
    let guard_cpu = cpu(1).context("the guard ended while it was measured")?;
    let guard_limit = cpu(2).map_or(Limit::None, Limit::AtMost);
    print("idle/memory_guard_cpu", guard_cpu, unit, guard_limit, &peers.join(", "));
    for (name, agent, limit) in [
        ("oracle", Some(&oracle), Limit::AtMost(12.0)),
        ("memory_guard", Some(&guard), Limit::AtMost(12.0)),
        ("earlyoom", earlyoom.as_ref(), Limit::None),
        ("node_exporter", exporter.as_ref(), Limit::None),
    ] {
        let Some(agent) = agent else { continue };
        let mib = |kib: u64| kib as f64 / 1024.0;
        let (rss, pss) = (agent.kib("status", "VmRSS:")?, agent.kib("smaps_rollup", "Pss:")?);
        let pss = format!("PSS {:.1} MiB", mib(pss));
        print(&format!("idle/{name}_rss"), mib(rss), "MiB", limit, &pss);
    }
    Ok(())
}

fn is_pid(name: Option<&str>) -> bool {
    name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Starts a program for comparison, if it is there.
fn peer(command: &mut Command) -> Option<Program> {
    let name = command.get_program().to_string_lossy().into_owned();
    match Program::start_silent(command) {
        Ok(agent) => Some(agent),
        Err(error) => {
            eprintln!("SKIPPED the comparison with {name}: {error:#}");
            None
        }
    }
}

/// Waits, and asks the exporter for its metrics as often as Prometheus would.
fn rest(duration: Duration, scrape: bool) {
    let end = Instant::now() + duration;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        if scrape && let Err(error) = scrape_once() {
            eprintln!("the exporter does not answer: {error}");
        }
        thread::sleep(left.min(SCRAPE_EVERY));
    }
}

fn scrape_once() -> std::io::Result<()> {
    let mut stream = TcpStream::connect(EXPORTER)?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}

/// The child's part: an agent as `examples/oracle` puts it together, until standard input closes.
fn be_agent(role: &str) -> Result<()> {
    let facts = HostFacts::read(Path::new("/proc"))?;
    let clock = SystemClock::new();
    let ledger = std::env::var_os(LEDGER).context("the parent says where the ledger lies")?;
    let mut builder = Agent::builder()
        .clock(clock)
        .host(facts.clone())
        .ledger(Ledger::open(ledger, &facts, clock.now())?)
        .gadget_from(|| Oracle::builder().build().expect("the defaults are valid"));
    // The host as the program watches it, and of the cgroups only our own, at the same pace.
    let mut chosen = HostProviders::for_memory(&[])?.chosen;
    for chosen in &mut chosen {
        if chosen.provider.name() == "cgroups" {
            let cgroups = std::env::var(CGROUPS).context("the parent says which to watch")?;
            chosen.provider = Box::new(Cgroups::detect()?.subtree(&cgroups));
        }
    }
    for chosen in chosen {
        let guards = ["host-memory", "pressure", "psi-trigger", "stall-watch"];
        if role == "oracle" || guards.contains(&chosen.provider.name()) {
            builder = builder.provider(chosen.provider, chosen.every);
        }
    }
    run_until_input_ends(&mut builder.build()?);
    Ok(())
}
