//! Words that say how something went. They are never taken for a value, and two lines that differ in one are two templates.

/// Parts of words that tell of trouble.
const TROUBLE: [&str; 37] = [
    "abort",
    "alert",
    "broken",
    "cannot",
    "corrupt",
    "crash",
    "critical",
    "deadlock",
    "denied",
    "error",
    "exceed",
    "exception",
    "exhaust",
    "expired",
    "fail",
    "fatal",
    "forbidden",
    "illegal",
    "invalid",
    "killed",
    "missing",
    "overflow",
    "panic",
    "refuse",
    "reject",
    "rollback",
    "segfault",
    "segmentation",
    "stalled",
    "timeout",
    "unable",
    "unavailable",
    "unauthor",
    "unexpected",
    "unreachable",
    "unsupported",
    "violat",
];

/// Whole words that do.
const TROUBLE_WORDS: [&str; 20] = [
    "couldn",
    "didn",
    "down",
    "dropped",
    "empty",
    "err",
    "leak",
    "lost",
    "no",
    "none",
    "not",
    "nil",
    "null",
    "oom",
    "timed",
    "undefined",
    "unknown",
    "warn",
    "warning",
    "wrong",
];

/// What else two lines may not differ in and be one template.
const OUTCOMES: [&str; 30] = [
    "accepted",
    "closed",
    "complete",
    "completed",
    "connected",
    "critical",
    "debug",
    "disabled",
    "disconnected",
    "done",
    "enabled",
    "false",
    "finished",
    "info",
    "notice",
    "off",
    "ok",
    "on",
    "opened",
    "recovered",
    "restarted",
    "retry",
    "started",
    "starting",
    "stopped",
    "stopping",
    "succeeded",
    "success",
    "trace",
    "true",
];

/// Keys whose values are what a line says.
const KEYS: [&str; 14] = [
    "msg",
    "message",
    "event",
    "log",
    "text",
    "error",
    "err",
    "exception",
    "reason",
    "cause",
    "level",
    "severity",
    "status",
    "state",
];

/// Words longer than this are not looked at: an encoded value tells nothing.
const LONGEST: usize = 64;

fn lower<'a>(word: &[u8], into: &'a mut [u8; LONGEST]) -> Option<&'a str> {
    let out = into.get_mut(..word.len())?;
    out.copy_from_slice(word);
    out.make_ascii_lowercase();
    std::str::from_utf8(out).ok()
}

fn is_clear(word: &[u8]) -> bool {
    let mut buffer = [0; LONGEST];
    lower(word, &mut buffer).is_some_and(|word| TROUBLE.iter().any(|part| word.contains(part)))
}

/// True if a word tells of trouble: `failed`, `NullPointerException`, `not`.
pub(crate) fn is_trouble(word: &[u8]) -> bool {
    let mut buffer = [0; LONGEST];
    let Some(word) = lower(word, &mut buffer) else { return false };
    TROUBLE_WORDS.contains(&word) || TROUBLE.iter().any(|part| word.contains(part))
}

/// True if a word says how something went, well or badly.
pub(crate) fn is_telling(word: &[u8]) -> bool {
    let mut buffer = [0; LONGEST];
    is_trouble(word) || lower(word, &mut buffer).is_some_and(|word| OUTCOMES.contains(&word))
}

/// True if the values of this key are what a line says.
pub(crate) fn is_telling_key(word: &[u8]) -> bool {
    let mut buffer = [0; LONGEST];
    lower(word, &mut buffer).is_some_and(|word| KEYS.contains(&word))
}

/// True if a word is the name of a severity; two severities are two templates.
pub(crate) fn is_severity(word: &[u8]) -> bool {
    const NAMES: [&str; 11] = [
        "trace", "debug", "info", "notice", "warn", "warning", "error", "err", "critical", "fatal",
        "severe",
    ];
    let mut buffer = [0; LONGEST];
    lower(word, &mut buffer).is_some_and(|word| NAMES.contains(&word))
}

/// True if a word is part of a date.
pub(crate) fn is_calendar(word: &[u8]) -> bool {
    const NAMES: [&[u8]; 19] = [
        b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun", b"Jan", b"Feb", b"Mar", b"Apr",
        b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
    ];
    NAMES.contains(&word)
}

/// The words of a text: letters, digits, what joins them, and all that is not ASCII.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"_-.+@$".contains(&byte)
}

/// How much the words of a template tell of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Not at all.
    None,
    /// They may: `not`, `null`, `empty`.
    Hint,
    /// They do: `failed`, `exception`, `refused`.
    Clear,
}

/// Whether a template, or a line, has words that tell of trouble.
///
/// ```
/// use gadget_template::{Trouble, trouble_in};
///
/// assert_eq!(trouble_in("connection to <*> refused"), Trouble::Clear);
/// assert_eq!(trouble_in("order <*> is not paid"), Trouble::Hint);
/// assert_eq!(trouble_in("connection to <*> opened"), Trouble::None);
/// ```
#[must_use]
pub fn trouble_in(template: &str) -> Trouble {
    let text = template.as_bytes();
    if any(text, is_clear) {
        Trouble::Clear
    } else if any(text, is_trouble) {
        Trouble::Hint
    } else {
        Trouble::None
    }
}

/// True if a text has a word that says how something went.
pub(crate) fn tells(text: &[u8]) -> bool {
    any(text, is_telling)
}

fn any(text: &[u8], is: impl Fn(&[u8]) -> bool) -> bool {
    text.split(|&byte| !is_word(byte)).any(|word| is(trimmed(word)))
}

/// A word without the stop after it.
pub(crate) fn trimmed(mut word: &[u8]) -> &[u8] {
    while let [rest @ .., b'.' | b'-'] = word {
        word = rest;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_of_trouble_in_any_form() {
        for word in
            ["Failed", "failure", "java.lang.NullPointerException", "not", "TIMEOUT", "null"]
        {
            assert!(is_trouble(word.as_bytes()), "{word}");
        }
        for word in ["note", "success", "nullable", "know", "Step", "", &"error".repeat(20)] {
            assert!(!is_trouble(word.as_bytes()), "{word}");
        }
        assert!(is_telling(b"Success") && is_telling(b"failed") && !is_telling(b"order"));
    }

    #[test]
    fn a_stop_is_no_part_of_a_word() {
        assert_eq!(trouble_in("it has failed."), Trouble::Clear);
        assert_eq!(trouble_in("it has worked."), Trouble::None);
        assert!(is_trouble(trimmed(b"not.")));
    }
}
