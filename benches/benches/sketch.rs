//! Our sketch beside sketches-ddsketch, in one run on the same values: insert, merge, quantile, serialized size and error.

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gadget_benches::{Limit, asked, median, print};
use gadget_core::thread_cpu;
use gadget_sketch::{Mapping, Sketch};
use sketches_ddsketch::{Config, DDSketch};

const ALPHA: f64 = 0.0075;
const VALUES: usize = 1_000_000;
const FEW: usize = 1_000;
/// What a window of 60 s has of a metric of 25 processes.
const WINDOW: usize = 1_500;
const ROUNDS: usize = 15;
const MERGES: usize = 2_000;
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.95, 0.99, 0.999];

fn main() -> Result<()> {
    if !asked("sketch") {
        return Ok(());
    }
    let mut random = Random(0x5eed);
    let (mut rss, mut cpu) = (resident()?, cpu_times()?);
    random.repeat(&mut rss);
    random.repeat(&mut cpu);
    let distributions = [
        ("lognormal", random.many(|it| (1.5 * it.normal()).exp())),
        ("pareto", random.many(|it| it.uniform().powf(-1.0 / 1.5))),
        ("uniform", random.many(|it| 1.0 + 999.0 * it.uniform())),
        ("rss", rss),
        ("cpu", cpu),
    ];
    for (name, values) in &distributions {
        compare(name, values)?;
    }
    Ok(())
}

fn theirs() -> DDSketch {
    DDSketch::new(Config::new(ALPHA, 2048, 1e-9))
}

fn compare(name: &str, values: &[f64]) -> Result<()> {
    let base2 = Sketch::with(Mapping::BASE2);
    let [ours, peer, base2] = side_by_side([
        &mut || drop(black_box(filled(Sketch::new(), values))),
        &mut || drop(black_box(peer_of(values))),
        &mut || drop(black_box(filled(base2.clone(), values))),
    ])
    .map(|it| it / values.len() as f64);
    report(&format!("{name}/insert"), ours, peer, Limit::AtMost(1.0));
    report(&format!("{name}/insert_base2"), base2, peer, Limit::AtMost(1.0));

    let (few, many) = (&values[..FEW], values);
    let (our_few, their_few) = (filled(Sketch::new(), few), peer_of(few));
    let (our_many, their_many) = (filled(Sketch::new(), many), peer_of(many));
    let (mut our_sum, mut their_sum) = (our_few.clone(), peer_of(few));
    let [ours, peer] = side_by_side([
        &mut || (0..MERGES).for_each(|_| our_sum.merge(black_box(&our_few)).expect("alike")),
        &mut || (0..MERGES).for_each(|_| their_sum.merge(black_box(&their_few)).expect("alike")),
    ])
    .map(|it| it / MERGES as f64);
    report(&format!("{name}/merge"), ours, peer, Limit::AtMost(1.0));

    let asked = || (0..MERGES).map(|i| QUANTILES[i % QUANTILES.len()]);
    let [ours, peer] = side_by_side([
        &mut || {
            asked().for_each(|q| {
                black_box(our_many.quantile(black_box(q)));
            })
        },
        &mut || asked().for_each(|q| drop(black_box(their_many.quantile(black_box(q))))),
    ])
    .map(|it| it / MERGES as f64);
    report(&format!("{name}/quantile"), ours, peer, Limit::AtMost(1.0));

    let [ours, peer] = side_by_side([
        &mut || (0..FEW).for_each(|_| drop(black_box(our_many.to_bytes()))),
        &mut || (0..FEW).for_each(|_| drop(black_box(their_many.to_java_bytes()))),
    ])
    .map(|it| it / FEW as f64);
    report(&format!("{name}/serialize"), ours, peer, Limit::AtMost(1.0));

    for (what, limit, ours, peer) in [
        ("bytes_of_1m", 0.75, our_many.to_bytes(), their_many.to_java_bytes()),
        ("bytes_of_1k", 1.0, our_few.to_bytes(), their_few.to_java_bytes()),
    ] {
        let (ours, peer) = (ours.len() as f64, peer.len() as f64);
        let beside = format!("{ours} bytes, sketches-ddsketch {peer}");
        let ratio = ours / peer;
        print(&format!("sketch/{name}/{what}"), ratio, "x", Limit::AtMost(limit), &beside);
    }
    let window = filled(Sketch::new(), &values[..WINDOW]).to_bytes().len() as f64;
    let name_of = |what| format!("sketch/{name}/{what}");
    print(&name_of("bytes_of_a_window"), window, "bytes", Limit::AtMost(1_228.8), "1,500 values");

    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let worst = |quantile: &dyn Fn(f64) -> Option<f64>| {
        (0..=1_000).map(|i| f64::from(i) / 1_000.0).try_fold(0.0_f64, |worst, q| {
            let exact = sorted[(q * (sorted.len() - 1) as f64) as usize];
            let error = quantile(q)? - exact;
            Some(worst.max(if exact == 0.0 { error.abs() } else { (error / exact).abs() }))
        })
    };
    let ours = worst(&|q| our_many.quantile(q)).context("an empty sketch")?;
    let peer = worst(&|q| their_many.quantile(q).ok().flatten()).context("an empty sketch")?;
    let beside = format!("at 1,001 quantiles; sketches-ddsketch {peer:.6}");
    print(&name_of("worst_error"), ours, "of the value", Limit::AtMost(ALPHA), &beside);
    Ok(())
}

