//! `/etc/passwd`: whatever is there, ids are in order and each has one name.

#![no_main]

use gadget_signals::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let users = parse::users(text);
    assert!(users.windows(2).all(|two| two[0].0 < two[1].0));
    assert!(users.iter().all(|(_, name)| !name.is_empty() && !name.contains(':')));
});
