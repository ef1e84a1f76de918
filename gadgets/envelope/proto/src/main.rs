//! Writes `generated.rs` and `descriptor.binpb` of `gadget-envelope` from the `.proto` files of this folder; with `--check` it only
//! looks whether that is needed. With `--release` it writes `released.binpb` too: from then on the tags of the present files are
//! frozen, and a test fails when they change.
//!
//! What is generated is checked in, so that whoever builds the crate needs neither this nor a protobuf compiler.

#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;

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
const GENERATED: &str = "../src/generated.rs";
const DESCRIPTOR: &str = "../src/descriptor.binpb";
const RELEASED: &str = "released.binpb";

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let (check, release) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (false, false),
        ["--check"] => (true, false),
        ["--release"] => (false, true),
        _ => bail!("usage: gadget-proto [--check | --release]"),
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = Compiler::new([here])?;
    compiler.open_files(FILES)?;
    let descriptor = compiler.encode_file_descriptor_set();
    let mut compiler = Compiler::new([here])?;
    compiler.include_source_info(true).include_imports(true).open_files(FILES)?;
    let generated = messages(&compiler)? + &versions(&compiler)?;
    let mut files = vec![(GENERATED, generated.into_bytes()), (DESCRIPTOR, descriptor.clone())];
    if release {
        files.push((RELEASED, descriptor));
    }
    for (file, fresh) in files {
        let path = here.join(file);
        if fs::read(&path).is_ok_and(|kept| kept == fresh) {
            continue;
        }
        ensure!(!check, "{file} is not what the .proto files give");
        fs::write(path, fresh)?;
        println!("wrote {file}");
    }
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
