//! The gadget: looks in, states and plans out.

use std::collections::BTreeMap;
use std::time::Duration;

use gadget_core::{
    Gadget, Name, Outcome, Plan, Plans, ProcessId, Reading, Runtime, Signal, Subject, Threads,
    Timestamp, World,
};

use crate::behaviour::BehaviourModel;
use crate::case::Case;
use crate::config::{PathologistBuilder, PathologistSettings};
use crate::evidence::{Peers, Reported};
use crate::look::Look;
use crate::plan::{assessment, by_usage, is_service, plan};
use crate::roster::Roster;
use crate::runtimes::Runtimes;
use crate::state::State;

/// The most processes that are looked at closely at once; what comes beyond is counted.
const MOST_CASES: usize = 1_024;
/// What has not changed is stated again after this many looks.
const REPEAT: u32 = 6;
/// A look that is older by this many than the latest should be is no ground to act on.
const STALE: u32 = 3;
/// The latest look at a process that is not suspected is kept for this long, and a first one waited for.
const KEPT: Duration = Duration::from_secs(120);

/// Finds processes that live but do not work.
#[derive(Clone, Debug)]
pub struct Pathologist {
    pub(crate) settings: PathologistSettings,
    pub(crate) model: Option<BehaviourModel>,
    roster: Roster,
    /// By id: the order in which they are judged must be that of the signals alone.
    pub(crate) cases: BTreeMap<ProcessId, Case>,
    pub(crate) peers: Peers,
    runtimes: Runtimes,
    /// States by usage that are to be told.
    news: Vec<(ProcessId, State)>,
    /// Watched processes that are gone.
    gone: Vec<ProcessId>,
    fresh: bool,
    refused: u64,
}

impl Pathologist {
    /// Starts from the defaults.
    #[must_use]
    pub fn builder() -> PathologistBuilder {
        PathologistBuilder::default()
    }

    pub(crate) fn new(settings: PathologistSettings, model: Option<BehaviourModel>) -> Self {
        Self {
            settings,
            model,
            roster: Roster::default(),
            cases: BTreeMap::new(),
            peers: Peers::default(),
            runtimes: Runtimes::default(),
            news: Vec::new(),
            gone: Vec::new(),
            fresh: false,
            refused: 0,
        }
    }

    /// The settings that it runs with.
    #[must_use]
    pub const fn settings(&self) -> &PathologistSettings {
        &self.settings
    }

    /// What a process does, as far as was seen.
    #[must_use]
    pub fn state(&self, process: ProcessId) -> State {
        let looked = self.cases.get(&process).filter(|case| case.look.is_some());
        match looked.map(|case| case.verdict.state) {
            Some(state) if state != State::Unknown => state,
            _ => self.roster.state(process).unwrap_or_default(),
        }
    }

    /// Processes that are looked at again and again, because they may be stuck.
    pub fn suspects(&self) -> impl Iterator<Item = (ProcessId, State)> {
        let watched = self.cases.iter().filter(|(_, case)| case.watched);
        watched.map(|(&id, case)| (id, case.verdict.state))
    }

    /// Processes that are followed.
    #[must_use]
    pub fn processes(&self) -> usize {
        self.roster.len()
    }

