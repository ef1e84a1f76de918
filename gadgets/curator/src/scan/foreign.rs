//! Keys in scripts without capitals and small letters of `a` to `z`: looked for only in texts that have bytes above 0x7f.

use super::{Found, dates, people, text};
use crate::entity::Entity::{self, Address, BirthDate, Name, NationalId, Phone};

#[rustfmt::skip]
const KEYS: &[(&str, Entity)] = &[
    ("氏名", Name), ("姓名", Name), ("お名前", Name), ("名前", Name), ("收件人", Name), ("收货人", Name), ("联系人", Name), ("寄件人", Name), ("收款人", Name), ("持卡人", Name),
    ("이름", Name), ("성명", Name), ("받는 사람", Name), ("меня зовут", Name), ("мене звати", Name), ("ФИО", Name), ("фио", Name), ("Клиент", Name), ("клиент", Name),
    ("Получатель", Name), ("получатель", Name), ("Отправитель", Name), ("Пациент", Name), ("пациент", Name), ("Клієнт", Name), ("με λένε", Name), ("ονομάζομαι", Name), ("Πελάτης", Name), ("Ονοματεπώνυμο", Name),
    ("дата рождения", BirthDate), ("Дата рождения", BirthDate), ("дата народження", BirthDate), ("生年月日", BirthDate), ("出生日期", BirthDate), ("생년월일", BirthDate), ("ημερομηνία γέννησης", BirthDate),
    ("адрес", Address), ("Адрес", Address), ("адреса", Address), ("地址", Address), ("住所", Address), ("주소", Address), ("διεύθυνση", Address),
    ("СНИЛС", NationalId), ("ИНН", NationalId), ("паспорт", NationalId), ("身份证号", NationalId), ("身份证", NationalId), ("マイナンバー", NationalId), ("주민등록번호", NationalId),
    ("телефон", Phone), ("Телефон", Phone), ("电话", Phone), ("電話番号", Phone), ("电话号码", Phone), ("手机", Phone), ("手机号", Phone), ("전화", Phone), ("τηλέφωνο", Phone),
];

/// The first two bytes of the keys, mixed.
static BEGIN: [bool; 256] = {
    let mut begin = [false; 256];
    let mut nth = 0;
    while nth < KEYS.len() {
        begin[mixed(KEYS[nth].0.as_bytes(), 0) as usize] = true;
        nth += 1;
    }
    begin
};

const fn mixed(text: &[u8], at: usize) -> u8 {
    text[at].wrapping_mul(37) ^ text[at + 1] ^ text[at + 2].wrapping_mul(5)
}

/// No value of these is longer.
const MOST: usize = 192;

/// Looks at the values of the keys in a text.
pub(super) fn scan(text: &[u8], found: &mut Found<'_>) {
    let mut at = 0;
    while at + 3 < text.len() {
        let byte = text[at];
        if byte >= 0xc4
            && BEGIN[usize::from(mixed(text, at))]
            && let Some((key, entity)) = key(text, at)
        {
            at = value(text, at + key.len(), *entity, found);
        } else {
            at += 1;
        }
    }
}

/// The longest key there. Words of Chinese, Japanese and Korean stand beside each other.
fn key(text: &[u8], at: usize) -> Option<&'static (&'static str, Entity)> {
    let alone = text[at] >= 0xe3 || text::before(text, at).is_none_or(|byte| byte < 0x80);
    let here = |it: &&(&str, Entity)| alone && text[at..].starts_with(it.0.as_bytes());
    KEYS.iter().filter(here).max_by_key(|it| it.0.len())
}

/// Looks at the value after a key; where to go on.
fn value(text: &[u8], end: usize, entity: Entity, found: &mut Found<'_>) -> usize {
    let wide = usize::from(text[end..].starts_with("：".as_bytes()));
    let gap = text::gap(text, end + 3 * wide);
    let at = gap.at;
    if at == end {
        return end;
    }
    let told = gap.sign || wide > 0 || gap.quote.is_some();
    let rest = &text[at..text.len().min(at + MOST)];
    let digits = |part: &[u8]| part.iter().filter(|byte| byte.is_ascii_digit()).count();
    let length = match entity {
        BirthDate => dates::date(rest).unwrap_or(0),
        Name if rest.first().is_some_and(|byte| *byte >= 0xe3) => {
            east(rest).filter(|_| told).unwrap_or(0)
        }
        Name => {
            people::introduced(text, at, found);
            return at;
        }
        Address => {
            let part = field(rest);
            if told && (digits(part) > 0 || part.len() > 12 && part[0] >= 0xe3) {
                part.len()
            } else {
                0
            }
        }
        Phone | NationalId => {
            let part = |byte: &&u8| {
                byte.is_ascii_alphanumeric()
                    || matches!(byte, b' ' | b'-' | b'+' | b'(' | b')' | b'.')
            };
            let part = &rest[..rest.iter().take(28).take_while(part).count()];
            let last =
                part.iter().rposition(|byte| byte.is_ascii_digit() || matches!(byte, b'X' | b'x'));
            let part = &part[..last.map_or(0, |last| last + 1)];
            if digits(part) > 6 && part.iter().filter(|byte| byte.is_ascii_alphabetic()).count() < 4
            {
                part.len()
            } else {
                0
            }
        }
        _ => 0,
    };
    found.add(at..at + length, entity);
    at + length
}

/// As far as a sign between fields, of whatever width.
fn field(rest: &[u8]) -> &[u8] {
    let mut at = 0;
    while at < rest.len() && !stops(rest, at) && !matches!(rest[at], b';') {
        at += 1;
    }
    rest[..at].trim_ascii_end()
}

fn stops(rest: &[u8], at: usize) -> bool {
    let wide = ["，", "。", "；", "（", "）", "【", "」", "、"];
    matches!(rest[at], b'\n' | b'\r' | b'"' | b'\'' | b'\\' | b'|' | b'<' | b'}' | b']' | b'\t')
        || rest[at] >= 0xe3 && wide.iter().any(|sign| rest[at..].starts_with(sign.as_bytes()))
}

/// A name of two to eight characters, with one blank among them at most.
fn east(rest: &[u8]) -> Option<usize> {
    let (mut at, mut blanks) = (0, 0);
    while at < rest.len() && !stops(rest, at) {
        match rest[at] {
            b' ' if blanks == 0
                && at <= 9
                && rest.get(at + 1).is_some_and(|byte| *byte >= 0xe3) =>
            {
                // What comes after is a key, or the given name.
                if key(rest, at + 1).is_some()
                    || field(&rest[at + 1..]).iter().take(13).any(|byte| *byte == b':')
                {
                    break;
                }
                blanks += 1;
                at += 1;
            }
            0xe3.. => at += 3,
            _ => break,
        }
    }
    (6..=25).contains(&at).then_some(at.min(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_where_its_field_does() {
        for (text, want) in [
            ("山田太郎，电话", Some(12)),
            ("山田 太郎 電話番号: 1", Some(13)),
            ("山田太郎 電話: 1", Some(12)),
            ("山", None),
            ("山田\n太郎", Some(6)),
        ] {
            assert_eq!(east(text.as_bytes()), want, "{text}");
        }
    }
}
