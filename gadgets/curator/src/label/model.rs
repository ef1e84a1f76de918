//! The flat file of a trained model.

use super::lattice::{LABELS, Transitions};
use super::lexicon::Lexicon;

/// Rows of the weight table.
pub const ROWS: usize = 62 << 10;
/// The version of the file, and of what the features mean: a model of another version is refused.
pub const MODEL_VERSION: u32 = 2;

const MAGIC: [u8; 8] = *b"curator\0";
const HEADER: usize = 64 + LABELS * 12;
const TRANSITIONS: usize = LABELS * LABELS * 2;
/// Steps of a transition's weight in one.
pub const TRANSITION_STEPS: f32 = 256.0;
/// The most names of either kind.
const MOST_NAMES: usize = 16 << 10;

/// Why bytes are no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// It does not begin as a model does.
    #[error("the labeller's model does not begin with its mark")]
    Mark,
    /// It was written for other features; train it again.
    #[error("the labeller's model is of version {found}, not {MODEL_VERSION}")]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// It is longer or shorter than its header says, or its header gives sizes of another table.
    #[error("the labeller's model has {found} bytes or a table of another size")]
    Size {
        /// Bytes that there are.
        found: usize,
    },
    /// The check sum over it is another.
    #[error("the labeller's model is damaged: its check sum is another")]
    Checksum,
    /// A number in the header that no training writes.
    #[error("the labeller's model has a {field} out of range")]
    Range {
        /// Which.
        field: &'static str,
    },
}

/// How a model was made, from its header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Origin {
    /// The seed of the generator and of the training.
    pub seed: u64,
    /// A hash of the first lines that the generator writes for that seed.
    pub generator: u64,
    /// Weight of one step in the table.
    pub step: f32,
    /// How the scores of each label are to be read; the first is not used.
    pub labels: [Reading; LABELS],
}

/// How the scores of one label are to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// From the log odds of the model to those that held on held-out lines: the factor.
    pub slope: f32,
    /// What is added to them.
    pub offset: f32,
    /// From which probability a value is reported.
    pub threshold: f32,
}

impl Default for Reading {
    fn default() -> Self {
        Self { slope: 1.0, offset: 0.0, threshold: 0.5 }
    }
}

/// A trained model.
#[derive(Clone, Debug)]
pub struct Model {
    /// How it was made.
    pub origin: Origin,
    pub(super) lexicon: Lexicon,
    pub(super) transitions: Transitions,
    pub(super) rows: Box<[[i8; LABELS]]>,
}

