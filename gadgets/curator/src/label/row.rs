//! Rows of cells: the fields of CSV and pipe rows, of arrays, tuples and argument lists, and what their neighbours are.

use super::context::{Chunk, NONE, Numbers, Place};
use super::lexicon::Classes;
use super::token::{Kind, Token, Tokens};

/// What a cell may be: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Looks(pub u32);

impl Looks {
    pub(super) const MAIL: Self = Self(1);
    pub(super) const CARD: Self = Self(1 << 1);
    pub(super) const IBAN: Self = Self(1 << 2);
    pub(super) const SSN: Self = Self(1 << 3);
    pub(super) const DATE: Self = Self(1 << 4);
    pub(super) const QUAD: Self = Self(1 << 5);
    /// Enough digits for a phone, in groups or with a plus.
    pub(super) const PHONE: Self = Self(1 << 6);
    /// A street's word and a number.
    pub(super) const STREET: Self = Self(1 << 7);
    /// Capitalised words, one of which is in a list of names.
    pub(super) const NAMED: Self = Self(1 << 8);
    /// One to four capitalised words that no list has.
    pub(super) const PROPER: Self = Self(1 << 9);
    pub(super) const PLACE: Self = Self(1 << 10);
    /// Nine digits or more without a gap.
    pub(super) const LONG: Self = Self(1 << 11);
    pub(super) const NUMBER: Self = Self(1 << 12);
    /// Letters and digits mixed.
    pub(super) const MIXED: Self = Self(1 << 13);
    /// Two to four capitals: a currency, a country.
    pub(super) const SHORT: Self = Self(1 << 14);
    /// A word as programmers write them.
    pub(super) const IDENT: Self = Self(1 << 15);
    pub(super) const PROSE: Self = Self(1 << 16);
    pub(super) const EMPTY: Self = Self(1 << 17);
    pub(super) const OTHER: Self = Self(1 << 18);
    /// It has a key of its own.
    pub(super) const KEYED: Self = Self(1 << 19);

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Its first member but that it has a key, which is the one that says most.
    pub(super) const fn first(self) -> u32 {
        (self.0 & !Self::KEYED.0).trailing_zeros()
    }
}

/// Tokens `first..last` between two separators, without quotes around them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    pub first: u16,
    pub last: u16,
    pub row: u16,
    pub looks: Looks,
}

/// Cells with the same separator between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    /// Its first cell.
    pub first: u16,
    pub cells: u16,
    pub separator: u8,
    /// What one cell looks like, and what two do.
    pub looks: Looks,
    pub twice: Looks,
    /// The row before it that names its cells, or [`NONE`].
    pub header: u16,
}

/// The rows of a line, with buffers that are kept.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub rows: Vec<Row>,
    pub cells: Vec<Cell>,
    /// The token that closes the bracket or quote at a token, or [`NONE`].
    closes: Vec<u16>,
    open: Vec<u16>,
    /// Tokens yet to be looked at: first, last, and how deep they are.
    regions: Vec<(u16, u16, u8)>,
}

/// How deep rows in rows are looked for.
const DEEPEST: u8 = 6;
/// The most tokens of a quoted text.
const QUOTED: usize = 96;
/// What may separate cells, the strongest first: a new line, a tab, marks.
const SEPARATORS: [u8; 9] = [b'\n', b'\t', b'|', b';', b'^', b'/', b'-', b',', b'~'];

/// What separates cells before or at token `i`: its place in [`SEPARATORS`].
fn separator(all: &[Token], i: usize) -> Option<usize> {
    let token = &all[i];
    let spaced = token.spaced && all.get(i + 1).is_some_and(|next| next.spaced);
    match token.mark {
        b'|' => Some(2),
        b';' => Some(3),
        b'^' if !spaced => Some(4),
        b'/' if spaced => Some(5),
        b'-' if spaced => Some(6),
        b',' => Some(7),
        _ => None,
    }
}

/// White space before a token that separates cells.
const fn gap(token: &Token) -> Option<usize> {
    match token.gap {
        b'\n' => Some(0),
        b'\t' => Some(1),
        _ => None,
    }
}

