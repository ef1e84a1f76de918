//! Numbers: cards, social security numbers, telephone numbers, account numbers.

use std::ops::Range;

use super::Found;
use super::context::{self, Context, Said, context};
use super::net;
use super::places;
use super::set::Within;
use super::text::{self, is_word};
use super::tokens;
use crate::entity::Entity;
use crate::validate::{iban_length, is_card, is_iban, is_ssn, national};

const MOST_GROUPS: usize = 24;

/// A chain of groups of digits with single separators in between.
struct Chain {
    range: Range<usize>,
    digits: [u8; 32],
    count: usize,
    groups: [u8; MOST_GROUPS],
    group_count: usize,
    /// What stands before each group, and before all of it.
    before: [u8; MOST_GROUPS],
    plus: bool,
}

const BLANK: u8 = 1;
const DASH: u8 = 2;
const DOT: u8 = 4;
const PAREN: u8 = 8;
const SLASH: u8 = 16;
/// `", "`: a number that was split into a list.
const LIST: u8 = 32;
/// `_`, `+`, `*`, and others that stand between groups of cards alone.
const ODD: u8 = 64;

/// The pass over a text's numbers.
#[derive(Default)]
pub(super) struct Numbers {
    /// Those before this are done.
    pub(super) done: usize,
    said: Said,
}

impl Numbers {
    /// Looks at the number that begins at `start`; `window` has a bit for each digit from there on.
    pub(super) fn at(&mut self, text: &[u8], start: usize, window: u32, found: &mut Found<'_>) {
        if start < self.done {
            return;
        }
        if found.whose.is_near(start)
            && let Some(end) = net::near(text, start, found)
        {
            self.done = end;
            return;
        }
        // `$6$`: the hash of a password.
        if text.get(start + 1) == Some(&b'$') && text::before(text, start) == Some(b'$') {
            tokens::crypt(text, start, found);
        }
        if places::may_be_house(text, start) {
            places::house(text, start, run(text, start), found);
        }
        if (window & WINDOW).count_ones() < 7 {
            return;
        }
        let after = run(text, start);
        let before = text::before(text, start);
        if before.is_some_and(|byte| is_word(byte) || byte == b'_') && !escaped(text, start) {
            // In a word: an account number, or nothing.
            let account = after - start >= 2 && start >= 2;
            let account = if account { iban(text, start, found) } else { None };
            self.done = account.unwrap_or_else(|| past_word(text, after));
            return;
        }
        self.done = match plain(text, start, after) {
            Some(end) => end,
            None => number(text, start, after, &mut self.said, found),
        };
    }
}

/// `\\t12`: the letter before `at` is an escape.
pub(super) fn escaped(text: &[u8], at: usize) -> bool {
    at >= 2 && text[at - 2] == b'\\' && matches!(text[at - 1], b'n' | b't' | b'r')
}

/// A number of seven digits or more, as people write it, has seven of them in so many bytes.
const WINDOW: u32 = (1 << 20) - 1;

/// The end of an address or a version, `10.0.0.1`.
fn plain(text: &[u8], at: usize, first: usize) -> Option<usize> {
    match (first - at, text.get(first)?) {
        (1..=3, b'.') => {
            let mut end = first;
            for _ in 0..3 {
                if text.get(end) != Some(&b'.') {
                    return None;
                }
                let next = run(text, end + 1);
                if !(1..=3).contains(&(next - end - 1)) {
                    return None;
                }
                end = next;
            }
            let goes_on =
                text.get(end) == Some(&b'.') && text.get(end + 1).is_some_and(u8::is_ascii_digit);
            (!goes_on).then_some(end)
        }
        _ => None,
    }
}

fn run(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at].is_ascii_digit() {
        at += 1;
    }
    at
}

fn past_word(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && (is_word(text[at]) || text[at] == b'_') {
        at += 1;
    }
    at
}

