//! What a process did over the last minute, and what it used to do.

use std::collections::VecDeque;
use std::time::Duration;

use gadget_core::{Syscalls, Timestamp, Wait};

use super::features::{FEATURES, Feature, Row};
use crate::evidence::{is_collector, may_be_woken, outstanding};
use crate::look::Look;

/// What is judged, and from how much on.
const WINDOW: Duration = Duration::from_secs(60);
const ENOUGH: Duration = Duration::from_secs(30);
/// The most looks of a window: more come only while an effect is verified, and are left out.
const MOST: usize = 32;
/// How much a window counts in what a process used to do.
const NEW: f64 = 0.2;

/// What was seen between two looks; times in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    at: Timestamp,
    time: f64,
    cpu: f64,
    ready: f64,
    slices: f64,
    busiest: f64,
    collecting: f64,
    /// Threads times time, and how much of that without a slice.
    thread_time: f64,
    frozen: f64,
    /// Shares of threads at its end, in the order of [`SHARES`].
    waits: [f64; 7],
    threads: f64,
    queued: f64,
    unaccepted: f64,
    asked: f64,
    wakers: f64,
    calls: Option<(f64, Option<f64>)>,
}

/// The features that are shares of the threads at a look.
const SHARES: [Feature; 7] = [
    Feature::Running,
    Feature::ForGood,
    Feature::Timed,
    Feature::Ready,
    Feature::Peers,
    Feature::Sleeping,
    Feature::Owned,
];

/// What one process did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behaviour {
    stretches: VecDeque<Stretch>,
    /// CPU share, slices per second and frozen share as they used to be.
    usual: Option<[f64; 3]>,
    /// When the last window was taken into that.
    counted: Option<Timestamp>,
    calls: Option<(f64, Option<f64>)>,
}

impl Behaviour {
    /// Takes in the system calls of a stretch.
    pub(crate) fn call(&mut self, calls: &Syscalls) {
        let over = calls.over.as_secs_f64();
        if over > 0.0 {
            self.calls = Some((calls.count() as f64 / over, calls.entropy()));
        }
    }

    /// Takes in a look and the one before it.
    pub(crate) fn look(&mut self, before: &Look, now: &Look) {
        let time = now.at.since(before.at).as_secs_f64();
        // Looks after a long pause say nothing of the minute before them.
        if time > WINDOW.as_secs_f64() {
            self.stretches.clear();
            return;
        }
        let mut stretch = Stretch { at: now.at, time, ..Stretch::default() };
        let count = now.threads.threads.len().max(1) as f64;
        for (thread, _) in now.iter() {
            if let Some((earlier, _)) = before.thread(thread.tid) {
                let cpu = thread.cpu.saturating_sub(earlier.cpu).as_secs_f64();
                let ready = thread.ready.saturating_sub(earlier.ready).as_secs_f64();
                let slices = thread.slices.saturating_sub(earlier.slices);
                stretch.cpu += cpu;
                stretch.ready += ready;
                stretch.slices += slices as f64;
                stretch.busiest = stretch.busiest.max(cpu + ready);
                stretch.thread_time += time;
                stretch.frozen += if slices == 0 { time } else { 0.0 };
                if is_collector(&thread.name) {
                    stretch.collecting += cpu + ready;
                }
            }
            let mut is = |feature: Feature| {
                if let Some(at) = SHARES.iter().position(|other| *other == feature) {
                    stretch.waits[at] += 1.0 / count;
                }
            };
            match &thread.wait {
                Wait::Running => is(Feature::Running),
                Wait::Futex(futex) => {
                    is(if futex.timed { Feature::Timed } else { Feature::ForGood });
                    if futex.lock.is_some_and(|lock| lock.owner.is_some()) {
                        is(Feature::Owned);
                    }
                }
                Wait::Client { .. } | Wait::Files { .. } => is(Feature::Ready),
                Wait::Peer(_) => is(Feature::Peers),
                Wait::Time => is(Feature::Sleeping),
                _ => {}
            }
            if let Some((_, asked)) = outstanding(thread) {
                stretch.asked = stretch.asked.max(asked.as_secs_f64());
            }
        }
        stretch.threads = count;
        stretch.wakers = f64::from(u8::from(may_be_woken(now)));
        stretch.queued = f64::from(now.queued());
        let still = now.threads.listeners.iter().filter(|listener| listener.queued > 0);
        stretch.unaccepted = still.fold(0.0, |most, one| most.max(one.still.as_secs_f64()));
        stretch.calls = self.calls.take();
        if self.stretches.len() >= MOST {
            self.stretches.pop_front();
        }
        self.stretches.push_back(stretch);
        while self.stretches.front().is_some_and(|first| now.at.since(first.at) >= WINDOW) {
            self.stretches.pop_front();
        }
    }

