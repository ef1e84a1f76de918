//! Compiles every `<name>.bpf.c` of this folder and writes its skeleton to `gadget-signals/src/bpf/skel/<name>.rs`, that of a
//! `bench_<name>.bpf.c` to `benches/benches/<name>/`.
//!
//! The skeletons are checked in, so that whoever builds the crates needs no clang. With `--check` nothing is written and
//! a skeleton that is not what its source gives is an error; another clang gives other bytes, so then nothing is said.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use libbpf_cargo::SkeletonBuilder;

/// Holds the version of clang that the skeletons are from.
const CLANG: &str = "clang-version";
/// No path of this machine goes into the line numbers, so that the same sources give the same bytes everywhere.
const CLANG_ARGS: [&str; 6] =
    ["-Wall", "-Werror", "-mcpu=v3", "-fdebug-compilation-dir=.", "-I", "."];
/// How `--check` says that it could not look.
const OTHER_CLANG: u8 = 77;

fn main() -> Result<ExitCode> {
    let args: Vec<String> = env::args().skip(1).collect();
    let check = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        _ => bail!("usage: gadget-bpf [--check]"),
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Paths go into the objects as they are given to clang: relative ones are the same on every machine.
    env::set_current_dir(here)?;
    let clang = clang_version()?;
    if check {
        let theirs = fs::read_to_string(CLANG).context("no skeletons yet")?;
        if theirs.trim() != clang {
            println!("SKIPPED: the skeletons are from clang {}, here is {clang}", theirs.trim());
            return Ok(ExitCode::from(OTHER_CLANG));
        }
    }
    let scratch = tempfile::tempdir()?;
    let mut stale = Vec::new();
    let sources = sources()?;
    for source in &sources {
        let name = source.to_string_lossy().trim_end_matches(".bpf.c").to_owned();
        let (object, skeleton) = (format!("{name}.bpf.o"), format!("{name}.rs"));
        let fresh = scratch.path().join(&object);
        SkeletonBuilder::new()
            .source(source)
            .obj(&fresh)
            .reference_obj(true)
            .clang_args(CLANG_ARGS)
            .build_and_generate(scratch.path().join(&skeleton))
            .with_context(|| format!("cannot build {}", source.display()))?;
        let text = fs::read_to_string(scratch.path().join(&skeleton))?;
        for (file, bytes) in [(object, fs::read(&fresh)?), (skeleton, adapted(&text)?.into_bytes())]
        {
            let kept = here.join(folder_of(&name)).join(&file);
            if fs::read(&kept).is_ok_and(|before| before == bytes) {
                continue;
            }
            if check {
                stale.push(file);
            } else {
                fs::write(&kept, bytes)?;
                println!("wrote {file}");
            }
        }
    }
    if check {
        ensure!(stale.is_empty(), "not what the sources give: {}", stale.join(", "));
        println!("{} skeletons are what their sources give", sources.len());
    } else {
        fs::write(CLANG, format!("{clang}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The skeleton with its object named as the file beside it, not where it happened to be built; and where tests of layouts
/// see it.
fn adapted(text: &str) -> Result<String> {
    const STATIC: &str = "    static DATA:";
    const INCLUDE: &str = "include_bytes!(\"";
    ensure!(text.matches(STATIC).count() == 1, "a skeleton looks otherwise than expected");
    let text = text.replace(STATIC, "    pub static DATA:");
    let start = text.find(INCLUDE).context("the object is not referred to")? + INCLUDE.len();
    let end = start + text[start..].find('"').context("a path without an end")?;
    let name = Path::new(&text[start..end]).file_name().context("a path without a name")?;
    Ok(format!("{}{}{}", &text[..start], name.to_string_lossy(), &text[end..]))
}

/// Where the skeleton of `name` is kept: that of `bench_NAME` beside the bench, all others in the library.
fn folder_of(name: &str) -> PathBuf {
    match name.strip_prefix("bench_") {
        Some(bench) => Path::new("../benches/benches").join(bench),
        None => "../gadget-signals/src/bpf/skel".into(),
    }
}

/// `<name>.bpf.c` in this folder, by name.
fn sources() -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(".")? {
        let name = PathBuf::from(entry?.file_name());
        if name.to_string_lossy().ends_with(".bpf.c") {
            sources.push(name);
        }
    }
    sources.sort();
    Ok(sources)
}

/// The first number that `clang --version` says.
fn clang_version() -> Result<String> {
    let output = Command::new("clang").arg("--version").output().context("cannot run clang")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().skip_while(|word| *word != "version").nth(1);
    Ok(version.context("clang does not say its version")?.to_owned())
}
