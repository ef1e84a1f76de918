//! What every test of the ledger needs, and the plain cases.

mod crash;
mod damage;
mod full;
mod recovery;
mod round_trip;

use std::fs;
use std::path::PathBuf;

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
                statement: None,
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

/// A directory in memory where there is one: what a disk takes for thousands of syncs is not what is tested here.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(place())
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

#[test]
fn memory_and_disk_hold_the_same_bytes_and_so_do_two_runs() {
    let homes = [Home::with(40), Home::with(40)];
    let mut memory = Ledger::in_memory(&facts("a"), at(0));
    fill(&mut memory, 40);
    for file in [homes[0].segment().file_name().unwrap(), "head".as_ref()] {
        let [one, two] = homes.each_ref().map(|home| fs::read(home.dir().join(file)).unwrap());
        assert_eq!(one, two);
    }
    assert_eq!(memory.bytes(), fs::read(homes[0].segment()).unwrap());
    assert_eq!(memory.records().map(Result::unwrap).collect::<Vec<_>>(), homes[0].records());
}

#[test]
fn only_the_owner_may_read_a_ledger() {
    use std::os::unix::fs::MetadataExt;
    let home = Home::with(1);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(home.dir()), 0o700);
    for file in ["head", "lock"] {
        assert_eq!(mode(home.dir().join(file)), 0o600);
    }
    assert_eq!(mode(home.segment()), 0o600);
}

#[test]
fn a_second_agent_is_turned_away_until_the_first_is_gone() {
    let home = Home::new();
    let first = home.open();
    let second = Ledger::open(home.dir(), &facts("a"), at(1));
    assert!(matches!(second, Err(LedgerError::Locked { by: Some(4242), .. })), "{second:?}");
    drop(first);
    home.open();
}

