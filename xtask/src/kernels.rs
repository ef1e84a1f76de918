//! What the kernel's providers use on this host and on Debian's kernels in a guest, and whether their tests pass there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::guest_test::executables;
use crate::needs::{self, Purpose};
use crate::run;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Where to look: this host, or a QEMU guest with Debian's kernel of that version.
    #[arg(long, value_delimiter = ',', default_values = [HOST, "6.1", "6.12"], value_parser = [HOST, "6.1", "6.12"])]
    on: Vec<String>,
}

const HOST: &str = "host";

/// What the tests start in a guest.
const WITH: &str = "sleep,cat,dd,tail,head,true,false,ip,losetup,blkdiscard,perl,taskset";

/// Which provider a module of tests is about, where they are named otherwise.
const NAMES: &[(&str, &str)] = &[
    ("block", "block-latency"),
    ("faults", "page-faults"),
    ("oom", "oom-victims"),
    ("scan", "processes"),
    ("scheduler", "scheduling"),
];

pub(crate) fn run(workspace: &Workspace, options: &Options, install: bool) -> Result<()> {
    if options.on.iter().any(|on| on != HOST) {
        needs::setup(&[Purpose::Vm], install)?;
    }
    run::run(workspace.cargo().args(["build", "-p", "gadget-eyes", "-p", "gadget-lab"]))?;
    let eyes = workspace.target.join("debug/eyes");
    let tests = tests(workspace)?;
    let mut table = Table::default();
    let mut failures = Vec::new();
    for on in &options.on {
        let looked = look(workspace, on, &eyes, &tests)?;
        if !looked.is_sound() {
            failures.push(looked.kernel.clone());
        }
        table.add(&looked);
    }
    println!("\n{table}");
    ensure!(failures.is_empty(), "not sound on {}", failures.join(", "));
    Ok(())
}

/// The test program of the providers, built.
fn tests(workspace: &Workspace) -> Result<PathBuf> {
    let mut build = workspace.cargo();
    build.args(["test", "--no-run", "-p", "gadget-signals", "--features", "bpf", "--test", "bpf"]);
    build.arg("--message-format=json").stderr(Stdio::inherit());
    let output = build.output().context("cannot run cargo test")?;
    run::succeeded(output.status, &run::line(&build))?;
    match &executables(&String::from_utf8_lossy(&output.stdout))[..] {
        [program] => Ok(program.clone()),
        found => bail!("{} test programs instead of one", found.len()),
    }
}

fn look(workspace: &Workspace, on: &str, eyes: &Path, tests: &Path) -> Result<Looked> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // One test after another: they share two processors here, and one that is emulated there.
    let script = |eyes: &str, tests: &str| {
        format!("{eyes} --once --json && exec {tests} --test-threads=1 --show-output")
    };
    let mut command = if on == HOST {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script(&eyes.to_string_lossy(), &tests.to_string_lossy()));
        shell
    } else {
        let with = format!("{},{},{WITH}", eyes.display(), tests.display());
        let mut lab = Command::new(workspace.target.join("debug/lab"));
        lab.current_dir(&workspace.root).args(["vm", "--kernel", on, "exec", "/bin/sh"]);
        lab.args(["--with", &with, "--", "-c", &script(&name(eyes), &name(tests))]);
        lab
    };
    let (status, lines) = run::tee_status(&mut command)?;
    let mut looked = Looked::parse(&lines).with_context(|| format!("on {on}"))?;
    looked.ended_well = status.success();
    Ok(looked)
}

/// What one kernel showed.
#[derive(Debug, Default)]
struct Looked {
    kernel: String,
    /// By provider.
    used: BTreeMap<String, String>,
    /// By provider: passed, failed, skipped.
    tests: BTreeMap<String, [u32; 3]>,
    missing: Vec<String>,
    errors: Vec<String>,
    ended_well: bool,
}

impl Looked {
    fn parse(lines: &[String]) -> Result<Self> {
        let json = lines.iter().find(|line| line.starts_with("{\"kernel\""));
        let json: Value = serde_json::from_str(json.context("eyes said nothing")?)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut looked = Self { kernel: text(&json["kernel"]), ..Self::default() };
        looked.missing = list(&json["missing"]).iter().map(text).collect();
        for provider in list(&json["providers"]) {
            looked.errors.extend(list(&provider["errors"]).iter().map(text));
            looked.used.insert(text(&provider["provider"]), text(&provider["used"]));
        }
        let skipped = skipped(lines);
        for (name, result) in lines.iter().filter_map(|line| test(line)) {
            let slot = match result {
                "ok" if !skipped.contains(&name) => 0,
                "ok" | "ignored" => 2,
                _ => 1,
            };
            let module = name.split("::").next().unwrap_or_default();
            let of = NAMES.iter().find(|(of, _)| *of == module).map_or(module, |(_, name)| name);
            looked.tests.entry(of.to_owned()).or_default()[slot] += 1;
        }
        Ok(looked)
    }

