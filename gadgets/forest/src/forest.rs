//! A random forest to infer with: flat, versioned, without allocation.

const MAGIC: [u8; 4] = *b"GFST";
/// The version of the format; others are refused.
const VERSION: u16 = 1;
/// Trees that are walked at once: their loads do not wait for one another.
const LANES: usize = 8;
const MOST_TREES: usize = 1_024;
const MOST_DEPTH: usize = 32;
const MOST_NODES: usize = 1 << 22;

/// The most features that a forest can ask for.
pub const MOST_FEATURES: usize = 63;

/// What a forest judges by, and what it tells apart. A forest of another shape is another forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many features a row has, at most [`MOST_FEATURES`].
    pub features: usize,
    /// How many classes there are.
    pub classes: u8,
    /// What the features are: a [`fingerprint`] of their descriptions.
    pub fingerprint: u64,
}

/// A number for these texts, in this order.
#[must_use]
pub const fn fingerprint(texts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < texts.len() {
        let text = texts[at].as_bytes();
        let mut byte = 0;
        while byte < text.len() {
            hash = (hash ^ text[byte] as u64).wrapping_mul(0x0100_0000_01b3);
            byte += 1;
        }
        at += 1;
    }
    hash
}

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
    /// Trained on other features than are computed.
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
pub const KNOTS: usize = 33;

/// One node: 8 bytes. Its children are neighbours. A leaf leads to itself: it asks for a feature that is below everything,
/// and holds in its threshold the share of its rows that were marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) threshold: f32,
    pub(crate) left: u16,
    pub(crate) feature: u8,
    pub(crate) class: u8,
}

