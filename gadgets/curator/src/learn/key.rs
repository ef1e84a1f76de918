//! The words before a value that a rule can be anchored to.

use std::ops::Range;

use crate::label::{Classes, Lexicon, hash_word};
use crate::scan::CompiledRule;
use crate::span::Span;

/// Bytes of a key.
pub const KEY_BYTES: std::ops::RangeInclusive<usize> = 2..=48;
/// Bytes of the shortest key that is not assigned its value, as `cc: ` is.
const PROSE_BYTES: usize = 3;
/// Words of a key.
const MOST_WORDS: usize = 3;
/// A longer word is none that people chose.
const MOST_WORD: usize = 24;
/// Bytes that may stand between a key and its value.
const MOST_BETWEEN: usize = 8;

/// Words by which lines are sorted, searched and understood. A rule after one of them would hide what a line is about, so that
/// none is learned, whoever writes such lines.
#[rustfmt::skip]
const STRUCTURAL: &[&str] = &[
    "action", "api", "app", "application", "arch", "args", "attempt", "branch", "build", "bytes", "caller", "cause", "caused",
    "channel", "class", "client", "cluster", "cmd", "code", "command", "commit", "component", "container", "count", "critical", "date",
    "debug", "device", "duration", "elapsed", "endpoint", "env", "environment", "err", "errno", "error", "event", "exception", "exit",
    "failed", "failure", "fatal", "file", "func", "function", "handler", "host", "hostname", "image", "info", "instance", "interface",
    "job", "kind", "latency", "length", "level", "line", "loc", "location", "log", "logger", "lvl", "message", "metric", "method",
    "mod", "mode", "module", "msg", "namespace", "node", "notice", "op", "operation", "origin", "package", "panic", "path", "pid",
    "platform", "pod", "port", "priority", "process", "program", "protocol", "query", "queue", "reason", "region", "release",
    "request", "resource", "response", "result", "retry", "route", "rpc", "scope", "server", "service", "severity", "shard", "signal",
    "size", "source", "span", "spanid", "sql", "stack", "stacktrace", "stage", "state", "status", "step", "subsystem", "svc", "system",
    "table", "tag", "target", "task", "template", "thread", "tid", "time", "timeout", "timestamp", "topic", "took", "trace", "traceback",
    "traceid", "ts", "txid", "type", "unit", "uri", "url", "uuid", "verb", "version", "warn", "warning", "worker", "zone",
];

/// Words that say nothing alone: beside another word they may be part of a key.
#[rustfmt::skip]
const FILLING: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "been", "by", "data", "field", "for", "from", "has", "have", "id", "ids", "in", "input", "is",
    "it", "item", "me", "my", "new", "no", "not", "nr", "num", "number", "object", "of", "ok", "old", "on", "or", "out", "param", "set",
    "text", "the", "to", "val", "value", "was", "were", "with", "you", "your",
];

/// How a key stands before its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// `key=`, `key:`, `"key":`.
    Assigned,
    /// As a word before another.
    Prose,
}

/// What a rule is anchored to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Anchor {
    /// Words before the value, in lower case.
    pub(crate) key: String,
    /// What ends each of the other values between them and this one, if there are.
    pub(crate) past: Vec<String>,
}

/// An anchor of a value, as it stands in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) anchor: Anchor,
    /// How it stands before the value.
    pub(crate) join: Join,
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || byte >= 0x80
}

pub(crate) const fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'=' | b':' | b'\\' | b'(' | b'[' | b'<' | b'>')
}

/// The keys before `value`, the shortest first; none if what stands there is no word, or holds a digit or one of `values`.
pub(crate) fn before(
    line: &[u8],
    value: Range<usize>,
    values: &[Span],
    words: &Lexicon,
) -> Vec<Key> {
    let Some(head) = line.get(..value.start) else { return Vec::new() };
    let between = head.iter().rev().take_while(|byte| is_between(**byte)).count();
    if between > MOST_BETWEEN {
        return Vec::new();
    }
    let end = head.len() - between;
    let assigned = head[end..].iter().any(|byte| matches!(byte, b'=' | b':'));
    let join = if assigned { Join::Assigned } else { Join::Prose };
    let mut keys = Vec::new();
    let mut until = end;
    for nth in 0..MOST_WORDS {
        let word = head[..until].iter().rev().take_while(|byte| is_word(**byte)).count();
        let start = until - word;
        let held = values.iter().any(|span| span.range().start < until && start < span.range().end);
        if held || !is_key_word(&head[start..until], nth == 0 && assigned, words) {
            break;
        }
        let bytes = &head[start..end];
        let least = if assigned { *KEY_BYTES.start() } else { PROSE_BYTES };
        let fits = (least..=*KEY_BYTES.end()).contains(&bytes.len());
        let text = std::str::from_utf8(bytes).ok().filter(|_| fits);
        let anchor = |text: &str| Anchor { key: text.to_ascii_lowercase(), past: Vec::new() };
        keys.extend(text.map(|text| Key { anchor: anchor(text), join }));
        // One space and a word before it, or the key begins here. What is assigned a value is no part of the next key.
        match head[..start] {
            [.., before, b' '] if is_word(before) && before != b'.' => until = start - 1,
            _ => break,
        }
        let before = head[..until].iter().rev().take_while(|byte| is_word(**byte)).count();
        if matches!(head[..until - before], [.., b'=' | b':' | b'"' | b'\'' | b'@']) {
            break;
        }
    }
    keys
}

