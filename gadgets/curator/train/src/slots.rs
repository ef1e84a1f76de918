//! What a `$slot` of a template stands for.

use gadget_curator::Entity;

use crate::line::{Text, url_escape};
use crate::machine::{
    ADJECTIVES, DAYS, MONTHS, NOUNS, PLACES, PRODUCTS, VERBS, class, clock, date, host, package,
    path, random, sentence, timestamp, version,
};
use crate::rng::Rng;
use crate::values::{self as v, HEX, LOWER, UPPER};
use crate::{numbers, people, records, secrets};

fn card_like(rng: &mut Rng) -> String {
    match rng.below(3) {
        0 => format!("{} {} {} {}", rng.digits(4), rng.digits(4), rng.digits(4), rng.digits(4)),
        1 => format!("{}-{}-{}-{}", rng.digits(4), rng.digits(4), rng.digits(4), rng.digits(4)),
        _ => rng.digits_between(13, 19),
    }
}

/// A number that looks like a value and is none.
fn look_alike(slot: &str, rng: &mut Rng) -> String {
    match slot {
        "fakessn" => format!("{}-{}-{}", rng.digits(3), rng.digits(2), rng.digits(4)),
        "fakephone" => match rng.below(4) {
            0 => format!("{}-{}", rng.digits(3), rng.digits(4)),
            1 => format!("{}-{}-{}", rng.digits(3), rng.digits(3), rng.digits(4)),
            2 => format!("{}.{}.{}", rng.digits(3), rng.digits(3), rng.digits(4)),
            _ => rng.digits(10),
        },
        // One in ten would have the check digit of a card: most of those are left to the cards.
        "fakecard" => loop {
            let text = card_like(rng);
            if !numbers::has_check_digit(&text) || rng.percent(20) {
                break text;
            }
        },
        "isbn" => match rng.below(3) {
            0 => format!(
                "978-{}-{}-{}-{}",
                rng.below(10),
                rng.digits(3),
                rng.digits(5),
                rng.below(10)
            ),
            1 => format!("97{}{}", rng.between(8, 9), rng.digits(10)),
            _ => format!("{}-{}-{}-X", rng.below(10), rng.digits(4), rng.digits(4)),
        },
        "tracking" => match rng.below(4) {
            0 => format!(
                "1Z{}{}",
                rng.chars("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 8),
                rng.digits(8)
            ),
            1 => format!("{}{}{}", rng.chars(UPPER, 2), rng.digits(9), rng.chars(UPPER, 2)),
            2 => rng.digits_between(12, 22),
            _ => format!("{} {} {}", rng.digits(4), rng.digits(4), rng.digits(4)),
        },
        "serial" => match rng.below(4) {
            0 => format!("{}{}-{}", rng.chars(UPPER, 2), rng.digits(4), rng.digits(6)),
            1 => rng.chars("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", 12),
            2 => format!(
                "{}-{}-{}-{}",
                rng.chars_between("0123456789ABCDEF", 4, 5),
                rng.digits(4),
                rng.digits(4),
                rng.digits(4)
            ),
            _ => format!("S/N {}", rng.digits_between(8, 12)),
        },
        "mac" => [2; 6].map(|len| rng.chars(HEX, len)).join(rng.pick(&[":", "-"])),
        "geo" => {
            format!("{}.{},{}.{}", rng.below(90), rng.digits(5), rng.below(180), rng.digits(5))
        }
        _ => format!("{}{}", rng.chars(UPPER, 2), rng.digits(18)),
    }
}

/// Words that are names too.
const AMBIGUOUS: &str = "Young Page Banks Cook Stone Woods Grant Mark Bill Will May June April Summer Chase Hunter Price Field Fields Case Law \
    Day Long Short Rich Best Power Bond Key Keys Root Branch Cross Gray Black White Green Brown Silver Gold Major Street Rivers Waters Lake \
    Hill Forest Park Wells Bridges Gates Chambers House Hall Church Castle Knight King Baker Walker Turner Parker Porter Miller Fisher Archer \
    Max Art Frank Rusty Sandy Hope Autumn Crystal Amber Pearl Reed Marsh Cliff Brook Ford Lane Bell Horn Sharp Flat Swift Small Little Cash \
    Sterling Marks Pound Penny";

/// Two or three capitalised words, one of which may be a name, that are nobody's.
fn title(rng: &mut Rng) -> String {
    let count = rng.between(2, 3);
    let named = if rng.percent(50) { rng.below(count) } else { count };
    let words: Vec<String> = (0..count)
        .map(|at| match rng.below(6) {
            _ if at == named => rng.word(AMBIGUOUS).to_owned(),
            0 => people::capital(random(rng, ADJECTIVES)),
            1 => people::capital(random(rng, VERBS)),
            _ => people::capital(random(rng, NOUNS)),
        })
        .collect();
    words.join(" ")
}

fn noise(slot: &str, rng: &mut Rng) -> Option<String> {
    Some(match slot {
        "int" => rng.digits_between(1, 7),
        "small" => rng.below(100).to_string(),
        "n4" => rng.digits(4),
        "n6" => rng.digits(6),
        "n9" => rng.digits(9),
        "n10" => rng.digits(10),
        "n12" => rng.digits(12),
        "id" => match rng.below(5) {
            0 => rng.digits_between(3, 12),
            1 => secrets::uuid(rng),
            2 => rng.chars(HEX, 24),
            3 => format!("{}-{}", rng.chars(UPPER, 3), rng.digits_between(3, 8)),
            _ => rng.chars_between("abcdefghijklmnopqrstuvwxyz0123456789", 6, 14),
        },
        "hex7" => rng.chars(HEX, 7),
        "hex8" => rng.chars(HEX, 8),
        "hex16" => rng.chars(HEX, 16),
        "hex32" => rng.chars(HEX, 32),
        "hex40" => rng.chars(HEX, 40),
        "hex64" => rng.chars(HEX, 64),
        "b64" => rng.chars_between("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 22, 44) + rng.pick(&["", "=", "=="]),
        "uuid" => secrets::uuid(rng),
        "ts" => timestamp(rng),
        "date" => date(rng),
        "clock" => clock(rng),
        "mon" => rng.word(MONTHS).to_owned(),
        "day" => rng.word(DAYS).to_owned(),
        "dom" => rng.between(1, 28).to_string(),
        "year" => rng.between(1990, 2035).to_string(),
        "host" => host(rng),
        "domain" => v::domain(rng),
        "path" => path(rng),
        "upath" => loop {
            let path = path(rng);
            if path.starts_with('/') {
                break path;
            }
        },
        "ip" => v::ip(rng),
        "port" => rng.between(20, 65535).to_string(),
        "pid" => rng.between(1, 99999).to_string(),
        "ms" => rng.below(30000).to_string(),
        "amount" => format!("{}.{}", rng.between(1, 9999), rng.digits(2)),
        "cur" => rng.word("USD EUR GBP CHF SEK JPY INR BRL").to_owned(),
        "float" => format!("{}.{}", rng.below(1000), rng.digits_between(1, 6)),
        "ver" => version(rng),
        "noun" => random(rng, NOUNS).to_owned(),
        "verb" => random(rng, VERBS).to_owned(),
        "adj" => random(rng, ADJECTIVES).to_owned(),
        "class" => class(rng),
        "pkg" => package(rng),
        "thread" => match rng.below(6) {
            0 => format!("http-nio-{}-exec-{}", rng.between(1000, 9999), rng.below(200)),
            1 => format!("{}-{}", class(rng), rng.below(64)),
            2 => format!("pool-{}-thread-{}", rng.below(20), rng.below(64)),
            3 => format!("Thread-{}", rng.below(500)),
            4 => "main".to_owned(),
            _ => format!("{}#{}", rng.word(NOUNS), rng.below(99)),
        },
        "svc" => format!("{}-{}", rng.word(NOUNS), rng.word("service api worker svc daemon job")),
        "login" => match rng.below(3) {
            0 => rng.word("root admin nobody www-data postgres jenkins deploy ubuntu guest oracle svc_backup test").to_owned(),
            1 => rng.chars_between(LOWER, 3, 8),
            _ => format!("{}{}", rng.chars(LOWER, 1), rng.digits(5)),
        },
        "level" => rng.word("INFO WARN ERROR DEBUG TRACE info warn error debug notice NOTICE WARNING FATAL").to_owned(),
        "product" => rng.pick(PRODUCTS).to_owned(),
        "place" => rng.pick(PLACES).to_owned(),
        "say" => sentence(rng),
        "title" => title(rng),
        "agent" => rng
            .pick(&["Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/121.0", "curl/8.4.0", "okhttp/4.12.0", "python-requests/2.31.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X)", "Go-http-client/2.0"])
            .to_owned(),
        "verbs" => rng.word("GET POST PUT DELETE PATCH HEAD").to_owned(),
        "code" => rng.pick(&["200", "201", "204", "301", "302", "400", "401", "403", "404", "409", "422", "429", "500", "502", "503"]).to_owned(),
        "fakessn" | "fakephone" | "fakecard" | "isbn" | "tracking" | "serial" | "mac" | "geo" => look_alike(slot, rng),
        "rng" => format!("{}-{}", rng.below(900), rng.digits(3)),
        "masked" => rng.pick(&["****1234", "XXXX-XXXX-XXXX-9911", "***-**-6789", "[REDACTED]", "<redacted>", "********", "j***@***.com", "none", "null"]).to_owned(),
        _ => return None,
    })
}

fn value(slot: &str, rng: &mut Rng) -> Option<Text> {
    let (text, entity) = match slot {
        "name" => (people::full_name(rng), Entity::Name),
        "given" => (people::given(rng), Entity::Name),
        "surname" => (people::surname(rng), Entity::Name),
        "email" => (v::email(rng), Entity::Email),
        "phone" => (numbers::phone(rng, false), Entity::Phone),
        "barephone" => (numbers::phone(rng, true), Entity::Phone),
        "ssn" => (numbers::ssn(rng), Entity::Ssn),
        "card" => (numbers::card(rng), Entity::Card),
        "iban" => (numbers::iban(rng), Entity::Iban),
        "nid" => (numbers::national(rng), Entity::NationalId),
        "cip" => (v::ip(rng), Entity::Ip),
        "addr" => (v::address(rng), Entity::Address),
        "dob" => (v::birth(rng), Entity::BirthDate),
        "pass" => (secrets::password(rng), Entity::Password),
        "vkey" => (secrets::vendor_key(rng), Entity::ApiKey),
        "okey" => (secrets::opaque_key(rng), Entity::ApiKey),
        "secret" => (
            if rng.percent(40) { secrets::password(rng) } else { secrets::opaque_key(rng) },
            Entity::Secret,
        ),
        "jwt" => (secrets::jwt(rng), Entity::Jwt),
        "pem" => (secrets::private_key(rng), Entity::PrivateKey),
        _ => return None,
    };
    Some(Text::value(text, entity))
}

/// What `slot` stands for this time.
///
/// # Panics
/// If no slot has the name: a slip in a template.
pub(crate) fn fill(slot: &str, rng: &mut Rng) -> Text {
    if let Some(of) = slot.strip_prefix("u_") {
        // Not twice.
        let text = loop {
            let text = fill(of, rng);
            if !text.0.iter().any(|piece| piece.text.contains("%40")) {
                break text;
            }
        };
        return text.map(url_escape);
    }
    if slot == "key" {
        return if rng.percent(50) { value("vkey", rng) } else { value("okey", rng) }
            .unwrap_or_default();
    }
    if let Some(value) = value(slot, rng) {
        return value;
    }
    if let Some(text) = noise(slot, rng) {
        return Text::plain(text);
    }
    if slot == "dsn" {
        return dsn(rng);
    }
    records::record(slot, rng)
        .unwrap_or_else(|| panic!("a template names ${slot}, which is no slot"))
}

/// Where and how to connect, with a password in it.
fn dsn(rng: &mut Rng) -> Text {
    let scheme = rng.pick(&[
        "postgres",
        "postgresql",
        "mysql",
        "mongodb",
        "mongodb+srv",
        "redis",
        "amqp",
        "https",
        "ftp",
        "jdbc:postgresql",
        "smtp",
        "clickhouse",
        "ldap",
    ]);
    let user =
        if rng.percent(20) { String::new() } else { noise("login", rng).unwrap_or_default() };
    let mut text = Text::plain(format!("{scheme}://{user}:"));
    let password = loop {
        let password = secrets::password(rng);
        if !password.contains(['@', '#', '/', '?', '%']) {
            break password;
        }
    };
    text.append(Text::value(password, Entity::Password));
    text.push(&format!("@{}:{}/{}", host(rng), rng.between(1000, 60000), rng.word(NOUNS)));
    text
}
