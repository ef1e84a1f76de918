//! What gadgets asked for, as many at a time as programs have room for.

use std::time::{Duration, Instant};

/// What nobody has named for so long is let go.
pub(super) const KEPT: Duration = Duration::from_secs(60);

/// A bounded number of subjects, each with what was last told of it.
pub(super) struct Seats<K, W> {
    seats: Vec<Option<Seat<K, W>>>,
    /// How often somebody asked for one more than there is room for.
    pub(super) refused: u64,
}

/// One of them.
pub(super) struct Seat<K, W> {
    pub(super) key: K,
    /// What was last told.
    pub(super) told: W,
    /// When it was last named; none for one that stays until it is let go.
    named: Option<Instant>,
}

impl<K: Copy + Eq, W> Seats<K, W> {
    pub(super) fn new(count: usize) -> Self {
        Self { seats: (0..count).map(|_| None).collect(), refused: 0 }
    }

    /// The seat of `key`, which is named by that.
    pub(super) fn name(&mut self, key: K, now: Instant) -> Option<(usize, &mut W)> {
        let index = self.find(key)?;
        let seat = self.seats[index].as_mut()?;
        seat.named = seat.named.map(|_| now);
        Some((index, &mut seat.told))
    }

    pub(super) fn find(&self, key: K) -> Option<usize> {
        self.seats.iter().position(|seat| seat.as_ref().is_some_and(|seat| seat.key == key))
    }

    /// A free seat; that there is none is counted.
    pub(super) fn free(&mut self) -> Option<usize> {
        let free = self.seats.iter().position(Option::is_none);
        self.refused += u64::from(free.is_none());
        free
    }

    /// Gives a free seat away: until it is let go, or while it is named.
    pub(super) fn take(&mut self, index: usize, key: K, told: W, named: Option<Instant>) {
        self.seats[index] = Some(Seat { key, told, named });
    }

    /// Makes one stay that was only named.
    pub(super) fn keep(&mut self, index: usize) {
        if let Some(seat) = &mut self.seats[index] {
            seat.named = None;
        }
    }

    pub(super) fn release(&mut self, index: usize) -> Option<Seat<K, W>> {
        self.seats[index].take()
    }

    /// All that are taken.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Seat<K, W>)> {
        let seats = self.seats.iter_mut().enumerate();
        seats.filter_map(|(index, seat)| Some((index, seat.as_mut()?)))
    }

    pub(super) fn count(&self) -> usize {
        self.seats.iter().flatten().count()
    }
}

impl<K, W> Seat<K, W> {
    /// True for one that stays without being named.
    pub(super) fn stays(&self) -> bool {
        self.named.is_none()
    }

    /// True for one that nobody has named for long.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.named.is_some_and(|named| now.duration_since(named) > KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_there_is_room_for_is_refused_and_counted() {
        let now = Instant::now();
        let mut seats = Seats::new(2);
        for key in 0..2 {
            let index = seats.free().unwrap();
            seats.take(index, key, (), Some(now));
        }
        assert_eq!((seats.free(), seats.refused, seats.count()), (None, 1, 2));
        assert_eq!(seats.release(0).unwrap().key, 0);
        assert_eq!(seats.free(), Some(0));
        assert_eq!((seats.find(1), seats.find(0)), (Some(1), None));
    }

    #[test]
    fn what_is_named_again_or_kept_is_not_stale() {
        let begin = Instant::now();
        let mut seats = Seats::new(3);
        for key in 0..3 {
            seats.take(key, key, (), Some(begin));
        }
        let later = begin + KEPT + Duration::from_secs(1);
        assert!(seats.name(0, later).is_some() && seats.name(9, later).is_none());
        seats.keep(1);
        let stale: Vec<_> = seats.iter_mut().map(|(_, seat)| seat.is_stale(later)).collect();
        assert_eq!(stale, [false, false, true]);
        assert!(seats.name(1, later).is_some(), "what stays may be named as well");
        assert!(seats.iter_mut().nth(1).unwrap().1.stays());
    }
}
