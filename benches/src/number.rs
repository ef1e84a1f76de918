//! Lines that `cargo xtask bench` collects.

use std::fmt;

/// What a number is held to.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Shown for itself.
    None,
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Limit {
    fn verdict(self, value: f64) -> &'static str {
        match self {
            Self::None => "-",
            Self::AtMost(most) if value <= most => "pass",
            Self::AtLeast(least) if value >= least => "pass",
            Self::AtMost(_) | Self::AtLeast(_) => "fail",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("-"),
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::AtLeast(least) => write!(f, ">= {least}"),
        }
    }
}

/// Prints one number line, and beside what it was measured, if anything.
pub fn print(name: &str, value: f64, unit: &str, limit: Limit, baseline: &str) {
    let verdict = limit.verdict(value);
    let separator = if baseline.is_empty() { "" } else { " | " };
    println!(
        "GADGET-NUMBER {name} | {value:.3} | {unit} | {limit} | {verdict}{separator}{baseline}"
    );
}

/// Whether a measurement of its own, which criterion does not run, is wanted: `cargo bench` asks for all of them or names
/// some; a test run that only builds and starts it asks for none.
#[must_use]
pub fn asked(name: &str) -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut filters = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    let named = filters.peek().is_none() || filters.any(|filter| name.contains(filter.as_str()));
    named && arguments.iter().any(|argument| argument == "--bench")
}

/// The one in the middle, after which half are larger; `None` of none.
#[must_use]
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_its_limit_passes_and_one_that_is_not_a_number_fails() {
        assert_eq!(Limit::AtMost(5.0).verdict(5.0), "pass");
        assert_eq!(Limit::AtMost(5.0).verdict(5.1), "fail");
        assert_eq!(Limit::AtLeast(4.0).verdict(3.9), "fail");
        assert_eq!(Limit::AtMost(5.0).verdict(f64::NAN), "fail");
        assert_eq!(Limit::None.verdict(1.0), "-");
    }
}
