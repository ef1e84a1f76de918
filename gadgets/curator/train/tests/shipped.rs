//! The model that ships is the one that this crate trains.
#![allow(clippy::unwrap_used, reason = "what fails to set up fails the test")]

use gadget_curator::Labeller;
use gadget_curator_train::{Draw, Generator, Rng, Sort, Training, fingerprint, train};

#[test]
fn the_shipped_model_was_trained_on_what_the_generator_writes() {
    let origin = Labeller::shipped().model().origin;
    assert_eq!(
        origin.generator,
        fingerprint(&Generator::default(), origin.seed),
        "the generator has changed: run `cargo run --release -p gadget-curator-train -- train`"
    );
}

#[test]
fn a_training_writes_the_same_bytes_each_time() {
    let generator = Generator::default();
    let bytes = |seed| train(&generator, &Training { seed, lines: 60, draw: Draw::All }).to_bytes();
    let first = bytes(3);
    assert_eq!(first, bytes(3));
    assert_ne!(first, bytes(4));
    assert!(first.len() < 1 << 20);
}

/// Scores of the shipped model on lines that it has not seen are what comes true, and few clean lines have a false alarm.
#[test]
fn scores_of_unseen_lines_are_what_comes_true() {
    let generator = Generator::default();
    let mut labeller = Labeller::shipped().with_threshold(0.05);
    let mut rng = Rng::new(0x5eed_0f7e);
    let (mut brier, mut mean, mut right, mut count) = (0.0, 0.0, 0.0, 0.0);
    let (mut clean, mut alarms) = (0.0, 0.0);
    let mut spans = Vec::new();
    for _ in 0..1500 {
        let line = generator.line(&mut rng, Draw::All);
        spans.clear();
        labeller.label(&line.bytes, &mut spans);
        for span in &spans {
            let score = f64::from(span.score) / 255.0;
            let hit = line
                .gold
                .iter()
                .any(|gold| gold.start < span.end as usize && (span.start as usize) < gold.end);
            let hit = f64::from(u8::from(hit));
            brier += (score - hit).powi(2);
            mean += score;
            right += hit;
            count += 1.0;
        }
        if line.sort != Sort::Values {
            clean += 1.0;
            alarms += f64::from(u8::from(spans.iter().any(|span| span.score > 230)));
        }
    }
    assert!(count > 1000.0 && clean > 500.0, "{count} {clean}");
    assert!(brier / count < 0.05, "{}", brier / count);
    assert!((mean / count - right / count).abs() < 0.05, "{} {}", mean / count, right / count);
    assert!(alarms / clean < 0.01, "{}", alarms / clean);
}
