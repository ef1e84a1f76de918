//! How the file is laid out.
//!
//! The first page says what it is; the next ones name the services; all others hold lines, each a link of a chain. A chain is
//! either raw, records as they were appended, or a frame, the same records compressed. The first eight bytes of a page are its commit
//! word: what the page is, and for a raw one how far it is filled. All numbers are little-endian.

/// The size of a page.
pub(super) const PAGE: usize = 4096;
/// What is before a page's contents: the commit word, the chain, the service, the place in the chain, and of a frame its lengths and sum.
pub(super) const HEAD: usize = 40;
/// What a page holds.
pub(super) const ROOM: usize = PAGE - HEAD;

/// The first bytes of a file.
pub(super) const MAGIC: [u8; 8] = *b"gadgarc\x01";
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
    /// ...the length of its columns, and the sum of its compressed bytes.
    pub(super) raw: u32,
    pub(super) sum: u32,
}

impl Head {
    /// The commit word.
    pub(super) const fn word(kind: Kind, filled: u32) -> u64 {
        (filled as u64) << 32
            | match kind {
                Kind::Free => 0,
                Kind::Raw => 0x5241_5721,
                Kind::Frame => 0x4652_4d21,
            }
    }

    /// All but the commit word.
    pub(super) fn rest(&self) -> [u8; HEAD - 8] {
        let mut rest = [0; HEAD - 8];
        rest[..8].copy_from_slice(&self.chain.to_le_bytes());
        let numbers = [self.service, self.nth, self.packed, self.raw, self.sum];
        for (to, number) in rest[8..].chunks_exact_mut(4).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        rest
    }

    /// Reads one from the beginning of a page of any content. What makes no sense is free.
    pub(super) fn read(page: &[u8]) -> Self {
        let word = number(page, 0);
        let filled = (word >> 32) as u32;
        let kind =
            [Kind::Raw, Kind::Frame].into_iter().find(|kind| Self::word(*kind, filled) == word);
        let sound = filled as usize <= ROOM;
        let at = |nth: usize| number(page, 16 + 4 * nth) as u32;
        Self {
            kind: kind.filter(|_| sound).unwrap_or(Kind::Free),
            filled,
            chain: number(page, 8),
            service: at(0),
            nth: at(1),
            packed: at(2),
            raw: at(3),
            sum: at(4),
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
        let mut page = Head::word(head.kind, head.filled).to_le_bytes().to_vec();
        page.extend(head.rest());
        page.resize(PAGE, 0);
        assert_eq!(Head::read(&page), head);
        page[0] ^= 1;
        assert_eq!(Head::read(&page).kind, Kind::Free);
        assert_eq!(Head::read(&[]).kind, Kind::Free);
    }
}
