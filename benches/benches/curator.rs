//! The Curator's fast path beside regular expressions for the same kinds of value, in one run on the same lines, in CPU time of the
//! thread.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use anyhow::{Context as _, Result};
use gadget_benches::{Hyperscan, Limit, asked, median, print};
use gadget_core::thread_cpu;
use gadget_curator::{Scanner, Span};
use regex::bytes::{Regex, RegexSet, RegexSetBuilder};

const ROUNDS: usize = 5;
/// One line in so many has values, as where the lines come from.
const WITH_VALUES: usize = 50;
const BLOCK: usize = 64 << 10;
const CACHE: usize = 256 << 20;

/// What the scanner's rules look for, as far as an expression can say it: no checks of digits, and words to the left only where they are
/// beside the value.
#[rustfmt::skip]
const EXPRESSIONS: &[&str] = &[
    r"(?i)[a-z0-9._%+'-]{1,64}(?:@|%40)[a-z0-9.-]{1,128}\.[a-z]{2,24}\b",
    r"(?i)\b[a-z0-9._-]+ (?:at|\(at\)|\[at\]) [a-z0-9-]+(?: dot [a-z0-9-]+){1,3}",
    r"\b(?:\d[ .-]?){12,18}\d\b",
    r"\b\d{3}[- .]\d{2}[- .]\d{4}\b",
    r"(?i)\b(?:ssn|social.security|social)\b\W{1,4}(?:is |number )?\d{9}\b",
    r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}[ -]?[A-Z0-9]{1,4}\b",
    r"\+\d{1,3}[ .(-]{0,2}\d{1,4}(?:[ .)-]{0,2}\d{2,4}){2,4}\b",
    r"(?:\(\d{3}\)[ -]?|\b\d{3}[ .-])\d{3}[ .-]\d{4}\b",
    r"\b(?:\d[ -]){6,14}\d\b",
    r"(?i)\b(?:(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)[ -]){6,14}(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)\b",
    r"(?i)\b(?:phone|mobile|tel|telefon|call|sms|cell|fax|contact)\b[^0-9\n]{1,16}\d{7,15}\b",
    r"(?i)(?:client|user|customer|remote|login|visitor)[_ -]?ip(?:_?addr(?:ess)?)?\W{1,4}[0-9a-f.:]{3,39}",
    r"(?i)(?:session|logged in|login|signed in) from \d{1,3}(?:\.\d{1,3}){3}|x-(?:forwarded-for|real-ip)\W{1,4}[0-9a-f.:]{3,39}",
    r#"(?i)(?:user|customer|full|first|last|contact|patient|holder|)_?name["']?\s?[=:]\s?["']?\p{Lu}[\p{L}'-]+(?: \p{Lu}[\p{L}'.-]*){0,3}"#,
    r"\b(?:Mr|Mrs|Ms|Dr|Dear|Hello|Herr|Frau|Madame|Prof)\.? \p{Lu}[\p{L}'-]+(?: \p{Lu}[\p{L}'.-]*){0,3}",
    r"(?i:customer|patient|client|employee|member|holder|contact|recipient|sender|caller|kunde|cliente):? \p{Lu}[\p{L}'-]+(?: \p{Lu}[\p{L}'.-]*){1,3}",
    r"(?i: for| by| from| to| of| with| für| von| para) (?:Anna|Barbara|Betty|Brian|Carlos|Charles|Daniel|David|Donna|Elizabeth|George|James|Jennifer|John|Karen|Kevin|Linda|Maria|Mary|Michael|Nancy|Patricia|Paul|Peter|Robert|Sandra|Steven|Susan|Thomas|William) \p{Lu}[\p{L}'-]+",
    r"\b\d{1,5} (?:\p{Lu}[\p{L}'-]+ ){1,3}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Boulevard|Blvd|Drive|Court|Way|Square)\b",
    r#"(?i)(?:address|addr|street|adresse|direccion|anschrift)["']?\s?[=:]\s?"[^"\n]{5,96}""#,
    r"(?i)(?:dob|birth(?:day|date|_date)?|date.of.birth|born|geboren|geburtsdatum|nacimiento|naissance|nascimento)\W{1,4}(?:on |am )?\d{1,4}[-/. ](?:\d{1,2}|[a-z]{3,9})[-/. ]\d{2,4}",
    r#"(?i)(?:password|passwd|pwd|passphrase|passwort|contraseña|senha|mot_de_passe|pass)["']?\s?[=:]\s?["']?[^\s"',;&]{3,128}"#,
    r"[a-z][a-z0-9+.-]{1,16}://[^\s:/@]{0,64}:[^\s/@]{1,64}@",
    r#"(?i)(?:secret|token|api[_ -]?key|access[_ -]?key|private[_-]?key|auth[_-]?key|credential|signing_key|client_secret|sig)s?["']?\s?[=: ]\s?["']?[a-z0-9+/_=.~-]{8,256}"#,
    r"(?i)(?:authorization|bearer|basic)\W{1,4}[a-z0-9+/_=.~-]{12,512}",
    r"\b(?:ghp|gho|ghu|ghs|ghr|github_pat|glpat|npm|hf|dop_v1|shpat|glsa|sk_live|sk_test|rk_live|pk_live|whsec)[_-][A-Za-z0-9_-]{10,255}",
    r"\b(?:sk-|xox[abeprs]-|xapp-|sk-ant-|pypi-|AIza|SG\.|ya29\.|dapi|hvs\.|key-|nrak-|atatt3)[A-Za-z0-9._-]{16,255}",
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
    r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----",
    r"(?i)(?:passport|national.id|driver.?s?.licen[cs]e|tax.?id|codice.fiscale|dni|nie|nhs|bsn|pesel|cpf|aadhaar|personnummer)\W{1,4}(?:no\.? |number )?[a-z0-9][a-z0-9./ -]{5,22}\d",
];

