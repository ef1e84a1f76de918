//! The embed test: a reader of README.md makes a crate outside the workspace from what it shows, and it works.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use toml::{Table, Value};

use crate::readme::{self, Block};
use crate::run::{self, End};
use crate::testing::Counts;
use crate::workspace::{Workspace, cargo_at};

/// How long the embedded program may take, and how long it goes on once it printed what the README shows: a program
/// that would run for ever is ended then.
const LIMIT: Duration = Duration::from_secs(120);
const GRACE: Duration = Duration::from_secs(5);

/// Builds and runs the crate that README.md describes, and compiles its other Rust blocks.
pub(crate) fn run(workspace: &Workspace) -> Result<Counts> {
    let readme = workspace.root.join("README.md");
    let readme =
        fs::read_to_string(&readme).with_context(|| format!("cannot read {}", readme.display()))?;
    let blocks = readme::blocks(&readme);
    let parts = Parts::of(&blocks)?;
    let libraries: Vec<(&str, &Path)> = workspace
        .libraries()
        .map(|package| (package.name.as_str(), package.dir.as_path()))
        .collect();

    let embedder = Embedder::new(workspace)?;
    embedder.write("Cargo.toml", &manifest(parts.manifest, &libraries)?)?;
    embedder.write("src/main.rs", parts.main)?;
    let others = library_of(&blocks);
    if let Some(others) = &others {
        embedder.write("src/lib.rs", others)?;
    }

    run::run(&mut embedder.cargo("build"))?;
    embedder.run_and_compare(parts.output.unwrap_or_default())?;
    let mut counts = Counts { passed: 1, ..Counts::default() };
    if others.is_some() {
        let lines = run::tee(embedder.cargo("test").arg("--doc"))?;
        counts = counts + lines.iter().filter_map(|line| Counts::parse(line)).sum();
    }
    Ok(counts)
}

/// The marked blocks.
struct Parts<'a> {
    manifest: &'a str,
    main: &'a str,
    output: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(blocks: &'a [Block<'a>]) -> Result<Self> {
        let known = ["Cargo.toml", "src/main.rs", "output"];
        for block in blocks {
            if let Some(part) = block.embed
                && !known.contains(&part)
            {
                bail!("README.md:{}: unknown part {part:?}, expected one of {known:?}", block.line);
            }
        }
        let part = |name| {
            let mut found = blocks.iter().filter(|block| block.embed == Some(name));
            let first = found.next();
            match found.next() {
                Some(second) => bail!("README.md:{}: a second block for {name}", second.line),
                None => Ok(first.map(|block| block.text.as_str())),
            }
        };
        let needed = |name| {
            part(name)?
                .with_context(|| format!("README.md has no block under `<!-- embed: {name} -->`"))
        };
        Ok(Self {
            manifest: needed("Cargo.toml")?,
            main: needed("src/main.rs")?,
            output: part("output")?,
        })
    }
}

