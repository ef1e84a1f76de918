//! Makes up log lines, trains the labeller of `gadget-curator` on them, and measures what is hidden and what is not.
//!
//! Nothing here is of anyone: names, numbers and formats are made up by [`Generator`], which is all that the shipped model
//! has seen.

mod corpus;
mod generate;
mod held_out;
mod learn;
mod line;
mod machine;
mod notations;
mod numbers;
mod people;
mod quality;
mod records;
mod rng;
mod score;
mod secrets;
mod slots;
mod template;
mod values;

pub use corpus::{Labelled, Place, data, families, formats, read};
pub use generate::{Draw, FOLDS, Generator};
pub use held_out::{
    Example, Reliability, held_out, is_right, read_scores, reliability, reported, tally,
};
pub use learn::{Trained, Training, fingerprint, labels, names, train};
pub use line::{Gold, Line, Piece, Sort, Text};
pub use quality::{Report, predictions};
pub use rng::Rng;
pub use score::{Tally, is_hidden};
