//! The other files of a process, and those that hold a number or a list of them.

#![no_main]

use std::path::Path;

use gadget_signals::{parse, runtime_of_maps};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let path = Path::new("f");
    let _ = parse::statm(text, path);
    let _ = parse::smaps_rollup(text, path);
    let _ = parse::process_io(text, path);
    let _ = parse::uid(text, path);
    let _ = parse::switches(text, path);
    let _ = parse::loadavg(text, path);
    let _ = parse::pids_max(text, path);
    let mut pids = Vec::new();
    let _ = parse::pids(text, path, &mut pids);
    assert!(!pids.contains(&0));
    if let Ok(score) = parse::oom_score_adj(text, path) {
        assert!((-1000..=1000).contains(&score));
    }
    let _ = runtime_of_maps(text);
});
