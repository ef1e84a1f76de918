//! Records out of a file, through restarts at any moment: what is held back is neither lost nor given out twice.

#![allow(clippy::unwrap_used)] // All of it is tests.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use gadget_core::{LogBatch, LogInput, LogRead, LogSources};
use gadget_signals::logs::{Refine, RefineSettings, Resumed, Tail};

fn open(folder: &Path) -> (Refine<Tail>, usize) {
    let sources = LogSources::default();
    let tail = Tail::builder()
        .files(folder.join("app.log"))
        .checkpoint(folder.join("checkpoint"))
        .sources(sources.clone())
        .build()
        .unwrap();
    let mark = match tail.resumed() {
        Resumed::From { mark, .. } => mark.unwrap_or(0) as usize,
        _ => 0,
    };
    let hold = Duration::from_millis(3);
    (Refine::new(tail, sources, RefineSettings { hold, ..Default::default() }), mark)
}

/// What is written out is put back to the mark of the last commit, as whoever keeps lines does after a kill. The reader is dropped
/// instead of killed: nothing of it is written by that.
#[test]
fn records_come_once_although_commits_wait_for_what_is_held_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    let mut log = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let mut output = Vec::new();
    let (mut refine, _) = open(folder.path());
    let mut batch = LogBatch::default();
    let mut resumed_at = Vec::new();
    for round in 0..120 {
        for line in 0..5 {
            writeln!(log, "2024-02-03 10:00:00 ERROR {round}.{line}").unwrap();
            writeln!(log, "\tat a.B({round}.java:{line})").unwrap();
        }
        batch.clear();
        refine.read(&mut batch, Duration::from_millis(2)).unwrap();
        output.extend_from_slice(batch.block());
        refine.commit(output.len() as u64).unwrap();
        thread::sleep(Duration::from_millis(1));
        if round % 7 == 6 {
            drop(refine);
            let mark;
            (refine, mark) = open(folder.path());
            assert!(mark <= output.len());
            output.truncate(mark);
            resumed_at.push(mark);
        }
    }
    while output.len() < fs::metadata(&path).unwrap().len() as usize {
        batch.clear();
        refine.read(&mut batch, Duration::from_millis(100)).unwrap();
        output.extend_from_slice(batch.block());
    }
    assert_eq!(String::from_utf8(output).unwrap(), fs::read_to_string(&path).unwrap());
    let distinct = resumed_at.iter().filter(|mark| **mark > 0).count();
    assert!(distinct > 0, "commits were passed on: {resumed_at:?}");
    assert!(resumed_at.is_sorted());
}

#[test]
fn a_file_in_utf16_is_read_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = "\u{feff}first né\r\n\r\nthird Њ\r\nlast\r\n";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(folder.path().join("app.log"), bytes).unwrap();
    let (mut refine, _) = open(folder.path());
    let mut batch = LogBatch::default();
    while batch.len() < 4 {
        let read = refine.read(&mut batch, Duration::from_secs(10)).unwrap();
        assert_eq!(read, LogRead::Lines, "{:?}", batch.block().escape_ascii().to_string());
    }
    assert_eq!(std::str::from_utf8(batch.block()).unwrap(), "first né\n\nthird Њ\nlast\n");
}