/// The nearest key that the value stands behind with other values between them, as in `imported 17,Ann Lee,ann@example.com`: numbers, words
/// with capital letters and what was found to be values are passed over, and what stands between them is what ends them.
pub(crate) fn behind(
    line: &[u8],
    value: Range<usize>,
    values: &[Span],
    words: &Lexicon,
) -> Option<Key> {
    let head = line.get(..value.start)?;
    let mut past: Vec<String> = Vec::new();
    // What stands between the last value that was passed and what is to the right of it: from where, and up to where.
    let mut text = value.start..value.start;
    let within = |start: usize, end: usize| {
        values.iter().find(|span| span.range().start < end && start < span.range().end)
    };
    while text.start > 0 && value.start - text.start < CompiledRule::REACH {
        let until = text.start;
        let is = is_word(head[until - 1]);
        let run = head[..until].iter().rev().take_while(|byte| is_word(**byte) == is).count();
        let start = until - run;
        let run = &head[start..until];
        let held = within(start, until).map(|span| span.range().start.min(start));
        let fixed = match is {
            true => is_key_word(run, false, words),
            false => run.iter().all(|byte| *byte == b' ' || byte.is_ascii_punctuation()),
        };
        if fixed && held.is_none() {
            let key = String::from_utf8_lossy(run).to_ascii_lowercase();
            if is && !past.is_empty() && run.len() >= PROSE_BYTES && is_admissible(&key) {
                past.reverse();
                let anchor = Anchor { key, past };
                return is_past(&anchor.past).then_some(Key { anchor, join: Join::Prose });
            }
            text.start = start;
            continue;
        }
        // A value; a blank between two words of it is not what ends it.
        let ends = &head[text.clone()];
        if !(ends == b" " && !past.is_empty() || ends.is_empty()) {
            past.push(tail(ends)?);
        }
        let start = held.unwrap_or(start);
        if past.len() > CompiledRule::MOST_PAST || past.is_empty() {
            return None;
        }
        text = start..start;
    }
    None
}

/// The last bytes of what ends a value, as many as a rule may have.
fn tail(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let most = *CompiledRule::PAST.end();
    let from = (text.len().saturating_sub(most)..).find(|at| text.is_char_boundary(*at))?;
    Some(text[from..].to_owned())
}

/// True if the value of a rule may stand behind these texts: few and short, without digits and control characters, and the last of them
/// ends in no word by which lines are told apart.
pub(crate) fn is_past(texts: &[String]) -> bool {
    let sound = |text: &String| {
        CompiledRule::PAST.contains(&text.len())
            && text.chars().all(|c| !c.is_ascii_digit() && !c.is_control())
    };
    let last = texts.last().map_or("", String::as_str);
    let word = last.trim_end_matches(|c: char| !c.is_ascii() || !is_word(c as u8));
    let word = word.rsplit(|c: char| c.is_ascii() && !is_word(c as u8)).next().unwrap_or_default();
    texts.len() <= CompiledRule::MOST_PAST
        && texts.iter().all(sound)
        && !tells(&word.to_ascii_lowercase())
}

/// True if `word` may be part of a key: no digit, not too long, no name, and written in lower case or one that is known, since an unknown
/// word with a capital letter may be a name.
fn is_key_word(word: &[u8], assigned: bool, words: &Lexicon) -> bool {
    const NAMES: Classes = Classes::GIVEN.with(Classes::SURNAME);
    let Ok(text) = std::str::from_utf8(word) else { return false };
    let classes = words.classes(hash_word(text.trim_end_matches('.')));
    let capitals = word.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let plain = capitals == 0 || capitals == word.len() && word.len() <= 5 || !classes.is_empty();
    text.chars().any(char::is_alphabetic)
        && word.len() <= MOST_WORD
        && !word.iter().any(u8::is_ascii_digit)
        && (assigned || plain && !classes.meets(NAMES))
}

fn parts(word: &str) -> impl DoubleEndedIterator<Item = &str> {
    word.split(['_', '-', '.'])
}

/// True if lines are told apart by what `word` is given; `http.status_code` and `err-msg` end in what they are.
fn tells(word: &str) -> bool {
    STRUCTURAL.contains(&word)
        || parts(word).next_back().is_some_and(|last| STRUCTURAL.contains(&last))
}