/// Looks at a number that begins at `at`, whose first group ends at `first`. Returns where to go on.
fn number(text: &[u8], at: usize, first: usize, said: &mut Said, found: &mut Found<'_>) -> usize {
    let next = text.get(first).copied().unwrap_or(b'\n');
    if !matches!(next, b' ' | b'-' | b'.' | b'(' | b')' | b'/' | b'"' | b'\'' | b'+' | b'*') {
        let grouped = next == b'_' && first - at == 4 && in_groups(text, first);
        if !grouped && (is_word(next) || next == b'_') {
            return past_word(text, first);
        }
        let plus = text::before(text, at) == Some(b'+');
        if first - at < 9 && !(plus && first - at >= 8) && !grouped {
            return first;
        }
    }
    // `12:36:30.957607`: a time.
    if at >= 2 && matches!(text[at - 1], b':' | b'.') && text[at - 2].is_ascii_digit() {
        return first;
    }
    let mut chain = Chain {
        range: at..first,
        digits: [0; 32],
        count: 0,
        groups: [0; MOST_GROUPS],
        group_count: 0,
        before: [0; MOST_GROUPS],
        plus: false,
    };
    let mut from = at;
    let mut to = first;
    if text::before(text, at) == Some(b'(') {
        chain.range.start = at - 1;
        chain.before[0] = PAREN;
    }
    let joined = |at: usize| text::before(text, at).is_some_and(is_word);
    if text::before(text, chain.range.start) == Some(b'+') && !joined(chain.range.start - 1) {
        chain.range.start -= 1;
        chain.plus = true;
    } else if chain.range.start >= 3 && text[..chain.range.start].ends_with(b"%2B") {
        chain.plus = true;
        chain.range.start -= 3;
    }
    loop {
        let group = &text[from..to];
        if chain.count + group.len() > chain.digits.len() || chain.group_count == MOST_GROUPS {
            break;
        }
        chain.digits[chain.count..][..group.len()].copy_from_slice(group);
        chain.count += group.len();
        chain.groups[chain.group_count] = group.len() as u8;
        chain.group_count += 1;
        chain.range.end = to;
        let (step, between) = separator(text, to);
        if between == 0 || !text.get(step).is_some_and(u8::is_ascii_digit) {
            break;
        }
        from = step;
        to = run(text, from);
        // A group that is the beginning of a word is not one of the number.
        let colon = text.get(to) == Some(&b':') && text.get(to + 1).is_some_and(u8::is_ascii_digit);
        let within = |byte: &u8| is_word(*byte) || *byte == b'_' && !in_groups(text, to);
        if colon || text.get(to).is_some_and(within) {
            break;
        }
        if let Some(before) = chain.before.get_mut(chain.group_count) {
            *before = between;
        }
    }
    if chain.count < 7 {
        return chain.range.end;
    }
    // Of many groups that are nothing, the later ones are nothing as well: going through all again for each would take too long.
    let next = if chain.group_count > 7 { chain.range.end } else { first };
    judge(text, &chain, said, found).unwrap_or(next)
}

/// `4111_1111_`: a card's groups may be joined so.
fn in_groups(text: &[u8], at: usize) -> bool {
    let digits = run(text, at + 1) - at - 1;
    text[at] == b'_' && (3..=6).contains(&digits)
}

/// What stands between two groups: one sign with blanks around it, brackets, or the quotes and the comma of a list. Where it ends, and
/// what it was; 0 if it is nothing of these.
fn separator(text: &[u8], at: usize) -> (usize, u8) {
    // Most are one sign, or none.
    if let Some([sign, next]) = text.get(at..at + 2)
        && next.is_ascii_digit()
    {
        match sign {
            b' ' => return (at + 1, BLANK),
            b'-' => return (at + 1, DASH),
            b'.' => return (at + 1, DOT),
            _ => {}
        }
    }
    let (mut step, mut between, mut signs) = (at, 0, 0);
    while step < text.len() && step < at + 4 {
        let bit = match text[step] {
            b' ' => BLANK,
            b'-' => DASH,
            b'.' => DOT,
            b'(' | b')' => PAREN,
            b'/' => SLASH,
            b'"' | b'\'' | b',' => LIST,
            b'_' | b'+' | b'*' | b'|' => ODD,
            _ => break,
        };
        signs += usize::from(bit & (DASH | DOT | SLASH | ODD) != 0);
        between |= bit;
        step += 1;
    }
    let plain = between & (LIST | ODD) == 0 && (signs <= 1 || between == DASH | PAREN);
    let list =
        between & !(LIST | BLANK) == 0 && between & LIST != 0 && text[at..step].contains(&b',');
    let odd = between == ODD && signs == 1;
    // What blanks surround, a dash aside, are several numbers.
    let apart =
        between == BLANK && step - at > 2 || between & BLANK != 0 && between & (DOT | SLASH) != 0;
    if (plain || list || odd) && !apart { (step, between) } else { (at, 0) }
}