/// The Rust blocks that play no part, as documentation tests of a library.
fn library_of(blocks: &[Block<'_>]) -> Option<String> {
    let others: String = blocks
        .iter()
        .filter(|block| block.embed.is_none() && block.is_rust())
        .flat_map(|block| {
            let fence = format!("//! ```{}\n", block.info);
            let lines = block.text.lines().map(|line| format!("//! {line}\n"));
            std::iter::once(fence).chain(lines).chain(["//! ```\n//!\n".to_owned()])
        })
        .collect();
    (!others.is_empty()).then_some(others)
}

/// The README's manifest as that of a whole package of its own, with our crates taken from their folders.
///
/// The version that the README names stays, so that cargo refuses one that we no longer are.
fn manifest(shown: &str, libraries: &[(&str, &Path)]) -> Result<String> {
    let mut manifest: Table = shown.parse().context("the README's Cargo.toml is no TOML")?;
    let package = manifest.entry("package").or_insert_with(|| Value::Table(Table::new()));
    let package = package.as_table_mut().context("[package] is no table")?;
    package.entry("name").or_insert_with(|| "embedder".into());
    package.entry("edition").or_insert_with(|| "2024".into());
    manifest.insert("workspace".to_owned(), Value::Table(Table::new()));

    let dependencies = manifest.get_mut("dependencies").and_then(Value::as_table_mut);
    let dependencies = dependencies.context("the README's Cargo.toml has no [dependencies]")?;
    let mut ours = 0;
    for (name, wanted) in dependencies.iter_mut() {
        let Some((_, dir)) = libraries.iter().find(|(library, _)| library == name) else {
            continue;
        };
        let mut table = match wanted {
            Value::String(version) => {
                Table::from_iter([("version".to_owned(), version.as_str().into())])
            }
            Value::Table(table) => table.clone(),
            other => bail!("dependency {name} is {other}, expected a version or a table"),
        };
        for key in ["git", "branch", "tag", "rev", "path"] {
            table.remove(key);
        }
        table.insert("path".to_owned(), dir.to_string_lossy().into_owned().into());
        *wanted = Value::Table(table);
        ours += 1;
    }
    ensure!(ours > 0, "the README's Cargo.toml depends on none of our crates");
    Ok(manifest.to_string())
}

/// The embedder's crate, in a folder of its own that goes away with it.
struct Embedder<'a> {
    workspace: &'a Workspace,
    dir: PathBuf,
}

impl<'a> Embedder<'a> {
    fn new(workspace: &'a Workspace) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("gadget-embedder-{}", std::process::id()));
        fs::create_dir_all(dir.join("src"))
            .with_context(|| format!("cannot make {}", dir.display()))?;
        let embedder = Self { workspace, dir };
        // The same versions as ours: compiled once, and nothing new to fetch.
        fs::copy(workspace.root.join("Cargo.lock"), embedder.dir.join("Cargo.lock"))?;
        Ok(embedder)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.dir.join(name), text).with_context(|| format!("cannot write {name}"))
    }

    /// A cargo command in the crate that shares our target folder and, so that it can, our profile.
    fn cargo(&self, verb: &str) -> Command {
        let mut command = cargo_at(&self.dir);
        command.env("CARGO_TARGET_DIR", &self.workspace.target);
        command.args([verb, "--config", "profile.dev.debug='line-tables-only'"]);
        command.args(["--config", "profile.dev.package.\"*\".debug=0"]);
        command
    }

    fn run_and_compare(&self, expected: &str) -> Result<()> {
        let mut open = OpenLines::new(expected);
        let had_any = !open.0.is_empty();
        let grace = if had_any { GRACE } else { LIMIT };
        let (end, _) = run::watch(&mut self.cargo("run"), LIMIT, grace, |line| open.saw(line))?;
        if let Some(line) = open.0.first() {
            bail!("the program never printed this line of the README: {line}");
        }
        match end {
            End::Exited(status) => run::succeeded(status, "the README's program"),
            End::Satisfied if had_any => Ok(()),
            End::Satisfied | End::OutOfTime => {
                bail!("the README's program did not end in {LIMIT:?}")
            }
        }
    }
}

impl Drop for Embedder<'_> {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("xtask: cannot remove {}: {error}", self.dir.display());
        }
    }
}

/// The lines of the README's output that were not printed yet, in order; `...` stands for anything.
struct OpenLines<'a>(Vec<&'a str>);

impl<'a> OpenLines<'a> {
    fn new(expected: &'a str) -> Self {
        Self(
            expected
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && *line != "...")
                .collect(),
        )
    }

    /// Takes one printed line; whether none is left open.
    fn saw(&mut self, printed: &str) -> bool {
        if self.0.first().is_some_and(|expected| fits(expected, printed.trim())) {
            self.0.remove(0);
        }
        self.0.is_empty()
    }
}