    /// The features of the window; none before it is long enough.
    pub(crate) fn row(&self) -> Option<Row> {
        let sum = |of: fn(&Stretch) -> f64| self.stretches.iter().map(of).sum::<f64>();
        let time = sum(|stretch| stretch.time);
        let last = self.stretches.back()?;
        if time < ENOUGH.as_secs_f64() {
            return None;
        }
        let (cpu, ready) = (sum(|stretch| stretch.cpu), sum(|stretch| stretch.ready));
        let (slices, wanted) = (sum(|stretch| stretch.slices), cpu + ready);
        let share = |part: f64, of: f64| if of > 0.0 { part / of } else { 0.0 };
        let mut row = [0.0; FEATURES];
        let mut set = |feature: Feature, value: f64| row[feature as usize] = value;
        set(Feature::Cpu, (cpu / time).min(4.0));
        set(Feature::Wanted, (wanted / time).min(8.0));
        set(Feature::Queueing, share(ready, wanted));
        set(Feature::Slices, (slices / time).ln_1p());
        set(Feature::SliceLength, (share(cpu, slices) * 1e6).ln_1p());
        set(Feature::Busiest, (sum(|stretch| stretch.busiest) / time).min(1.0));
        let frozen = share(sum(|stretch| stretch.frozen), sum(|stretch| stretch.thread_time));
        set(Feature::Frozen, frozen);
        set(Feature::Threads, last.threads.ln());
        for (at, feature) in SHARES.into_iter().enumerate() {
            let sum = self.stretches.iter().map(|stretch| stretch.waits[at]).sum::<f64>();
            set(feature, sum / self.stretches.len() as f64);
        }
        set(Feature::Collecting, share(sum(|stretch| stretch.collecting), wanted));
        set(Feature::Wakers, last.wakers);
        set(Feature::Queued, last.queued.ln_1p());
        set(Feature::Unaccepted, last.unaccepted.ln_1p());
        set(Feature::Asked, last.asked.ln_1p());
        let calls = self.stretches.iter().rev().find_map(|stretch| stretch.calls);
        set(Feature::Calls, calls.map_or(-1.0, |(rate, _)| rate.ln_1p()));
        set(Feature::Entropy, calls.and_then(|(_, entropy)| entropy).unwrap_or(-1.0));
        if let Some([usual_cpu, usual_slices, usual_frozen]) = self.usual {
            let change = |now: f64, usual: f64, least: f64| ((now + least) / (usual + least)).ln();
            set(Feature::CpuChange, change(cpu / time, usual_cpu, 1e-3));
            set(Feature::SlicesChange, change(slices / time, usual_slices, 0.1));
            set(Feature::FrozenChange, frozen - usual_frozen);
        }
        Some(row)
    }

