//! Random numbers that depend on nothing but a seed.

/// SplitMix64: small, fast, and the same on every host.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// One stream per seed and `salt`, so that two scenarios with one seed differ.
    pub(crate) fn new(seed: u64, salt: &str) -> Self {
        let mixed = salt
            .bytes()
            .fold(seed ^ 0x6c61_6221, |state, byte| Self(state ^ u64::from(byte)).next());
        Self(mixed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `low..high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        low + unit * (high - low)
    }

    /// A whole number in `low..=high`.
    pub(crate) fn whole(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True in about half of the cases.
    pub(crate) fn coin(&mut self) -> bool {
        self.next() >> 63 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_range_and_differ_by_seed_and_salt() {
        let draw = |seed, salt: &str| Rng::new(seed, salt).between(2.0, 3.0);
        for seed in 0..1000 {
            assert!((2.0..3.0).contains(&draw(seed, "leak")));
        }
        assert_ne!(draw(1, "leak"), draw(2, "leak"));
        assert_ne!(draw(1, "leak"), draw(1, "burst"));
        assert_eq!(draw(1, "leak"), draw(1, "leak"));
    }
}
