//! What the model sees of a token: rows of its weight table, by hash.

use super::context::{Context, NONE, Place, Twin};
use super::lexicon::{Classes, Lexicon};
use super::model::ROWS;
use super::row::Looks;
use super::token::{Kind, Token, Tokens};

/// The rows of every token of a line, with buffers that are kept.
#[derive(Debug, Default)]
pub struct Features {
    tokens: Tokens,
    context: Context,
    rows: Vec<u16>,
    /// Per token, where its rows begin, and where those begin that name words.
    starts: Vec<(u32, u32)>,
}

/// The number of a kind of feature, so that equal values of two kinds have different rows.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Slot {
    Bias = 1,
    Shape,
    Kind,
    KindPair,
    KindTriple,
    Class,
    ClassAt,
    Word,
    WordAt,
    Prefix,
    Suffix,
    Key,
    KeyClass,
    KeyKind,
    KeyAge,
    KeyFirst,
    KeyHead,
    KeyNumbers,
    KeyChunk,
    Before,
    BeforeClass,
    BeforeNumbers,
    Near,
    NearKind,
    NearNumbers,
    After,
    Chunk,
    ChunkShape,
    ChunkAt,
    Entropy,
    KeyEntropy,
    Tight,
    TightChecks,
    Loose,
    LooseChecks,
    Iban,
    Run,
    RunClass,
    RunKey,
    RunBefore,
    Line,
    Mark,
    Phrase,
    Outer,
    Edge,
    Street,
    RunPattern,
    Bounds,
    MailEnd,
    Cell,
    CellLooks,
    CellBeside,
    CellNear,
    Twin,
    TwinRun,
    Quad,
    QuadLine,
}

/// What concept words may say about a value near them.
const CONCEPTS: Classes = Classes(
    Classes::PHONE.0
        | Classes::MAIL.0
        | Classes::CARD.0
        | Classes::SSN.0
        | Classes::NATIONAL.0
        | Classes::BANK.0
        | Classes::CLIENT.0
        | Classes::PERSON.0
        | Classes::NAMEKEY.0
        | Classes::HONORIFIC.0
        | Classes::ADDRESS.0
        | Classes::BIRTH.0
        | Classes::PASSWORD.0
        | Classes::TOKEN.0
        | Classes::COUNTER.0
        | Classes::VERSION.0
        | Classes::CODE.0
        | Classes::HASH.0
        | Classes::NETWORK.0
        | Classes::SAID.0,
);

struct Sink<'a> {
    rows: &'a mut Vec<u16>,
}

impl Sink<'_> {
    #[inline]
    fn put(&mut self, slot: Slot, a: u32, b: u32) {
        let mut hash =
            (u64::from(a) << 32 | u64::from(b)) ^ (slot as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ hash >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        hash = (hash ^ hash >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        self.rows.push((((hash >> 32) * ROWS as u64) >> 32) as u16);
    }

    /// One row for each member of a set.
    #[inline]
    fn each(&mut self, slot: Slot, classes: Classes, b: u32) {
        let mut left = classes.0;
        while left != 0 {
            self.put(slot, left.trailing_zeros(), b);
            left &= left - 1;
        }
    }
}

/// A length or distance in a few steps.
const fn bucket(n: u32) -> u32 {
    match n {
        0..=4 => n,
        5..=6 => 5,
        7..=9 => 6,
        10..=15 => 7,
        16..=23 => 8,
        24..=39 => 9,
        40..=79 => 10,
        _ => 11,
    }
}

/// What a token is at a glance: its kind, or its mark.
fn glance(all: &[Token], i: isize) -> u32 {
    match usize::try_from(i).ok().and_then(|i| all.get(i)) {
        None => 0,
        Some(token) if token.kind == Kind::Mark => 256 + u32::from(token.mark),
        Some(token) if token.kind == Kind::Digits => 32 + bucket(token.len),
        Some(token) => 1 + token.kind as u32,
    }
}

impl Features {
    /// The tokens of the line last seen.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        self.tokens.all()
    }

    /// The rows of token `i`: those of shape and place, then those that name a word.
    #[must_use]
    pub fn rows(&self, i: usize) -> (&[u16], &[u16]) {
        let (start, words) = self.starts[i];
        let end = self.starts.get(i + 1).map_or(self.rows.len(), |next| next.0 as usize);
        (&self.rows[start as usize..words as usize], &self.rows[words as usize..end])
    }

    /// Looks at a line.
    pub fn see(&mut self, line: &[u8], lexicon: &Lexicon) {
        self.tokens.cut(line, lexicon);
        self.context.look(line, &self.tokens);
        self.rows.clear();
        self.starts.clear();
        let line_classes =
            self.tokens.all().iter().fold(Classes::NONE, |all, token| all.with(token.classes));
        for i in 0..self.tokens.all().len() {
            let start = self.rows.len() as u32;
            let mut sink = Sink { rows: &mut self.rows };
            structure(&mut sink, &self.tokens, &self.context, i, line_classes);
            let words = sink.rows.len() as u32;
            names(&mut sink, &self.tokens, &self.context, i);
            self.starts.push((start, words));
        }
    }
}

