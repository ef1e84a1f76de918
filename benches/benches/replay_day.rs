//! Records a day of a made-up host with 500 cgroups, a full sweep each second, and replays it through the Oracle on one
//! core. `REPLAY_HOURS` makes the day shorter.

use std::time::Duration;

use anyhow::{Context, Result};
use gadget_benches::{Limit, Scene, SyntheticHost, asked, print};
use gadget_core::{
    Agent, Ledger, ManualClock, Recorder, Recording, Rehearsal, Timestamp, replay, thread_cpu,
};
use gadget_oracle::Oracle;

const CGROUPS: u64 = 500;
const DAY: u64 = 24 * 3_600;

/// A day has to be replayed in five minutes.
const BUDGET: f64 = 300.0;

fn main() -> Result<()> {
    if !asked("replay_day") {
        return Ok(());
    }
    let hours = std::env::var("REPLAY_HOURS").map_or(Ok(24), |hours| hours.parse());
    let hours: u64 = hours.context("REPLAY_HOURS is no number")?;
    measure("24_h_of_500_cgroups", SyntheticHost::new(CGROUPS), hours)?;
    // The worst that can be: a leak in every cgroup, each followed in full. An hour of it tells.
    measure("24_h_of_500_leaking_cgroups", SyntheticHost::leaking(CGROUPS), hours.min(1))
}

/// Records so many hours, reads and replays them, and prints what a day would have taken.
fn measure(name: &str, mut host: SyntheticHost, hours: u64) -> Result<()> {
    let seconds = hours * 3_600;
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let path = dir.path().join("day.rec");
    let began = Timestamp::from_secs(1_700_000_000);

    let mut batch = Vec::new();
    let mut recorder = Recorder::create(&path, &Scene::facts())?;
    let (mut signals, mut writing) = (0, Duration::ZERO);
    for second in 0..seconds {
        host.sweep(began + Duration::from_secs(second), &mut batch);
        signals += batch.len() as u64;
        let start = thread_cpu();
        recorder.write(&batch)?;
        writing += thread_cpu() - start;
    }
    recorder.finish()?;
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e9 / signals as f64;
    let size = std::fs::metadata(&path)?.len() as f64;
    let show = |what: &str, value: f64, unit: &str| {
        print(&format!("recording/{what}/{name}"), value, unit, Limit::None, "");
    };
    show("write", each(writing), "ns of CPU a signal");
    show("size", size / signals as f64, "bytes a signal");

    let start = thread_cpu();
    let mut recording = Recording::open(&path)?;
    while recording.next_batch(&mut batch)? {}
    let reading = thread_cpu() - start;
    show("read", each(reading), "ns of CPU a signal");

    let recording = Recording::open(&path)?;
    let facts = recording.facts().clone();
    let mut agent = Agent::builder()
        .host(facts.clone())
        .clock(ManualClock::default())
        .ledger(Ledger::in_memory(&facts, Timestamp::EPOCH))
        .gadget_from(|| Oracle::builder().build().expect("the defaults are valid"))
        .actions(Rehearsal)
        .replaying()
        .build()?;
    let start = thread_cpu();
    let summary = replay(recording, &mut agent)?;
    let replaying = thread_cpu() - start;
    anyhow::ensure!(summary.signals == signals, "{} of {signals} replayed", summary.signals);
    let share = seconds as f64 / DAY as f64;
    let baseline = format!("reading alone {:.1} s", reading.as_secs_f64() / share);
    let day = replaying.as_secs_f64() / share;
    print(&format!("replay/{name}"), day, "s of CPU", Limit::AtMost(BUDGET), &baseline);
    println!("{summary:?}, {} bytes of ledger", agent.ledger().bytes().len());
    Ok(())
}
