use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proptest::prelude::*;

use super::page::MAGIC;
use super::*;

fn settings(kib: u64) -> ArchiveSettings {
    ArchiveSettings { bytes: Bytes::from_kib(kib), line: 64 << 10, ..ArchiveSettings::default() }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(1_800_000_000_000_000_000 + millis * 1_000_000)
}

fn all(archive: &Archive) -> Vec<(String, Timestamp, Vec<u8>)> {
    let mut lines = Vec::new();
    archive.read(Timestamp::EPOCH, at(u64::from(u32::MAX)), |entry| {
        lines.push((entry.service.to_owned(), entry.at, entry.text.to_vec()));
    });
    lines
}

fn open(path: &Path, kib: u64) -> (Archive, Left) {
    Archive::open(path, settings(kib)).unwrap()
}

/// Text that compresses as logs do, and is told apart.
fn line(nth: u64) -> String {
    format!(
        "2026-11-27 request {nth} of session {:016x} took {} ms, answered 200",
        nth.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        nth % 977
    )
}

#[test]
fn what_is_appended_is_read_in_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, left) = open(&folder.path().join("ring"), 4096);
    assert_eq!(left, Left::Nothing);
    for nth in 0..20_000u64 {
        let service = ["api", "db", "web"][(nth % 3) as usize];
        archive.append(service, at(nth), Some(Severity::Info), line(nth).as_bytes());
    }
    let lines = all(&archive);
    assert_eq!(lines.len(), 20_000);
    assert!(
        lines
            .iter()
            .zip(0..)
            .all(|((_, time, text), nth)| *time == at(nth) && *text == line(nth).into_bytes())
    );
    let counts = archive.counts();
    assert_eq!((counts.lines, counts.evicted), (20_000, 0));
    assert!(counts.packed * 2 < counts.raw, "{counts:?}");
    let mut part = 0;
    archive.read(at(500), at(599), |entry| part += usize::from(entry.at >= at(500)));
    assert_eq!(part, 100);
}

#[test]
fn lines_of_real_systems_come_back_as_they_are_and_take_a_sixth() {
    let data = std::env::var_os("GADGET_DATA").unwrap_or_else(|| "../../../shared/data".into());
    let path = Path::new(&data).join("pii/plain_dev.jsonl");
    let Ok(text) = fs::read_to_string(&path) else {
        println!("SKIPPED the shared corpus is not there (GADGET_DATA)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let (mut archive, _) = open(&path, 8192);
    let mut want = Vec::new();
    for (line, nth) in text.lines().zip(0..) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let [service, text] = ["src", "text"].map(|field| line[field].as_str().unwrap());
        archive.append(service, at(nth), None, text.as_bytes());
        want.push((service.to_owned(), at(nth), text.as_bytes().to_vec()));
    }
    assert!(!want.is_empty());
    for service in 0..archive.services.len() {
        if archive.services[service].open {
            archive.pack(service);
        }
    }
    let counts = archive.counts();
    assert!(counts.packed * 6 < counts.raw, "{counts:?}");
    assert!(all(&archive) == want, "lines differ");
    drop(archive);
    assert!(all(&open(&path, 8192).0) == want, "lines differ once the file is opened again");
}

#[test]
fn what_was_left_is_found_again_and_what_was_closed_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let (mut archive, _) = open(&path, 4096);
    for nth in 0..9_000 {
        archive.append(
            if nth % 9 == 0 { "rare" } else { "often" },
            at(nth),
            None,
            line(nth).as_bytes(),
        );
    }
    let before = all(&archive);
    // As after `kill -9`: nothing is said to the file.
    drop(archive);
    let (mut archive, left) = open(&path, 4096);
    assert_eq!(left, Left::Behind { lines: 9_000, first: at(0), last: at(8_999) });
    assert_eq!(all(&archive), before);
    archive.append("often", at(9_000), None, b"and on it goes");
    assert_eq!(all(&archive).len(), 9_001);
    archive.close();
    assert_eq!(open(&path, 4096).1, Left::InOrder);
}

#[test]
fn a_noisy_service_takes_no_quiet_ones_history() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = open(&folder.path().join("ring"), 2048);
    let mut seed = 1u64;
    for nth in 0..2_000u64 {
        let noise = (0..1_000).flat_map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed.to_be_bytes()
        });
        archive.append("noisy", at(nth * 10), None, &noise.collect::<Vec<u8>>());
        if nth % 100 == 0 {
            archive.append("quiet", at(nth * 10), None, b"a line a second");
        }
    }
    let lines = all(&archive);
    assert_eq!(lines.iter().filter(|(service, ..)| service == "quiet").count(), 20);
    assert!(archive.counts().evicted > 1_000, "{:?}", archive.counts());
    assert!(archive.used().get() <= 2048 << 10);
    let now = at(19_990);
    assert_eq!(archive.held("quiet", now), Some(Duration::from_millis(19_990)));
    let held = archive.held("noisy", now).unwrap();
    assert!(held < Duration::from_secs(3), "{held:?} of noise is held");
}

