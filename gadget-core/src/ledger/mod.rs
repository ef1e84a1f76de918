//! Everything that was seen, decided and done, in order, so that it can be trusted and put back.

mod entry;

pub use entry::{
    Carried, Diagnostic, Ending, Entry, Outcome, PastEffect, Record, RecordedPermit, Unfinished,
};
