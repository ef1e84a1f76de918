//! The memory of another process: read through its `/proc/PID/mem`, a page at a time and within a bound.

use std::cell::RefCell;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::pread;

use super::elf::Image;
use crate::file;
use crate::process::Target;

const PAGE: u64 = 4096;

/// The most pages of one stack that are read: 512 KiB.
const MAX_PAGES: usize = 128;

/// The memory of one process, whoever has its number by then.
#[derive(Debug)]
pub(crate) struct Memory(OwnedFd);

impl Memory {
    pub(crate) fn open(target: &Target) -> rustix::io::Result<Self> {
        file::open(target.dir.as_fd(), "mem", OFlags::RDONLY).map(Self)
    }

    /// Fills as much of `buffer` as is mapped from `address` on.
    pub(crate) fn read(&self, address: u64, buffer: &mut [u8]) -> Option<usize> {
        pread(&self.0, buffer, address).ok().filter(|&len| len > 0)
    }
}

/// An ELF image in memory: the one that the kernel maps into every process and that is no file.
#[derive(Debug)]
pub(crate) struct InMemory<'a> {
    pub(crate) memory: &'a Memory,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Image for InMemory<'_> {
    fn read(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let start = self.start.checked_add(offset)?;
        let len = len.min(usize::try_from(self.end.checked_sub(start)?).ok()?);
        let mut bytes = vec![0; len];
        let read = self.memory.read(start, &mut bytes)?;
        bytes.truncate(read);
        Some(bytes)
    }
}

/// One stack, read once.
#[derive(Debug)]
pub(crate) struct Stack<'a> {
    memory: &'a Memory,
    /// What may be read: the mapping that it lies in.
    range: std::ops::Range<u64>,
    pages: RefCell<Vec<(u64, Box<[u8]>)>>,
}

impl<'a> Stack<'a> {
    pub(crate) fn new(memory: &'a Memory, range: std::ops::Range<u64>) -> Self {
        Self { memory, range, pages: RefCell::default() }
    }

    /// The eight bytes at `address`; none outside of the stack, or beyond what may be read of it.
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        if !self.holds(address) || !address.is_multiple_of(8) {
            return None;
        }
        let (page, within) = (address & !(PAGE - 1), usize::try_from(address % PAGE).ok()?);
        let mut pages = self.pages.borrow_mut();
        let index = match pages.iter().position(|(at, _)| *at == page) {
            Some(index) => index,
            None if pages.len() == MAX_PAGES => return None,
            None => {
                let mut bytes = vec![0; usize::try_from(PAGE).ok()?].into_boxed_slice();
                let len = self.memory.read(page, &mut bytes)?;
                (len == bytes.len()).then(|| pages.push((page, bytes)))?;
                pages.len() - 1
            }
        };
        let word = pages.get(index)?.1.get(within..within + 8)?;
        Some(u64::from_le_bytes(word.try_into().ok()?))
    }

    /// True if `address` lies in it.
    pub(crate) fn holds(&self, address: u64) -> bool {
        self.range.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{identity, proc};

    #[test]
    fn words_are_those_of_the_memory_within_its_range_and_its_bound() {
        let us = Target::open(proc(), identity(std::process::id())).unwrap();
        let memory = Memory::open(&us).unwrap();
        let words: Vec<u64> = (0..200_000).collect();
        let start = words.as_ptr() as u64;
        let end = start + 8 * words.len() as u64;
        let stack = Stack::new(&memory, start..end);
        assert_eq!(stack.word(start), Some(0));
        assert_eq!(stack.word(start + 8 * 511), Some(511));
        assert_eq!(
            (stack.word(start - 8), stack.word(end), stack.word(start + 4)),
            (None, None, None)
        );
        let read = (0..200_000).filter(|at| stack.word(start + 8 * at).is_some()).count();
        assert!((127 * 512..=128 * 512).contains(&read), "{read}");
        let unmapped = Stack::new(&memory, 0..u64::MAX);
        assert_eq!((unmapped.word(0), unmapped.word(8 << 40)), (None, None));
    }
}