/// True if a rule may be anchored to `key`: of the right length, in lower case, without digits, and not a word by which lines are
/// told apart.
#[must_use]
pub fn is_admissible(key: &str) -> bool {
    let words: Vec<&str> = key.split(' ').collect();
    let shaped = KEY_BYTES.contains(&key.len())
        && words.len() <= MOST_WORDS
        && words.iter().all(|word| !word.is_empty() && word.len() <= MOST_WORD)
        && key.bytes().all(|byte| byte == b' ' || is_word(byte))
        && !key.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    let says = |word: &str| {
        parts(word).any(|part| {
            part.chars().count() >= 2 && !FILLING.contains(&part) && !STRUCTURAL.contains(&part)
        })
    };
    shaped && !words.last().is_some_and(|word| tells(word)) && words.iter().any(|word| says(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Entity;
    use crate::span::Finder;

    fn words() -> Lexicon {
        Lexicon::with_names(&[hash_word("john")], &[hash_word("doe")])
    }

    fn keys(line: &str, value: &str) -> Vec<String> {
        let start = line.find(value).unwrap();
        let keys = before(line.as_bytes(), start..start + value.len(), &[], &words());
        keys.into_iter().map(|key| key.anchor.key).collect()
    }

    #[test]
    fn the_words_before_a_value_are_its_keys() {
        assert_eq!(
            keys("refund issued for Ann Lee", "Ann"),
            ["for", "issued for", "refund issued for"]
        );
        assert_eq!(keys("a=1 kunde=Ann", "Ann"), ["kunde"]);
        assert_eq!(keys(r#"{"a":1,"Steuer-ID": "12 345"}"#, "12 3"), ["steuer-id"]);
        assert_eq!(keys(r#"{\"ssn\":\"123"#, "123"), ["ssn"]);
        assert_eq!(
            keys("social security number: 1", "1"),
            ["number", "security number", "social security number"]
        );
        assert_eq!(keys("téléphone : 06", "06"), ["téléphone"]);
    }

    #[test]
    fn what_may_be_a_value_is_no_key() {
        assert!(keys("Thomas King 555-1234", "555").is_empty(), "a name");
        assert_eq!(
            keys("name=thomas phone=+44", "+44"),
            ["phone"],
            "what the key before was given"
        );
        assert_eq!(keys("x - using token Ann", "Ann"), ["token", "using token"], "a sign");
        assert_eq!(keys("cc: Ann", "Ann"), ["cc"]);
        assert!(keys("mr Ann", "Ann").is_empty(), "short, and not assigned");
        assert!(keys("order 17 Ann", "Ann").is_empty(), "a number");
        assert!(keys("1234567890abc: Ann", "Ann").is_empty());
        assert!(keys("Ann", "Ann").is_empty(), "nothing before it");
        assert_eq!(keys("x, for Ann", "Ann"), ["for"], "one space joins words");
        let line = b"send john doe 555";
        let span =
            Span { start: 5, end: 13, entity: Entity::Name, by: Finder::Labeller, score: 255 };
        assert!(before(line, 14..17, &[span], &words()).is_empty(), "it was found to be one");
    }

    #[test]
    fn no_rule_is_learned_after_a_word_by_which_lines_are_told_apart() {
        for key in [
            "level",
            "status",
            "http.status_code",
            "order status",
            "err",
            "stack trace",
            "exit code",
            "http_status",
        ] {
            assert!(!is_admissible(key), "{key}");
        }
        for key in [
            "for",
            "id",
            "the value",
            "a",
            "to",
            "Key",
            "ssn 1",
            "four words are many",
            " ssn",
            "ssn=",
        ] {
            assert!(!is_admissible(key), "{key}");
        }
        for key in [
            "ssn",
            "patient no",
            "refund issued for",
            "steuer-id",
            "user_id",
            "contact",
            "téléphone",
        ] {
            assert!(is_admissible(key), "{key}");
        }
    }

    #[test]
    fn a_value_behind_others_has_the_nearest_key_before_them() {
        let of = |line: &str, value: &str, found: Option<&str>| {
            let span = |text: &str| {
                let start = line.find(text).unwrap();
                (start, start + text.len())
            };
            let (start, end) = span(value);
            let found = found.map(span).map(|(start, end)| Span {
                start: start as u32,
                end: end as u32,
                entity: Entity::Name,
                by: Finder::Labeller,
                score: 255,
            });
            let key = behind(line.as_bytes(), start..end, found.as_slice(), &words())?;
            Some((key.anchor.key, key.anchor.past.join("|")))
        };
        let is = |key: &str, past: &str| Some((key.to_owned(), past.to_owned()));
        let line = "row 17 rejected: 4711,Ann Lee,ann@example.com";
        assert_eq!(of(line, "ann@", Some("Ann Lee")), is("rejected", ",|,"));
        assert_eq!(of(line, "ann@", None), is("rejected", ",|,"), "a name that nothing found");
        assert_eq!(of("user Ann Lee from 10.0.0.1", "10.", None), is("user", " from "));
        assert_eq!(of("user john doe from 10.0.0.1", "10.", None), is("user", " from "));
        assert_eq!(
            of("INSERT INTO members VALUES (7, 'Ann Lee', '12')", "12'", None),
            is("members", " (|, '|', '")
        );
        assert_eq!(of("user Ann Lee has the status code 17", "17", None), None, "it tells");
        assert_eq!(of("17,Ann Lee,ann@example.com", "ann@", None), None, "no key");
        assert_eq!(of("user 1,2,3,4,5,6,ann@example.com", "ann@", None), None, "too far");
    }
}
