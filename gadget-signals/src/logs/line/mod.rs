//! What a line says of itself: how grave it is, when it was written, and where its message begins.
//!
//! Only the head of a line is read, what precedes its message, and values under keys that name them; so a message that speaks of an
//! error is not taken for one. Nothing is allocated, and no more than the first 256 bytes are looked at, 8 KiB of JSON.

pub(crate) mod json;
pub(crate) mod level;
#[cfg(test)]
mod tests;
mod time;

use std::ops::Range;

use gadget_core::{Severity, Timestamp};

use json::Members;
pub use time::When;
pub(crate) use time::at as time_at;

/// How far a head can reach.
const REACH: usize = 256;
/// How far the members of a JSON object are followed.
const JSON_REACH: usize = 8 << 10;
/// The longest `[...]` in a head.
const GROUP: usize = 64;

/// What the head of a line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// When the line was written.
    pub written: Option<Timestamp>,
    /// How grave it is.
    pub severity: Option<Severity>,
    /// Where its message is; in JSON with its escapes.
    pub message: Range<usize>,
}

/// How grave `line` says it is.
///
/// ```
/// use gadget_core::Severity;
/// use gadget_signals::logs::severity;
///
/// assert_eq!(severity(b"2024-05-01 10:00:00,123 WARN [main] disk is nearly full"), Some(Severity::Warn));
/// assert_eq!(severity(br#"{"level":50,"msg":"no route"}"#), Some(Severity::Error));
/// assert_eq!(severity(b"2024-05-01 10:00:00 the last ERROR was long ago"), None);
/// ```
#[must_use]
pub fn severity(line: &[u8]) -> Option<Severity> {
    // Of a date without a year it only matters that it is one.
    const LATE: When = When { read: Timestamp::from_secs(4_000_000_000), east: 0 };
    head(line, LATE).severity
}

/// When `line` says it was written.
#[must_use]
pub fn written(line: &[u8], when: When) -> Option<Timestamp> {
    head(line, when).written
}

/// The head of `line`.
#[must_use]
pub fn head(line: &[u8], when: When) -> Head {
    let priority = priority(line);
    let start = priority.map_or(0, |(_, length)| length);
    let severity = priority.map(|(severity, _)| severity);
    let head = Head { severity, written: None, message: start..line.len() };
    if line[start..].first() == Some(&b'{') {
        return members(line, start, head, when);
    }
    let text = &line[..line.len().min(start + REACH)];
    let (timed, tagged, number, paired, told) = (false, false, false, false, false);
    let mut walk =
        Walk { text, at: start, head, when, words: 2, timed, tagged, number, paired, told };
    walk.run();
    walk.head
}

/// The severity of syslog's `<PRI>`, and how long that is.
pub(crate) fn priority(line: &[u8]) -> Option<(Severity, usize)> {
    let rest = line.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|&byte| byte == b'>')?;
    let priority = crate::text::digits(&rest[..end]).filter(|&priority| priority < 192)?;
    Some((level::of_priority(priority), end + 2))
}

/// The head of a line of JSON.
fn members(line: &[u8], start: usize, mut head: Head, when: When) -> Head {
    let text = &line[..line.len().min(JSON_REACH)];
    for (key, value) in Members::of(&text[start..]).into_iter().flatten() {
        let Some(value) = value.text() else { continue };
        head.severity = head.severity.or_else(|| level::of_value(key, value));
        if head.written.is_none() && level::is_time_key(key) {
            head.written = time_value(value, when);
        }
        if level::is_message_key(key) {
            let from = value.as_ptr() as usize - line.as_ptr() as usize;
            head.message = from..from + value.len();
        }
    }
    head
}

fn time_value(value: &[u8], when: When) -> Option<Timestamp> {
    time::epoch(value).or_else(|| time::at(value, when).map(|(timestamp, _)| timestamp))
}

/// A walk along the head of a line that is plain text: from token to token until the message begins.
struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    head: Head,
    when: When,
    /// What plain words may still cost before what belongs to the head: one of a host, two that are all capitals.
    words: u8,
    /// The last token was the time.
    timed: bool,
    /// The last token was a tag: `sshd[12]:`.
    tagged: bool,
    /// The last token was a number.
    number: bool,
    /// The last token was `key=value`.
    paired: bool,
    /// A key said what the message is; nothing after it changes that.
    told: bool,
}