impl Rows {
    /// Finds the rows, and puts into each place the innermost cell that it is in.
    pub(super) fn find(
        &mut self,
        tokens: &Tokens,
        chunks: &[Chunk],
        numbers: &[Numbers],
        places: &mut [Place],
    ) {
        self.rows.clear();
        self.cells.clear();
        self.regions.clear();
        let all = tokens.all();
        // As much as any line of so many tokens can need, so that the next one of its length needs no more.
        self.rows.reserve(all.len());
        self.cells.reserve(2 * all.len());
        self.regions.reserve(2 * all.len());
        self.open.reserve(all.len());
        self.close(all);
        self.regions.push((0, all.len() as u16, 0));
        while let Some((first, last, deep)) = self.regions.pop() {
            self.region(all, (first.into(), last.into()), deep);
        }
        self.rows.sort_unstable_by_key(|row| self.cells[usize::from(row.first)].first);
        for id in 0..self.rows.len() {
            let Row { first, cells, .. } = self.rows[id];
            for cell in first..first + cells {
                let cell = &mut self.cells[usize::from(cell)];
                cell.row = id as u16;
                cell.looks = looks(tokens, chunks, numbers, places, cell);
                let row = &mut self.rows[id];
                row.twice = row.twice.with(Looks(row.looks.0 & cell.looks.0));
                row.looks = row.looks.with(cell.looks);
            }
        }
        self.heads();
        // The innermost row comes last of those that a token is in.
        for row in &self.rows {
            for id in row.first..row.first + row.cells {
                let cell = &self.cells[usize::from(id)];
                places[usize::from(cell.first)..usize::from(cell.last)]
                    .iter_mut()
                    .for_each(|place| place.cell = id);
            }
        }
    }

    /// Which token closes which.
    fn close(&mut self, all: &[Token]) {
        self.closes.clear();
        self.closes.resize(all.len(), NONE);
        self.open.clear();
        let mut quoted_to = 0;
        for (i, token) in all.iter().enumerate() {
            match token.mark {
                b'(' | b'[' | b'{' => self.open.push(i as u16),
                b')' | b']' | b'}' => {
                    let opens = |at: &u16| {
                        matches!(
                            (all[usize::from(*at)].mark, token.mark),
                            (b'(', b')') | (b'[', b']') | (b'{', b'}')
                        )
                    };
                    if let Some(nth) = self.open.iter().rev().take(8).position(opens) {
                        let nth = self.open.len() - 1 - nth;
                        self.closes[usize::from(self.open[nth])] = i as u16;
                        self.open.truncate(nth);
                    }
                }
                b'"' | b'\'' if i >= quoted_to => {
                    if let Some(close) = closing(all, i) {
                        self.closes[i] = close as u16;
                        quoted_to = close + 1;
                    }
                }
                _ => {}
            }
        }
    }

    /// The token that closes the bracket or quote at `i`, or [`NONE`].
    pub(super) fn closes(&self, i: usize) -> u16 {
        self.closes[i]
    }

    /// The cells of one region, and what is inside them for later.
    fn region(&mut self, all: &[Token], (first, last): (usize, usize), deep: u8) {
        let mut counts = [0_u16; SEPARATORS.len()];
        let mut i = first;
        while i < last {
            if let Some(kind) = gap(&all[i]).filter(|_| i > first) {
                counts[kind] += 1;
            }
            let close = usize::from(self.closes[i]);
            if close < last {
                if deep < DEEPEST && close > i + 2 {
                    self.regions.push((i as u16 + 1, close as u16, deep + 1));
                }
                i = close + 1;
                continue;
            }
            if let Some(kind) = separator(all, i) {
                counts[kind] += 1;
            }
            i += 1;
        }
        let best = if counts[0] > 0 {
            0
        } else {
            let most = counts.iter().copied().max().unwrap_or(0);
            counts.iter().position(|count| *count == most).unwrap_or(0)
        };
        if counts[best] == 0 {
            return;
        }
        // A comma or two between words of a quoted text make no row.
        let quoted = first > 0 && matches!(all[first - 1].mark, b'"' | b'\'');
        let tight = |i: usize| all.get(i + 1).is_some_and(|next| !next.spaced);
        let row = Row {
            first: self.cells.len() as u16,
            separator: SEPARATORS[best],
            header: NONE,
            ..Row::default()
        };
        let (mut start, mut i, mut loose) = (first, first, 0);
        let inner = deep < DEEPEST && counts.iter().filter(|count| **count > 0).count() > 1;
        while i < last {
            if i > start && gap(&all[i]) == Some(best) {
                self.cell(all, (start, i), inner.then_some(deep + 1));
                start = i;
            }
            let close = usize::from(self.closes[i]);
            if close < last {
                i = close + 1;
                continue;
            }
            if separator(all, i) == Some(best) {
                self.cell(all, (start, i), inner.then_some(deep + 1));
                loose += u16::from(!tight(i));
                start = i + 1;
            }
            i += 1;
        }
        self.cell(all, (start, last), inner.then_some(deep + 1));
        let cells = self.cells.len() as u16 - row.first;
        if quoted && best == 7 && loose > 0 || cells < 2 {
            self.cells.truncate(row.first.into());
            return;
        }
        self.rows.push(Row { cells, ..row });
    }

