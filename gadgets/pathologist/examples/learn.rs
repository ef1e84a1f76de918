//! Trains the behaviour model from labelled recordings, and says how good it is on families that it has not seen.
//!
//! `learn DIRECTORY [MODEL]`: the directory holds what `clinic run --record DIRECTORY -- --study '*'` left; the model is
//! written if a file is named.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use gadget_pathologist::behaviour::SHAPE;
use gadget_pathologist::train::{
    Example, Growth, HIDDEN, brier, examples, reliability, samples, train,
};

/// From this probability on a process is called stuck.
const ADVISES: f64 = gadget_pathologist::behaviour::ADVISES;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let directory = arguments.next().ok_or("usage: learn DIRECTORY [MODEL]")?;
    let examples = examples(&directory)?;
    let (hidden, examples): (Vec<Example>, Vec<Example>) =
        examples.into_iter().partition(|example| HIDDEN.contains(&example.case.as_str()));
    let samples = samples(&examples);
    let growth = Growth { leaf: 6, trees: 64, ..Growth::default() };
    let (forest, mut said) = train(&samples, SHAPE, growth)?;
    said.extend(hidden.iter().map(|example| forest.probability(&example.row)));
    let judged: Vec<&Example> = examples.iter().chain(&hidden).collect();

    let mut cases: BTreeMap<(&str, &str, bool), (usize, usize, f64)> = BTreeMap::new();
    for (example, said) in judged.iter().zip(&said) {
        let (rows, called, highest) =
            cases.entry((&example.family, &example.case, example.stuck)).or_default();
        *rows += 1;
        *called += usize::from(*said >= ADVISES);
        *highest = said.max(*highest);
    }
    println!(
        "| family | case | stuck | windows | called stuck | highest probability |\n|---|---|---|---:|---:|---:|"
    );
    for ((family, case, stuck), (rows, called, highest)) in &cases {
        let stuck = if *stuck { "yes" } else { "no" };
        println!("| {family} | {case} | {stuck} | {rows} | {called} | {highest:.2} |");
    }
    let count = |of: bool| {
        let rows = judged.iter().zip(&said).filter(|(example, _)| example.stuck == of);
        (rows.clone().filter(|(_, said)| **said >= ADVISES).count(), rows.count())
    };
    let ((found, stuck), (accused, well)) = (count(true), count(false));
    println!(
        "\n{found} of {stuck} windows of stuck processes are called stuck, {accused} of {well} others"
    );

    let marked: Vec<bool> = samples.iter().map(|sample| sample.marked).collect();
    let weights: Vec<f64> = samples.iter().map(|sample| sample.weight).collect();
    println!("\n| said | rows | mean said | happened |\n|---|---:|---:|---:|");
    for bin in reliability(&said, &marked, &weights).iter().filter(|bin| bin.rows > 0) {
        let (from, to) = (bin.from, bin.from + 0.1);
        println!("| {from:.1} to {to:.1} | {} | {:.2} | {:.2} |", bin.rows, bin.said, bin.happened);
    }
    println!("Brier score {:.3}", brier(&said, &marked, &weights));
    if let Some(model) = arguments.next() {
        let bytes = forest.to_bytes();
        std::fs::write(&model, &bytes)?;
        println!("\n{} bytes written to {}", bytes.len(), model.display());
    }
    Ok(())
}