/// Whether a printed line is the expected one.
fn fits(expected: &str, printed: &str) -> bool {
    let Some((head, rest)) = expected.split_once("...") else { return expected == printed };
    let Some(mut printed) = printed.strip_prefix(head) else { return false };
    let mut pieces = rest.split("...").collect::<Vec<_>>();
    let tail = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some(at) = printed.find(piece) else { return false };
        printed = &printed[at + piece.len()..];
    }
    printed.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARIES: &[(&str, &str)] =
        &[("gadget-core", "/w/gadget-core"), ("gadget-oracle", "/w/gadgets/oracle")];

    fn made(shown: &str) -> Result<Table> {
        let libraries: Vec<(&str, &Path)> =
            LIBRARIES.iter().map(|(name, dir)| (*name, Path::new(*dir))).collect();
        Ok(manifest(shown, &libraries)?.parse()?)
    }

    #[test]
    fn our_crates_come_from_their_folders_and_keep_version_and_features() {
        let shown = "[dependencies]\n\
                     gadget-core = \"0.1\"\n\
                     gadget-oracle = { version = \"0.1\", features = [\"linux\"], git = \"x\" }\n\
                     anyhow = \"1\"\n";
        let made = made(shown).unwrap();
        let core = &made["dependencies"]["gadget-core"];
        assert_eq!(
            (core["version"].as_str(), core["path"].as_str()),
            (Some("0.1"), Some("/w/gadget-core"))
        );
        let oracle = &made["dependencies"]["gadget-oracle"];
        assert_eq!(oracle["features"][0].as_str(), Some("linux"));
        assert!(oracle.get("git").is_none());
        assert_eq!(made["dependencies"]["anyhow"].as_str(), Some("1"));
        assert_eq!(made["package"]["name"].as_str(), Some("embedder"));
        assert!(made["workspace"].as_table().unwrap().is_empty());
    }

    #[test]
    fn a_manifest_without_our_crates_tests_nothing_and_is_refused() {
        assert!(made("[dependencies]\nanyhow = \"1\"\n").is_err());
        assert!(made("[package]\nname = \"x\"\n").is_err());
    }

    #[test]
    fn a_readme_must_mark_both_parts_once() {
        let both = "<!-- embed: Cargo.toml -->\n```toml\na = 1\n```\n<!-- embed: src/main.rs -->\n```rust\nb\n```\n";
        let blocks = readme::blocks(both);
        let parts = Parts::of(&blocks).unwrap();
        assert_eq!((parts.manifest, parts.main, parts.output), ("a = 1\n", "b\n", None));

        let twice = format!("{both}{both}");
        assert!(Parts::of(&readme::blocks(&twice)).is_err());
        assert!(Parts::of(&readme::blocks("# Nothing marked\n")).is_err());
        let mistyped = format!("{both}<!-- embed: main.rs -->\n```rust\nb\n```\n");
        assert!(Parts::of(&readme::blocks(&mistyped)).is_err());
    }

    #[test]
    fn other_rust_blocks_become_documentation_tests_and_nothing_else_does() {
        let readme = "<!-- embed: src/main.rs -->\n```rust\nfn main() {}\n```\n\
                      ```console\n$ ls\n```\n```rust,no_run\nlet x = 1;\n```\n";
        let expected = "//! ```rust,no_run\n//! let x = 1;\n//! ```\n//!\n";
        assert_eq!(library_of(&readme::blocks(readme)).as_deref(), Some(expected));
        assert_eq!(library_of(&readme::blocks("```toml\n```\n")), None);
    }

    #[test]
    fn output_is_seen_in_order_with_gaps() {
        let mut open = OpenLines::new("first ... ms\n...\nlast\n");
        assert!(!open.saw("last"));
        assert!(!open.saw("first 12.5 ms"));
        assert!(!open.saw("something else"));
        assert!(open.saw("  last  "));
    }

    #[test]
    fn dots_stand_for_anything_and_the_rest_must_fit() {
        assert!(fits("oom in ... s at p=...", "oom in 93 s at p=0.97"));
        assert!(fits("a ... b ... c", "a 1 b 2 c"));
        assert!(!fits("oom in ... s", "oom in 93 minutes"));
        assert!(!fits("exact", "exactly"));
    }
}