/// Says what a chain is, trying its beginnings too; where to go on if it is something.
fn judge(text: &[u8], chain: &Chain, said: &mut Said, found: &mut Found<'_>) -> Option<usize> {
    let mut context = said.of(text, chain.range.start);
    if context.0 == Context::Nothing || context.1 > 0 {
        match context::after(text, chain.range.end) {
            Context::Nothing => {}
            says => context = (says, 0),
        }
    }
    let groups = &chain.groups[..chain.group_count];
    let mut used = chain.count;
    for count in (1..=groups.len()).rev() {
        let part = &groups[..count];
        let digits = &chain.digits[..used];
        // Nothing is longer.
        if used > 20 {
            used -= part[count - 1] as usize;
            continue;
        }
        if let Some(entity) = entity_of(part, digits, chain, context) {
            let end = end_of(text, chain, count);
            if entity == Entity::Phone && !chain.plus && is_amount(text, chain.range.start, end) {
                return None;
            }
            let mut range = chain.range.start..end;
            if chain.before[0] == PAREN
                && text[range.start] == b'('
                && !text[range.clone()].contains(&b')')
            {
                range.start += 1;
            }
            // `window 245 572 1642 frames`: three numbers, if nothing speaks of somebody.
            let bare = entity == Entity::Phone
                && !chain.plus
                && part == [3, 3, 4]
                && chain.before[..3] == [0, BLANK, BLANK];
            if bare && context.0 != Context::Phone {
                found.doubts.add(range, entity);
            } else {
                found.add(range, entity);
            }
            return Some(end);
        }
        used -= part[count - 1] as usize;
        if used < 7 {
            break;
        }
    }
    let digits = &chain.digits[..chain.count];
    let single = groups.len() == 1 && !chain.plus && (10..=15).contains(&digits.len());
    // Milliseconds since 1970 are none, and nobody's number of ten digits begins with a one.
    let time = digits[0] == b'1' && matches!(digits.len(), 10 | 13);
    if single && !time && digits[0] != b'0' && is_of_a_trade(text, &chain.range) {
        found.add(chain.range.clone(), Entity::Phone);
        return Some(chain.range.end);
    }
    None
}

/// `"from":"393430209027"` in a line of those who send messages to telephones: the word right before it is one of direction, and
/// another one near it is of the trade.
fn is_of_a_trade(text: &[u8], number: &Range<usize>) -> bool {
    #[rustfmt::skip]
    const KEYS: &[&[u8]] = &[
        b"from", b"to", b"sender", b"recipient", b"destination", b"source", b"number", b"destination_addr", b"source_addr", b"dest_addr", b"dest", b"subscriber",
        b"called", b"calling", b"mo", b"mt",
    ];
    #[rustfmt::skip]
    static TRADE: Within = Within::new(&[
        b"whatsapp", b"smpp", b"smsc", b"sms", b"vonage", b"twilio", b"nexmo", b"msisdn", b"submit_sm", b"deliver_sm", b"short_message", b"messagebird", b"infobip",
        b"shortcode", b"mobilephone", b"imsi",
    ]);
    let left = &text[number.start.saturating_sub(160)..number.start];
    let left = &left[memchr::memrchr(b'\n', left).map_or(0, |at| at + 1)..];
    let name = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    let Some(last) = left.iter().rposition(name) else { return false };
    let first = left[..last].iter().rposition(|byte| !name(byte)).map_or(0, |at| at + 1);
    let key = &left[first..=last];
    if left.len() - last > 6 || !KEYS.iter().any(|it| key.eq_ignore_ascii_case(it)) {
        return false;
    }
    let right = &text[number.end..text.len().min(number.end + 96)];
    let right = &right[..memchr::memchr(b'\n', right).unwrap_or(right.len())];
    let mut small = [0u8; 256];
    let (one, two) = small.split_at_mut(left.len());
    one.copy_from_slice(left);
    two[..right.len()].copy_from_slice(right);
    small.make_ascii_lowercase();
    TRADE.any(&small[..left.len() + right.len()])
}

/// `1234567 ns`, `12345678 entries`, `mobile/12345678`: no telephone number, whatever the words before it.
fn is_amount(text: &[u8], start: usize, end: usize) -> bool {
    #[rustfmt::skip]
    const UNITS: &[&[u8]] = &[
        b"ns", b"us", b"ms", b"s", b"sec", b"seconds", b"bytes", b"kb", b"mb", b"px", b"entries", b"rows", b"items", b"lines", b"records", b"requests", b"messages",
        b"events", b"times", b"ticks", b"cycles", b"hits", b"pages", b"files", b"objects", b"blocks", b"packets", b"connections", b"tokens", b"nodes", b"jobs",
    ];
    let after =
        text[end..].iter().skip(1).take(10).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let unit =
        || UNITS.iter().any(|unit| text[end + 1..end + 1 + after].eq_ignore_ascii_case(unit));
    let path = start >= 2 && text[start - 1] == b'/' && text[start - 2].is_ascii_alphabetic();
    // `23.10.348-rc1`: a version.
    let version = matches!(text.get(end), Some(b'-' | b'+'))
        && text.get(end + 1).is_some_and(u8::is_ascii_alphabetic)
        && text[start..end].contains(&b'.');
    path || version || text.get(end) == Some(&b' ') && unit()
}

