//! Counts of consecutive bins.

use std::hint::select_unpredictable;

/// How many bins the values of one sign may span: 26 decades at the contract's accuracy, 32 KiB.
pub const MAX_BINS: usize = 4096;

/// The bins of one sign. What lies [`MAX_BINS`] or more under the highest one is counted in the lowest that is left, however values
/// arrive: by the smallest magnitudes, so that high quantiles stay what they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    /// The key of the first bin.
    first: i32,
    /// Of zeros, and of each bin from the first one; none at all before there are values.
    counts: Vec<u64>,
    /// How many values are not in the bin that is theirs.
    collapsed: u64,
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        (self.zeros(), self.bins(), self.collapsed)
            == (other.zeros(), other.bins(), other.collapsed)
    }
}

impl Store {
    pub(crate) fn collapsed(&self) -> u64 {
        self.collapsed
    }

    /// As it was written.
    pub(crate) fn set_collapsed(&mut self, collapsed: u64) {
        self.collapsed = collapsed;
    }

    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        self.collapsed = 0;
    }

    /// Counts one value in its bin, or as zero; `false` if there is no such place yet.
    #[inline]
    #[must_use]
    pub(crate) fn add_one(&mut self, is_zero: bool, key: i32) -> bool {
        let at = select_unpredictable(is_zero, 0, self.place(key));
        let Some(count) = self.counts.get_mut(at) else { return false };
        *count += 1;
        true
    }

    pub(crate) fn add_zeros(&mut self, times: u64) {
        if self.counts.is_empty() {
            self.counts.push(0);
        }
        self.counts[0] += times;
    }

    pub(crate) fn zeros(&self) -> u64 {
        self.counts.first().copied().unwrap_or_default()
    }

    /// Where a key's bin is in `counts`, or beyond them.
    #[inline]
    fn place(&self, key: i32) -> usize {
        key.wrapping_sub(self.first) as u32 as usize + 1
    }

    fn has(&self, key: i32) -> bool {
        self.place(key) < self.counts.len()
    }

    /// The key of the last bin, of some.
    fn last(&self) -> i32 {
        self.first + (self.counts.len() - 2) as i32
    }

    pub(crate) fn add(&mut self, key: i32, times: u64) {
        let at = self.place(key);
        match self.counts.get_mut(at) {
            Some(count) => *count += times,
            None => self.add_beyond(key, times),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_beyond(&mut self, key: i32, times: u64) {
        let full = self.counts.len() == MAX_BINS + 1 && self.counts[MAX_BINS] > 0;
        let floor = if full && key < self.first { self.first } else { self.make_room(key, key) };
        if key < floor {
            self.collapsed += times;
        }
        let at = self.place(key.max(floor));
        self.counts[at] += times;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.counts.len() > 1 && self.has(other.first) && self.has(other.last()) {
            let begin = self.place(other.first);
            let counts = &mut self.counts[begin..begin + other.counts.len() - 1];
            for (count, more) in counts.iter_mut().zip(&other.counts[1..]) {
                *count += more;
            }
            self.counts[0] += other.zeros();
            self.collapsed += other.collapsed;
            return;
        }
        self.add_zeros(other.zeros());
        let Some((low, theirs)) = other.bins() else { return };
        let floor = self.make_room(low, low + (theirs.len() - 1) as i32);
        let (under, within) = theirs.split_at(((floor - low).max(0) as usize).min(theirs.len()));
        let begin = self.place(low.max(floor));
        for (count, more) in self.counts[begin..begin + within.len()].iter_mut().zip(within) {
            *count += more;
        }
        let (moved, lowest) = (under.iter().sum(), self.place(floor));
        self.counts[lowest] += moved;
        // What had been moved there already is in their lowest bin.
        self.collapsed += if moved > 0 { moved } else { other.collapsed };
    }

    /// Sees to it that there are bins from `low` to `high`, and answers with the lowest of all bins that is left.
    pub(crate) fn make_room(&mut self, low: i32, high: i32) -> i32 {
        if self.has(low) && self.has(high) {
            return low;
        }
        let old = self.bins().map(|(first, counts)| (first, first + (counts.len() - 1) as i32));
        let (low, high) = old.map_or((low, high), |(l, h)| (l.min(low), h.max(high)));
        let floor = low.max(high - (MAX_BINS - 1) as i32);
        if self.has(floor) && self.has(high) {
            return floor;
        }
        let span = high - floor + 1;
        // An eighth more on either side, so that it seldom has to grow.
        let slack = (span / 8).max(16).min((MAX_BINS as i32 - span) / 2);
        let counts = vec![0; (span + 2 * slack) as usize + 1];
        let old = Self { first: floor - slack, counts, collapsed: self.collapsed };
        let old = std::mem::replace(self, old);
        self.counts[0] = old.zeros();
        if let Some((from, old)) = old.bins() {
            let (under, within) = old.split_at(((floor - from).max(0) as usize).min(old.len()));
            let (begin, lowest) = (self.place(from.max(floor)), self.place(floor));
            self.counts[begin..begin + within.len()].copy_from_slice(within);
            let moved: u64 = under.iter().sum();
            self.counts[lowest] += moved;
            if moved > 0 {
                self.collapsed = moved;
            }
        }
        floor
    }

    /// The key of the lowest bin that is not empty, and all counts from there to the highest; `None` of an empty store.
    pub(crate) fn bins(&self) -> Option<(i32, &[u64])> {
        let counts = self.counts.get(1..)?;
        let first = counts.iter().position(|count| *count != 0)?;
        let last = counts.iter().rposition(|count| *count != 0)?;
        Some((self.first + first as i32, &counts[first..=last]))
    }

    /// Every bin that is not empty, from the lowest.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (i32, u64)> {
        let bins = self.counts.iter().skip(1).enumerate();
        bins.filter(|(_, count)| **count != 0).map(|(i, count)| (self.first + i as i32, *count))
    }

    /// The bin of the value that `rank` others are before, from the lowest, of `total` that are no zeros.
    pub(crate) fn key_at(&self, rank: u64, total: u64) -> i32 {
        const CHUNK: usize = 32;
        let counts = self.counts.get(1..).unwrap_or_default();
        let (mut before, mut at) = (0, 0);
        let from_above = total - 1 - rank;
        if rank <= from_above {
            for chunk in counts.chunks(CHUNK) {
                let more = before + chunk.iter().sum::<u64>();
                if more > rank {
                    break;
                }
                (before, at) = (more, at + chunk.len());
            }
            for count in &counts[at..] {
                before += count;
                if before > rank {
                    break;
                }
                at += 1;
            }
            return self.first + at as i32;
        }
        at = counts.len();
        for chunk in counts.rchunks(CHUNK) {
            let more = before + chunk.iter().sum::<u64>();
            if more > from_above {
                break;
            }
            (before, at) = (more, at - chunk.len());
        }
        for count in counts[..at].iter().rev() {
            at -= 1;
            before += count;
            if before > from_above {
                break;
            }
        }
        self.first + at as i32
    }
}