fn main() -> Result<()> {
    if !asked("curator") {
        return Ok(());
    }
    let data = std::env::var_os("GADGET_DATA").unwrap_or_else(|| "../../shared/data".into());
    let folder = Path::new(&data).join("pii");
    let (plain, values) = (folder.join("plain_dev.jsonl"), folder.join("pii_dev.jsonl"));
    if !plain.is_file() || !values.is_file() {
        println!("SKIPPED curator: GADGET_DATA names no folder with the shared corpus");
        return Ok(());
    }
    let (plain, values) = (texts(&plain)?, texts(&values)?);
    // The untouched lines, with one in fifty that has values.
    let mixed: Vec<Vec<u8>> = plain
        .chunks(WITH_VALUES - 1)
        .zip(values.iter().cycle())
        .flat_map(|(plain, value)| plain.iter().chain([value]).cloned())
        .collect();
    for (name, lines) in [("plain", &plain), ("mixed", &mixed), ("values", &values)] {
        compare(name, lines)?;
    }
    worst(&mixed);
    let memory = Scanner::new().memory() as f64;
    print("curator/state", memory / 1024.0, "KiB", Limit::AtMost(1024.0), "");
    Ok(())
}

fn texts(path: &Path) -> Result<Vec<Vec<u8>>> {
    let file = fs::read_to_string(path)?;
    let text = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line)?;
        Ok(line["text"].as_str().context("a line without text")?.as_bytes().to_vec())
    };
    file.lines().map(text).collect()
}

/// CPU time of each, by the median of rounds that go through all of them in turn; the first round, which fills caches, is left out.
fn side_by_side<const N: usize>(mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut spent = [const { Vec::new() }; N];
    for round in 0..=ROUNDS {
        for (work, spent) in works.iter_mut().zip(&mut spent) {
            let before = thread_cpu();
            work();
            if round > 0 {
                spent.push((thread_cpu() - before).as_nanos() as f64);
            }
        }
    }
    spent.map(|mut it| median(&mut it).unwrap_or(f64::NAN))
}

fn compare(name: &str, lines: &[Vec<u8>]) -> Result<()> {
    let scanner = Scanner::new();
    let regexes: Vec<Regex> =
        EXPRESSIONS.iter().map(|it| Regex::new(it)).collect::<Result<_, _>>()?;
    let set: RegexSet =
        RegexSetBuilder::new(EXPRESSIONS).dfa_size_limit(CACHE).size_limit(CACHE).build()?;
    let joined = lines.join(&b'\n');
    let blocks: Vec<&[u8]> = blocks(&joined);
    let mut spans: Vec<Span> = Vec::new();
    let mut line_spans: Vec<Span> = Vec::new();
    let (mut ours_found, mut theirs_found, mut line_found) = (0, 0, 0);
    let [by_block, by_line, with_set, in_turn] = side_by_side([
        &mut || {
            ours_found = 0;
            for block in &blocks {
                spans.clear();
                scanner.scan(black_box(block), &mut spans);
                ours_found += spans.len();
            }
        },
        &mut || {
            line_found = 0;
            for line in lines {
                line_spans.clear();
                scanner.scan(black_box(line), &mut line_spans);
                line_found += line_spans.len();
            }
        },
        &mut || {
            for line in lines {
                for nth in set.matches(black_box(line)) {
                    black_box(regexes[nth].find_iter(line).count());
                }
            }
        },
        &mut || {
            theirs_found = 0;
            for line in lines {
                for regex in &regexes {
                    theirs_found += black_box(regex.find_iter(black_box(line)).count());
                }
            }
        },
    ]);
    let per_line = |spent: f64| spent / lines.len() as f64;
    let bytes = lines.iter().map(|line| line.len()).sum::<usize>() / lines.len();
    let beside = format!(
        "{bytes} bytes a line, {ours_found} values; by line {:.0} ns, {line_found} values",
        per_line(by_block.max(by_line))
    );
    let most = if name == "values" { Limit::None } else { Limit::AtMost(500.0) };
    print(&format!("curator/{name}/line"), per_line(by_block), "ns", most, &beside);
    let least = |least| if name == "values" { Limit::None } else { Limit::AtLeast(least) };
    let beside = format!(
        "RegexSet of {} with a cache of 256 MiB, then those that match: {:.0} ns a line",
        EXPRESSIONS.len(),
        per_line(with_set)
    );
    print(&format!("curator/{name}/over_set"), with_set / by_block, "x", least(2.5), &beside);
    let beside = format!("each in turn: {:.0} ns a line, {theirs_found} hits", per_line(in_turn));
    print(&format!("curator/{name}/over_each"), in_turn / by_block, "x", least(8.0), &beside);
    beside_hyperscan(name, lines, &blocks, least(3.0))
}

