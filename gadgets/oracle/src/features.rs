//! What the models see of a subject: numbers without the host's size in them.

/// How many there are.
pub const FEATURES: usize = 23;

macro_rules! features {
    ($($index:literal $name:ident $text:literal,)*) => {
        /// One feature; its documentation says what it is and why.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Feature { $(#[doc = $text] $name = $index,)* }

        impl Feature {
            /// All of them, in the order of a row.
            pub const ALL: [Self; FEATURES] = [$(Self::$name,)*];
            /// What it is, in one sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

features! {
    0 Used "Memory that reclaim cannot free, as a share of the limit, at the top of what comes and goes.",
    1 Charged "All memory charged, page cache included, as a share of the limit: full of cache is not full.",
    2 Cache "File cache as a share of the limit: what reclaim can still give.",
    3 Velocity "Growth of unreclaimable memory in shares of the limit per second, by robust regression.",
    4 Doubt "Width of the velocity's 90 % interval over the velocity, up to 10: large where growth is noise.",
    5 Bend "Acceleration over the window, as a share of the velocity, -3 to 3: leaks speed up, cache warm-ups slow down.",
    6 LogLeft "Natural logarithm of the seconds to the limit, up to 10, which also stands for never.",
    7 LogClimb "Natural logarithm of the seconds that the climb has lasted: the longer, the less a burst.",
    8 Lasted "Seconds climbed over seconds climbed and left: growth's time on its own scale.",
    9 Consumed "Bytes climbed over bytes climbed and left: how much of the room at the start is gone.",
    10 Roughness "Noise around the line over the bytes climbed, up to 1.",
    11 Drops "How often memory was given back after a climb, up to 8: a sawtooth has teeth.",
    12 OfPeak "Memory over the highest earlier top, up to 2; zero where there was none: new heights are news.",
    13 Some "Memory pressure `some avg10`, as a share.",
    14 Full "Memory pressure `full avg10`, as a share: reclaim no longer keeps up.",
    15 Refaults "Natural logarithm of one and the refaults per second: evicted cache that was needed.",
    16 MajorFaults "Natural logarithm of one and the major faults per second.",
    17 CacheLoss "Loss of file cache in shares of the limit per second: growth lives off the cache.",
    18 Culprit "The culprit's share of its group's growth; zero where none is known.",
    19 Born "Natural logarithm of one and the processes that the culprit started since the climb began.",
    20 OomHistory "One if the kernel has killed here before, as far as was seen.",
    21 Momentum "Memory pressure `some avg10` less `some avg60`, as a share: it rises, or is on its way down.",
    22 Swapping "Growth of what is in swap, in shares of the limit per second: memory that finds no other place.",
}

/// [`Feature::LogLeft`] of what does not grow.
pub(crate) const NEVER: f64 = 10.0;

/// One row of features.
pub type Row = [f64; FEATURES];

impl Feature {
    /// Its value in a row.
    #[must_use]
    pub const fn of(self, row: &Row) -> f64 {
        row[self as usize]
    }
}

/// A number that changes when a feature is added, moved or said anew: a model fits only the features it was trained on.
#[must_use]
pub const fn fingerprint() -> u64 {
    let mut texts = [""; FEATURES];
    let mut at = 0;
    while at < FEATURES {
        texts[at] = Feature::ALL[at].text();
        at += 1;
    }
    gadget_forest::fingerprint(&texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_stands_in_a_row_where_the_list_says() {
        for (at, feature) in Feature::ALL.into_iter().enumerate() {
            let mut row = [0.0; FEATURES];
            row[at] = 1.0;
            assert_eq!(feature.of(&row), 1.0, "{feature:?}");
            assert!(feature.text().ends_with('.'));
        }
        assert_ne!(fingerprint(), 0);
    }

    #[test]
    fn the_readme_says_of_every_feature_what_it_is() {
        let readme = include_str!("../README.md");
        for feature in Feature::ALL {
            let line = format!("| `{feature:?}` | {} |", feature.text());
            assert!(readme.contains(&line), "{line}");
        }
    }
}
