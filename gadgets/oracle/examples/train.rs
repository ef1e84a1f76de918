//! Trains the forest from labelled recordings, and says how good it is on scenarios that it has not seen.
//!
//! `train DIRECTORY [MODEL]`: the directory holds what `lab matrix --no-watcher --record DIRECTORY` left; the model is
//! written if a file is named.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use gadget_oracle::statistical_probability;
use gadget_oracle::train::{
    Example, Growth, brier, examples, grow, held_out_votes, isotonic, reliability,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().ok_or("usage: train DIRECTORY [MODEL]")?;
    let examples = examples(&directory)?;
    describe(&examples);

    let growth = Growth::default();
    let happened: Vec<bool> = examples.iter().map(|example| example.class.is_fatal()).collect();
    let weights = weights(&examples);
    let votes = held_out_votes(&examples, growth)?;
    let table = isotonic(&votes, &happened, &weights, usize::from(growth.trees));
    let said: Vec<f64> = votes.iter().map(|votes| f64::from(table[usize::from(*votes)])).collect();
    let plain: Vec<f64> =
        examples.iter().map(|example| statistical_probability(&example.row)).collect();

    println!("\nForest, on scenarios that it has not seen:");
    say(&said, &happened);
    println!("\nStatistics alone:");
    say(&plain, &happened);
    say_intervals(&examples);

    if let Some(model) = arguments.next() {
        let (_, forest) = grow(&examples, growth)?;
        let bytes = forest.calibrated(table)?.to_bytes();
        std::fs::write(&model, &bytes)?;
        println!("\n{} bytes written to {}", bytes.len(), model.display());
    }
    Ok(())
}

/// Each run counts the same, however long it took.
fn weights(examples: &[Example]) -> Vec<f64> {
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for example in examples {
        *rows.entry(&example.run).or_default() += 1;
    }
    let mean = examples.len() as f64 / rows.len().max(1) as f64;
    examples.iter().map(|example| mean / rows[example.run.as_str()] as f64).collect()
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

fn say(said: &[f64], happened: &[bool]) {
    println!("| said | rows | mean said | happened |\n|---|---:|---:|---:|");
    for bin in reliability(said, happened).iter().filter(|bin| bin.rows > 0) {
        let (from, to) = (bin.from, bin.from + 0.1);
        println!("| {from:.1} to {to:.1} | {} | {:.2} | {:.2} |", bin.rows, bin.said, bin.happened);
    }
    println!("Brier score {:.3}", brier(said, happened));
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
