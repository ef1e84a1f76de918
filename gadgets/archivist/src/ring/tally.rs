//! What is in a chain, without reading it.

use super::record::Records;

/// A chain of more templates has no tally.
const MOST: usize = 256;

/// How many lines a chain has of each template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) lines: u64,
    /// Bytes of their text.
    pub(crate) bytes: u64,
    /// Templates, and the lines of each; in the order of their numbers.
    pub(crate) templates: Box<[(u32, u32)]>,
}

impl Tally {
    /// Of the records of a chain. `None` where lines have no template, or there are too many.
    pub(super) fn of(records: &[u8]) -> Option<Self> {
        let mut templates: Vec<(u32, u32)> = Vec::new();
        let (mut lines, mut bytes, mut last) = (0, 0, 0);
        for (.., template, text) in Records::new(records) {
            lines += 1;
            bytes += text.len() as u64;
            if templates.get(last).is_none_or(|(known, _)| *known != template) {
                last = match templates.binary_search_by_key(&template, |(known, _)| *known) {
                    Ok(found) => found,
                    Err(_) if template == 0 || templates.len() == MOST => return None,
                    Err(place) => {
                        templates.insert(place, (template, 0));
                        place
                    }
                };
            }
            templates[last].1 += 1;
        }
        Some(Self { lines, bytes, templates: templates.into() })
    }

    /// True if it has a line of a template for which `wanted` is true.
    pub(crate) fn any(&self, mut wanted: impl FnMut(u32) -> bool) -> bool {
        self.templates.iter().any(|(template, _)| wanted(*template))
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::head;
    use super::*;

    fn records(templates: impl Iterator<Item = u32>) -> Vec<u8> {
        let mut records = Vec::new();
        for template in templates {
            let (bytes, length) = head(0, 1, None, Default::default(), template, 3);
            records.extend(&bytes[..length]);
            records.extend(b"abc");
        }
        records
    }

    #[test]
    fn lines_are_counted_by_template() {
        let tally = Tally::of(&records([7, 7, 3, 9, 3, 7].into_iter())).unwrap();
        assert_eq!((tally.lines, tally.bytes), (6, 18));
        assert_eq!(*tally.templates, [(3, 2), (7, 3), (9, 1)]);
        assert!(tally.any(|it| it == 9) && !tally.any(|it| it == 8));
    }

    #[test]
    fn what_has_no_template_or_too_many_is_not_counted() {
        assert_eq!(Tally::of(&records([1, 0].into_iter())), None);
        assert!(Tally::of(&records(1..=MOST as u32)).is_some());
        assert_eq!(Tally::of(&records(1..=MOST as u32 + 1)), None);
    }
}
