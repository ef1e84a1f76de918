//! Prints the templates of the lines on standard input, with how many lines each has, and what that cost.
//!
//!     cargo run --release -p gadget-template --example mine < some.log

use std::io::Read as _;

use gadget_template::{Miner, MinerSettings};
use rustix::time::{ClockId, clock_gettime};

fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn main() -> std::io::Result<()> {
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;
    let mut miner = Miner::new(MinerSettings::default());
    let (mut lines, before) = (0, cpu_ns());
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        miner.observe(0, line);
        lines += 1;
    }
    let cost = (cpu_ns() - before) / f64::from(lines.max(1));
    for id in 0.. {
        let Some(template) = miner.template(id) else { break };
        if template.count() > 0 {
            println!("{:>8} {:>3} {template}", template.count(), template.kin());
        }
    }
    eprintln!("{lines} lines, {cost:.0} ns each, {:?}", miner.stats());
    Ok(())
}
