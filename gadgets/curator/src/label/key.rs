//! What values are called: keys before them, names of columns above them, and the mail addresses that their words are in.

use super::context::{Context, Key, NONE, Twin, mix};
use super::lexicon::Classes;
use super::row::Looks;
use super::token::{Kind, Tokens};

/// The most mail addresses whose words are looked for.
const MOST_TWINS: usize = 4;

impl Context {
    pub(super) fn find_keys(&mut self, tokens: &Tokens) {
        let all = tokens.all();
        let (mut key, mut since, mut closed) = (NONE, 0_u16, false);
        // The bracket that a list of values is in: `to=["a","b"]`.
        let mut list = NONE;
        for i in 0..all.len() {
            let token = &all[i];
            let tight = || all.get(i + 1).is_some_and(|next| !next.spaced) && !token.spaced;
            let separates = match token.mark {
                b':' | b'=' => true,
                b'>' => i > 0,
                b'(' | b'[' | b'~' => i > 0 && tight(),
                _ => false,
            };
            let flag = token.spaced && token.mark == 0 && i > 2 && all[i - 1].mark == 0;
            let found = if separates {
                self.key_before(tokens, i)
            } else if flag {
                flag_before(tokens, i)
            } else {
                None
            };
            if let Some(found) = found {
                key = self.keys.len() as u16;
                self.keys.push(found);
                (since, closed, list) = (0, false, NONE);
            }
            if matches!(token.mark, b'[' | b'(') && since <= 2 && key != NONE && list == NONE {
                list = self.rows.closes(i);
            }
            if list != NONE && i < usize::from(list) {
                // Each value of a list is as near to the key as the first.
                since = if token.mark == b',' { 1 } else { since };
            } else {
                closed |=
                    matches!(token.mark, b',' | b';' | b'&' | b'|' | b'}' | b')' | b'<' | b']');
            }
            let place = &mut self.places[i];
            (place.key, place.key_age, place.key_closed) = (key, since, closed);
            since = since.saturating_add(1);
        }
    }

    /// Names of columns are the keys of what is below them, and the first of a pair of texts that of the second.
    pub(super) fn find_columns(&mut self, tokens: &Tokens) {
        let all = tokens.all();
        for row in &self.rows.rows {
            let cells = usize::from(row.first)..usize::from(row.first + row.cells);
            let pair = row.cells == 2 && row.separator == b',' && {
                let [name, value] =
                    [row.first, row.first + 1].map(|at| self.rows.cells[usize::from(at)]);
                let quoted =
                    |at: u16| at > 0 && matches!(all[usize::from(at) - 1].mark, b'"' | b'\'');
                name.looks == Looks::IDENT && quoted(name.first) && value.last > value.first
            };
            let header = self.rows.rows.get(usize::from(row.header));
            for (nth, cell) in cells.clone().enumerate() {
                let from = match header {
                    Some(header) => usize::from(header.first) + nth,
                    None if pair && nth == 1 => cells.start,
                    None => continue,
                };
                let (name, cell) = (self.rows.cells[from], self.rows.cells[cell]);
                if name.last <= name.first || cell.looks.meets(Looks::KEYED) {
                    continue;
                }
                let key = self.keys.len() as u16;
                let last = usize::from(name.last) - 1;
                if all[last].kind == Kind::Mark {
                    continue;
                }
                self.keys.push(key_of(tokens, ident(tokens, last)));
                for (age, at) in (cell.first..cell.last).enumerate() {
                    let place = &mut self.places[usize::from(at)];
                    (place.key, place.key_age, place.key_closed) = (key, age as u16 + 1, false);
                }
            }
        }
    }

    /// Looks for words in the mail addresses of the line.
    pub(super) fn find_twins(&mut self, tokens: &Tokens) {
        let all = tokens.all();
        for chunk in self.chunks.iter().filter(|chunk| chunk.at != NONE).take(MOST_TWINS) {
            if chunk.at == chunk.first || chunk.at - chunk.first > 16 {
                continue;
            }
            let local = &all[usize::from(chunk.first)..usize::from(chunk.at)];
            let text = tokens.span(local);
            let text = &text[..text.len().min(64)];
            for (i, token) in all.iter().enumerate() {
                let place = &mut self.places[i];
                let outside = i < chunk.first.into() || i >= chunk.last.into();
                if !outside || !token.kind.is_word() {
                    continue;
                }
                let word = tokens.folded(token);
                let twin = if word.len() > 2 && local.iter().any(|part| part.hash == token.hash) {
                    Twin::Word
                } else if word.len() > 2 && text.windows(word.len()).any(|part| part == word) {
                    Twin::Part
                } else if local.iter().any(|part| tokens.folded(part).first() == word.first()) {
                    Twin::Initial
                } else {
                    Twin::No
                };
                place.twin = place.twin.max(twin);
            }
        }
    }

    /// The key that ends where the separator at `i` is.
    fn key_before(&self, tokens: &Tokens, i: usize) -> Option<Key> {
        let all = tokens.all();
        let mark = all[i].mark;
        let next = all.get(i + 1);
        if mark == b':' && next.is_some_and(|t| t.mark == b'/' && !t.spaced) {
            return None;
        }
        let mut last = i.checked_sub(1)?;
        while matches!(all[last].mark, b'"' | b'\'' | b']' | b'`' | b'=' | b'-') {
            last = last.checked_sub(1)?;
        }
        if all[last].kind == Kind::Mark || all[last].kind == Kind::Digits {
            return None;
        }
        let key = ident(tokens, last);
        if mark == b'>' {
            // `<tag>`, or the `=>` and `->` of maps.
            let arrow = matches!(all[i - 1].mark, b'=' | b'-');
            let tag = key.0.checked_sub(1).is_some_and(|before| all[before].mark == b'<');
            if !arrow && !tag {
                return None;
            }
        }
        Some(key_of(tokens, key))
    }
}

/// The first token of the name that ends with `last`, and `last`.
fn ident(tokens: &Tokens, last: usize) -> (usize, usize) {
    let all = tokens.all();
    let mut first = last;
    while first >= 2
        && last - first < 8
        && !all[first].spaced
        && matches!(all[first - 1].mark, b'_' | b'-' | b'.')
        && !all[first - 1].spaced
        && all[first - 2].kind != Kind::Mark
    {
        first -= 2;
    }
    (first, last)
}

fn key_of(tokens: &Tokens, (first, last): (usize, usize)) -> Key {
    let all = tokens.all();
    let classes =
        all[first..=last].iter().fold(Classes::NONE, |classes, token| classes.with(token.classes));
    let mut phrase = Classes::NONE;
    let before = &all[first.saturating_sub(3)..first];
    if all[first].spaced {
        for token in before.iter().rev().take_while(|token| token.kind.is_word()) {
            phrase = phrase.with(token.classes);
        }
    }
    let head =
        tokens.folded(&all[last]).iter().take(3).fold(0, |hash, byte| mix(hash, u32::from(*byte)));
    Key { last: all[last].hash, first: all[first].hash, head, classes, phrase }
}

/// `--key value`.
fn flag_before(tokens: &Tokens, i: usize) -> Option<Key> {
    let all = tokens.all();
    let (first, last) = ident(tokens, i - 1);
    let dashes = first >= 1 && all[first - 1].mark == b'-' && !all[first].spaced;
    (dashes && (all[first - 1].spaced || first >= 2 && all[first - 2].mark == b'-'))
        .then(|| key_of(tokens, (first, last)))
}
