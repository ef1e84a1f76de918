//! What a filter is, and what may go wrong with one.

use std::fmt;

/// What stands for a text that no filter could be trusted with.
pub const MARKER: &str = "[redacted]";

/// Something with named fields of text, for example a row that is about to be sent.
pub trait Fields {
    /// Shows every text with its field's name; a name may come more than once.
    fn each_field(&mut self, visit: &mut dyn FnMut(&str, &mut String));
}

/// What a filter made of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It stays as it is.
    Same,
    /// What the filter wrote stands for it.
    Other,
}

/// Shortens or redacts texts: one text in, one that is no longer out.
///
/// The answer depends on the field's name and the text alone. A filter that fails says so; its caller redacts.
pub trait Filter: Send {
    /// Whether it may see this field.
    fn allows(&self, field: &str) -> bool;

    /// Filters one text, which is not empty. `out` is empty and counts only with [`Answer::Other`].
    ///
    /// # Errors
    /// The text must not be passed on.
    fn apply(&mut self, field: &str, text: &str, out: &mut String) -> Result<Answer, Reason>;
}

impl<F: Filter + ?Sized> Filter for Box<F> {
    fn allows(&self, field: &str) -> bool {
        (**self).allows(field)
    }

    fn apply(&mut self, field: &str, text: &str, out: &mut String) -> Result<Answer, Reason> {
        (**self).apply(field, text, out)
    }
}

/// Why a text was redacted as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The filter could not be loaded; the words say why.
    NotLoaded(String),
    /// The filter's manifest does not name the field.
    NotAllowed,
    /// The text is longer than the filter takes.
    TooLong {
        /// The text's bytes.
        bytes: usize,
        /// As many as it takes.
        most: usize,
    },
    /// It ran for longer than the deadline.
    Timeout,
    /// It executed more instructions than it may.
    Fuel,
    /// It asked for more memory than it may have.
    Memory,
    /// It trapped; the words are the engine's.
    Trap(String),
    /// Its answer lies outside of its memory.
    OutOfBounds,
    /// Its answer is no UTF-8.
    NotUtf8,
    /// Its answer is longer than the text.
    Grew,
}

impl Reason {
    /// One word, for counters by reason.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NotLoaded(_) => "not_loaded",
            Self::NotAllowed => "not_allowed",
            Self::TooLong { .. } => "too_long",
            Self::Timeout => "timeout",
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Trap(_) => "trap",
            Self::OutOfBounds => "out_of_bounds",
            Self::NotUtf8 => "not_utf8",
            Self::Grew => "grew",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded(why) => write!(f, "not loaded: {why}"),
            Self::NotAllowed => f.write_str("its manifest does not name the field"),
            Self::TooLong { bytes, most } => {
                write!(f, "{bytes} bytes are more than the {most} it takes")
            }
            Self::Timeout => f.write_str("it ran past its deadline"),
            Self::Fuel => f.write_str("it used up its fuel"),
            Self::Memory => f.write_str("it asked for more memory than it may have"),
            Self::Trap(trap) => write!(f, "it trapped: {trap}"),
            Self::OutOfBounds => f.write_str("its answer lies outside of its memory"),
            Self::NotUtf8 => f.write_str("its answer is no UTF-8"),
            Self::Grew => f.write_str("its answer is longer than the text"),
        }
    }
}
