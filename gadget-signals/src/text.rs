//! What all parsers of kernel text share: lines with numbers, and errors that say where.

use std::path::Path;

use gadget_core::SignalError;

/// The longest excerpt of a bad line that an error carries.
const EXCERPT: usize = 64;

/// One line of a kernel file, without its end.
#[derive(Clone, Copy)]
pub(crate) struct Line<'t, 'p> {
    pub(crate) text: &'t [u8],
    pub(crate) number: usize,
    path: &'p Path,
}

/// The lines of `text`. The kernel ends every line, so a last one without its end was cut off and is an error.
pub(crate) fn lines<'t, 'p>(
    text: &'t [u8],
    path: &'p Path,
) -> impl Iterator<Item = Result<Line<'t, 'p>, SignalError>> {
    text.split_inclusive(|&byte| byte == b'\n').zip(1..).map(move |(text, number)| {
        match text.strip_suffix(b"\n") {
            Some(text) => Ok(Line { text, number, path }),
            None => Err(Line { text, number, path }.error("a whole line")),
        }
    })
}

/// The first line of a file that should hold just one.
pub(crate) fn only_line<'t, 'p>(
    text: &'t [u8],
    path: &'p Path,
) -> Result<Line<'t, 'p>, SignalError> {
    lines(text, path).next().unwrap_or_else(|| Err(empty(path, "one line")))
}

/// The error for a file that ends before what was `expected`.
pub(crate) fn empty(path: &Path, expected: &'static str) -> SignalError {
    Line::of(b"", path).error(expected)
}

/// The error for a line that this kernel's `path` does not have.
pub(crate) fn missing(path: &Path, needs: &'static str) -> SignalError {
    SignalError::Unsupported { path: path.to_owned(), needs }
}

/// Puts the folder in front of the file name that a parser was given as its path.
pub(crate) fn below(folder: &Path, error: SignalError) -> SignalError {
    match error {
        SignalError::Unsupported { path, needs } => {
            SignalError::Unsupported { path: folder.join(path), needs }
        }
        SignalError::Read { path, source } => SignalError::Read { path: folder.join(path), source },
        SignalError::Parse { path, line, expected, found } => {
            SignalError::Parse { path: folder.join(path), line, expected, found }
        }
        other => other,
    }
}

impl<'t, 'p> Line<'t, 'p> {
    /// A text that is one line, whatever it holds.
    pub(crate) fn of(text: &'t [u8], path: &'p Path) -> Self {
        Self { text, number: 1, path }
    }

    /// An error about this line.
    #[cold]
    pub(crate) fn error(&self, expected: &'static str) -> SignalError {
        let text = String::from_utf8_lossy(&self.text[..self.text.len().min(EXCERPT * 2)]);
        SignalError::Parse {
            path: self.path.to_owned(),
            line: self.number,
            expected,
            found: text.chars().take(EXCERPT).collect(),
        }
    }

    /// The words of the line, parted by spaces or tabs.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'t [u8]> + use<'t, 'p> {
        self.text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
    }

    /// The key and the rest of a line `key value`, and of `key: value`.
    pub(crate) fn key(&self) -> (&'t [u8], &'t [u8]) {
        let text = self.text;
        let end = text.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
        let (key, rest) = text.split_at(end);
        (key.strip_suffix(b":").unwrap_or(key), rest.trim_ascii())
    }

    /// A count or a size: digits, below 2^63. What went below zero in the kernel wraps to more than that.
    pub(crate) fn count(&self, word: Option<&[u8]>) -> Result<u64, SignalError> {
        word.and_then(digits)
            .filter(|&value| value <= i64::MAX as u64)
            .ok_or_else(|| self.error("a number from 0 to 2^63 - 1"))
    }

    /// A size in kB, as the kernel prints it: `123 kB`. In bytes.
    pub(crate) fn kib(&self, value: &[u8]) -> Result<u64, SignalError> {
        let number = value.strip_suffix(b" kB").map(<[u8]>::trim_ascii_end);
        number
            .and_then(digits)
            .and_then(|kib| kib.checked_mul(1024))
            .filter(|&bytes| bytes <= i64::MAX as u64)
            .ok_or_else(|| self.error("a size in kB"))
    }
}

/// A number written in decimal digits and nothing else.
pub(crate) fn digits(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |value, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A number with a fraction, digits around at most one point: `12.34`.
pub(crate) fn decimal(word: &[u8]) -> Option<f64> {
    if !word.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// A file that holds one number and nothing else, such as `memory.current`.
pub(crate) fn number(text: &[u8], path: &Path) -> Result<u64, SignalError> {
    let line = only_line(text, path)?;
    line.count(Some(line.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_its_end_is_an_error_that_names_it() {
        let all: Vec<_> = lines(b"a 1\nb 2", Path::new("memory.stat")).collect();
        assert!(all[0].is_ok());
        let error = all[1].as_ref().err().unwrap().to_string();
        assert_eq!(error, "memory.stat:2: expected a whole line, found \"b 2\"");
    }

    #[test]
    fn what_is_no_count_is_refused() {
        for text in ["", "-1\n", "+1\n", "1.5\n", "0x10\n", "max\n", "9223372036854775808\n", "1"] {
            assert!(number(text.as_bytes(), Path::new("f")).is_err(), "{text:?}");
        }
        assert_eq!(number(b"9223372036854775807\n", Path::new("f")).unwrap(), i64::MAX as u64);
    }

    #[test]
    fn an_error_quotes_at_most_64_characters_of_whatever_was_there() {
        let junk = [0xff_u8; 1000];
        let error = only_line(&junk, Path::new("f")).err().unwrap();
        let SignalError::Parse { found, .. } = error else { panic!("{error}") };
        assert_eq!(found.chars().count(), 64);
    }

    #[test]
    fn decimals_are_digits_and_a_point() {
        assert_eq!(decimal(b"12.50"), Some(12.5));
        for word in ["", ".", "1.2.3", "inf", "nan", "-1.0", "1e5"] {
            assert_eq!(decimal(word.as_bytes()), None, "{word}");
        }
    }
}
