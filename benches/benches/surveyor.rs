//! The whole Surveyor beside the exporters that it stands in for, at 1,000 processes: processor time and memory in one run.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gadget_benches::{Limit, Program, Sleeper, asked, print};

const PROCESSES: usize = 1_000;
const SCRAPED_EVERY: Duration = Duration::from_secs(15);
const SCRAPES: u32 = 4;

/// A program that is scraped, and what was measured of it.
struct Exporter {
    name: &'static str,
    program: Program,
    address: SocketAddr,
    before: Duration,
    bytes: usize,
}

fn main() -> Result<()> {
    if !asked("surveyor") {
        return Ok(());
    }
    let release = std::env::current_exe()?;
    let surveyor = release.ancestors().nth(2).context("a bench lies in deps/")?.join("surveyor");
    if !surveyor.exists() {
        eprintln!(
            "SKIPPED surveyor/*: needs {}: cargo build --release -p surveyor",
            surveyor.display()
        );
        return Ok(());
    }
    // Each process in a group of its name, as its documentation begins.
    let mut config = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    config.write_all(b"process_names:\n  - name: \"{{.Comm}}\"\n    cmdline: ['.+']\n")?;
    // Each with a program and memory of its own, as an exporter reads that too.
    let _sleepers: Vec<_> = (0..PROCESSES).map(|_| Sleeper::start()).collect::<Result<_>>()?;
    let mut exporters = Vec::new();
    let mut start = |name, command: &mut Command, listen: fn(SocketAddr) -> String| {
        let address = free_address()?;
        match Program::start_silent(command.arg(listen(address))) {
            Ok(program) => {
                exporters.push(Exporter {
                    name,
                    program,
                    address,
                    before: Duration::ZERO,
                    bytes: 0,
                });
            }
            Err(error) => eprintln!("SKIPPED beside {name}: {error:#}"),
        }
        anyhow::Ok(())
    };
    let listen = |address| format!("--listen={address}");
    start("surveyor", &mut Command::new(surveyor), listen)?;
    let web = |address| format!("--web.listen-address={address}");
    start(
        "process-exporter",
        Command::new("prometheus-process-exporter").arg("-config.path").arg(config.path()),
        |address| format!("-web.listen-address={address}"),
    )?;
    start("node-exporter", &mut Command::new("prometheus-node-exporter"), web)?;
    ensure!(exporters[0].name == "surveyor", "it was started first");

    // Warm: each has begun and was scraped once.
    thread::sleep(Duration::from_secs(12));
    for exporter in &mut exporters {
        exporter.bytes = scrape(exporter.address).with_context(|| exporter.name)?;
        exporter.before = exporter.cpu()?;
    }
    let began = Instant::now();
    for _ in 0..SCRAPES {
        thread::sleep(SCRAPED_EVERY);
        for exporter in &mut exporters {
            exporter.bytes = scrape(exporter.address).with_context(|| exporter.name)?;
        }
    }
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let mut measured = Vec::new();
    for exporter in &exporters {
        let spent = (exporter.cpu()? - exporter.before).as_secs_f64() * 1e3 / minutes;
        let rss = exporter.program.kib("status", "VmRSS:")? as f64 / 1024.0;
        let pss = exporter.program.kib("smaps_rollup", "Pss:")? as f64 / 1024.0;
        println!(
            "{}: {spent:.1} ms of CPU a minute, {rss:.1} MiB resident, {pss:.1} MiB proportional, {} bytes a scrape",
            exporter.name, exporter.bytes
        );
        measured.push((exporter.name, spent, rss));
    }
    let of = |name| measured.iter().find(|it| it.0 == name).copied();
    let (_, cpu, rss) = measured[0];
    let note = format!("{PROCESSES} processes more, scans every 2 s, scraped every 15 s");
    print("surveyor/cpu", cpu / 600.0, "% of a core", Limit::AtMost(2.0), &note);
    print("surveyor/rss", rss, "MiB", Limit::AtMost(95.3), "the contract's 100 MB");
    if let Some((_, theirs, _)) = of("process-exporter") {
        let note = format!("{theirs:.0} ms a minute against {cpu:.0}");
        print(
            "surveyor/process_exporter_cpu_over_ours",
            theirs / cpu,
            "x",
            Limit::AtLeast(40.0),
            &note,
        );
    }
    if let Some((_, theirs, memory)) = of("node-exporter") {
        let note = format!("{memory:.1} MiB against {rss:.1}");
        print("surveyor/rss_over_node_exporter", rss / memory, "x", Limit::AtMost(1.0), &note);
        let note = format!("{theirs:.0} ms a minute against {cpu:.0}");
        print("surveyor/cpu_over_node_exporter", cpu / theirs, "x", Limit::None, &note);
    }
    Ok(())
}

impl Exporter {
    fn cpu(&self) -> Result<Duration> {
        let threads = self.program.cpu().with_context(|| format!("{} ended", self.name))?;
        Ok(threads.values().sum())
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// How many bytes it has to say.
fn scrape(address: SocketAddr) -> Result<usize> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{address} does not serve metrics");
    Ok(answer.len())
}
