//! Which lines go to the slow path: those of a new shape and those that look suspicious, under a budget.

/// What [`Triage`] may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriageSettings {
    /// Lines in a million that go to the slow path, averaged. Default 10,000, which is 1 %; 0 sends the burst alone.
    pub per_million: u32,
    /// Lines that may go at once, and at the start. Default 256.
    pub burst: u32,
    /// From which suspicion on a line counts as suspicious. Default 128.
    pub suspicious: u8,
}

impl Default for TriageSettings {
    fn default() -> Self {
        Self { per_million: 10_000, burst: 256, suspicious: 128 }
    }
}

/// Whether a line goes to the slow path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing about it is new or suspicious.
    No,
    /// It goes.
    Yes,
    /// It should go, but the budget is spent; it is counted in [`Triage::over_budget`].
    OverBudget,
}

/// Shapes that are remembered: 1,024 sets of four, 48 KiB.
const SETS: usize = 1024;
const WAYS: usize = 4;
/// The price of one line, in the millionths that each line earns.
const PRICE: u64 = 1_000_000;
/// A shape unseen for so many lines is new again.
const FORGET: u32 = 4_000_000;

#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    /// The upper half of its hash; 0 for an empty place.
    tag: u32,
    /// Times seen.
    count: u32,
    /// The line when last seen.
    seen: u32,
}

/// Chooses lines for the slow path by the novelty of their shape and by suspicion.
///
/// The first lines of a shape are wanted, then every time its count has doubled, as a shape is no promise about the values in
/// it. A suspicious shape is wanted more often. One token bucket bounds both: however many shapes an attacker makes up, at most
/// `burst + lines * per_million / 1,000,000` lines go. Half of the bucket is for suspicious lines alone, so that a flood of
/// new shapes cannot use up what those need.
#[derive(Clone, Debug)]
pub struct Triage {
    settings: TriageSettings,
    sets: Box<[[Shape; WAYS]]>,
    lines: u64,
    purse: u64,
    taken: u64,
    over_budget: u64,
}

impl Triage {
    /// With an empty memory and a full bucket.
    #[must_use]
    pub fn new(settings: TriageSettings) -> Self {
        Self {
            settings,
            sets: vec![[Shape::default(); WAYS]; SETS].into_boxed_slice(),
            lines: 0,
            purse: u64::from(settings.burst) * PRICE,
            taken: 0,
            over_budget: 0,
        }
    }

    /// Decides about one line: the hash of its shape, and how suspicious it is.
    pub fn line(&mut self, shape: u64, suspicion: u8) -> Wanted {
        self.lines += 1;
        let most = u64::from(self.settings.burst.max(1)) * PRICE;
        self.purse = (self.purse + u64::from(self.settings.per_million)).min(most);
        let count = self.count(shape);
        let suspicious = suspicion >= self.settings.suspicious;
        let wanted = count <= 2
            || count.is_power_of_two()
            || suspicious && (count <= 32 || count.is_multiple_of(64));
        if !wanted {
            return Wanted::No;
        }
        let reserve = if suspicious { 0 } else { most / 2 };
        if self.purse < PRICE + reserve {
            self.over_budget += 1;
            return Wanted::OverBudget;
        }
        self.purse -= PRICE;
        self.taken += 1;
        Wanted::Yes
    }

    /// Lines seen.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Lines that went to the slow path.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Lines that should have gone, had the budget allowed it.
    #[must_use]
    pub const fn over_budget(&self) -> u64 {
        self.over_budget
    }

    /// How often the shape was seen, with this time.
    fn count(&mut self, shape: u64) -> u32 {
        let now = self.lines as u32;
        let mixed = (shape ^ shape >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let tag = (mixed >> 32) as u32 | 1;
        let set = &mut self.sets[mixed as u32 as usize % SETS];
        let known =
            set.iter().position(|known| known.tag == tag && now.wrapping_sub(known.seen) < FORGET);
        let place = known.unwrap_or_else(|| {
            // Empty places are the oldest.
            let age = |at: &usize| {
                if set[*at].tag == 0 { u32::MAX } else { now.wrapping_sub(set[*at].seen) }
            };
            let oldest = (0..WAYS).max_by_key(age).unwrap_or(0);
            set[oldest] = Shape { tag, count: 0, seen: now };
            oldest
        });
        set[place].seen = now;
        set[place].count = set[place].count.saturating_add(1);
        set[place].count
    }
}

impl Default for Triage {
    fn default() -> Self {
        Self::new(TriageSettings::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_shape_is_looked_at_ever_more_rarely() {
        let mut triage = Triage::default();
        let taken: Vec<u32> = (1..=100).filter(|_| triage.line(7, 0) == Wanted::Yes).collect();
        assert_eq!(taken, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(triage.over_budget(), 0);
    }

    #[test]
    fn a_flood_of_new_shapes_stays_within_the_budget() {
        let mut triage = Triage::default();
        let taken =
            (0..1_000_000_u64).filter(|i| triage.line(i * 977, 255) == Wanted::Yes).count() as u64;
        assert!(taken <= 256 + 10_000, "{taken}");
        assert!(taken > 9_900, "{taken}");
        assert_eq!(triage.taken(), taken);
        assert_eq!(triage.over_budget(), 1_000_000 - taken);
    }

    #[test]
    fn a_flood_leaves_half_of_the_budget_to_suspicious_lines() {
        let mut triage = Triage::default();
        let novel = (0..).take_while(|i| triage.line(*i, 0) == Wanted::Yes).count();
        assert!((128..=130).contains(&novel), "{novel}");
        for i in 0..100 {
            assert_eq!(triage.line(u64::MAX - 1 - i, 200), Wanted::Yes);
        }
    }

    #[test]
    fn a_suspicious_shape_is_looked_at_more_often() {
        let looks = |suspicion| {
            let mut triage = Triage::default();
            (0..1000).filter(|_| triage.line(1, suspicion) == Wanted::Yes).count()
        };
        assert!(looks(200) >= 4 * looks(0), "{} {}", looks(200), looks(0));
    }

    #[test]
    fn without_a_share_the_burst_is_all() {
        let mut triage = Triage::new(TriageSettings { per_million: 0, burst: 10, suspicious: 128 });
        assert_eq!((0..1000).filter(|i| triage.line(*i, 255) == Wanted::Yes).count(), 10);
    }
}
