//! How long requests take, as the lines say that report them: access logs, `took 17 ms`, `duration=0.204`, `"elapsedMs":12`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gadget_core::{Severity, SpanStats, Timestamp};
use gadget_sketch::Sketch;

/// Templates whose durations are kept; lines of more are not looked at.
const MOST: usize = 1024;
/// A template has none if its first so many lines had none.
const TRIES: u8 = 8;
/// One reading is over so long, and of so many lines; if they do not come, over longer, but not without end.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);
const FEWEST: u64 = 20;
/// More are one more nanosecond.
const A_DAY: f64 = 86_400e9;
/// So far before a number is looked for what it means.
const BEFORE: usize = 32;

/// What is known of the lines of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    /// So many lines were looked at, and had none.
    Unknown(u8),
    None,
    Durations,
}

#[derive(Debug)]
struct Window {
    service: u32,
    since: Timestamp,
    errors: u64,
    /// In nanoseconds.
    durations: Sketch,
}

/// Durations by template.
#[derive(Debug, Default)]
pub(super) struct Spans {
    /// By the template's number.
    has: Vec<Has>,
    windows: BTreeMap<u32, Window>,
}

impl Spans {
    pub(super) fn line(
        &mut self,
        (service, template): (u32, u32),
        severity: Option<Severity>,
        at: Timestamp,
        text: &[u8],
    ) {
        let nth = template as usize;
        if nth >= self.has.len() {
            self.has.resize(nth + 1, Has::Unknown(0));
        }
        if self.has[nth] == Has::None {
            return;
        }
        let Some(nanos) = duration(text) else {
            if let Has::Unknown(tries) = self.has[nth] {
                let more = tries + 1 < TRIES;
                self.has[nth] = if more { Has::Unknown(tries + 1) } else { Has::None };
            }
            return;
        };
        if self.windows.len() >= MOST && !self.windows.contains_key(&template) {
            self.has[nth] = Has::None;
            return;
        }
        self.has[nth] = Has::Durations;
        let window = self.windows.entry(template).or_insert_with(|| Window {
            service,
            since: at,
            errors: 0,
            durations: Sketch::new(),
        });
        if window.service != service {
            // What all services share beyond a bound is nobody's.
            return;
        }
        if window.durations.is_empty() {
            window.since = at;
        }
        window.durations.insert(nanos);
        window.errors += u64::from(severity >= Some(Severity::Error) || is_failure(text));
    }

    /// Gives out what is complete.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        names: impl Fn(u32, u32) -> (Arc<str>, Arc<str>),
        mut out: impl FnMut(SpanStats),
    ) {
        for (template, window) in &mut self.windows {
            let (over, count) = (now.since(window.since), window.durations.count());
            if over < SHORTEST || (count < FEWEST && over < LONGEST) || count == 0 {
                continue;
            }
            let at = |q| window.durations.quantile(q).unwrap_or_default();
            let nanos = |nanos: f64| Duration::from_nanos(nanos as u64);
            let (p50, p99) = (nanos(at(0.5)), nanos(at(0.99)));
            let (service, name) = names(window.service, *template);
            out(SpanStats { service, name, over, count, errors: window.errors, p50, p99 });
            window.durations.clear();
            window.errors = 0;
        }
    }
}

/// The first duration that a line tells, in nanoseconds.
fn duration(text: &[u8]) -> Option<f64> {
    let mut at = 0;
    while let Some(found) = text[at..].iter().position(u8::is_ascii_digit) {
        let from = at + found;
        let digit = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
        let mut to = from + text[from..].iter().take_while(digit).count();
        if text[to - 1] == b'.' {
            to -= 1;
        }
        let before = from.checked_sub(1).map(|at| text[at]);
        let begins = !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b".-_:/".contains(&byte))
            // `"ms":17` and `took:17` are no times of day.
            || (before == Some(b':') && !text[..from - 1].last().is_some_and(u8::is_ascii_digit));
        if begins
            && let Ok(number) = std::str::from_utf8(&text[from..to])
            && let Ok(number) = number.parse::<f64>()
        {
            let head = &text[from.saturating_sub(BEFORE)..from];
            let unit = unit_after(&text[to..]).filter(|_| !is_wait(head, &text[to..]));
            if let Some(nanos) = unit.or_else(|| unit_of_key(head, &text[from..to])) {
                return Some((number * nanos).min(A_DAY));
            }
        }
        at = to.max(from + 1);
    }
    None
}