/// The word before token `i` that is nearest, at most `reach` tokens away.
fn word_before(all: &[Token], i: usize, reach: usize) -> Option<usize> {
    (i.saturating_sub(reach)..i).rev().find(|at| all[*at].kind.is_word())
}

/// The nearest word before `i` that says what a value is, and its distance.
fn concept_before(all: &[Token], i: usize) -> Option<(Classes, u32)> {
    (i.saturating_sub(10)..i).rev().find_map(|at| {
        let classes = Classes(all[at].classes.0 & CONCEPTS.0);
        (!classes.is_empty()).then_some((classes, (i - at) as u32))
    })
}

/// Rows that hold for words never seen in training.
fn structure(sink: &mut Sink<'_>, tokens: &Tokens, context: &Context, i: usize, line: Classes) {
    use Slot as S;
    let all = tokens.all();
    let token = &all[i];
    let place = &context.places[i];
    let me = glance(all, i as isize);
    let at = i as isize;
    sink.put(S::Bias, 0, 0);
    sink.put(S::Shape, token.kind as u32, token.len.min(40) << 9 | u32::from(token.mark));
    sink.put(S::Kind, me, u32::from(token.spaced));
    for offset in [-3, -2, -1, 1, 2, 3] {
        sink.put(S::KindPair, glance(all, at + offset), me << 4 | (offset + 3) as u32);
    }
    sink.put(
        S::KindTriple,
        glance(all, at - 1) << 12 | glance(all, at + 1),
        me << 1 | u32::from(token.spaced),
    );
    sink.put(S::Edge, glance(all, at + 1) << 12 | glance(all, at + 2), me);
    sink.put(S::Edge, glance(all, at - 1) << 12 | glance(all, at - 2), me | 1 << 16);
    sink.each(S::Class, token.classes, token.kind as u32);
    for offset in [-2, -1, 1, 2] {
        if let Some(other) = usize::try_from(at + offset).ok().and_then(|at| all.get(at)) {
            sink.each(S::ClassAt, other.classes, me << 4 | (offset + 3) as u32);
        }
    }
    sink.each(S::Line, Classes(line.0 & LINE.0), me);
    key_rows(sink, context, place, me);
    around_rows(sink, all, context, place, me);
    value_rows(sink, all, context, place, i);
    if place.run != NONE {
        run_rows(sink, all, context, place, i);
    }
    if place.cell != NONE {
        cell_rows(sink, context, place, (i, me));
    }
    twin_rows(sink, context, place, me);
    let quad = context.numbers.get(usize::from(place.tight)).filter(|numbers| numbers.quad);
    if quad.is_some() {
        quad_rows(sink, all, context, place, line);
    }
}

/// The row that a token is in: how many cells, what they look like, which are beside its own.
fn cell_rows(sink: &mut Sink<'_>, context: &Context, place: &Place, (i, me): (usize, u32)) {
    use Slot as S;
    let cell = &context.rows.cells[usize::from(place.cell)];
    let row = &context.rows.rows[usize::from(cell.row)];
    let looks = |at: u16| {
        let inside = (row.first..row.first + row.cells).contains(&at);
        if inside { context.rows.cells[usize::from(at)].looks.first() } else { 33 }
    };
    let own = cell.looks.first();
    let keyed = u32::from(cell.looks.meets(Looks::KEYED));
    let nth = place.cell - row.first;
    let cells = bucket(row.cells.into());
    let place_in_row = u32::from(nth.min(3)) << 1 | u32::from(nth + 1 == row.cells);
    sink.put(S::Cell, u32::from(row.separator) << 8 | cells, me << 1 | keyed);
    sink.put(S::Cell, place_in_row, own << 1 | keyed | 1 << 20);
    let inside =
        bucket((i as u32) - u32::from(cell.first)) << 8 | bucket(u32::from(cell.last - cell.first));
    sink.put(S::CellLooks, own << 1 | keyed, me);
    sink.put(S::CellLooks, own << 1 | keyed, inside | 1 << 20);
    let others = if row.twice.0 >> own & 1 == 1 { row.looks.0 } else { row.looks.0 & !(1 << own) };
    sink.each(S::CellBeside, Classes(others), own << 1 | keyed);
    let (before, after) = (looks(place.cell.wrapping_sub(1)), looks(place.cell + 1));
    sink.put(S::CellNear, before, own << 1 | keyed);
    sink.put(S::CellNear, after, own << 1 | keyed | 1 << 20);
    sink.put(S::CellNear, before << 8 | after, own << 1 | keyed | 1 << 21);
}

