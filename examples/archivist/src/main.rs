//! The Archivist as a program.

mod replay;

use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let data = std::env::var_os("GADGET_DATA")
        .map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    print!("{}", replay::report(&data)?);
    Ok(())
}
