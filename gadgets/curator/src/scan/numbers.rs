//! Numbers: cards, social security numbers, telephone numbers, account numbers.

use std::ops::Range;

use super::Found;
use super::text::{self, LEFT, is_word};
use crate::entity::Entity;
use crate::validate::{iban_length, is_card, is_iban, is_ssn};

/// What the words to the left of a number say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Context {
    Card,
    Ssn,
    Phone,
    Iban,
    National,
    /// It is a number of something else.
    Other,
    Nothing,
}

const MOST_GROUPS: usize = 24;

/// A chain of groups of digits with single separators in between.
struct Chain {
    range: Range<usize>,
    digits: [u8; 32],
    count: usize,
    groups: [u8; MOST_GROUPS],
    group_count: usize,
    /// Each separator that is there: bit 0 blank, 1 dash, 2 dot, 3 parentheses, 4 other.
    separators: u8,
    plus: bool,
}

const BLANK: u8 = 1;
const DASH: u8 = 2;
const DOT: u8 = 4;
const PAREN: u8 = 8;
const SLASH: u8 = 16;

pub(super) fn all(text: &[u8], found: &mut Found<'_>) {
    let mut at = 0;
    // What is said of the numbers between here and the next letter: the words before them are the same.
    let mut said = Said::default();
    let mut ahead = digits(&text[..text.len().min(64)]);
    for base in (0..text.len()).step_by(64) {
        let here = ahead;
        ahead = digits(text.get(base + 64..).map_or(&[], |rest| &rest[..rest.len().min(64)]));
        let goes_on = text::before(text, base).is_some_and(|byte| byte.is_ascii_digit());
        let mut starts = here & !(here << 1 | u64::from(goes_on));
        while starts != 0 {
            let bit = starts.trailing_zeros();
            starts &= starts - 1;
            let start = base + bit as usize;
            if start < at {
                continue;
            }
            let after = run(text, start);
            let before = text::before(text, start);
            if before.is_some_and(|byte| is_word(byte) || byte == b'_') {
                // In a word: an account number, or nothing.
                let account = after - start >= 2 && start >= 2;
                let account = if account { iban(text, start, found) } else { None };
                at = account.unwrap_or_else(|| past_word(text, after));
                continue;
            }
            let window = (u128::from(ahead) << 64 | u128::from(here)) >> bit;
            at = if (window as u32 & WINDOW).count_ones() < 7 {
                after
            } else if let Some(end) = plain(text, start, after) {
                end
            } else {
                number(text, start, after, &mut said, found)
            };
        }
    }
}

/// A number of seven digits or more, as people write it, has seven of them in so many bytes.
const WINDOW: u32 = (1 << 20) - 1;

