//! Values that must be hidden, in the forms that logs have them in. None belongs to anyone.

use crate::people::{capital, given, plain, surname};
use crate::rng::Rng;

pub(crate) const HEX: &str = "0123456789abcdef";
pub(crate) const ALNUM: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const BASE64: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/";
const URL64: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
pub(crate) const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
pub(crate) const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";

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
    match rng.below(if bare { 34 } else { 30 }) {
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
        18 => format!("00{}{s}{}{s}{}", rng.between(30, 49), rng.digits(3), rng.digits(6)),
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
        30 => format!("{}{}", rng.between(30, 99), rng.digits(10)),
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

const COMPANIES: &str = "acme globex initrode umbrella hooli vandelay wonka stark wayne cyberdyne tyrell soylent massive aperture blue-sun \
    pied-piper oceanic gringotts wernham prestige dunder sterling nakatomi weyland monarch pearson northgate southbank riverside \
    lakeview hillcrest evergreen silverline brightpath clearwater stonebridge redwood cedar maple juniper harbor summit vertex apex zenith";

/// A company's host, in a domain.
pub(crate) fn domain(rng: &mut Rng) -> String {
    let end = rng.pick(&[
        "com", "com", "com", "org", "net", "io", "co.uk", "de", "fr", "es", "it", "nl", "eu", "ch",
        "edu", "gov", "dev", "info", "com.au", "co.in", "com.br", "se", "pl", "ca", "me", "app",
        "example", "test",
    ]);
    match rng.below(10) {
        0..3 => rng
            .pick(&[
                "gmail.com",
                "yahoo.com",
                "outlook.com",
                "hotmail.com",
                "icloud.com",
                "gmx.de",
                "web.de",
                "orange.fr",
                "mail.ru",
                "proton.me",
                "aol.com",
                "t-online.de",
                "libero.it",
                "qq.com",
            ])
            .to_owned(),
        3 => format!(
            "{}.{}.{end}",
            rng.word("mail smtp corp users eu staff students mx"),
            rng.word(COMPANIES)
        ),
        4 => format!(
            "{}{}.{end}",
            rng.word(COMPANIES),
            rng.word("bank shop health group labs tech media travel legal energy logistics")
        ),
        5 => format!(
            "{}-{}.{end}",
            rng.word(COMPANIES),
            rng.word("online group systems mail consulting europe")
        ),
        6 => format!("{}.{end}", plain(&surname(rng))),
        _ => format!("{}.{end}", rng.word(COMPANIES)),
    }
}

/// A mail address.
pub(crate) fn email(rng: &mut Rng) -> String {
    let (mut first, mut last) = (plain(&given(rng)), plain(&surname(rng)));
    for part in [&mut first, &mut last] {
        if part.is_empty() {
            part.push_str("kim");
        }
    }
    let local = match rng.below(14) {
        0..3 => format!("{first}.{last}"),
        3 => format!("{first}_{last}"),
        4 => format!("{}{last}", &first[..1]),
        5 => format!("{}.{last}", &first[..1]),
        6 => format!("{first}{}", rng.digits_between(1, 4)),
        7 => format!("{first}.{last}+{}", rng.word("news shop billing test work 2024 alerts spam")),
        8 => first,
        9 => format!("{last}{}", &first[..1]),
        10 => format!("{first}-{last}"),
        11 => rng.chars_between("abcdefghijklmnopqrstuvwxyz0123456789", 5, 12),
        12 => format!("{}.{}", capital(&first), capital(&last)),
        _ => format!("{last}.{first}"),
    };
    let mail = format!("{local}@{}", domain(rng));
    match rng.below(30) {
        0 => mail.to_uppercase(),
        1 => mail.replace('@', " at ").replace('.', " dot "),
        2 => mail.replace('@', rng.pick(&["[at]", "(at)", " (at) ", " [at] "])),
        3 | 4 => mail.replace('@', "%40"),
        5 => mail.replace('@', "\\u0040"),
        _ => mail,
    }
}

/// An address of the network.
pub(crate) fn ip(rng: &mut Rng) -> String {
    if rng.percent(15) {
        let groups = rng.between(2, 6);
        let parts: Vec<String> = (0..groups).map(|_| rng.chars_between(HEX, 1, 4)).collect();
        return format!(
            "{}::{}",
            rng.pick(&["2001:db8", "2a02:8108", "fe80", "2600:1f18"]),
            parts.join(":")
        );
    }
    match rng.below(5) {
        0 => format!("10.{}.{}.{}", rng.below(256), rng.below(256), rng.between(1, 254)),
        1 => format!("192.168.{}.{}", rng.below(256), rng.between(1, 254)),
        _ => format!(
            "{}.{}.{}.{}",
            rng.between(11, 223),
            rng.below(256),
            rng.below(256),
            rng.between(1, 254)
        ),
    }
}

const US_STREETS: &str = "Maple Oak Elm Cedar Washington Lincoln Park Main Lake Hill Sunset Jefferson River Church Mill Spring Walnut Chestnut \
    Highland Franklin Madison Prospect Ridge Meadow Union Broad Forest Willow Magnolia Juniper Bayview Kingsway Victoria";
const TOWNS: &str = "Springfield Portland Austin Denver Madison Salem Georgetown Fairview Clinton Arlington Bristol Dover Dayton Aurora Boise \
    Tucson Omaha Tulsa Raleigh Albany Trenton Savannah Lexington Eugene Fresno Leeds Sheffield Cardiff Norwich Exeter Perth";

/// A street address.
pub(crate) fn address(rng: &mut Rng) -> String {
    let number = rng.between(1, 9999);
    match rng.below(14) {
        0..6 => {
            let kind = rng.pick(&[
                "St", "Street", "Ave", "Avenue", "Rd", "Road", "Blvd", "Lane", "Ln", "Drive", "Dr",
                "Court", "Way", "Place", "Terrace", "St.", "Ave.",
            ]);
            let mut text = format!("{number} {} {kind}", rng.word(US_STREETS));
            if rng.percent(25) {
                text += &format!(
                    "{} {}",
                    rng.pick(&[", Apt", " Apt", ", Suite", " #", ", Unit"]),
                    rng.between(1, 99)
                );
            }
            if rng.percent(65) {
                text += &format!(", {}", rng.word(TOWNS));
                if rng.percent(80) {
                    text += &format!(
                        "{} {}",
                        rng.pick(&[
                            ", CA", ", TX", ", NY", ", IL", " OR", ", WA", ", FL", ", OH", " MA",
                            ", CO"
                        ]),
                        rng.digits(5)
                    );
                }
            }
            text
        }
        6 | 7 => {
            let code = format!(
                "{}{} {}{}",
                rng.chars("BCEGLMNSW", 2),
                rng.between(1, 28),
                rng.below(10),
                rng.chars("ABDEFGHJLN", 2)
            );
            let street = rng.word(US_STREETS);
            let kind = rng.pick(&[
                "High Street",
                "Road",
                "Close",
                "Gardens",
                "Crescent",
                "Lane",
                "Square",
                "Grove",
            ]);
            format!(
                "{} {street} {kind}, {} {code}",
                number % 300 + 1,
                rng.word("London Leeds Bristol York Bath Oxford Cardiff Glasgow")
            )
        }
        8 | 9 => {
            let street = rng.word("Hauptstraße Bahnhofstr. Gartenweg Schillerstraße Goethestr. Lindenallee Mozartgasse Ringstraße Marktplatz Birkenweg Bergstrasse Kirchweg");
            let town = rng
                .word("Berlin Hamburg München Köln Bremen Leipzig Wien Zürich Essen Bonn Ulm Graz");
            let mut text =
                format!("{street} {}{}", number % 200 + 1, rng.pick(&["", "", "a", "b"]));
            if rng.percent(70) {
                text += &format!(", {} {town}", rng.digits(5));
            }
            text
        }
        10 | 11 => {
            let street = rng.pick(&[
                "rue de la Paix",
                "avenue Victor Hugo",
                "rue des Lilas",
                "boulevard Voltaire",
                "chemin du Moulin",
                "rue Pasteur",
                "allée des Tilleuls",
                "place de la République",
                "quai Saint-Michel",
            ]);
            let mut text =
                format!("{}{} {street}", number % 150 + 1, rng.pick(&["", "", " bis", ","]));
            if rng.percent(70) {
                text += &format!(
                    ", {} {}",
                    rng.digits(5),
                    rng.word("Paris Lyon Nantes Lille Bordeaux Rennes Genève Bruxelles")
                );
            }
            text
        }
        12 => {
            let street = rng.pick(&[
                "Calle Mayor",
                "Avenida de la Constitución",
                "Calle de Alcalá",
                "Paseo de Gracia",
                "Via Roma",
                "Corso Italia",
                "Rua Augusta",
                "Plaza España",
                "Via Garibaldi",
            ]);
            format!(
                "{street}{} {}, {} {}",
                rng.pick(&["", ","]),
                number % 200 + 1,
                rng.digits(5),
                rng.word("Madrid Sevilla Roma Milano Lisboa Valencia Torino")
            )
        }
        _ => match rng.below(3) {
            0 => format!(
                "{} {}, {} {} {}",
                rng.word("Kerkstraat Dorpsstraat Molenweg Stationslaan"),
                number % 200 + 1,
                rng.digits(4),
                rng.chars(UPPER, 2),
                rng.word("Amsterdam Utrecht Rotterdam Gent")
            ),
            1 => format!("{} {number}", rng.pick(&["P.O. Box", "PO Box", "Postfach", "BP"])),
            _ => format!(
                "{} {}, {}",
                rng.word("Storgatan Drottninggatan Mannerheimintie Nowy-Świat Karl-Johans-gate"),
                number % 100 + 1,
                rng.word("Stockholm Oslo Helsinki Warszawa Göteborg")
            ),
        },
    }
}

/// A date of birth.
pub(crate) fn birth(rng: &mut Rng) -> String {
    let (y, m, d) = (rng.between(1930, 2012), rng.between(1, 12), rng.between(1, 28));
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const SHORT: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const OTHER: [[&str; 12]; 3] = [
        [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ],
        [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ],
        [
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ],
    ];
    match rng.below(16) {
        0..5 => format!("{y}-{m:02}-{d:02}"),
        5 | 6 => format!("{m:02}/{d:02}/{y}"),
        7 | 8 => format!("{d:02}.{m:02}.{y}"),
        9 => format!("{d:02}/{m:02}/{y}"),
        10 => format!("{} {d}, {y}", MONTHS[m - 1]),
        11 => format!("{d} {} {y}", SHORT[m - 1]),
        12 => format!("{d}{} {} {y}", rng.pick(&["", "."]), OTHER[rng.below(3)][m - 1]),
        13 => format!("{y}{m:02}{d:02}"),
        14 => format!("{d:02}-{}-{y}", SHORT[m - 1]),
        _ => format!("{d:02}-{m:02}-{y}"),
    }
}

/// A password.
pub(crate) fn password(rng: &mut Rng) -> String {
    let word = rng.word("summer winter dragon monkey sunshine letmein welcome admin qwerty football shadow master changeme hunter secret tiger \
        purple coffee london berlin orange rocket silver thunder banana pa55word s3cret pepper kitten");
    match rng.below(10) {
        0 => format!("{}{}", capital(word), rng.digits_between(2, 4)),
        1 => format!("{}{}{}", capital(word), rng.between(1, 2026), rng.chars("!$#*?", 1)),
        2 => format!("{word}{}", rng.digits_between(1, 6)),
        3 => word.to_owned(),
        4 => rng.chars_between(
            "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!#$%*-_+",
            8,
            20,
        ),
        5 => format!("{}@{}", capital(word), rng.digits(3)),
        6 => rng.chars_between(ALNUM, 8, 24),
        7 => format!(
            "{}-{}-{}",
            word,
            rng.word("horse battery staple cloud river stone paper glass"),
            rng.word("correct happy quick lazy brave")
        ),
        8 => rng.digits_between(4, 8),
        _ => {
            let mixed: String = word
                .chars()
                .map(|c| match c {
                    'a' => '4',
                    'e' => '3',
                    'o' => '0',
                    'i' => '!',
                    _ => c,
                })
                .collect();
            capital(&mixed) + &rng.chars("!?.$&*#", 1) + &rng.digits(1)
        }
    }
}

/// A key or token of a vendor's API.
pub(crate) fn vendor_key(rng: &mut Rng) -> String {
    let an = |rng: &mut Rng, n: usize| rng.chars(ALNUM, n);
    match rng.below(30) {
        0..3 => format!(
            "{}{}",
            rng.pick(&["AKIA", "ASIA"]),
            rng.chars("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
        ),
        3 | 4 => format!("{}{}", rng.pick(&["ghp_", "gho_", "ghs_", "ghu_"]), an(rng, 36)),
        5 => format!("github_pat_{}_{}", an(rng, 22), an(rng, 59)),
        6 => format!("glpat-{}", rng.chars(URL64, 20)),
        7..9 => format!(
            "{}{}",
            rng.pick(&["sk_live_", "sk_test_", "rk_live_", "pk_live_", "whsec_"]),
            an(rng, 24)
        ),
        9 => format!("xoxb-{}-{}-{}", rng.digits(12), rng.digits(12), an(rng, 24)),
        10 => format!("xox{}-{}-{}", rng.pick(&["p", "a", "r", "s"]), rng.digits(11), an(rng, 32)),
        11..13 => format!("AIza{}", rng.chars(URL64, 35)),
        13 => format!("ya29.{}", rng.chars(URL64, 60)),
        14 => format!("SG.{}.{}", rng.chars(URL64, 22), rng.chars(URL64, 43)),
        15 => format!("npm_{}", an(rng, 36)),
        16 => format!("pypi-AgEIcHlwaS5vcmc{}", rng.chars(URL64, 50)),
        17 => format!(
            "{}{}",
            rng.pick(&["dop_v1_", "shpat_", "shpss_", "doo_v1_"]),
            rng.chars(HEX, 64)
        ),
        18 => format!("hf_{}", an(rng, 34)),
        19 | 20 => format!(
            "{}{}",
            rng.pick(&["sk-", "sk-proj-", "sk-ant-api03-", "sk-or-v1-"]),
            rng.chars(URL64, 48)
        ),
        21 => format!("key-{}", rng.chars(HEX, 32)),
        22 => format!("SK{}", rng.chars(HEX, 32)),
        23 => format!("{}:{}", rng.digits(9), rng.chars(URL64, 35)),
        24 => format!(
            "{}{}",
            rng.pick(&[
                "lin_api_",
                "figd_",
                "dckr_pat_",
                "vercel_",
                "sntrys_",
                "phc_",
                "tfp_",
                "rdme_",
                "ntn_"
            ]),
            an(rng, 40)
        ),
        25 => format!("hvs.{}", rng.chars(URL64, 90)),
        26 => format!("EAAC{}", an(rng, 80)),
        27 => format!("{}-us{}", rng.chars(HEX, 32), rng.between(1, 21)),
        28 => format!("eyJrIjoi{}=", an(rng, 60)),
        _ => format!("{}_{}", rng.chars_between(LOWER, 2, 5), an(rng, 40)),
    }
}

/// A key that only its context tells.
pub(crate) fn opaque_key(rng: &mut Rng) -> String {
    match rng.below(10) {
        0 => rng.chars(HEX, 32),
        1 => rng.chars(HEX, 40),
        2 => rng.chars(HEX, 64),
        3 => rng.chars(BASE64, 43) + "=",
        4 => rng.chars(BASE64, 40),
        5 => rng.chars_between(URL64, 20, 64),
        6 => rng.chars_between(ALNUM, 16, 48),
        7 => uuid(rng),
        8 => rng.chars(BASE64, 86) + "==",
        _ => rng.chars_between(ALNUM, 24, 40).to_uppercase(),
    }
}

/// A UUID.
pub(crate) fn uuid(rng: &mut Rng) -> String {
    [8, 4, 4, 4, 12].map(|len| rng.chars(HEX, len)).join("-")
}

/// A JSON web token.
pub(crate) fn jwt(rng: &mut Rng) -> String {
    let head = rng.pick(&[
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
        "eyJhbGciOiJSUzI1NiJ9",
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9",
    ]);
    format!("{head}.eyJ{}.{}", rng.chars_between(URL64, 30, 120), rng.chars(URL64, 43))
}

/// A private key, on one line or with its line ends escaped.
pub(crate) fn private_key(rng: &mut Rng) -> String {
    let kind = rng.pick(&[
        "RSA PRIVATE KEY",
        "PRIVATE KEY",
        "EC PRIVATE KEY",
        "OPENSSH PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
    ]);
    let end = rng.pick(&["\\n", "\\n", " ", "\\r\\n"]);
    let lines: Vec<String> = (0..rng.between(1, 4)).map(|_| rng.chars(BASE64, 64)).collect();
    format!("-----BEGIN {kind}-----{end}MII{}{end}-----END {kind}-----", lines.join(end))
}
