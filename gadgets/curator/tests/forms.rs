//! Lines of formats that no rule was made from: what the scanner must hide in them, and lines that it must leave alone.

use std::ops::Range;

use gadget_curator::Scanner;

/// Lines with the values marked by `⟦` and `⟧`.
const HIDDEN: &str = include_str!("forms/hidden.txt");
/// Lines without a value.
const UNTOUCHED: &str = include_str!("forms/untouched.txt");

/// The line without its marks, and where the values are.
fn unmarked(line: &str) -> (String, Vec<Range<usize>>) {
    let mut text = String::new();
    let mut values = Vec::new();
    for (nth, part) in line.split(['⟦', '⟧']).enumerate() {
        let from = text.len();
        text.push_str(part);
        if nth % 2 == 1 {
            values.push(from..text.len());
        }
    }
    (text, values)
}

/// What the scanner hides of a line, and the line with it in brackets.
fn scanned(scanner: &Scanner, line: &str) -> (Vec<Range<usize>>, String) {
    let mut spans = Vec::new();
    scanner.scan(line.as_bytes(), &mut spans);
    let mut shown = line.as_bytes().to_vec();
    for span in spans.iter().rev() {
        shown.splice(span.range(), format!("[{}]", span.entity.label()).into_bytes());
    }
    let ranges = spans.iter().map(gadget_curator::Span::range).collect();
    (ranges, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn values_are_hidden_in_every_format() {
    let scanner = Scanner::new();
    let (mut count, mut open, mut stray) = (0, Vec::new(), Vec::new());
    for line in HIDDEN.lines() {
        let (text, values) = unmarked(line);
        assert!(!values.is_empty(), "no value is marked in {line}");
        let (hidden, shown) = scanned(&scanner, &text);
        let within = |value: &Range<usize>| {
            hidden.iter().any(|it| it.start <= value.start && it.end >= value.end)
        };
        count += values.len();
        if !values.iter().all(within) {
            open.push(shown.clone());
        }
        let none = |it: &Range<usize>| {
            values.iter().all(|value| it.end <= value.start || it.start >= value.end)
        };
        if hidden.iter().any(none) {
            stray.push(shown);
        }
    }
    assert!(count > 260, "{count} values");
    assert!(open.is_empty(), "{} lines show a value:\n{}", open.len(), open.join("\n"));
    assert!(stray.is_empty(), "{} lines hide what is no value:\n{}", stray.len(), stray.join("\n"));
}

#[test]
fn lines_without_a_value_are_left_alone() {
    let scanner = Scanner::new();
    let touched = UNTOUCHED.lines().filter_map(|line| {
        let (hidden, shown) = scanned(&scanner, line);
        (!hidden.is_empty()).then_some(shown)
    });
    let touched: Vec<String> = touched.collect();
    assert!(UNTOUCHED.lines().count() > 160);
    assert!(touched.is_empty(), "{} lines were touched:\n{}", touched.len(), touched.join("\n"));
}
