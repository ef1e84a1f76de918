use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use gadget_core::{
    Bytes, CgroupIdentity, CgroupMemory, CgroupVersion, MemoryLimit, Percent, Resource,
};

use super::*;
use crate::testing::{golden, readings, sample, tree, write};

const STAT: &str = "anon 1000\nfile 10\ninactive_file 4\nactive_file 6\nshmem 0\nfile_dirty 0\n\
                    file_writeback 0\nslab_reclaimable 3\npgmajfault 5\n";
const EVENTS: &str = "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n";
const PRESSURE: &str = "some avg10=1.00 avg60=0.00 avg300=0.00 total=9\n";

/// A version 2 tree with one group `a` of `current` bytes under `max`.
fn one_group(current: &str, max: &str) -> tempfile::TempDir {
    tree(&[
        ("cgroup.controllers", "memory\n"),
        ("a/memory.current", current),
        ("a/memory.max", max),
        ("a/memory.high", "max\n"),
        ("a/memory.stat", STAT),
        ("a/memory.events", EVENTS),
        ("a/memory.pressure", PRESSURE),
        ("a/memory.oom.group", "0\n"),
    ])
}

fn id(folder: impl AsRef<Path>) -> CgroupId {
    CgroupId(fs::metadata(folder).unwrap().ino())
}

fn identities(readings: &[(Subject, Reading)]) -> Vec<CgroupIdentity> {
    let of = |reading: &Reading| match reading {
        Reading::CgroupIdentity(identity) => Some((**identity).clone()),
        _ => None,
    };
    readings.iter().filter_map(|(_, reading)| of(reading)).collect()
}

fn memory(readings: &[(Subject, Reading)], id: CgroupId) -> Option<CgroupMemory> {
    readings.iter().find_map(|(subject, reading)| match reading {
        Reading::CgroupMemory(memory) if *subject == Subject::Cgroup(id) => Some(*memory),
        _ => None,
    })
}

fn has_stat(readings: &[(Subject, Reading)], id: CgroupId) -> bool {
    memory(readings, id).unwrap().stat.is_some()
}

fn gone(readings: &[(Subject, Reading)]) -> Vec<Subject> {
    let gone = readings.iter().filter(|(_, reading)| matches!(reading, Reading::Gone));
    gone.map(|(subject, _)| *subject).collect()
}

#[test]
fn a_version_2_host_gives_its_numbers() {
    for (kernel, current, swap) in
        [("6.1", 58_757_120, 66_916_352), ("6.12", 58_474_496, 66_891_776)]
    {
        let root = golden(kernel).join("sys/fs/cgroup");
        let mut cgroups = Cgroups::at(&root).unwrap();
        let readings = readings(&mut cgroups);
        let lab = id(root.join("lab"));
        let identities = identities(&readings);
        assert_eq!(identities.len(), 2, "{kernel}: the root and lab");
        assert_eq!((&*identities[0].path, identities[0].parent), ("/", None));
        assert_eq!((&*identities[1].path, identities[1].parent), ("/lab", Some(id(&root))));
        assert!(identities[1].oom_group, "{kernel}");
        assert_eq!(identities[1].version, CgroupVersion::V2);
        let memory = memory(&readings, lab).unwrap();
        assert_eq!(memory.current, Bytes::new(current), "{kernel}");
        assert_eq!(memory.max, MemoryLimit::At(Bytes::from_mib(64)), "{kernel}");
        assert_eq!(memory.high, MemoryLimit::At(Bytes::from_mib(56)), "{kernel}");
        assert_eq!(memory.events.unwrap().oom_kill, Some(0), "{kernel}");
        assert_eq!(memory.stat.unwrap().swap, Some(Bytes::new(swap)), "{kernel}");
        let stalled = readings.iter().any(|(subject, reading)| {
            *subject == Subject::Cgroup(lab)
                && matches!(reading, Reading::Pressure(Resource::Memory, p) if p.full.is_some())
        });
        assert!(stalled, "{kernel}");
    }
}

#[test]
fn a_hybrid_host_gives_memory_from_version_1_and_pressure_from_version_2() {
    let root = golden("6.18").join("sys/fs/cgroup");
    let mut cgroups = Cgroups::at(&root).unwrap();
    let readings = readings(&mut cgroups);
    let lab = id(root.join("memory/lab"));
    let memory = memory(&readings, lab).unwrap();
    assert_eq!(memory.current, Bytes::new(48_164_864));
    assert_eq!(
        (memory.max, memory.high),
        (MemoryLimit::At(Bytes::from_mib(64)), MemoryLimit::Unlimited)
    );
    assert_eq!(memory.stat.unwrap().kernel, Some(Bytes::new(327_680)));
    assert_eq!((memory.events.unwrap().max, memory.events.unwrap().high), (Some(0), None));
    assert!(readings.iter().any(|(subject, reading)| *subject == Subject::Cgroup(lab)
        && matches!(reading, Reading::Pressure(Resource::Memory, _))));
    assert!(cgroups.describe().contains("cgroup v1 memory at"), "{}", cgroups.describe());
}

