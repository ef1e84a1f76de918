//! What is left of a run: a JSON object, a table row, and labels for training.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hierarchy::Version;
use crate::judge::{Fate, Verdict};
use crate::latency::Percentiles;
use crate::sandbox::Layout;
use crate::scenario::Scenario;
use crate::size::Size;
use crate::watcher::Cost;

/// The innocent's p99 may rise to this many times its calm value during a rescue.
pub const LATENCY_LIMIT: f64 = 3.0;

/// One run, judged. Seconds count from the start of the incident.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was staged.
    pub scenario: Scenario,
    /// With which seed.
    pub seed: u64,
    /// Limit of the group.
    pub limit: Size,
    /// One cgroup or several.
    pub layout: Layout,
    /// Which memory controller.
    pub memory: Version,
    /// Whether a watcher was there and allowed to act.
    pub acting: bool,
    /// Pass or fail.
    pub verdict: Verdict,
    /// By the kernel, in the group.
    pub kernel_oom_kills: u64,
    /// When the first was seen.
    pub kernel_oom_s: Option<f64>,
    /// When the limit (leak) or the end of the work (benign) was due.
    pub expected_s: f64,
    /// Name of the culprit, or of the worker of a benign run.
    pub subject: String,
    /// What became of it.
    pub subject_fate: Fate,
    /// When it ended.
    pub subject_end_s: Option<f64>,
    /// What became of all others.
    pub others: Vec<(String, Fate)>,
    /// Highest usage seen, as a share of the limit.
    pub peak_share: f64,
    /// First forecast after the incident began, as the watcher printed it.
    pub forecast: Option<(f64, Value)>,
    /// First action, in the watcher's words.
    pub action: Option<(f64, String)>,
    /// How many actions there were.
    pub actions: usize,
    /// The innocent service before the incident.
    pub calm: Option<Percentiles>,
    /// The innocent service from the first action, or from 85 % anonymous memory, to the end; benign: all of it.
    pub rescue: Option<Percentiles>,
    /// What the watcher cost.
    pub watcher: Option<Cost>,
    /// Length of the run, seconds.
    pub duration_s: f64,
}

impl Report {
    /// The innocent's p99 during the rescue over its calm p99.
    pub fn latency_ratio(&self) -> Option<f64> {
        Some(self.rescue?.p99_ms / self.calm?.p99_ms)
    }

    /// Writes `report.json` into the run's directory.
    pub(crate) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        let path = directory.join("report.json");
        fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn cells(&self) -> [String; 12] {
        let seconds = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1}"));
        let percentiles = |value: Option<Percentiles>| {
            value.map_or("-".into(), |value| format!("{:.2} / {:.2}", value.p50_ms, value.p99_ms))
        };
        let ended = self
            .others
            .iter()
            .filter(|(_, fate)| matches!(fate, Fate::Exited(_) | Fate::Killed(_)))
            .count();
        let forecast = self.forecast.as_ref().map_or("-".into(), |(at, value)| {
            let ahead =
                value["seconds_to_oom"].as_f64().map_or("?".into(), |ahead| format!("{ahead:.0}"));
            format!("{at:.0}: {ahead} s")
        });
        [
            self.scenario.name(),
            self.seed.to_string(),
            if self.verdict.pass { "pass" } else { "FAIL" }.into(),
            self.verdict.reason.clone(),
            self.kernel_oom_s.map_or_else(
                || self.kernel_oom_kills.to_string(),
                |at| format!("{} at {at:.1}", self.kernel_oom_kills),
            ),
            format!("{} {}", self.subject_fate, seconds(self.subject_end_s)),
            format!("{}/{}", self.others.len() - ended, self.others.len()),
            format!("{:.1}", self.expected_s),
            forecast,
            self.action.as_ref().map_or("-".into(), |(at, step)| format!("{at:.1} {step}")),
            format!("{} -> {}", percentiles(self.calm), percentiles(self.rescue)),
            self.latency_ratio().map_or("-".into(), |ratio| {
                format!("{ratio:.1}{}", if ratio > LATENCY_LIMIT { " !" } else { "" })
            }),
        ]
    }
}

const HEADER: [&str; 12] = [
    "scenario",
    "seed",
    "verdict",
    "reason",
    "kernel OOM",
    "culprit, s",
    "others",
    "due, s",
    "forecast",
    "action, s",
    "innocent p50 / p99, ms",
    "ratio",
];

/// The runs as a Markdown table, and one line per scenario: how many passed.
pub fn table(reports: &[Report]) -> String {
    let rows: Vec<[String; 12]> = std::iter::once(HEADER.map(str::to_owned))
        .chain(reports.iter().map(Report::cells))
        .collect();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            out += &format!("| {cell:width$} ");
        }
        out += "|\n";
        if number == 0 {
            out += &widths
                .iter()
                .map(|width| format!("|{}", "-".repeat(width + 2)))
                .collect::<String>();
            out += "|\n";
        }
    }
    for scenario in Scenario::all() {
        let of: Vec<&Report> =
            reports.iter().filter(|report| report.scenario == *scenario).collect();
        if of.is_empty() {
            continue;
        }
        let passed = of.iter().filter(|report| report.verdict.pass).count();
        let calm = of
            .iter()
            .filter(|report| report.latency_ratio().is_some_and(|ratio| ratio <= LATENCY_LIMIT))
            .count();
        out += &format!(
            "\n{}: {passed} of {} passed, latency within {LATENCY_LIMIT}x in {calm} of {}",
            scenario.name(),
            of.len(),
            of.len()
        );
    }
    out + "\n"
}

/// The truth beside a recording.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Labels {
    scenario: Scenario,
    class: &'static str,
    seed: u64,
    limit: Size,
    layout: Layout,
    memory: Version,
    is_leak: bool,
    /// False: the watcher only looked on, so the OOM time is the truth that a forecast is measured by.
    acting: bool,
    culprit_pid: u32,
    /// Seconds from the start of the recording to that of the incident.
    incident_s: Option<f64>,
    /// Seconds from the start of the recording to the first kernel OOM kill; `null` when there was none.
    oom_s: Option<f64>,
    kernel: String,
}

impl Labels {
    /// `before` is the time from the watcher's start to the incident.
    pub(crate) fn new(report: &Report, culprit_pid: u32, before: Option<Duration>) -> Self {
        let incident_s = before.map(|before| before.as_secs_f64());
        Self {
            scenario: report.scenario,
            class: report.scenario.class(),
            seed: report.seed,
            limit: report.limit,
            layout: report.layout,
            memory: report.memory,
            is_leak: report.scenario.is_leak(),
            acting: report.acting,
            culprit_pid,
            incident_s,
            oom_s: incident_s.zip(report.kernel_oom_s).map(|(before, after)| before + after),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        }
    }

    pub(crate) fn write(
        &self,
        directory: &Path,
        scenario: Scenario,
        seed: u64,
    ) -> anyhow::Result<()> {
        let path = directory.join(format!("{}-{seed}.json", scenario.name()));
        fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
