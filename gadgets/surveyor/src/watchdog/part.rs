//! What one part of the agent uses, held against its limits.

use std::time::Duration;

use gadget_core::{Breaker, BreakerState, Evidence, ModuleUse, Timestamp};

use crate::settings;

/// Below this share of a limit a part is well below it.
const WELL_BELOW: f64 = 0.7;

/// Tries to go up again are never further apart than this.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// What can be used too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Cpu,
    Memory,
    Fds,
    Silence,
}

impl Resource {
    /// What an assessment calls it.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Cpu => "over-cpu",
            Self::Memory => "over-memory",
            Self::Fds => "over-fds",
            Self::Silence => "silent",
        }
    }

    /// As UCUM writes it.
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Cpu => "%",
            Self::Memory => "By",
            Self::Fds => "{fd}",
            Self::Silence => "s",
        }
    }
}

/// A limit that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trip {
    pub(super) resource: Resource,
    pub(super) value: f64,
    pub(super) limit: f64,
}

impl Trip {
    pub(super) fn says(&self, name: &str) -> String {
        let Self { resource, value, limit } = self;
        match resource {
            Resource::Cpu => format!("{name} uses {value:.2} % of a core, of at most {limit}"),
            Resource::Memory => {
                let [value, limit] = [value, limit].map(|bytes| bytes / 1e6);
                format!("{name} keeps {value:.1} MB, of at most {limit}")
            }
            Resource::Fds => format!("{name} keeps {value} files open, of at most {limit}"),
            Resource::Silence => format!("{name} is silent for {value:.1} s, of at most {limit}"),
        }
    }

    pub(super) fn evidence(&self) -> Evidence {
        let value = match self.resource {
            Resource::Cpu => "cpu_percent",
            Resource::Memory => "memory_bytes",
            Resource::Fds => "fds",
            Resource::Silence => "silent_s",
        };
        Evidence::from_iter([(value.into(), self.value), ("limit".into(), self.limit)])
    }
}

/// What is known of one part.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Opens when a limit was exceeded in a few readings in a row, and lets single tries through to send more again.
    pub(super) breaker: Breaker,
    /// What the last reading exceeded.
    pub(super) over: Option<Trip>,
    pub(super) seen: Timestamp,
    /// Files that it accounts for.
    pub(super) fds: Option<u32>,
    calm_since: Option<Timestamp>,
    /// The breaker has opened, and nothing was done about that yet.
    fresh: bool,
}

impl Part {
    pub(super) fn new(limits: &settings::Watchdog, at: Timestamp) -> Self {
        let longest = LONGEST_WAIT.max(limits.recover);
        Self {
            breaker: Breaker::new(limits.readings, limits.recover, longest),
            over: None,
            seen: at,
            fds: None,
            calm_since: None,
            fresh: false,
        }
    }

    pub(super) fn observe(
        &mut self,
        used: &ModuleUse,
        accounted: u32,
        limits: &settings::Watchdog,
        at: Timestamp,
    ) {
        self.seen = at;
        let whole = used.module == ModuleUse::WHOLE;
        self.fds = used.fds.filter(|_| !whole);
        let (cpu, memory) = match whole {
            true => (limits.cpu_percent, limits.memory_mb),
            false => (limits.part_cpu_percent, limits.part_memory_mb),
        };
        let trip = |resource, value, limit| Trip { resource, value, limit };
        let fds = used.fds.filter(|_| whole).map(|fds| fds.saturating_sub(accounted));
        let (silent, heartbeat) = (used.silent, limits.heartbeat.as_secs_f64());
        let measured = [
            used.cpu_percent().map(|value| trip(Resource::Cpu, value, cpu)),
            used.memory.map(|value| trip(Resource::Memory, value.as_f64(), bytes(memory))),
            fds.map(|value| trip(Resource::Fds, f64::from(value), f64::from(limits.fds))),
            silent.map(|silent| trip(Resource::Silence, silent.as_secs_f64(), heartbeat)),
        ];
        let measured = measured.into_iter().flatten();
        self.over = measured.clone().find(|it| it.value > it.limit);
        let calm = measured.clone().all(|it| it.value <= WELL_BELOW * it.limit);
        self.calm_since = calm.then(|| self.calm_since.unwrap_or(at));
        if self.breaker_is(|state| state == BreakerState::Closed) {
            match self.over {
                Some(_) => self.fresh |= self.breaker.failed(at),
                None => self.breaker.succeeded(at),
            }
        }
    }

    /// A limit is exceeded, was so for long enough, and sending less may help. With one that is silent it may help once:
    /// what it does when there is less to do, it has to show itself.
    pub(super) fn wants_less(&self) -> bool {
        let open = self.breaker_is(|state| matches!(state, BreakerState::Open { .. }));
        let again = self.over.is_some_and(|trip| trip.resource != Resource::Silence);
        open && self.over.is_some() && (self.fresh || again)
    }

    /// Another step is in force.
    pub(super) const fn acted(&mut self) {
        self.fresh = false;
    }

    /// A try to send more has failed: the breaker is open from now on.
    pub(super) fn failed(&mut self, now: Timestamp) {
        while !self.breaker_is(|state| matches!(state, BreakerState::Open { .. })) {
            self.fresh |= self.breaker.failed(now);
        }
    }

    pub(super) fn calm_for(&self, now: Timestamp, time: Duration) -> bool {
        self.calm_since.is_some_and(|since| now.since(since) >= time)
    }

    pub(super) fn breaker_is(&self, is: impl Fn(BreakerState) -> bool) -> bool {
        is(self.breaker.state())
    }
}

/// Megabytes of 10^6 bytes.
pub(super) fn bytes(megabytes: u64) -> f64 {
    megabytes as f64 * 1e6
}