    /// Readings that were not taken in because too many processes are followed or suspected.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused + self.roster.refused
    }

    pub(crate) fn case(&mut self, id: ProcessId) -> Option<&mut Case> {
        if self.cases.len() >= MOST_CASES && !self.cases.contains_key(&id) {
            self.refused += 1;
            return None;
        }
        Some(self.cases.entry(id).or_default())
    }

    fn take_look(&mut self, id: ProcessId, at: Timestamp, threads: &Threads) {
        let mut peers = std::mem::take(&mut self.peers);
        if let Some(case) = self.case(id) {
            let look = match &case.look {
                Some(before) if at > before.at => {
                    let look = before.next(at, threads);
                    peers.learn(before, &look);
                    if let Some(behaviour) = &mut case.studied {
                        behaviour.look(before, &look);
                    }
                    Some(look)
                }
                Some(_) => None,
                None => Some(Look::first(at, threads)),
            };
            if let Some(look) = look {
                case.take(look, id);
                self.fresh = true;
            }
        }
        self.peers = peers;
    }

    fn observe_process(&mut self, id: ProcessId, signal: &Signal) {
        match &signal.reading {
            Reading::ProcessUsage(usage) => {
                let change = self.roster.read(id, signal.at, usage);
                if let Some(from) = change.from {
                    let state = self.roster.state(id).unwrap_or_default();
                    if self.settings.every_state || state.is_notable() || from.is_notable() {
                        self.news.push((id, state));
                    }
                }
                // Which of its threads are busy tells garbage collection from work.
                if change.busy && self.runtimes.knows(id) {
                    let at = signal.at;
                    if let Some(case) = self.case(id) {
                        case.question = Some(at);
                    }
                }
                if change.sleeps_on && !self.cases.contains_key(&id) {
                    // Looks tell where it sleeps.
                    self.case(id);
                }
            }
            Reading::Threads(threads) => self.take_look(id, signal.at, threads),
            Reading::Syscalls(calls) => {
                let case = self.cases.get_mut(&id);
                if let Some(behaviour) = case.and_then(|case| case.studied.as_mut()) {
                    behaviour.call(calls);
                }
            }
            Reading::RuntimeReport(report) => {
                let at = signal.at;
                if let Some(every) = self.settings.ask_runtimes {
                    self.runtimes.answered(id, at, every);
                }
                if let Some(case) = self.case(id) {
                    case.question = None;
                    case.reported = Reported::next(case.reported.take(), at, report);
                    case.fresh = true;
                    self.fresh = true;
                }
            }
            Reading::ProcessIdentity(identity) => {
                if identity.runtime == Runtime::Jvm {
                    self.runtimes.seen(id, signal.at);
                }
                let studied = self.settings.studied.iter().any(|name| name.matches(&identity.comm));
                if studied
                    && !identity.kernel_thread
                    && let Some(case) = self.case(id)
                {
                    case.studied.get_or_insert_default();
                }
            }
            Reading::Gone | Reading::Exited(_) => {
                self.runtimes.gone(id);
                self.roster.gone(id);
                if self.cases.remove(&id).is_some_and(|case| case.watched) {
                    self.gone.push(id);
                }
            }
            _ => {}
        }
    }

    fn speak(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
        let settings = &self.settings;
        let linked: Vec<ProcessId> =
            self.cases.values().flat_map(|case| case.links.iter().copied()).collect();
        self.cases.retain(|id, case| {
            let (state, kind) = (case.verdict.state, case.kind());
            if case.look.is_some() {
                let due = settings.look * REPEAT;
                let was_notable = case.stated.is_some_and(|(before, ..)| before.is_notable());
                let say = match case.stated {
                    Some((before, by, _)) if (before, by) != (state, kind) => {
                        state.is_notable() || was_notable || settings.every_state
                    }
                    Some((.., at)) => state.is_notable() && now.since(at) >= due,
                    None => state.is_notable() || settings.every_state,
                };
                if say && state != State::Unknown {
                    case.stated = Some((state, kind, now));
                    plans.assess(assessment(*id, case, now));
                }
            }
            let linked = linked.contains(id);
            let asked = *case.asked.get_or_insert(now);
            let wanted = match case.look {
                _ if case.studied.is_some() => true,
                Some(_) => {
                    case.verdict.suspect
                        || case.treatment.is_under_way()
                        || linked
                        || case.question.is_some_and(|since| now.since(since) <= KEPT)
                }
                // Looks that never come are given up.
                None => now.since(asked) <= KEPT,
            };
            if wanted != case.watched {
                case.watched = wanted;
                match wanted {
                    true => plans.watch(Subject::Process(*id), settings.look),
                    false => plans.unwatch(Subject::Process(*id)),
                }
            }
            let current = |look: &Look| now.since(look.at) <= settings.look * STALE;
            if let Some(proof) = case.proof()
                && proof.sure
                && proof.target == *id
                && !case.verdict.unreachable
                && case.look.as_ref().is_some_and(current)
                && let Some(next) =
                    case.treatment.next(now, proof.held, is_service(*id, world, settings), settings)
            {
                plans.propose(plan(next, *id, case, world, now, settings));
            }
            // The next look, should there be one, tells what has changed since this one.
            wanted || linked || case.look.as_ref().is_some_and(|look| now.since(look.at) <= KEPT)
        });
    }
}

impl Gadget for Pathologist {
    fn name(&self) -> Name {
        Name::Borrowed(crate::NAME)
    }

    fn observe(&mut self, signal: &Signal) {
        if let Subject::Process(id) = signal.subject {
            self.observe_process(id, signal);
        }
    }

    fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
        for id in self.gone.drain(..) {
            plans.unwatch(Subject::Process(id));
        }
        for (id, state) in self.news.drain(..) {
            // What looks say of it is better founded.
            if self.cases.get(&id).is_none_or(|case| case.look.is_none()) {
                plans.assess(by_usage(id, state, now));
            }
        }
        if let Some(every) = self.settings.ask_runtimes {
            let mut runtimes = std::mem::take(&mut self.runtimes);
            runtimes.due(now, every, |id| {
                if let Some(case) = self.case(id) {
                    case.question = Some(now);
                }
            });
            self.runtimes = runtimes;
        }
        if std::mem::take(&mut self.fresh) {
            self.judge_fresh(world);
        }
        if !self.cases.is_empty() {
            self.speak(now, world, plans);
        }
    }

    fn done(&mut self, plan: &Plan) {
        if let Subject::Process(id) = plan.target.subject
            && let Some(case) = self.cases.get_mut(&id)
        {
            case.treatment.done(plan.step.kind());
        }
    }

    fn learn(&mut self, outcome: &Outcome) {
        if let Subject::Process(id) = outcome.target.subject
            && let Some(case) = self.cases.get_mut(&id)
        {
            case.treatment.learn(outcome);
            case.fresh = true;
            self.fresh = true;
        }
    }
}
