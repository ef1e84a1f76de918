//! What every test of the ledger needs, and the plain cases.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::action::{Effect, Setting, Value};
use crate::model::{Assessment, Evidence};
use crate::plan::{Change, Expectation, Metric, PlanId, Reach, Step, Target};
use crate::policy::{GuardName, Opinion, Review, Verdict};
use crate::subject::{CgroupId, Subject};
use crate::units::Probability;

fn facts(boot: &str) -> HostFacts {
    HostFacts { boot_id: boot.into(), kernel: "6.1.0".into(), agent_pid: 4242, cpus: 2 }
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

fn evidence() -> Evidence {
    [("velocity", 0.1 + 0.2), ("headroom", -1.5e-9), ("some avg10", 42.0)]
        .into_iter()
        .map(|(name, value)| (Name::Borrowed(name), value))
        .collect()
}

fn plan(id: u64, step: Step) -> Plan {
    let subject = Subject::Cgroup(CgroupId(7));
    Plan {
        id: PlanId(id),
        gadget: Name::Borrowed("oracle"),
        at: at(id),
        step,
        target: Target { subject, reach: Reach::Alone, name: "leaky".into() },
        reason: Name::Borrowed("leak will exhaust the limit"),
        confidence: Probability::saturating(0.93),
        evidence: evidence(),
        expects: Expectation {
            subject,
            change: Change::AtMost(Metric::MemoryUsed, 1e9),
            within: Duration::from_secs(10),
        },
        merit: 1.25,
        deadline: Some(Duration::from_millis(61_500)),
    }
}

fn thaw() -> Undo {
    Undo::Thaw { cgroup: CgroupId(7), path: "/leaky".into() }
}

fn restore() -> Undo {
    Undo::Restore {
        subject: Subject::Cgroup(CgroupId(7)),
        setting: Setting::MemoryHigh,
        path: "/leaky".into(),
        before: Value::from("max").unwrap(),
        wrote: Value::from("536870912").unwrap(),
    }
}

fn ended(plan: &Plan) -> Entry<'static> {
    Entry::Ended(Cow::Owned(Outcome::of(plan, Ending::Met, summary(format_args!("thawed")))))
}

fn noted(text: &str) -> Entry<'static> {
    Entry::Noted(Cow::Owned(note(text.to_owned())))
}

/// One entry of each kind that a gadget's work brings, again and again.
fn entries(count: usize) -> impl Iterator<Item = (Timestamp, Entry<'static>)> {
    (0..count).map(|n| {
        let id = n as u64 / 5 + 1;
        let plan = plan(id, Step::Freeze);
        let entry = match n % 5 {
            0 => Entry::Assessed(Cow::Owned(Assessment {
                gadget: plan.gadget.clone(),
                at: plan.at,
                subject: plan.target.subject,
                class: Name::Borrowed("leak"),
                probability: plan.confidence,
                eta: None,
                culprit: Some(Subject::Host),
                evidence: evidence(),
            })),
            1 => Entry::Reviewed(Cow::Owned(Review {
                plan,
                verdict: Verdict::Permitted,
                opinions: [(GuardName::Pause, Opinion::Pass)].into_iter().collect(),
            })),
            2 => Entry::Intended { plan: Cow::Owned(plan), undo: Cow::Owned(thaw()) },
            3 => Entry::Done {
                plan: plan.id,
                effect: Cow::Owned(Effect {
                    summary: summary(format_args!("froze")),
                    complete: true,
                }),
            },
            _ => ended(&plan),
        };
        (at(n as u64), entry)
    })
}

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn dir(&self) -> PathBuf {
        self.0.path().join("ledger")
    }
    fn open(&self) -> Ledger {
        Ledger::open(self.dir(), &facts("a"), at(0)).unwrap()
    }
    /// The smallest segments, of which `segments` are kept.
    fn open_small(&self, segments: usize) -> Ledger {
        let settings = LedgerSettings { segment_size: Bytes::from_kib(4), segments };
        Ledger::open_with(self.dir(), settings, &facts("a"), at(0)).unwrap()
    }
    /// A closed ledger with these many entries besides the first.
    fn with(entries: usize) -> Self {
        let home = Self::new();
        let mut ledger = home.open();
        fill(&mut ledger, entries);
        home
    }
    fn segments(&self) -> Vec<PathBuf> {
        let directory = store::Directory::at(&self.dir());
        directory.segments().unwrap().into_iter().map(|first| directory.segment(first)).collect()
    }
    fn segment(&self) -> PathBuf {
        self.segments().pop().unwrap()
    }
    fn records(&self) -> Vec<Record<'static>> {
        Ledger::read(self.dir()).collect::<Result<_, _>>().unwrap()
    }
    fn notes(&self) -> Vec<String> {
        self.records()
            .into_iter()
            .filter_map(|record| match record.entry {
                Entry::Noted(note) => Some(note.text.clone().into_owned()),
                _ => None,
            })
            .collect()
    }
}

fn fill(ledger: &mut Ledger, count: usize) {
    for (at, entry) in entries(count) {
        ledger.append(at, &entry).unwrap();
    }
}

#[test]
fn what_was_appended_is_read_back() {
    let home = Home::with(10);
    let read = home.records();
    assert_eq!(read.len(), 11);
    assert!(matches!(&read[0].entry, Entry::Opened { host, .. } if **host == facts("a")));
    for ((n, record), (at, entry)) in read.iter().enumerate().skip(1).zip(entries(10)) {
        assert_eq!((record.seq, record.at, &record.entry), (n as u64, at, &entry));
    }
    let verified = Ledger::verify(home.dir()).unwrap();
    assert_eq!((verified.first, verified.last, verified.segments), (0, 10, 1));
    assert_eq!(verified.bytes, fs::metadata(home.segment()).unwrap().len());
}