impl Walk<'_> {
    fn run(&mut self) {
        // After the severity a time may still follow, but not far.
        let mut left = 20_u8;
        loop {
            self.skip();
            if self.at >= self.text.len() || left == 0 || !self.token() {
                return;
            }
            left -= 1;
            match (self.head.severity, self.head.written) {
                // Pairs may be in any order: the message may still come.
                _ if self.paired => {}
                (Some(_), Some(_)) => return,
                (Some(_), None) => left = left.min(3),
                _ => {}
            }
        }
    }

    /// Over what parts tokens.
    fn skip(&mut self) {
        let rest = &self.text[self.at..];
        let gap = rest.iter().position(|byte| !b" \t|,;:]".contains(byte)).unwrap_or(rest.len());
        self.at += gap;
    }

    /// All up to here is head.
    fn begin(&mut self) {
        self.skip();
        if !self.told {
            self.head.message.start = self.at;
        }
    }

    /// One token; false if the message begins with it.
    fn token(&mut self) -> bool {
        let rest = &self.text[self.at..];
        if self.head.written.is_none() && self.time(rest) {
            return true;
        }
        let (timed, tagged, number) = (self.timed, self.tagged, self.number);
        (self.timed, self.tagged, self.number, self.paired) = (false, false, false, false);
        match rest[0] {
            b'[' | b'(' | b'<' => return self.group(rest),
            b'"' | b'{' | b'\'' => return false,
            _ => {}
        }
        let length = rest.iter().position(|byte| b" \t|".contains(byte)).unwrap_or(rest.len());
        let token = &rest[..length];
        if let Some(equals) = token.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)
            && token[..equals]
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(byte))
        {
            return self.pair(rest, equals);
        }
        let place = Place { first: self.at == self.line_start(), timed, tagged, number };
        if self.head.severity.is_none()
            && let Some((severity, taken)) = word(rest, length, place)
        {
            self.head.severity = Some(severity);
            self.at += taken;
            self.begin();
            return true;
        }
        self.at += length;
        self.number = token.iter().all(u8::is_ascii_digit);
        match token {
            [.., b':'] | b"PHP" => {
                self.tagged = true;
                if self.head.written.is_some() && self.head.severity.is_none() {
                    self.begin();
                }
            }
            _ if token.iter().all(u8::is_ascii_uppercase) => return self.plain(1),
            _ if token.iter().all(u8::is_ascii_lowercase) => return self.plain(2),
            _ if token.iter().all(u8::is_ascii_alphabetic) => return false,
            _ => {}
        }
        true
    }

    /// A plain word; false if there were so many that they are a sentence.
    fn plain(&mut self, cost: u8) -> bool {
        let left = self.words.checked_sub(cost);
        self.words = left.unwrap_or(0);
        left.is_some()
    }

    /// Where a line begins, as long as nothing of its head was seen.
    fn line_start(&self) -> usize {
        let seen = self.head.written.is_some() || self.head.severity.is_some();
        if seen { usize::MAX } else { self.head.message.start }
    }

    /// The time, if it is here.
    fn time(&mut self, rest: &[u8]) -> bool {
        if let [letter, b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', ..] = rest
            && self.at == self.line_start()
            && let Some(severity) = level::of_letter(*letter)
            && let Some((written, length)) = time::klog(&rest[1..], self.when)
        {
            self.head.severity = self.head.severity.or(Some(severity));
            self.timed(written, length + 1);
            return true;
        }
        let skip = usize::from(matches!(rest[0], b'[' | b'(' | b'<' | b'"'));
        let found = time::at(&rest[skip..], self.when).or_else(|| {
            let first = self.at == self.line_start();
            first.then(|| time::of_day(&rest[skip..], self.when))?
        });
        let Some((written, length)) = found else { return false };
        self.timed(written, length + skip);
        true
    }

    fn timed(&mut self, written: Timestamp, length: usize) {
        self.head.written = Some(written);
        self.at += length;
        if let Some(b']' | b')' | b'>' | b'"') = self.text.get(self.at) {
            self.at += 1;
        }
        self.begin();
        (self.timed, self.words) = (true, 2);
    }

    /// `[main]`, `[error]`, `[core:warn]`, `[10:00:00 INF]`, `<info>`.
    fn group(&mut self, rest: &[u8]) -> bool {
        let close = match rest[0] {
            b'[' => b']',
            b'(' => b')',
            _ => b'>',
        };
        let Some(end) = rest.iter().take(GROUP).position(|&byte| byte == close) else {
            self.at += 1;
            return true;
        };
        let content = rest[1..end].trim_ascii();
        if self.head.severity.is_none() {
            let last = content.rsplit(|&byte| byte == b':').next().unwrap_or(content);
            let shouted = || {
                content
                    .split(|byte| b" :|,".contains(byte))
                    .filter(|word| word.iter().all(u8::is_ascii_uppercase))
                    .find_map(level::of_word)
            };
            self.head.severity =
                level::of_word(content).or_else(|| level::of_word(last)).or_else(shouted);
        }
        self.at += end + 1;
        self.begin();
        true
    }

    /// `key=value` and `key="a value"`.
    fn pair(&mut self, rest: &[u8], equals: usize) -> bool {
        let (key, value) = (&rest[..equals], &rest[equals + 1..]);
        let (value, taken) = match value.strip_prefix(b"\"") {
            Some(quoted) => {
                let end = quoted.iter().position(|&byte| byte == b'"').unwrap_or(quoted.len());
                (&quoted[..end], end + 2)
            }
            None => {
                let end =
                    value.iter().position(|byte| b" \t,".contains(byte)).unwrap_or(value.len());
                (&value[..end], end)
            }
        };
        self.paired = true;
        let begin = self.at + equals + 1;
        self.at = (begin + taken).min(self.text.len());
        self.head.severity = self.head.severity.or_else(|| level::of_value(key, value));
        if level::is_message_key(key) && !self.told {
            // auditd: msg=audit(1700000000.123:456)
            if let Some(audit) = value.strip_prefix(b"audit(") {
                self.head.written =
                    self.head.written.or_else(|| Some(time::at(audit, self.when)?.0));
                return true;
            }
            let quoted = usize::from(self.text.get(begin) == Some(&b'"'));
            self.head.message = match quoted {
                // A value that goes on beyond what is looked at is the rest.
                1 if self.at < self.text.len() || self.text.ends_with(b"\"") => {
                    begin + 1..begin + 1 + value.len()
                }
                _ => begin + quoted..self.head.message.end,
            };
            self.told = true;
        } else if self.head.written.is_none() && level::is_time_key(key) {
            self.head.written = time_value(value, self.when);
        }
        true
    }
}

