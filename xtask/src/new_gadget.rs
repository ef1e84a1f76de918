//! Makes a gadget from the templates, and checks that what it makes works.
//!
//! The templates are a whole small gadget called `newcomer`; making another one is putting its name in that place.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::run;
use crate::testing::Counts;
use crate::workspace::{Workspace, cargo_at};

macro_rules! template {
    ($folder:literal, $of:literal, $file:literal) => {
        ($folder, $file, include_str!(concat!("../templates/", $of, "/", $file)))
    };
}

/// Where each file goes, its name there, and its text.
const TEMPLATES: &[(&str, &str, &str)] = &[
    template!("gadgets", "gadget", "Cargo.toml"),
    template!("gadgets", "gadget", "README.md"),
    template!("gadgets", "gadget", "src/lib.rs"),
    template!("gadgets", "gadget", "src/config.rs"),
    template!("gadgets", "gadget", "src/model.rs"),
    template!("gadgets", "gadget", "src/plan.rs"),
    template!("gadgets", "gadget", "tests/replay.rs"),
    template!("examples", "example", "Cargo.toml"),
    template!("examples", "example", "src/main.rs"),
];

/// Makes `gadgets/<name>` and `examples/<name>`, and their line in the workspace's manifest.
pub(crate) fn run(workspace: &Workspace, name: &str) -> Result<()> {
    check_name(name)?;
    let taken = [name, &format!("gadget-{name}")];
    if let Some(package) = workspace.packages.iter().find(|it| taken.contains(&it.name.as_str())) {
        bail!("{} has the name {} already", package.dir.display(), package.name);
    }
    make(&workspace.root, name)?;
    println!("made gadgets/{name} and examples/{name}; next:");
    println!("    cargo test -p gadget-{name}");
    println!("    cargo run -p {name}");
    println!("then src/model.rs: what it should foresee, and src/plan.rs: what it should propose");
    Ok(())
}

/// Makes a gadget in a copy of the workspace, then lints, tests and runs it there.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    // Two words, so that every way of writing a name is used.
    const NAME: &str = "night-watch";
    let root = workspace.target.join("new-gadget");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    copy(&workspace.root, &root, &workspace.target).context("cannot copy the workspace")?;
    make(&root, NAME)?;
    let gadget = format!("gadget-{NAME}");
    let both = ["-p", gadget.as_str(), "-p", NAME];
    let cargo = |verb: &str| {
        let mut command = cargo_at(&root);
        command.env("CARGO_TARGET_DIR", &workspace.target).arg(verb);
        command
    };
    run::run(cargo("fmt").args(both).arg("--check"))?;
    run::run(cargo("clippy").args(both).args([
        "--no-deps",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    let lines = run::tee(cargo("test").args(both))?;
    let counts: Counts = lines.iter().filter_map(|line| Counts::parse(line)).sum();
    ensure!(counts.passed > 0, "the new gadget brought no tests");
    let lines = run::tee(cargo("run").args(["-p", NAME, "--", "3"]))?;
    ensure!(lines.iter().any(|line| line.contains(NAME)), "its example said nothing of it");
    fs::remove_dir_all(&root).context("cannot remove the copy")
}

/// The sources alone: no history, nothing that was built.
fn copy(from: &Path, to: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        if path == target || name == "target" || name == ".git" {
            continue;
        }
        let copied = to.join(name);
        if entry.file_type()?.is_dir() {
            copy(&path, &copied, target)?;
        } else {
            fs::copy(&path, &copied)?;
        }
    }
    Ok(())
}

fn make(root: &Path, name: &str) -> Result<()> {
    let manifest = root.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).context("cannot read the workspace's Cargo.toml")?;
    let text =
        with_dependency(&text, name).context("no gadget stands in the workspace's manifest")?;
    for (folder, file, template) in TEMPLATES {
        let path = root.join(folder).join(name).join(file);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, named(template, name))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    fs::write(&manifest, text).context("cannot write the workspace's manifest")?;
    // A longer name breaks lines elsewhere.
    run::run(cargo_at(root).args(["fmt", "-p", &format!("gadget-{name}"), "-p", name]))
}

/// A name that can be a crate, a folder and a policy's key at once.
fn check_name(name: &str) -> Result<()> {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
    let words = !name.ends_with('-') && !name.contains("--");
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    ensure!(
        starts && words && plain,
        "a gadget's name is lower-case letters, digits and dashes and begins with a letter; found {name:?}"
    );
    Ok(())
}

/// The template with another name in the newcomer's place.
fn named(template: &str, name: &str) -> String {
    template
        .replace("gadget_newcomer", &format!("gadget_{}", name.replace('-', "_")))
        .replace("Newcomer", &camel(name))
        .replace("newcomer", name)
}

fn camel(name: &str) -> String {
    name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The workspace's manifest with the gadget among its dependencies, behind the last gadget there.
fn with_dependency(manifest: &str, name: &str) -> Option<String> {
    let mut lines: Vec<&str> = manifest.lines().collect();
    let is_gadget = |line: &&str| line.starts_with("gadget-") && line.contains("path = \"gadgets/");
    let last = lines.iter().rposition(is_gadget)?;
    let line = format!("gadget-{name} = {{ path = \"gadgets/{name}\", version = \"0.1.0\" }}");
    lines.insert(last + 1, &line);
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_a_crate_are_refused() {
        for name in ["", "Watch", "9lives", "-x", "x-", "a--b", "a_b", "../x", "wächter"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["oracle", "night-watch", "tier2"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn every_way_of_writing_the_name_is_replaced() {
        let template = "use gadget_newcomer::Newcomer; // the newcomer of gadget-newcomer";
        let expected =
            "use gadget_night_watch::NightWatch; // the night-watch of gadget-night-watch";
        assert_eq!(named(template, "night-watch"), expected);
        for (_, _, template) in TEMPLATES {
            assert!(!named(template, "night-watch").to_lowercase().contains("newcomer"));
        }
    }

    #[test]
    fn the_manifest_gains_one_line_beside_the_other_gadgets() {
        let before = "[workspace.dependencies]\ngadget-core = { path = \"gadget-core\" }\n\
                      gadget-oracle = { path = \"gadgets/oracle\" }\ngadget-lab = { path = \"examples/lab\" }\n";
        let after = with_dependency(before, "x").unwrap();
        let added = "gadget-x = { path = \"gadgets/x\", version = \"0.1.0\" }";
        assert_eq!(after.lines().position(|line| line == added), Some(3));
        assert_eq!(after.lines().count(), before.lines().count() + 1);
        assert_eq!(with_dependency("[package]\n", "x"), None);
    }
}
