//! Opens files of the Archivist: a sound one with any bytes in the place of some, and pages of any bytes.
#![no_main]

use std::fs;
use std::os::unix::fs::FileExt as _;

use gadget_archivist::{Archive, ArchiveSettings};
use gadget_core::{Bytes, Timestamp};
use libfuzzer_sys::fuzz_target;

const SETTINGS: ArchiveSettings = ArchiveSettings {
    bytes: Bytes::from_mib(2),
    window: std::time::Duration::from_secs(120),
    line: 32 << 10,
};

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ring");
    let at = |nth: u64| Timestamp::from_nanos(1_800_000_000_000_000_000 + nth * 50_000_000);
    let (mut archive, _) = Archive::open(&path, SETTINGS).expect("an archive");
    for nth in 0..900 {
        archive.append(
            ["api", "db"][nth as usize % 2],
            at(nth),
            None,
            &[b'a' + (nth % 20) as u8; 90],
        );
    }
    drop(archive);
    // Each part goes to a place of its own: its first two bytes say where, in steps of eight bytes from the first page of names on, or from
    // the first one of lines.
    let file = fs::OpenOptions::new().write(true).open(&path).expect("its file");
    for part in bytes.chunks(64) {
        let Some((&place, part)) = part.split_first_chunk() else { break };
        let place = u64::from(u16::from_le_bytes(place));
        let from = if place & 1 == 0 { 4096 } else { (1 + 128) * 4096 };
        file.write_all_at(part, from + (place >> 1) * 8).expect("a write");
    }
    drop(file);
    let (mut archive, _) = Archive::open(&path, SETTINGS).expect("an archive of anything");
    let count = |archive: &Archive| {
        let mut lines = 0u64;
        archive.read(Timestamp::EPOCH, Timestamp::from_nanos(u64::MAX), |_| lines += 1);
        lines
    };
    let before = count(&archive);
    archive.append("new", at(900), None, b"goes on");
    assert!(count(&archive) <= before + 1);
    drop(archive);
    assert!(Archive::open(&path, SETTINGS).is_ok());
});
