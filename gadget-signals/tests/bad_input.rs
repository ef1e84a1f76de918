//! Every parser against changed recordings: whatever happens to a file of a real kernel, it is a number or a typed
//! error, and never a panic.

#![allow(clippy::unwrap_used)] // All of it is tests.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gadget_core::{CgroupVersion, SignalError};
use gadget_signals::parse;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

type Parser = fn(&[u8], &Path) -> Result<String, SignalError>;

fn shown<T: Debug>(result: Result<T, SignalError>) -> Result<String, SignalError> {
    result.map(|value| format!("{value:?}"))
}

/// The parser of each recorded file, by the end of its path.
fn parser_of(path: &str) -> Option<Parser> {
    let v1 = path.contains("/6.18/sys/fs/cgroup/") && !path.contains("/unified/");
    let file = path.rsplit('/').next()?;
    let parser: Parser = match file {
        "meminfo" => |text, path| shown(parse::meminfo(text, path)),
        "vmstat" => |text, path| shown(parse::vmstat(text, path)),
        "loadavg" => |text, path| shown(parse::loadavg(text, path)),
        "diskstats" => |text, path| shown(parse::diskstats(text, path)),
        "mountinfo" => |text, path| shown(parse::mountinfo(text, path)),
        "statm" => |text, path| shown(parse::statm(text, path)),
        "smaps_rollup" => |text, path| shown(parse::smaps_rollup(text, path)),
        "io" if path.contains("/pressure/") => |text, path| shown(parse::pressure(text, path)),
        "cpu" | "memory" if path.contains("/pressure/") => {
            |text, path| shown(parse::pressure(text, path))
        }
        "io" => |text, path| shown(parse::process_io(text, path)),
        "status" => |text, path| shown(parse::uid(text, path)),
        "oom_score_adj" => |text, path| shown(parse::oom_score_adj(text, path)),
        "stat" if path.ends_with("/proc/stat") => {
            |text, path| shown(parse::host_stat(text, path, 100))
        }
        "stat" => |text, path| shown(parse::process_stat(text, path)),
        "cgroup" => |text, path| {
            parse::membership(text, path, CgroupVersion::V1)?;
            shown(parse::membership(text, path, CgroupVersion::V2))
        },
        "memory.pressure" | "cpu.pressure" | "io.pressure" => {
            |text, path| shown(parse::pressure(text, path))
        }
        "memory.stat" if v1 => |text, path| shown(parse::memory_stat_v1(text, path)),
        "memory.stat" => |text, path| shown(parse::memory_stat_v2(text, path)),
        "memory.max" | "memory.high" | "memory.limit_in_bytes" => {
            |text, path| shown(parse::memory_limit(text, path))
        }
        "memory.events" => |text, path| shown(parse::memory_events(text, path)),
        "memory.oom_control" => |text, path| shown(parse::oom_control(text, path)),
        "cpu.stat" if v1 => |text, path| shown(parse::cpu_stat_v1(text, path, Duration::ZERO)),
        "cpu.stat" => |text, path| shown(parse::cpu_stat_v2(text, path)),
        "io.stat" => |text, path| shown(parse::io_stat(text, path)),
        "blkio.throttle.io_service_bytes_recursive" => |text, path| shown(parse::blkio(text, path)),
        "pids.max" => |text, path| shown(parse::pids_max(text, path)),
        "cgroup.procs" => |text, path| {
            let mut pids = Vec::new();
            parse::pids(text, path, &mut pids)?;
            shown(Ok(pids))
        },
        _ => return None,
    };
    Some(parser)
}

