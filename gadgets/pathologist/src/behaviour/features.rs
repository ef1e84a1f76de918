//! What the behaviour model sees.

use gadget_forest::{Shape, fingerprint};

macro_rules! features {
    ($($name:ident $text:literal,)*) => {
        /// One number of a [`Row`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Feature { $(#[doc = $text] $name,)* }

        impl Feature {
            /// In the order of a row.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            /// What it is; a model is bound to these texts.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        const TEXTS: &[&str] = &[$($text,)*];
    };
}

features! {
    Cpu "Share of one processor that it used.",
    Wanted "Share of one processor that it used or was ready to use.",
    Queueing "Share of what it wanted that it spent on a run queue.",
    Slices "Natural logarithm of one and the time slices per second: how often it was switched to.",
    SliceLength "Natural logarithm of one and the microseconds that it ran for in each slice: short where it waits by itself.",
    Busiest "Share of one processor that its busiest thread wanted.",
    Frozen "Share of its threads' time between looks in which they were given no slice.",
    Threads "Natural logarithm of its threads.",
    Running "Share of its threads, at looks, that run or are ready to.",
    ForGood "Share of its threads that wait for a futex without a time limit.",
    Timed "Share of its threads that wait for a futex for a time.",
    Ready "Share of its threads that wait for clients or files.",
    Peers "Share of its threads that read from a socket.",
    Sleeping "Share of its threads that wait for time to pass.",
    Owned "Share of its threads that wait for a lock whose owner is known.",
    Wakers "One if a timer, a handler for signals or another process may wake one of its threads.",
    Collecting "Share of what it wanted that its garbage collector did.",
    Queued "Natural logarithm of one and the clients that are queued.",
    Unaccepted "Natural logarithm of one and the seconds for which none of them was accepted.",
    Asked "Natural logarithm of one and the seconds since the oldest question that is not answered.",
    Calls "Natural logarithm of one and its system calls per second; -1 where they are not counted.",
    Entropy "Entropy of their numbers in bits; -1 where there were none.",
    CpuChange "Natural logarithm of the CPU that it used over what it used to; zero where that is not known.",
    SlicesChange "Natural logarithm of its time slices over those that it used to get; zero where that is not known.",
    FrozenChange "Its frozen share less what that used to be; zero where that is not known.",
}

/// How many features there are.
pub const FEATURES: usize = Feature::ALL.len();

/// One window of one process.
pub type Row = [f64; FEATURES];

/// What the model tells apart; the last one is what it gives a probability for.
pub(crate) const CLASSES: [crate::State; 5] = [
    crate::State::Working,
    crate::State::Idle,
    crate::State::WaitingOnPeer,
    crate::State::Gc,
    crate::State::Stuck,
];

/// What a model of this crate judges by.
pub const SHAPE: Shape =
    Shape { features: FEATURES, classes: CLASSES.len() as u8, fingerprint: fingerprint(TEXTS) };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_says_of_every_feature_what_it_is() {
        let readme = include_str!("../../README.md");
        for feature in Feature::ALL {
            let line = format!("| `{feature:?}` | {} |", feature.text());
            assert!(readme.contains(&line), "{line}");
        }
        const { assert!(FEATURES <= gadget_forest::MOST_FEATURES) };
    }
}
