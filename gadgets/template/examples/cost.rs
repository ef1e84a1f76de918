//! What the shape of a line costs: thread CPU time per line, of lines on standard input or of a built-in few.
//!
//!     cargo run --release -p gadget-template --example cost < some.log

use std::hint::black_box;
use std::io::{IsTerminal as _, Read as _};

use gadget_template::shape_of;
use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread, in nanoseconds.
fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

const LINES: &str = "\
17:11:09.213 INFO  t.s.TravelServiceImpl#260 TraceID: 30e76ebbc2321b92163103c86ffe90aa SpanID: 9c0995a5087a63ba [getTickets][Calculate distance]
2026-11-27T15:20:03.123Z INFO  api request served method=GET path=/v1/orders/8123 status=200 bytes=5123 duration=12.5ms peer=10.2.33.4:48122 ok
{\"ts\":\"2026-11-27T15:20:03Z\",\"level\":\"info\",\"msg\":\"order accepted\",\"order\":99812,\"customer\":\"c-11823\",\"amount\":12.5,\"currency\":\"EUR\"}
Nov 27 15:20:03 web-3 sshd[4121]: Failed password for invalid user admin from 203.0.113.7 port 51442 ssh2: too many authentication failures now";

fn main() -> std::io::Result<()> {
    let mut text = String::new();
    if !std::io::stdin().is_terminal() {
        std::io::stdin().read_to_string(&mut text)?;
    }
    if text.is_empty() {
        text = LINES.into();
    }
    let lines: Vec<_> = text.lines().map(str::as_bytes).collect();
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    let rounds = (2_000_000 / lines.len()).max(1);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let before = cpu_ns();
        for _ in 0..rounds {
            for line in &lines {
                black_box(shape_of(black_box(line)));
            }
        }
        best = best.min((cpu_ns() - before) / rounds as f64);
    }
    let (line, per_140) = (best / lines.len() as f64, best / bytes as f64 * 140.0);
    println!("shape_of: {line:.0} ns per line, {per_140:.0} ns per 140 bytes");
    Ok(())
}
