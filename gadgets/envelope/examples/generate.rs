//! Writes `src/generated.rs` from the files of `proto/`; with `--check` it only looks whether that is needed. With
//! `--release` it writes `proto/released.binpb` too: from then on the tags of the present files are frozen.
//!
//! What is generated is checked in, so that whoever builds the crate needs neither this nor a protobuf compiler.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use prost_build::{Config, Module};
use prost_reflect::Value;
use protox::Compiler;

const FILES: [&str; 2] = ["ddsketch.proto", "surveyor.proto"];
const PACKAGE: &str = "gadget.surveyor.v1";
const GENERATED: &str = "src/generated.rs";
const RELEASED: &str = "proto/released.binpb";

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let (check, release) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (false, false),
        ["--check"] => (true, false),
        ["--release"] => (false, true),
        _ => bail!("usage: generate [--check | --release]"),
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = Compiler::new([here.join("proto")])?;
    compiler.open_files(FILES)?;
    if release {
        fs::write(here.join(RELEASED), compiler.encode_file_descriptor_set())?;
        println!("wrote {RELEASED}");
    }
    let mut compiler = Compiler::new([here.join("proto")])?;
    compiler.include_source_info(true).include_imports(true).open_files(FILES)?;
    let fresh = messages(&compiler)? + &versions(&compiler)?;
    let kept = fs::read_to_string(here.join(GENERATED)).unwrap_or_default();
    if kept == fresh {
        println!("{GENERATED} is what the files of proto/ give");
        return Ok(());
    }
    ensure!(!check, "{GENERATED} is not what the files of proto/ give");
    fs::write(here.join(GENERATED), fresh)?;
    println!("wrote {GENERATED}");
    Ok(())
}

/// The structs and enums of the package.
fn messages(compiler: &Compiler) -> Result<String> {
    let mut config = Config::new();
    // Ordered maps: the same message gives the same bytes.
    config.btree_map(["."]);
    for (theirs, ours) in
        [("DDSketch", "DdSketch"), ("IndexMapping", "IndexMapping"), ("Store", "Store")]
    {
        config.extern_path(format!(".{theirs}"), format!("::gadget_sketch::proto::{ours}"));
    }
    let files = compiler.file_descriptor_set().file;
    let module = Module::from_protobuf_package_name(PACKAGE);
    let requests = files.into_iter().filter(|file| file.package() == PACKAGE);
    let mut modules = config.generate(requests.map(|file| (module.clone(), file)).collect())?;
    modules.remove(&module).with_context(|| format!("no messages in {PACKAGE}"))
}

/// The schema version of each envelope.
fn versions(compiler: &Compiler) -> Result<String> {
    let pool = compiler.descriptor_pool();
    let schema = pool.get_extension_by_name(&format!("{PACKAGE}.schema")).context("no schema")?;
    let mut text = String::new();
    for message in pool.all_messages() {
        if let Value::String(version) = message.options().get_extension(&schema).as_ref()
            && !version.is_empty()
        {
            let name = message.name();
            writeln!(
                text,
                "impl {name} {{\n    /// The `schema_version` of this form.\n    pub const SCHEMA: &'static str = \"{version}\";\n}}"
            )?;
        }
    }
    Ok(text)
}
