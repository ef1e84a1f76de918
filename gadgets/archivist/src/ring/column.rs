//! The records of a chain as they are compressed: in columns.
//!
//! Lines of one template and one punctuation are a group. A word that all lines of a group have is in the text of the group; in each
//! other place the words are a column of their own. What is alike is near, so that LZ4 finds it; what differs is small.

use super::record::{number, put};
use super::values::{Reader, Seen, Writer, mix};

/// No chain is longer than this, whatever a file says.
pub(super) const LONGEST: usize = 64 << 20;
/// What follows so many words of a line is one word.
const MOST_WORDS: usize = 256;
/// Groups, the groups of lines, the steps of time, and what the values of lines are.
const PARTS: usize = 6;

/// A word: where it begins in its line, and where it ends.
type Span = (u32, u32);

struct Group<'a> {
    hash: u64,
    template: u32,
    known: u8,
    /// Its first line.
    text: &'a [u8],
    words: usize,
    count: usize,
    lines: usize,
    /// Where its next line goes, while they are put in order.
    end: usize,
}

struct Line<'a> {
    group: usize,
    text: &'a [u8],
    /// Its first word, of those of all lines.
    words: usize,
}

/// Puts records in columns. `None` if the records are none.
pub(super) fn group(records: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let (mut lines, mut words): (Vec<Line<'_>>, Vec<Span>) = (Vec::new(), Vec::new());
    let mut seen = Seen::for_bytes(records.len());
    let (mut numbers, mut steps) = (Vec::new(), Vec::new());
    let mut rest = records;
    while !rest.is_empty() {
        put(&mut steps, number(&mut rest)?);
        let (&known, more) = rest.split_first()?;
        rest = more;
        let template = u32::try_from(number(&mut rest)?).ok()?;
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let (text, more) = rest.split_at_checked(length)?;
        rest = more;
        let start = words.len();
        let hash = split(text, mix(template.into(), known.into()), &mut words);
        let slot = seen.slot(hash);
        let of_it = |group: &&Group<'_>| {
            (group.hash, group.template, group.known) == (hash, template, known)
                && is_alike(group.text, &words[group.words..][..group.count], text, &words[start..])
        };
        if groups.get(*slot as usize).filter(of_it).is_none() {
            *slot = groups.len() as u32;
            let count = words.len() - start;
            let (words, lines, end) = (start, 0, 0);
            groups.push(Group { hash, template, known, text, words, count, lines, end });
        }
        let group = *slot as usize;
        groups[group].lines += 1;
        put(&mut numbers, group as u64);
        lines.push(Line { group, text, words: start });
    }
    let mut heads = Vec::new();
    let mut values = Writer::new(seen.forget());
    let ordered = by_group(&mut groups, &lines);
    for group in &groups {
        put(&mut heads, group.template.into());
        heads.push(group.known);
        let its = &ordered[group.end - group.lines..group.end];
        let mut done = 0;
        for (nth, (from, until)) in words[group.words..][..group.count].iter().enumerate() {
            let word = |line: &usize| {
                let line = &lines[*line];
                let (from, until) = words[line.words + nth];
                &line.text[from as usize..until as usize]
            };
            let (from, until) = (*from as usize, *until as usize);
            if its.iter().any(|line| word(line) != &group.text[from..until]) {
                put(&mut heads, (from - done) as u64 + 1);
                heads.extend_from_slice(&group.text[done..from]);
                done = until;
                values.add(its.iter().map(word));
            }
        }
        put(&mut heads, 0);
        put(&mut heads, (group.text.len() - done) as u64);
        heads.extend_from_slice(&group.text[done..]);
    }
    to.clear();
    let parts: [&[u8]; PARTS] =
        [&heads, &numbers, &steps, &values.columns, &values.places, &values.texts];
    put(to, records.len() as u64);
    parts.iter().for_each(|part| put(to, part.len() as u64));
    parts.iter().for_each(|part| to.extend_from_slice(part));
    Some(())
}

/// The bytes of words.
const IS_WORD: [bool; 256] = {
    let mut is_word = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        is_word[byte] = byte >= 0x80 || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    is_word
};

