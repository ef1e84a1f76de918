//! The one safety gate: guards in a fixed order, and the permit that only they can give.

mod check;
pub(crate) mod duration;
mod error;
#[cfg(test)]
#[path = "../../tests/policy_support/mod.rs"]
mod fixture;
mod glob;
mod grants;
mod guards;
mod inbox;
mod nearest;
mod parse;
mod pausing;
mod permit;
mod review;
pub mod settings;
mod state;
#[cfg(test)]
mod tests;
mod touch;

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use arrayvec::ArrayVec;

pub use error::PolicyError;
pub use glob::Glob;
pub use grants::{Autonomy, Grants};
pub use inbox::ApprovalInbox;
pub(crate) use nearest::nearest;
pub(crate) use parse::line;
pub use permit::Permit;
pub use review::{Cooling, Extent, GuardName, Opinion, Refusal, Review, Verdict};
pub use settings::PolicySettings;

use crate::action::{Setting, Undo};
use crate::ledger::{Carried, Ending, Outcome};
use crate::model::Name;
use crate::plan::{Plan, PlanId};
use crate::subject::{HostFacts, Subject};
use crate::units::Timestamp;
use crate::world::World;
use guards::{Case, GUARDS};
use pausing::Pausing;
use state::State;
use touch::Inside;

/// A person's answer to a plan, or none yet.
type Approver = Box<dyn FnMut(&Plan) -> Option<bool> + Send>;

/// The largest policy file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// What a review is asked to take into account beside the plan.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// When it is asked.
    pub now: Timestamp,
    /// What is known of the host.
    pub world: &'a World,
    /// What the action backend lacks to carry the plan out, if anything.
    pub incapable: Option<Name>,
}

/// Decides what may be done: settings, guards, and the memory that they need.
///
/// It has no clock: time is what it is told. A plan takes this way through it: [`admit`](Self::admit) gives it its id,
/// [`arbitrate`](Self::arbitrate) its place among the others, [`review`](Self::review) its verdict and perhaps a [`Permit`].
/// Then [`opened`](Self::opened) and [`ended`](Self::ended) say what became of it.
///
/// ```
/// use gadget_core::{Autonomy, Policy, StepKind};
///
/// let policy = Policy::from_toml("[autonomy]\noracle = \"act\"\n\"oracle.kill\" = \"approve\"")?;
/// assert_eq!(policy.settings().autonomy.level("oracle", StepKind::Kill), Autonomy::Approve);
///
/// let refused = Policy::from_toml("[cooldwon]").unwrap_err();
/// assert_eq!(refused.to_string(), "line 1: there is no cooldwon; did you mean cooldown?");
/// # Ok::<(), gadget_core::PolicyError>(())
/// ```
pub struct Policy {
    settings: PolicySettings,
    pausing: Pausing,
    approver: Option<Approver>,
    state: State,
    inside: Inside,
}

impl Policy {
    /// A policy with checked settings.
    ///
    /// # Errors
    /// [`PolicyError::Value`] for a value out of its range.
    pub fn new(settings: PolicySettings) -> Result<Self, PolicyError> {
        settings.check()?;
        Ok(Self {
            pausing: Pausing::new(&settings.pause_files),
            approver: None,
            state: State::new(),
            inside: Inside::default(),
            settings,
        })
    }

    /// The default policy: everything is observed, nothing is done.
    #[must_use]
    pub fn observe() -> Self {
        Self::new(PolicySettings::default()).expect("the defaults are in their ranges")
    }

    /// From the text of a policy file; what it does not say has its default.
    ///
    /// # Errors
    /// [`PolicyError::Syntax`], [`PolicyError::UnknownKey`] with the nearest known key, or [`PolicyError::Value`].
    pub fn from_toml(text: &str) -> Result<Self, PolicyError> {
        Self::new(parse::parse(text)?)
    }

