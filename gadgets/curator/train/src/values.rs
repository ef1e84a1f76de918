//! Where people are reached and when they were born, in the forms that logs have it in. None belongs to anyone.

use crate::people::{capital, given, plain, surname};
use crate::rng::Rng;

pub(crate) const HEX: &str = "0123456789abcdef";
pub(crate) const ALNUM: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
pub(crate) const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
pub(crate) const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";

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

/// A town that no list has.
fn town(rng: &mut Rng) -> String {
    let name = surname(rng);
    match rng.below(12) {
        0 => format!("Port {name}"),
        1 => format!("{} {name}", rng.word("North South East West New Lake Saint San Santa Bad")),
        2 => {
            format!("{name}{}", rng.word("ville ton burgh stad ford shire mouth side view borough"))
        }
        3 => format!("Saint-{name}"),
        4 => format!("{name}-sur-{}", surname(rng)),
        5 => format!("{name} am {}", rng.word("See Main Rhein Inn Berg")),
        6 => format!("{name} de la {}", rng.word("Sierra Frontera Torre Ribera")),
        _ => name,
    }
}

/// A street that no list has, with its number.
fn street(rng: &mut Rng) -> String {
    let (name, number) = (surname(rng), rng.between(1, 999));
    match rng.below(8) {
        0..3 => format!(
            "{} {name} {}",
            rng.digits_between(1, 5),
            rng.word("Street Road Lane Avenue Hill Drive Way Spur Path Ridge Mews Walk Row View Trail Loop Pass Point Crossing Junction Plaza Hills Ports")
        ),
        3 => format!(
            "{} {}{} {number}",
            rng.word("Calle Avenida Rua Via Viale Piazza Avenue Boulevard Cours Ulica ul. Plac Strada Rue Chemin Callejón Pasaje Borgo Largo"),
            given(rng),
            if rng.percent(50) { format!(" {name}") } else { String::new() },
        ),
        4 => format!("{number}, {} {name}", rng.pick(&["rue", "rue de", "avenue", "boulevard", "chemin de", "place", "impasse", "via", "rua"])),
        5 => format!("{name}{} {number}", rng.word("straße str. weg gasse platz allee ring straat laan dreef baan hof gatan vägen gränd veien gata vej katu kuja tie")),
        6 => format!("{name}-{}-{} {number}", given(rng), rng.word("Straße Weg Platz Ring Allee")),
        _ => format!("{} {number}, {name} {}", rng.word("Flat Studio Unit Apt. Suite Block"), rng.word("House Court Gardens Hills Street Road")),
    }
}

/// As people of many countries write it, with or without a code and a town.
fn free_address(rng: &mut Rng) -> String {
    let mut text = street(rng);
    if rng.percent(15) {
        text += &format!(
            " {} {}",
            rng.word("Apt. Apto. Suite Puerta Piso Bus Hus"),
            rng.between(1, 99)
        );
    }
    if rng.percent(75) {
        let code = match rng.below(6) {
            0..3 => rng.digits_between(4, 6),
            3 => format!("{} {}", rng.digits(4), rng.chars(UPPER, 2)),
            4 => format!(
                "{}{} {}{}",
                rng.chars(UPPER, 2),
                rng.digits(1),
                rng.digits(1),
                rng.chars(UPPER, 2)
            ),
            _ => format!("{}-{}", rng.digits(2), rng.digits(3)),
        };
        let (before, between) = (rng.pick(&[", ", ", ", " - ", " "]), rng.pick(&[" ", " ", ", "]));
        let town = town(rng);
        text += &if rng.percent(60) {
            format!("{before}{code}{between}{town}")
        } else {
            format!("{before}{town}{between}{code}")
        };
    }
    text
}

/// A street address.
pub(crate) fn address(rng: &mut Rng) -> String {
    if rng.percent(40) {
        return free_address(rng);
    }
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
    match rng.below(18) {
        0..5 => format!("{y}-{m:02}-{d:02}"),
        15 => format!("{d:02}{}{:02}", SHORT[m - 1], y % 100),
        16 => format!("{y}{m:02}{d:02}"),
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