/// What is before a word.
#[derive(Clone, Copy)]
struct Place {
    first: bool,
    timed: bool,
    tagged: bool,
    number: bool,
}

/// The severity that the token at the beginning of `rest` stands for, where it stands, and how many bytes belong to it.
fn word(rest: &[u8], length: usize, place: Place) -> Option<(Severity, usize)> {
    let token = &rest[..length];
    if let [letter @ b'A'..=b'Z'] = token
        && (place.timed || place.number)
    {
        return Some((level::of_letter(*letter)?, 1));
    }
    if let [sign] = token
        && place.timed
    {
        let severity = match sign {
            b'.' => Severity::Debug,
            b'*' => Severity::Info,
            b'#' => Severity::Warn,
            _ => return None,
        };
        return Some((severity, 1));
    }
    match token {
        // Ruby: `W, [2024-...`; Android: `E/Tag( 123): `.
        [letter, b','] if place.first && rest[length..].starts_with(b" [") => {
            return Some((level::of_letter(*letter)?, 2));
        }
        [letter, b'/', b'A'..=b'z', ..]
            if place.first && rest.iter().take(REACH / 4).any(|&byte| byte == b'(') =>
        {
            return Some((level::of_letter(*letter)?, 2));
        }
        _ => {}
    }
    let name = token.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(length);
    let upper = token[..name].iter().all(u8::is_ascii_uppercase);
    let next = rest.get(name).copied().unwrap_or(b' ');
    let leading = place.first || place.tagged || place.timed;
    let after = &rest[name..];
    if token.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"fatal"))
        && after.starts_with(b" error:")
        && leading
    {
        return Some((Severity::Fatal, 12));
    }
    if let Some(severity) = level::of_word(&token[..name]) {
        let apart = after.starts_with(b"  ") || next == b'\t' || next == b'|';
        let fits = match next {
            b':' => upper || leading,
            b' ' | b'\t' | b'|' | b']' | b')' | b',' | b'-' => upper || (place.timed && apart),
            _ => false,
        };
        return fits.then_some((severity, name));
    }
    if let Some(name) = token.strip_suffix(b":") {
        // PostgreSQL's LOG, monolog's `channel.ERROR:`.
        if name == b"LOG" {
            return Some((Severity::Info, length));
        }
        let last = name.rsplit(|&byte| byte == b'.').next()?;
        if last.len() < name.len() && last.iter().all(u8::is_ascii_uppercase) {
            return Some((level::of_word(last)?, length));
        }
    }
    None
}
