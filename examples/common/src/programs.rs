//! The programs that may be run: to restart a service, to make a runtime collect garbage, or as a hook.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use gadget_actions::{Argv, Collector, Linux, LinuxBuilder};
use serde::Deserialize;

/// The file given as `--programs`. Every program is an argument list with an absolute path; no shell is involved.
///
/// ```toml
/// [restart]   # by unit, or by the name of the process
/// "shop.service" = ["/usr/bin/systemctl", "restart", "shop.service"]
///
/// [collector] # by the executable's file name: a signal it handles so, or a program
/// node = 10
/// ruby = ["/usr/local/bin/ruby-gc", "{pid}"]
///
/// [hook]      # by the name a plan gives
/// page = ["/usr/local/bin/page", "{name}"]
/// ```
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Programs {
    restart: BTreeMap<String, Vec<String>>,
    collector: BTreeMap<String, How>,
    hook: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a signal's number or an argument list")]
enum How {
    Signal(u8),
    Command(Vec<String>),
}

impl Programs {
    /// What the file at `path` names; nothing without one.
    ///
    /// # Errors
    /// A file that cannot be read, or that holds something else.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("cannot use {}", path.display()))
    }

    /// What can be restarted by name.
    pub fn restartable(&self) -> impl Iterator<Item = &str> {
        self.restart.keys().map(String::as_str)
    }

    /// The backend, with these programs.
    ///
    /// # Errors
    /// A program without an absolute path.
    pub fn backend(self) -> Result<LinuxBuilder> {
        let mut builder = Linux::builder();
        for (name, argv) in self.restart {
            builder = builder.restart(name, Argv::new(argv)?);
        }
        for (executable, how) in self.collector {
            let how = match how {
                How::Signal(signal) => Collector::Signal(signal),
                How::Command(argv) => Collector::Command(Argv::new(argv)?),
            };
            builder = builder.collector(executable, how);
        }
        for (name, argv) in self.hook {
            builder = builder.hook(name, Argv::new(argv)?);
        }
        Ok(builder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LinuxBuilder> {
        toml::from_str::<Programs>(text)?.backend()
    }

    fn error(text: &str) -> String {
        format!("{:#}", parse(text).expect_err("it is refused"))
    }

    #[test]
    fn programs_signals_and_nothing_else_can_be_named() {
        let whole = "[restart]\n\"shop.service\" = [\"/bin/true\", \"{name}\"]\n\
                     [collector]\nnode = 10\nruby = [\"/bin/true\"]\n[hook]\npage = [\"/bin/true\"]\n";
        assert!(parse(whole).is_ok());
        assert!(parse("").is_ok());
        assert!(error("[hooks]\n").contains("expected one of `restart`, `collector`, `hook`"));
        assert!(
            error("[collector]\nnode = true\n").contains("a signal's number or an argument list")
        );
    }

    #[test]
    fn what_can_be_restarted_has_a_name() {
        let programs: Programs = toml::from_str("[restart]\nb = [\"/b\"]\na = [\"/a\"]\n").unwrap();
        assert_eq!(programs.restartable().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_program_without_an_absolute_path_is_refused() {
        assert!(!error("[hook]\npage = [\"page\"]\n").is_empty());
    }
}