#[test]
fn what_is_older_than_the_window_goes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = open(&folder.path().join("ring"), 4096);
    for second in 0..600 {
        archive.append("api", at(second * 1_000), None, line(second).as_bytes());
    }
    let lines = all(&archive);
    let first = lines[0].1;
    assert!(
        first >= at((600 - 120 - 15 - 31) * 1_000) && first <= at((600 - 120) * 1_000),
        "{first}"
    );
    archive.expire(at(900_000));
    assert_eq!(all(&archive), []);
    assert_eq!(archive.used(), Bytes::ZERO);
}

#[test]
fn long_lines_are_cut_and_names_beyond_the_bound_share_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut archive, _) = open(&folder.path().join("ring"), 4096);
    archive.append("api", at(0), None, &vec![b'x'; 10 << 20]);
    let lines = all(&archive);
    assert_eq!((lines.len(), lines[0].2.len()), (1, 64 << 10));
    assert_eq!(archive.counts().cut, 1);
    let (mut archive, _) = open(&folder.path().join("another"), 32 << 10);
    let names = MOST_SERVICES as u64 + 500;
    for nth in 0..names {
        archive.append(&format!("service-{nth}"), at(nth), None, b"hello");
    }
    assert!(archive.counts().crowded > 0);
    assert!(archive.services().any(|name| **name == *"other"));
}

#[test]
fn another_process_is_refused_and_so_are_settings_that_make_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let (_archive, _) = open(&path, 4096);
    assert!(matches!(Archive::open(&path, settings(4096)), Err(ArchiveError::InUse { .. })));
    assert!(matches!(Archive::open(&path, settings(100)), Err(ArchiveError::Settings)));
    let nowhere = Archive::open(folder.path().join("no/where"), settings(4096));
    assert!(matches!(nowhere, Err(ArchiveError::File { .. })));
}

#[test]
fn a_file_that_is_no_archive_is_left_alone_and_an_archive_is_its_owner_s() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    fs::write(&path, "something else").unwrap();
    assert!(matches!(Archive::open(&path, settings(2048)), Err(ArchiveError::Another { .. })));
    assert_eq!(fs::read(&path).unwrap(), b"something else");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&path, 2048));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(Archive::open(&link, settings(2048)), Err(ArchiveError::File { .. })));
    // Of another size it is an archive all the same, and made anew.
    assert_eq!(open(&path, 4096).1, Left::Nothing);
}

#[test]
fn an_archive_of_another_version_is_set_aside_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let mut of_another = MAGIC.to_vec();
    of_another[MAGIC.len() - 1] = 1;
    of_another.extend(b"pages of another kind");
    fs::write(&path, &of_another).unwrap();
    let (mut archive, left) = open(&path, 2048);
    assert_eq!(left, Left::Aside { version: 1 });
    assert_eq!(fs::read(folder.path().join("ring.version-1")).unwrap(), of_another);
    archive.append("api", at(0), None, b"hello");
    assert!(matches!(Archive::open(&path, settings(2048)), Err(ArchiveError::InUse { .. })));
    drop(archive);
    let (archive, left) = open(&path, 2048);
    assert_eq!(
        (left, all(&archive).len()),
        (Left::Behind { lines: 1, first: at(0), last: at(0) }, 1)
    );
}

/// As after a loss of power: pages of the open chain that did not reach the disk, or not whole.
#[test]
fn raw_lines_are_read_up_to_the_page_that_is_damaged_and_it_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let (mut archive, _) = open(&path, 2048);
    let mut ends = Vec::new();
    for nth in 0..200 {
        archive.append("api", at(nth), None, line(nth).as_bytes());
        ends.push(archive.services[1].chains[0].length);
    }
    let pages = archive.services[1].chains[0].pages.clone();
    assert!(pages.len() > 3);
    drop(archive);
    let sound = fs::read(&path).unwrap();
    for (nth, place) in [(0, HEAD), (2, HEAD + 100), (2, PAGE - 1), (3, 8), (3, 4)] {
        let mut bytes = sound.clone();
        bytes[offset(pages[nth]) + place] ^= 1;
        fs::write(&path, bytes).unwrap();
        let (archive, _) = open(&path, 2048);
        let lines = all(&archive);
        assert!(lines.iter().zip(0..).all(|((.., text), nth)| *text == line(nth).into_bytes()));
        let whole = ends.partition_point(|end| *end <= nth * ROOM);
        assert_eq!(lines.len(), whole, "page {nth} is damaged at {place}");
        assert!(archive.counts().damaged > 0, "page {nth} is damaged at {place}");
    }
    fs::write(&path, sound).unwrap();
    let (archive, _) = open(&path, 2048);
    assert_eq!((all(&archive).len(), archive.counts().damaged), (200, 0));
}

