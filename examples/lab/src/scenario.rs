//! The incidents: what runs, how large, how fast, all from the limit and a seed.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::load::{Load, Shape};
use crate::rng::Rng;
use crate::sandbox::{Layout, Sandbox};
use crate::size::Size;

/// What is staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// One process leaks at a steady rate, over a minute or more.
    SlowLeak,
    /// One process leaks faster and faster.
    AcceleratingLeak,
    /// One process leaks all there is in some seconds.
    FastLeak,
    /// One container leaks into its own limit; the group around it is fine.
    ContainerLeak,
    /// One of many medium processes leaks.
    FleetLeak,
    /// The leaker ignores SIGTERM.
    StubbornLeak,
    /// A process starts children that each take a little.
    ForkStorm,
    /// Memory is taken in bursts and given back.
    Burst,
    /// A native sawtooth: climbs, drops, climbs.
    Sawtooth,
    /// A JVM fills and drops a cache.
    JvmSawtooth,
    /// Files far larger than the limit are written and read.
    CacheFlood,
    /// The group is nearly full, and stays so.
    SteadyHigh,
    /// Many medium processes, none of which leaks.
    Fleet,
}

impl Scenario {
    /// All of them, leaks first.
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Whether it ends in an out-of-memory when nobody acts.
    pub fn is_leak(self) -> bool {
        !matches!(
            self,
            Self::Burst
                | Self::Sawtooth
                | Self::JvmSawtooth
                | Self::CacheFlood
                | Self::SteadyHigh
                | Self::Fleet
        )
    }

    /// The name used on the command line and in reports.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The class a model should see in it.
    pub fn class(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Sawtooth | Self::JvmSawtooth => "sawtooth",
            Self::CacheFlood => "cache",
            Self::SteadyHigh | Self::Fleet => "steady",
            Self::ForkStorm => "storm",
            _ => "leak",
        }
    }

    /// What it needs beyond a memory controller; `None` when that is here.
    pub fn missing(self) -> Option<&'static str> {
        let found = |program: &str| {
            std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
                .any(|dir| dir.join(program).is_file())
        };
        (self == Self::JvmSawtooth && !(found("java") && found("javac")))
            .then_some("java and javac")
    }
}

/// What a process is in the story; nobody tells the watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Leads to the out-of-memory.
    Culprit,
    /// Does the memory work of a benign scenario and then ends by itself.
    Worker,
    /// The service whose latency is measured.
    Innocent,
    /// Larger than the culprit until near the end, and steady.
    Big,
    /// Company.
    Bystander,
}

/// One process of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) part: Part,
    pub(crate) name: String,
    /// Child cgroup; empty for the limited group itself.
    pub(crate) group: String,
    pub(crate) load: Load,
}

/// All that a run needs to know, derived from the limit and the seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Steady time before the incident.
    pub(crate) calm: Duration,
    /// Leaks: when the limit is reached if nobody acts. Benign: when the work is done. From the end of calm.
    pub(crate) expected: Duration,
    /// Bytes per second the culprit takes near the end; what "no longer grows" is measured against.
    pub(crate) rate: f64,
    pub(crate) actors: Vec<Actor>,
    /// The load of the innocent among them.
    innocent: Load,
    /// Child groups and their own limits.
    pub(crate) groups: Vec<(String, Option<Size>)>,
}

/// Private memory of any process of ours besides what it is told to use: stack, page tables, heap, kernel memory.
const PROCESS: u64 = 900 << 10;
/// The child group with a limit of its own in [`Scenario::ContainerLeak`].
const CONTAINER: &str = "batch";

impl Plan {
    /// `sandbox` lends its scratch directory; `disk` is what a page-cache flood reads where files live in memory.
    pub(crate) fn new(
        scenario: Scenario,
        seed: u64,
        limit: Size,
        layout: Layout,
        places: &Places,
    ) -> Self {
        let mut plan = Draft::new(scenario, seed, limit).plan(scenario, places);
        if layout == Layout::Split || scenario == Scenario::ContainerLeak {
            plan.split(scenario, limit);
        }
        plan
    }

    /// The innocent service once more, for outside of the groups.
    pub(crate) fn control(&self, places: &Places) -> Actor {
        let mut load = self.innocent.clone();
        if let Load::Service { socket, .. } = &mut load {
            socket.clone_from(&places.control);
        }
        actor(Part::Bystander, "control", load)
    }

    fn split(&mut self, scenario: Scenario, limit: Size) {
        for actor in &mut self.actors {
            actor.group = match actor.part {
                Part::Culprit | Part::Worker => CONTAINER.into(),
                Part::Bystander if scenario == Scenario::ContainerLeak => CONTAINER.into(),
                _ => actor.name.clone(),
            };
            if !self.groups.iter().any(|(name, _)| *name == actor.group) {
                let own = scenario == Scenario::ContainerLeak && actor.group == CONTAINER;
                self.groups.push((actor.group.clone(), own.then(|| container_limit(limit))));
            }
        }
    }
}