#[test]
fn what_was_asked_for_besides_memory_is_read_on_both_versions() {
    let files = CgroupFiles::CPU | CgroupFiles::IO | CgroupFiles::PIDS | CgroupFiles::PRESSURE;
    for (kernel, folder) in [("6.1", "lab"), ("6.12", "lab"), ("6.18", "memory/lab")] {
        let root = golden(kernel).join("sys/fs/cgroup");
        let lab = Subject::Cgroup(id(root.join(folder)));
        let all = readings(&mut Cgroups::at(&root).unwrap().with(files));
        let kinds: Vec<_> = all
            .iter()
            .filter(|(subject, _)| *subject == lab)
            .map(|(_, reading)| match reading {
                Reading::CgroupCpu(cpu) => format!("cpu {}", cpu.periods.is_some()),
                Reading::CgroupIo(_) => "io".to_owned(),
                Reading::CgroupPids(pids) => format!("pids of {:?}", pids.max),
                Reading::Pressure(resource, _) => format!("{resource:?}"),
                Reading::CgroupMemory(_) => "memory".to_owned(),
                Reading::CgroupIdentity(_) => "identity".to_owned(),
                other => format!("{other:?}"),
            })
            .collect();
        let expected =
            ["identity", "memory", "Memory", "cpu true", "io", "pids of Some(100)", "Cpu", "Io"];
        assert_eq!(kinds, expected, "{kernel}");
    }
}

#[test]
fn the_bound_on_open_files_changes_no_reading() {
    for kernel in ["6.1", "6.12", "6.18"] {
        let root = golden(kernel).join("sys/fs/cgroup");
        let with = |keep| {
            let cgroups = Cgroups::at(&root).unwrap().calm(Calm::never()).keep_open(keep);
            let mut cgroups = cgroups.with(CgroupFiles::CPU | CgroupFiles::IO);
            (readings(&mut cgroups), sample(&mut cgroups, 2, Scope::Everything))
        };
        assert_eq!(with(0), with(1000), "{kernel}");
    }
}

#[test]
fn groups_that_come_and_go_are_seen_by_the_next_walk() {
    let root = one_group("1000\n", "max\n");
    let mut cgroups = Cgroups::at(root.path()).unwrap();
    readings(&mut cgroups);
    write(root.path(), &[("a/b/c/memory.current", "5\n"), ("a/b/memory.current", "7\n")]);
    assert!(identities(&sample(&mut cgroups, 3, Scope::Everything)).is_empty(), "not yet due");
    let found = identities(&sample(&mut cgroups, 6, Scope::Everything));
    let paths: Vec<_> = found.iter().map(|identity| &*identity.path).collect();
    assert_eq!(paths, ["/a/b", "/a/b/c"]);
    let (b, c) = (id(root.path().join("a/b")), id(root.path().join("a/b/c")));
    assert_eq!(found[1].parent, Some(b));
    fs::remove_dir_all(root.path().join("a/b")).unwrap();
    let mut left = gone(&sample(&mut cgroups, 11, Scope::Everything));
    left.sort();
    let mut expected = vec![Subject::Cgroup(b), Subject::Cgroup(c)];
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(cgroups.known(), 2);
}

#[test]
fn a_cgroup_that_vanishes_between_two_reads_is_gone_and_not_an_error() {
    let root = one_group("1000\n", "max\n");
    // Files of an ordinary file system live on while they are open, so none are kept here.
    let mut cgroups = Cgroups::at(root.path()).unwrap().keep_open(0);
    readings(&mut cgroups);
    let a = id(root.path().join("a"));
    fs::remove_dir_all(root.path().join("a")).unwrap();
    let after = sample(&mut cgroups, 2, Scope::Only(&[Subject::Cgroup(a)]));
    assert_eq!(after, [(Subject::Cgroup(a), Reading::Gone)]);
    assert_eq!(sample(&mut cgroups, 3, Scope::Only(&[Subject::Cgroup(a)])), []);
}