fn end_of(text: &[u8], chain: &Chain, count: usize) -> usize {
    if count == chain.group_count {
        return chain.range.end;
    }
    let mut at = chain.range.start;
    for group in &chain.groups[..count] {
        while !text[at].is_ascii_digit() {
            at += 1;
        }
        at += *group as usize;
    }
    at
}

fn entity_of(
    groups: &[u8],
    digits: &[u8],
    chain: &Chain,
    (said, far): (Context, u8),
) -> Option<Entity> {
    use Context::{Card, Iban, National, Nothing, Other, Phone, Ssn, Unknown};
    let between = if groups.len() == 1 { &[] } else { &chain.before[..groups.len()] };
    let seps = between.iter().fold(0, |all, one| all | one);
    let single = groups.len() == 1;
    let ones = groups.len() > 1 && groups.iter().all(|group| *group == 1);
    let listed = seps & (LIST | ODD) != 0;
    // Cards.
    let card = (12..=19).contains(&digits.len()) && !chain.plus && seps & (PAREN | SLASH) == 0;
    if card && (said == Card || is_card(digits)) {
        let even = matches!(
            groups,
            [4, 4, 4, 4]
                | [4, 6, 5]
                | [4, 4, 4, 4, 3]
                | [4, 6, 4]
                | [8, 8]
                | [4, 4, 5]
                | [4, 3, 3, 3]
        );
        let uniform = between.iter().skip(2).all(|sep| *sep == between[1]);
        let card = is_card(digits);
        if said == Card
            && digits.len() >= 13
            && far <= 2
            && (card || even && seps & LIST == 0 || single && far == 0)
        {
            return Some(Entity::Card);
        }
        if said != Other
            && card
            && (!listed || even && uniform)
            && (single
                || even
                || said == Card
                || uniform && seps & DOT == 0 && groups.iter().all(|group| (3..=8).contains(group)))
        {
            return Some(Entity::Card);
        }
        if said == Other && card && even && !single && far > 1 {
            return Some(Entity::Card);
        }
    }
    if listed {
        return (said == Ssn && groups == [3, 2, 4]).then_some(Entity::Ssn);
    }
    match said {
        Unknown if !chain.plus && !digits.starts_with(b"00") => {
            return strong(groups, digits, seps);
        }
        Other if far == 0 || !chain.plus => {
            return strong(groups, digits, seps).filter(|_| far > 0);
        }
        Ssn if digits.len() == 9 && (far == 0 || groups == [3, 2, 4]) => return Some(Entity::Ssn),
        National if (8..=18).contains(&digits.len()) && (far == 0 || national::any(digits)) => {
            return Some(Entity::NationalId);
        }
        Iban if (8..=20).contains(&digits.len()) && far == 0 => return Some(Entity::Iban),
        _ => {}
    }
    if groups == [3, 2, 4]
        && is_ssn(digits)
        && (seps == DASH || (seps == BLANK || seps == DOT) && said == Ssn)
    {
        return Some(Entity::Ssn);
    }
    if let Some(entity) = strong(groups, digits, seps) {
        return Some(entity);
    }
    // Telephone numbers. None of another country begins with a zero; a time zone does.
    if chain.plus && digits[0] == b'0' {
        return None;
    }
    let nanp = |ten: &[u8]| ten.len() == 10 && ten[0] >= b'2' && ten[3] >= b'2';
    // `122.0.6261.64`: a version.
    let version = seps == DOT && (groups.contains(&1) || far > 0 && digits[0] != b'0');
    let near = match (single, digits.len()) {
        (true, ..9) => 0,
        (true, _) => 1,
        _ => 2,
    };
    let awaited = said == Phone && !version && far <= near;
    if chain.plus && (8..=15).contains(&digits.len()) && (!single || digits.len() >= 10 || awaited)
    {
        return Some(Entity::Phone);
    }
    if matches!(groups, [3, 3, 4]) && seps & SLASH == 0 && (nanp(digits) || awaited) {
        return Some(Entity::Phone);
    }
    if matches!(groups, [1, 3, 3, 4]) && digits[0] == b'1' && nanp(&digits[1..]) {
        return Some(Entity::Phone);
    }
    let even = between.iter().skip(2).all(|sep| *sep == between[1]);
    if ones && even && (7..=15).contains(&digits.len()) && seps & (DOT | SLASH) == 0 {
        return match said {
            Ssn if digits.len() == 9 => Some(Entity::Ssn),
            _ => Some(Entity::Phone),
        };
    }
    // `0044 20 7946 0018`, `020 7946 0018`, `07700 900123`, `0171/1234567`: the forms of countries that write no other number so.
    let national = match (groups, seps) {
        ([4 | 5, 2..=4, 3..=8], BLANK | DASH) | ([4, 2 | 3, 3 | 4, 3 | 4], BLANK | DASH) => {
            digits.starts_with(b"00") && digits[2] != b'0' && (11..=15).contains(&digits.len())
        }
        ([4 | 5, 9..=11], BLANK) => {
            digits.starts_with(b"00") && digits[2] != b'0' && (13..=15).contains(&digits.len())
        }
        // `(11) 92381-1644`
        ([2, 5, 4], _) => between[0] == PAREN && between[2] == DASH && digits[2] == b'9',
        ([3, 4, 4], BLANK) => matches!(&digits[..3], b"020" | b"023" | b"024" | b"028" | b"029"),
        ([5, 6], BLANK) => digits.starts_with(b"07"),
        ([4, 7 | 8], SLASH) => matches!(&digits[..3], b"015" | b"016" | b"017"),
        _ => false,
    };
    if national && said != Other {
        return Some(Entity::Phone);
    }
    // `00 49 30 ...`, `0049...`, `(0)30 ...`.
    if digits.starts_with(b"00") && (11..=16).contains(&digits.len()) && said != Nothing && awaited
    {
        return Some(Entity::Phone);
    }
    (awaited && (7..=15).contains(&digits.len()) && !looks_like_time(groups, digits))
        .then_some(Entity::Phone)
}

