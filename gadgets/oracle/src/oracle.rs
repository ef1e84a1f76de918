//! The gadget: signals in, forecasts and plans out.

use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use gadget_core::{
    Assessment, CgroupId, Ending, Gadget, HostMemory, Name, Outcome, Plan, Plans, Probability,
    ProcessId, Reach, Reading, Resource, Signal, StepKind, Subject, Timestamp, World,
};

use crate::config::{OracleBuilder, OracleSettings};
use crate::culprit::Search;
use crate::features::Row;
use crate::forecast::{Class, Forecast, class_of, estimate, statistical_probability};
use crate::forest::Forest;
use crate::ladder::{Situation, evidence};
use crate::pace::pace;
use crate::processes::Processes;
use crate::track::{Levels, Track};

/// The most groups with a limit that are followed; what comes beyond is counted.
const MOST_TRACKS: usize = 4_096;
/// A culprit is looked for from this probability on, or from this many seconds before the limit.
const SUSPICION: f64 = 0.15;
/// Between two searches for a culprit, at least, in seconds.
const SEARCH_EVERY: f64 = 0.05;
/// An assessment that says the same as before is repeated no more often, in seconds.
const REPEAT: f64 = 1.0;
/// A faster pace is kept for this long, in seconds: what grows in steps rests between them.
const HURRIES: f64 = 0.5;
/// A group in which something was ended is judged anew no earlier, in seconds: memory takes time to come back.
const RECOVERS: f64 = 0.3;

/// Foresees out of memory, on the host and in every cgroup with a limit.
#[derive(Clone, Debug)]
pub struct Oracle {
    settings: OracleSettings,
    forest: Option<Forest>,
    epoch: Option<Timestamp>,
    host_memory: Option<HostMemory>,
    host: Track,
    /// By id.
    groups: Vec<(CgroupId, Box<Track>)>,
    processes: Processes,
    search: Search,
    host_name: Arc<str>,
    /// The processes that were last proposed to be ended, and for whom.
    ending: ArrayVec<(ProcessId, Subject, f64), 16>,
    record: Record,
    refused: u64,
}

/// How often each kind of step has met what it promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// In the order of [`StepKind::ALL`].
    kinds: Vec<(u32, u32)>,
}

impl Record {
    fn new() -> Self {
        Self { kinds: vec![(0, 0); StepKind::ALL.len()] }
    }

    /// How often steps of `kind` were right, and how often they were not.
    #[must_use]
    pub fn of(&self, kind: StepKind) -> (u32, u32) {
        let place = StepKind::ALL.iter().position(|other| *other == kind);
        place.and_then(|place| self.kinds.get(place)).copied().unwrap_or_default()
    }

    fn count(&mut self, kind: StepKind, right: bool) {
        let place = StepKind::ALL.iter().position(|other| *other == kind);
        if let Some((rights, wrongs)) = place.and_then(|place| self.kinds.get_mut(place)) {
            *if right { rights } else { wrongs } += 1;
        }
    }
}

impl Oracle {
    /// Starts from the defaults.
    #[must_use]
    pub fn builder() -> OracleBuilder {
        OracleBuilder::default()
    }

    pub(crate) fn new(settings: OracleSettings, forest: Option<Forest>) -> Self {
        Self {
            settings,
            forest,
            epoch: None,
            host_memory: None,
            host: Track::new(Subject::Host),
            groups: Vec::new(),
            processes: Processes::default(),
            search: Search::default(),
            host_name: Arc::from("host"),
            ending: ArrayVec::new(),
            record: Record::new(),
            refused: 0,
        }
    }

    /// The settings that it runs with.
    #[must_use]
    pub const fn settings(&self) -> &OracleSettings {
        &self.settings
    }

    /// The latest word on every subject that is not at rest: the host first, then the cgroups by id.
    pub fn forecasts(&self) -> impl Iterator<Item = &Forecast> {
        self.tracks().filter_map(|track| track.forecast.as_ref())
    }

