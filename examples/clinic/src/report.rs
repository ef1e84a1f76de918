//! The table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::batch::Ward;
use crate::case::{Case, State};
use crate::cases::CASES;
use crate::judge::{Finding, Grade};
use crate::treatment::Treated;

/// What all runs found.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
    strangers: BTreeMap<u32, String>,
    watched: bool,
    /// What came of letting the watcher act, if that was tried.
    pub(crate) treated: Option<Treated>,
    watcher_cpu: Vec<f64>,
}

/// One case over all runs.
#[derive(Debug)]
pub struct Row<'a> {
    /// The case.
    pub case: &'static Case,
    /// A finding for each run.
    pub findings: Vec<&'a Finding>,
}

impl Report {
    pub(crate) fn add(&mut self, ward: Ward) {
        self.findings.extend(ward.findings);
        self.strangers.extend(ward.strangers);
        self.watched |= ward.watched;
        self.watcher_cpu.extend(ward.watcher_cpu);
    }

    /// Whether no promise was broken.
    pub fn passed(&self) -> bool {
        let failed = |finding: &Finding| matches!(finding.grade, Grade::Failed(_));
        !self.findings.iter().any(failed) && self.treated.as_ref().is_none_or(Treated::passed)
    }

    /// The cases, in the order of the table of truth.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let of = |case: &'static Case| Row {
            case,
            findings: self
                .findings
                .iter()
                .filter(|finding| finding.case.name == case.name)
                .collect(),
        };
        CASES.iter().map(of).filter(|row| !row.findings.is_empty()).collect()
    }

    /// The numbers that were promised, a line each.
    pub fn summary(&self) -> Vec<String> {
        let mut lines = if self.watched { self.promises() } else { Vec::new() };
        lines.extend(self.treated.iter().flat_map(Treated::lines));
        let skipped = |finding: &&Finding| matches!(finding.grade, Grade::Skipped(_));
        let names: BTreeSet<&str> =
            self.findings.iter().filter(skipped).map(|finding| finding.case.name).collect();
        if !names.is_empty() {
            let names: Vec<&str> = names.into_iter().collect();
            lines.push(format!("SKIPPED, not counted above: {}", names.join(", ")));
        }
        lines
    }

    /// Processes that are no case and were called stuck, a line each.
    pub fn strangers(&self) -> Vec<String> {
        self.strangers
            .values()
            .map(|text| format!("also called stuck, and no case: {text}"))
            .collect()
    }

    fn promises(&self) -> Vec<String> {
        // How many of the findings that are `among` also are `these`.
        let share = |among: &dyn Fn(&Finding) -> bool, these: &dyn Fn(&Finding) -> bool| {
            let ran = self.findings.iter().filter(|one| !matches!(one.grade, Grade::Skipped(_)));
            let among: Vec<&Finding> = ran.filter(|one| among(one)).collect();
            let these = among.iter().filter(|one| these(one)).count();
            (these, among.len())
        };
        let is_stuck = |one: &Finding| one.case.truth.state == State::Stuck;
        let says_stuck = |one: &Finding| one.verdict.as_deref() == Some("stuck");
        let provable = |one: &Finding| !one.case.truth.proof.is_empty();
        let (proved, of) = share(&provable, &|one| one.proof_after.is_some());
        let proofs = self.findings.iter().filter(|one| provable(one));
        let latest = proofs.filter_map(|one| one.proof_after).max().map_or("-".into(), seconds);
        let mut lines = vec![format!(
            "proved: {proved} of {of} deadlocks that can be, the last of them {latest} after the watcher's start"
        )];
        let (named, of) = share(&|one| one.named.is_some(), &|one| one.named == Some(true));
        lines.push(format!("sentences with every thread and lock of the truth: {named} of {of}"));
        let (harmed, of) = share(&|one| !one.case.truth.may_end, &|one| one.harm.is_some());
        lines.push(format!("ends planned for what must live: {harmed} in {of} cases"));
        let (right, of) = share(&|_| true, &|one| one.grade == Grade::Right);
        lines.push(format!("right: {right} of {of}"));
        let (seen, of) = share(&|one| is_stuck(one) && !provable(one), &says_stuck);
        lines.push(format!(
            "stuck, not to be proved from outside, and called stuck: {seen} of {of}"
        ));
        let (accused, of) = share(&|one| !one.case.accepts("stuck"), &says_stuck);
        lines.push(format!("not stuck, and called stuck: {accused} of {of}"));
        if !self.watcher_cpu.is_empty() {
            let mean = self.watcher_cpu.iter().sum::<f64>() / self.watcher_cpu.len() as f64;
            lines.push(format!("CPU of the watcher: {:.2} % of a core", mean * 100.0));
        }
        lines
    }

    /// The table for a document.
    pub fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|{}\n", HEAD.join(" | "), "---|".repeat(HEAD.len()));
        for row in self.rows() {
            text += &format!("| {} |\n", row.cells().join(" | ").replace('\n', " "));
        }
        text
    }
}