    fn is_sound(&self) -> bool {
        let sum = |slot: usize| self.tests.values().map(|it| it[slot]).sum::<u32>();
        self.ended_well && self.errors.is_empty() && sum(0) > 0 && sum(1) == 0
    }
}

/// A test and its result, from `test NAME ... RESULT`.
fn test(line: &str) -> Option<(&str, &str)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    Some((name, result.split([' ', ',']).next().unwrap_or_default()))
}

/// The tests that printed that they could not run.
fn skipped(lines: &[String]) -> Vec<&str> {
    let mut of = None;
    let mut skipped = Vec::new();
    for line in lines {
        if let Some(name) =
            line.strip_prefix("---- ").and_then(|it| it.strip_suffix(" stdout ----"))
        {
            of = Some(name);
        } else if line.starts_with("SKIPPED") {
            skipped.extend(of.take());
        }
    }
    skipped
}

/// A row for each provider and kernel.
#[derive(Default)]
struct Table {
    rows: BTreeMap<String, Vec<[String; 3]>>,
    notes: Vec<String>,
}

impl Table {
    fn add(&mut self, looked: &Looked) {
        let names = looked.used.keys().chain(looked.tests.keys());
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            let used = looked.used.get(name).map_or("", String::as_str).to_owned();
            let tests = match looked.tests.get(name) {
                None => "no tests".to_owned(),
                Some([passed, 0, 0]) => format!("{passed} passed"),
                Some([passed, 0, skipped]) => format!("{passed} passed, {skipped} skipped"),
                Some([passed, failed, _]) => format!("{failed} FAILED, {passed} passed"),
            };
            let row = [looked.kernel.clone(), tests, used];
            self.rows.entry(name.clone()).or_default().push(row);
        }
        let notes = looked.missing.iter().chain(&looked.errors);
        self.notes.extend(notes.map(|note| format!("{}: {note}", looked.kernel)));
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (provider, rows) in &self.rows {
            writeln!(f, "{provider}")?;
            for [kernel, tests, used] in rows {
                writeln!(f, "    {kernel:27} {tests:20} {used}")?;
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = r#"guest is up
{"kernel":"6.1.0","providers":[{"provider":"tcp","by":"bpf","used":"BPF on 5","errors":[]},{"provider":"page-faults","used":"/proc/vmstat","errors":[]}],"missing":["without page-faults: it"]}
test tcp::a ... ok
test tcp::b ... ok
test faults::c ... ok
test scan::d ... ignored, needs more
---- faults::c stdout ----
SKIPPED: no tracepoint
SKIPPED: nor another
test result: ok. 3 passed"#;

    fn parsed(said: &str) -> Looked {
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        Looked { ended_well: true, ..Looked::parse(&lines).unwrap() }
    }

    #[test]
    fn tests_are_counted_for_their_provider_and_the_skipped_ones_apart() {
        let looked = parsed(SAID);
        assert_eq!(looked.tests["tcp"], [2, 0, 0]);
        assert_eq!(looked.tests["page-faults"], [0, 0, 1]);
        assert_eq!(looked.tests["processes"], [0, 0, 1]);
        assert!(looked.is_sound());
        let mut table = Table::default();
        table.add(&looked);
        let text = table.to_string();
        assert!(
            text.contains("6.1.0                       2 passed             BPF on 5"),
            "{text}"
        );
        assert!(text.contains("6.1.0: without page-faults: it"), "{text}");
    }

    #[test]
    fn a_failure_an_error_or_no_test_at_all_is_not_sound() {
        assert!(!parsed(&SAID.replace("tcp::b ... ok", "tcp::b ... FAILED")).is_sound());
        assert!(!parsed(&SAID.replacen("\"errors\":[]", "\"errors\":[\"x\"]", 1)).is_sound());
        assert!(!parsed(SAID.split_once("test tcp").unwrap().0).is_sound());
        assert!(!Looked { ended_well: false, ..parsed(SAID) }.is_sound());
        assert!(Looked::parse(&["nothing".to_owned()]).is_err());
    }
}
