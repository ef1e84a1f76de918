//! What the learner may do, and what it counts.

/// What the learner may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LearnerSettings {
    /// Different values that make a rule. Default 3.
    pub sightings: usize,
    /// The most rules on trial. Default 64.
    pub on_trial: usize,
    /// The most adopted rules. Default 256.
    pub adopted: usize,
    /// Keys that are new to a service's rules in a day, each with up to eight shapes. Default 24.
    pub a_day: u32,
    /// Of the rules on trial, and of the adopted ones, a service may have one in so many: whoever writes what one service logs cannot
    /// keep others from learning. Default 4.
    pub one_in: usize,
    /// Of a million lines a rule may touch so many; one that touches more has to be confirmed more often. Default 5,000.
    pub reach_per_million: u64,
    /// How often a rule of such a reach has to be confirmed. Default 24, which makes it right with 0.9 at least.
    pub broad_agreed: u64,
}

impl Default for LearnerSettings {
    fn default() -> Self {
        Self {
            sightings: 3,
            on_trial: 64,
            adopted: 256,
            a_day: 24,
            one_in: 4,
            reach_per_million: 5_000,
            broad_agreed: 24,
        }
    }
}

/// What became of what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LearnerCounts {
    /// Values that the slow path found and no rule did.
    pub missed: u64,
    /// Rules that were made.
    pub made: u64,
    /// Rules that were not made: they would have touched a clean line that is remembered, or failed their tests.
    pub stillborn: u64,
    /// Rules that were not made, since there were as many as may be.
    pub crowded: u64,
    /// Rules whose trial ended badly.
    pub failed: u64,
    /// Rules that expired on trial.
    pub expired: u64,
}