/// `17ms`, `17 ms`, `1.2s`: what one of the unit is in nanoseconds.
fn unit_after(rest: &[u8]) -> Option<f64> {
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    // By bytes, for the sign of micro has two.
    let unit = rest.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte > 0x7f).count();
    match &rest[..unit] {
        b"ns" | b"nanos" => Some(1.0),
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" | b"usec" | b"micros" => Some(1e3),
        b"ms" | b"msec" | b"msecs" | b"millis" | b"milliseconds" => Some(1e6),
        b"s" | b"sec" | b"secs" | b"second" | b"seconds" => Some(1e9),
        _ => None,
    }
}

/// Words beside which a duration is one that was set, or has yet to pass.
fn is_wait(head: &[u8], rest: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[
        b"retr",
        b"wait",
        b"sleep",
        b"after",
        b"every",
        b"timeout",
        b"timed out",
        b"delay",
        b"interval",
        b"expire",
        b"ttl",
        b"next",
        b"uptime",
        b"within",
        b"schedul",
        b"backoff",
        b"keepalive",
    ];
    let lower = |text: &[u8]| text.to_ascii_lowercase();
    let (head, rest) = (lower(head), lower(&rest[..rest.len().min(16)]));
    let has = |text: &[u8], word: &[u8]| memchr::memmem::find(text, word).is_some();
    WORDS.iter().any(|word| has(&head, word))
        || [&b" ago"[..], b" left", b" old"].iter().any(|it| has(&rest, it))
}

/// `"duration_ms":`, `request_time=`, `took `: what one is in nanoseconds. Without a unit in the key, a number with a fraction is of
/// seconds, as servers write them, and a whole one of milliseconds.
fn unit_of_key(head: &[u8], number: &[u8]) -> Option<f64> {
    const KEYS: &[&str] = &[
        "duration",
        "elapsed",
        "latency",
        "took",
        "request_time",
        "requesttime",
        "response_time",
        "responsetime",
        "rt",
        "time_taken",
        "timetaken",
        "exec_time",
        "query_time",
        "total_time",
        "process_time",
        "processing_time",
        "service_time",
        "runtime",
    ];
    const UNITS: &[(&str, f64)] = &[
        ("milliseconds", 1e6),
        ("millis", 1e6),
        ("seconds", 1e9),
        ("secs", 1e9),
        ("micros", 1e3),
        ("nanos", 1.0),
        ("ms", 1e6),
        ("us", 1e3),
        ("ns", 1.0),
        ("s", 1e9),
    ];
    let is_sign = |byte: &u8| b"=:\"' ".contains(byte);
    let end = head.iter().rposition(|byte| !is_sign(byte))? + 1;
    let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    let begin = head[..end].iter().rposition(|byte| !is_key(byte)).map_or(0, |at| at + 1);
    let key = std::str::from_utf8(&head[begin..end]).ok()?.to_ascii_lowercase();
    let is_one = |key: &str| {
        KEYS.iter().any(|it| {
            // As a whole word at the end: `http.request.duration`, `upstream_response_time`.
            key.strip_suffix(it).is_some_and(|rest| {
                rest.is_empty() || rest.len() > 1 && it.len() > 4 || rest.ends_with(['_', '.', '-'])
            })
        })
    };
    if is_one(&key) {
        return Some(if number.contains(&b'.') { 1e9 } else { 1e6 });
    }
    UNITS.iter().find_map(|(unit, nanos)| {
        let stem = key.strip_suffix(unit)?;
        let key = stem.trim_end_matches(['_', '.', '-']);
        // `times` and `durations` are no seconds.
        let has_unit = *unit != "s" || key.len() < stem.len();
        (has_unit && (is_one(key) || key == "time")).then_some(*nanos)
    })
}