    /// The window was found to be in order: once a minute it becomes part of what the process used to do.
    pub(crate) fn was_well(&mut self, row: &Row) {
        let Some(at) = self.stretches.back().map(|stretch| stretch.at) else { return };
        if self.counted.is_some_and(|counted| at.since(counted) < WINDOW) {
            return;
        }
        self.counted = Some(at);
        let of = |feature: Feature| row[feature as usize];
        let now = [of(Feature::Cpu), of(Feature::Slices).exp_m1(), of(Feature::Frozen)];
        self.usual = Some(match self.usual {
            Some(usual) => std::array::from_fn(|at| usual[at] + NEW * (now[at] - usual[at])),
            None => now,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::stage::{START, Stage, futex, lock};

    fn value(row: &Row, feature: Feature) -> f64 {
        row[feature as usize]
    }

    /// What the window of a process holds that is looked at every ten seconds, after this many.
    fn after(looks: u64, life: impl Fn(&mut Stage, u64)) -> (Behaviour, Option<Row>) {
        let mut stage = Stage::new(|stage| {
            stage.thread(10, Wait::Running);
            stage.thread(11, futex(1));
            stage.thread(12, lock(0x60, 10));
        });
        let mut behaviour = Behaviour::default();
        let mut before = Look::first(START, &stage.threads);
        for look in 1..looks {
            life(&mut stage, look);
            let now = before.next(START + Duration::from_secs(10 * look), &stage.threads);
            behaviour.look(&before, &now);
            before = now;
        }
        let row = behaviour.row();
        (behaviour, row)
    }

    fn works(stage: &mut Stage, _: u64) {
        let thread = stage.thread_mut(10);
        thread.cpu += Duration::from_secs(4);
        thread.ready += Duration::from_secs(1);
        thread.slices += 100;
    }

    #[test]
    fn a_window_needs_half_a_minute() {
        assert_eq!(after(3, works).1, None);
        let row = after(8, works).1.unwrap();
        assert!((value(&row, Feature::Cpu) - 0.4).abs() < 1e-9);
        assert!((value(&row, Feature::Wanted) - 0.5).abs() < 1e-9);
        assert!((value(&row, Feature::Busiest) - 0.5).abs() < 1e-9);
        assert!((value(&row, Feature::Queueing) - 0.2).abs() < 1e-9);
        assert!((value(&row, Feature::Slices) - 11_f64.ln()).abs() < 1e-9);
        assert!((value(&row, Feature::Frozen) - 2.0 / 3.0).abs() < 1e-9);
        assert!((value(&row, Feature::ForGood) - 2.0 / 3.0).abs() < 1e-9);
        assert!((value(&row, Feature::Owned) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!((value(&row, Feature::Calls), value(&row, Feature::Entropy)), (-1.0, -1.0));
    }

    #[test]
    fn it_is_compared_with_what_it_used_to_be() {
        let (mut behaviour, row) = after(8, works);
        let row = row.unwrap();
        assert_eq!(value(&row, Feature::CpuChange), 0.0);
        behaviour.was_well(&row);
        let same = behaviour.row().unwrap();
        assert!(value(&same, Feature::CpuChange).abs() < 1e-9);
        for stretch in &mut behaviour.stretches {
            (stretch.cpu, stretch.slices, stretch.frozen) = (0.0, 0.0, stretch.thread_time);
        }
        let stuck = behaviour.row().unwrap();
        assert!(value(&stuck, Feature::CpuChange) < -5.0);
        assert!(value(&stuck, Feature::SlicesChange) < -4.0);
        assert!((value(&stuck, Feature::FrozenChange) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn calls_are_those_of_the_latest_stretch_that_has_any() {
        let (mut behaviour, _) = after(8, works);
        let counts = vec![(0, 30), (1, 30)];
        let over = Duration::from_secs(10);
        behaviour.call(&Syscalls { over, counts, ..Syscalls::default() });
        let stretch = behaviour.calls.take();
        behaviour.stretches.back_mut().unwrap().calls = stretch;
        let row = behaviour.row().unwrap();
        assert!((value(&row, Feature::Calls) - 7_f64.ln()).abs() < 1e-9);
        assert!((value(&row, Feature::Entropy) - 1.0).abs() < 1e-9);
    }
}