/// Every recorded file that has a parser.
fn recorded() -> Vec<(PathBuf, Vec<u8>, Parser)> {
    let mut found = Vec::new();
    let mut left = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else if let Some(parser) = parser_of(path.to_str().unwrap()) {
                found.push((path.clone(), fs::read(&path).unwrap(), parser));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn every_recorded_file_is_accepted_as_it_is() {
    let recorded = recorded();
    assert!(recorded.len() > 100, "{}", recorded.len());
    for (path, text, parser) in recorded {
        if let Err(error) = parser(&text, &path) {
            panic!("{error}");
        }
    }
}

#[test]
fn a_file_that_is_cut_within_a_line_is_an_error_that_names_its_path() {
    let mut cuts = 0;
    for (path, text, parser) in recorded() {
        let step = (text.len() / 50).max(1);
        for end in (1..text.len()).step_by(step).filter(|&end| text[end - 1] != b'\n') {
            cuts += 1;
            match parser(&text[..end], &path) {
                Err(error) => {
                    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}")
                }
                // The one file that is read no further than the line that is wanted of it.
                Ok(_) => assert!(path.ends_with("status"), "{} cut at {end}", path.display()),
            }
        }
    }
    assert!(cuts > 1000, "{cuts}");
}

#[derive(Clone, Debug)]
enum Damage {
    Cut(Index),
    Byte(Index, u8),
    Number(Index, &'static str),
    LineGone(Index),
    LineTwice(Index),
    Junk(Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let numbers = prop::sample::select(vec![
        "-1",
        "-9223372036854775808",
        "18446744073709551615",
        "9223372036854775808",
        "99999999999999999999999999",
        "1e9",
        "0x7f",
        "",
        "max",
        "\u{221e}",
    ]);
    prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (any::<Index>(), numbers).prop_map(|(at, number)| Damage::Number(at, number)),
        any::<Index>().prop_map(Damage::LineGone),
        any::<Index>().prop_map(Damage::LineTwice),
        (any::<Index>(), vec(any::<u8>(), 0..200)).prop_map(|(at, junk)| Damage::Junk(at, junk)),
    ]
}

impl Damage {
    fn to(&self, text: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        match self {
            Self::Cut(at) => text.truncate(at.index(text.len())),
            Self::Byte(at, byte) => {
                let at = at.index(text.len());
                text[at] = *byte;
            }
            Self::Junk(at, junk) => {
                let at = at.index(text.len());
                text.splice(at..at, junk.iter().copied());
            }
            Self::Number(at, number) => {
                let digit = |byte: &u8| byte.is_ascii_digit();
                let Some(start) = text.iter().skip(at.index(text.len())).position(digit) else {
                    return;
                };
                let start = start + at.index(text.len());
                let end = text[start..].iter().position(|byte| !digit(byte));
                let end = end.map_or(text.len(), |length| start + length);
                text.splice(start..end, number.bytes());
            }
            Self::LineGone(at) | Self::LineTwice(at) => {
                let mut lines: Vec<Vec<u8>> =
                    text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                let at = at.index(lines.len());
                if matches!(self, Self::LineGone(_)) {
                    lines.remove(at);
                } else {
                    lines.insert(at, lines[at].clone());
                }
                *text = lines.concat();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn a_damaged_file_is_numbers_or_a_typed_error(
        which in any::<Index>(),
        damages in vec(damage(), 1..4),
    ) {
        thread_local!(static RECORDED: Vec<(PathBuf, Vec<u8>, Parser)> = recorded());
        RECORDED.with(|recorded| {
            let (path, text, parser) = which.get(recorded);
            let mut text = text.clone();
            damages.iter().for_each(|damage| damage.to(&mut text));
            match parser(&text, path) {
                Ok(_) => {}
                Err(SignalError::Parse { path: named, line, .. }) => {
                    assert_eq!(&named, path);
                    let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
                    assert!((1..=lines).contains(&line), "line {line} of {lines}");
                }
                Err(SignalError::Unsupported { path: named, .. }) => assert_eq!(&named, path),
                Err(other) => panic!("{other}"),
            }
        });
    }

    #[test]
    fn any_bytes_at_all_are_numbers_or_a_typed_error(text in vec(any::<u8>(), 0..300)) {
        thread_local!(static PARSERS: Vec<(PathBuf, Vec<u8>, Parser)> = recorded());
        PARSERS.with(|recorded| {
            for (path, _, parser) in recorded.iter().step_by(7) {
                let _ = parser(&text, path);
            }
        });
    }
}