fn filled(mut sketch: Sketch, values: &[f64]) -> Sketch {
    for value in values {
        sketch.insert(*value);
    }
    sketch
}

fn peer_of(values: &[f64]) -> DDSketch {
    let mut sketch = theirs();
    for value in values {
        sketch.add(*value);
    }
    sketch
}

fn report(what: &str, ours: f64, peer: f64, limit: Limit) {
    let beside = format!("{ours:.2} ns, sketches-ddsketch {peer:.2} ns");
    print(&format!("sketch/{what}"), ours / peer, "x", limit, &beside);
}

/// CPU nanoseconds of each, the median of rounds in which all take turns.
fn side_by_side<const N: usize>(mut work: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut spent = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (spent, work) in spent.iter_mut().zip(&mut work) {
            let before = thread_cpu();
            work();
            spent.push((thread_cpu() - before).as_nanos() as f64);
        }
    }
    spent.map(|mut it| median(&mut it).unwrap_or(Duration::MAX.as_nanos() as f64))
}

/// Resident memory of every process here, in bytes.
fn resident() -> Result<Vec<f64>> {
    of_processes("statm", |text| Some(text.split(' ').nth(1)?.parse::<f64>().ok()? * 4096.0))
}

/// CPU time of every process here, in seconds.
fn cpu_times() -> Result<Vec<f64>> {
    of_processes("stat", |text| {
        let mut ticks = text.rsplit_once(')')?.1.split(' ').skip(12);
        let mut next = || ticks.next()?.parse::<f64>().ok();
        Some((next()? + next()?) / 100.0)
    })
}

fn of_processes(file: &str, value: impl Fn(&str) -> Option<f64>) -> Result<Vec<f64>> {
    let paths = fs::read_dir("/proc")?.flatten().map(|it| it.path().join(file));
    let texts = paths.filter_map(|path| fs::read_to_string(path).ok());
    Ok(texts.filter_map(|text| value(&text)).collect())
}

/// SplitMix64: the same values in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ it >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ it >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ it >> 31
    }

    /// Above 0, and 1 at most.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (radius, turn) = (self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
    }

    fn many(&mut self, mut one: impl FnMut(&mut Self) -> f64) -> Vec<f64> {
        (0..VALUES).map(|_| one(self)).collect()
    }

    /// As many as the others have, drawn from what is there.
    fn repeat(&mut self, values: &mut Vec<f64>) {
        let drawn = |it: &mut Self| values[it.next() as usize % values.len()];
        *values = self.many(drawn);
    }
}
