//! `memory.events` and `memory.oom_control`.

#![no_main]

use std::path::Path;

use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let path = Path::new("memory.events");
    let events = parse::memory_events(text, path).ok();
    let control = parse::oom_control(text, path).ok();
    assert_eq!(events.map(|events| events.oom_kill), control);
});
