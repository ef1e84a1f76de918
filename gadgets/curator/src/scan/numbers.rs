//! Numbers: cards, social security numbers, telephone numbers, account numbers.

use std::ops::Range;

use super::Found;
use super::text::{self, is_word};
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
    let end = text.len();
    while at < end {
        if !text[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        // Fewer than seven digits with nothing beside them are not looked at.
        let after = run(text, at);
        let first_before = text::before(text, at);
        if first_before.is_some_and(is_word) || first_before == Some(b'_') {
            // In a word: an account number, or nothing.
            if after - at >= 2
                && at >= 2
                && let Some(end) = iban(text, at, found)
            {
                at = end;
                continue;
            }
            at = past_word(text, after);
            continue;
        }
        at = number(text, at, after, found);
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
fn number(text: &[u8], at: usize, first: usize, found: &mut Found<'_>) -> usize {
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
        let mut seen = 0;
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
            chain.separators |= bit;
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
    }
    if chain.count >= 7 {
        judge(text, &chain, found).unwrap_or(first.max(at + 1))
    } else {
        chain.range.end.max(first)
    }
}

/// Says what a chain is, trying its beginnings too; where to go on if it is something.
fn judge(text: &[u8], chain: &Chain, found: &mut Found<'_>) -> Option<usize> {
    let context = context(text, chain.range.start);
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
