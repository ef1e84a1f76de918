//! Reads spools: any bytes as a segment, and sound records with any bytes in their place.
#![no_main]

use gadget_export::{Frames, Spool, SpoolOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut least = 0;
    let mut at = 0;
    for frame in Frames::of(bytes) {
        assert!(frame.number >= least && frame.start >= at && frame.end > frame.start);
        assert!(bytes[frame.start..frame.end].ends_with(frame.payload));
        (least, at) = (frame.number + 1, frame.end);
    }
    let Some((&[from, skipped, files], text)) = bytes.split_first_chunk() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let options = SpoolOptions {
        directory: Some(folder.path().into()),
        bytes: 4096,
        memory_bytes: 4096,
        ..Default::default()
    };
    let mut spool = Spool::open(options.clone());
    (0..4).for_each(|_| spool.append(b"sound"));
    drop(spool);
    let segment = folder.path().join(format!("{:016x}.seg", 0));
    let sound = std::fs::read(&segment).expect("a segment");
    let from = usize::from(from) % sound.len();
    let rest = (from + usize::from(skipped)).min(sound.len());
    std::fs::write(&segment, [&sound[..from], text, &sound[rest..]].concat()).expect("a file");
    if files & 1 != 0 {
        std::fs::write(folder.path().join("position"), bytes).expect("a file");
    }
    if files & 2 != 0 {
        std::fs::write(folder.path().join(format!("{:016x}.seg", 3)), bytes).expect("a file");
    }
    let mut spool = Spool::open(options);
    assert_eq!(spool.stats().in_memory, None);
    spool.append(b"more");
    let mut last = None;
    let mut read = Vec::new();
    while let Some(record) = spool.peek(1, 0).pop() {
        assert!(last.is_none_or(|last| record.number > last));
        last = Some(record.number);
        spool.acknowledge(record.number);
        read = record.bytes;
    }
    // A forged record may have the last number there is.
    assert!(read == b"more" || spool.stats().damaged > 0 || spool.stats().dropped > 0);
    assert_eq!(spool.stats().records, 0);
});
