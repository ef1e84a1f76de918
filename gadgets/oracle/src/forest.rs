//! A random forest to infer with: flat, versioned, without allocation.

use crate::features::{FEATURES, Row, fingerprint};
use crate::forecast::Class;

const MAGIC: [u8; 4] = *b"GFST";
/// The version of the format; others are refused.
const VERSION: u16 = 1;
/// Trees that are walked at once: their loads do not wait for one another.
const LANES: usize = 8;
const MOST_TREES: usize = 1_024;
const MOST_DEPTH: usize = 32;
const MOST_NODES: usize = 1 << 22;

/// Why bytes are no forest that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForestError {
    /// It does not begin as a forest does.
    #[error("not a forest")]
    NotAForest,
    /// Another version of the format.
    #[error("version {found} of the format, expected {VERSION}")]
    Version {
        /// The version found.
        found: u16,
    },
    /// Trained on other features than this crate computes.
    #[error("trained on other features than these: train it anew")]
    Features,
    /// It ends too early, or goes on after its end.
    #[error("{expected} bytes expected, {found} found")]
    Length {
        /// How long it should be.
        expected: usize,
        /// How long it is.
        found: usize,
    },
    /// Its counts or nodes make no forest.
    #[error("{what} is out of range")]
    Broken {
        /// What is wrong.
        what: &'static str,
    },
}

/// The calibration is stated at this many evenly spaced scores from 0 to 1.
pub(crate) const KNOTS: usize = 33;

/// One node: 8 bytes. Its children are neighbours. A leaf leads to itself: it asks for a feature that is below everything,
/// and holds in its threshold the share of its rows that ended in an out-of-memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) threshold: f32,
    pub(crate) left: u16,
    pub(crate) feature: u8,
    pub(crate) class: u8,
}

/// A random forest whose leaves say how likely the memory runs out.
///
/// Trees are walked eight at a time for as many steps as the deepest of them, without a branch on the data: a leaf leads to
/// itself. Features are compared as `f32`.
///
/// - Format, little endian: `GFST`, version `u16`, classes `u8`, depth `u8`, trees `u16`, features' fingerprint `u64`; for
///   each tree the count of its nodes as `u16`; the nodes of all trees (threshold `f32`, left child `u16`, feature `u8`,
///   class `u8`); the calibrated probability as `f32` for each of 33 scores from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    nodes: Vec<Node>,
    /// Where each tree begins; a multiple of [`LANES`].
    roots: Vec<u32>,
    depth: usize,
    calibration: [f32; KNOTS],
}

