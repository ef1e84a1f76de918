//! Reads settings of the Surveyor: any text, and any text in the place of one line of the file with all of them.
#![no_main]

use gadget_surveyor::settings::Settings;
use libfuzzer_sys::fuzz_target;

const ALL: &str = include_str!("../../gadgets/surveyor/settings.toml");

fuzz_target!(|bytes: &[u8]| {
    let Some((&place, bytes)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    read(text);
    let said = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let mut lines: Vec<&str> = ALL.lines().filter(said).collect();
    let place = usize::from(place) % lines.len();
    let value = match lines[place].split_once(" = ") {
        Some((key, _)) => format!("{key} = {text}"),
        None => text.to_owned(),
    };
    lines[place] = &value;
    read(&lines.join("\n"));
});

fn read(text: &str) {
    let default = Settings::default();
    match default.patch_beside(text, &["export"]) {
        Ok(settings) => {
            let printed = settings.to_toml();
            assert_eq!(default.patch(&printed), Ok(settings.clone()), "{printed}");
            let changes = default.changes(&settings);
            assert_eq!(changes.is_empty(), settings == default, "{changes:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