/// The end of a date, `2015-07-29`, or of an address or a version, `10.0.0.1`: the numbers that lines have most of.
fn plain(text: &[u8], at: usize, first: usize) -> Option<usize> {
    match (first - at, text.get(first)?) {
        (4, b'-' | b'/' | b'.') if matches!(text[at..at + 2], [b'1', b'9'] | [b'2', b'0']) => {
            let rest = text.get(first + 1..first + 6)?;
            let figures = [0, 1, 3, 4].iter().all(|nth| rest[*nth].is_ascii_digit());
            let ends = !text.get(first + 6).is_some_and(u8::is_ascii_digit);
            (figures && rest[2] == text[first] && ends).then_some(first + 6)
        }
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

/// One bit for each of at most 64 bytes: set for a digit.
fn digits(chunk: &[u8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let (words, rest) = chunk.as_chunks::<8>();
    let mut bits = 0;
    for (nth, word) in words.iter().enumerate() {
        // A digit less `0` is below 10: adding 118 leaves its highest bit clear.
        let word = u64::from_le_bytes(*word) ^ (0x30 * ONES);
        let above = ((word & (0x7f * ONES)) + (0x76 * ONES)) | word;
        let digits = (!above >> 7) & ONES;
        // The eight lowest bits of the eight bytes, in one byte.
        bits |= (digits.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * nth);
    }
    for (nth, byte) in rest.iter().enumerate() {
        bits |= u64::from(byte.is_ascii_digit()) << (8 * words.len() + nth);
    }
    bits
}

/// What the words before a number say, kept as long as no other word comes.
#[derive(Default)]
struct Said {
    until: usize,
    context: Option<Context>,
}

impl Said {
    fn of(&mut self, text: &[u8], at: usize) -> Context {
        match self.context {
            Some(context) if at < self.until => context,
            _ => {
                let context = context(text, at);
                let numbers = text[at..].iter().take(LEFT);
                let count = numbers.take_while(|byte| !is_word(**byte) || byte.is_ascii_digit());
                *self = Self { until: at + count.count(), context: Some(context) };
                context
            }
        }
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
    if !matches!(next, b' ' | b'-' | b'.' | b'(' | b')' | b'/') {
        if is_word(next) || next == b'_' {
            return past_word(text, first);
        }
        let plus = text::before(text, at) == Some(b'+');
        if first - at < 9 && !(plus && first - at >= 8) {
            return first;
        }
    }
    let mut chain = Chain {
        range: at..first,
        digits: [0; 32],
        count: 0,
        groups: [0; MOST_GROUPS],
        group_count: 0,
        separators: 0,
        plus: false,
    };
    let mut from = at;
    let mut to = first;
    if text::before(text, at) == Some(b'(') {
        chain.range.start = at - 1;
        chain.separators |= PAREN;
    }
    if text::before(text, chain.range.start) == Some(b'+') {
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
        // One separator, or `) `, or ` (`.
        let mut step = to;
        let (mut seen, mut between) = (0, 0);
        while seen < 2 && step < text.len() {
            let bit = match text[step] {
                b' ' => BLANK,
                b'-' => DASH,
                b'.' => DOT,
                b'(' | b')' => PAREN,
                b'/' => SLASH,
                _ => break,
            };
            if seen == 1 && bit != BLANK && bit != PAREN {
                break;
            }
            if seen == 1 && bit == BLANK && text[step - 1] == b' ' {
                break;
            }
            between |= bit;
            step += 1;
            seen += 1;
        }
        if seen == 0 || step >= text.len() || !text[step].is_ascii_digit() {
            break;
        }
        from = step;
        to = run(text, from);
        // A group that is the beginning of a word is not one of the number.
        if text.get(to).is_some_and(|byte| is_word(*byte) || *byte == b'_' || *byte == b':') {
            break;
        }
        chain.separators |= between;
    }
    if chain.count < 7 {
        return chain.range.end;
    }
    judge(text, &chain, said, found).unwrap_or(first)
}

/// Says what a chain is, trying its beginnings too; where to go on if it is something.
fn judge(text: &[u8], chain: &Chain, said: &mut Said, found: &mut Found<'_>) -> Option<usize> {
    let context = said.of(text, chain.range.start);
    let groups = &chain.groups[..chain.group_count];
    let mut used = chain.count;
    for count in (1..=groups.len()).rev() {
        let part = &groups[..count];
        let digits = &chain.digits[..used];
        if let Some(entity) = entity_of(part, digits, chain, context) {
            let end = end_of(text, chain, count);
            let mut range = chain.range.start..end;
            if chain.separators & PAREN != 0
                && text[range.start] == b'('
                && !text[range.clone()].contains(&b')')
            {
                range.start += 1;
            }
            found.add(range, entity);
            return Some(end);
        }
        used -= part[count - 1] as usize;
        if used < 7 {
            break;
        }
    }
    None
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

fn entity_of(groups: &[u8], digits: &[u8], chain: &Chain, context: Context) -> Option<Entity> {
    use Context::{Card, Iban, National, Nothing, Other, Phone, Ssn};
    let seps = chain.separators;
    let single = groups.len() == 1;
    let ones = groups.iter().all(|group| *group == 1);
    // Cards.
    if (12..=19).contains(&digits.len()) && !chain.plus && seps & (PAREN | SLASH) == 0 {
        let even = matches!(groups, [4, 4, 4, 4] | [4, 6, 5] | [4, 4, 4, 4, 3] | [4, 6, 4]);
        if context == Card && digits.len() >= 13 && (is_card(digits) || even || single) {
            return Some(Entity::Card);
        }
        if context != Other
            && is_card(digits)
            && (single || even || context != Nothing || groups.len() <= 6 && seps & DOT == 0)
        {
            return Some(Entity::Card);
        }
    }
    match context {
        Other => return None,
        Ssn if digits.len() == 9 => return Some(Entity::Ssn),
        National if digits.len() >= 8 => return Some(Entity::NationalId),
        Iban if digits.len() >= 8 => return Some(Entity::Iban),
        _ => {}
    }
    if groups == [3, 2, 4]
        && is_ssn(digits)
        && (seps == DASH || (seps == BLANK || seps == DOT) && context == Ssn)
    {
        return Some(Entity::Ssn);
    }
    // Telephone numbers.
    let nanp = |ten: &[u8]| ten.len() == 10 && ten[0] >= b'2' && ten[3] >= b'2';
    if chain.plus && (8..=15).contains(&digits.len()) {
        return Some(Entity::Phone);
    }
    if matches!(groups, [3, 3, 4]) && nanp(digits) && seps & SLASH == 0 {
        return Some(Entity::Phone);
    }
    if matches!(groups, [1, 3, 3, 4]) && digits[0] == b'1' && nanp(&digits[1..]) {
        return Some(Entity::Phone);
    }
    if ones && (7..=15).contains(&digits.len()) && seps & DOT == 0 {
        return Some(if context == Ssn { Entity::Ssn } else { Entity::Phone });
    }
    if context == Phone && (7..=15).contains(&digits.len()) {
        return Some(Entity::Phone);
    }
    None
}

/// The nearest word of at most four to the left that says something.
fn context(text: &[u8], at: usize) -> Context {
    let mut context = Context::Nothing;
    let mut left = 4;
    text::words_before(text, at, |word| {
        context = sense(word);
        left -= 1;
        context == Context::Nothing && left > 0
    });
    // `#123`, `v1.2`, `id-9`: a number of something.
    if context == Context::Nothing && matches!(text::before(text, at), Some(b'#')) {
        context = Context::Other;
    }
    context
}

fn sense(word: &[u8]) -> Context {
    match word {
        b"card" | b"cards" | b"pan" | b"cc" | b"ccn" | b"ccnum" | b"visa" | b"mastercard"
        | b"amex" | b"maestro" | b"discover" | b"creditcard" | b"debit" | b"credit"
        | b"cardnumber" | b"karte" | b"kreditkarte" | b"carte" | b"tarjeta" | b"cartao"
        | b"charged" | b"payment" | b"cardno" => Context::Card,
        b"ssn" | b"social" | b"socialsecurity" | b"itin" | b"tin" | b"taxpayer" | b"security" => {
            Context::Ssn
        }
        b"iban" | b"konto" | b"kontonummer" => Context::Iban,
        b"phone" | b"tel" | b"telephone" | b"mobile" | b"cell" | b"cellphone" | b"fax"
        | b"call" | b"called" | b"caller" | b"callback" | b"sms" | b"whatsapp" | b"msisdn"
        | b"dial" | b"dialed" | b"dialled" | b"ring" | b"telefon" | b"handy" | b"mobil"
        | b"telefono" | b"movil" | b"celular" | b"portable" | b"phonenumber" | b"mobilenumber"
        | b"text" | b"texted" | b"hotline" | b"contact" | b"telefone" | b"rufnummer"
        | b"numero" | b"reached" => Context::Phone,
        b"passport" | b"nhs" | b"dni" | b"nie" | b"nif" | b"cpf" | b"cnpj" | b"aadhaar"
        | b"sin" | b"bsn" | b"pesel" | b"personnummer" | b"steuerid" | b"nino" | b"tfn" => {
            Context::National
        }
        b"invoice" | b"order" | b"orders" | b"ticket" | b"batch" | b"ref" | b"reference"
        | b"version" | b"build" | b"id" | b"ids" | b"uid" | b"pid" | b"tid" | b"gid" | b"uuid"
        | b"case" | b"code" | b"error" | b"errno" | b"serial" | b"sku" | b"isbn" | b"tracking"
        | b"shipment" | b"parcel" | b"transaction" | b"txn" | b"trace" | b"span" | b"session"
        | b"sessionid" | b"block" | b"blk" | b"job" | b"task" | b"rev" | b"revision" | b"size"
        | b"bytes" | b"offset" | b"len" | b"length" | b"time" | b"ts" | b"timestamp" | b"port"
        | b"rows" | b"ms" | b"commit" | b"hash" | b"checksum" | b"part" | b"item" | b"product"
        | b"seq" | b"sequence" | b"zxid" | b"epoch" | b"lsn" | b"inode" | b"device" | b"addr"
        | b"package" | b"release" | b"model" | b"asset" | b"lot" | b"docket" | b"request"
        | b"orderid" | b"ean" | b"upc" | b"imei" | b"barcode" => Context::Other,
        _ => Context::Nothing,
    }
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
    let said = context(text, at - 2) == Context::Iban;
    if is_iban(&compact[..count]) || said {
        found.add(at - 2..step, Entity::Iban);
        return Some(step);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_marked_one_by_one() {
        let text: Vec<u8> = (0..=255).chain(*b"a1b22/0:9-").collect();
        for chunk in text.chunks(64).chain(text[3..].chunks(61)) {
            let marked = digits(chunk);
            for (at, byte) in chunk.iter().enumerate() {
                assert_eq!(marked >> at & 1 == 1, byte.is_ascii_digit(), "{byte} at {at}");
            }
        }
    }
}