/// Whether a word is in a mail address of the line, by itself and in its run.
fn twin_rows(sink: &mut Sink<'_>, context: &Context, place: &Place, me: u32) {
    use Slot as S;
    if place.twin == Twin::Unasked {
        return;
    }
    sink.put(S::Twin, place.twin as u32, me);
    if let Some(run) = context.runs.get(usize::from(place.run)) {
        let places = &context.places[usize::from(run.first)..usize::from(run.last)];
        let best = places.iter().map(|place| place.twin).max().unwrap_or_default();
        let words = places.iter().filter(|place| place.twin > Twin::Initial).count() as u32;
        sink.put(S::TwinRun, best as u32, words.min(3) << 8 | run.words.min(4));
    }
}

/// Whose an address of the network may be: what the line is about, and what it stands between.
fn quad_rows(sink: &mut Sink<'_>, all: &[Token], context: &Context, place: &Place, line: Classes) {
    use Slot as S;
    const OWNERS: Classes = Classes(
        Classes::CLIENT.0
            | Classes::PERSON.0
            | Classes::MAIL.0
            | Classes::NETWORK.0
            | Classes::SAID.0
            | Classes::CODE.0
            | Classes::PHONE.0
            | Classes::NAMEKEY.0,
    );
    let (first, last) = (usize::from(place.group.0), usize::from(place.group.1));
    let port = all.get(last).is_some_and(|token| token.mark == b':' && !token.spaced);
    let slash = first > 0 && all[first - 1].mark == b'/';
    let mask = all.get(last).is_some_and(|token| token.mark == b'/' && !token.spaced);
    let about = u32::from(line.meets(Classes::CLIENT))
        | u32::from(line.meets(Classes::PERSON)) << 1
        | u32::from(line.meets(Classes::NETWORK)) << 2
        | u32::from(line.meets(Classes::SAID)) << 3;
    let stands = u32::from(port)
        | u32::from(slash) << 1
        | u32::from(mask) << 2
        | context.marks.quads.min(3) << 3
        | context.marks.mails.min(1) << 5;
    sink.each(S::QuadLine, Classes(line.0 & OWNERS.0), stands);
    sink.put(S::Quad, about, stands);
    sink.put(S::Quad, about, 1 << 20);
    sink.put(S::Quad, stands, 1 << 21);
    if let Some((classes, distance)) = concept_before(all, first) {
        sink.each(S::Quad, classes, about | bucket(distance) << 8 | 1 << 22);
    }
    if place.key != NONE && !place.key_closed {
        let key = &context.keys[usize::from(place.key)];
        sink.each(S::Quad, key.classes, stands | 1 << 23);
        sink.each(S::Quad, Classes(key.classes.0 & OWNERS.0), about | 1 << 24);
    }
}

/// Concepts whose presence anywhere in the line counts.
const LINE: Classes = Classes(
    Classes::PERSON.0
        | Classes::HONORIFIC.0
        | Classes::MAIL.0
        | Classes::PHONE.0
        | Classes::BIRTH.0
        | Classes::ADDRESS.0,
);

fn key_rows(sink: &mut Sink<'_>, context: &Context, place: &Place, me: u32) {
    use Slot as S;
    if place.key == NONE {
        sink.put(S::KeyAge, 99, me);
        return;
    }
    let key = &context.keys[place.key as usize];
    let age = bucket(place.key_age.into()) << 1 | u32::from(place.key_closed);
    sink.put(S::KeyAge, age, me);
    sink.each(S::KeyClass, key.classes, age);
    if place.key_age > 30 {
        return;
    }
    if key.classes.is_empty() {
        sink.put(S::KeyClass, 40, me);
    }
    sink.each(S::KeyKind, key.classes, me << 1 | u32::from(place.key_closed));
    sink.each(S::Phrase, key.phrase, me << 1 | u32::from(place.key_closed));
    if place.key > 0 {
        let outer = &context.keys[place.key as usize - 1];
        sink.each(S::Outer, outer.classes, me);
    }
    if place.tight != NONE {
        let numbers = &context.numbers[place.tight as usize];
        sink.each(S::KeyNumbers, key.classes, numbers.grouping);
        sink.each(S::KeyNumbers, key.classes, bucket(numbers.digits) | 1 << 31);
    }
    let chunk = &context.chunks[place.chunk as usize];
    sink.each(S::KeyChunk, key.classes, entropy(chunk) << 1 | u32::from(place.key_closed));
}