    /// How often each kind of step has met what it promised.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Cgroups and processes that are not followed because there are too many.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused + self.processes.refused
    }

    fn tracks(&self) -> impl Iterator<Item = &Track> {
        std::iter::once(&self.host).chain(self.groups.iter().map(|(_, track)| &**track))
    }

    fn seconds(&mut self, at: Timestamp) -> f64 {
        at.since(*self.epoch.get_or_insert(at)).as_secs_f64()
    }

    fn group(&mut self, id: CgroupId) -> Option<&mut Track> {
        let at = self.groups.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.groups.get_mut(at).map(|(_, track)| &mut **track)
    }

    fn observe_host(&mut self, time: f64, reading: &Reading) {
        match reading {
            Reading::HostMemory(memory) => {
                self.host_memory = Some(*memory);
                let Some(levels) = Levels::of_host(memory) else { return };
                let first = self.host.blind;
                self.host.count(time, memory.paging);
                self.host.take(time, levels, self.settings.guard_share);
                if first {
                    self.host.begin(self.settings.guard_share);
                }
            }
            Reading::Pressure(Resource::Memory, pressure) => self.host.press(pressure),
            Reading::StallTrigger(Resource::Memory) => self.host.alarmed = true,
            Reading::OomKill(kills) => {
                self.host.oom_kills = self.host.oom_kills.saturating_add(*kills)
            }
            _ => {}
        }
    }

    fn observe_group(&mut self, id: CgroupId, time: f64, reading: &Reading) {
        let place = self.groups.binary_search_by_key(&id, |(id, _)| *id);
        match reading {
            Reading::Gone => {
                if let Ok(at) = place {
                    self.groups.remove(at);
                }
            }
            Reading::CgroupMemory(memory) => {
                let at = match place {
                    Ok(at) => at,
                    Err(_) if memory.max.bytes().is_none() => return,
                    Err(_) if self.groups.len() >= MOST_TRACKS => {
                        self.refused += 1;
                        return;
                    }
                    Err(at) => {
                        self.groups.insert(at, (id, Box::new(Track::new(Subject::Cgroup(id)))));
                        at
                    }
                };
                let guard = self.settings.guard_share;
                let Some((_, track)) = self.groups.get_mut(at) else { return };
                let first = track.blind;
                if !track.read_cgroup(time, memory, self.host_memory.as_ref(), guard) {
                    self.groups.remove(at);
                } else if first && !track.blind {
                    track.begin(guard);
                }
            }
            reading => {
                let Some(track) = self.group(id) else { return };
                match reading {
                    Reading::Pressure(Resource::Memory, pressure) => track.press(pressure),
                    Reading::StallTrigger(Resource::Memory) => track.alarmed = true,
                    Reading::OomKill(kills) => {
                        track.oom_kills = track.oom_kills.saturating_add(*kills);
                        track.start_over();
                    }
                    _ => {}
                }
            }
        }
    }

    fn observe_process(&mut self, id: ProcessId, time: f64, reading: &Reading) {
        match reading {
            Reading::ProcessUsage(usage) => {
                self.processes.read(id, usage, time);
                // Now, so that a search in an incident need not allocate.
                self.search.make_room(self.processes.slots());
            }
            Reading::ProcessIdentity(identity) => self.processes.identify(id, identity),
            Reading::Gone => {
                self.processes.gone(id);
                while let Some(at) = self.ending.iter().position(|(ending, _, _)| *ending == id) {
                    let (_, subject, _) = self.ending.swap_remove(at);
                    let track = match subject {
                        Subject::Cgroup(group) => self.group(group),
                        _ => Some(&mut self.host),
                    };
                    if let Some(track) = track {
                        track.start_over();
                        track.searched = time + RECOVERS;
                    }
                }
            }
            _ => {}
        }
    }

    fn probability(&self, row: &Row) -> f64 {
        match &self.forest {
            Some(forest) => forest.probability(row),
            None => statistical_probability(row),
        }
    }
}

impl Gadget for Oracle {
    fn name(&self) -> Name {
        Name::Borrowed(crate::NAME)
    }

    fn observe(&mut self, signal: &Signal) {
        let time = self.seconds(signal.at);
        match signal.subject {
            Subject::Host => self.observe_host(time, &signal.reading),
            Subject::Cgroup(id) => self.observe_group(id, time, &signal.reading),
            Subject::Process(id) => self.observe_process(id, time, &signal.reading),
            _ => {}
        }
    }

    fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
        let time = self.seconds(now);
        self.ending.retain(|(_, _, at)| time - *at < 60.0);
        // Taken out, so that a track and the rest of the Oracle can be used at once.
        let mut host = std::mem::replace(&mut self.host, Track::new(Subject::Host));
        self.judge(&mut host, now, time, world, plans);
        self.host = host;
        let mut groups = std::mem::take(&mut self.groups);
        for (_, track) in &mut groups {
            self.judge(track, now, time, world, plans);
        }
        self.groups = groups;
    }

    fn done(&mut self, plan: &Plan) {
        let now = self.seconds(plan.at);
        let kind = plan.step.kind();
        if !kind.reversible() {
            return;
        }
        let target = plan.target.subject;
        let process = match target {
            Subject::Process(id) => Some(id),
            _ => None,
        };
        let concerns = |track: &Track| {
            track.culprit.as_ref().is_some_and(|culprit| {
                Some(culprit.process) == process
                    || culprit.own_cgroup.map(Subject::Cgroup) == Some(target)
            })
        };
        let groups = self.groups.iter_mut().map(|(_, track)| &mut **track);
        for track in std::iter::once(&mut self.host).chain(groups) {
            if concerns(track) {
                track.hold(plan.id, kind, target, now);
            }
        }
    }

    fn learn(&mut self, outcome: &Outcome) {
        let right = match outcome.ending {
            Ending::Met => true,
            Ending::Unmet | Ending::Failed => false,
            _ => return self.released(outcome),
        };
        self.record.count(outcome.kind, right);
        self.released(outcome);
    }
}

impl Oracle {
    fn released(&mut self, outcome: &Outcome) {
        let groups = self.groups.iter_mut().map(|(_, track)| &mut **track);
        for track in std::iter::once(&mut self.host).chain(groups) {
            if track.held.is_some_and(|held| held.plan == outcome.plan) {
                track.let_go();
            }
        }
    }

    fn judge(
        &mut self,
        track: &mut Track,
        now: Timestamp,
        time: f64,
        world: &World,
        plans: &mut Plans,
    ) {
        if track.at_rest() {
            if track.fresh {
                track.fresh = false;
                track.forecast = None;
                track.culprit = None;
                self.ask(track, None, time, plans);
            }
            return;
        }
        if track.blind {
            // Readings in detail are for those who ask.
            if track.levels.limit > 0.0 && track.asked.is_none() {
                track.asked = Some(Duration::from_secs(1));
                plans.watch(track.subject, Duration::from_secs(1));
            }
            return;
        }
        let fresh = std::mem::take(&mut track.fresh);
        if !fresh && track.forecast.as_ref().is_none_or(|forecast| forecast.eta.is_none()) {
            return;
        }
        if fresh {
            track.alarmed = false;
        }
        let levels = track.levels;
        let headroom = (levels.limit - levels.used).max(0.0);
        let motion = track.window.motion();
        let eta = motion.and_then(|motion| estimate(headroom, &motion));
        let left = eta.map(|eta| eta.likely.as_secs_f64());
        let soonest = eta.map_or(f64::INFINITY, |eta| eta.low.as_secs_f64());
        let mut row = track.row(left);
        let mut probability = self.probability(&row);
        if let Some(left) = left
            && (probability >= SUSPICION || left < 5.0)
            && time - track.searched >= SEARCH_EVERY
        {
            track.searched = time;
            let since = track.window.climb.from.time;
            track.culprit = self.search.find(track.subject, since, world, &self.processes);
            row = track.row(Some(left));
            probability = self.probability(&row);
        }
        if left.is_none() && track.held.is_none() {
            track.culprit = None;
        }
        let again = match (&track.culprit, &track.let_go) {
            (Some(culprit), Some((process, ..))) => culprit.process == *process,
            _ => false,
        };
        if again {
            // Growth that goes on after a pause is no burst that was about to end.
            let odds = probability / (1.0 - probability).max(1e-6) * 4.0;
            probability = odds / (1.0 + odds);
        }
        let storm = track.culprit.as_ref().is_some_and(|culprit| culprit.reach == Reach::Tree);
        let class = class_of(&row, probability, storm);
        track.forecast = Some(Forecast {
            at: now,
            subject: track.subject,
            class,
            probability: Probability::saturating(probability),
            eta,
            used: gadget_core::Bytes::new(levels.used as u64),
            limit: gadget_core::Bytes::new(levels.limit as u64),
            velocity: motion.map_or(0.0, |motion| motion.velocity),
            acceleration: motion.map_or(0.0, |motion| motion.acceleration),
            culprit: track.culprit.clone(),
            features: row,
        });
        self.state(track, class, probability, time, plans);
        let hint = track.window.hint().map(|speed| (headroom / speed).min(4.0));
        let until = match (eta, hint) {
            (Some(_), Some(hint)) => Some(soonest.min(hint)),
            (Some(_), None) => Some(soonest),
            (None, hint) => hint,
        };
        self.ask(track, until, time, plans);
        self.look_after_held(track, time, plans);
        if let Some(left) = left {
            self.propose(
                track,
                &row,
                probability,
                (left, soonest),
                again,
                (now, time),
                world,
                plans,
            );
        }
    }

