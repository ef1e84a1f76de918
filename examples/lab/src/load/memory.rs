//! Workloads of one process: hold, leak, burst, page cache.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{Shape, paced, ready, until_closed};
use crate::rng::Rng;
use crate::sys::Arena;

/// The starting size is taken at 64 MiB/s, as a program that loads its data: a jump would be an incident of its own.
fn start(arena: &mut Arena, base: u64) -> io::Result<()> {
    while arena.resident() < base {
        arena.resize((arena.resident() + (4 << 20)).min(base))?;
        thread::sleep(Duration::from_millis(60));
    }
    Ok(())
}

pub(super) fn hold(
    base: u64,
    peak: u64,
    ramp: f64,
    churn: u64,
    seconds: f64,
) -> anyhow::Result<()> {
    let peak = peak.max(base);
    let mut arena = Arena::reserve(peak)?;
    let mut scratch = Arena::reserve(churn)?;
    start(&mut arena, base)?;
    if !ready()? {
        return Ok(());
    }
    if seconds == 0.0 && peak == base && churn == 0 {
        return Ok(until_closed()?);
    }
    let mut tick = 0u64;
    paced(|now| {
        let approach = (1.0 - (-3.0 * (now / ramp).min(1.0)).exp()) / (1.0 - (-3.0_f64).exp());
        arena.resize(base + ((peak - base) as f64 * approach) as u64)?;
        tick += 1;
        if tick.is_multiple_of(10) {
            scratch.resize(if tick.is_multiple_of(20) { churn } else { 0 })?;
        }
        if tick.is_multiple_of(40) {
            arena.touch();
        }
        Ok(seconds == 0.0 || now < ramp + seconds)
    })?;
    Ok(())
}

pub(super) struct Leak {
    pub(super) base: u64,
    pub(super) grow: u64,
    pub(super) over: f64,
    pub(super) shape: Shape,
    pub(super) jitter: f64,
    pub(super) seed: u64,
    pub(super) cap: u64,
}

impl Leak {
    /// Bytes leaked `now` seconds after the start, without jitter.
    fn leaked(&self, now: f64) -> f64 {
        let share = now / self.over;
        self.grow as f64
            * match self.shape {
                Shape::Linear => share,
                Shape::Accelerating => ((3.5 * share).exp() - 1.0) / (3.5_f64.exp() - 1.0),
            }
    }
}

pub(super) fn leak(leak: &Leak) -> anyhow::Result<()> {
    let mut arena = Arena::reserve(leak.cap)?;
    let mut rng = Rng::new(leak.seed, "leak");
    start(&mut arena, leak.base)?;
    if !ready()? {
        return Ok(());
    }
    // Jitter moves when bytes come, not how many: each step takes part of what is due.
    paced(|now| {
        let due = (leak.base as f64 + leak.leaked(now)) - arena.resident() as f64;
        let taken = due.max(0.0) * rng.between(1.0 - leak.jitter, 1.0);
        arena.resize(arena.resident() + taken as u64)?;
        Ok(arena.resident() < leak.cap)
    })?;
    Ok(())
}

pub(super) struct Burst {
    pub(super) base: u64,
    pub(super) peak: u64,
    pub(super) ramp: f64,
    pub(super) hold: f64,
    pub(super) gap: f64,
    pub(super) times: u64,
}

pub(super) fn burst(burst: &Burst) -> anyhow::Result<()> {
    let mut arena = Arena::reserve(burst.peak)?;
    start(&mut arena, burst.base)?;
    if !ready()? {
        return Ok(());
    }
    let climb = burst.peak.saturating_sub(burst.base) as f64;
    let cycle = burst.ramp + burst.hold + burst.gap;
    paced(|now| {
        let within = now % cycle;
        let share =
            if within < burst.ramp + burst.hold { (within / burst.ramp).min(1.0) } else { 0.0 };
        arena.resize(burst.base + (climb * share) as u64)?;
        Ok(now < cycle * burst.times as f64)
    })?;
    Ok(())
}

pub(super) fn cache(path: &Path, bytes: u64, passes: u64) -> anyhow::Result<()> {
    let mut buffer = vec![0x5a_u8; 1 << 20];
    let device = fs::metadata(path).is_ok_and(|meta| meta.file_type().is_block_device());
    if !ready()? {
        return Ok(());
    }
    for pass in 0..passes {
        if pass == 0 && !device {
            let mut file = File::create(path)?;
            for written in 0..bytes >> 20 {
                file.write_all(&buffer)?;
                // Cgroup v1 does not throttle a writer by its own dirty pages, so write them out as we go.
                if written % 16 == 15 {
                    file.sync_data()?;
                }
            }
        } else {
            let mut file = File::open(path)?;
            for _ in 0..bytes >> 20 {
                if file.read(&mut buffer)? == 0 {
                    break;
                }
                thread::sleep(Duration::from_millis(4));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_leak_the_same_bytes_in_the_same_time() {
        for shape in [Shape::Linear, Shape::Accelerating] {
            let leak =
                Leak { base: 0, grow: 1000, over: 10.0, shape, jitter: 0.0, seed: 1, cap: 9000 };
            assert_eq!(leak.leaked(0.0), 0.0);
            assert!((leak.leaked(10.0) - 1000.0).abs() < 1e-6);
            assert!(leak.leaked(12.0) > 1000.0);
        }
    }

    #[test]
    fn an_accelerating_leak_brings_most_bytes_in_its_last_quarter() {
        let leak = Leak {
            base: 0,
            grow: 1000,
            over: 10.0,
            shape: Shape::Accelerating,
            jitter: 0.0,
            seed: 1,
            cap: 0,
        };
        assert!(leak.leaked(7.5) < 450.0);
    }
}