/// All expressions in one database of it, and then those that match, as with the set; it alone only says where a value ends.
fn beside_hyperscan(name: &str, lines: &[Vec<u8>], blocks: &[&[u8]], least: Limit) -> Result<()> {
    let Some(all) = Hyperscan::of(EXPRESSIONS)? else {
        println!("SKIPPED curator/{name}/over_hyperscan: libhyperscan5 is not installed");
        return Ok(());
    };
    let regexes: Vec<Regex> =
        EXPRESSIONS.iter().map(|it| Regex::new(it)).collect::<Result<_, _>>()?;
    let scanner = Scanner::new();
    let mut spans: Vec<Span> = Vec::new();
    let [ours, values, by_line, by_block] = side_by_side([
        &mut || {
            for block in blocks {
                spans.clear();
                scanner.scan(black_box(block), &mut spans);
            }
        },
        &mut || {
            for line in lines {
                let mut matched = 0u32;
                all.ends(black_box(line), |nth| matched |= 1 << nth);
                while matched != 0 {
                    let nth = matched.trailing_zeros() as usize;
                    black_box(regexes[nth].find_iter(line).count());
                    matched &= matched - 1;
                }
            }
        },
        &mut || {
            for line in lines {
                all.ends(black_box(line), |nth| {
                    black_box(nth);
                });
            }
        },
        &mut || {
            for block in blocks {
                all.ends(black_box(block), |nth| {
                    black_box(nth);
                });
            }
        },
    ]);
    let per_line = |spent: f64| spent / lines.len() as f64;
    let beside = format!(
        "hyperscan {}, then those that match: {:.0} ns a line; ends of values alone {:.0} ns by line, {:.0} ns by block",
        all.version(),
        per_line(values),
        per_line(by_line),
        per_line(by_block)
    );
    print(&format!("curator/{name}/over_hyperscan"), values / ours, "x", least, &beside);
    Ok(())
}

/// Pieces of about 64 KiB that end with a line.
fn blocks(mut text: &[u8]) -> Vec<&[u8]> {
    let mut blocks = Vec::new();
    while text.len() > BLOCK {
        let end = text[..BLOCK].iter().rposition(|byte| *byte == b'\n').map_or(BLOCK, |at| at + 1);
        let (block, rest) = text.split_at(end);
        blocks.push(block);
        text = rest;
    }
    blocks.push(text);
    blocks
}

/// Lines that were built to be slow, per byte, against the mean of ordinary ones.
fn worst(lines: &[Vec<u8>]) {
    const PARTS: &[&str] = &[
        "@",
        "a@a.",
        "a@b.c ",
        "7",
        "1 ",
        "12 ",
        "41-",
        "4111 ",
        "key=",
        "token=",
        "token: ",
        "password=\"",
        "name=",
        "Mr Ann ",
        "for Ann ",
        "Ann Lee ",
        "one ",
        "%41",
        "\\u0041",
        "eyJ",
        "://a:",
        "-----BEGIN ",
        "A1b2",
        "aB",
        "mysql ",
        "1 Ann St ",
        "SSN: ",
        "QUJD",
        // Found by a search among units of the rules' own words.
        ".sg",
        "_ip",
        "itin:",
        "saSecret=",
        "Double+",
        "PID|",
        "/@",
        " ADDR 1",
    ];
    let scanner = Scanner::new();
    let mut spans = Vec::new();
    let mut per_byte = |lines: &[Vec<u8>]| {
        let bytes: usize = lines.iter().map(Vec::len).sum();
        let [spent] = side_by_side([&mut || {
            for line in lines {
                spans.clear();
                scanner.scan(black_box(line), &mut spans);
            }
        }]);
        spent / bytes as f64
    };
    let mean = per_byte(lines);
    let built = PARTS
        .iter()
        .map(|part| (per_byte(&vec![part.repeat(2048 / part.len()).into_bytes(); 64]), *part));
    let mut built: Vec<(f64, &str)> = built.collect();
    built.sort_by(|one, two| two.0.total_cmp(&one.0));
    let slowest: Vec<String> = built
        .iter()
        .take(4)
        .map(|(spent, part)| format!("{part:?} {:.1}x", spent / mean))
        .collect();
    let beside = format!("mean {mean:.2} ns a byte; slowest: {}", slowest.join(", "));
    print("curator/worst_line", built[0].0 / mean, "x the mean", Limit::AtMost(5.0), &beside);
}
