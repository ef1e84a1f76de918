//! The text of a pressure file.

use std::path::Path;
use std::time::Duration;

use gadget_core::{Percent, Pressure, SignalError, Stall};

use crate::text::{Line, decimal, empty, lines};

/// Parses a pressure file: `/proc/pressure/memory`, or `memory.pressure` of a cgroup.
///
/// - Units: averages are percentages of wall time; `total` is in microseconds.
/// - Source: Documentation/accounting/psi.rst; Linux 4.20.
/// - Absent: `full` of CPU before Linux 5.13.
///
/// # Errors
/// [`SignalError::Parse`] for anything that is not such a file.
///
/// ```
/// # use gadget_core::Percent;
/// let text = b"some avg10=1.50 avg60=0.20 avg300=0.00 total=4096\n\
///              full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
/// let pressure = gadget_signals::parse::pressure(text, "memory.pressure".as_ref())?;
/// assert_eq!(pressure.some.avg10, Percent::new(1.5)?);
/// assert_eq!(pressure.some.total.as_micros(), 4096);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_pressure(text: &[u8], path: &Path) -> Result<Pressure, SignalError> {
    let (mut some, mut full) = (None, None);
    for line in lines(text, path) {
        let line = line?;
        match line.key() {
            (b"some", _) => some = Some(stall(&line)?),
            (b"full", _) => full = Some(stall(&line)?),
            _ => return Err(line.error("some or full")),
        }
    }
    let some = some.ok_or_else(|| empty(path, "a line that begins with some"))?;
    Ok(Pressure { some, full })
}

fn stall(line: &Line<'_, '_>) -> Result<Stall, SignalError> {
    let mut words = line.words().skip(1);
    let mut average = |key: &[u8], expected: &'static str| {
        let value = words.next().and_then(|word| word.strip_prefix(key));
        let percent = value.and_then(decimal).and_then(|value| Percent::new(value).ok());
        percent.ok_or_else(|| line.error(expected))
    };
    let avg10 = average(b"avg10=", "avg10= and a percentage")?;
    let avg60 = average(b"avg60=", "avg60= and a percentage")?;
    let avg300 = average(b"avg300=", "avg300= and a percentage")?;
    let total = line.count(words.next().and_then(|word| word.strip_prefix(b"total=")))?;
    Ok(Stall { avg10, avg60, avg300, total: Duration::from_micros(total) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::golden;

    #[test]
    fn golden_files_give_their_numbers() {
        let path = golden("6.1").join("sys/fs/cgroup/lab/memory.pressure");
        let pressure = parse_pressure(&std::fs::read(&path).unwrap(), &path).unwrap();
        assert_eq!(pressure.some.avg10.get(), 16.13);
        assert_eq!(pressure.some.avg300.get(), 1.02);
        assert_eq!(pressure.full.unwrap().total, Duration::from_micros(3_305_997));
    }

    #[test]
    fn cpu_without_a_full_line_has_none() {
        let text = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
        assert_eq!(parse_pressure(text, Path::new("cpu")).unwrap().full, None);
    }

    #[test]
    fn what_is_no_pressure_file_is_refused() {
        for text in [
            "",
            "some\n",
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
            "some avg10=100.01 avg60=0.00 avg300=0.00 total=0\n",
            "some avg10=-1.00 avg60=0.00 avg300=0.00 total=0\n",
            "some avg10=nan avg60=0.00 avg300=0.00 total=0\n",
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=-1\n",
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=99999999999999999999\n",
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=12",
            "\u{0}\u{1}\n",
        ] {
            assert!(parse_pressure(text.as_bytes(), Path::new("memory")).is_err(), "{text:?}");
        }
    }
}