#[test]
fn a_name_that_cannot_be_read_takes_no_other_one_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let (mut archive, _) = open(&path, 2048);
    for service in ["first", "second", ""] {
        archive.append(service, at(0), None, b"hello");
    }
    drop(archive);
    let mut bytes = fs::read(&path).unwrap();
    bytes[PAGE + NAME + 2] = 0xff;
    fs::write(&path, bytes).unwrap();
    let (mut archive, _) = open(&path, 2048);
    let of = |archive: &Archive| -> Vec<String> {
        all(archive).into_iter().map(|(service, ..)| service).collect()
    };
    assert_eq!(of(&archive), ["other", "other", "second"]);
    archive.append("third", at(1), None, b"hello");
    assert_eq!(of(&archive), ["other", "other", "second", "third"]);
}

#[test]
fn a_file_of_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    let (mut archive, _) = open(&path, 2048);
    for nth in 0..5_000 {
        archive.append("api", at(nth), None, line(nth).as_bytes());
    }
    drop(archive);
    let sound = fs::read(&path).unwrap();
    let mut seed = 1u64;
    for _ in 0..40 {
        let mut bytes = sound.clone();
        for _ in 0..200 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let page = (seed >> 40) as usize % (bytes.len() / PAGE);
            bytes[page * PAGE + (seed >> 20) as usize % 64] ^= (seed >> 8) as u8;
        }
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        fs::write(&path, &bytes).unwrap();
        let (mut archive, _) = open(&path, 2048);
        let lines = all(&archive).len();
        assert!(lines <= 5_000, "{lines}");
        archive.append("api", at(6_000), None, b"goes on");
        assert_eq!(all(&archive).len(), lines + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn nothing_is_lost_or_torn_wherever_it_ends(
        sizes in prop::collection::vec((0usize..6_000, 0u8..4, 0u64..50), 1..300),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let (mut archive, _) = open(&path, 8192);
        let mut now = 0;
        let mut want = Vec::new();
        for (nth, (size, service, step)) in sizes.iter().enumerate() {
            now += step;
            let text: Vec<u8> = (0..*size).map(|byte| (byte * (nth + 7) % 251) as u8).collect();
            let service = format!("s{service}");
            archive.append(&service, at(now), Severity::ALL.get(nth % 7).copied(), &text);
            want.push((service, at(now), text));
        }
        let sort = |mut lines: Vec<(String, Timestamp, Vec<u8>)>| {
            lines.sort();
            lines
        };
        prop_assert_eq!(sort(all(&archive)), sort(want.clone()));
        drop(archive);
        prop_assert_eq!(sort(all(&open(&path, 8192).0)), sort(want));
    }

    #[test]
    fn who_holds_less_than_its_share_loses_nothing(
        rates in prop::collection::vec(1u64..200, 2..6),
        seed in any::<u64>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut archive, _) = open(&folder.path().join("ring"), 2048);
        let mut random = seed | 1;
        let mut appended = vec![0u64; rates.len()];
        for millis in 0..1_000u64 {
            for (nth, rate) in rates.iter().enumerate().filter(|(_, rate)| millis % (201 - *rate) == 0) {
                let text: Vec<u8> = (0..64 * (1 + rate % 30)).map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (random >> 56) as u8
                }).collect();
                archive.append(&format!("s{nth}"), at(millis), None, &text);
                appended[nth] += 1;
            }
        }
        let room = archive.map.bytes().len() / PAGE - page::FIRST - archive.reserve;
        // A share, less what one chain of this many pages is let go at once.
        let share = (room / rates.len()).saturating_sub(CHAIN / ROOM + 2);
        let lines = all(&archive);
        for (nth, count) in appended.iter().enumerate() {
            let name = format!("s{nth}");
            let held = lines.iter().filter(|(service, ..)| *service == name).count() as u64;
            let bytes = count * (64 * (1 + rates[nth] % 30) + 16);
            if (bytes as usize) < share * ROOM {
                prop_assert_eq!(held, *count, "{} holds less than its share", name);
            }
        }
    }
}