fn around_rows(sink: &mut Sink<'_>, all: &[Token], context: &Context, place: &Place, me: u32) {
    use Slot as S;
    let (first, last) = (usize::from(place.group.0), usize::from(place.group.1));
    let grouping =
        if place.loose == NONE { me } else { context.numbers[place.loose as usize].grouping };
    if let Some(before) = word_before(all, first, 4) {
        let distance = (first - before) as u32;
        sink.each(S::BeforeClass, all[before].classes, me << 2 | distance.min(3));
        sink.each(S::BeforeNumbers, all[before].classes, grouping);
        if let Some(second) = word_before(all, before, 2) {
            sink.each(S::BeforeClass, all[second].classes, me << 2 | 1 << 20);
        }
    }
    match concept_before(all, first) {
        Some((classes, distance)) => {
            sink.each(S::Near, classes, bucket(distance));
            sink.each(S::NearKind, classes, me << 4 | bucket(distance));
            sink.each(S::NearNumbers, classes, grouping);
        }
        None => sink.put(S::Near, 50, me),
    }
    sink.put(S::After, glance(all, last as isize), me);
    if let Some(after) = all.get(last) {
        sink.each(S::After, after.classes, me | 1 << 16);
    }
}

/// How random a chunk looks, in a few steps.
fn entropy(chunk: &super::context::Chunk) -> u32 {
    let changes = chunk.changes * 8 / chunk.bytes.max(1);
    let distinct = chunk.distinct * 8 / chunk.bytes.clamp(1, 32);
    bucket(chunk.bytes) << 8
        | changes.min(7) << 5
        | distinct.min(7) << 2
        | u32::from(chunk.hex) << 1
        | u32::from(chunk.words > 1)
}

fn value_rows(sink: &mut Sink<'_>, all: &[Token], context: &Context, place: &Place, i: usize) {
    use Slot as S;
    let me = glance(all, i as isize);
    let chunk = &context.chunks[place.chunk as usize];
    let position = bucket(i as u32 - u32::from(chunk.first));
    let bounds =
        glance(all, place.group.0 as isize - 1) << 12 | glance(all, place.group.1 as isize);
    sink.put(S::Bounds, bounds, me);
    sink.put(S::Chunk, bucket(u32::from(chunk.last - chunk.first)) << 4 | position, me);
    sink.put(S::ChunkShape, chunk.shape, position);
    sink.put(S::Entropy, entropy(chunk), token_kind(&all[i]));
    sink.put(S::KeyEntropy, chunk.changes.min(15) << 8 | bucket(chunk.bytes), chunk.words.min(3));
    if chunk.at != NONE {
        let side = if (i as u16) < chunk.at { 1 } else { 2 } + u32::from(i as u16 == chunk.at) * 2;
        let dotted =
            all[usize::from(chunk.at)..usize::from(chunk.last)].iter().any(|t| t.mark == b'.');
        let end = all[usize::from(chunk.last) - 1].classes.meets(Classes::TLD);
        sink.put(
            S::MailEnd,
            side,
            u32::from(end) << 2 | u32::from(dotted) << 1 | u32::from(chunk.url),
        );
        sink.put(S::ChunkAt, side, u32::from(dotted) << 1 | u32::from(chunk.url));
        sink.put(S::ChunkAt, side | 16, me);
    }
    sink.put(S::Mark, u32::from(chunk.url), me);
    for (slot, checks, id) in
        [(S::Tight, S::TightChecks, place.tight), (S::Loose, S::LooseChecks, place.loose)]
    {
        if id == NONE {
            continue;
        }
        let numbers = &context.numbers[id as usize];
        let flags = u32::from(numbers.card)
            | u32::from(numbers.ssn) << 1
            | u32::from(numbers.quad) << 2
            | u32::from(numbers.date) << 3
            | u32::from(numbers.plus) << 4;
        sink.put(slot, numbers.grouping, 0);
        sink.put(slot, numbers.digits.min(24) << 4 | numbers.groups.min(12), 1 << 16);
        sink.put(checks, flags, bucket(numbers.digits));
        sink.put(checks, flags, numbers.groups | 1 << 16);
    }
    if place.iban != 0 {
        sink.put(S::Iban, place.iban.into(), me);
        sink.put(S::Iban, place.iban.into(), 0xffff);
    }
}

fn token_kind(token: &Token) -> u32 {
    token.kind as u32
}

