//! Numbers of people that must be hidden: cards, accounts, national numbers, telephones. None belongs to anyone.

use crate::rng::Rng;
use crate::values::{ALNUM, UPPER};

/// A card's number.
pub(crate) fn card(rng: &mut Rng) -> String {
    let (prefix, len) = match rng.below(20) {
        0..8 => (format!("4{}", rng.digits(3)), 16),
        8..13 => (format!("5{}{}", rng.between(1, 5), rng.digits(2)), 16),
        13 => (format!("2{}", rng.between(221, 720)), 16),
        14..16 => (rng.pick(&["34", "37"]).to_owned(), 15),
        16 => (rng.pick(&["6011", "6445", "65"]).to_owned(), 16),
        17 => (format!("35{}", rng.between(28, 89)), 16),
        18 => (rng.pick(&["36", "38", "300"]).to_owned(), 14),
        _ => (format!("4{}", rng.digits(2)), if rng.percent(50) { 13 } else { 19 }),
    };
    let mut digits = prefix.clone() + &rng.digits(len - prefix.len() - 1);
    digits.push(check_digit(&digits));
    let groups: &[usize] = match len {
        15 => &[4, 6, 5],
        14 => &[4, 6, 4],
        13 => &[4, 3, 3, 3],
        19 => &[4, 4, 4, 4, 3],
        _ => &[4, 4, 4, 4],
    };
    let separator = rng.pick(&["", "", "", " ", " ", "-", "-", ".", "_", "\u{a0}"]);
    grouped(&digits, groups, separator)
}

/// The last digit of a number that has Luhn's check.
fn check_digit(digits: &str) -> char {
    let sum: u32 = digits.bytes().rev().enumerate().fold(0, |sum, (i, digit)| {
        let digit = u32::from(digit - b'0');
        sum + if i % 2 == 1 {
            digit
        } else if digit > 4 {
            digit * 2 - 9
        } else {
            digit * 2
        }
    });
    char::from(b'0' + ((10 - sum % 10) % 10) as u8)
}

/// Whether its digits are so many as a card's and the last one is right.
pub(crate) fn has_check_digit(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let Some((last, head)) =
        digits.chars().next_back().map(|last| (last, &digits[..digits.len() - 1]))
    else {
        return false;
    };
    (13..=19).contains(&digits.len()) && check_digit(head) == last
}

