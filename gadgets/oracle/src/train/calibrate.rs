//! Making votes into probabilities, and saying how good they are.

/// One bin of a reliability table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reliability {
    /// From this probability on.
    pub from: f64,
    /// Rows in the bin.
    pub rows: usize,
    /// The mean of what was said.
    pub said: f64,
    /// The share of rows that did end in an out-of-memory.
    pub happened: f64,
}

/// What was said against what happened, in ten bins.
#[must_use]
pub fn reliability(said: &[f64], happened: &[bool]) -> Vec<Reliability> {
    (0..10)
        .map(|bin| {
            let from = f64::from(bin) / 10.0;
            let within: Vec<(f64, bool)> = said
                .iter()
                .copied()
                .zip(happened.iter().copied())
                .filter(|(said, _)| ((said * 10.0) as i32).min(9) == bin)
                .collect();
            let rows = within.len();
            let share = |sum: f64| if rows == 0 { 0.0 } else { sum / rows as f64 };
            Reliability {
                from,
                rows,
                said: share(within.iter().map(|(said, _)| said).sum()),
                happened: share(
                    within.iter().map(|(_, happened)| f64::from(u8::from(*happened))).sum(),
                ),
            }
        })
        .collect()
}

/// The mean squared distance between what was said and what happened: 0 is perfect, 0.25 is a coin.
#[must_use]
pub fn brier(said: &[f64], happened: &[bool]) -> f64 {
    let sum: f64 = said
        .iter()
        .zip(happened)
        .map(|(said, happened)| (said - f64::from(u8::from(*happened))).powi(2))
        .sum();
    sum / said.len().max(1) as f64
}

/// The rising step function from votes to probability that fits best (pool adjacent violators), for 0 to `trees` votes.
///
/// Each count begins with half a row of either kind, so that nothing is certain.
#[must_use]
pub fn isotonic(votes: &[u16], happened: &[bool], weights: &[f64], trees: usize) -> Vec<f32> {
    let mut pools: Vec<(f64, f64, usize)> = (0..=trees).map(|_| (0.5, 1.0, 1)).collect();
    for ((votes, happened), weight) in votes.iter().zip(happened).zip(weights) {
        let pool = &mut pools[usize::from(*votes).min(trees)];
        pool.0 += weight * f64::from(u8::from(*happened));
        pool.1 += weight;
    }
    let mut merged: Vec<(f64, f64, usize)> = Vec::new();
    for pool in pools {
        merged.push(pool);
        while let [.., a, b] = merged[..]
            && a.0 / a.1 >= b.0 / b.1
        {
            merged.truncate(merged.len() - 2);
            merged.push((a.0 + b.0, a.1 + b.1, a.2 + b.2));
        }
    }
    merged
        .iter()
        .flat_map(|(sum, weight, count)| std::iter::repeat_n((sum / weight) as f32, *count))
        .collect()
}
