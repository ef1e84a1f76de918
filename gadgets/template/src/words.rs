//! A line without its values: what the templates are made of.

use crate::mask::{Mask, window};
use crate::scan::{after, end_of_json, end_of_string, is_value, joins, key_before, past_blanks};
use crate::shape::{LOOKED_AT, hash};
use crate::told::{is_calendar, is_severity, is_telling, is_telling_key, is_word, tells, trimmed};

/// Stands for a value in a template's text, which has no such byte of its own.
pub(crate) const WILD: u8 = 1;

/// Words of a line that count; those behind are not looked at.
pub(crate) const MOST_WORDS: usize = 64;

/// Bytes of a template's text.
const MOST_TEXT: usize = 768;

/// Groups within groups that are looked into.
const DEEPEST: u8 = 6;

/// Bytes of a value that are searched for what they tell.
const MOST_TOLD: usize = 256;

/// A bracket that is not closed.
const OPEN: u16 = u16::MAX;

/// Lines of a stack trace that are searched for an exception and its frame.
const MOST_FRAMES: usize = 64;

/// One word of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Zero for a value.
    pub(crate) hash: u64,
    /// Where it is in the text.
    pub(crate) start: u16,
    pub(crate) end: u16,
    /// It says how something went: no value can stand for it.
    pub(crate) telling: bool,
}

/// A line without its values. Reused from line to line.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// The line, a [`WILD`] for each value.
    pub(crate) text: Vec<u8>,
    /// Its words, in order.
    pub(crate) words: Vec<Word>,
    /// The hash of its severity's name; zero if it names none.
    pub(crate) severity: u64,
    /// Which bytes of the line are values by themselves.
    values: Vec<bool>,
    /// For each opening bracket of the line, where it is closed; [`OPEN`] if it is not.
    closes: Vec<u16>,
    /// Opening brackets that wait for their closing ones, by kind.
    open: [Vec<u16>; 3],
    /// The line goes on behind what is looked at.
    cut: bool,
}