    fn cell(&mut self, all: &[Token], (mut first, mut last): (usize, usize), deep: Option<u8>) {
        if let Some(deep) = deep.filter(|_| last > first + 2) {
            self.regions.push((first as u16, last as u16, deep));
        }
        let quote = |token: &Token| matches!(token.mark, b'"' | b'\'' | b'`');
        while first < last && quote(&all[first]) {
            first += 1;
        }
        while first < last && quote(&all[last - 1]) {
            last -= 1;
        }
        self.cells.push(Cell { first: first as u16, last: last as u16, ..Cell::default() });
    }

    /// Rows of names before rows of as many values.
    fn heads(&mut self) {
        let names = |row: &Row| row.looks.0 & !Looks::IDENT.0 == 0;
        for id in 1..self.rows.len() {
            if names(&self.rows[id]) {
                continue;
            }
            let before = self.rows[..id].iter().rposition(|row| {
                names(row)
                    && row.cells == self.rows[id].cells
                    && row.separator == self.rows[id].separator
            });
            self.rows[id].header = before.map_or(NONE, |at| at as u16);
        }
    }
}

/// The token that closes the quote at `i`, if one is opened there.
fn closing(all: &[Token], i: usize) -> Option<usize> {
    let opens = i == 0
        || all[i].spaced
        || all[i - 1].kind == Kind::Mark && !matches!(all[i - 1].mark, b'.' | b'!' | b')');
    if !opens {
        return None;
    }
    (i + 1..all.len().min(i + QUOTED)).find(|at| {
        let next = all.get(at + 1);
        all[*at].mark == all[i].mark
            && next.is_none_or(|next| next.spaced || next.kind == Kind::Mark && next.mark != b'"')
    })
}

/// What the tokens of a cell look like, behind its key if it has one.
fn looks(
    tokens: &Tokens,
    chunks: &[Chunk],
    numbers: &[Numbers],
    places: &[Place],
    cell: &Cell,
) -> Looks {
    let all = &tokens.all()[usize::from(cell.first)..usize::from(cell.last)];
    let key = all.iter().take(8).position(|token| matches!(token.mark, b'=' | b':'));
    let key = key.filter(|at| *at > 0 && all[at - 1].kind != Kind::Digits && at + 1 < all.len());
    let from = key.map_or(0, |at| at + 1);
    let mut looks = if key.is_some() { Looks::KEYED } else { Looks::default() };
    let all = &all[from..];
    let places = &places[usize::from(cell.first) + from..usize::from(cell.last)];
    let (mut proper, mut lower, mut digits, mut marks, mut mixed) = (0, 0, 0, 0, 0);
    let (mut joins, mut classes) = (0, Classes::NONE);
    for (token, place) in all.iter().zip(places) {
        classes = classes.with(token.classes);
        match token.kind {
            Kind::Digits => digits += token.len,
            Kind::Mixed | Kind::Hex => mixed += 1,
            Kind::Mark if matches!(token.mark, b'_' | b'-' | b'.') => joins += 1,
            Kind::Mark => marks += 1,
            Kind::Lower => lower += 1,
            _ => proper += 1,
        }
        let chunk = &chunks[usize::from(place.chunk)];
        if chunk.at != NONE {
            looks = looks.with(Looks::MAIL);
        }
        if place.iban == 2 {
            looks = looks.with(Looks::IBAN);
        }
        if let Some(numbers) = numbers.get(usize::from(place.loose)) {
            for (is, look) in [
                (numbers.card, Looks::CARD),
                (numbers.ssn, Looks::SSN),
                (numbers.date, Looks::DATE),
                (numbers.quad, Looks::QUAD),
                (
                    numbers.plus || (9..16).contains(&numbers.digits) && numbers.groups > 2,
                    Looks::PHONE,
                ),
                (numbers.groups == 1 && numbers.digits > 8, Looks::LONG),
            ] {
                looks = if is { looks.with(look) } else { looks };
            }
        }
    }
    if !looks.meets(Looks(Looks::KEYED.0 - 1)) {
        let names = classes.meets(Classes::GIVEN) || classes.meets(Classes::SURNAME);
        let short = all.len() == 1 && all[0].kind == Kind::Upper && all[0].len < 5;
        looks = looks.with(match (proper, lower, digits, mixed) {
            _ if classes.meets(Classes::STREET) && digits > 0 && proper + lower > 0 => {
                Looks::STREET
            }
            (0, 0, 0, 0) => Looks::EMPTY,
            (1..=5, 0..=2, 0, 0) if names && marks < 3 => Looks::NAMED,
            _ if short => Looks::SHORT,
            (0, 1.., _, 0) if marks == 0 && all.iter().skip(1).all(|token| !token.spaced) => {
                Looks::IDENT
            }
            (1, _, 0, 0)
                if marks == 0 && joins > 0 || all.len() == 1 && all[0].kind == Kind::Camel =>
            {
                Looks::IDENT
            }
            (1..=4, 0..=1, 0, 0) if marks < 3 && classes.meets(Classes::PLACE) => Looks::PLACE,
            (1..=4, 0..=1, 0, 0) if marks < 3 => Looks::PROPER,
            (0, 0, 1.., 0) => Looks::NUMBER,
            (_, _, _, 1..) if all.len() < 4 => Looks::MIXED,
            (_, 3.., ..) => Looks::PROSE,
            _ => Looks::OTHER,
        });
    }
    looks
}

