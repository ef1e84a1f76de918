//! How far files were read, kept through a restart.
//!
//! A file of frames: the first says everything, each later one what changed, and every one bears its caller's mark. Whatever number of
//! whole frames is there is a state that was true, so neither a kill nor a lost end of the file makes marks and places disagree.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gadget_core::{ensure_regular, sync_folder};

use super::tail::position::{Digest, Position};

const MAGIC: &[u8; 8] = b"GTAIL\x00\x01\n";
/// Ahead of a frame: its length and its CRC-32.
const AHEAD: usize = 8;
const POSITION: usize = 8 * 7 + 4 + 1;
/// A path that is gone since then is not to be remembered.
const FORGOTTEN: u64 = u64::MAX;
/// A file of fewer bytes than this is not written anew.
const SMALL: u64 = 64 << 10;

/// What a checkpoint says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// What the caller said with the last commit.
    pub mark: Option<u64>,
    pub(crate) paths: BTreeMap<PathBuf, Places>,
}

/// How far the files of one path were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// Since when the path leads nowhere, in seconds since the Unix epoch; 0 if it does lead somewhere.
    pub(crate) gone_since: u64,
    /// The oldest first.
    pub(crate) files: Vec<Position>,
}

impl Places {
    /// For a path that is not to be remembered any more.
    pub(super) const FORGOTTEN: Self = Self { gone_since: FORGOTTEN, files: Vec::new() };
}

impl Checkpoint {
    /// Reads frames. With the state comes how many bytes at the end are of no whole frame: a kill leaves some at most of the last
    /// one. `None` if there is no state at all.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let mut state = None;
        while let Some((payload, after)) = frame(rest)
            && let Some((mark, changed)) = read(payload)
        {
            let state: &mut Self = state.get_or_insert_default();
            state.mark = mark;
            for (path, places) in changed {
                if places.gone_since == FORGOTTEN {
                    state.paths.remove(&path);
                } else {
                    state.paths.insert(path, places);
                }
            }
            rest = after;
        }
        Some((state?, rest.len()))
    }

    /// Everything as one frame, and what goes before it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        write(&mut bytes, self.mark, self.paths.iter().map(|(path, it)| (path.as_path(), it)));
        bytes
    }
}

fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (crc, rest) = rest.split_first_chunk()?;
    let (payload, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    (crc32fast::hash(payload) == u32::from_le_bytes(*crc)).then_some((payload, rest))
}

/// A frame of some paths.
fn write<'a>(
    bytes: &mut Vec<u8>,
    mark: Option<u64>,
    paths: impl Iterator<Item = (&'a Path, &'a Places)>,
) {
    let start = bytes.len();
    bytes.extend([0; AHEAD]);
    bytes.push(u8::from(mark.is_some()));
    bytes.extend(mark.unwrap_or(0).to_le_bytes());
    for (path, places) in paths {
        let path = path.as_os_str().as_bytes();
        bytes.extend((path.len() as u32).to_le_bytes());
        bytes.extend(path);
        bytes.extend(places.gone_since.to_le_bytes());
        bytes.extend((places.files.len() as u32).to_le_bytes());
        for at in &places.files {
            let Position { dev, ino, base, head, offset, tail, written, state } = at;
            for word in [dev, ino, base, &head.hash, offset, &tail.hash, &(*written as u64)] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(head.len.to_le_bytes());
            bytes.extend(tail.len.to_le_bytes());
            bytes.push(*state);
        }
    }
    let payload = &bytes[start + AHEAD..];
    let (len, crc) = (payload.len() as u32, crc32fast::hash(payload));
    bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
    bytes[start + 4..start + AHEAD].copy_from_slice(&crc.to_le_bytes());
}

/// The mark of a frame, and its paths.
type Frame = (Option<u64>, Vec<(PathBuf, Places)>);

