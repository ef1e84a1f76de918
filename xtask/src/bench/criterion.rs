//! Reads what criterion left behind: names from `benchmark.json`, times from `estimates.json`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::Value;

use super::table::{Row, Verdict};

/// One bench, in nanoseconds.
#[derive(Clone, Debug)]
struct Timing {
    /// `group/name (budget 2 ms)`, as the bench wrote it.
    id: String,
    median: f64,
    low: f64,
    high: f64,
    /// Elements of one iteration, where the bench states them.
    elements: Option<f64>,
}

/// What a bench's name allows it.
#[derive(Debug, PartialEq)]
enum Budget {
    None,
    /// At most this many nanoseconds.
    Time(f64),
    /// At most this many nanoseconds for each element.
    Each(f64),
    /// At most this share of another bench of its group.
    Share(f64, String),
    /// It says `(budget ...)` and nobody understands it.
    Unknown,
}

/// The rows of every bench that was measured since `since`.
pub(super) fn rows(dir: &Path, since: SystemTime) -> Result<Vec<Row>> {
    let mut found = Vec::new();
    collect(dir, since, &mut found)?;
    let timings = found.iter().map(|dir| read(dir)).collect::<Result<Vec<_>>>()?;
    Ok(timings.iter().map(|timing| row(timing, &timings)).collect())
}

/// Every folder `new` below that was written since.
fn collect(dir: &Path, since: SystemTime, found: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        let estimates = path.join("estimates.json");
        if path.ends_with("new") && estimates.exists() {
            if fs::metadata(&estimates)?.modified()? >= since {
                found.push(path);
            }
        } else {
            collect(&path, since, found)?;
        }
    }
    Ok(())
}

fn read(dir: &Path) -> Result<Timing> {
    let json = |name: &str| -> Result<Value> {
        let path = dir.join(name);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
    };
    timing(&json("benchmark.json")?, &json("estimates.json")?)
        .with_context(|| format!("{} is not as criterion writes it", dir.display()))
}

fn timing(benchmark: &Value, estimates: &Value) -> Option<Timing> {
    let median = &estimates["median"];
    Some(Timing {
        id: benchmark["full_id"].as_str()?.to_owned(),
        median: median["point_estimate"].as_f64()?,
        low: median["confidence_interval"]["lower_bound"].as_f64()?,
        high: median["confidence_interval"]["upper_bound"].as_f64()?,
        elements: benchmark["throughput"]["Elements"].as_f64(),
    })
}

fn row(timing: &Timing, all: &[Timing]) -> Row {
    let (name, note) = name_and_note(&timing.id);
    let others = || {
        all.iter().filter(|other| group(&other.id) == group(&timing.id) && other.id != timing.id)
    };
    let budget = budget(note);
    let compared = match &budget {
        Budget::Share(_, wanted) => others().find(|other| short(&other.id) == wanted),
        _ => others().find(|other| name_and_note(&other.id).1 == "baseline"),
    };
    let ratio = compared.map(|other| timing.median / other.median);
    let verdict = match (&budget, timing.elements, ratio) {
        (Budget::None, ..) => Verdict::Shown,
        (Budget::Time(most), ..) => Verdict::within(timing.median, *most),
        (Budget::Each(most), Some(elements), _) => Verdict::within(timing.median / elements, *most),
        (Budget::Share(most, _), _, Some(ratio)) => Verdict::within(ratio, *most),
        (Budget::Each(_) | Budget::Share(..) | Budget::Unknown, ..) => Verdict::Unknown,
    };
    let mut measured =
        format!("{} ({} to {})", time(timing.median), time(timing.low), time(timing.high));
    if let (Budget::Each(_), Some(elements)) = (&budget, timing.elements) {
        measured = format!("{} each of {elements}; {measured}", time(timing.median / elements));
    }
    let baseline = compared
        .zip(ratio)
        .map(|(other, ratio)| format!("{} {}: {ratio:.2}x", short(&other.id), time(other.median)));
    Row {
        name: name.to_owned(),
        measured,
        budget: note.strip_prefix("budget").unwrap_or_default().trim().to_owned(),
        baseline: baseline.unwrap_or_default(),
        verdict,
    }
}

/// The name and what stands behind it in round brackets.
fn name_and_note(id: &str) -> (&str, &str) {
    match id.strip_suffix(')').and_then(|id| id.rsplit_once(" (")) {
        Some((name, note)) => (name, note),
        None => (id, ""),
    }
}

fn group(id: &str) -> &str {
    id.split_once('/').map_or(id, |(group, _)| group)
}

/// The name without its group.
fn short(id: &str) -> &str {
    let name = name_and_note(id).0;
    name.split_once('/').map_or(name, |(_, name)| name)
}

