//! What the chosen hold of all.

use crate::usage::Usage;

/// CPU time and resident memory that some processes hold, of that of all that a scan of the window saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Captured {
    cpu: u64,
    rss: u64,
    all_cpu: u64,
    all_rss: u64,
}

impl Captured {
    pub(crate) fn of(usages: &[Usage], chosen: &[u32]) -> Self {
        let mut it = Self::default();
        for usage in usages {
            // A room was asked, so that the sums fit.
            it.all_cpu += usage.cpu();
            it.all_rss += usage.rss;
        }
        for &at in chosen {
            it.add(&usages[at as usize]);
        }
        it
    }

    pub(crate) fn add(&mut self, usage: &Usage) {
        self.cpu += usage.cpu();
        self.rss += usage.rss;
    }

    /// The share of CPU time; none of no time.
    pub(crate) fn cpu(&self) -> Option<f64> {
        share(self.cpu, self.all_cpu)
    }

    /// The share of resident memory; none of no memory.
    pub(crate) fn rss(&self) -> Option<f64> {
        share(self.rss, self.all_rss)
    }

    /// Whether the share of a part is at least this; of nothing, any share is held.
    pub(crate) fn reaches(&self, part: Part, capture: f64) -> bool {
        let share = match part {
            Part::Cpu => self.cpu(),
            Part::Rss => self.rss(),
        };
        share.is_none_or(|share| share >= capture)
    }
}

/// What is to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// CPU time.
    Cpu,
    /// Resident memory.
    Rss,
}

impl Part {
    pub(crate) const ALL: [Self; 2] = [Self::Cpu, Self::Rss];

    pub(crate) fn of(self, usage: &Usage) -> u64 {
        match self {
            Self::Cpu => usage.cpu(),
            Self::Rss => usage.rss,
        }
    }
}

fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}
