//! The gadget: signals in, forecasts and plans out.

use std::sync::Arc;

use arrayvec::ArrayVec;
use gadget_core::{
    CgroupId, Ending, Gadget, HostMemory, Name, Outcome, Plan, Plans, ProcessId, Reading, Resource,
    Signal, StepKind, Subject, Timestamp, World,
};

use crate::config::{OracleBuilder, OracleSettings};
use crate::culprit::Search;
use crate::features::{Feature, NEVER, Row};
use crate::forecast::{Forecast, statistical_probability, together};
use crate::forest::Forest;
use crate::processes::Processes;
use crate::track::{Levels, Track};

/// The most groups with a limit that are followed; what comes beyond is counted.
const MOST_TRACKS: usize = 4_096;
/// No tree of cgroups is followed deeper.
const DEEPEST: usize = 64;
/// A group in which something was ended is judged anew no earlier, in seconds: memory takes time to come back.
const RECOVERS: f64 = 0.3;

/// Foresees out of memory, on the host and in every cgroup with a limit.
#[derive(Clone, Debug)]
pub struct Oracle {
    pub(crate) settings: OracleSettings,
    pub(crate) forest: Option<Forest>,
    pub(crate) epoch: Option<Timestamp>,
    pub(crate) host_memory: Option<HostMemory>,
    pub(crate) host: Track,
    /// By id.
    pub(crate) groups: Vec<(CgroupId, Box<Track>)>,
    pub(crate) processes: Processes,
    pub(crate) search: Search,
    pub(crate) host_name: Arc<str>,
    /// The processes that were last proposed to be ended, and for whom.
    pub(crate) ending: ArrayVec<(ProcessId, Subject, f64), 16>,
    pub(crate) record: Record,
    /// Groups whose tasks have reclaimed since it was last asked.
    reclaiming: ArrayVec<CgroupId, 16>,
    pub(crate) refused: u64,
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
            reclaiming: ArrayVec::new(),
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
            Reading::Reclaim(_) => self.host.reclaims(time),
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
            Reading::Reclaim(_) => {
                // The limit may be that of a group above, which `plan` is told.
                if !self.reclaiming.contains(&id) && self.reclaiming.try_push(id).is_err() {
                    self.refused += 1;
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
            Reading::Gone | Reading::Exited(_) => {
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

    /// How likely the limit is met, and how sure that is for the sake of acting on it.
    pub(crate) fn believes(&self, row: &Row) -> (f64, f64) {
        let statistics = statistical_probability(row);
        match &self.forest {
            // Forests are grown from what grows.
            Some(forest) if Feature::LogLeft.of(row) < NEVER => {
                let probability = forest.probability(row);
                (probability, together(probability, statistics))
            }
            _ => (statistics, statistics),
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
        for id in std::mem::take(&mut self.reclaiming) {
            let limited =
                std::iter::successors(Some(id), |id| world.cgroup(*id)?.identity.as_ref()?.parent);
            for id in limited.take(DEEPEST) {
                if let Some(track) = self.group(id) {
                    track.reclaims(time);
                }
            }
        }
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
