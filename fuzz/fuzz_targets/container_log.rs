//! Lines of container runtimes: a text is no longer than its line, and JSON that another parser reads is read the same.

#![no_main]

use gadget_signals::logs::container_line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str)| {
    let (line, text) = input;
    let mut found = Vec::new();
    let unwrapped = container_line(line, &mut found);
    assert!(found.len() <= line.len());
    assert!(unwrapped.is_some() || found.is_empty());
    // What serde_json writes is what comes out.
    let wrapped = serde_json::json!({"log": format!("{text}\n"), "stream": "stderr"}).to_string();
    let mut found = Vec::new();
    let unwrapped = container_line(wrapped.as_bytes(), &mut found).expect("it is docker's");
    assert!(unwrapped.ends && unwrapped.stderr && !unwrapped.replaced);
    assert_eq!(found, text.as_bytes());
});