/// Finds the words of a line, and says the hash of what is between them.
fn split(text: &[u8], mut hash: u64, words: &mut Vec<Span>) -> u64 {
    let most = words.len() + MOST_WORDS;
    let mut at = 0;
    loop {
        let mut between = 0u64;
        while let Some(&byte) = text.get(at).filter(|byte| !IS_WORD[usize::from(**byte)]) {
            between = between.rotate_left(8) ^ u64::from(byte);
            at += 1;
        }
        hash = mix(hash, between);
        if at == text.len() {
            return hash;
        }
        let from = at;
        while at < text.len() && IS_WORD[usize::from(text[at])] {
            at += 1;
        }
        at = if words.len() + 1 == most { text.len() } else { at };
        words.push((from as u32, at as u32));
    }
}

/// True if two lines have the same between their words.
fn is_alike(a: &[u8], its: &[Span], b: &[u8], others: &[Span]) -> bool {
    let (mut at, mut other_at) = (0, 0);
    let alike = its.len() == others.len()
        && its.iter().zip(others).all(|(word, other)| {
            let same = a[at..word.0 as usize].iter().eq(&b[other_at..other.0 as usize]);
            (at, other_at) = (word.1 as usize, other.1 as usize);
            same
        });
    alike && a[at..] == b[other_at..]
}

/// The lines by their groups, each group in order.
fn by_group(groups: &mut [Group<'_>], lines: &[Line<'_>]) -> Vec<usize> {
    let mut end = 0;
    for group in &mut *groups {
        group.end = end;
        end += group.lines;
    }
    let mut ordered = vec![0; lines.len()];
    for (nth, line) in lines.iter().enumerate() {
        let end = &mut groups[line.group].end;
        ordered[*end] = nth;
        *end += 1;
    }
    ordered
}

/// A group as it is read.
struct Shape<'a> {
    template: u64,
    known: u8,
    /// What is before each column...
    texts: Vec<&'a [u8]>,
    /// ...and behind the last one.
    end: &'a [u8],
    lines: usize,
    /// How many of them were read, and its first value of those of all groups.
    read: usize,
    values: usize,
}

/// Makes records of columns of any content. `None` if they are none.
pub(super) fn ungroup(mut columns: &[u8], to: &mut Vec<u8>) -> Option<()> {
    to.clear();
    let length = length(&mut columns).filter(|length| *length <= LONGEST)?;
    let mut lengths = [0; PARTS];
    for it in &mut lengths {
        *it = self::length(&mut columns)?;
    }
    let mut parts: [&[u8]; PARTS] = [&[]; PARTS];
    for (part, length) in parts.iter_mut().zip(lengths) {
        (*part, columns) = columns.split_at_checked(length)?;
    }
    let [mut heads, mut numbers, mut steps, columns, places, texts] = parts;
    let mut shapes = Vec::new();
    while !heads.is_empty() {
        shapes.push(shape(&mut heads)?);
    }
    let mut order = Vec::new();
    while !numbers.is_empty() {
        let group = self::length(&mut numbers)?;
        shapes.get_mut(group)?.lines += 1;
        order.push(group);
    }
    let mut reader = Reader::new(columns, places, texts, length);
    let mut values = Vec::new();
    for shape in &mut shapes {
        shape.values = values.len();
        // Each value is a byte of a record at least.
        let more = shape.lines.checked_mul(shape.texts.len())?;
        if values.len() + more > length {
            return None;
        }
        for _ in &shape.texts {
            reader.next(shape.lines, &mut values)?;
        }
    }
    to.reserve(length);
    for group in order {
        let shape = &mut shapes[group];
        let its = || {
            let values = values.get(shape.values + shape.read..).unwrap_or_default();
            values
                .iter()
                .step_by(shape.lines)
                .map(|(from, until)| &reader.bytes[*from as usize..*until as usize])
        };
        let size = shape.texts.iter().zip(its()).map(|(text, value)| text.len() + value.len());
        let size = size.sum::<usize>() + shape.end.len();
        put(to, number(&mut steps)?);
        to.push(shape.known);
        put(to, shape.template);
        put(to, size as u64);
        if to.len() + size > length {
            return None;
        }
        for (text, value) in shape.texts.iter().zip(its()) {
            to.extend_from_slice(text);
            to.extend_from_slice(value);
        }
        to.extend_from_slice(shape.end);
        shape.read += 1;
    }
    (to.len() == length).then_some(())
}