/// True if the line tells of an HTTP status from 500 on.
pub(super) fn is_failure(text: &[u8]) -> bool {
    let status = |rest: &[u8]| {
        let from = rest.iter().position(u8::is_ascii_digit).unwrap_or(rest.len()).min(4);
        let rest = &rest[from..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        digits == 3 && rest[0] == b'5'
    };
    if let Some(at) = memchr::memmem::find(text, b" HTTP/")
        && let Some(quote) = memchr::memchr(b'"', &text[at..])
    {
        return status(&text[at + quote + 1..]);
    }
    memchr::memmem::find(text, b"status").is_some_and(|at| status(&text[at + 6..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_found_where_lines_of_servers_have_them() {
        for (line, millis) in [
            ("Completed 200 OK in 25ms (Views: 10.0ms | ActiveRecord: 3.1ms)", 25.0),
            ("LOG:  duration: 12.345 ms  statement: SELECT 1", 12.345),
            (
                "10.0.0.9 - - [27/Nov/2026:10:00:00 +0000] \"GET /a/17 HTTP/1.1\" 200 512 \"-\" \"curl/8\" rt=0.204 uct=0.001",
                204.0,
            ),
            ("{\"level\":\"info\",\"status\":200,\"duration_ms\":17}", 17.0),
            ("{\"path\":\"/v1/5\",\"responseTime\": 31,\"n\":4}", 31.0),
            ("level=info msg=done elapsed=1.5s items=40", 1500.0),
            ("[GIN] 2026/11/27 - 10:00:00 | 200 |  1.234567ms | 127.0.0.1 | GET \"/\"", 1.234_567),
            ("handler took 830\u{b5}s for order 5512", 0.83),
            ("Slow query: 2 rows, \"durationMillis\":102}", 102.0),
            ("http.server.request.duration 0.050", 50.0),
            ("took:17 hits:3", 17.0),
            ("processed 5 items in 3 seconds", 3000.0),
        ] {
            let found = duration(line.as_bytes()).map(|nanos| nanos / 1e6);
            assert!(found.is_some_and(|it| (it - millis).abs() < 1e-9), "{line}: {found:?}");
        }
    }

    #[test]
    fn what_was_set_or_has_yet_to_pass_is_no_duration() {
        for line in [
            "retrying in 5s",
            "connection timed out after 30 seconds",
            "next run in 17 ms",
            "user logged in 3s ago",
            "GET /v1/orders/17 200",
            "at 10:00:00.123 s3 bucket 5 synced",
            "keepalive 75s",
            "mss 1460 port 5432",
            "version 1.2.3 started",
            "started=17",
            "times=3",
            "uptime 12345 s",
            "",
        ] {
            assert_eq!(duration(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn servers_errors_are_failures() {
        for (line, failed) in [
            ("\"GET /500 HTTP/1.1\" 502 157", true),
            ("\"GET /500 HTTP/1.1\" 200 502", false),
            ("{\"status\":503,\"ms\":1}", true),
            ("status=404 took 500 ms", false),
            ("status of 5 nodes", false),
        ] {
            assert_eq!(is_failure(line.as_bytes()), failed, "{line}");
        }
    }

    #[test]
    fn windows_are_given_out_when_they_are_long_enough_and_full() {
        let mut spans = Spans::default();
        let at = |millis| Timestamp::EPOCH + Duration::from_millis(millis);
        let names =
            |service: u32, template: u32| (service.to_string().into(), template.to_string().into());
        let taken = |spans: &mut Spans, now| {
            let mut out = Vec::new();
            spans.take(now, names, |it| out.push(it));
            out
        };
        for nth in 0..100u64 {
            let line = format!("GET took {} ms", 1 + nth % 10);
            spans.line((1, 7), None, at(nth * 60), line.as_bytes());
            spans.line((1, 8), None, at(nth * 60), b"nothing of 17 here");
            assert!(nth < 19 || taken(&mut spans, at(4_999)).is_empty());
        }
        spans.line((2, 9), None, at(0), b"took 3 ms");
        let [one] = &taken(&mut spans, at(6_000))[..] else {
            panic!("of the other there is one line")
        };
        assert_eq!((&*one.service, &*one.name, one.count, one.errors), ("1", "7", 100, 0));
        assert!((9.8..10.2).contains(&(one.p99.as_secs_f64() * 1e3)), "{:?}", one.p99);
        assert_eq!(spans.has[8], Has::None);
        assert_eq!(taken(&mut spans, at(60_000)).len(), 1, "of that then");
        assert!(taken(&mut spans, at(120_000)).is_empty());
    }
}