/// Files that a plan refers to.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) socket: std::path::PathBuf,
    pub(crate) control: std::path::PathBuf,
    pub(crate) classes: std::path::PathBuf,
    pub(crate) flood: std::path::PathBuf,
}

impl Places {
    /// `LAB_DISK` names a block device to flood from where files live in memory, as in a guest.
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        let scratch = sandbox.scratch();
        Self {
            socket: scratch.join("s"),
            control: scratch.join("c"),
            classes: scratch.to_owned(),
            flood: std::env::var_os("LAB_DISK").map_or_else(|| scratch.join("flood"), Into::into),
        }
    }
}

fn container_limit(limit: Size) -> Size {
    Size(limit.0 * 45 / 100)
}

/// Sizes drawn for one run.
struct Draft {
    rng: Rng,
    seed: u64,
    limit: u64,
    innocent: u64,
    big: u64,
}

impl Draft {
    fn new(scenario: Scenario, seed: u64, Size(limit): Size) -> Self {
        let mut rng = Rng::new(seed, &scenario.name());
        let share = match scenario {
            Scenario::ContainerLeak | Scenario::CacheFlood => rng.between(0.28, 0.34),
            Scenario::Fleet | Scenario::FleetLeak | Scenario::JvmSawtooth => {
                rng.between(0.18, 0.24)
            }
            _ => rng.between(0.40, 0.45),
        };
        Self {
            rng,
            seed,
            limit,
            innocent: (limit / 8).min(32 << 20),
            big: (limit as f64 * share) as u64,
        }
    }

    fn share(&mut self, low: f64, high: f64) -> u64 {
        (self.limit as f64 * self.rng.between(low, high)) as u64
    }

    fn plan(mut self, scenario: Scenario, places: &Places) -> Plan {
        let calm = Duration::from_secs_f64(self.rng.between(6.0, 9.0));
        let (expected, rate, mut actors) = match scenario {
            Scenario::SlowLeak => self.leak((60.0, 85.0), Shape::Linear, false),
            Scenario::AcceleratingLeak => self.leak((35.0, 50.0), Shape::Accelerating, false),
            Scenario::FastLeak => self.leak((7.0, 12.0), Shape::Linear, false),
            Scenario::StubbornLeak => self.leak((25.0, 40.0), Shape::Linear, true),
            Scenario::ContainerLeak => self.container(),
            Scenario::FleetLeak => self.fleet(true),
            Scenario::Fleet => self.fleet(false),
            Scenario::ForkStorm => self.storm(),
            Scenario::Burst => self.burst(),
            Scenario::Sawtooth => self.sawtooth(),
            Scenario::JvmSawtooth => self.jvm(places),
            Scenario::CacheFlood => self.cache(places),
            Scenario::SteadyHigh => self.steady(),
        };
        let innocent = Load::Service {
            socket: places.socket.clone(),
            working_set: Size(self.innocent),
            scratch: Size(256 << 10),
        };
        actors.push(actor(Part::Innocent, "checkout-api", innocent.clone()));
        actors.push(actor(Part::Big, "search-index", hold(self.big)));
        Plan {
            calm,
            expected: Duration::from_secs_f64(expected),
            rate,
            actors,
            innocent,
            groups: Vec::new(),
        }
    }

    /// What is left of the limit beside the innocent, the big one and `others` bytes in `processes` more processes.
    fn free(&self, processes: u64, others: u64) -> u64 {
        self.limit.saturating_sub(self.innocent + self.big + others + (processes + 2) * PROCESS)
    }

    fn leaker(
        &mut self,
        base: u64,
        free: u64,
        over: f64,
        shape: Shape,
        ignore_term: bool,
    ) -> (f64, Actor) {
        let jitter = self.rng.between(0.1, 0.5);
        let load = Load::Leak {
            base: Size(base),
            grow: Size(free),
            over,
            shape,
            jitter,
            seed: self.seed,
            ignore_term,
            cap: Size(self.limit * 3 / 2),
        };
        // The slope of (e^(3.5 x) - 1) / (e^3.5 - 1) is 3.6 at its end.
        let steep = if matches!(shape, Shape::Accelerating) { 3.6 } else { 1.0 };
        (steep * free as f64 / over, actor(Part::Culprit, "report-worker", load))
    }

    fn leak(&mut self, seconds: (f64, f64), shape: Shape, ignore_term: bool) -> Parts {
        let over = self.rng.between(seconds.0, seconds.1);
        let base = self.share(0.02, 0.06);
        let (rate, leaker) = self.leaker(base, self.free(1, base), over, shape, ignore_term);
        (over, rate, vec![leaker])
    }

