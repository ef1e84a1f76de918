//! Secrets in the forms of those who issue them. None opens anything.

use crate::people::capital;
use crate::rng::Rng;
use crate::values::{ALNUM, HEX, LOWER};

const BASE64: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/";
const URL64: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

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
