use std::collections::VecDeque;
use std::thread;

use gadget_core::{LogSource, Severity, Timestamp};
use proptest::prelude::*;

use super::*;

/// An input that gives what it was told, a batch for each read.
struct Script {
    batches: VecDeque<Vec<(SourceId, Vec<u8>)>>,
    ends: bool,
    commits: Vec<u64>,
}

impl LogInput for Script {
    fn read(&mut self, batch: &mut LogBatch, timeout: Duration) -> Result<LogRead, SignalError> {
        let Some(lines) = self.batches.pop_front() else {
            if self.ends {
                return Ok(LogRead::End);
            }
            thread::sleep(timeout);
            return Ok(LogRead::Nothing);
        };
        for (source, text) in lines {
            let (at, flags) = (Timestamp::from_secs(1_735_600_000), LogFlags::default());
            batch.push(LogMeta { source, at, written: None, severity: None, flags }, &text);
        }
        Ok(LogRead::Lines)
    }

    fn commit(&mut self, mark: u64) -> Result<(), SignalError> {
        self.commits.push(mark);
        Ok(())
    }
}

fn script(batches: &[&[(SourceId, &str)]], ends: bool) -> Script {
    let own = |batch: &&[(SourceId, &str)]| {
        batch.iter().map(|(source, text)| (*source, text.as_bytes().to_vec())).collect()
    };
    Script { batches: batches.iter().map(own).collect(), ends, commits: Vec::new() }
}

fn source(sources: &LogSources, service: &str, origin: &str) -> SourceId {
    sources.id(&LogSource { service: service.into(), origin: origin.into(), container: None })
}

type Line = (SourceId, String, LogFlags);

fn lines(batch: &LogBatch) -> Vec<Line> {
    let text = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
    batch.iter().map(|(meta, line)| (meta.source, text(line), meta.flags)).collect()
}

/// Everything up to the end.
fn all(refine: &mut Refine<Script>) -> Vec<Line> {
    let mut found = Vec::new();
    let mut batch = LogBatch::default();
    while refine.read(&mut batch, Duration::from_millis(10)).unwrap() != LogRead::End {
        found.extend(lines(&batch));
        batch.clear();
    }
    found
}

#[test]
fn a_trace_that_comes_in_two_batches_and_between_those_of_others_is_one_record() {
    let sources = LogSources::default();
    let (a, b) = (source(&sources, "a", "/a"), source(&sources, "b", "/b"));
    let input = script(
        &[
            &[(a, "2024-02-03 10:00:00 ERROR it broke"), (b, "one"), (a, "\tat x.Y(Z.java:1)")],
            &[(b, "two"), (a, "\tat x.Z(Z.java:2)"), (a, "INFO: fine")],
        ],
        true,
    );
    let mut refine = Refine::new(input, sources, RefineSettings::default());
    let joined = "2024-02-03 10:00:00 ERROR it broke\n\tat x.Y(Z.java:1)\n\tat x.Z(Z.java:2)";
    let found = all(&mut refine);
    let texts: Vec<_> = found.iter().map(|(source, text, _)| (*source, text.as_str())).collect();
    assert_eq!(texts, [(b, "one"), (a, joined), (a, "INFO: fine"), (b, "two")]);
    assert!(found[1].2.has(LogFlags::JOINED) && !found[0].2.has(LogFlags::JOINED));
}

#[test]
fn a_record_waits_for_another_line_only_so_long() {
    let sources = LogSources::default();
    let a = source(&sources, "a", "/a");
    let settings = RefineSettings { hold: Duration::from_millis(50), ..Default::default() };
    let mut refine = Refine::new(script(&[&[(a, "WARN: alone")]], false), sources, settings);
    let mut batch = LogBatch::default();
    assert_eq!(refine.read(&mut batch, Duration::ZERO).unwrap(), LogRead::Nothing);
    let started = Instant::now();
    assert_eq!(refine.read(&mut batch, Duration::from_secs(30)).unwrap(), LogRead::Lines);
    assert!(started.elapsed() < Duration::from_secs(10));
    let (meta, text) = batch.iter().next().unwrap();
    assert_eq!((text, meta.severity), (b"WARN: alone".as_slice(), Some(Severity::Warn)));
}

