//! What redis pays: CPU time of server and client for each request, with and without the server being counted.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gadget_benches::{Limit, identity, median, print};
use gadget_signals::SyscallProfile;

const ROUNDS: usize = 7;
/// SET and GET each.
const REQUESTS: u32 = 40_000;
const PORT: u16 = 16_379;
/// Of the counters of CPU time in `/proc/PID/stat`.
const TICK: Duration = Duration::from_millis(10);

pub(crate) fn measure() -> Result<()> {
    let server = match Server::start()? {
        Some(server) => server,
        None => {
            eprintln!("SKIPPED syscalls/redis: redis-server or redis-benchmark is not installed");
            return Ok(());
        }
    };
    let id = identity(server.0.id())?;
    server.requests()?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(server.requests()?);
        let mut profile = SyscallProfile::host()?;
        ensure!(profile.follow(id)?, "redis is gone");
        with.push(server.requests()?);
    }
    let (without, with) = (median(&mut without), median(&mut with));
    let (without, with) = without.zip(with).context("no rounds")?;
    let base = format!("{without:.2} us a request without, {with:.2} us with");
    print("syscalls/redis", with / without, "x", Limit::AtMost(1.08), &base);
    Ok(())
}

struct Server(Child);

impl Server {
    /// `None` where it is not installed.
    fn start() -> Result<Option<Self>> {
        if Command::new("redis-benchmark").arg("--version").output().is_err() {
            return Ok(None);
        }
        let mut command = Command::new("redis-server");
        command.args(["--port", &PORT.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        let Ok(child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            return Ok(None);
        };
        let server = Self(child);
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", PORT)).is_err() {
            ensure!(Instant::now() < until, "redis does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(server))
    }

    /// CPU time in us of one of many requests, of the server and of its client together.
    fn requests(&self) -> Result<f64> {
        let (server, client) = (self.cpu()?, children()?);
        let (port, count) = (PORT.to_string(), REQUESTS.to_string());
        let mut command = Command::new("redis-benchmark");
        command.args(["-p", &port, "-c", "16", "-n", &count, "-t", "set,get", "-q"]);
        ensure!(command.stdout(Stdio::null()).status()?.success(), "redis-benchmark failed");
        let spent = self.cpu()? - server + (children()? - client);
        Ok(spent.as_secs_f64() * 1e6 / f64::from(2 * REQUESTS))
    }

    fn cpu(&self) -> Result<Duration> {
        let mut sum = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let ns = text.split_ascii_whitespace().next().context("schedstat is empty")?;
            sum += Duration::from_nanos(ns.parse()?);
        }
        Ok(sum)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU time of our children that have ended: fields 16 and 17 of `stat`.
fn children() -> Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, behind) = text.rsplit_once(')').context("no name in stat")?;
    let mut words = behind.split_ascii_whitespace().skip(13);
    let mut ticks = || -> Result<u32> { Ok(words.next().context("stat ends early")?.parse()?) };
    Ok(TICK * (ticks()? + ticks()?))
}