fn read(mut bytes: &[u8]) -> Option<Frame> {
    fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
        let (first, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*first)
    }
    let marked = match take::<1>(&mut bytes)? {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    let mark = u64::from_le_bytes(take(&mut bytes)?);
    let mut changed = Vec::new();
    while !bytes.is_empty() {
        let len = u32::from_le_bytes(take(&mut bytes)?) as usize;
        let (path, rest) = bytes.split_at_checked(len)?;
        bytes = rest;
        let path = PathBuf::from(OsStr::from_bytes(path));
        let gone_since = u64::from_le_bytes(take(&mut bytes)?);
        let files = u32::from_le_bytes(take(&mut bytes)?) as usize;
        let (files, rest) = bytes.split_at_checked(files.checked_mul(POSITION)?)?;
        bytes = rest;
        let files = files.chunks_exact(POSITION).map(|mut file| {
            let mut words = [0; 7];
            for word in &mut words {
                *word = u64::from_le_bytes(take(&mut file)?);
            }
            let [dev, ino, base, head, offset, tail, written] = words;
            let head = Digest { len: u16::from_le_bytes(take(&mut file)?), hash: head };
            let tail = Digest { len: u16::from_le_bytes(take(&mut file)?), hash: tail };
            let [state] = take(&mut file)?;
            Some(Position { dev, ino, base, head, offset, tail, written: written as i64, state })
        });
        let files = files.collect::<Option<_>>()?;
        changed.push((path, Places { gone_since, files }));
    }
    Some((marked.then_some(mark), changed))
}

/// What was found where a checkpoint is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resumed {
    /// None is kept.
    #[default]
    Unkept,
    /// None was there: this is the first start.
    Fresh,
    /// One was there. What a kill cut off of its end was not committed.
    From {
        /// What the caller said with its last commit; `None` if it made none.
        mark: Option<u64>,
        /// Bytes at the end that are no whole frame.
        cut: usize,
    },
    /// One was there that says nothing that could be read. It was put aside.
    Corrupt {
        /// Where it is now.
        aside: PathBuf,
    },
}

/// The file that keeps a checkpoint.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    file: Option<File>,
    /// Bytes of the file, and of its first frame.
    len: u64,
    first: u64,
    sync: bool,
    scratch: Vec<u8>,
}

