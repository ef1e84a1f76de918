//! The gates: each looks at the whole workspace and says what it found.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use toml::{Table, Value};

use crate::bpf;
use crate::new_gadget;
use crate::proto;
use crate::run;
use crate::workspace::{Package, Workspace};

/// What a gate says when nothing is wrong.
pub(crate) enum Verdict {
    /// It looked; the note says at what, where that is not plain.
    Passed(String),
    /// There was nothing to look at.
    Skipped(String),
}

type Gate = fn(&Workspace) -> Result<Verdict>;

/// Every gate, the quick ones first.
pub(crate) const ALL: &[(&str, Gate)] = &[
    ("fmt", fmt),
    ("msrv", msrv),
    ("deny", deny),
    ("shear", shear),
    ("clippy", clippy),
    ("features", features),
    ("rustdoc", rustdoc),
    ("bpf", bpf::check),
    ("proto", proto::check),
    ("new-gadget", new_gadget),
    ("fuzz", fuzz),
];

fn passed() -> Result<Verdict> {
    Ok(Verdict::Passed(String::new()))
}

fn fmt(workspace: &Workspace) -> Result<Verdict> {
    run::run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    if workspace.root.join("fuzz/Cargo.toml").exists() && !fuzz_targets(workspace)?.is_empty() {
        run::run(workspace.cargo().args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))?;
    }
    passed()
}

/// What the manifest promises is what builds here, or is built with a toolchain of its own.
fn msrv(workspace: &Workspace) -> Result<Verdict> {
    let manifest = fs::read_to_string(workspace.root.join("Cargo.toml"))?.parse::<Table>()?;
    let stated =
        manifest["workspace"]["package"]["rust-version"].as_str().context("no rust-version")?;
    let version = workspace.cargo().arg("--version").output().context("cannot run cargo")?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if version.strip_prefix("cargo ").is_some_and(|is| is.starts_with(&format!("{stated}."))) {
        return Ok(Verdict::Passed(format!("{stated} is the toolchain of this very run")));
    }
    let mut check = Command::new("rustup");
    check.current_dir(&workspace.root).args([
        "run",
        stated,
        "cargo",
        "check",
        "--workspace",
        "--all-targets",
    ]);
    run::run(check.env_remove("RUSTUP_TOOLCHAIN"))
        .with_context(|| format!("rust-version says {stated}, this is {}", version.trim()))?;
    Ok(Verdict::Passed(format!("built with {stated}")))
}

/// Licences, banned crates and sources. Advisories need RustSec's database and are a command of their own.
fn deny(workspace: &Workspace) -> Result<Verdict> {
    run::run(workspace.cargo().args([
        "deny",
        "--workspace",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))?;
    passed()
}

/// Dependencies that nothing uses.
fn shear(workspace: &Workspace) -> Result<Verdict> {
    run::run(workspace.cargo().arg("shear"))?;
    passed()
}

fn clippy(workspace: &Workspace) -> Result<Verdict> {
    run::run(workspace.cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--keep-going",
        "--",
        "-D",
        "warnings",
    ]))?;
    passed()
}

/// Each library with no feature, with each feature alone, and with all of them.
fn features(workspace: &Workspace) -> Result<Verdict> {
    let mut builds = 0;
    let mut failed = Vec::new();
    for package in workspace.libraries() {
        for features in feature_sets(package) {
            let mut clippy = workspace.cargo();
            // Development dependencies do not count: resolver 3 leaves their features out of a library's build.
            clippy.args(["clippy", "--quiet", "-p", &package.name]).args(&features);
            builds += 1;
            if run::run(clippy.args(["--", "-D", "warnings"])).is_err() {
                failed.push(format!("{} {}", package.name, features.join(" ")));
            }
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    ensure!(builds > 0, "no library to build");
    Ok(Verdict::Passed(format!("{builds} builds")))
}

fn feature_sets(package: &Package) -> Vec<Vec<&str>> {
    let mut sets = vec![vec!["--no-default-features"]];
    for feature in &package.features {
        sets.push(vec!["--no-default-features", "--features", feature]);
    }
    if package.features.len() > 1 {
        sets.push(vec!["--all-features"]);
    }
    sets
}

fn rustdoc(workspace: &Workspace) -> Result<Verdict> {
    let mut doc = workspace.cargo();
    run::run(
        doc.args(["doc", "--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    passed()
}

fn new_gadget(workspace: &Workspace) -> Result<Verdict> {
    new_gadget::check(workspace)?;
    Ok(Verdict::Passed("made, checked, tested and run in a copy".to_owned()))
}

/// Eight seconds for each target: this finds slips, not depths.
fn fuzz(workspace: &Workspace) -> Result<Verdict> {
    let targets = fuzz_targets(workspace)?;
    if targets.is_empty() {
        return Ok(Verdict::Skipped("fuzz/Cargo.toml has no [[bin]]".to_owned()));
    }
    let mut failed = Vec::new();
    for target in &targets {
        // Without a sanitizer it runs on a stable toolchain; our code has next to no `unsafe` for one to watch.
        let mut fuzz = workspace.cargo();
        fuzz.args([
            "fuzz",
            "run",
            "--sanitizer",
            "none",
            target,
            "--",
            "-max_total_time=8",
            "-timeout=60",
        ]);
        if run::run(fuzz.arg("-print_final_stats=1")).is_err() {
            failed.push(target.as_str());
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join(", "));
    Ok(Verdict::Passed(format!("{} targets", targets.len())))
}

/// The names of the fuzz targets. A file without its entry in the manifest would never run, and is an error.
fn fuzz_targets(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.root.join("fuzz");
    let manifest =
        fs::read_to_string(folder.join("Cargo.toml")).context("cannot read fuzz/Cargo.toml")?;
    let targets = bin_names(&manifest.parse()?);
    if let Ok(files) = fs::read_dir(folder.join("fuzz_targets")) {
        for file in files {
            let file = file?.path();
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if file.extension().is_some_and(|it| it == "rs") && !targets.contains(&stem) {
                bail!("{} has no [[bin]] of its name in fuzz/Cargo.toml", file.display());
            }
        }
    }
    Ok(targets)
}

fn bin_names(manifest: &Table) -> Vec<String> {
    let bins = manifest.get("bin").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    bins.iter().filter_map(|bin| Some(bin.get("name")?.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_is_built_alone_and_with_the_others() {
        let package = |features: &[&str]| Package {
            name: "gadget-x".to_owned(),
            dir: "x".into(),
            features: features.iter().map(|name| (*name).to_owned()).collect(),
            library: true,
        };
        assert_eq!(feature_sets(&package(&[])), [["--no-default-features"]]);
        let two = package(&["bpf", "test-util"]);
        let expected: [&[&str]; 4] = [
            &["--no-default-features"],
            &["--no-default-features", "--features", "bpf"],
            &["--no-default-features", "--features", "test-util"],
            &["--all-features"],
        ];
        assert_eq!(feature_sets(&two), expected);
    }

    #[test]
    fn fuzz_targets_are_the_binaries_of_the_manifest() {
        let manifest = "[[bin]]\nname = \"policy\"\npath = \"fuzz_targets/policy.rs\"\n[[bin]]\nname = \"ledger\"\n";
        assert_eq!(bin_names(&manifest.parse().unwrap()), ["policy", "ledger"]);
        assert!(bin_names(&"[package]\nname = \"x\"\n".parse().unwrap()).is_empty());
    }

    #[test]
    fn every_gate_has_a_name_of_its_own() {
        let mut names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