/// Numbers of a form of their own that their check digits confirm.
fn strong(groups: &[u8], digits: &[u8], seps: u8) -> Option<Entity> {
    let formed = match (groups, seps) {
        ([3, 3, 3, 2], _) if seps == DOT | DASH => national::cpf(digits),
        ([2, 3, 3, 4, 2], _) if seps == DOT | DASH | SLASH => national::cnpj(digits),
        ([3, 4, 4, 2], DOT) => digits.starts_with(b"756") && national::ean13(digits),
        ([2, 2, 2, 3, 2], _) if seps == DOT | DASH => national::belgian(digits),
        ([1, 2, 2, 2, 3, 3, 2], BLANK) => national::nir(digits),
        ([6 | 8, 4], DASH) => national::personnummer(digits),
        _ => false,
    };
    formed.then_some(Entity::NationalId)
}

/// `2015 07 29 12 30`, `20150729`: a time, though a telephone number is awaited.
fn looks_like_time(groups: &[u8], digits: &[u8]) -> bool {
    let year = matches!(digits[..2], [b'1', b'9'] | [b'2', b'0']);
    year && (groups.first() == Some(&4) && groups.get(1) == Some(&2)
        || groups.len() == 1 && digits.len() == 14)
}

/// An account number whose check digits begin at `at`; where it ends.
fn iban(text: &[u8], at: usize, found: &mut Found<'_>) -> Option<usize> {
    let country = [text[at - 2], text[at - 1]];
    if !country.iter().all(u8::is_ascii_alphabetic)
        || text::before(text, at - 2).is_some_and(|byte| is_word(byte) || byte == b'_')
    {
        return None;
    }
    let want = iban_length(country.map(|byte| byte.to_ascii_uppercase()))?;
    let mut compact = [0u8; 34];
    let mut count = 0;
    let mut step = at - 2;
    while count < want && step < text.len() {
        let byte = text[step];
        if byte.is_ascii_alphanumeric() {
            compact[count] = byte;
            count += 1;
        } else if !matches!(byte, b' ' | b'-' | b'.')
            || count == 0
            || !text.get(step + 1).is_some_and(u8::is_ascii_alphanumeric)
        {
            break;
        }
        step += 1;
    }
    if count != want || text.get(step).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let said = context(text, at - 2) == (Context::Iban, 0);
    if is_iban(&compact[..count]) || said {
        found.add(at - 2..step, Entity::Iban);
        return Some(step);
    }
    None
}