fn shape<'a>(heads: &mut &'a [u8]) -> Option<Shape<'a>> {
    let template = number(heads)?;
    let (&known, rest) = heads.split_first()?;
    *heads = rest;
    let take = |length: usize, heads: &mut &'a [u8]| {
        let (text, rest) = heads.split_at_checked(length)?;
        *heads = rest;
        Some(text)
    };
    let mut texts = Vec::new();
    loop {
        match length(heads)? {
            0 => break,
            length => texts.push(take(length - 1, heads)?),
        }
    }
    let length = length(heads)?;
    let end = take(length, heads)?;
    Some(Shape { template, known, texts, end, lines: 0, read: 0, values: 0 })
}

fn length(from: &mut &[u8]) -> Option<usize> {
    usize::try_from(number(from)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::head;
    use super::*;

    fn records<'a>(lines: impl IntoIterator<Item = (u64, u32, &'a [u8])>) -> Vec<u8> {
        let (mut records, mut before) = (Vec::new(), 0);
        for (at, template, text) in lines {
            let (bytes, length) = head(before, at, None, Default::default(), template, text.len());
            records.extend(&bytes[..length]);
            records.extend(text);
            before = at;
        }
        records
    }

    fn again(records: &[u8]) -> Vec<u8> {
        let (mut columns, mut again) = (Vec::new(), Vec::new());
        group(records, &mut columns).unwrap();
        ungroup(&columns, &mut again).unwrap();
        again
    }

    proptest! {
        #[test]
        fn columns_become_the_records_they_were_made_of(
            lines in prop::collection::vec((0u64..1 << 40, 0u32..9, prop::collection::vec(any::<u8>(), 0..90)), 0..90),
        ) {
            let records = records(lines.iter().map(|(at, template, text)| (*at, *template, text.as_slice())));
            prop_assert_eq!(again(&records), records);
        }

        #[test]
        fn lines_that_are_much_alike_become_the_same_again(
            lines in prop::collection::vec((0u64..99, 0u32..2, "([0-9a-fx]{0,3}[ .,]){0,5}([0-9]{18,20}|[0-9a-f]{6,170})?"), 0..90),
        ) {
            let records = records(lines.iter().map(|(at, template, text)| (*at, *template, text.as_bytes())));
            prop_assert_eq!(again(&records), records);
        }

        #[test]
        fn columns_of_anything_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
        ) {
            let mut read = Vec::new();
            let _ = ungroup(&bytes, &mut read);
            prop_assert!(read.len() <= LONGEST);
            // ...and those of lines, of which some are overwritten.
            let lines = (0..40u64).map(|nth| format!("took {nth} ms of {:x} at 10:0{}", nth * 0x1234_5678, nth % 7));
            let lines: Vec<String> = lines.collect();
            let records = records(lines.iter().zip(0..).map(|(text, nth)| (nth, 1, text.as_bytes())));
            let mut columns = Vec::new();
            group(&records, &mut columns).unwrap();
            let at = at.index(columns.len());
            for (to, from) in columns[at..].iter_mut().zip(bytes.iter().take(3)) {
                *to = *from;
            }
            let _ = ungroup(&columns, &mut read);
            prop_assert!(read.len() <= LONGEST);
        }
    }

    #[test]
    fn a_line_of_more_words_than_are_told_apart_is_kept_as_well() {
        let many = |last: &str| format!("{}{last}", "a 1,".repeat(MOST_WORDS)).into_bytes();
        let lines = [many("x"), many("y, z"), many("")];
        let records = records(lines.iter().map(|text| (1, 1, text.as_slice())));
        assert_eq!(again(&records), records);
    }

    #[test]
    fn what_is_between_words_decides_and_not_its_hash() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for (one, other, alike) in [
            ("a=1", "b=2", true),
            ("a=1", "a:1", false),
            ("a=1", "a=1 ", false),
            ("a", "", false),
            ("a b", "ab", false),
            (" a", "a ", false),
            ("", "", true),
        ] {
            a.clear();
            b.clear();
            let same = split(one.as_bytes(), 0, &mut a) == split(other.as_bytes(), 0, &mut b);
            assert_eq!(is_alike(one.as_bytes(), &a, other.as_bytes(), &b), alike, "{one} {other}");
            assert!(same || !alike, "{one} {other}");
        }
    }
}
