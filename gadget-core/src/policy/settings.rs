//! The settings of a policy. `policy.toml` beside `Cargo.toml` documents the same keys for operators.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::Check;
use super::duration;
use super::error::PolicyError;
use super::glob::Glob;
use super::grants::Grants;
use crate::plan::Risk;
use crate::units::Probability;

/// What a policy allows. Each part belongs to the guard of the same name; the defaults do nothing but observe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySettings {
    /// Files that stop every effect while they exist, whatever they hold. Default `/run/gadget-pause`; absolute paths, at
    /// most 8. A file that cannot be looked for also stops every effect.
    pub pause_files: Vec<PathBuf>,
    /// Who may do what by itself.
    pub autonomy: Grants,
    /// What is never touched, beside what is built in.
    pub protect: Protect,
    /// How long ago a target may have been seen.
    pub stale: Stale,
    /// How long a setting is left to whoever else changed it.
    #[serde(rename = "yield")]
    pub yields: Yields,
    /// How sure a gadget has to be.
    pub confidence: Confidence,
    /// How long a plan has to hold.
    pub sustained: Sustained,
    /// How long nothing is repeated.
    pub cooldown: Cooldown,
    /// How much may be done in a window.
    pub budget: Budget,
    /// How much of the host may be touched at once.
    pub blast_radius: BlastRadius,
    /// The permits that are given.
    pub permit: Permits,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            pause_files: vec![PathBuf::from("/run/gadget-pause")],
            autonomy: Grants::default(),
            protect: Protect::default(),
            stale: Stale::default(),
            yields: Yields::default(),
            confidence: Confidence::default(),
            sustained: Sustained::default(),
            cooldown: Cooldown::default(),
            budget: Budget::default(),
            blast_radius: BlastRadius::default(),
            permit: Permits::default(),
        }
    }
}

/// What is never touched. In patterns `*` stands for any run of characters, `/` included.
///
/// Built in and always on: pid 1 and other init systems, threads of the kernel, the agent and its ancestors, systemd and its
/// helpers, sshd, the container runtimes, kubelet, D-Bus, udev, the journal, and whatever has an `oom_score_adj` of -1000.
/// A cgroup is as protected as anything in it, a tree of processes as any of its members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Protect {
    /// Patterns of `comm`, the process name of at most 15 bytes: `postgres`, `java*`. Default none.
    pub comm: Vec<Glob>,
    /// Patterns of the executable's path: `/usr/sbin/mysqld`, `/opt/billing/*`. Default none.
    pub exe: Vec<Glob>,
    /// Patterns of the cgroup's path; they hold for everything below it: `*/postgresql.service`. Default none.
    pub cgroup: Vec<Glob>,
    /// Effective user ids. Default none.
    pub uid: Vec<u32>,
}

/// How long ago a target may have been seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stale {
    /// A target that was not seen for this long is refused. Default 10 s; 100 ms to 10 min. Agents that read slowly want
    /// more than two of their rounds.
    #[serde(with = "duration")]
    pub unseen: Duration,
}

/// How long a setting is left to whoever else changed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Yields {
    /// They own the setting for this long. Default 10 min; zero to 24 h. Zero takes it back at once.
    #[serde(with = "duration")]
    pub holds: Duration,
}

/// How sure a gadget has to be, by the risk of the step: 0 to 1, low at most medium, medium at most high.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Confidence {
    /// For steps that nobody notices. Default 0.5.
    pub low: Probability,
    /// For steps that slow or stop somebody and can be undone. Default 0.7.
    pub medium: Probability,
    /// For steps that lose somebody's work. Default 0.85; 1 wants certainty.
    pub high: Probability,
}

/// How long a plan has to be proposed without a break before it is done, by the risk of the step. Zero to 1 h.
///
/// Never more than a tenth of the plan's deadline: trouble that comes fast does not wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sustained {
    /// For steps that nobody notices. Default 0 s: at the first proposal.
    #[serde(with = "duration")]
    pub low: Duration,
    /// For steps that slow or stop somebody and can be undone. Default 1 s.
    #[serde(with = "duration")]
    pub medium: Duration,
    /// For steps that lose somebody's work. Default 2 s; hosts with long bursts want more.
    #[serde(with = "duration")]
    pub high: Duration,
    /// A plan that was not proposed for this long has lapsed: it starts anew, and an approval of it is forgotten. Default
    /// 10 s; 100 ms to 1 h.
    #[serde(with = "duration")]
    pub lapse: Duration,
}

/// How long nothing is repeated, counted from the effect and again from its end. Zero to 24 h, at most the budget's window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cooldown {
    /// On one target no step of the same or a lower risk than the last one. Default 30 s. A step of higher risk may follow
    /// at once, so that a ladder of reclaim, freeze and terminate can be climbed.
    #[serde(with = "duration")]
    pub target: Duration,
    /// On any target no second step of the same kind, where its risk is medium or high: time to see what the first one did.
    /// Default 5 s.
    #[serde(with = "duration")]
    pub kind: Duration,
}

