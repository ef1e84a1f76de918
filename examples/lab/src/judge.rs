//! The verdict: from facts that only the lab knows, never from what the watcher claims.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use serde::{Deserialize, Serialize};

/// What became of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "fate", content = "value")]
pub enum Fate {
    /// Alive, and a culprit among them still grows.
    Running,
    /// Alive in a frozen cgroup.
    Frozen,
    /// Alive, stopped by a signal.
    Stopped,
    /// Alive, and no longer able to grow.
    Limited,
    /// Ended by itself, or on request.
    Exited(i32),
    /// Ended by a signal.
    Killed(i32),
}

impl Fate {
    /// From an exit status.
    pub(crate) fn ended(status: ExitStatus) -> Self {
        status.signal().map_or_else(|| Self::Exited(status.code().unwrap_or(-1)), Self::Killed)
    }

    fn alive(self) -> bool {
        !matches!(self, Self::Exited(_) | Self::Killed(_))
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Frozen => f.write_str("frozen"),
            Self::Stopped => f.write_str("stopped"),
            Self::Limited => f.write_str("limited"),
            Self::Exited(code) => write!(f, "exit {code}"),
            Self::Killed(9) => f.write_str("KILL"),
            Self::Killed(15) => f.write_str("TERM"),
            Self::Killed(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What the lab saw with its own eyes.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) is_leak: bool,
    /// A watcher ran and was allowed to act.
    pub(crate) acting: bool,
    pub(crate) oom_kills: u64,
    /// The culprit of a leak, the worker of a benign run.
    pub(crate) subject: Fate,
    /// Innocent, big and bystanders, by name.
    pub(crate) others: Vec<(String, Fate)>,
    /// The watcher ended on its own.
    pub(crate) watcher_ended: Option<String>,
    pub(crate) timed_out: bool,
}

/// Pass or fail, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// True when all that was asked for happened.
    pub pass: bool,
    /// One sentence.
    pub reason: String,
}

impl Verdict {
    fn new(pass: bool, reason: impl Into<String>) -> Self {
        Self { pass, reason: reason.into() }
    }
}

/// Judges a run. Without an acting watcher the question is only whether the incident happened as staged.
pub(crate) fn judge(facts: &Facts) -> Verdict {
    if let Some(status) = &facts.watcher_ended {
        return Verdict::new(false, format!("the watcher ended: {status}"));
    }
    if facts.is_leak && !facts.acting {
        let happened = facts.oom_kills > 0;
        return Verdict::new(
            happened,
            if happened { "kernel OOM as staged" } else { "no OOM happened" },
        );
    }
    if facts.oom_kills > 0 {
        return Verdict::new(false, format!("{} kernel OOM kills", facts.oom_kills));
    }
    // A frozen or stopped innocent is no better off than a dead one.
    let hurt: Vec<String> = facts
        .others
        .iter()
        .filter(|(_, fate)| !matches!(fate, Fate::Running | Fate::Limited))
        .map(|(name, fate)| format!("{name}: {fate}"))
        .collect();
    if !hurt.is_empty() {
        return Verdict::new(false, format!("hurt {}", hurt.join(", ")));
    }
    match (facts.is_leak, facts.subject) {
        (true, Fate::Running) => Verdict::new(false, "the culprit still grows"),
        (true, fate) => Verdict::new(true, if fate.alive() { "contained" } else { "stopped" }),
        (false, Fate::Exited(0)) => Verdict::new(true, "left alone"),
        (false, fate) if fate.alive() && facts.timed_out => {
            Verdict::new(false, format!("not finished: {fate}"))
        }
        (false, fate) => Verdict::new(false, format!("disturbed: {fate}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leak() -> Facts {
        Facts {
            is_leak: true,
            acting: true,
            oom_kills: 0,
            subject: Fate::Killed(15),
            others: vec![("big".into(), Fate::Running)],
            watcher_ended: None,
            timed_out: false,
        }
    }

    fn passes(change: impl FnOnce(&mut Facts)) -> bool {
        let mut facts = leak();
        change(&mut facts);
        judge(&facts).pass
    }

    #[test]
    fn a_leak_passes_when_the_culprit_alone_was_stopped() {
        assert!(passes(|_| {}));
        assert!(passes(|facts| facts.subject = Fate::Frozen));
        assert!(passes(|facts| facts.subject = Fate::Limited));
        assert!(!passes(|facts| facts.subject = Fate::Running));
        assert!(!passes(|facts| facts.oom_kills = 1));
        assert!(!passes(|facts| facts.others[0].1 = Fate::Killed(9)));
        assert!(!passes(|facts| facts.others[0].1 = Fate::Frozen));
        assert!(!passes(|facts| facts.watcher_ended = Some("exit 1".into())));
    }

    #[test]
    fn a_benign_run_passes_only_when_it_finished_its_work() {
        let benign = |fate| {
            passes(|facts| {
                facts.is_leak = false;
                facts.subject = fate;
            })
        };
        assert!(benign(Fate::Exited(0)));
        for fate in
            [Fate::Exited(1), Fate::Killed(9), Fate::Killed(15), Fate::Running, Fate::Frozen]
        {
            assert!(!benign(fate), "{fate}");
        }
    }

    #[test]
    fn without_an_acting_watcher_a_leak_must_end_in_a_kernel_oom() {
        assert!(!passes(|facts| facts.acting = false));
        assert!(passes(|facts| {
            facts.acting = false;
            facts.oom_kills = 1;
            facts.others[0].1 = Fate::Killed(9);
        }));
    }
}
