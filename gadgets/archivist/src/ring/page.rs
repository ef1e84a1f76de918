//! How the file is laid out.
//!
//! The first page says what it is; the next ones name the services; all others hold lines, each a link of a chain. A chain is
//! either raw, records as they were appended, or a frame, the same records compressed. The first eight bytes of a page are its commit
//! word: what the page is, how far it is filled, and a sum. It is written at once, so that the three are always of the same moment. All
//! numbers are little-endian.

/// The size of a page.
pub(super) const PAGE: usize = 4096;
/// What is before a page's contents: the commit word, the chain, the service, the place in the chain, and of a frame its lengths.
pub(super) const HEAD: usize = 32;
/// What a page holds.
pub(super) const ROOM: usize = PAGE - HEAD;

/// What the pages of files look like. Counts up whenever that changes.
pub(super) const VERSION: u8 = 2;
/// The first bytes of a file.
pub(super) const MAGIC: [u8; 8] = [b'g', b'a', b'd', b'g', b'a', b'r', b'c', VERSION];
/// In the first page: 1 once its owner has closed it in order.
pub(super) const CLOSED: usize = 8;

/// The bytes of a name, with its length before it.
pub(super) const NAME: usize = 128;
/// The most services that are told apart; the first is all others.
pub(super) const MOST_SERVICES: usize = 4096;
/// Pages of names.
pub(super) const NAME_PAGES: usize = MOST_SERVICES * NAME / PAGE;
/// The first page of lines.
pub(super) const FIRST: usize = 1 + NAME_PAGES;

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Free,
    Raw,
    Frame,
}

/// The head of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// How much of a raw page is filled; of a frame's page as well.
    pub(super) filled: u32,
    /// The chain: counts up, and is the same of a frame and of the raw chain it was made of.
    pub(super) chain: u64,
    pub(super) service: u32,
    /// Its place in the chain.
    pub(super) nth: u32,
    /// Of a frame: its compressed length...
    pub(super) packed: u32,
    /// ...and the length of its columns.
    pub(super) raw: u32,
    /// The CRC-32 of a raw page from behind its commit word to where it is filled; of a frame's page, that of all compressed bytes.
    pub(super) sum: u32,
}

impl Head {
    /// The commit word.
    pub(super) const fn word(kind: Kind, filled: u32, sum: u32) -> u64 {
        let kind = match kind {
            Kind::Free => return 0,
            Kind::Raw => 0x5257,
            Kind::Frame => 0x4652,
        };
        (sum as u64) << 32 | (filled as u64 & 0xffff) << 16 | kind
    }

    /// All but the commit word.
    pub(super) fn rest(&self) -> [u8; HEAD - 8] {
        let mut rest = [0; HEAD - 8];
        rest[..8].copy_from_slice(&self.chain.to_le_bytes());
        let numbers = [self.service, self.nth, self.packed, self.raw];
        for (to, number) in rest[8..].chunks_exact_mut(4).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        rest
    }

    /// Reads one from the beginning of a page of any content. What makes no sense is free.
    pub(super) fn read(page: &[u8]) -> Self {
        let [word, chain, first, second] = [0, 8, 16, 24].map(|at| number(page, at));
        let (filled, sum) = ((word >> 16) as u32 & 0xffff, (word >> 32) as u32);
        let kind = [Kind::Raw, Kind::Frame]
            .into_iter()
            .find(|kind| Self::word(*kind, filled, sum) == word);
        let sound = filled as usize <= ROOM;
        Self {
            kind: kind.filter(|_| sound).unwrap_or(Kind::Free),
            filled,
            chain,
            service: first as u32,
            nth: (first >> 32) as u32,
            packed: second as u32,
            raw: (second >> 32) as u32,
            sum,
        }
    }
}

/// Eight bytes as a number; zero where there are fewer.
fn number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let head = Head {
            kind: Kind::Frame,
            filled: 77,
            chain: 1 << 40,
            service: 2,
            nth: 3,
            packed: 4,
            raw: 5,
            sum: 6,
        };
        let mut page = Head::word(head.kind, head.filled, head.sum).to_le_bytes().to_vec();
        page.extend(head.rest());
        assert_eq!(Head::read(&page), head);
        page[0] ^= 1;
        assert_eq!(Head::read(&page).kind, Kind::Free);
        assert_eq!(Head::read(&[]).kind, Kind::Free);
    }
}
