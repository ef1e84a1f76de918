//! Rows of the table, and how they print.

use std::fmt::Write;

/// Whether a number kept its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    Fail,
    /// It has no budget: a baseline, or shown for itself.
    Shown,
    /// It has a budget that could not be compared with anything.
    Unknown,
}

impl Verdict {
    /// Whether `value` is within `budget`.
    pub(super) fn within(value: f64, budget: f64) -> Self {
        if value <= budget { Self::Pass } else { Self::Fail }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "**FAIL**",
            Self::Shown => "-",
            Self::Unknown => "not comparable",
        }
    }
}

/// One number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) measured: String,
    pub(super) budget: String,
    /// What it is shown beside, measured in the same run.
    pub(super) baseline: String,
    pub(super) verdict: Verdict,
}

/// Reads `GADGET-NUMBER name | value | unit | budget | pass|fail`, and a baseline behind it.
pub(super) fn parse_number(line: &str) -> Option<Row> {
    let (_, fields) = line.split_once("GADGET-NUMBER ")?;
    let fields: Vec<&str> = fields.split('|').map(str::trim).collect();
    let [name, value, unit, budget, verdict, rest @ ..] = fields.as_slice() else { return None };
    let verdict = match *verdict {
        "pass" => Verdict::Pass,
        "fail" => Verdict::Fail,
        "" | "-" if budget.is_empty() || *budget == "-" => Verdict::Shown,
        _ => Verdict::Unknown,
    };
    Some(Row {
        name: (*name).to_owned(),
        measured: format!("{value} {unit}").trim().to_owned(),
        budget: (*budget).to_owned(),
        baseline: rest.join("; "),
        verdict,
    })
}

/// The table in Markdown, sorted by name, columns aligned for a terminal.
pub(super) fn render(rows: &[Row]) -> String {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let cells = |row: &Row| {
        let texts = [&row.name, &row.measured, &row.budget, &row.baseline]
            .map(|text| text.replace('|', "/"));
        let [name, measured, budget, baseline] = texts;
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        [name, measured, or_dash(budget), or_dash(baseline), row.verdict.word().to_owned()]
    };
    let heads =
        ["number", "measured", "budget", "baseline, same run", "verdict"].map(str::to_owned);
    let lines: Vec<[String; 5]> =
        std::iter::once(heads).chain(rows.into_iter().map(cells)).collect();
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut table = String::new();
    for (at, line) in lines.iter().enumerate() {
        for (text, width) in line.iter().zip(widths) {
            let pad = width - text.chars().count();
            let _ = write!(table, "| {text}{:pad$} ", "");
        }
        table.push_str("|\n");
        if at == 0 {
            for width in widths {
                let _ = write!(table, "|{:-<1$}", "", width + 2);
            }
            table.push_str("|\n");
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_line_becomes_a_row() {
        let row = parse_number(
            "GADGET-NUMBER idle/rss | 9.8 | MiB | 12 MiB | pass | node-exporter 19 MiB",
        )
        .unwrap();
        assert_eq!(row.name, "idle/rss");
        assert_eq!((row.measured.as_str(), row.budget.as_str()), ("9.8 MiB", "12 MiB"));
        assert_eq!((row.baseline.as_str(), row.verdict), ("node-exporter 19 MiB", Verdict::Pass));
    }

    #[test]
    fn a_budget_without_a_clear_verdict_is_never_a_pass() {
        let verdict = |line| parse_number(line).unwrap().verdict;
        assert_eq!(verdict("GADGET-NUMBER a | 1 | s | 2 s | maybe"), Verdict::Unknown);
        assert_eq!(verdict("GADGET-NUMBER a | 1 | s | 2 s | "), Verdict::Unknown);
        assert_eq!(verdict("GADGET-NUMBER a | 1 | s | - | -"), Verdict::Shown);
        assert_eq!(parse_number("GADGET-NUMBER a | 1 | s"), None);
        assert_eq!(parse_number("nothing"), None);
    }

    #[test]
    fn the_table_is_sorted_aligned_and_shows_a_miss() {
        let row = |name: &str, verdict| Row {
            name: name.to_owned(),
            measured: "1 µs".to_owned(),
            budget: String::new(),
            baseline: "a|b".to_owned(),
            verdict,
        };
        let table = render(&[row("second", Verdict::Fail), row("first", Verdict::Shown)]);
        let expected = "\
| number | measured | budget | baseline, same run | verdict  |
|--------|----------|--------|--------------------|----------|
| first  | 1 µs     | -      | a/b                | -        |
| second | 1 µs     | -      | a/b                | **FAIL** |
";
        assert_eq!(table, expected);
    }
}
