//! Exchange with the package `ddsketch` of PyPI, whose keys are by the ceiling.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use gadget_sketch::proto::DdSketch;
use gadget_sketch::{Keys, Mapping, Sketch};
use prost::Message as _;

use crate::data::{sketch_of, worst_error};

/// With this environment variable, another Python than the one on `PATH`.
const PYTHON: &str = "GADGET_PYTHON";
const QUANTILES: [&str; 9] = ["0", "0.01", "0.25", "0.5", "0.75", "0.9", "0.95", "0.99", "0.999"];

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Below zero, zero, and six decades above; none is a power of gamma, which the rules put into other bins.
fn values() -> Vec<f64> {
    let above = (1..=1_000).map(|i| f64::from(i * i) / 7.0);
    above.chain((1..=200).map(|i| f64::from(i) / -3.5)).chain([0.0; 50]).collect()
}

/// What they have to be within of values: our alpha, and rounding.
fn assert_accurate(values: &[f64], quantile: impl Fn(f64) -> f64) {
    let quantiles = QUANTILES.map(|it| it.parse().unwrap());
    let worst = worst_error(values, quantiles, quantile);
    assert!(worst <= 0.0075 + 1e-9, "{worst}");
}

fn assert_read(bytes: &[u8]) {
    let values = values();
    let message = DdSketch::decode(bytes).unwrap();
    let sketch = Sketch::from_proto_by(Keys::Ceiling, &message, None).unwrap();
    assert_eq!(sketch.mapping(), Mapping::CONTRACT);
    assert_eq!((sketch.count(), sketch.zero_count()), (values.len() as u64, 50));
    assert_accurate(&values, |q| sketch.quantile(q).unwrap());
    // Bin for bin what we count, so it merges.
    let mut own = sketch_of(Mapping::CONTRACT, &values);
    let read = Sketch::from_proto_by(Keys::Ceiling, &message, Some(own.summary())).unwrap();
    assert!(read.to_proto() == own.to_proto(), "{sketch:?}");
    own.merge(&read).unwrap();
    assert_eq!(own.count(), 2 * values.len() as u64);
}

#[test]
fn a_sketch_that_the_package_wrote_is_read() {
    assert_read(&fs::read(beside("golden/python-ddsketch-3.0.1.pb")).unwrap());
}

#[test]
fn the_other_rule_of_keys_would_be_a_bin_off() {
    let bytes = fs::read(beside("golden/python-ddsketch-3.0.1.pb")).unwrap();
    let message = DdSketch::decode(&bytes[..]).unwrap();
    let right = Sketch::from_proto_by(Keys::Ceiling, &message, None).unwrap();
    let wrong = Sketch::from_proto(&message, None).unwrap();
    let ratio = wrong.quantile(0.9).unwrap() / right.quantile(0.9).unwrap();
    assert!((ratio - Mapping::CONTRACT.gamma()).abs() < 1e-9, "{ratio}");
}

#[test]
fn the_package_reads_what_we_write_and_writes_what_we_read() {
    let python = env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let probe = ["-c", "import ddsketch, google.protobuf"];
    let found = Command::new(&python).args(probe).stderr(Stdio::null()).status();
    if !found.is_ok_and(|it| it.success()) {
        println!(
            "SKIPPED the exchange with Python: {python} has no ddsketch and protobuf ({PYTHON} names another)"
        );
        return;
    }
    let values = values();
    let file = env::temp_dir().join(format!("gadget-sketch-{}.pb", std::process::id()));
    let peer = |what: &str| {
        let mut command = Command::new(&python);
        command.arg(beside("python/peer.py")).arg(what).arg(&file);
        command
    };

    let sketch = sketch_of(Mapping::CONTRACT, &values);
    fs::write(&file, sketch.to_proto_by(Keys::Ceiling).encode_to_vec()).unwrap();
    let output = peer("read").args(QUANTILES).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<f64> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(answers[0], values.len() as f64);
    let answer = |q: f64| {
        let at = QUANTILES.iter().position(|it| it.parse() == Ok(q)).unwrap();
        answers[1 + at]
    };
    assert_accurate(&values, answer);
    for q in QUANTILES.map(|it| it.parse().unwrap()) {
        let (ours, theirs) = (sketch.quantile(q).unwrap(), answer(q));
        assert!((ours - theirs).abs() <= 0.0075 * theirs.abs(), "{q}: {ours} and {theirs}");
    }

    let mut child = peer("write").stdin(Stdio::piped()).spawn().unwrap();
    let mut lines = child.stdin.take().unwrap();
    for value in &values {
        writeln!(lines, "{value:?}").unwrap();
    }
    drop(lines);
    assert!(child.wait().unwrap().success());
    assert_read(&fs::read(&file).unwrap());
    fs::remove_file(&file).unwrap();
}