impl Model {
    /// Reads a model and checks everything in it.
    ///
    /// # Errors
    /// [`ModelError`] for anything that the trainer did not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let size = ModelError::Size { found: bytes.len() };
        let header = bytes.first_chunk::<HEADER>().ok_or(size)?;
        if header[..8] != MAGIC {
            return Err(ModelError::Mark);
        }
        let word = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let long = |at: usize| u64::from(word(at + 4)) << 32 | u64::from(word(at));
        let real = |at: usize, field, least: f32, most: f32| {
            let value = f32::from_bits(word(at));
            if value >= least && value <= most {
                Ok(value)
            } else {
                Err(ModelError::Range { field })
            }
        };
        if word(8) != MODEL_VERSION {
            return Err(ModelError::Version { found: word(8) });
        }
        let (given, surnames) = (word(20) as usize, word(24) as usize);
        if word(12) as usize != ROWS
            || word(16) as usize != LABELS
            || given.max(surnames) > MOST_NAMES
        {
            return Err(size);
        }
        let names = (given + surnames) * 4;
        if bytes.len() != HEADER + TRANSITIONS + names + ROWS * LABELS {
            return Err(size);
        }
        if word(60) != checksum(bytes) {
            return Err(ModelError::Checksum);
        }
        let mut labels = [Reading::default(); LABELS];
        for (i, label) in labels.iter_mut().enumerate() {
            let at = 64 + i * 12;
            *label = Reading {
                slope: real(at, "slope", 0.01, 100.0)?,
                offset: real(at + 4, "offset", -50.0, 50.0)?,
                threshold: real(at + 8, "threshold", 0.0, 1.0)?,
            };
        }
        let origin = Origin {
            seed: long(32),
            generator: long(40),
            step: real(28, "step", 1e-6, 1.0)?,
            labels,
        };
        let (transitions, rest) = bytes[HEADER..].split_at(TRANSITIONS);
        let (names, rows) = rest.split_at(names);
        let mut log = [[0.0; LABELS]; LABELS];
        for (weight, pair) in log.as_flattened_mut().iter_mut().zip(transitions.chunks_exact(2)) {
            *weight = f32::from(i16::from_le_bytes([pair[0], pair[1]])) / TRANSITION_STEPS;
        }
        let names: Vec<u32> = names
            .chunks_exact(4)
            .map(|name| u32::from_le_bytes([name[0], name[1], name[2], name[3]]))
            .collect();
        let mut table = vec![[0_i8; LABELS]; ROWS].into_boxed_slice();
        for (weight, byte) in table.as_flattened_mut().iter_mut().zip(rows) {
            *weight = byte.cast_signed();
        }
        Ok(Self {
            origin,
            lexicon: Lexicon::with_names(&names[..given], &names[given..]),
            transitions: Transitions::new(&log),
            rows: table,
        })
    }

    /// The bytes that [`Model::from_bytes`] reads, of weights as the trainer has them.
    #[must_use]
    pub fn to_bytes(
        origin: &Origin,
        transitions: &[[f32; LABELS]; LABELS],
        names: (&[u32], &[u32]),
        rows: &[[f32; LABELS]],
    ) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(
            HEADER + TRANSITIONS + ROWS * LABELS + (names.0.len() + names.1.len()) * 4,
        );
        bytes.extend(MAGIC);
        for word in
            [MODEL_VERSION, ROWS as u32, LABELS as u32, names.0.len() as u32, names.1.len() as u32]
        {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(origin.step.to_le_bytes());
        bytes.extend(origin.seed.to_le_bytes());
        bytes.extend(origin.generator.to_le_bytes());
        bytes.extend([0; 16]);
        for label in &origin.labels {
            for real in [label.slope, label.offset, label.threshold] {
                bytes.extend(real.to_le_bytes());
            }
        }
        for weight in transitions.as_flattened() {
            bytes.extend(((weight * TRANSITION_STEPS).round() as i16).to_le_bytes());
        }
        bytes.extend(names.0.iter().chain(names.1).flat_map(|hash| hash.to_le_bytes()));
        bytes.extend(
            rows.as_flattened()
                .iter()
                .map(|weight| ((weight / origin.step).round() as i8).cast_unsigned()),
        );
        let sum = checksum(&bytes);
        bytes[60..64].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The word lists and names that it was trained with.
    #[must_use]
    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }
}

/// Over all but the four bytes that hold it.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..60]);
    hasher.update(&bytes[64..]);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Vec<u8> {
        let origin =
            Origin { seed: 7, generator: 9, step: 0.03, labels: [Reading::default(); LABELS] };
        Model::to_bytes(
            &origin,
            &[[0.5; LABELS]; LABELS],
            (&[1], &[2, 3]),
            &vec![[1.5; LABELS]; ROWS],
        )
    }

    #[test]
    fn what_is_written_is_read() {
        let model = Model::from_bytes(&bytes()).unwrap();
        assert_eq!((model.origin.seed, model.origin.generator, model.rows[5][3]), (7, 9, 50));
    }

    #[test]
    fn damage_is_found() {
        let good = bytes();
        assert_eq!(Model::from_bytes(&good[..50]).unwrap_err(), ModelError::Size { found: 50 });
        assert_eq!(
            Model::from_bytes(&good[..good.len() - 1]).unwrap_err(),
            ModelError::Size { found: good.len() - 1 }
        );
        for (at, error) in [
            (0, ModelError::Mark),
            (8, ModelError::Version { found: MODEL_VERSION ^ 1 }),
            (999, ModelError::Checksum),
        ] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(Model::from_bytes(&bad).unwrap_err(), error);
        }
        let mut bad = good.clone();
        bad[76 + 8..76 + 12].copy_from_slice(&f32::NAN.to_le_bytes());
        let sum = checksum(&bad);
        bad[60..64].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(Model::from_bytes(&bad).unwrap_err(), ModelError::Range { field: "threshold" });
    }
}