#[cfg(test)]
mod tests {
    use super::super::context::Context;
    use super::super::lexicon::Lexicon;
    use super::super::token::hash_word;
    use super::*;

    /// The cells of the row with the most of them: their text and what they look like first.
    fn cells(line: &str) -> Vec<(&str, Looks)> {
        let (mut tokens, mut context) = (Tokens::default(), Context::default());
        tokens.cut(line.as_bytes(), &Lexicon::with_names(&[hash_word("Marco")], &[]));
        context.look(line.as_bytes(), &tokens);
        let rows = &context.rows;
        let Some(row) = rows.rows.iter().max_by_key(|row| row.cells) else { return Vec::new() };
        let text = |cell: &Cell| match &tokens.all()[cell.first.into()..cell.last.into()] {
            [] => "",
            all => &line[all[0].start as usize..all[all.len() - 1].end as usize],
        };
        rows.cells[row.first.into()..(row.first + row.cells).into()]
            .iter()
            .map(|cell| (text(cell), Looks(1 << cell.looks.first())))
            .collect()
    }

    #[test]
    fn a_row_is_cut_at_its_separators_and_cells_look_like_what_they_are() {
        let expected = [
            ("17", Looks::NUMBER),
            ("Marco", Looks::NAMED),
            ("m@b.it", Looks::MAIL),
            ("+39 06 1234567", Looks::PHONE),
            ("EUR", Looks::SHORT),
            ("", Looks::EMPTY),
        ];
        for line in [
            "17,Marco,m@b.it,+39 06 1234567,EUR,",
            "17;Marco;m@b.it;+39 06 1234567;EUR;",
            "17\\tMarco\\tm@b.it\\t+39 06 1234567\\tEUR\\t\"\"",
            "(17, 'Marco', 'm@b.it', '+39 06 1234567', 'EUR', '')",
            "bad line: \"17|Marco|m@b.it|+39 06 1234567|EUR|\"",
        ] {
            let found = cells(line);
            assert_eq!(found[1..], expected[1..], "{line}");
            assert_eq!(found.len(), expected.len(), "{line}");
        }
    }

    #[test]
    fn a_separator_inside_quotes_separates_nothing() {
        let found = cells("\"Rossi, Marco\",\"Via Roma 1, Milano\",\"m@b.it\"");
        assert_eq!(
            found.iter().map(|cell| cell.0).collect::<Vec<_>>(),
            ["Rossi, Marco", "Via Roma 1, Milano", "m@b.it"]
        );
    }

    #[test]
    fn names_of_columns_are_the_keys_of_the_values_below() {
        let line = "INSERT INTO t (id, full_name, mail) VALUES (5, 'Xab Yol', 'x@y.org')";
        let (mut tokens, mut context) = (Tokens::default(), Context::default());
        tokens.cut(line.as_bytes(), &Lexicon::with_names(&[], &[]));
        context.look(line.as_bytes(), &tokens);
        let at = tokens
            .all()
            .iter()
            .position(|token| &line[token.start as usize..token.end as usize] == "Yol")
            .unwrap();
        let place = &context.places[at];
        assert_eq!(context.keys[usize::from(place.key)].last, hash_word("name"));
        assert!(!place.key_closed);
    }

    #[test]
    fn a_line_of_marks_alone_is_looked_at_in_bounded_time() {
        for line in ["(".repeat(600), "\",".repeat(600), "a,b;c|".repeat(600), "([{\"'".repeat(300)]
        {
            let (mut tokens, mut context) = (Tokens::default(), Context::default());
            tokens.cut(line.as_bytes(), &Lexicon::default());
            context.look(line.as_bytes(), &tokens);
            assert!(
                context.rows.cells.len() < 8 * tokens.all().len(),
                "{}",
                context.rows.cells.len()
            );
        }
    }
}
