//! Where the reader and the writer of a spool are.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The file has two places, written in turn: at least one of them is whole at any time. They are written over, so that a full disk
/// does not keep a position from being written.
const PLACE: usize = 512;
/// CRC of all that follows, generation, acknowledged, written, dropped, damaged; little endian.
const LENGTH: usize = 4 + 5 * 8;

/// What outlasts the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The first record that is not acknowledged.
    pub(super) acknowledged: u64,
    /// The number of the next record that is written, as far as was known.
    pub(super) written: u64,
    /// Records that had to make room, since the spool was made.
    pub(super) dropped: u64,
    /// Records that could not be read back, since the spool was made.
    pub(super) damaged: u64,
}

#[derive(Debug)]
pub(super) struct PositionFile {
    file: File,
    generation: u64,
}

impl PositionFile {
    /// The file in `directory`, and what it says.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Option<Position>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(directory.join("position"))?;
        if file.metadata()?.len() < 2 * PLACE as u64 {
            // Takes the room for both.
            file.write_all_at(&[0; PLACE], PLACE as u64)?;
        }
        let places = [0, PLACE].map(|at| {
            let mut bytes = [0; LENGTH];
            file.read_exact_at(&mut bytes, at as u64).ok().and_then(|()| decode(&bytes))
        });
        let last = places.into_iter().flatten().max_by_key(|(generation, _)| *generation);
        let generation = last.map_or(0, |(generation, _)| generation);
        Ok((Self { file, generation }, last.map(|(_, position)| position)))
    }

    pub(super) fn write(&mut self, position: &Position) -> io::Result<()> {
        let generation = self.generation + 1;
        let place = (generation % 2) * PLACE as u64;
        self.file.write_all_at(&encode(generation, position), place)?;
        self.generation = generation;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn encode(generation: u64, it: &Position) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let numbers = [generation, it.acknowledged, it.written, it.dropped, it.damaged];
    for (to, number) in bytes[4..].chunks_exact_mut(8).zip(numbers) {
        to.copy_from_slice(&number.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; LENGTH]) -> Option<(u64, Position)> {
    let (crc, rest) = bytes.split_first_chunk()?;
    let mut numbers =
        rest.chunks_exact(8).filter_map(|it| Some(u64::from_le_bytes(*it.first_chunk()?)));
    let mut next = || numbers.next();
    let (generation, acknowledged, written) = (next()?, next()?, next()?);
    let position = Position { acknowledged, written, dropped: next()?, damaged: next()? };
    (u32::from_le_bytes(*crc) == crc32fast::hash(rest) && generation > 0)
        .then_some((generation, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(acknowledged: u64) -> Position {
        Position { acknowledged, written: acknowledged + 1, dropped: 3, damaged: 4 }
    }

    #[test]
    fn the_last_position_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        for acknowledged in 1..=5 {
            let (mut file, before) = PositionFile::open(folder.path()).unwrap();
            assert_eq!(before, (acknowledged > 1).then(|| position(acknowledged - 1)));
            file.write(&position(acknowledged)).unwrap();
        }
    }

    #[test]
    fn a_broken_place_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, _) = PositionFile::open(folder.path()).unwrap();
        file.write(&position(1)).unwrap();
        file.write(&position(2)).unwrap();
        // The second generation is in the first place.
        file.file.write_all_at(b"x", 9).unwrap();
        assert_eq!(PositionFile::open(folder.path()).unwrap().1, Some(position(1)));
        file.file.write_all_at(b"x", PLACE as u64 + 9).unwrap();
        assert_eq!(PositionFile::open(folder.path()).unwrap().1, None);
    }
}
