//! The records of a chain as they are compressed: what is known of lines first, then their texts, those of one template in a row. What is
//! alike is near, so that LZ4 finds it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::record::number;

/// No chain has more groups: it would be longer than chains are.
const MOST_GROUPS: usize = 1 << 16;

/// Puts records in columns: the groups, each a template and the length of its texts; the heads, with groups in place of templates; the
/// texts by group. `None` if the records are none.
pub(super) fn group(records: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let mut groups: Vec<(u32, usize)> = Vec::new();
    let mut lines: Vec<(u32, &[u8])> = Vec::new();
    let mut numbers: HashMap<u32, usize> = HashMap::new();
    let (mut heads, mut rest, mut last) = (Vec::new(), records, 0);
    while !rest.is_empty() {
        let step = number(&mut rest)?;
        let (&known, more) = rest.split_first()?;
        rest = more;
        let template = u32::try_from(number(&mut rest)?).ok()?;
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let (text, more) = rest.split_at_checked(length)?;
        rest = more;
        if groups.get(last).is_none_or(|group| group.0 != template) {
            last = match numbers.entry(template) {
                Entry::Occupied(number) => *number.get(),
                Entry::Vacant(vacant) => {
                    groups.push((template, 0));
                    *vacant.insert(groups.len() - 1)
                }
            };
        }
        groups[last].1 += text.len();
        put(&mut heads, step);
        heads.push(known);
        put(&mut heads, last as u64);
        put(&mut heads, text.len() as u64);
        lines.push((last as u32, text));
    }
    to.clear();
    put(to, groups.len() as u64);
    for (template, bytes) in &groups {
        put(to, u64::from(*template));
        put(to, *bytes as u64);
    }
    put(to, heads.len() as u64);
    to.extend_from_slice(&heads);
    lines.sort_by_key(|(group, _)| *group);
    lines.iter().for_each(|(_, text)| to.extend_from_slice(text));
    Some(())
}

/// Makes records of columns of any content. `None` if they are none.
pub(super) fn ungroup(mut columns: &[u8], to: &mut Vec<u8>) -> Option<()> {
    to.clear();
    let columns = &mut columns;
    let count = usize::try_from(number(columns)?).ok().filter(|count| *count <= MOST_GROUPS)?;
    let mut groups: Vec<(u64, &[u8])> = Vec::new();
    let mut lengths = Vec::new();
    for _ in 0..count {
        groups.push((number(columns)?, &[]));
        lengths.push(usize::try_from(number(columns)?).ok()?);
    }
    let length = usize::try_from(number(columns)?).ok()?;
    let (mut heads, mut texts) = columns.split_at_checked(length)?;
    for ((_, its), length) in groups.iter_mut().zip(lengths) {
        (*its, texts) = texts.split_at_checked(length)?;
    }
    while !heads.is_empty() {
        put(to, number(&mut heads)?);
        let (&known, more) = heads.split_first()?;
        heads = more;
        to.push(known);
        let (template, texts) = groups.get_mut(usize::try_from(number(&mut heads)?).ok()?)?;
        put(to, *template);
        let length = number(&mut heads)?;
        put(to, length);
        let (text, later) = texts.split_at_checked(usize::try_from(length).ok()?)?;
        to.extend_from_slice(text);
        *texts = later;
    }
    Some(())
}

fn put(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::head;
    use super::*;

    proptest! {
        #[test]
        fn columns_become_the_records_they_were_made_of(
            lines in prop::collection::vec((0u64..1 << 40, 0u32..9, prop::collection::vec(any::<u8>(), 0..90)), 0..90),
        ) {
            let (mut records, mut before) = (Vec::new(), 0);
            for (at, template, text) in &lines {
                let (bytes, length) = head(before, *at, None, Default::default(), *template, text.len());
                records.extend(&bytes[..length]);
                records.extend(text);
                before = *at;
            }
            let (mut columns, mut again) = (Vec::new(), Vec::new());
            group(&records, &mut columns).unwrap();
            ungroup(&columns, &mut again).unwrap();
            prop_assert_eq!(again, records);
        }

        #[test]
        fn columns_of_anything_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut records = Vec::new();
            let _ = ungroup(&bytes, &mut records);
            prop_assert!(records.len() <= 22 * bytes.len());
        }
    }
}
