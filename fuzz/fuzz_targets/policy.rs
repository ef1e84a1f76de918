//! Reads policy files: any text, and any text in the place of one line of the reference.
#![no_main]

use gadget_core::Policy;
use libfuzzer_sys::fuzz_target;

const REFERENCE: &str = include_str!("../../gadget-core/policy.toml");

fuzz_target!(|bytes: &[u8]| {
    let Some((&place, bytes)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    read(text);
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let mut lines: Vec<&str> = REFERENCE.lines().filter(said).collect();
    let place = usize::from(place) % lines.len();
    let value = match lines[place].split_once(" = ") {
        Some((key, _)) => format!("{key} = {text}"),
        None => text.to_owned(),
    };
    lines[place] = &value;
    read(&lines.join("\n"));
});

fn read(text: &str) {
    match Policy::from_toml(text) {
        Ok(policy) => {
            let printed = toml::to_string(policy.settings()).expect("settings are a table");
            let again = Policy::from_toml(&printed).expect("what was accepted prints as a policy");
            assert_eq!(again.settings(), policy.settings(), "{printed}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