/// A random forest: its trees vote for a class, and its leaves say how likely a row is one of the marked.
///
/// Trees are walked eight at a time for as many steps as the deepest of them, without a branch on the data: a leaf leads to
/// itself. Features are compared as `f32`.
///
/// - Format, little endian: `GFST`, version `u16`, classes `u8`, depth `u8`, trees `u16`, features' fingerprint `u64`; for
///   each tree the count of its nodes as `u16`; the nodes of all trees (threshold `f32`, left child `u16`, feature `u8`,
///   class `u8`); the calibrated probability as `f32` for each of 33 scores from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    shape: Shape,
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
    pub fn read(bytes: &[u8], shape: Shape) -> Result<Self, ForestError> {
        let features = shape.features;
        if features > MOST_FEATURES {
            return Err(ForestError::Broken { what: "the count of features" });
        }
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
        if reader.take::<8>().ok_or(short)? != shape.fingerprint.to_le_bytes() {
            return Err(ForestError::Features);
        }
        let depth = usize::from(depth);
        if classes != shape.classes {
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
                    && usize::from(feature) == features
                    && (0.0..=1.0).contains(&threshold);
                // Children come after their parent, so that no walk turns back.
                let inner = usize::from(left) > at
                    && usize::from(left) + 1 < count
                    && usize::from(feature) < features
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
        Ok(Self { shape, nodes, roots, depth, calibration })
    }

    /// The bytes that [`read`](Self::read) reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + self.nodes.len() * 8);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend([self.shape.classes, self.depth as u8]);
        bytes.extend((self.roots.len() as u16).to_le_bytes());
        bytes.extend(self.shape.fingerprint.to_le_bytes());
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

    /// Calls `arrive` with the leaf that each tree leads to.
    fn walk(&self, row: &[f64], mut arrive: impl FnMut(usize)) {
        let mut features = [f32::NEG_INFINITY; MOST_FEATURES + 1];
        for (feature, value) in features.iter_mut().zip(row).take(self.shape.features) {
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

    /// Counts in `votes`, one place for each class, how many trees vote for it.
    pub fn vote(&self, row: &[f64], votes: &mut [u16]) {
        votes.fill(0);
        self.walk(row, |leaf| {
            if let Some(votes) = votes.get_mut(usize::from(self.nodes[leaf].class)) {
                *votes += 1;
            }
        });
    }

    /// The mean of the leaves, 0 to 1: larger is more likely, but not yet a probability.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        let mut sum = 0.0;
        self.walk(row, |leaf| sum += f64::from(self.nodes[leaf].threshold));
        sum / self.roots.len() as f64
    }

    /// How likely the row is one of the marked, calibrated on groups that were not trained on.
    #[must_use]
    pub fn probability(&self, row: &[f64]) -> f64 {
        self.calibrated(self.score(row))
    }

    /// The probability that a score stands for.
    #[must_use]
    pub fn calibrated(&self, score: f64) -> f64 {
        let place = score.clamp(0.0, 1.0) * (KNOTS - 1) as f64;
        let below = (place as usize).min(KNOTS - 2);
        let [low, high] = [below, below + 1].map(|knot| f64::from(self.calibration[knot]));
        low + (high - low) * (place - below as f64)
    }

    /// From trees whose nodes are laid out as [`read`](Self::read) wants them, not calibrated.
    #[cfg(feature = "train")]
    pub(crate) fn assemble(
        trees: &[Vec<Node>],
        depth: usize,
        shape: Shape,
    ) -> Result<Self, ForestError> {
        let calibration = std::array::from_fn(|knot| knot as f32 / (KNOTS - 1) as f32);
        let mut forest = Self { shape, nodes: Vec::new(), roots: Vec::new(), depth, calibration };
        for tree in trees {
            forest.roots.push(forest.nodes.len() as u32);
            forest.nodes.extend_from_slice(tree);
        }
        Self::read(&forest.to_bytes(), shape)
    }

    /// Sets each leaf to the weighted share of `rows` in it that are marked.
    #[cfg(feature = "train")]
    pub(crate) fn settle<'a>(&mut self, rows: impl Iterator<Item = (&'a [f64], bool, f64)>) {
        // Each leaf begins undecided, with the weight of two rows.
        let mut sums = vec![(1.0, 2.0); self.nodes.len()];
        for (row, marked, weight) in rows {
            self.walk(row, |leaf| {
                sums[leaf].0 += weight * f64::from(u8::from(marked));
                sums[leaf].1 += weight;
            });
        }
        for (node, (marked, all)) in self.nodes.iter_mut().zip(sums) {
            if usize::from(node.feature) == self.shape.features {
                node.threshold = (marked / all) as f32;
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

    const SHAPE: Shape = Shape { features: 2, classes: 3, fingerprint: 7 };

    /// Eight trees that vote for class 2 where the second feature is above a half, and for class 0 else.
    fn bytes() -> Vec<u8> {
        let mut bytes = Vec::from(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend([3, 1, 8, 0]);
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend([3, 0].repeat(8));
        for _ in 0..8 {
            for (threshold, left, feature, class) in
                [(0.5_f32, 1_u16, 1, 0), (0.1, 1, 2, 0), (0.9, 2, 2, 2)]
            {
                bytes.extend(threshold.to_le_bytes());
                bytes.extend(left.to_le_bytes());
                bytes.extend([feature, class]);
            }
        }
        bytes.extend((0..KNOTS).flat_map(|knot| (knot as f32 / 64.0).to_le_bytes()));
        bytes
    }

    #[test]
    fn trees_vote_and_their_leaves_give_a_probability() {
        let forest = Forest::read(&bytes(), SHAPE).unwrap();
        assert_eq!(forest.to_bytes(), bytes());
        let mut votes = [9; 3];
        forest.vote(&[3.0, 0.6], &mut votes);
        assert_eq!((votes, forest.trees()), ([0, 0, 8], 8));
        assert!((forest.score(&[0.0, 0.6]) - 0.9).abs() < 1e-6);
        assert!((forest.probability(&[0.0, 0.4]) - 0.05).abs() < 1e-6);
    }

    #[test]
    fn another_shape_is_another_forest() {
        assert_eq!(Forest::read(b"JUNK", SHAPE), Err(ForestError::NotAForest));
        let other = Shape { fingerprint: 8, ..SHAPE };
        assert_eq!(Forest::read(&bytes(), other), Err(ForestError::Features));
        for wrong in [Shape { classes: 2, ..SHAPE }, Shape { features: 1, ..SHAPE }] {
            assert!(matches!(Forest::read(&bytes(), wrong), Err(ForestError::Broken { .. })));
        }
        assert_ne!(fingerprint(&["one", "two"]), fingerprint(&["two", "one"]));
    }
}