    fn container(&mut self) -> Parts {
        let over = self.rng.between(30.0, 45.0);
        let (base, sidecar) = (self.share(0.02, 0.04), self.share(0.04, 0.08));
        let free = container_limit(Size(self.limit)).0.saturating_sub(base + sidecar + 2 * PROCESS);
        let (rate, leaker) = self.leaker(base, free, over, Shape::Linear, false);
        (over, rate, vec![leaker, actor(Part::Bystander, "metrics-agent", hold(sidecar))])
    }

    fn fleet(&mut self, leaks: bool) -> Parts {
        let over = self.rng.between(30.0, 45.0);
        let count = self.rng.whole(8, 12);
        let sizes: Vec<u64> = (0..count).map(|_| self.share(0.025, 0.042)).collect();
        let mut actors: Vec<Actor> = (1..)
            .zip(&sizes)
            .map(|(number, size)| {
                actor(Part::Bystander, &format!("mail-worker-{number}"), churn(*size))
            })
            .collect();
        let total: u64 = sizes.iter().map(|size| size + size / 8).sum();
        if !leaks {
            let load = Load::Hold {
                base: Size(sizes[0]),
                peak: Size(sizes[0]),
                ramp: 1.0,
                churn: Size(sizes[0] / 4),
                seconds: over,
            };
            actors.push(actor(Part::Worker, "mail-worker-0", load));
            return (over + 1.0, 0.0, actors);
        }
        let (rate, mut leaker) = self.leaker(
            sizes[0],
            self.free(count + 1, total + sizes[0]),
            over,
            Shape::Linear,
            false,
        );
        // Nothing in its name tells it from the others.
        leaker.name = "mail-worker-0".into();
        let place = self.rng.whole(0, count) as usize;
        actors.insert(place, leaker);
        (over, rate, actors)
    }

    fn storm(&mut self) -> Parts {
        let over = self.rng.between(12.0, 20.0);
        let each = self.share(0.008, 0.02);
        let count = (self.free(1, 0) / (each + PROCESS)).max(4);
        let every_ms = (over * 1000.0 / count as f64) as u64;
        let load = Load::Storm { each: Size(each), every_ms, max: count * 3 };
        let rate = (each + PROCESS) as f64 * 1000.0 / every_ms.max(1) as f64;
        (over, rate, vec![actor(Part::Culprit, "export-job", load)])
    }

    /// Bytes a worker may take so that usage tops out at a share of the limit.
    fn room(&mut self, low: f64, high: f64) -> u64 {
        self.share(low, high).saturating_sub(self.limit - self.free(1, 0))
    }

    fn burst(&mut self) -> Parts {
        let times = self.rng.whole(2, 3);
        let (ramp, hold, gap) =
            (self.rng.between(4.0, 9.0), self.rng.between(2.0, 4.0), self.rng.between(2.0, 5.0));
        let peak = self.room(0.76, 0.88);
        let load =
            Load::Burst { base: Size(self.limit / 50), peak: Size(peak), ramp, hold, gap, times };
        ((ramp + hold + gap) * times as f64, 0.0, vec![actor(Part::Worker, "image-batch", load)])
    }

    fn sawtooth(&mut self) -> Parts {
        let times = self.rng.whole(4, 6);
        let ramp = self.rng.between(5.0, 9.0);
        let peak = self.room(0.8, 0.9);
        let base = (peak as f64 * self.rng.between(0.2, 0.5)) as u64;
        let load =
            Load::Burst { base: Size(base), peak: Size(peak), ramp, hold: 0.0, gap: 0.2, times };
        ((ramp + 0.2) * times as f64, 0.0, vec![actor(Part::Worker, "session-store", load)])
    }

    fn jvm(&mut self, places: &Places) -> Parts {
        let times = self.rng.whole(3, 5);
        let period = self.rng.between(6.0, 9.0);
        // Code, metaspace and the collector take about 40 MiB beside the heap.
        let heap = self.share(0.55, 0.62).saturating_sub(40 << 20).max(24 << 20);
        let load = Load::Java {
            classes: places.classes.clone(),
            heap: Size(heap),
            retained: Size(heap * 7 / 10),
            period,
            times,
            collect: self.rng.coin(),
        };
        ((period + 0.5) * times as f64, 0.0, vec![actor(Part::Worker, "order-engine", load)])
    }

    fn cache(&mut self, places: &Places) -> Parts {
        let bytes = self.share(1.5, 2.5) >> 20 << 20;
        let passes = self.rng.whole(3, 5);
        let load = Load::Cache { path: places.flood.clone(), bytes: Size(bytes), passes };
        // Four milliseconds per mebibyte read, and as much again for the disk.
        let seconds = (bytes >> 20) as f64 * passes as f64 * 0.008;
        (seconds, 0.0, vec![actor(Part::Worker, "log-indexer", load)])
    }

