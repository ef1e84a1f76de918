//! What has happened so far, as the pictures need it. Times are seconds since the start.

use std::fs;
use std::time::Instant;

use gadget_lab::{Phase, Run, Said};
use serde_json::Value;

/// Memory and pressure at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at: f64,
    /// Charged to the group, bytes.
    pub(crate) used: f64,
    /// Memory pressure `full avg10`, percent; none where the kernel does not say.
    pub(crate) full: Option<f64>,
}

/// One forecast of the Oracle.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forecast {
    pub(crate) at: f64,
    pub(crate) class: String,
    pub(crate) probability: f64,
    /// Likely, low and high, seconds from `at`.
    pub(crate) eta: Option<(f64, f64, f64)>,
    pub(crate) culprit: Option<String>,
    /// Memory in use when it was made, bytes.
    pub(crate) used: f64,
}

/// Something that was decided or done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deed {
    pub(crate) at: f64,
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// What every guard said, for decisions.
    pub(crate) guards: Vec<(String, String)>,
    pub(crate) step: String,
    pub(crate) plan: u64,
}

/// What kind of deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Permitted or not, by the policy.
    Decision,
    /// An effect on the host.
    Action,
    /// How it ended.
    Outcome,
    /// About the agent itself.
    Note,
}

/// Everything so far.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) group: String,
    pub(crate) limit: f64,
    pub(crate) samples: Vec<Sample>,
    pub(crate) forecasts: Vec<Forecast>,
    pub(crate) deeds: Vec<Deed>,
    pub(crate) incident: Option<f64>,
    /// p99 of the innocent service over the last second, milliseconds.
    pub(crate) latency: Option<f64>,
    pub(crate) phase: Phase,
    started: Instant,
    heard: usize,
}

impl Story {
    pub(crate) fn new(run: &Run, limit: u64) -> Self {
        Self {
            group: run.group(),
            limit: limit as f64,
            samples: Vec::new(),
            forecasts: Vec::new(),
            deeds: Vec::new(),
            incident: None,
            latency: None,
            phase: Phase::Calm,
            started: Instant::now(),
            heard: 0,
        }
    }

    /// Seconds since the start.
    pub(crate) fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Looks at the run once, and takes in what the Oracle has said since.
    pub(crate) fn look(&mut self, run: &mut Run) -> Phase {
        self.phase = run.tick();
        self.incident = run.incident().map(|at| self.seconds(at));
        let now = Instant::now();
        let second = std::time::Duration::from_secs(1);
        self.latency = now
            .checked_sub(second)
            .and_then(|from| run.latency().between(from, now))
            .map(|latency| latency.p99_ms);
        if let Some(used) = run.sandbox().usage() {
            let full = pressure(&self.group);
            self.samples.push(Sample { at: self.now(), used: used as f64, full });
        }
        let said = run.said();
        for line in said.iter().skip(self.heard) {
            self.hear(line);
        }
        self.heard = said.len();
        self.phase
    }

    fn seconds(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.started).as_secs_f64()
    }

    fn hear(&mut self, said: &Said) {
        let at = self.seconds(said.at);
        let value = &said.value;
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        match said.kind() {
            "forecast" if value["subject"]["name"] != *self.group => {}
            "forecast" => self.forecasts.push(forecast(at, value)),
            "decision" => {
                let plan = &value["plan"];
                let guards = value["guards"].as_array().into_iter().flatten().map(|guard| {
                    let part = |key: &str| guard[key].as_str().unwrap_or_default().to_owned();
                    (part("guard"), part("says"))
                });
                self.deeds.push(Deed {
                    at,
                    kind: Kind::Decision,
                    text: format!(
                        "{}: {} on {}, for {}",
                        text("verdict"),
                        plan["text"].as_str().unwrap_or_default(),
                        plan["target"]["name"].as_str().unwrap_or_default(),
                        plan["reason"].as_str().unwrap_or_default()
                    ),
                    guards: guards.collect(),
                    step: plan["step"].as_str().unwrap_or_default().to_owned(),
                    plan: plan["id"].as_u64().unwrap_or_default(),
                });
            }
            "action" => self.push(at, Kind::Action, text("did"), value),
            "outcome" => {
                let line = format!("{}: {}", text("ending"), text("text"));
                self.push(at, Kind::Outcome, line, value);
            }
            "note" => {
                self.push(at, Kind::Note, format!("{}: {}", text("part"), text("text")), value)
            }
            _ => {}
        }
    }

    fn push(&mut self, at: f64, kind: Kind, text: String, value: &Value) {
        let step = value["step"].as_str().unwrap_or_default().to_owned();
        let plan = value["plan"].as_u64().unwrap_or_default();
        self.deeds.push(Deed { at, kind, text, guards: Vec::new(), step, plan });
    }

    /// The forecast that holds now, if the Oracle expects an out-of-memory.
    pub(crate) fn forecast(&self) -> Option<&Forecast> {
        self.forecasts.last().filter(|forecast| forecast.eta.is_some())
    }

    /// The first forecast that was more likely than not.
    pub(crate) fn first_forecast(&self) -> Option<&Forecast> {
        self.forecasts.iter().find(|forecast| forecast.eta.is_some() && forecast.probability >= 0.5)
    }

    /// The first deed of a kind.
    pub(crate) fn first(&self, kind: Kind) -> Option<&Deed> {
        self.deeds.iter().find(|deed| deed.kind == kind)
    }
}

fn forecast(at: f64, value: &Value) -> Forecast {
    let number = |key: &str| value[key].as_f64();
    Forecast {
        at,
        class: value["class"].as_str().unwrap_or_default().to_owned(),
        probability: number("probability").unwrap_or_default(),
        eta: number("seconds_to_oom")
            .zip(number("low"))
            .zip(number("high"))
            .map(|((l, a), b)| (l, a, b)),
        culprit: value["culprit"]["name"].as_str().map(|name| {
            value["culprit"]["pid"]
                .as_u64()
                .map_or(name.to_owned(), |pid| format!("{name} (pid {pid})"))
        }),
        used: number("used").unwrap_or_default(),
    }
}

/// `full avg10` of a group's `memory.pressure`, where there is one: cgroup v2, also beside v1.
fn pressure(group: &str) -> Option<f64> {
    let group = group.trim_start_matches('/');
    let text = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .iter()
        .find_map(|root| fs::read_to_string(format!("{root}/{group}/memory.pressure")).ok())?;
    let full = text.lines().find_map(|line| line.strip_prefix("full avg10="))?;
    full.split_whitespace().next()?.parse().ok()
}