    /// Says what it thinks, when that has changed or a while has passed.
    fn state(
        &self,
        track: &mut Track,
        class: Class,
        probability: f64,
        time: f64,
        plans: &mut Plans,
    ) {
        let Some(forecast) = &track.forecast else { return };
        let tenths = (probability * 10.0) as u8;
        let changed = match track.stated {
            Some((before, level, _)) => before != class || level != tenths,
            None => forecast.eta.is_some(),
        };
        let due =
            track.stated.is_some_and(|(.., at)| time - at >= REPEAT) && forecast.eta.is_some();
        if !changed && !due {
            return;
        }
        track.stated = Some((class, tenths, time));
        plans.assess(Assessment {
            gadget: Name::Borrowed(crate::NAME),
            at: forecast.at,
            subject: track.subject,
            class: class.into(),
            probability: forecast.probability,
            eta: forecast.eta,
            culprit: forecast.culprit.as_ref().map(|culprit| Subject::Process(culprit.process)),
            evidence: evidence(track.levels, &forecast.features, forecast.culprit.as_ref()),
        });
    }

    /// Asks for the pace that the time left wants, or gives it back.
    fn ask(&self, track: &mut Track, left: Option<f64>, time: f64, plans: &mut Plans) {
        let levels = track.levels;
        let guarded = levels.used >= self.settings.guard_share * levels.limit;
        let wanted =
            if track.at_rest() || (left.is_none() && !guarded && track.window.span() > 10.0) {
                None
            } else {
                let room = (levels.limit - levels.used).max(0.0);
                pace(room, levels.limit, left, track.asked, self.settings.fastest)
            };
        let faster = wanted.is_some_and(|wanted| track.asked.is_none_or(|asked| wanted < asked));
        if faster {
            track.hurried = time;
        } else if time - track.hurried < HURRIES {
            return;
        }
        if wanted != track.asked {
            track.asked = wanted;
            match wanted {
                Some(every) => plans.watch(track.subject, every),
                None => plans.unwatch(track.subject),
            }
        }
    }

    /// Puts back what holds a culprit when it has served: others gave way, or its time is over.
    fn look_after_held(&self, track: &mut Track, time: f64, plans: &mut Plans) {
        let room = track.room();
        let Some(held) = &mut track.held else { return };
        let served =
            room > held.room + 0.15 || time - held.since >= self.settings.hold.as_secs_f64();
        if served && !held.released {
            held.released = true;
            plans.release(held.plan);
        }
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "one call, and a struct for it would only be unpacked again"
    )]
    fn propose(
        &mut self,
        track: &Track,
        row: &Row,
        probability: f64,
        (left, soonest): (f64, f64),
        again: bool,
        (now, time): (Timestamp, f64),
        world: &World,
        plans: &mut Plans,
    ) {
        let culprit = track.culprit.as_ref();
        let climbed = track.window.climbed();
        // Readings of a process that are older than a quarter of the time left say little of what it does now.
        let explained = culprit.is_some_and(|culprit| {
            culprit.growth >= self.settings.least_share * climbed
                && time - culprit.read_at <= (left / 4.0).clamp(0.25, 10.0)
        });
        let situation = Situation {
            now,
            subject: track.subject,
            levels: track.levels,
            row,
            probability,
            left,
            soonest,
            culprit,
            explained,
            again,
            holding: track.held.is_some(),
            settings: &self.settings,
            world,
            host: &self.host_name,
        };
        let ending = &mut self.ending;
        situation.propose(&mut |plan| {
            if let (StepKind::Terminate | StepKind::Kill, Subject::Process(id)) =
                (plan.step.kind(), plan.target.subject)
                && !ending.is_full()
                && !ending
                    .iter()
                    .any(|(known, subject, _)| (*known, *subject) == (id, track.subject))
            {
                ending.push((id, track.subject, time));
            }
            let same = plans
                .proposals()
                .iter()
                .any(|other| other.target == plan.target && other.merit >= plan.merit);
            if !same {
                plans.propose(plan);
            }
        });
    }
}