#[test]
fn nothing_is_committed_while_something_is_held_back() {
    let sources = LogSources::default();
    let a = source(&sources, "a", "/a");
    let input = script(&[&[(a, "one")], &[(a, "two")], &[(a, "three")], &[(a, "four")]], false);
    let settings = RefineSettings { hold: Duration::from_millis(200), ..Default::default() };
    let mut refine = Refine::new(input, sources, settings);
    let mut batch = LogBatch::default();
    refine.commit(1).unwrap();
    assert_eq!(refine.inner().commits, [1], "nothing was held");
    refine.read(&mut batch, Duration::ZERO).unwrap();
    refine.commit(2).unwrap();
    assert_eq!(refine.inner().commits, [1], "\"one\" is held");
    refine.read(&mut batch, Duration::ZERO).unwrap();
    refine.commit(3).unwrap();
    assert_eq!((batch.len(), refine.inner().commits.as_slice()), (1, [1].as_slice()));
    // A commit that was left out for long makes the next read give out everything.
    thread::sleep(Duration::from_millis(210));
    refine.read(&mut batch, Duration::ZERO).unwrap();
    assert_eq!(batch.len(), 3);
    refine.commit(4).unwrap();
    assert_eq!(refine.inner().commits, [1, 4]);
    refine.read(&mut batch, Duration::ZERO).unwrap();
    assert_eq!(batch.len(), 3, "\"four\" is held again");
}

#[test]
fn records_are_bounded_in_lines_and_in_bytes_and_nothing_is_lost_by_it() {
    let sources = LogSources::default();
    let a = source(&sources, "a", "/a");
    let settings = RefineSettings { most_lines: 3, longest: 20, ..Default::default() };
    let long = "é".repeat(15);
    let input = script(
        &[&[
            (a, "head"),
            (a, " 1"),
            (a, " 2"),
            (a, " 3"),
            (a, " 4"),
            (a, " 345678901234"),
            (a, " 56"),
            (a, &long),
        ]],
        true,
    );
    let found = all(&mut Refine::new(input, sources, settings));
    let texts: Vec<_> = found.iter().map(|(_, text, _)| text.as_str()).collect();
    assert_eq!(texts, ["head\n 1\n 2", " 3\n 4\n 345678901234", " 56", &"é".repeat(10)]);
    assert!(found[3].2.has(LogFlags::CUT) && !found[1].2.has(LogFlags::CUT));
}

#[test]
fn what_is_held_back_of_all_sources_is_bounded() {
    let sources = LogSources::default();
    let big = "x".repeat(200 << 10);
    let ids: Vec<_> = (0..100).map(|n| source(&sources, &format!("s{n}"), "/x")).collect();
    let batch: Vec<_> = ids.iter().map(|&id| (id, big.as_str())).collect();
    let mut refine = Refine::new(script(&[&batch], false), sources, RefineSettings::default());
    let mut out = LogBatch::default();
    refine.read(&mut out, Duration::ZERO).unwrap();
    assert_eq!(out.len(), 100);
}

#[test]
fn lines_of_no_source_in_particular_are_not_joined() {
    let sources = LogSources::default();
    let other = SourceId::OTHER;
    let input = script(&[&[(other, "a"), (other, "\tb")]], false);
    let mut refine = Refine::new(input, sources, RefineSettings::default());
    let mut out = LogBatch::default();
    assert_eq!(refine.read(&mut out, Duration::ZERO).unwrap(), LogRead::Lines);
    assert_eq!(out.len(), 2);
}

#[test]
fn parts_of_a_line_are_put_together_in_each_stream_of_a_container() {
    let sources = LogSources::default();
    let file = source(&sources, "0", "/var/log/pods/shop_cart-0_3c1c/cart/0.log");
    let input = script(
        &[
            &[
                (file, "2024-02-03T10:00:00.1Z stdout P {\"level\":\"error\",\"key\":\"AKIA"),
                (file, "2024-02-03T10:00:00.2Z stderr F out of band"),
                (file, "not of the format"),
            ],
            &[
                (file, "2024-02-03T10:00:00.3Z stdout F IOSFODNN7\"}"),
                (file, "2024-02-03T10:00:00.4Z stderr P never ended"),
            ],
        ],
        true,
    );
    let mut refine = Refine::new(input, sources.clone(), RefineSettings::default());
    let mut batch = LogBatch::default();
    while refine.read(&mut batch, Duration::ZERO).unwrap() != LogRead::End {}
    let found = lines(&batch);
    let texts: Vec<_> = found.iter().map(|(_, text, _)| text.as_str()).collect();
    let joined = "{\"level\":\"error\",\"key\":\"AKIAIOSFODNN7\"}";
    assert_eq!(texts, ["not of the format", joined, "out of band", "never ended"]);
    assert!(found[3].2.has(LogFlags::PARTIAL));
    let (meta, _) = batch.iter().nth(1).unwrap();
    assert_eq!(meta.written.unwrap().to_string(), "2024-02-03T10:00:00.100Z");
    assert_eq!(meta.severity, Some(Severity::Error));
    let source = sources.get(meta.source);
    assert_eq!((&*source.service, &*source.origin), ("cart", "kubernetes/shop/cart-0"));
}