fn grouped(text: &str, groups: &[usize], separator: &str) -> String {
    let mut rest = text;
    let mut parts = Vec::new();
    for len in groups {
        let (part, more) = rest.split_at((*len).min(rest.len()));
        parts.push(part);
        rest = more;
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts.retain(|part| !part.is_empty());
    parts.join(separator)
}

/// A social security number.
pub(crate) fn ssn(rng: &mut Rng) -> String {
    let mut area = rng.between(1, 899);
    if area == 666 {
        area = 667;
    }
    let (group, serial) = (rng.between(1, 99), rng.between(1, 9999));
    let separator = rng.pick(&["-", "-", "-", "-", " ", " ", ".", "", "", " - ", "\u{2013}", "/"]);
    format!("{area:03}{separator}{group:02}{separator}{serial:04}")
}

const BANKS: &[(&str, &str)] = &[
    ("DE", "dddddddddddddddddd"),
    ("GB", "UUUUdddddddddddddd"),
    ("FR", "ddddddddddddddddddddddd"),
    ("ES", "dddddddddddddddddddd"),
    ("IT", "Udddddddddddddddddddddd"),
    ("NL", "UUUUdddddddddd"),
    ("BE", "dddddddddddd"),
    ("CH", "dddddddddddddddddd"),
    ("AT", "dddddddddddddddd"),
    ("PL", "dddddddddddddddddddddddd"),
    ("PT", "ddddddddddddddddddddd"),
    ("SE", "dddddddddddddddddddd"),
    ("NO", "ddddddddddd"),
    ("DK", "dddddddddddddd"),
    ("FI", "dddddddddddddd"),
    ("IE", "UUUUdddddddddddddd"),
    ("LU", "dddddddddddddddddd"),
    ("MT", "UUUUdddddUUUdddddddddddddd"),
    ("TR", "dddddddddddddddddddddd"),
    ("RO", "UUUUdddddddddddddddd"),
    ("SA", "dddddddddddddddddddd"),
    ("AE", "ddddddddddddddddddd"),
];

/// A bank account's number.
pub(crate) fn iban(rng: &mut Rng) -> String {
    let (country, form) = BANKS[rng.below(BANKS.len())];
    let body: String =
        form.chars().map(|c| if c == 'd' { rng.digits(1) } else { rng.chars(UPPER, 1) }).collect();
    let rest = (body.clone() + country + "00").bytes().fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    let text = format!("{country}{:02}{body}", 98 - rest);
    match rng.below(20) {
        0..9 => text,
        9..17 => grouped(&text, &[4; 9], " "),
        17 => grouped(&text, &[4; 9], "-"),
        18 => text.to_lowercase(),
        _ => grouped(&text, &[4; 9], "\u{a0}"),
    }
}

/// Another number that a state gives a person.
pub(crate) fn national(rng: &mut Rng) -> String {
    let digits = |rng: &mut Rng, groups: &[usize], separator: &str| -> String {
        groups.iter().map(|len| rng.digits(*len)).collect::<Vec<_>>().join(separator)
    };
    match rng.below(18) {
        0 => {
            let s = rng.pick(&["", " "]);
            format!(
                "{}{s}{}{s}{}",
                rng.chars("ABCEGHJKLMNPRSTWXYZ", 2),
                digits(rng, &[2, 2, 2], s),
                rng.chars("ABCD", 1)
            )
        }
        1 => {
            let s = rng.pick(&[" ", "-", ""]);
            digits(rng, &[3, 3, 4], s)
        }
        2 => {
            let s = rng.pick(&[" ", "", "/"]);
            digits(rng, &[2, 3, 3, 3], s)
        }
        3 => format!(
            "{}{}{}",
            rng.digits(8),
            rng.pick(&["", "-"]),
            rng.chars("TRWAGMYFPDXBNJZSQVHLCKE", 1)
        ),
        4 => format!(
            "{}{}{}",
            rng.chars("XYZ", 1),
            rng.digits(7),
            rng.chars("TRWAGMYFPDXBNJZSQVHLCKE", 1)
        ),
        5 => {
            let s = rng.pick(&["", " "]);
            format!(
                "{}{s}{:02}{s}{:02}{s}{}",
                rng.between(1, 2),
                rng.below(99),
                rng.between(1, 12),
                digits(rng, &[2, 3, 3, 2], s)
            )
        }
        6 => format!(
            "{}{}{}{}{}{}",
            rng.chars(UPPER, 6),
            rng.digits(2),
            rng.chars("ABCDEHLMPRST", 1),
            rng.digits(2),
            rng.chars(UPPER, 1),
            rng.digits(3) + &rng.chars(UPPER, 1)
        ),
        7 => format!("{}.{}.{}-{}", rng.digits(3), rng.digits(3), rng.digits(3), rng.digits(2)),
        8 => {
            let s = rng.pick(&[" ", "-", ""]);
            digits(rng, &[4, 4, 4], s)
        }
        9 | 10 => rng.digits_between(9, 11),
        11 => format!(
            "{:02}{:02}{:02}{}{}",
            rng.between(30, 99),
            rng.between(1, 12),
            rng.between(1, 28),
            rng.pick(&["-", "+", ""]),
            rng.digits(4)
        ),
        12 => {
            let s = rng.pick(&[" ", "-", ""]);
            digits(rng, &[3, 3, 3], s)
        }
        13 => format!("{}{}", rng.chars(UPPER, 1), rng.digits(8)),
        14 => format!("{}{}", rng.chars(UPPER, 2), rng.digits(7)),
        15 => format!(
            "{}{}{}",
            rng.chars(UPPER, 4),
            rng.digits(6),
            rng.chars(ALNUM, 8).to_uppercase()
        ),
        16 => {
            format!("{} {}", rng.digits(2), digits(rng, &[6], ""))
                + &rng.chars(UPPER, 1)
                + &rng.digits(3)
        }
        _ => rng.chars("CFGHJKLMNPRTVWXYZ0123456789", 9),
    }
}

/// A telephone number; without a country and marks only where `bare`.
pub(crate) fn phone(rng: &mut Rng, bare: bool) -> String {
    let s = rng.pick(&[" ", "-", ".", " ", "-"]);
    let (a, b, c) = (rng.between(200, 989), rng.between(200, 999), rng.digits(4));
    match rng.below(if bare { 36 } else { 30 }) {
        0 => format!("({a}) {b}-{c}"),
        1 => format!("({a}){b}-{c}"),
        2..5 => format!("{a}{s}{b}{s}{c}"),
        5 => format!("1{s}{a}{s}{b}{s}{c}"),
        6..8 => format!("+1{s}{a}{s}{b}{s}{c}"),
        8 => format!("+1 ({a}) {b}-{c}"),
        9 => format!("+1{a}{b}{c}"),
        10 => format!("{a}{s}{b}{s}{c} {}{}", rng.pick(&["x", "ext ", "ext. "]), rng.digits(3)),
        11..18 => {
            let code = rng.pick(&[
                "44", "49", "33", "34", "39", "31", "32", "41", "43", "45", "46", "47", "48",
                "351", "353", "358", "420", "36", "30", "90", "91", "86", "81", "82", "61", "64",
                "55", "52", "54", "27", "234", "254", "971", "966", "972", "65", "852", "62", "63",
            ]);
            let mut out = format!("+{code}");
            if rng.percent(10) {
                out.push_str(" (0)");
            }
            let groups: &[usize] = match rng.below(9) {
                0 => &[2, 4, 4],
                1 => &[1, 2, 2, 2, 2],
                2 => &[3, 3, 3],
                3 => &[3, 7],
                4 => &[2, 3, 2, 2],
                5 => &[4, 6],
                6 => &[2, 6],
                7 => &[5, 5],
                _ => &[3, 4, 4],
            };
            let separator = if rng.percent(30) { "" } else { s };
            for len in groups {
                out = out + separator + &rng.digits(*len);
            }
            out
        }
        18 => match rng.below(4) {
            0 => format!("001-{a}-{b}-{c}"),
            1 => format!("00{} {}", rng.between(30, 99), rng.digits_between(8, 10)),
            2 => format!("+44(0){} {} {}", rng.digits(3), rng.digits(3), rng.digits(4)),
            _ => format!("00{}{s}{}{s}{}", rng.between(30, 49), rng.digits(3), rng.digits(6)),
        },
        19 => format!("07{}{}{}", rng.digits(3), rng.pick(&["", " "]), rng.digits(6)),
        20 => format!("020 {} {}", rng.digits(4), rng.digits(4)),
        21 => format!("01{}/{}", rng.between(51, 79), rng.digits(7)),
        22 => format!("0{} {}", rng.between(30, 899), rng.digits_between(5, 8)),
        23 => {
            let s = rng.pick(&[" ", ".", "-", ""]);
            format!(
                "0{}{s}{}{s}{}{s}{}{s}{}",
                rng.between(1, 7),
                rng.digits(2),
                rng.digits(2),
                rng.digits(2),
                rng.digits(2)
            )
        }
        24 => format!("6{} {} {}", rng.digits(2), rng.digits(3), rng.digits(3)),
        25 => format!("0{}-{}-{}", rng.between(3, 90), rng.digits(4), rng.digits(4)),
        26 => format!("+{} {}", rng.between(30, 99), rng.digits(10)),
        27 => spoken(rng),
        28 => full_width(&format!("{a}-{b}-{c}")),
        29 => format!("+{}{}", rng.between(30, 99), rng.digits_between(9, 11)),
        30 | 34 => format!("{}{}", rng.between(30, 99), rng.digits_between(9, 10)),
        35 => format!("0{}", rng.digits_between(8, 10)),
        31 => format!("{b}-{c}"),
        _ => format!("{a}{b}{c}"),
    }
}

/// As one says it.
fn spoken(rng: &mut Rng) -> String {
    const DIGITS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let digits: Vec<&str> = (0..rng.between(7, 11)).map(|_| DIGITS[rng.below(10)]).collect();
    digits.join(rng.pick(&[" ", " ", "-", ", "]))
}

fn full_width(text: &str) -> String {
    text.chars()
        .map(
            |c| if c.is_ascii_digit() { char::from_u32(c as u32 + 0xfee0).unwrap_or(c) } else { c },
        )
        .collect()
}