    fn steady(&mut self) -> Parts {
        let peak = self.room(0.86, 0.92);
        let churned = self.limit / 100;
        let filled = self.rng.coin();
        let (ramp, seconds) = (self.rng.between(8.0, 14.0), self.rng.between(18.0, 25.0));
        let base = if filled { peak } else { peak / 4 };
        let load =
            Load::Hold { base: Size(base), peak: Size(peak), ramp, churn: Size(churned), seconds };
        (ramp + seconds, 0.0, vec![actor(Part::Worker, "column-store", load)])
    }
}

/// Seconds, bytes per second, actors.
type Parts = (f64, f64, Vec<Actor>);

fn actor(part: Part, name: &str, load: Load) -> Actor {
    Actor { part, name: name.into(), group: String::new(), load }
}

fn hold(bytes: u64) -> Load {
    Load::Hold { base: Size(bytes), peak: Size(0), ramp: 1.0, churn: Size(0), seconds: 0.0 }
}

fn churn(bytes: u64) -> Load {
    Load::Hold { base: Size(bytes), peak: Size(0), ramp: 1.0, churn: Size(bytes / 8), seconds: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(scenario: Scenario, seed: u64, limit: u64) -> Plan {
        let places = Places {
            socket: "/s".into(),
            control: "/x".into(),
            classes: "/c".into(),
            flood: "/f".into(),
        };
        Plan::new(scenario, seed, Size(limit), Layout::Shared, &places)
    }

    fn describe(plan: &Plan) -> String {
        format!("{plan:?}")
    }

    #[test]
    fn ten_seeds_are_ten_different_runs() {
        for scenario in Scenario::all() {
            let runs: std::collections::HashSet<String> =
                (0..10).map(|seed| describe(&plan(*scenario, seed, 384 << 20))).collect();
            assert_eq!(runs.len(), 10, "{scenario:?}");
            assert_eq!(
                describe(&plan(*scenario, 3, 384 << 20)),
                describe(&plan(*scenario, 3, 384 << 20))
            );
        }
    }

    #[test]
    fn the_big_one_is_larger_than_the_culprit_until_near_the_end() {
        for scenario in [
            Scenario::SlowLeak,
            Scenario::AcceleratingLeak,
            Scenario::StubbornLeak,
            Scenario::FastLeak,
        ] {
            for (seed, limit) in (0..20).flat_map(|seed| [(seed, 128 << 20), (seed, 512 << 20)]) {
                let plan = plan(scenario, seed, limit);
                let (mut big, mut base, mut end) = (0, 0, 0);
                for actor in &plan.actors {
                    match (actor.part, &actor.load) {
                        (Part::Big, Load::Hold { base, .. }) => big = base.0,
                        (Part::Culprit, Load::Leak { base: start, grow, .. }) => {
                            (base, end) = (start.0, start.0 + grow.0);
                        }
                        _ => {}
                    }
                }
                assert!(
                    base * 3 < big && end < big * 3 / 2,
                    "{scenario:?} {seed}: {base} {end} {big}"
                );
                assert!(end > limit / 3, "{scenario:?} {seed}: the leak must have room, {end}");
            }
        }
    }

    #[test]
    fn benign_scenarios_stay_below_the_limit() {
        for scenario in [Scenario::Burst, Scenario::Sawtooth, Scenario::SteadyHigh, Scenario::Fleet]
        {
            for (seed, limit) in (0..20).flat_map(|seed| [(seed, 128 << 20), (seed, 512 << 20)]) {
                let top: u64 = plan(scenario, seed, limit)
                    .actors
                    .iter()
                    .map(|actor| match &actor.load {
                        Load::Hold { base, peak, churn, .. } => base.0.max(peak.0) + churn.0,
                        Load::Burst { peak, .. } => peak.0,
                        Load::Service { working_set, scratch, .. } => working_set.0 + scratch.0,
                        other => panic!("{other:?}"),
                    })
                    .sum();
                assert!(top < limit * 94 / 100, "{scenario:?} {seed} {limit}: {top}");
            }
        }
    }

    #[test]
    fn a_container_leak_puts_the_culprit_under_a_limit_of_its_own() {
        let plan = plan(Scenario::ContainerLeak, 1, 384 << 20);
        let culprit = plan.actors.iter().find(|actor| actor.part == Part::Culprit).unwrap();
        let own = plan.groups.iter().find(|(name, _)| *name == culprit.group).unwrap();
        assert_eq!(own.1, Some(container_limit(Size(384 << 20))));
        let innocent = plan.actors.iter().find(|actor| actor.part == Part::Innocent).unwrap();
        assert_ne!(innocent.group, culprit.group);
    }
}