#[test]
fn standard_tools_can_check_the_chain() {
    use std::process::{Command, Stdio};
    let text = fs::read_to_string(Home::with(3).segment()).unwrap();
    let mut previous = text.lines().next().unwrap().split(' ').nth(3).unwrap().to_owned();
    for line in text.lines().skip(1) {
        let record = &line[83..];
        let hash = line.split(' ').nth(2).unwrap();
        let mut tool = Command::new("sha256sum")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sha256sum, of coreutils, is everywhere");
        std::io::Write::write_all(
            &mut tool.stdin.take().unwrap(),
            format!("{previous}{record}").as_bytes(),
        )
        .unwrap();
        let said = String::from_utf8(tool.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(said.split(' ').next(), Some(hash));
        previous = hash.to_owned();
    }
}

#[test]
fn old_segments_go_and_what_they_mean_stays() {
    let home = Home::new();
    let mut ledger = home.open_small(3);
    let open = plan(1, Step::Freeze);
    ledger
        .append(at(0), &Entry::Intended { plan: Cow::Borrowed(&open), undo: Cow::Owned(thaw()) })
        .unwrap();
    for n in 0..200 {
        ledger.append(at(n), &noted(&"x".repeat(200))).unwrap();
        assert!(home.segments().len() <= 3);
        for path in home.segments() {
            assert!(fs::metadata(path).unwrap().len() <= 4096);
        }
    }
    drop(ledger);
    let verified = Ledger::verify(home.dir()).unwrap();
    assert!(verified.first > 100, "{verified:?}");
    assert!(matches!(home.records()[0].entry, Entry::Carried(_)));
    let ledger = home.open_small(3);
    assert_eq!(ledger.carried().unfinished.len(), 1);
    assert_eq!(ledger.carried().unfinished[0].plan, open);
    assert_eq!((ledger.carried().effects.len(), ledger.carried().last_plan), (1, open.id));
    assert_eq!(ledger.carried().boot_id, "a");
    assert_eq!(home.notes().len(), home.records().len() - 4, "all notes are the test's own");
}

#[test]
fn what_carries_over_is_the_same_after_a_restart_wherever_it_comes() {
    let home = Home::new();
    let mut ledger = home.open_small(4);
    for (n, (at, entry)) in entries(120).enumerate() {
        ledger.append(at, &entry).unwrap();
        if n % 7 == 0 {
            let before = ledger.carried().clone();
            drop(ledger);
            ledger = home.open_small(4);
            assert_eq!(ledger.carried(), &before);
        }
    }
    drop(ledger);
    Ledger::verify(home.dir()).unwrap();
}

#[test]
fn effects_count_for_a_day_and_only_the_latest_thousand() {
    let mut ledger = Ledger::in_memory(&facts("a"), at(0));
    for n in 0..1_200 {
        let plan = plan(n, Step::Kill);
        let undo = Cow::Owned(Undo::Nothing);
        ledger.append(at(n), &Entry::Intended { plan: Cow::Borrowed(&plan), undo }).unwrap();
        ledger.append(at(n), &ended(&plan)).unwrap();
    }
    assert_eq!(ledger.carried().effects.len(), Carried::MAX_EFFECTS);
    assert_eq!(ledger.carried().effects[0].plan, PlanId(200));
    let late = plan(5_000, Step::Kill);
    let undo = Cow::Owned(Undo::Nothing);
    ledger.append(at(90_000), &Entry::Intended { plan: Cow::Borrowed(&late), undo }).unwrap();
    assert_eq!(ledger.carried().effects.len(), 1);
}

#[test]
fn one_effect_too_many_is_refused_and_an_end_makes_room() {
    let mut ledger = Ledger::in_memory(&facts("a"), at(0));
    let intend =
        |ledger: &mut Ledger, n| ledger.record_intent(plan(n, Step::Freeze), thaw(), at(n));
    for n in 0..Carried::MAX_UNFINISHED as u64 {
        let _ = intend(&mut ledger, n).unwrap();
    }
    let refused = intend(&mut ledger, 999).unwrap_err();
    assert!(matches!(refused, LedgerError::Crowded { open: Carried::MAX_UNFINISHED }));
    ledger.append(at(0), &ended(&plan(3, Step::Freeze))).unwrap();
    let _ = intend(&mut ledger, 999).unwrap();
}

#[test]
fn bounds_that_make_no_sense_are_refused_by_name() {
    let home = Home::new();
    let open = |segment_size, segments| {
        let settings = LedgerSettings { segment_size, segments };
        Ledger::open_with(home.dir(), settings, &facts("a"), at(0)).unwrap_err().to_string()
    };
    assert_eq!(open(Bytes::new(1), 8), "segment_size is 1, expected at least 4096 bytes");
    assert_eq!(open(Bytes::from_mib(1), 1), "segments is 1, expected at least 2");
}

#[test]
fn a_record_reads_as_one_line() {
    let plan = plan(7, Step::Freeze);
    let line = |entry| Record { seq: 42, at: at(0), entry }.to_string();
    assert_eq!(
        line(Entry::Intended { plan: Cow::Borrowed(&plan), undo: Cow::Owned(restore()) }),
        "2023-11-14T22:13:20.000Z 42 intended #7 freeze on leaky (cgroup 7): leak will exhaust the limit, \
         confidence 0.93; undo: put MemoryHigh /leaky back to max"
    );
    assert_eq!(
        line(ended(&plan)),
        "2023-11-14T22:13:20.000Z 42 ended #7 freeze on leaky: met: thawed"
    );
    for (at, entry) in entries(5) {
        let text = Record { seq: 1, at, entry }.to_string();
        assert!(!text.contains('\n') && text.len() > 30, "{text}");
    }
}

#[test]
fn what_outlives_a_reboot_does_not_happen_unless_its_intent_is_on_storage() {
    let home = Home::new();
    let mut ledger = home.open();
    let Store::Disk(disk) = &mut ledger.store else { panic!("it was opened on disk") };
    // A directory that cannot be synced.
    disk.sync_by(fs::File::open("/dev/null").unwrap());
    let _ = ledger.record_intent(plan(1, Step::Freeze), thaw(), at(1)).unwrap();
    let refused = ledger.record_intent(plan(2, Step::Restart), Undo::Nothing, at(2)).unwrap_err();
    assert!(matches!(refused, LedgerError::Io { attempt: "sync", .. }), "{refused:?}");
    let unfinished: Vec<_> = ledger.carried().unfinished.iter().map(|open| open.plan.id).collect();
    assert_eq!(unfinished, [PlanId(1)]);
    let last = home.records().into_iter().filter_map(|record| match record.entry {
        Entry::Ended(outcome) => Some((outcome.plan, outcome.ending)),
        _ => None,
    });
    assert_eq!(last.collect::<Vec<_>>(), [(PlanId(2), Ending::Failed)]);
}