const HEAD: [&str; 8] =
    ["case", "family", "truth", "verdict", "evidence", "time to verdict", "planned", "result"];

impl Row<'_> {
    fn cells(&self) -> [String; 8] {
        let said = |finding: &Finding| finding.verdict.clone().unwrap_or_else(|| "-".into());
        let evidence =
            |finding: &Finding| finding.evidence.map_or("-".into(), |kind| kind.to_string());
        let planned = |finding: &Finding| match finding.planned.is_empty() {
            true => "-".into(),
            false => finding.planned.join(", "),
        };
        let times: Vec<Duration> = self
            .findings
            .iter()
            .filter_map(|finding| finding.proof_after.or(finding.verdict_after))
            .collect();
        let time = match (times.iter().min(), times.iter().max()) {
            (Some(first), Some(last)) if first != last => {
                format!("{:.0}-{}", first.as_secs_f64(), seconds(*last))
            }
            (Some(only), _) => seconds(*only),
            (None, _) => "-".into(),
        };
        [
            self.case.name.into(),
            format!("{:?}", self.case.family).to_lowercase(),
            self.case.truth.state.label().into(),
            self.distinct(said),
            self.distinct(evidence),
            time,
            self.distinct(planned),
            self.result(),
        ]
    }

    fn distinct(&self, text: impl Fn(&Finding) -> String) -> String {
        let mut seen: Vec<String> = Vec::new();
        for finding in &self.findings {
            let text = text(finding);
            if !seen.contains(&text) {
                seen.push(text);
            }
        }
        seen.join(" / ")
    }

    /// How many runs went right, and what went wrong first.
    fn result(&self) -> String {
        let right = self.findings.iter().filter(|finding| finding.grade == Grade::Right).count();
        let worst =
            |is: fn(&Grade) -> bool| self.findings.iter().find(|finding| is(&finding.grade));
        let wrong = worst(|grade| matches!(grade, Grade::Failed(_)))
            .or_else(|| worst(|grade| *grade != Grade::Right));
        match wrong {
            None => format!("{right}/{right}"),
            Some(finding) => format!("{right}/{}, {}", self.findings.len(), finding.grade),
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.0} s", duration.as_secs_f64())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![HEAD.map(str::to_owned)];
        rows.extend(self.rows().iter().map(Row::cells));
        let width =
            |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        for row in &rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        let lines = [self.summary(), self.strangers()].concat();
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::find;

    fn finding(case: &str, grade: Grade) -> Finding {
        Finding::none(find(case).unwrap(), grade)
    }

    fn report(findings: Vec<Finding>) -> Report {
        Report { findings, ..Report::default() }
    }

    #[test]
    fn a_miss_or_a_skip_passes_and_a_failure_does_not() {
        let miss = || finding("idle-c", Grade::Missed("said stuck".into()));
        let skip = || finding("go-channels", Grade::Skipped("there is no go".into()));
        assert!(report(vec![miss(), skip()]).passed());
        assert!(!report(vec![miss(), finding("abba", Grade::Failed("no proof".into()))]).passed());
    }

    #[test]
    fn runs_of_a_case_are_one_row_with_its_worst_result() {
        let report = report(vec![
            finding("abba", Grade::Right),
            finding("idle-c", Grade::Right),
            finding("abba", Grade::Failed("no proof".into())),
        ]);
        let rows = report.rows();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].cells()[7], "1/2, FAILED: no proof");
        assert_eq!(rows[1].cells()[7], "1/1");
    }

    #[test]
    fn what_was_skipped_is_named_and_not_counted() {
        let mut proved = finding("abba", Grade::Right);
        proved.proof_after = Some(Duration::from_secs(11));
        let mut report =
            report(vec![proved, finding("static-musl", Grade::Skipped("no musl-gcc".into()))]);
        report.watched = true;
        let lines = report.summary().join("\n");
        assert!(lines.contains("proved: 1 of 1"), "{lines}");
        assert!(lines.contains("SKIPPED, not counted above: static-musl"), "{lines}");
    }

    #[test]
    fn every_row_of_the_document_has_every_cell() {
        let report = report(vec![finding("abba", Grade::Right)]);
        let text = report.markdown();
        let cells: Vec<usize> = text.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(cells, [9, 9, 9], "{text}");
    }
}
