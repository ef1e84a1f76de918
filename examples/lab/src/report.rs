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
    /// Release of the kernel it ran on.
    pub kernel: String,
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
    /// First forecast after the incident began that gives an out-of-memory even odds, as the watcher printed it.
    pub forecast: Option<(f64, Value)>,
    /// First action, in the watcher's words.
    pub action: Option<(f64, String)>,
    /// How many actions there were.
    pub actions: usize,
    /// The innocent service before the incident.
    pub calm: Option<Percentiles>,
    /// The innocent service from the first action, or from 85 % anonymous memory, to the end; benign: all of it.
    pub rescue: Option<Percentiles>,
    /// A like service outside of the group, over the same time as `rescue`.
    pub control: Option<Percentiles>,
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

    /// Whether the innocent kept its latency: its p99 during the rescue within [`LATENCY_LIMIT`] times its calm p99, or
    /// within that of what a service without any memory trouble had at the same time, where the host was busier by then.
    pub fn latency_kept(&self) -> Option<bool> {
        let base = self.calm?.p99_ms.max(self.control.map_or(0.0, |control| control.p99_ms));
        Some(self.rescue?.p99_ms <= LATENCY_LIMIT * base)
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
            format!(
                "{} -> {} ({})",
                percentiles(self.calm),
                percentiles(self.rescue),
                percentiles(self.control)
            ),
            self.latency_ratio().map_or("-".into(), |ratio| {
                format!("{ratio:.1}{}", if self.latency_kept() == Some(false) { " !" } else { "" })
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
    "innocent p50 / p99, ms (control)",
    "ratio",
];

/// The runs as a Markdown table.
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
    out
}

/// One line per scenario and question, in the form that the table of all measurements is made from:
/// `GADGET-NUMBER name | value | unit | budget | pass or fail`. Runs in which nobody acted measure nothing.
pub fn numbers(reports: &[Report]) -> String {
    let mut out = String::new();
    for scenario in Scenario::all() {
        let runs: Vec<&Report> =
            reports.iter().filter(|run| run.scenario == *scenario && run.acting).collect();
        let Some(first) = runs.first() else { continue };
        // Nine of ten leaks, but every one of those that should be left alone.
        let share = if scenario.is_leak() { 9 } else { 10 };
        let what = if scenario.is_leak() { "saved" } else { "left alone" };
        let mut line = |what: &str, good: usize, of: usize, share: usize| {
            let verdict = if good * 10 >= of * share { "pass" } else { "fail" };
            let series: Vec<&str> = first.kernel.splitn(3, '.').take(2).collect();
            out += &format!(
                "GADGET-NUMBER lab/{}/{}/{what} | {good} of {of} | runs | {share} of 10 | {verdict}\n",
                series.join("."),
                scenario.name()
            );
        };
        line(what, runs.iter().filter(|run| run.verdict.pass).count(), runs.len(), share);
        // Without a rescue there is none whose price could be measured.
        if !scenario.is_leak() {
            continue;
        }
        let kept: Vec<bool> = runs.iter().filter_map(|run| run.latency_kept()).collect();
        let good = kept.iter().filter(|kept| **kept).count();
        line("p99 at most 3x calm or control", good, kept.len(), 9);
    }
    out
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
            kernel: report.kernel.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(scenario: Scenario, pass: bool, p99_ms: f64) -> Report {
        let latency = |p99_ms| Some(Percentiles { count: 100, p50_ms: 1.0, p99_ms });
        Report {
            scenario,
            seed: 1,
            limit: Size(64 << 20),
            kernel: "6.12.1-cloud".into(),
            layout: Layout::Shared,
            memory: Version::V2,
            acting: true,
            verdict: Verdict { pass, reason: String::new() },
            kernel_oom_kills: 0,
            kernel_oom_s: None,
            expected_s: 30.0,
            subject: "report-worker".into(),
            subject_fate: Fate::Killed(15),
            subject_end_s: Some(20.0),
            others: Vec::new(),
            peak_share: 0.9,
            forecast: None,
            action: None,
            actions: 0,
            control: latency(2.0),
            calm: latency(2.0),
            rescue: latency(p99_ms),
            watcher: None,
            duration_s: 40.0,
        }
    }

    #[test]
    fn one_missed_leak_of_ten_passes_and_one_disturbed_benign_run_does_not() {
        for (scenario, verdict) in [(Scenario::FastLeak, "pass"), (Scenario::Burst, "fail")] {
            let runs: Vec<Report> = (0..10).map(|seed| report(scenario, seed > 0, 2.0)).collect();
            let line = numbers(&runs).lines().next().unwrap().to_owned();
            assert!(line.contains("lab/6.12/") && line.contains("9 of 10"), "{line}");
            assert!(line.ends_with(verdict), "{line}");
        }
    }

    #[test]
    fn a_slow_innocent_is_counted_and_marked() {
        let runs = [report(Scenario::FastLeak, true, 6.1)];
        assert!(
            numbers(&runs).lines().nth(1).unwrap().ends_with("| 0 of 1 | runs | 9 of 10 | fail")
        );
        let mut busy = runs[0].clone();
        busy.control = Some(Percentiles { count: 100, p50_ms: 1.0, p99_ms: 2.1 });
        assert_eq!(busy.latency_kept(), Some(true), "its neighbours had it no better");
        assert!(table(&runs).contains("3.0 !"), "{}", table(&runs));
    }

    #[test]
    fn runs_that_nobody_watched_measure_nothing() {
        let mut run = report(Scenario::FastLeak, true, 2.0);
        run.acting = false;
        assert_eq!(numbers(&[run]), "");
    }

    #[test]
    fn a_report_reads_back_as_a_guest_sent_it() {
        let run = report(Scenario::ForkStorm, true, 2.5);
        let text = serde_json::to_string(&run).unwrap();
        let back: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), text);
    }
}
