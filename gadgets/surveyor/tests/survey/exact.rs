//! Rows, tail and residual are the host's totals, whatever happens to its processes.

use std::collections::BTreeMap;
use std::time::Duration;

use gadget_core::{Bytes, CensusRow, CgroupId, IoCount};
use gadget_envelope::{Mode, ProcessEnvelope};
use proptest::prelude::*;

use crate::host::{Rig, batch, census, end, ms, row};

/// What happens between two scans.
#[derive(Clone, Debug)]
enum Event {
    Born {
        name: u8,
        user: u16,
        rss: u32,
    },
    /// One that no scan sees.
    Passed {
        name: u8,
        user: u16,
    },
    Ran {
        which: u8,
        user: u16,
        io: u16,
    },
    /// It is no longer there; its end is told, late, or not at all.
    Ended {
        which: u8,
        used: u16,
        told: u8,
    },
    /// Its id is another's now.
    Reused {
        which: u8,
        user: u16,
    },
    /// A counter falls.
    Fell {
        which: u8,
    },
    Renamed {
        which: u8,
        name: u8,
    },
    /// It is missing in one scan.
    Missed {
        which: u8,
    },
    Scan {
        wait: u16,
        busy: u16,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (any::<u8>(), any::<u16>(), any::<u32>())
            .prop_map(|(name, user, rss)| Event::Born { name, user, rss }),
        1 => (any::<u8>(), any::<u16>()).prop_map(|(name, user)| Event::Passed { name, user }),
        4 => (any::<u8>(), any::<u16>(), any::<u16>())
            .prop_map(|(which, user, io)| Event::Ran { which, user, io }),
        1 => (any::<u8>(), any::<u16>(), 0_u8..3)
            .prop_map(|(which, used, told)| Event::Ended { which, used, told }),
        1 => (any::<u8>(), any::<u16>()).prop_map(|(which, user)| Event::Reused { which, user }),
        1 => any::<u8>().prop_map(|which| Event::Fell { which }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(which, name)| Event::Renamed { which, name }),
        1 => any::<u8>().prop_map(|which| Event::Missed { which }),
        2 => (0_u16..4_000, any::<u16>()).prop_map(|(wait, busy)| Event::Scan { wait, busy }),
    ]
}

fn sums(envelope: &ProcessEnvelope) -> BTreeMap<&'static str, i128> {
    let batch = batch(envelope);
    let mut sums = BTreeMap::new();
    let mut add = |what, value: i128| *sums.entry(what).or_insert(0) += value;
    for row in &batch.rows {
        let alive = !row.is(gadget_envelope::ProcessRow::ENDED);
        add("cpu", i128::from(row.cpu_user_ns) + i128::from(row.cpu_system_ns));
        add("rss", row.rss_bytes.into());
        add("count", alive.into());
        add("threads", row.thread_count.into());
        add("read", row.io.map_or(0, |io| io.read_bytes.into()));
    }
    for sum in batch.tail.iter().chain(&batch.residual) {
        add("cpu", i128::from(sum.cpu_user_ns) + i128::from(sum.cpu_system_ns));
        add("rss", sum.rss_bytes.into());
        add("count", sum.process_count.into());
        add("threads", sum.thread_count.into());
        add("read", sum.io.map_or(0, |io| io.read_bytes.into()));
    }
    sums
}

/// What a scan saw.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    rss: u64,
    count: u64,
    threads: u64,
    busy: Duration,
}

impl Look {
    fn of(rows: &[CensusRow], busy: Duration) -> Self {
        Self {
            rss: rows.iter().map(|row| row.rss.get()).sum(),
            count: rows.len() as u64,
            threads: rows.iter().map(|row| u64::from(row.threads)).sum(),
            busy,
        }
    }
}

fn totals(envelope: &ProcessEnvelope) -> BTreeMap<&'static str, i128> {
    let totals = batch(envelope).totals.unwrap();
    BTreeMap::from([
        ("cpu", totals.cpu_ns.into()),
        ("rss", totals.rss_bytes.into()),
        ("count", totals.process_count.into()),
        ("threads", totals.threads.into()),
        ("read", totals.io.map_or(0, |io| io.read_bytes.into())),
    ])
}

