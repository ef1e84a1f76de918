use std::fs;
use std::time::Duration;

use gadget_core::{LogBatch, LogFlags, LogInput};

use super::tests::Host;
use super::*;

#[test]
fn long_lines_are_cut_and_cost_no_more_than_they_may_have() {
    let mut host = Host::with(|it| it.longest_line(100_000));
    let long = "x".repeat(10 << 20);
    host.write("app.log", "one\n");
    for part in long.as_bytes().chunks(70_000) {
        host.write("app.log", str::from_utf8(part).unwrap());
        if host.tail().stats().cut == 0 {
            host.lines();
        }
    }
    host.write("app.log", "\nshort\n");
    assert_eq!(host.lines(), ["short"]);
    let stats = host.tail().stats();
    assert_eq!((stats.lines, stats.cut, stats.bytes), (3, 1, (10 << 20) + 1 + 4 + 6));
    assert!(host.tail().buffer.capacity() <= 300_000);
    // Whole in one block, and of just the length that lines may have.
    host.write("app.log", &format!("{}\n{}\n", &long[..100_000], &long[..100_001]));
    assert_eq!(host.lines().iter().map(String::len).collect::<Vec<_>>(), [100_000; 2]);
    assert_eq!(host.flags, [LogFlags::default(), LogFlags::CUT]);
}

#[test]
fn few_descriptors_do_for_many_files() {
    let mut host = Host::with(|it| it.descriptors(8));
    for round in 0..3 {
        for i in 0..100 {
            host.write(&format!("{i}.log"), &format!("{round}\n"));
        }
        assert_eq!(host.lines(), vec![round.to_string(); 100]);
        assert!(host.tail().stats().open <= 9, "{:?}", host.tail().stats());
    }
    // One that is renamed while it is closed is still the same.
    for i in 0..100 {
        host.rename(&format!("{i}.log"), &format!("{i}.log.1"));
        host.write(&format!("{i}.log.1"), "late\n");
        host.write(&format!("{i}.log"), "new\n");
    }
    let lines = host.lines();
    assert_eq!(lines.iter().filter(|it| *it == "late").count(), 100);
    assert_eq!((lines.len(), host.tail().stats().lost), (200, 0));
}

#[test]
fn files_take_turns() {
    let mut host = Host::new();
    let line = format!("{}\n", "x".repeat(999));
    host.write("a.log", &line.repeat(2000));
    host.write("b.log", "one\n");
    let lines = host.lines();
    let at = lines.iter().position(|it| it == "one").unwrap();
    assert!(lines.len() == 2001 && at < 300, "{at}");
}

#[test]
fn what_is_not_asked_for_is_not_read() {
    let mut host = Host::new();
    host.write("a.log", &"some line\n".repeat(100_000));
    let mut batch = LogBatch::default();
    host.tail().scan();
    host.tail().read(&mut batch, Duration::from_secs(1)).unwrap();
    assert!(batch.is_full() && batch.len() < 30_000);
    let bytes = host.tail().stats().bytes;
    assert_eq!(bytes, batch.block().len() as u64);
    assert_eq!(host.lines().len() + batch.len(), 100_000);
}

#[test]
fn without_a_watch_files_are_asked() {
    let mut host = Host::with(|it| it.watch(false).poll(Duration::from_millis(5)));
    assert!(!host.tail().stats().watched);
    host.write("app.log", "one\n");
    let mut batch = LogBatch::default();
    assert_eq!(host.tail().read(&mut batch, Duration::from_secs(20)).unwrap(), LogRead::Lines);
    host.rename("app.log", "app.log.1");
    host.write("app.log", "two\n");
    assert_eq!(host.tail().read(&mut batch, Duration::from_secs(20)).unwrap(), LogRead::Lines);
    assert_eq!(batch.block(), b"one\ntwo\n");
}

#[test]
fn a_path_that_leads_nowhere_for_long_is_forgotten() {
    let mut host = Host::with(|it| it.forget(Duration::ZERO));
    host.write("app.log", "one\n");
    assert_eq!(host.lines(), ["one"]);
    host.commit(1);
    fs::remove_file(host.path("app.log")).unwrap();
    host.lines();
    std::thread::sleep(Duration::from_millis(2100));
    host.lines();
    assert_eq!(host.tail().stats().paths, 0);
    host.commit(2);
    let (checkpoint, _) = Checkpoint::decode(&fs::read(host.path("checkpoint")).unwrap()).unwrap();
    assert_eq!((checkpoint.mark, checkpoint.paths.len()), (Some(2), 0));
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let text = |it: TailBuilder| format!("{:?}", it.build().map(drop).unwrap_err());
    assert!(text(Tail::builder().files("/var/log/")).contains("/var/log/"));
    assert!(text(Tail::builder().longest_line(0)).contains("longest_line"));
    assert!(text(Tail::builder().descriptors(0)).contains("descriptors"));
}
