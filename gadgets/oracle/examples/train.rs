//! Trains the forest from labelled recordings, and says how good it is on scenarios that it has not seen.
//!
//! `train DIRECTORY [MODEL]`: the directory holds what `lab matrix --no-watcher --record DIRECTORY` left; the model is
//! written if a file is named.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use gadget_oracle::train::{Example, Growth, brier, examples, reliability, train, weights};
use gadget_oracle::{statistical_probability, together};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().ok_or("usage: train DIRECTORY [MODEL]")?;
    let examples = examples(&directory)?;
    describe(&examples);

    let (forest, said) = train(&examples, Growth::default())?;
    let happened: Vec<bool> = examples.iter().map(|example| example.class.is_fatal()).collect();
    let weights = weights(&examples);
    let plain: Vec<f64> =
        examples.iter().map(|example| statistical_probability(&example.row)).collect();
    let both: Vec<f64> =
        said.iter().zip(&plain).map(|(said, plain)| together(*said, *plain)).collect();

    for (title, said) in [
        ("Probability, on scenarios that the forest has not seen", &said),
        ("Confidence, on scenarios that the forest has not seen", &both),
        ("Statistics alone", &plain),
    ] {
        println!("\n{title}:\n");
        say(said, &happened, &weights);
    }
    say_intervals(&examples);

    if let Some(model) = arguments.next() {
        let bytes = forest.to_bytes();
        std::fs::write(&model, &bytes)?;
        println!("\n{} bytes written to {}", bytes.len(), model.display());
    }
    Ok(())
}

fn describe(examples: &[Example]) {
    let mut scenarios: BTreeMap<&str, (usize, usize, Vec<&str>)> = BTreeMap::new();
    for example in examples {
        let (rows, fatal, runs) = scenarios.entry(&example.scenario).or_default();
        *rows += 1;
        *fatal += usize::from(example.class.is_fatal());
        if !runs.contains(&example.run.as_str()) {
            runs.push(&example.run);
        }
    }
    println!("| scenario | runs | rows | before an out-of-memory |\n|---|---:|---:|---:|");
    for (scenario, (rows, fatal, runs)) in scenarios {
        println!("| {scenario} | {} | {rows} | {fatal} |", runs.len());
    }
}

fn say(said: &[f64], happened: &[bool], weights: &[f64]) {
    println!("| said | rows | mean said | happened |\n|---|---:|---:|---:|");
    for bin in reliability(said, happened, weights).iter().filter(|bin| bin.rows > 0) {
        let (from, to) = (bin.from, bin.from + 0.1);
        println!("| {from:.1} to {to:.1} | {} | {:.2} | {:.2} |", bin.rows, bin.said, bin.happened);
    }
    println!("Brier score {:.3}", brier(said, happened, weights));
}

/// How often the truth lay in the interval that was foretold.
fn say_intervals(examples: &[Example]) {
    let told: Vec<(f64, [f64; 3])> = examples
        .iter()
        .filter(|example| example.class.is_fatal())
        .filter_map(|example| example.left)
        .collect();
    let share = |held: &dyn Fn(f64, [f64; 3]) -> bool| {
        100.0 * told.iter().filter(|(truth, left)| held(*truth, *left)).count() as f64
            / told.len().max(1) as f64
    };
    println!("\nTime left, {} forecasts before a kill:", told.len());
    println!(
        "{:.0} % inside the interval, {:.0} % sooner, {:.0} % later",
        share(&|truth, [low, _, high]| low <= truth && truth <= high),
        share(&|truth, [low, ..]| truth < low),
        share(&|truth, [_, _, high]| truth > high)
    );
}