impl Words {
    /// Of one line, or of several that were joined: then of the first, with the exception and where it came from.
    pub(crate) fn read(&mut self, line: &[u8]) {
        self.cut = line.len() > LOOKED_AT;
        let line = &line[..line.len().min(LOOKED_AT)];
        self.find_values(line);
        self.match_brackets(line);
        self.text.clear();
        let first = line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len());
        let json = &line[..first];
        let is_json = json.trim_ascii().starts_with(b"{") && json.trim_ascii().ends_with(b"}");
        if !(is_json && self.json(line, first)) {
            self.text.clear();
            self.reduce(line, 0, first, 0);
        }
        if first < line.len() {
            self.trace(line, first + 1);
        }
        self.split();
    }

    fn find_values(&mut self, line: &[u8]) {
        self.values.clear();
        self.values.resize(line.len(), true);
        let mut from = 0;
        while from < line.len() {
            let to = from + window(&line[from..]);
            Mask::of(&line[from..to])
                .kept(to - from, |start, end| self.values[from + start..from + end].fill(false));
            from = to;
        }
    }

    fn match_brackets(&mut self, line: &[u8]) {
        self.closes.clear();
        self.closes.resize(line.len(), OPEN);
        self.open.iter_mut().for_each(Vec::clear);
        for (at, &byte) in line.iter().enumerate() {
            if let Some(kind) = b"([{".iter().position(|&open| open == byte) {
                self.open[kind].push(at as u16);
            } else if let Some(kind) = b")]}".iter().position(|&close| close == byte)
                && let Some(open) = self.open[kind].pop()
            {
                self.closes[open as usize] = at as u16;
            }
        }
    }

    /// Where the bracket at `at` is closed. One that a cut line leaves open is closed by its end.
    fn closing(&self, at: usize, end: usize) -> Option<usize> {
        match self.closes[at] {
            OPEN if self.cut => Some(end),
            close => Some(close as usize).filter(|&close| close < end),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.text.len() + bytes.len() <= MOST_TEXT {
            self.text.extend_from_slice(bytes);
        }
    }

    fn wild(&mut self) {
        if self.text.last() != Some(&WILD) {
            self.push(&[WILD]);
        }
    }

    /// The text of `line[at..end]`, its values masked: words with digits, quoted words, what keys stand before, lists and objects.
    fn reduce(&mut self, line: &[u8], mut at: usize, end: usize, depth: u8) {
        while at < end && self.text.len() < MOST_TEXT {
            let byte = line[at];
            if self.values[at] {
                self.wild();
                while at < end && self.values[at] {
                    at += 1;
                }
                continue;
            }
            at = match byte {
                b'(' | b'[' | b'{' => self.group(line, at, end, depth),
                b'"' => self.quoted(line, at, end, depth),
                b'=' => self.assigned(line, at, end, depth),
                b':' if depth > 0 => self.labelled(line, at, end, depth),
                byte => {
                    self.push(&[if byte == WILD { b' ' } else { byte }]);
                    at + 1
                }
            };
        }
    }

    /// What is in brackets: a value, or a part of the text.
    fn group(&mut self, line: &[u8], at: usize, end: usize, depth: u8) -> usize {
        let close = if depth < DEEPEST { self.closing(at, end) } else { None };
        let Some(close) = close else {
            self.push(&line[at..=at]);
            return at + 1;
        };
        self.push(&line[at..=at]);
        if is_value(line, at, close) {
            self.wild();
            self.told(line, at + 1, close, depth);
        } else {
            self.reduce(line, at + 1, close, depth + 1);
        }
        self.push(&line[close..(close + 1).min(end)]);
        close + 1
    }

    /// Between quotes: a value if it is one word, text if it is several.
    fn quoted(&mut self, line: &[u8], at: usize, end: usize, depth: u8) -> usize {
        self.push(b"\"");
        let Some(close) = end_of_string(line, at, end) else { return at + 1 };
        let inner = &line[at + 1..close];
        let is_key = line.get(close + 1) == Some(&b':');
        if inner.contains(&b' ') || is_key || tells(inner) || is_telling_key(key_before(line, at)) {
            self.reduce(line, at + 1, close, depth.max(1) + 1);
        } else if !inner.is_empty() {
            self.wild();
        }
        self.push(b"\"");
        close + 1
    }

    /// After `key=`: a value, unless the key or the value tells something.
    fn assigned(&mut self, line: &[u8], at: usize, end: usize, depth: u8) -> usize {
        self.push(b"=");
        let key = key_before(line, at);
        let next = line.get(at + 1).copied().filter(|_| at + 1 < end).unwrap_or(b' ');
        if key.is_empty() || is_telling_key(key) || next.is_ascii_whitespace() || next == b'=' {
            return at + 1;
        }
        let to = match next {
            b'"' => end_of_string(line, at + 1, end).map(|close| close + 1),
            b'(' | b'[' | b'{' if depth < DEEPEST => return self.group(line, at + 1, end, depth),
            _ => line[at + 1..end]
                .iter()
                .position(|byte| byte.is_ascii_whitespace() || b",;&)]}\"'".contains(byte))
                .map(|len| at + 1 + len),
        };
        let to = to.unwrap_or(end);
        if tells(&line[at + 1..to.min(at + 1 + MOST_TOLD)]) {
            return at + 1;
        }
        self.wild();
        to
    }

    /// After `label:` within brackets, up to the next comma: a value, unless the label or the value tells something.
    fn labelled(&mut self, line: &[u8], at: usize, end: usize, depth: u8) -> usize {
        self.push(b":");
        let key = key_before(line, at);
        if key.is_empty() || is_telling_key(key) || is_telling(key) {
            return at + 1;
        }
        let mut to = at + 1;
        while to < end && line[to] != b',' && line[to] != b';' {
            to = match line[to] {
                b'(' | b'[' | b'{' => self.closing(to, end).unwrap_or(to),
                b'"' => end_of_string(line, to, end).unwrap_or(to),
                _ => to,
            } + 1;
        }
        let to = to.min(end);
        let value = &line[at + 1..to.min(at + 1 + MOST_TOLD)];
        if value.trim_ascii().is_empty() || tells(value) || depth >= DEEPEST {
            return at + 1;
        }
        self.wild();
        to
    }

    /// Of a value in brackets what its telling keys say, twice at most: `msg=Order not found`.
    fn told(&mut self, line: &[u8], from: usize, to: usize, depth: u8) {
        let mut found = 0;
        let mut at = from;
        while at < to && found < 2 {
            if !matches!(line[at], b'=' | b':') || !is_telling_key(key_before(line, at)) {
                at += 1;
                continue;
            }
            let mut start = at + 1;
            while start < to && line[start] == b' ' {
                start += 1;
            }
            let end = if line.get(start) == Some(&b'"') {
                end_of_string(line, start, to).map(|close| close + 1)
            } else {
                self.end_of_value(line, start, to)
            };
            let end = end.unwrap_or(to);
            let before = self.text.len();
            self.push(b" ");
            self.push(key_before(line, at));
            self.push(b"=");
            self.reduce(line, start, end, depth.max(1) + 1);
            let said = self.text.split_off(before);
            // A list of objects says the same of each.
            if !self.text.windows(said.len().max(1)).any(|window| window == said) {
                self.text.extend_from_slice(&said);
                found += 1;
            }
            at = end.max(at + 1);
        }
    }

    /// Where a value ends that may have blanks: before the next `, key=`, or where what holds it is closed.
    fn end_of_value(&self, line: &[u8], at: usize, end: usize) -> Option<usize> {
        let mut i = at;
        while i < end {
            match line[i] {
                b'(' | b'[' | b'{' => i = self.closing(i, end).unwrap_or(i),
                b')' | b']' | b'}' => return Some(i),
                b',' => {
                    let next = past_blanks(line, i + 1, end);
                    let key = line[next..end]
                        .iter()
                        .take_while(|&&byte| is_word(byte) || byte == b'"')
                        .count();
                    if key > 0 && matches!(line.get(next + key), Some(b'=' | b':')) {
                        return Some(i);
                    }
                }
                _ => {}
            }
            i += 1;
        }
        None
    }

    /// A line that is one object of JSON: its keys, and what the telling ones of them say. False if it is not.
    fn json(&mut self, line: &[u8], end: usize) -> bool {
        let open = line.iter().position(|&byte| byte == b'{').unwrap_or(0);
        let mut at = open + 1;
        self.push(b"{");
        loop {
            at = past_blanks(line, at, end);
            match line.get(at).filter(|_| at < end) {
                Some(b',') => {
                    self.push(b",");
                    at += 1;
                }
                Some(b'}') => {
                    self.push(b"}");
                    return past_blanks(line, at + 1, end) >= end;
                }
                Some(b'"') => {
                    let Some(close) = end_of_string(line, at, end) else { return false };
                    let key = &line[at + 1..close];
                    let colon = past_blanks(line, close + 1, end);
                    if line.get(colon) != Some(&b':') {
                        return false;
                    }
                    let start = past_blanks(line, colon + 1, end);
                    let Some(stop) = end_of_json(line, start, end) else { return false };
                    self.push(b"\"");
                    self.reduce(line, at + 1, close, DEEPEST);
                    self.push(b"\":");
                    let inner = &line[start..stop];
                    if inner.starts_with(b"\"") && (is_telling_key(key) || tells(inner)) {
                        self.reduce(line, start, stop, 0);
                    } else {
                        self.wild();
                        self.told(line, start, stop, 0);
                    }
                    at = stop;
                }
                _ => return false,
            }
        }
    }

    /// Of the lines after the first: the exception, and the frame it came from.
    fn trace(&mut self, line: &[u8], from: usize) {
        let (mut exception, mut frame) = (None, None);
        let mut start = from;
        for text in line[from..].split(|&byte| byte == b'\n').take(MOST_FRAMES) {
            let at = start + (text.len() - text.trim_ascii_start().len());
            let trimmed = text.trim_ascii();
            start += text.len() + 1;
            if trimmed.starts_with(b"at ") {
                let call = trimmed.iter().position(|&byte| byte == b'(').unwrap_or(trimmed.len());
                frame = Some((at, at + call));
                break;
            } else if let Some(place) = after(trimmed, b", in ") {
                // Python: the last frame is where it happened.
                frame = Some((at + place - 3, at + trimmed.len()));
            } else if exception.is_none() {
                let class = trimmed.split(|&byte| matches!(byte, b' ' | b':')).find(|word| {
                    word.ends_with(b"Exception")
                        || word.ends_with(b"Error")
                        || word.ends_with(b"Panic")
                });
                exception = class.map(|class| {
                    let offset = class.as_ptr() as usize - trimmed.as_ptr() as usize;
                    (at + offset, at + offset + class.len())
                });
            }
        }
        for (from, to) in [exception, frame].into_iter().flatten() {
            self.push(b" | ");
            self.reduce(line, from, to, DEEPEST);
        }
    }

    /// Splits the text into words. Values side by side become one, dates too.
    fn split(&mut self) {
        self.words.clear();
        self.severity = 0;
        let text = std::mem::take(&mut self.text);
        let mut at = 0;
        let mut out = Vec::with_capacity(text.len());
        while at < text.len() && self.words.len() < MOST_WORDS {
            let start = at;
            if text[at] == WILD {
                at += 1;
            } else {
                while at < text.len() && is_word(text[at]) {
                    at += 1;
                }
            }
            if at == start {
                out.push(text[at]);
                at += 1;
                continue;
            }
            self.add(&mut out, &text[start..at]);
        }
        self.text = out;
    }

    fn add(&mut self, out: &mut Vec<u8>, word: &[u8]) {
        let bare = trimmed(word);
        let is_wild = word == [WILD];
        if is_wild {
            // A date: names of days and months before its numbers.
            while let Some(last) = self.words.last().copied()
                && last.hash != 0
                && is_calendar(trimmed(&out[last.start as usize..last.end as usize]))
                && joins(&out[last.end as usize..])
            {
                out.truncate(last.start as usize);
                self.words.pop();
            }
            if let Some(last) = self.words.last()
                && last.hash == 0
                && joins(&out[last.end as usize..])
            {
                out.truncate(last.end as usize);
                return;
            }
        }
        if !is_wild && self.severity == 0 && self.words.len() < 8 && is_severity(bare) {
            self.severity = hash(1, &bare.to_ascii_lowercase());
        }
        let start = out.len() as u16;
        out.extend_from_slice(word);
        self.words.push(Word {
            hash: if is_wild { 0 } else { hash(2, bare) | 1 },
            start,
            end: out.len() as u16,
            telling: !is_wild && is_telling(bare),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(line: &str) -> String {
        let mut words = Words::default();
        words.read(line.as_bytes());
        String::from_utf8_lossy(&words.text).replace('\u{1}', "<*>")
    }

    #[test]
    fn values_are_masked_and_words_are_kept() {
        for (line, expected) in [
            ("job 17 took 3.5s", "job <*> took <*>"),
            ("user=alice action=login", "user=<*> action=<*>"),
            ("level=error msg=\"disk full\" disk=sda", "level=error msg=\"disk full\" disk=<*>"),
            ("[getTickets][Get Tickets Failed]", "[getTickets][Get Tickets Failed]"),
            ("[stationNames: [suzhou, shanghai]]", "[stationNames:<*>]"),
            ("stations=[nanjing, xi an] ok", "stations=[<*>] ok"),
            ("got [a, b, c]", "got [<*>]"),
            (
                "r is Response(status=1, msg=Seat is Null., data=x)",
                "r is Response(<*> status=<*> msg=Seat is Null.)",
            ),
            ("time: Sat May 04 15:00:00 CST 2013]", "time: <*> CST <*>]"),
            ("calculate time：60 x", "calculate time：<*> x"),
            ("Servlet.service() for [main] threw", "Servlet.service() for [main] threw"),
            ("call(1, b) done", "call(<*>) done"),
            ("info [delivery: {}]", "info [delivery:<*>]"),
            ("sent {\"id\":\"7\",\"error\":\"no route\"}", "sent {<*> error=\"no route\"}"),
        ] {
            assert_eq!(template(line), expected, "{line}");
        }
    }

    #[test]
    fn lists_of_any_length_are_one() {
        let one = template("trips: [Trip(id=1, to=nanjing)] end");
        let three =
            template("trips: [Trip(id=1, to=nanjing), Trip(id=2, to=x y), Trip(id=3, to=z)] end");
        assert_eq!(one, three);
        assert_eq!(one, "trips: [<*>] end");
    }

    #[test]
    fn a_list_that_a_cut_line_leaves_open_is_a_list() {
        let line = |n: usize| format!("info is R(msg=Done, data=[{}", "T(no=1, to=x), ".repeat(n));
        assert_eq!(template(&line(400)), "info is R(<*> msg=Done");
        assert_eq!(template(&line(400)), template(&line(500)));
    }

    #[test]
    fn json_is_its_keys_and_what_it_says() {
        let line = r#"{"ts":"2026-11-27T10:00:00Z","level":"warn","user":"bob","msg":"retry 3 of 5","ctx":{"n":[1,2]}}"#;
        let expected = r#"{"ts":<*>,"level":"warn","user":<*>,"msg":"retry <*> of <*>","ctx":<*>}"#;
        assert_eq!(template(line), expected);
        let broken = r#"{"a":1,"b" oops} it broke"#;
        assert_eq!(template(broken), "{<*>} it broke", "what is no JSON is text");
    }

    #[test]
    fn a_stack_trace_is_its_first_line_its_exception_and_its_frame() {
        let java = "ERROR request 12 failed\njava.io.IOException: reset by 10.0.0.1\n\tat a.b.C.run(C.java:12)\n\tat a.D(D.java:3)";
        assert_eq!(template(java), "ERROR request <*> failed | java.io.IOException | at a.b.C.run");
        let python = "Traceback (most recent call last):\n  File \"/a.py\", line 3, in <module>\n    f()\n  File \"/a.py\", line 1, in f\nValueError: bad 7";
        assert_eq!(template(python), "Traceback (most recent call last): | ValueError | in f");
    }

    #[test]
    fn severities_are_found() {
        let severity = |line: &str| {
            let mut words = Words::default();
            words.read(line.as_bytes());
            words.severity
        };
        assert_eq!(severity("10:00 ERROR x"), severity("11:30 error y"));
        assert_ne!(severity("10:00 ERROR x"), severity("10:00 INFO x"));
        assert_eq!(severity("nothing"), 0);
    }
}