fn run_rows(sink: &mut Sink<'_>, all: &[Token], context: &Context, place: &Place, i: usize) {
    use Slot as S;
    let run = &context.runs[place.run as usize];
    let position = (i as u32 - u32::from(run.first)).min(4);
    let named = u32::from(run.classes.meets(Classes::GIVEN)) << 1
        | u32::from(run.classes.meets(Classes::SURNAME));
    let thing = run.classes.without(Classes::GIVEN.with(Classes::SURNAME));
    let kind = all[usize::from(run.first)].kind as u32;
    sink.put(S::Run, run.words.min(6) << 4 | position, kind);
    sink.put(S::Run, run.words.min(6), named | 1 << 16);
    sink.put(S::Run, named, u32::from(thing.is_empty()) | 1 << 17);
    sink.each(S::RunClass, run.classes, run.words.min(4));
    if place.key != NONE && !place.key_closed {
        let key = &context.keys[place.key as usize];
        let near = u32::from(run.first).saturating_sub(i as u32 - u32::from(place.key_age)).min(4);
        sink.each(S::RunKey, key.classes, run.words.min(4) << 8 | named << 4 | near);
    }
    let first = usize::from(run.first);
    if let Some(before) = word_before(all, first, 3) {
        sink.each(S::RunBefore, all[before].classes, run.words.min(4) << 8 | named << 4);
    }
    let words = &all[usize::from(run.first)..usize::from(run.last)];
    let pattern = words.iter().take(8).fold(1, |pattern, word| pattern * 7 + part_of_name(word));
    let bounds = glance(all, run.first as isize - 1) << 12 | glance(all, run.last as isize);
    sink.put(S::RunPattern, pattern, 0);
    sink.put(S::RunPattern, pattern, bounds | 1 << 31);
    sink.put(S::RunPattern, bounds, run.words.min(4) | 1 << 30);
    if words.iter().any(|word| word.classes.meets(Classes::STREET)) {
        sink.put(S::Street, position, 0);
    }
}

/// What a word may be in a name.
fn part_of_name(word: &Token) -> u32 {
    let (given, surname) =
        (word.classes.meets(Classes::GIVEN), word.classes.meets(Classes::SURNAME));
    match (word.kind, given, surname) {
        (Kind::Mark, ..) => 6,
        (Kind::Initial, ..) => 5,
        (_, true, true) => 4,
        (_, true, false) => 3,
        (_, false, true) => 2,
        _ => u32::from(word.classes.is_empty()),
    }
}

/// Rows that name a word: dropped more often in training, so that no format is learnt by heart.
fn names(sink: &mut Sink<'_>, tokens: &Tokens, context: &Context, i: usize) {
    use Slot as S;
    let all = tokens.all();
    let token = &all[i];
    let place = &context.places[i];
    if token.kind.is_word() {
        let text = tokens.folded(token);
        sink.put(S::Word, token.hash, token.kind as u32);
        for len in [2, 3] {
            if text.len() > len {
                let (head, tail) = (&text[..len], &text[text.len() - len..]);
                sink.put(S::Prefix, pack(head), 0);
                sink.put(S::Suffix, pack(tail), u32::from(token.kind.is_proper()));
            }
        }
        if text.len() > 5 {
            sink.put(S::Suffix, pack(&text[text.len() - 4..]), 2);
        }
    }
    for offset in [-2_isize, -1, 1, 2] {
        let other = usize::try_from(i as isize + offset).ok().and_then(|at| all.get(at));
        if let Some(other) = other.filter(|other| other.kind.is_word()) {
            sink.put(S::WordAt, other.hash, (offset + 3) as u32);
        }
    }
    let me = glance(all, i as isize);
    if place.key != NONE && place.key_age <= 30 {
        let key = &context.keys[place.key as usize];
        let open = u32::from(place.key_closed);
        sink.put(S::Key, key.last, open);
        sink.put(S::Key, key.last, me << 1 | open | 1 << 20);
        sink.put(S::KeyFirst, key.first, open);
        sink.put(S::KeyHead, key.head, open);
    }
    let first = usize::from(place.group.0);
    if let Some(before) = word_before(all, first, 4) {
        sink.put(S::Before, all[before].hash, 0);
        sink.put(S::Before, all[before].hash, me << 1 | 1);
        if let Some(second) = word_before(all, before, 2) {
            sink.put(S::Before, all[second].hash, 1 << 20);
        }
    }
}

fn pack(text: &[u8]) -> u32 {
    text.iter().fold(text.len() as u32, |hash, byte| hash.wrapping_mul(257) ^ u32::from(*byte))
}