#[test]
fn services_may_have_settings_of_their_own() {
    let sources = LogSources::default();
    let (a, b) = (source(&sources, "a", "/a"), source(&sources, "b", "/b"));
    let input = script(&[&[(a, "x\x1b[0m"), (a, " y"), (b, "x\x1b[0m"), (b, " y")]], true);
    let own = RefineSettings { joining: Joining::Off, plain: false, ..Default::default() };
    let mut refine = Refine::new(input, sources, RefineSettings::default()).service("b", own);
    let texts: Vec<_> = all(&mut refine).into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts, ["x\x1b[0m", " y", "x\n y"]);
}

#[test]
fn utf16_is_read_by_its_byte_order_mark() {
    let sources = LogSources::default();
    let a = source(&sources, "a", "/a");
    let bytes: Vec<u8> =
        "\u{feff}ERROR: né\r\n und Њ\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let pieces = bytes.split(|&byte| byte == b'\n').map(|piece| (a, piece.to_vec())).collect();
    let input = Script { batches: [pieces].into(), ends: true, commits: Vec::new() };
    let found = all(&mut Refine::new(input, sources, RefineSettings::default()));
    assert_eq!(found[0].1, "ERROR: né\n und Њ");
    assert_eq!(found[0].2, LogFlags::JOINED);
}

proptest! {
    /// However lines are joined, and however they come, their texts are all there, in order, and no source has those of another.
    #[test]
    fn nothing_is_lost_by_joining(
        lines in prop::collection::vec((0..3_u32, "(\\t|  |Caused by: |panic: |goroutine 1 \\[x\\]:|\\{|\\}|Traceback \\(most recent call last\\):)?[a-z:.(){]{0,12}"), 0..60),
        cut in 1..20_usize,
    ) {
        let sources = LogSources::default();
        let ids = [0, 1, 2].map(|n| source(&sources, &format!("s{n}"), "/x"));
        let given: Vec<_> = lines.iter().map(|(n, text)| (ids[*n as usize], text.as_str())).collect();
        let batches: Vec<_> = given.chunks(cut).collect();
        let found = all(&mut Refine::new(script(&batches, true), sources, RefineSettings::default()));
        for id in ids {
            let whole: Vec<_> = given.iter().filter(|(source, _)| *source == id).map(|(_, text)| *text).collect();
            let joined: Vec<_> = found.iter().filter(|(source, ..)| *source == id).map(|(_, text, _)| text.as_str()).collect();
            prop_assert_eq!(whole.join("\n"), joined.join("\n"));
        }
    }

    /// A line that a runtime cut into parts anywhere is the line that was written.
    #[test]
    fn partial_lines_give_the_line_that_was_written(text in "[a-zA-Z0-9 =é]{1,200}", cuts in prop::collection::vec(0..200_usize, 0..6), docker: bool) {
        let sources = LogSources::default();
        let id = "0123456789abcdef".repeat(4);
        let path = if docker { format!("/c/{id}/{id}-json.log") } else { "/var/log/pods/n_p_u/c/0.log".into() };
        let file = source(&sources, "f", &path);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).filter(|&cut| text.is_char_boundary(cut)).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let mut from = 0;
        let last = cuts.len() - 1;
        let parts: Vec<String> = cuts.iter().enumerate().map(|(n, &to)| {
            let part = &text[std::mem::replace(&mut from, to)..to];
            let end = n == last;
            if docker {
                let line_break = if end { "\\n" } else { "" };
                format!("{{\"log\":\"{part}{line_break}\",\"stream\":\"stdout\",\"time\":\"2024-02-03T10:00:00Z\"}}")
            } else {
                format!("2024-02-03T10:00:00.5Z stdout {} {part}", if end { "F" } else { "P" })
            }
        }).collect();
        let batches: Vec<Vec<_>> = parts.iter().map(|part| vec![(file, part.as_str())]).collect();
        let batches: Vec<_> = batches.iter().map(Vec::as_slice).collect();
        let found = all(&mut Refine::new(script(&batches, true), sources, RefineSettings::default()));
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(&found[0].1, &text);
    }
}

#[test]
fn what_is_held_of_a_source_that_is_forgotten_stays_its_own() {
    let sources = LogSources::new(2);
    let one = source(&sources, "one", "one.log");
    sources.release(one);
    let two = source(&sources, "two", "two.log");
    assert_eq!(one.place(), two.place());
    let inner =
        script(&[&[(one, "java.lang.Error: one")], &[(two, "two"), (two, "\tat three")]], true);
    let mut refine = Refine::new(inner, sources, RefineSettings::default());
    let found = all(&mut refine).into_iter().map(|(source, text, _)| (source, text));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [(one, "java.lang.Error: one".into()), (two, "two\n\tat three".into())]
    );
}