/// Plays `events` and returns what was sent, as bytes too.
fn play(level: &str, events: &[Event]) -> (Vec<ProcessEnvelope>, Vec<Look>, Vec<u8>) {
    let settings = format!(
        "[telemetry]\nlevel = \"{level}\"\ntop = 3\nwindow = 2\n[tail]\ngroups = 3\n[top]\nmost = 5\n[filter]\nexclude = [\"name:p7\"]"
    );
    let mut rig = Rig::new(&settings);
    let mut rows: Vec<CensusRow> = Vec::new();
    let (mut next, mut busy, mut late, mut missed) = (10_u32, ms(0), Vec::new(), None);
    rig.scan(census(busy, Vec::new()));
    let mut looks = vec![Look::default()];
    let pick =
        |rows: &[CensusRow], which: u8| (!rows.is_empty()).then(|| usize::from(which) % rows.len());
    for event in events {
        match *event {
            Event::Born { name, user, rss } => {
                next += 1;
                let rss = Bytes::new(rss.into());
                let user = ms(user.into());
                rows.push(CensusRow { rss, user, ..row(next, &format!("p{}", name % 9)) });
            }
            Event::Passed { name, user } => {
                next += 1;
                let passed = row(next, &format!("p{}", name % 9));
                rig.ended(vec![end(&passed, ms(user.into()), ms(5))]);
            }
            Event::Ran { which, user, io } => {
                if let Some(at) = pick(&rows, which) {
                    rows[at].user += ms(user.into());
                    let before = rows[at].io.unwrap_or_default().read.get();
                    let read = Bytes::new(before + u64::from(io));
                    rows[at].io = (io % 5 > 0).then_some(IoCount { read, written: read });
                }
            }
            Event::Ended { which, used, told } => {
                if let Some(at) = pick(&rows, which) {
                    let gone = rows.remove(at);
                    let end = end(&gone, gone.user + ms(used.into()), ms(3_000));
                    match told {
                        0 => rig.ended(vec![end]),
                        1 => late.push(end),
                        _ => {}
                    }
                }
            }
            Event::Reused { which, user } => {
                if let Some(at) = pick(&rows, which) {
                    rows[at].id.start += 1;
                    rows[at].user = ms(user.into());
                }
            }
            Event::Fell { which } => {
                if let Some(at) = pick(&rows, which) {
                    rows[at].user /= 2;
                }
            }
            Event::Renamed { which, name } => {
                if let Some(at) = pick(&rows, which) {
                    rows[at].comm = row(1, &format!("p{}", name % 9)).comm;
                    rows[at].cgroup = Some(CgroupId(name.into()));
                }
            }
            Event::Missed { which } => missed = pick(&rows, which),
            Event::Scan { wait, busy: more } => {
                busy += ms(more.into());
                let mut seen = rows.clone();
                if let Some(at) = missed.take().filter(|&at| at < seen.len()) {
                    seen.remove(at);
                }
                // Also none at all: two scans at the same time.
                rig.now = rig.now + ms(wait.into());
                looks.push(Look::of(&seen, busy));
                rig.scan(census(busy, seen));
                rig.ended(std::mem::take(&mut late));
            }
        }
    }
    let (mut processes, mut bytes) = (Vec::new(), Vec::new());
    rig.outbox.drain(|envelope| {
        assert_eq!(envelope.validate(), Ok(()));
        envelope.encode_to(&mut bytes);
        if let gadget_envelope::Envelope::Process(it) = envelope {
            processes.push(*it);
        }
    });
    (processes, looks, bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn rows_tail_and_residual_are_the_totals(
        level in prop_oneof![Just("smart+sketch"), Just("bypass"), Just("raw")],
        events in proptest::collection::vec(event(), 0..80),
    ) {
        let (sent, looks, _) = play(level, &events);
        let scans = if level == "raw" { 1 } else { 2 };
        prop_assert_eq!(sent.len(), (looks.len() - 1) / scans);
        for (at, envelope) in sent.iter().enumerate() {
            let (begin, last) = (looks[at * scans], looks[(at + 1) * scans]);
            let totals_sent = batch(envelope).totals.unwrap();
            prop_assert_eq!(totals_sent.rss_bytes, last.rss);
            prop_assert_eq!(totals_sent.process_count, last.count);
            prop_assert_eq!(totals_sent.threads, last.threads);
            prop_assert_eq!(u128::from(totals_sent.cpu_ns), (last.busy - begin.busy).as_nanos());
            prop_assert_eq!(sums(envelope), totals(envelope), "{:?}", envelope);
            prop_assert_eq!(envelope.dropped_rows, 0);
            if envelope.mode() == Mode::Smart {
                prop_assert!(batch(envelope).rows.len() <= 5);
                prop_assert!(batch(envelope).tail.len() <= 5, "three groups, the others, the excluded");
            }
        }
    }

    #[test]
    fn the_same_signals_give_the_same_bytes(
        events in proptest::collection::vec(event(), 0..60),
    ) {
        prop_assert_eq!(play("smart+sketch", &events).2, play("smart+sketch", &events).2);
    }
}

#[test]
fn a_cpu_second_is_charged_once_over_many_windows() {
    // Of what was used in all, every part is in exactly one window.
    let mut rig = Rig::each_scan("");
    let mut a = CensusRow { user: ms(500), ..row(20, "a") };
    rig.scan(census(ms(0), vec![a]));
    let mut charged = 0;
    for step in 1..6_u64 {
        a.user += ms(step * 10);
        rig.next(census(ms(1_000 * step), vec![a]));
    }
    // It ends, which is told a window later.
    rig.next(census(ms(6_000), vec![]));
    rig.ended(vec![end(&a, a.user + ms(70), ms(60_000))]);
    rig.next(census(ms(7_000), vec![]));
    for envelope in rig.sent().processes {
        let rows = batch(&envelope).rows.iter().map(|row| row.cpu_user_ns as i64);
        let rest = crate::host::residual(&envelope, gadget_envelope::AggregateKind::Ephemeral);
        charged += rows.sum::<i64>() + rest.unwrap_or(0);
    }
    assert_eq!(charged, 220_000_000);
}