#[test]
fn a_new_cgroup_at_the_path_of_a_removed_one_is_not_taken_for_it() {
    let root = one_group("1000\n", "max\n");
    let mut cgroups = Cgroups::at(root.path()).unwrap().keep_open(0);
    readings(&mut cgroups);
    let old = id(root.path().join("a"));
    fs::rename(root.path().join("a"), root.path().join("z")).unwrap();
    write(root.path(), &[("a/memory.current", "777\n")]);
    let now = sample(&mut cgroups, 2, Scope::Everything);
    assert_eq!(gone(&now), [Subject::Cgroup(old)]);
    assert!(!format!("{now:?}").contains("Bytes(777)"), "{now:?}");
}

#[test]
fn a_renamed_group_says_its_new_path_and_keeps_its_id() {
    let root = one_group("1000\n", "max\n");
    let mut cgroups = Cgroups::at(root.path()).unwrap();
    readings(&mut cgroups);
    let a = id(root.path().join("a"));
    fs::rename(root.path().join("a"), root.path().join("z")).unwrap();
    let now = sample(&mut cgroups, 6, Scope::Everything);
    assert_eq!(&*identities(&now)[0].path, "/z");
    assert_eq!((gone(&now), memory(&now, a).is_some()), (vec![], true));
}

#[test]
fn a_calm_group_is_read_in_detail_in_one_of_ten_sweeps() {
    let root = one_group("10000000\n", "1000000000\n");
    let a = id(root.path().join("a"));
    let mut cgroups = Cgroups::at(root.path()).unwrap();
    assert!(has_stat(&readings(&mut cgroups), a), "the first reading is in detail");
    let detailed: Vec<u64> = (2..42)
        .filter(|&second| has_stat(&sample(&mut cgroups, second, Scope::Everything), a))
        .collect();
    assert!((3..=4).contains(&detailed.len()), "{detailed:?}");
    assert!(detailed.windows(2).all(|pair| pair[1] - pair[0] == 10), "{detailed:?}");
}

#[test]
fn a_group_that_moves_or_nears_its_limit_or_was_named_is_read_in_detail() {
    let root = one_group("100000000\n", "1000000000\n");
    let a = id(root.path().join("a"));
    let current = |bytes: &str| write(root.path(), &[("a/memory.current", bytes)]);
    let mut cgroups =
        Cgroups::at(root.path()).unwrap().calm(Calm { sweeps: 1_000_000, ..Calm::default() });
    readings(&mut cgroups);
    let mut second = 1;
    let mut detailed = |scope: Scope<'_>| {
        second += 1;
        has_stat(&sample(&mut cgroups, second, scope), a)
    };
    assert!(!detailed(Scope::Everything));
    current("101900000\n");
    assert!(!detailed(Scope::Everything), "moved by 1.9 %");
    current("102100000\n");
    assert!(detailed(Scope::Everything), "moved by 2.1 %");
    assert!(!detailed(Scope::Everything), "stands still again");
    assert!(detailed(Scope::Only(&[Subject::Cgroup(a)])), "named");
    current("510000000\n");
    assert!(detailed(Scope::Everything), "51 % of its limit");
    assert!(detailed(Scope::Everything), "and stays there");
}

#[test]
fn a_small_group_does_not_move_by_its_pages() {
    let root = one_group("1000000\n", "max\n");
    let a = id(root.path().join("a"));
    let calm = Calm { sweeps: 1_000_000, ..Calm::default() };
    let mut cgroups = Cgroups::at(root.path()).unwrap().calm(calm);
    readings(&mut cgroups);
    write(root.path(), &[("a/memory.current", "1900000\n")]);
    assert!(!has_stat(&sample(&mut cgroups, 2, Scope::Everything), a));
}

#[test]
fn a_limit_that_is_set_on_a_calm_group_is_seen_within_five_sweeps() {
    let root = one_group("10000000\n", "max\n");
    let a = id(root.path().join("a"));
    let mut cgroups = Cgroups::at(root.path()).unwrap();
    readings(&mut cgroups);
    write(root.path(), &[("a/memory.max", "20000000\n")]);
    let seen = (2..7).find(|&second| {
        let now = sample(&mut cgroups, second, Scope::Everything);
        memory(&now, a).unwrap().max == MemoryLimit::At(Bytes::new(20_000_000))
    });
    assert!(seen.is_some());
}

