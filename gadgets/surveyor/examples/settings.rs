//! Writes `settings.md` and `settings.toml` of this crate from the schema of the settings.

use std::fs;
use std::path::Path;

use gadget_surveyor::settings;

fn main() -> std::io::Result<()> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::write(crate_folder.join("settings.md"), settings::docs())?;
    fs::write(crate_folder.join("settings.toml"), settings::default_file())
}