fn budget(note: &str) -> Budget {
    let Some(words) = note.strip_prefix("budget") else { return Budget::None };
    let words: Vec<&str> = words.split_whitespace().collect();
    let parsed = match words.as_slice() {
        [number, unit] if unit_ns(unit).is_some() => nanoseconds(number, unit).map(Budget::Time),
        [number, unit, "each"] => nanoseconds(number, unit).map(Budget::Each),
        [share, other] => share
            .strip_suffix('x')
            .and_then(|share| share.parse().ok())
            .map(|share| Budget::Share(share, (*other).to_owned())),
        _ => None,
    };
    parsed.unwrap_or(Budget::Unknown)
}

fn nanoseconds(number: &str, unit: &str) -> Option<f64> {
    Some(number.parse::<f64>().ok()? * unit_ns(unit)?)
}

fn unit_ns(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1.0),
        "us" | "µs" => Some(1e3),
        "ms" => Some(1e6),
        "s" => Some(1e9),
        _ => None,
    }
}

/// Three figures and a unit.
fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        _ if ns < 1e3 => (ns, "ns"),
        _ if ns < 1e6 => (ns / 1e3, "us"),
        _ if ns < 1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bench(id: &str, median: f64, elements: Option<f64>) -> Timing {
        Timing { id: id.to_owned(), median, low: median * 0.9, high: median * 1.1, elements }
    }

    #[test]
    fn a_time_in_the_name_is_the_budget() {
        let all = [bench("psi/500_cgroups (budget 2 ms)", 1.2e6, None)];
        let row = row(&all[0], &all);
        assert_eq!((row.name.as_str(), row.budget.as_str()), ("psi/500_cgroups", "2 ms"));
        assert_eq!(row.measured, "1.20 ms (1.08 ms to 1.32 ms)");
        assert_eq!(row.verdict, Verdict::Pass);
        let slow = [bench("psi/500_cgroups (budget 2 ms)", 2.1e6, None)];
        assert_eq!(super::row(&slow[0], &slow).verdict, Verdict::Fail);
    }

    #[test]
    fn a_share_is_taken_of_the_named_bench_of_the_same_group() {
        let all = [
            bench("read/kept_open (budget 0.5x by_path)", 400.0, None),
            bench("other/by_path", 1.0, None),
            bench("read/by_path (baseline)", 1000.0, None),
        ];
        let row = row(&all[0], &all);
        assert_eq!(row.baseline, "by_path 1.00 us: 0.40x");
        assert_eq!(row.verdict, Verdict::Pass);
        assert_eq!(super::row(&all[2], &all).verdict, Verdict::Shown);
    }

    #[test]
    fn a_share_of_nothing_is_not_comparable() {
        let all = [bench("read/kept_open (budget 0.5x by_path)", 400.0, None)];
        assert_eq!(row(&all[0], &all).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_budget_for_each_divides_by_the_throughput() {
        let all = [bench("oracle/tick (budget 5 us each)", 2e6, Some(500.0))];
        let row = row(&all[0], &all);
        assert!(row.measured.starts_with("4.00 us each of 500; "), "{}", row.measured);
        assert_eq!(row.verdict, Verdict::Pass);
        let silent = [bench("oracle/tick (budget 5 us each)", 2e6, None)];
        assert_eq!(super::row(&silent[0], &silent).verdict, Verdict::Unknown);
    }

    #[test]
    fn names_say_budgets_in_any_unit_and_a_mistyped_one_is_unknown() {
        assert_eq!(budget("budget 20 us"), Budget::Time(20e3));
        assert_eq!(budget("budget 1.5 s"), Budget::Time(1.5e9));
        assert_eq!(budget("budget 0.25x smartcore"), Budget::Share(0.25, "smartcore".to_owned()));
        assert_eq!(budget("baseline"), Budget::None);
        assert_eq!(budget("budget 2"), Budget::Unknown);
        assert_eq!(budget("budget two ms"), Budget::Unknown);
    }

    #[test]
    fn criterions_files_are_read_as_it_writes_them() {
        let benchmark = r#"{"group_id":"g","function_id":"f","value_str":null,"throughput":{"Elements":500},
                            "full_id":"g/f","directory_name":"g/f","title":"g/f"}"#;
        let estimates = r#"{"median":{"confidence_interval":{"confidence_level":0.95,"lower_bound":9.5,
                            "upper_bound":10.5},"point_estimate":10.0,"standard_error":0.1}}"#;
        let json = |text| serde_json::from_str::<Value>(text).unwrap();
        let timing = timing(&json(benchmark), &json(estimates)).unwrap();
        assert_eq!(
            (timing.id.as_str(), timing.median, timing.elements),
            ("g/f", 10.0, Some(500.0))
        );
        assert!(super::timing(&json("{}"), &json(estimates)).is_none());
    }
}