#[test]
fn kills_are_counted_from_the_first_reading_on() {
    let root = one_group("900\n", "1000\n");
    let a = Subject::Cgroup(id(root.path().join("a")));
    let kills = |count: u64| {
        write(root.path(), &[("a/memory.events", &*format!("oom_kill {count}\n"))]);
    };
    kills(7);
    let mut cgroups = Cgroups::at(root.path()).unwrap();
    let found = |readings: Vec<(Subject, Reading)>| {
        let kills =
            readings.into_iter().filter(|(_, reading)| matches!(reading, Reading::OomKill(_)));
        kills.collect::<Vec<_>>()
    };
    assert_eq!(found(readings(&mut cgroups)), [], "what was before is not ours to tell");
    kills(9);
    assert_eq!(found(sample(&mut cgroups, 2, Scope::Everything)), [(a, Reading::OomKill(2))]);
    assert_eq!(found(sample(&mut cgroups, 3, Scope::Everything)), []);
}

#[test]
fn subtrees_leave_out_the_rest_and_may_come_later() {
    let root = one_group("1000\n", "max\n");
    write(root.path(), &[("other/memory.current", "5\n"), ("a/b/memory.current", "7\n")]);
    let mut cgroups = Cgroups::at(root.path()).unwrap().subtree("/a/").subtree("late/one");
    let paths = |readings: &[(Subject, Reading)]| -> Vec<String> {
        identities(readings).iter().map(|identity| identity.path.to_string()).collect()
    };
    let first = readings(&mut cgroups);
    assert_eq!(paths(&first), ["/a", "/a/b"]);
    assert_eq!(identities(&first)[0].parent, Some(id(root.path())));
    write(root.path(), &[("late/one/memory.current", "7\n")]);
    let later = sample(&mut cgroups, 6, Scope::Everything);
    assert_eq!(paths(&later), ["/late/one"]);
    assert_eq!(identities(&later)[0].parent, Some(id(root.path().join("late"))));
}

#[test]
fn a_bad_file_is_an_error_with_its_path_and_does_not_stop_the_sweep() {
    let root = one_group("1000\n", "max\n");
    write(root.path(), &[("z/memory.current", "5\n")]);
    for bad in ["-5\n", "12", "", "\u{0}\u{7f}\n", "99999999999999999999\n"] {
        write(root.path(), &[("a/memory.current", bad)]);
        let mut cgroups = Cgroups::at(root.path()).unwrap();
        let mut out = Signals::at(Timestamp::from_secs(1));
        let error =
            cgroups.sample(Timestamp::from_secs(1), Scope::Everything, &mut out).unwrap_err();
        let path: PathBuf = root.path().join("a/memory.current");
        assert!(
            error.to_string().starts_with(&format!("{}:1: expected", path.display())),
            "{error}"
        );
        let read: Vec<_> =
            out.into_iter().filter(|s| matches!(s.reading, Reading::CgroupMemory(_))).collect();
        assert_eq!(read.len(), 1, "only z was read after {bad:?}");
    }
}

#[test]
fn a_group_without_the_memory_controller_has_no_memory_reading() {
    let root = tree(&[("cgroup.controllers", "memory\n"), ("a/memory.pressure", PRESSURE)]);
    let mut cgroups = Cgroups::at(root.path()).unwrap();
    let now = readings(&mut cgroups);
    let a = id(root.path().join("a"));
    assert_eq!(memory(&now, a), None);
    assert!(now.iter().any(|(_, reading)| matches!(reading, Reading::Pressure(..))));
    // The controller is turned on: noticed within a minute.
    write(root.path(), &[("a/memory.current", "5\n"), ("a/memory.max", "max\n")]);
    let seen = (1..=13)
        .find(|walk| memory(&sample(&mut cgroups, walk * 5 + 1, Scope::Everything), a).is_some());
    assert!(seen.is_some());
}

#[test]
fn an_oom_group_setting_that_changes_is_told_within_a_minute() {
    let root = one_group("1000\n", "max\n");
    let mut cgroups = Cgroups::at(root.path()).unwrap();
    readings(&mut cgroups);
    write(root.path(), &[("a/memory.oom.group", "1\n")]);
    let told: Vec<_> = (1..=13)
        .flat_map(|walk| identities(&sample(&mut cgroups, walk * 5 + 1, Scope::Everything)))
        .collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].oom_group);
}

#[test]
fn calm_is_what_its_settings_say() {
    let root = one_group("300\n", "1000\n");
    let a = id(root.path().join("a"));
    let below = Percent::new(25.0).unwrap();
    let calm = Calm { below, sweeps: 1_000_000, ..Calm::default() };
    let mut cgroups = Cgroups::at(root.path()).unwrap().calm(calm);
    readings(&mut cgroups);
    assert!(has_stat(&sample(&mut cgroups, 2, Scope::Everything), a));
}
