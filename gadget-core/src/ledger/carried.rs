//! Keeping the past current.

use std::sync::Arc;
use std::time::Duration;

use super::{Carried, Entry, PastEffect, Unfinished};
use crate::action::{Summary, summary};
use crate::plan::PlanId;
use crate::units::Timestamp;

/// How long an effect counts.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the records so far mean for the present.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) carried: Carried,
    /// The boot in which the present writer runs.
    boot_id: Arc<str>,
}

impl Past {
    pub(super) fn new() -> Self {
        let mut past = Self { carried: Carried::default(), boot_id: Arc::from("") };
        past.reserve();
        past
    }

    /// Makes room once, so that noting an intent allocates nothing.
    fn reserve(&mut self) {
        let Carried { effects, unfinished, .. } = &mut self.carried;
        effects.reserve_exact((Carried::MAX_EFFECTS + 1).saturating_sub(effects.len()));
        unfinished.reserve_exact(Carried::MAX_UNFINISHED.saturating_sub(unfinished.len()));
    }

    /// Takes one more record into account.
    pub(super) fn note(&mut self, at: Timestamp, entry: &Entry<'_>) {
        match entry {
            Entry::Opened { host, .. } => {
                self.boot_id = Arc::clone(&host.boot_id);
                self.adopt_boot();
            }
            Entry::Reviewed(review) => self.used(review.plan.id),
            Entry::Intended { plan, undo } => {
                self.used(plan.id);
                self.adopt_boot();
                self.carried.effects.push(PastEffect {
                    at,
                    plan: plan.id,
                    gadget: plan.gadget.clone(),
                    kind: plan.step.kind(),
                    target: plan.target.clone(),
                });
                self.prune(at);
                self.carried.unfinished.push(Unfinished {
                    at,
                    plan: plan.as_ref().clone(),
                    undo: undo.as_ref().clone(),
                });
            }
            Entry::Done { plan, .. } => self.used(*plan),
            Entry::Ended(outcome) => {
                self.used(outcome.plan);
                self.carried.unfinished.retain(|open| open.plan.id != outcome.plan);
                self.adopt_boot();
            }
            Entry::Carried(carried) => {
                self.carried = carried.as_ref().clone();
                if self.boot_id.is_empty() {
                    self.boot_id = Arc::from(self.carried.boot_id.as_str());
                }
                self.reserve();
            }
            Entry::Assessed(_) | Entry::Noted(_) => {}
        }
    }

    /// Forgets effects that no longer count.
    pub(super) fn prune(&mut self, now: Timestamp) {
        let effects = &mut self.carried.effects;
        let old = effects.iter().take_while(|effect| now.since(effect.at) > DAY).count();
        let over = effects.len().saturating_sub(Carried::MAX_EFFECTS);
        effects.drain(..old.max(over));
    }

    /// True if effects of an earlier boot are unfinished: the reboot took them.
    pub(super) fn rebooted(&self) -> bool {
        !self.carried.unfinished.is_empty() && *self.carried.boot_id != *self.boot_id
    }

    fn used(&mut self, plan: PlanId) {
        self.carried.last_plan = self.carried.last_plan.max(plan);
    }

    fn adopt_boot(&mut self) {
        if self.carried.unfinished.is_empty() && *self.carried.boot_id != *self.boot_id {
            self.carried.boot_id.clear();
            self.carried.boot_id.push_str(&self.boot_id);
        }
    }
}

/// How an effect of an earlier boot ended.
pub(super) fn lost_by_reboot() -> Summary {
    summary(format_args!("a reboot took the effect"))
}