    /// From a policy file of at most 1 MiB. A missing file is an error too: who wants the defaults says
    /// [`observe`](Self::observe).
    ///
    /// # Errors
    /// [`PolicyError::Read`], or [`PolicyError::File`] with what [`from_toml`](Self::from_toml) says of it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PolicyError> {
        let path = path.as_ref();
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
            .and_then(|length| match length as u64 {
                0..=MAX_FILE => Ok(()),
                _ => Err(std::io::Error::other("it is larger than 1 MiB")),
            })
            .map_err(|source| PolicyError::Read { path: path.to_owned(), source })?;
        Self::from_toml(&text)
            .map_err(|error| PolicyError::File { path: path.to_owned(), source: Box::new(error) })
    }

    /// The settings that it follows.
    #[must_use]
    pub const fn settings(&self) -> &PolicySettings {
        &self.settings
    }

    /// Takes up what earlier runs left: ids that are used, effects that cool down and count in the budget, and plans that
    /// are open. After a reboot no plan is open, since the effects are gone.
    pub fn restore(&mut self, past: &Carried, facts: &HostFacts) {
        self.state.restore(past, facts);
    }

    /// Stops all effects until [`resume`](Self::resume); `by` says who wants it.
    pub fn pause(&mut self, by: &str) {
        self.pausing.call(Some(by));
    }

    /// Takes back [`pause`](Self::pause). A pause file goes on to pause while it exists.
    pub fn resume(&mut self) {
        self.pausing.call(None);
    }

    /// Who or what pauses all effects, if anything does. Looks for each pause file.
    pub fn paused(&mut self) -> Option<Arc<str>> {
        self.pausing.by()
    }

    /// Looks for no pause file from now on: a replay depends on nothing but its input.
    pub fn without_pause_files(&mut self) {
        self.pausing.forget_files();
    }

    /// Gives a plan its id: the same one for as long as its gadget goes on proposing this kind of step on this target. A plan
    /// that lapsed (`sustained.lapse`) or was opened meanwhile gets a new one. The plan's own time is what counts.
    pub fn admit(&mut self, plan: &mut Plan) {
        self.state.admit(plan, self.settings.sustained.lapse);
    }

    /// Puts the plans of one moment in the order in which they should be reviewed: the largest merit first, then the nearest
    /// deadline, then the oldest plan. The first of those on one target to be permitted outbids the others.
    pub fn arbitrate(&self, plans: &mut [Plan]) {
        let rank = |plan: &Plan| if plan.merit.is_nan() { f64::NEG_INFINITY } else { plan.merit };
        plans.sort_unstable_by(|a, b| {
            let sooner = || match (a.deadline, b.deadline) {
                (Some(a), Some(b)) => a.cmp(&b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            };
            rank(b).total_cmp(&rank(a)).then_with(sooner).then_with(|| a.id.cmp(&b.id))
        });
    }

    /// Asks every guard, and gives a permit if none has anything against the plan.
    ///
    /// The first refusal decides, else the least autonomy. While the permit can be used it holds the target and counts in the
    /// budget. Allocates nothing once warm, as long as names are borrowed.
    pub fn review(&mut self, plan: &Plan, request: &Request<'_>) -> (Review, Option<Permit>) {
        let (now, world) = (request.now, request.world);
        self.state.tick(now, self.settings.budget.window);
        self.inside.look(plan, world);
        let paused = self.pausing.by();
        let case = Case {
            plan,
            kind: plan.step.kind(),
            now,
            world,
            incapable: request.incapable.as_ref(),
            paused: paused.as_ref(),
            settings: &self.settings,
            state: &self.state,
            standing: self.state.standing(plan),
            inside: &self.inside,
            touch: self.inside.touch(plan, world),
        };
        let touch = case.touch;
        let mut opinions: ArrayVec<(GuardName, Opinion), 16> =
            GUARDS.iter().map(|guard| (guard.name(), guard.judge(&case))).collect();
        if verdict(&opinions) == Verdict::AwaitsApproval
            && let Some(answer) = self.approver.as_mut().and_then(|ask| ask(plan))
        {
            self.state.answer(plan.id, answer);
            let said = if answer { Opinion::Pass } else { Opinion::Refuse(Refusal::Declined) };
            for (_, opinion) in opinions.iter_mut().filter(|(_, opinion)| *opinion == Opinion::Ask)
            {
                opinion.clone_from(&said);
            }
        }
        let verdict = verdict(&opinions);
        let permit = (verdict == Verdict::Permitted).then(|| {
            let expires = now + self.settings.permit.lifetime;
            self.state.permit(plan, touch, now, expires);
            Permit::new(plan.clone(), expires)
        });
        (Review { plan: plan.clone(), verdict, opinions }, permit)
    }

    /// Says that a permitted plan and its undo are on record, so that its effect is about to happen.
    pub fn opened(&mut self, plan: &Plan, undo: &Undo, now: Timestamp) {
        self.state.open(plan, undo, now);
    }

    /// Says that a plan is over: its target is free again and begins to cool down.
    pub fn ended(&mut self, outcome: &Outcome, now: Timestamp) {
        self.state.end(outcome.plan, now);
        if outcome.ending == Ending::Yielded {
            self.state.yielded(outcome.target.subject, outcome.kind, now);
        }
    }

    /// Says that somebody else has changed a setting: it is theirs for `yield.holds`.
    pub fn yielded(&mut self, subject: Subject, setting: Setting, now: Timestamp) {
        self.state.yielded(subject, guards::changes(setting), now);
    }

    /// Takes a person's answer. It is remembered until it is used or the plan lapses, and covers the kind of step on its
    /// target, whatever its values are by then. False if no such plan is proposed.
    pub fn decide(&mut self, plan: PlanId, yes: bool) -> bool {
        self.state.answer(plan, yes)
    }

    /// Sets whom to ask about plans that wait for approval; `None` means not yet. Asked only when nothing else speaks against
    /// the plan.
    pub fn set_approver(&mut self, approver: Approver) {
        self.approver = Some(approver);
    }

    /// How many memories had to make room for others because a bound was reached.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.state.evicted()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("settings", &self.settings)
            .field("pausing", &self.pausing)
            .finish_non_exhaustive()
    }
}

/// The first refusal, else the least autonomy.
fn verdict(opinions: &[(GuardName, Opinion)]) -> Verdict {
    let any = |wanted: fn(&Opinion) -> bool| opinions.iter().any(|(_, opinion)| wanted(opinion));
    if any(|opinion| matches!(opinion, Opinion::Refuse(_))) {
        Verdict::Refused
    } else if any(|opinion| *opinion == Opinion::Observe) {
        Verdict::Observed
    } else if any(|opinion| *opinion == Opinion::Advise) {
        Verdict::Advised
    } else if any(|opinion| *opinion == Opinion::Ask) {
        Verdict::AwaitsApproval
    } else {
        Verdict::Permitted
    }
}
