//! Private keys that come line by line: between the lines that begin and end one, what looks like its text is hidden, however many
//! batches it takes, and whatever other services log meanwhile.

use std::ops::Range;

use gadget_core::SourceId;

use crate::entity::Entity;
use crate::span::{Finder, Span};

/// Sources that are in the middle of a key at a time; of more, the one that began first is given up.
const MOST: usize = 64;
/// Lines of a key: one of 16,384 bits has about 200.
const MOST_LINES: u16 = 512;
/// Lines between them that are something else, before the end is taken for lost.
const MOST_OTHER: u16 = 32;
/// RFC 7468 has 64 characters a line, OpenSSH 70, OpenPGP 64 or 76; only the last line of a key has fewer.
const SHORTEST: usize = 40;

/// The keys that are open, the one that began first in front.
#[derive(Clone, Debug, Default)]
pub(crate) struct Armor(Vec<Open>);

#[derive(Clone, Debug)]
struct Open {
    source: SourceId,
    lines: u16,
    other: u16,
    /// Where the text of the key began in the line before, if that was one of its lines.
    from: Option<usize>,
}

impl Armor {
    /// Adds to `found`, what rules found in the line, what is part of a key that an earlier line of the source began.
    pub(crate) fn line(&mut self, source: SourceId, text: &[u8], found: &mut Vec<Span>) {
        if let Some(at) = self.0.iter().position(|open| open.source == source) {
            let ends = memchr::memmem::find(text, b"-----END");
            let body = match ends {
                Some(at) => Some(at..text.trim_ascii_end().len()),
                None => self.0[at].body(text),
            };
            if let Some(range) = body {
                let (start, end) = (range.start as u32, range.end as u32);
                let (entity, by) = (Entity::PrivateKey, Finder::Rule(Entity::PrivateKey as u16));
                found.retain(|span| span.end <= start || end <= span.start);
                let place = found.partition_point(|span| span.start < start);
                found.insert(place, Span { start, end, entity, by, score: u8::MAX });
            }
            if ends.is_some() || self.0[at].is_over() {
                self.0.remove(at);
            }
        }
        let key = found.iter().find(|span| span.entity == Entity::PrivateKey);
        if let Some(key) = key
            && let rest = &text[key.start as usize..]
            && rest.starts_with(b"-----BEGIN")
            && memchr::memmem::find(rest, b"-----END").is_none()
        {
            self.0.retain(|open| open.source != source);
            if self.0.len() == MOST {
                self.0.remove(0);
            }
            self.0.push(Open { source, lines: 0, other: 0, from: None });
        }
    }
}

impl Open {
    /// The part of the key that a line ends with, after whatever a logger puts before it.
    fn body(&mut self, text: &[u8]) -> Option<Range<usize>> {
        let mut text = text.trim_ascii_end();
        // As in a string of a source or of JSON.
        let end = text.len();
        while let [rest @ .., b'"' | b'\'' | b',' | b'\\'] | [rest @ .., b'\\', b'n' | b'r'] = text
        {
            text = rest;
        }
        let is_text =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let from = text.iter().rposition(|byte| !is_text(byte)).map_or(0, |at| at + 1);
        let length = text.len() - from;
        let last = length > 0 && self.from == Some(from);
        if length >= SHORTEST || last {
            self.lines += 1;
            self.from = (length >= SHORTEST).then_some(from);
            return Some(from..end);
        }
        self.other += 1;
        self.from = None;
        None
    }

    const fn is_over(&self) -> bool {
        self.lines >= MOST_LINES || self.other >= MOST_OTHER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Scanner;
    use gadget_core::{LogSource, LogSources};

    const BODY: &str = "MIICdQIBADANBgkqhkiG9w0BAQEFAASCAl8wggJbAgEAAoGBANktSTEAgZpp145+";

    /// What is left of lines of one source or another, each for itself.
    fn left(lines: &[(usize, &str)]) -> Vec<String> {
        let (sources, mut armor) = (LogSources::default(), Armor::default());
        let ids = ["one", "two"].map(|service| {
            sources.id(&LogSource { service: service.into(), ..LogSource::default() })
        });
        let mut left = Vec::new();
        for (source, text) in lines {
            let mut found = Vec::new();
            Scanner::new().scan(text.as_bytes(), &mut found);
            armor.line(ids[*source], text.as_bytes(), &mut found);
            assert!(found.is_sorted_by(|one, two| one.end <= two.start), "{found:?}");
            let mut text = (*text).to_owned();
            for span in found.iter().rev().filter(|span| span.entity == Entity::PrivateKey) {
                text.replace_range(span.start as usize..span.end as usize, "*");
            }
            left.push(text);
        }
        assert!(armor.0.len() <= 1);
        left
    }

    #[test]
    fn a_key_is_hidden_line_by_line_and_what_others_log_meanwhile_is_not() {
        let lines = [
            (0, "12:01 INFO -----BEGIN RSA PRIVATE KEY-----".to_owned()),
            (0, "12:01 INFO Proc-Type: 4,ENCRYPTED".to_owned()),
            (0, format!("12:01 INFO {BODY}")),
            (1, format!("etag {BODY}")),
            (0, "12:02 WARN pool is empty".to_owned()),
            (0, format!("12:02 INFO {BODY}")),
            (0, "12:02 INFO 1u63v2wLzQ==".to_owned()),
            (0, "12:02 INFO -----END RSA PRIVATE KEY-----".to_owned()),
            (0, format!("etag {BODY}")),
        ];
        let lines: Vec<(usize, &str)> = lines.iter().map(|(at, text)| (*at, &**text)).collect();
        let etag = format!("etag {BODY}");
        assert_eq!(
            left(&lines),
            [
                "12:01 INFO *",
                "12:01 INFO Proc-Type: 4,ENCRYPTED",
                "12:01 INFO *",
                &etag,
                "12:02 WARN pool is empty",
                "12:02 INFO *",
                "12:02 INFO *",
                "12:02 INFO *",
                &etag,
            ]
        );
    }

    #[test]
    fn a_key_in_one_line_opens_nothing_and_one_without_an_end_is_given_up() {
        let whole = format!("k: -----BEGIN PRIVATE KEY-----\\n{BODY}\\n-----END PRIVATE KEY-----");
        assert_eq!(left(&[(0, &whole), (0, BODY)]), ["k: *", BODY]);
        let mut lines = vec![(0, "-----BEGIN EC PRIVATE KEY-----")];
        lines.extend(std::iter::repeat_n((0, "request 0123456789abcdef done"), MOST_OTHER.into()));
        lines.push((0, BODY));
        assert_eq!(left(&lines).last().unwrap(), BODY);
        assert_eq!(left(&lines[..2])[1], lines[1].1, "what is no text of a key stays");
    }

    #[test]
    fn the_text_of_a_key_in_strings_is_hidden_with_their_quotes() {
        let quoted = format!("  \"{BODY}\\n\",");
        assert_eq!(left(&[(0, "-----BEGIN PRIVATE KEY-----"), (0, &quoted)])[1], "  \"*");
    }
}
