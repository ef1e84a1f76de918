//! What the frames of a recording may hold, as fingerprints.

mod samples;

use std::io::{self, Read};
use std::sync::LazyLock;

use serde::Serialize;
use sha2::{Digest, Sha256};

pub(super) use samples::samples;

/// The version of the header and the framing.
pub(super) const VERSION: u16 = 2;

/// More kinds than a later version will have.
const MOST_KINDS: u16 = 1024;

type Fingerprint = [u8; 4];

/// The schema of this version.
pub(super) static OURS: LazyLock<Schema> = LazyLock::new(Schema::ours);

/// One fingerprint of the host's facts, and of each kind of subject and of reading, in the order of the numbers that stand for them
/// in frames.
///
/// A kind's fingerprint covers the names, the order and the encoding of all its fields, by way of samples, so that a changed
/// vocabulary is noticed without anybody having to remember to count a version up. What was written before a kind was added
/// at the end can be read for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schema {
    subjects: Vec<Fingerprint>,
    readings: Vec<Fingerprint>,
}

impl Schema {
    fn ours() -> Self {
        let (facts, subjects, readings) = samples();
        let mut subjects = by_kind(&subjects);
        subjects.insert(0, fingerprint(&[&facts]));
        Self { subjects, readings: by_kind(&readings) }
    }

    /// True if what was written in `earlier` means the same in this one.
    pub(super) fn reads(&self, earlier: &Self) -> bool {
        self.subjects.starts_with(&earlier.subjects) && self.readings.starts_with(&earlier.readings)
    }

    /// As it stands in a header: two counts of two bytes, and the fingerprints.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for kinds in [&self.subjects, &self.readings] {
            bytes.extend(u16::try_from(kinds.len()).unwrap_or(u16::MAX).to_le_bytes());
        }
        bytes.extend(self.subjects.iter().chain(&self.readings).flatten());
        bytes
    }

    /// Reads one from a header; `None` if it claims more kinds than there can be.
    pub(super) fn read(from: &mut dyn Read) -> io::Result<Option<Self>> {
        let mut counts = [0; 4];
        from.read_exact(&mut counts)?;
        let counts = [[counts[0], counts[1]], [counts[2], counts[3]]].map(u16::from_le_bytes);
        if counts.iter().any(|&count| count > MOST_KINDS) {
            return Ok(None);
        }
        let mut kinds = |count: u16| -> io::Result<Vec<Fingerprint>> {
            let mut kinds = vec![Fingerprint::default(); count.into()];
            kinds.iter_mut().try_for_each(|kind| from.read_exact(kind))?;
            Ok(kinds)
        };
        Ok(Some(Self { subjects: kinds(counts[0])?, readings: kinds(counts[1])? }))
    }

    /// In words, with the version: `2.0123456789abcdef`.
    pub(super) fn describe(&self, version: u16) -> String {
        let whole = Sha256::digest(self.to_bytes());
        let start = whole[..8].try_into().unwrap_or_default();
        format!("{version}.{:016x}", u64::from_be_bytes(start))
    }
}

/// A fingerprint for each kind, by the number that begins the encoding of its samples.
fn by_kind<T: Serialize>(samples: &[T]) -> Vec<Fingerprint> {
    let number = |sample: &T| postcard::to_stdvec(sample).ok().and_then(|it| it.first().copied());
    let kinds = samples.iter().filter_map(number).max().map_or(0, |last| last + 1);
    let of = |kind| samples.iter().filter(move |&it| number(it) == Some(kind)).collect::<Vec<_>>();
    (0..kinds).map(|kind| fingerprint(&of(kind))).collect()
}

/// Of names and order, then of the numbers that stand for variants.
fn fingerprint<T: Serialize>(samples: &[&T]) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(samples).unwrap_or_default());
    hash.update(postcard::to_stdvec(samples).unwrap_or_default());
    let hash = hash.finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_reads_itself_and_what_was_before_kinds_were_added() {
        let ours = Schema::ours();
        assert!(ours.reads(&ours));
        let mut earlier = ours.clone();
        earlier.readings.pop();
        earlier.subjects.pop();
        assert!(ours.reads(&earlier));
        assert!(!earlier.reads(&ours), "what comes later is not known");
        earlier.readings[3][0] ^= 1;
        assert!(!ours.reads(&earlier), "a kind was changed");
    }

    #[test]
    fn it_is_read_from_a_header_as_it_was_written() {
        let bytes = OURS.to_bytes();
        assert_eq!(Schema::read(&mut bytes.as_slice()).unwrap().as_ref(), Some(&*OURS));
        assert!(Schema::read(&mut &bytes[..bytes.len() - 1]).is_err());
        assert_eq!(Schema::read(&mut [0xff; 4].as_slice()).unwrap(), None);
    }

    #[test]
    fn every_kind_has_a_fingerprint_of_its_own() {
        let kinds = OURS.subjects.iter().chain(&OURS.readings);
        let distinct: std::collections::HashSet<_> = kinds.clone().collect();
        assert_eq!(distinct.len(), kinds.count());
        assert!(OURS.readings.len() >= 35 && OURS.readings.len() < 128, "a number is one byte");
    }
}