impl Store {
    /// Reads what is there.
    pub(super) fn open(path: PathBuf, sync: bool) -> io::Result<(Self, Checkpoint, Resumed)> {
        let path = ensure_regular(&path)?;
        let (state, resumed) = match fs::read(&path) {
            Ok(bytes) => match Checkpoint::decode(&bytes) {
                Some((state, cut)) => {
                    let mark = state.mark;
                    (state, Resumed::From { mark, cut })
                }
                None => {
                    let mut aside = path.clone().into_os_string();
                    aside.push(".corrupt");
                    let aside = PathBuf::from(aside);
                    fs::rename(&path, &aside)?;
                    (Checkpoint::default(), Resumed::Corrupt { aside })
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (Checkpoint::default(), Resumed::Fresh)
            }
            Err(error) => return Err(error),
        };
        let store = Self { path, file: None, len: 0, first: 0, sync, scratch: Vec::new() };
        Ok((store, state, resumed))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// True if the next frame must say everything.
    pub(super) fn wants_all(&self) -> bool {
        self.file.is_none() || self.len > SMALL.max(4 * self.first)
    }

    /// Adds what changed. After an error everything is to be said again.
    pub(super) fn add<'a>(
        &mut self,
        mark: Option<u64>,
        changed: impl Iterator<Item = (&'a Path, &'a Places)>,
    ) -> io::Result<()> {
        let Some(mut file) = self.file.take() else {
            return Err(io::Error::other("no first frame"));
        };
        self.scratch.clear();
        write(&mut self.scratch, mark, changed);
        file.write_all(&self.scratch)?;
        if self.sync {
            file.sync_data()?;
        }
        self.len += self.scratch.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    /// Says everything, in a file that takes the place of the former one at once.
    pub(super) fn replace(&mut self, state: &Checkpoint) -> io::Result<()> {
        self.file = None;
        let bytes = state.encode();
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        let name = PathBuf::from(name);
        let mut file = File::create(&name)?;
        file.write_all(&bytes)?;
        if self.sync {
            file.sync_all()?;
        }
        fs::rename(&name, &self.path)?;
        if self.sync {
            sync_folder(&self.path)?;
        }
        (self.len, self.first) = (bytes.len() as u64, bytes.len() as u64);
        self.file = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(offset: u64) -> Places {
        let head = Digest { len: 7, hash: 0x1234 };
        let (dev, ino, base) = (1, 2, 3);
        let at = Position { dev, ino, base, head, offset, tail: head, written: -5, state: 3 };
        Places { gone_since: 9, files: vec![at; 2] }
    }

    fn checkpoint(paths: &[(&str, u64)], mark: Option<u64>) -> Checkpoint {
        let paths = paths.iter().map(|&(path, offset)| (path.into(), places(offset))).collect();
        Checkpoint { mark, paths }
    }

    #[test]
    fn frames_add_up_and_any_number_of_whole_ones_is_a_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let (mut store, state, resumed) = Store::open(path.clone(), true).unwrap();
        assert_eq!((state, resumed), (Checkpoint::default(), Resumed::Fresh));
        assert!(store.wants_all());
        let mut expected = vec![checkpoint(&[("a", 1), ("b", 1)], None)];
        store.replace(&expected[0]).unwrap();
        let mut ends = vec![fs::metadata(&path).unwrap().len() as usize];
        for (mark, changed, offset) in [(5, "a", 2), (6, "c", 3)] {
            store.add(Some(mark), [(Path::new(changed), &places(offset))].into_iter()).unwrap();
            let mut next = expected.last().unwrap().clone();
            next.mark = Some(mark);
            next.paths.insert(changed.into(), places(offset));
            expected.push(next);
            ends.push(fs::metadata(&path).unwrap().len() as usize);
        }
        store.add(Some(7), [(Path::new("b"), &Places::FORGOTTEN)].into_iter()).unwrap();
        expected.push(checkpoint(&[("a", 2), ("c", 3)], Some(7)));
        let bytes = fs::read(&path).unwrap();
        ends.push(bytes.len());
        for len in 0..=bytes.len() {
            let state = Checkpoint::decode(&bytes[..len]);
            let Some(last) = ends.iter().rposition(|&end| end <= len) else {
                assert_eq!(state, None);
                continue;
            };
            assert_eq!(state, Some((expected[last].clone(), len - ends[last])));
        }
        let (_, state, resumed) = Store::open(path, false).unwrap();
        assert_eq!(resumed, Resumed::From { mark: Some(7), cut: 0 });
        assert_eq!(state, expected[3]);
    }

    #[test]
    fn a_changed_bit_ends_what_is_read() {
        let mut bytes = checkpoint(&[("a", 1)], Some(1)).encode();
        let first = bytes.len();
        write(&mut bytes, Some(2), [(Path::new("a"), &places(2))].into_iter());
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            match Checkpoint::decode(&bytes) {
                Some((state, cut)) => {
                    assert!(at >= first);
                    assert_eq!((state.mark, cut), (Some(1), bytes.len() - first));
                }
                None => assert!(at < first),
            }
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn what_is_no_checkpoint_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        fs::write(&path, "GTAIL and more").unwrap();
        let (_, state, resumed) = Store::open(path.clone(), false).unwrap();
        let aside = folder.path().join("checkpoint.corrupt");
        assert_eq!(
            (state, &resumed),
            (Checkpoint::default(), &Resumed::Corrupt { aside: aside.clone() })
        );
        assert!(aside.exists() && !path.exists());
    }
}
