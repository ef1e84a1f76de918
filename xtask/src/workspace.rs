//! Where the workspace is and what it holds.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

/// One package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// The folder of its `Cargo.toml`.
    pub(crate) dir: PathBuf,
    /// Its features, `default` left out.
    pub(crate) features: Vec<String>,
    /// Whether it has a library, so that an embedder can depend on it.
    pub(crate) library: bool,
}

/// The workspace, as cargo sees it.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// The top of the repository; known when this was compiled.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        Self::at(root())
    }

    /// Asks cargo about the workspace at `root`.
    pub(crate) fn at(root: PathBuf) -> Result<Self> {
        let output = cargo_at(&root)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("cannot run cargo metadata")?;
        let report = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "cargo metadata failed:\n{report}");
        let metadata: Value =
            serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?;
        let target = metadata["target_directory"].as_str().context("no target directory")?.into();
        let packages = metadata["packages"].as_array().context("no packages")?;
        let packages = packages.iter().filter_map(package).collect();
        Ok(Self { root, target, packages })
    }

    /// A cargo command at the root, without what an outer cargo left in the environment.
    pub(crate) fn cargo(&self) -> Command {
        cargo_at(&self.root)
    }

    /// The packages that an embedder may depend on: the SDK and its gadgets.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        let ours = |package: &&Package| {
            package.library
                && (package.name.starts_with("gadget-"))
                && !package.dir.starts_with(self.root.join("examples"))
                && !package.dir.starts_with(self.root.join("benches"))
        };
        self.packages.iter().filter(ours)
    }
}

fn package(value: &Value) -> Option<Package> {
    let features = value["features"].as_object()?;
    let targets = value["targets"].as_array()?;
    Some(Package {
        name: value["name"].as_str()?.to_owned(),
        dir: Path::new(value["manifest_path"].as_str()?).parent()?.to_owned(),
        features: features.keys().filter(|name| *name != "default").cloned().collect(),
        library: targets.iter().any(|target| target["kind"][0] == "lib"),
    })
}

/// A cargo command in `dir`. The variables that `cargo run` sets for us would make build scripts run again.
pub(crate) fn cargo_at(dir: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(dir).env("PATH", path_with_tools());
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command
}

/// The folder of the tools that [`crate::tools`] installs.
pub(crate) fn tools() -> PathBuf {
    root().join("target").join("tools")
}

/// `PATH` with our own tools last, so that what the machine has is preferred.
pub(crate) fn path_with_tools() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":");
    path.push(tools().join("bin"));
    path
}

/// Whether a program is on `PATH` or among our own tools.
pub(crate) fn program_exists(name: &str) -> bool {
    env::split_paths(&path_with_tools()).any(|dir| dir.join(name).is_file())
}
