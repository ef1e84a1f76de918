//! What is hidden in formats of others stays hidden, and what only looks like a value stays as it is.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use std::ops::Range;

use gadget_curator::{Labeller, Scanner, Span};
use gadget_curator_train::{Place, Tally, formats};

#[test]
fn values_in_formats_of_others_are_hidden_and_look_alikes_are_not() {
    let (scanner, mut labeller) = (Scanner::new(), Labeller::shipped());
    let (mut values, mut lookalikes) = (Tally::default(), Tally::default());
    for line in formats().unwrap() {
        let text = line.text.as_bytes();
        let mut spans: Vec<Span> = Vec::new();
        scanner.scan(text, &mut spans);
        labeller.label(text, &mut spans);
        let found: Vec<Range<usize>> = spans.iter().map(Span::range).collect();
        let [gold, ignore] = [&line.spans, &line.ignore]
            .map(|places| places.iter().map(Place::range).collect::<Vec<_>>());
        let tally = Tally::of(text, &gold, &ignore, &found);
        *(if line.kind == "pii" { &mut values } else { &mut lookalikes }) += tally;
    }
    assert!(values.lines > 1_000 && lookalikes.lines > 300);
    assert!(values.hidden_share().unwrap() > 0.95, "{values:?}");
    assert!(lookalikes.alarm_share().unwrap() < 0.01, "{lookalikes:?}");
}