impl Forest {
    /// Reads a forest, and checks that no walk can leave it.
    ///
    /// # Errors
    /// Any [`ForestError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ForestError> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take::<4>() != Some(MAGIC) {
            return Err(ForestError::NotAForest);
        }
        let short = ForestError::Length { expected: bytes.len() + 1, found: bytes.len() };
        let version = reader.u16().ok_or(short)?;
        if version != VERSION {
            return Err(ForestError::Version { found: version });
        }
        let [classes, depth] = reader.take::<2>().ok_or(short)?;
        let trees = usize::from(reader.u16().ok_or(short)?);
        if reader.take::<8>().ok_or(short)? != fingerprint().to_le_bytes() {
            return Err(ForestError::Features);
        }
        let depth = usize::from(depth);
        if usize::from(classes) != Class::ALL.len() {
            return Err(ForestError::Broken { what: "the count of classes" });
        }
        if trees == 0 || trees > MOST_TREES || !trees.is_multiple_of(LANES) {
            return Err(ForestError::Broken { what: "the count of trees" });
        }
        if depth > MOST_DEPTH {
            return Err(ForestError::Broken { what: "the depth" });
        }
        let (mut roots, mut counts, mut total) =
            (Vec::with_capacity(trees), Vec::with_capacity(trees), 0_usize);
        for _ in 0..trees {
            let count = usize::from(reader.u16().ok_or(short)?);
            roots.push(total as u32);
            counts.push(count);
            total += count;
        }
        if total > MOST_NODES {
            return Err(ForestError::Broken { what: "the count of nodes" });
        }
        let expected = reader.at + total * 8 + KNOTS * 4;
        if expected != bytes.len() {
            return Err(ForestError::Length { expected, found: bytes.len() });
        }
        let mut nodes = Vec::with_capacity(total);
        for count in counts {
            for at in 0..count {
                let (threshold, left) = (reader.f32().ok_or(short)?, reader.u16().ok_or(short)?);
                let [feature, class] = reader.take::<2>().ok_or(short)?;
                let leaf = usize::from(left) == at
                    && usize::from(feature) == FEATURES
                    && (0.0..=1.0).contains(&threshold);
                // Children come after their parent, so that no walk turns back.
                let inner = usize::from(left) > at
                    && usize::from(left) + 1 < count
                    && usize::from(feature) < FEATURES
                    && !threshold.is_nan();
                if !(leaf || inner) || class >= classes {
                    return Err(ForestError::Broken { what: "a node" });
                }
                nodes.push(Node { threshold, left, feature, class });
            }
            if count == 0 {
                return Err(ForestError::Broken { what: "a tree" });
            }
        }
        let mut calibration = [0.0; KNOTS];
        for probability in &mut calibration {
            *probability = reader.f32().ok_or(short)?;
        }
        let rising = calibration.windows(2).all(|pair| pair[0] <= pair[1]);
        if !rising || !calibration.iter().all(|p| (0.0..=1.0).contains(p)) {
            return Err(ForestError::Broken { what: "the calibration" });
        }
        Ok(Self { nodes, roots, depth, calibration })
    }

    /// The bytes that [`read`](Self::read) reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + self.nodes.len() * 8);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend([Class::ALL.len() as u8, self.depth as u8]);
        bytes.extend((self.roots.len() as u16).to_le_bytes());
        bytes.extend(fingerprint().to_le_bytes());
        let ends = self.roots.iter().skip(1).copied().chain([self.nodes.len() as u32]);
        for (root, end) in self.roots.iter().zip(ends) {
            bytes.extend(((end - root) as u16).to_le_bytes());
        }
        for node in &self.nodes {
            bytes.extend(node.threshold.to_le_bytes());
            bytes.extend(node.left.to_le_bytes());
            bytes.extend([node.feature, node.class]);
        }
        bytes.extend(self.calibration.iter().flat_map(|p| p.to_le_bytes()));
        bytes
    }

    /// The forest that ships with this crate; `None` if it was trained on other features.
    #[must_use]
    pub fn shipped() -> Option<Self> {
        Self::read(include_bytes!("../model/forest.bin")).ok()
    }

    /// Calls `arrive` with the leaf that each tree leads to.
    fn walk(&self, row: &Row, mut arrive: impl FnMut(usize)) {
        let mut features = [f32::NEG_INFINITY; FEATURES + 1];
        for (feature, value) in features.iter_mut().zip(row) {
            *feature = *value as f32;
        }
        for roots in self.roots.chunks_exact(LANES) {
            let mut at = [0_u32; LANES];
            for _ in 0..self.depth {
                for (at, root) in at.iter_mut().zip(roots) {
                    let node = self.nodes[(root + *at) as usize];
                    let right = features[usize::from(node.feature)] > node.threshold;
                    *at = u32::from(node.left) + u32::from(right);
                }
            }
            at.iter().zip(roots).for_each(|(at, root)| arrive((root + at) as usize));
        }
    }

    /// How many trees vote for each class.
    #[must_use]
    pub fn votes(&self, row: &Row) -> [u16; Class::ALL.len()] {
        let mut votes = [0; Class::ALL.len()];
        self.walk(row, |leaf| votes[usize::from(self.nodes[leaf].class)] += 1);
        votes
    }

    /// The class with the most votes, the first of several.
    #[must_use]
    pub fn class(&self, row: &Row) -> Class {
        let votes = self.votes(row);
        let mut best = 0;
        for class in 1..votes.len() {
            if votes[class] > votes[best] {
                best = class;
            }
        }
        Class::ALL[best]
    }

    /// The mean of the leaves, 0 to 1: larger is more likely, but not yet a probability.
    #[must_use]
    pub fn score(&self, row: &Row) -> f64 {
        let mut sum = 0.0;
        self.walk(row, |leaf| sum += f64::from(self.nodes[leaf].threshold));
        sum / self.roots.len() as f64
    }

    /// How likely the memory runs out if nobody acts, calibrated on scenarios that were not trained on.
    #[must_use]
    pub fn probability(&self, row: &Row) -> f64 {
        self.calibrated(self.score(row))
    }

    /// The probability that a score stands for.
    pub(crate) fn calibrated(&self, score: f64) -> f64 {
        let place = score.clamp(0.0, 1.0) * (KNOTS - 1) as f64;
        let below = (place as usize).min(KNOTS - 2);
        let [low, high] = [below, below + 1].map(|knot| f64::from(self.calibration[knot]));
        low + (high - low) * (place - below as f64)
    }

    /// From trees whose nodes are laid out as [`read`](Self::read) wants them, not calibrated.
    #[cfg(feature = "train")]
    pub(crate) fn assemble(trees: &[Vec<Node>], depth: usize) -> Result<Self, ForestError> {
        let calibration = std::array::from_fn(|knot| knot as f32 / (KNOTS - 1) as f32);
        let mut forest = Self { nodes: Vec::new(), roots: Vec::new(), depth, calibration };
        for tree in trees {
            forest.roots.push(forest.nodes.len() as u32);
            forest.nodes.extend_from_slice(tree);
        }
        Self::read(&forest.to_bytes())
    }

    /// Sets each leaf to the weighted share of `rows` in it that ended in an out-of-memory.
    #[cfg(feature = "train")]
    pub(crate) fn settle<'a>(&mut self, rows: impl Iterator<Item = (&'a Row, bool, f64)>) {
        // Each leaf begins undecided, with the weight of two rows.
        let mut sums = vec![(1.0, 2.0); self.nodes.len()];
        for (row, fatal, weight) in rows {
            self.walk(row, |leaf| {
                sums[leaf].0 += weight * f64::from(u8::from(fatal));
                sums[leaf].1 += weight;
            });
        }
        for (node, (fatal, all)) in self.nodes.iter_mut().zip(sums) {
            if usize::from(node.feature) == FEATURES {
                node.threshold = (fatal / all) as f32;
            }
        }
    }

    /// The same trees under another calibration.
    #[cfg(feature = "train")]
    pub(crate) fn calibrate(&mut self, calibration: [f32; KNOTS]) {
        self.calibration = calibration;
    }

    /// How many trees there are.
    #[must_use]
    pub fn trees(&self) -> usize {
        self.roots.len()
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = self.bytes.get(self.at..self.at + N)?.try_into().ok()?;
        self.at += N;
        Some(taken)
    }
    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }
    fn f32(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Feature;

    #[test]
    fn the_model_that_ships_fits_the_features_and_is_no_coin() {
        let forest = Forest::shipped().expect("model/forest.bin was trained on these features");
        let row = |used, left: f64, climbed: f64, consumed| {
            let mut row = [0.0; FEATURES];
            for (feature, value) in [
                (Feature::Used, used),
                (Feature::Charged, used + 0.01),
                (Feature::Velocity, (1.0 - used) / left),
                (Feature::LogLeft, left.ln()),
                (Feature::LogClimb, climbed.ln()),
                (Feature::Lasted, climbed / (climbed + left)),
                (Feature::Consumed, consumed),
                (Feature::Doubt, 0.1),
                (Feature::Culprit, 1.0),
            ] {
                row[feature as usize] = value;
            }
            row
        };
        let burst = forest.probability(&row(0.65, 8.0, 2.0, 0.2));
        let leak = forest.probability(&row(0.95, 5.0, 40.0, 0.88));
        assert!(leak > 0.9 && burst < 0.4, "{leak} {burst}");
        let row = row(0.95, 5.0, 40.0, 0.88);
        assert_eq!(forest.class(&row), Class::Leak);
    }

    #[test]
    fn what_is_no_forest_is_refused_with_a_reason() {
        assert_eq!(Forest::read(b"JUNK"), Err(ForestError::NotAForest));
        let mut bytes = Forest::shipped().expect("a model ships").to_bytes();
        bytes[4] = 9;
        assert_eq!(Forest::read(&bytes), Err(ForestError::Version { found: 9 }));
        bytes[4] = 1;
        bytes[12] ^= 1;
        assert_eq!(Forest::read(&bytes), Err(ForestError::Features));
    }
}