/// How much may be done in a window that ends now. Holds across restarts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// The length of the window. Default 1 h; 1 s to 24 h.
    #[serde(with = "duration")]
    pub window: Duration,
    /// The most steps of any kind. Default 60; 0 to 1,000, zero stops all.
    pub steps: u32,
    /// The most steps that lose somebody's work. Default 6; zero stops them, as does `steps`.
    pub high_risk: u32,
}

/// How much of the host may be touched at once by steps of medium and high risk, open plans included. 0 to 1.
///
/// Three processes and three cgroups may always be touched, so that a small host is not blocked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlastRadius {
    /// Share of the processes that are not the kernel's. Default 0.25. A process with its descendants counts once for each
    /// executable among them, so that a fork storm is one culprit.
    pub processes: f64,
    /// Share of the cgroups; a cgroup counts with those below it. Default 0.25.
    pub cgroups: f64,
    /// Share of the host's memory, charged to cgroups of more than one process. Default 0.75. One process, or one with its
    /// descendants, cannot be touched in part and is not measured.
    pub memory: f64,
}

/// The permits that are given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permits {
    /// How long a permit can be used. Default 1 s; 10 ms to 1 s: no permit outlives a pause by more than that.
    #[serde(with = "duration")]
    pub lifetime: Duration,
}

impl Default for Stale {
    fn default() -> Self {
        Self { unseen: Duration::from_secs(10) }
    }
}

impl Default for Yields {
    fn default() -> Self {
        Self { holds: Duration::from_secs(600) }
    }
}

impl Default for Confidence {
    fn default() -> Self {
        let [low, medium, high] = [0.5, 0.7, 0.85].map(Probability::saturating);
        Self { low, medium, high }
    }
}

impl Default for Sustained {
    fn default() -> Self {
        let [low, medium, high, lapse] = [0, 1, 2, 10].map(Duration::from_secs);
        Self { low, medium, high, lapse }
    }
}

impl Default for Cooldown {
    fn default() -> Self {
        Self { target: Duration::from_secs(30), kind: Duration::from_secs(5) }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { window: Duration::from_secs(3600), steps: 60, high_risk: 6 }
    }
}

impl Default for BlastRadius {
    fn default() -> Self {
        Self { processes: 0.25, cgroups: 0.25, memory: 0.75 }
    }
}

impl Default for Permits {
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(1) }
    }
}

impl Confidence {
    pub(super) const fn needed(&self, risk: Risk) -> Probability {
        match risk {
            Risk::Low => self.low,
            Risk::Medium => self.medium,
            Risk::High => self.high,
        }
    }
}

impl Sustained {
    pub(super) const fn needed(&self, risk: Risk) -> Duration {
        match risk {
            Risk::Low => self.low,
            Risk::Medium => self.medium,
            Risk::High => self.high,
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

impl PolicySettings {
    /// Says which value is out of its range.
    ///
    /// # Errors
    /// [`PolicyError::Value`] for the first one.
    pub fn check(&self) -> Result<(), PolicyError> {
        let check = Check;
        check.that(
            self.pause_files.len() <= 8 && self.pause_files.iter().all(|file| file.is_absolute()),
            "pause_files",
            "at most 8 absolute paths",
            &self.pause_files,
        )?;
        let Protect { comm, exe, cgroup, uid } = &self.protect;
        check.count("protect.comm", comm)?;
        check.count("protect.exe", exe)?;
        check.count("protect.cgroup", cgroup)?;
        check.count("protect.uid", uid)?;

        let tenth = Duration::from_millis(100);
        check.within("stale.unseen", self.stale.unseen, tenth, HOUR / 6)?;
        check.within("yield.holds", self.yields.holds, Duration::ZERO, DAY)?;

        let Confidence { low, medium, high } = self.confidence;
        check.that(low <= medium, "confidence.low", "at most confidence.medium", &low)?;
        check.that(medium <= high, "confidence.medium", "at most confidence.high", &medium)?;

        let sustained = &self.sustained;
        check.within("sustained.low", sustained.low, Duration::ZERO, HOUR)?;
        check.within("sustained.medium", sustained.medium, Duration::ZERO, HOUR)?;
        check.within("sustained.high", sustained.high, Duration::ZERO, HOUR)?;
        check.within("sustained.lapse", sustained.lapse, tenth, HOUR)?;

        let Budget { window, steps, high_risk } = self.budget;
        check.within("budget.window", window, Duration::from_secs(1), DAY)?;
        check.that(steps <= 1_000, "budget.steps", "from 0 to 1000", &steps)?;
        check.that(high_risk <= 1_000, "budget.high_risk", "from 0 to 1000", &high_risk)?;
        // What the window has forgotten cannot cool anything down.
        check.within("cooldown.target", self.cooldown.target, Duration::ZERO, window)?;
        check.within("cooldown.kind", self.cooldown.kind, Duration::ZERO, window)?;

        check.share("blast_radius.processes", self.blast_radius.processes)?;
        check.share("blast_radius.cgroups", self.blast_radius.cgroups)?;
        check.share("blast_radius.memory", self.blast_radius.memory)?;
        let lifetime = self.permit.lifetime;
        check.within("permit.lifetime", lifetime, Duration::from_millis(10), Duration::from_secs(1))
    }
}
