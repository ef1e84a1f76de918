//! Made-up values, the same in every run.

use gadget_sketch::{Mapping, Sketch};

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ it >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ it >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ it >> 31
    }

    /// Above 0, and 1 at most.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let (radius, turn) = (self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
    }

    pub(crate) fn many(&mut self, n: usize, mut one: impl FnMut(&mut Self) -> f64) -> Vec<f64> {
        (0..n).map(|_| one(self)).collect()
    }

    /// Values of a distribution that is drawn itself: of one of seven families, with parameters, scale and sign of its own.
    pub(crate) fn distribution(&mut self, n: usize) -> Vec<f64> {
        let scale = 10_f64.powf(self.between(-6.0, 9.0));
        let (a, b) = (self.between(0.1, 2.0), self.between(0.0, 0.95));
        match self.next() % 7 {
            0 => self.many(n, |it| scale * (a * it.normal()).exp()),
            1 => self.many(n, |it| scale * it.uniform().powf(-1.0 / (1.0 + a))),
            2 => self.many(n, |it| scale * it.uniform()),
            3 => self.many(n, |it| scale * (it.normal() + a)),
            4 => self.many(n, |it| -scale * it.uniform().ln()),
            5 => self.many(n, |it| if it.uniform() < b { 0.0 } else { scale * it.uniform() }),
            // Two humps, one of them below zero.
            _ => self.many(n, |it| {
                let hump = if it.uniform() < b { -scale } else { 30.0 * scale };
                hump * (a * 0.3 * it.normal()).exp()
            }),
        }
    }
}

pub(crate) fn sketch_of(mapping: Mapping, values: &[f64]) -> Sketch {
    let mut sketch = Sketch::with(mapping);
    sketch.extend(values.iter().copied());
    sketch
}

/// The greatest relative error of `quantile` at these, against the sorted values of rank `q * (n - 1)`, rounded down. Of a zero
/// only zero is no error.
pub(crate) fn worst_error(
    values: &[f64],
    quantiles: impl IntoIterator<Item = f64>,
    quantile: impl Fn(f64) -> f64,
) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let errors = quantiles.into_iter().map(|q| {
        let exact = sorted[(q * (sorted.len() - 1) as f64) as usize];
        let answer = quantile(q);
        if answer == exact { 0.0 } else { ((answer - exact) / exact).abs() }
    });
    errors.fold(0.0, |worst, error| if error <= worst { worst } else { error })
}

/// From 0 to 1 in thousandths.
pub(crate) fn thousandths() -> impl Iterator<Item = f64> {
    (0..=1_000).map(|i| f64::from(i) / 1_000.0)
}
