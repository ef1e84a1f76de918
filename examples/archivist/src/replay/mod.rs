//! Replays recorded logs of a system with faults: which are found, how soon, and how often there is an alarm without a fault.

mod data;
mod play;
#[cfg(test)]
mod real;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use gadget_archivist::{Cause, LogWatch, Settings, Trigger, Triggers};
use gadget_core::{HostFacts, LogFlags, LogMeta, Severity, SourceId, Timestamp, World};
use gadget_signals::logs::severity;

use data::{Format, Line, Stream};

const SECOND: u64 = 1_000_000_000;

/// Where a stream pauses for longer, the agent was not there.
const AWAY: u64 = 60 * SECOND;

/// A fault has to be found within this time of its first new line.
const SOON: f64 = 10.0;

/// An agent's view of a stream: readings once a second, as it would have them.
struct Agent {
    watch: LogWatch,
    triggers: Triggers,
    world: World,
    next: u64,
}

impl Agent {
    fn new(settings: &Settings) -> Self {
        let facts = HostFacts { boot_id: "-".into(), kernel: "-".into(), agent_pid: 1, cpus: 1 };
        let (watch, triggers) = (LogWatch::default(), Triggers::new(settings));
        Self { watch, triggers, world: World::new(facts), next: 0 }
    }

    /// Takes in lines, and says what triggered.
    fn run<'a>(&mut self, lines: impl IntoIterator<Item = &'a Line>) -> Vec<Trigger> {
        let mut found = Vec::new();
        for line in lines {
            if line.t_ns > self.next + AWAY || line.t_ns + AWAY < self.next {
                self.next = line.t_ns;
            }
            while line.t_ns >= self.next {
                self.second(&mut found);
            }
            self.watch.observe_line(&line.service, &meta(line), line.line.as_bytes());
        }
        self.second(&mut found);
        found
    }

    fn second(&mut self, found: &mut Vec<Trigger>) {
        let mut readings = Vec::new();
        self.watch.readings(Timestamp::from_nanos(self.next), &mut readings);
        for reading in &readings {
            self.triggers.observe(reading);
        }
        found.extend(self.triggers.take(&self.world));
        self.next += SECOND;
    }
}

fn meta(line: &Line) -> LogMeta {
    LogMeta {
        source: SourceId::OTHER,
        at: Timestamp::from_nanos(line.t_ns),
        written: None,
        severity: severity(line.line.as_bytes()),
        flags: LogFlags::default(),
    }
}

/// What became of one fault.
struct Found {
    name: String,
    kind: String,
    service: String,
    /// Lines of the faulty service that only the fault brings, after its injection.
    new_lines: usize,
    /// When the first such line was, and when there was a trigger of the service, in seconds from the injection.
    first_new: Option<f64>,
    trigger: Option<(f64, Cause)>,
    /// Other triggers before any new line, and after.
    before: usize,
    after: usize,
}

impl Found {
    fn delay(&self) -> Option<f64> {
        Some((self.trigger?.0 - self.first_new?).max(0.0))
    }
}

/// The result of one replay.
pub(crate) struct Outcome {
    faults: Vec<Found>,
    /// Seconds of healthy logs that were judged, and the triggers in them.
    healthy: f64,
    alarms: Vec<Trigger>,
    /// The triggers of one agent that saw all healthy pieces in the order of time, and learned as it went.
    online: Vec<Trigger>,
}

impl Outcome {
    /// Faults that log something new...
    pub(crate) fn loud(&self) -> usize {
        self.faults.iter().filter(|fault| fault.first_new.is_some()).count()
    }

    /// ...and those of them that were found soon.
    pub(crate) fn found(&self) -> usize {
        let soon = |fault: &&Found| fault.delay().is_some_and(|delay| delay <= SOON);
        self.faults.iter().filter(soon).count()
    }

    pub(crate) fn alarms(&self) -> usize {
        self.alarms.len()
    }
}

/// The lines of a stream before anything of its fault: up to the injection, or to the first line that only the fault brings.
fn healthy(stream: &Stream) -> &[Line] {
    let Some(inject) = stream.entry.inject_ns else { return &stream.lines };
    let end = first_new(stream).map_or(inject, |first| first.min(inject));
    &stream.lines[..stream.lines.partition_point(|line| line.t_ns < end)]
}

/// When the faulty service first logs what only the fault brings. The index lists such lines from about the injection on; the first
/// in the stream with the same words may be earlier, the clocks being what they are.
fn first_new(stream: &Stream) -> Option<u64> {
    let listed = *stream.entry.new_template_lines_of_service_ns.first()?;
    let line = stream.lines.iter().find(|line| line.t_ns == listed)?;
    let words = |text: &str| {
        let is_word = |word: &&str| !word.bytes().any(|byte| byte.is_ascii_digit());
        text.split([' ', '[', ']']).filter(is_word).collect::<Vec<_>>().join(" ")
    };
    let same =
        |other: &&Line| other.service == line.service && words(&other.line) == words(&line.line);
    stream.lines.iter().find(same).map(|line| line.t_ns)
}

/// Pieces of a stream in which the agent was there all the time.
fn pieces(lines: &[Line]) -> Vec<&[Line]> {
    lines.chunk_by(|a, b| b.t_ns.abs_diff(a.t_ns) < AWAY).collect()
}

fn secs(lines: &[Line]) -> f64 {
    match (lines.first(), lines.last()) {
        (Some(first), Some(last)) => (last.t_ns - first.t_ns) as f64 / SECOND as f64,
        _ => 0.0,
    }
}

/// Trains on all fault-free logs and runs each fault; then learns from all healthy pieces but one, and counts alarms in that one.
fn replay(streams: &[Stream], settings: &Settings) -> Outcome {
    let (calm, faulty): (Vec<_>, Vec<_>) =
        streams.iter().partition(|stream| stream.entry.inject_ns.is_none());
    let faults = faulty
        .iter()
        .map(|stream| {
            let mut agent = Agent::new(settings);
            for stream in &calm {
                agent.run(&stream.lines);
            }
            judge(stream, &agent.run(&stream.lines))
        })
        .collect();
    let all: Vec<_> = streams.iter().flat_map(|stream| pieces(healthy(stream))).collect();
    let (mut judged, mut alarms) = (0.0, Vec::new());
    for (i, piece) in all.iter().enumerate() {
        let mut agent = Agent::new(settings);
        for (_, other) in all.iter().enumerate().filter(|(j, _)| *j != i) {
            agent.run(*other);
        }
        alarms.extend(agent.run(*piece));
        judged += secs(piece);
    }
    let mut in_time = all;
    in_time.sort_by_key(|piece| piece.first().map(|line| line.t_ns));
    let mut agent = Agent::new(settings);
    let online = in_time.iter().flat_map(|piece| agent.run(*piece)).collect();
    Outcome { faults, healthy: judged, alarms, online }
}

/// Takes each template of errors and warnings out of what is learned, as if a fault brought it: how many there are, and how many
/// of them trigger soon after their first line; apart, those whose like other services log.
fn taken_out(
    streams: &[Stream],
    settings: &Settings,
) -> BTreeMap<(Severity, bool), (usize, usize)> {
    let all: Vec<_> = streams.iter().flat_map(|stream| pieces(healthy(stream))).collect();
    let mut watch = LogWatch::default();
    let mut kinds = BTreeMap::new();
    let ids: Vec<Vec<u32>> = all
        .iter()
        .map(|piece| {
            let mut id = |line: &Line| {
                let meta = meta(line);
                let seen = watch.observe_line(&line.service, &meta, line.line.as_bytes());
                if let Some(severity) = meta.severity.filter(|&it| it >= Severity::Warn) {
                    kinds.insert(seen.template, (severity, line.service.clone()));
                }
                seen.template
            };
            piece.iter().map(&mut id).collect()
        })
        .collect();
    let mut out = BTreeMap::new();
    for (id, (severity, service)) in &kinds {
        // The piece that has most of it is the one with the fault.
        let lines = |piece: usize| ids[piece].iter().filter(|it| *it == id).count();
        let Some(faulty) = (0..all.len()).max_by_key(|&piece| lines(piece)) else { continue };
        let mut agent = Agent::new(settings);
        for (piece, ids) in
            all.iter().zip(&ids).enumerate().filter(|(i, _)| *i != faulty).map(|(_, it)| it)
        {
            let without = piece.iter().zip(ids).filter(|(_, it)| *it != id).map(|(line, _)| line);
            agent.run(without);
        }
        let first = all[faulty].iter().zip(&ids[faulty]).find(|(_, it)| *it == id);
        let Some((line, _)) = first else { continue };
        let first = line.t_ns;
        let soon = agent.run(all[faulty]).iter().any(|trigger| {
            let delay = trigger.at.as_nanos() as f64 - first as f64;
            *trigger.about == **service && (0.0..=SOON * SECOND as f64).contains(&delay)
        });
        let seen = agent.watch.observe_line(service, &meta(line), line.line.as_bytes());
        let template = agent.watch.miner().template(seen.template);
        let elsewhere = template.is_some_and(|template| template.elsewhere() > 0);
        let (count, found): &mut (usize, usize) = out.entry((*severity, elsewhere)).or_default();
        *count += 1;
        *found += usize::from(soon);
    }
    out
}

fn judge(stream: &Stream, triggers: &[Trigger]) -> Found {
    let entry = &stream.entry;
    let service = entry.service.clone().unwrap_or_default();
    let inject = entry.inject_ns.unwrap_or_default();
    let since = |ns: u64| (ns as f64 - inject as f64) / SECOND as f64;
    let first = first_new(stream);
    let begin = first.unwrap_or(inject).min(inject);
    let is_its =
        |trigger: &&Trigger| *trigger.about == *service && trigger.at.as_nanos() + SECOND >= begin;
    let its = triggers.iter().find(is_its);
    let others = triggers.iter().filter(|trigger| !is_its(trigger));
    let before = others.clone().filter(|trigger| trigger.at.as_nanos() < begin).count();
    Found {
        name: entry.name.clone(),
        kind: entry.kind.clone(),
        new_lines: entry.new_template_lines_of_service_ns.len(),
        first_new: first.map(since),
        trigger: its.map(|trigger| (since(trigger.at.as_nanos()), trigger.cause)),
        before,
        after: others.count() - before,
        service,
    }
}

/// What triggers in a recording, and what is sent first.
pub(crate) fn recording(path: &Path) -> anyhow::Result<String> {
    let played = play::play(data::lines(path)?, Settings::default())?;
    let mut out = String::new();
    for trigger in &played.triggers {
        writeln!(out, "{} {:19} {}", trigger.at, trigger.cause, trigger.statement)?;
    }
    for sent in &played.incidents {
        writeln!(out, "\n{} {}, {} lines:", sent.until, sent.reason, sent.lines)?;
        for line in &sent.first {
            writeln!(out, "    {line}")?;
        }
    }
    let (lines, triggers, sent) = (played.lines, played.triggers.len(), played.incidents.len());
    writeln!(out, "\n{lines} lines, {triggers} triggers, {sent} incidents")?;
    Ok(out)
}

/// The table, and how far it depends on what is set.
pub(crate) fn report(data: &Path) -> anyhow::Result<String> {
    let streams = data::load(data)?;
    let settings = Settings::default();
    let outcome = replay(&streams, &settings);
    let mut out = String::from(
        "Trained on the fault-free stream, then each fault; seconds from its injection.\n\n\
         | fault | type | service | new lines | first new line | trigger | delay | by | other triggers before, after |\n\
         |---|---|---|---:|---:|---:|---:|---|---:|\n",
    );
    for fault in &outcome.faults {
        let secs = |at: Option<f64>| at.map_or("-".into(), |at| format!("{at:.1}"));
        let by = fault.trigger.map_or("-", |(_, cause)| cause.name());
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {by} | {}, {} |",
            fault.name,
            fault.kind,
            fault.service,
            fault.new_lines,
            secs(fault.first_new),
            secs(fault.trigger.map(|(at, _)| at)),
            secs(fault.delay()),
            fault.before,
            fault.after,
        )?;
    }
    let (minutes, alarms) = (outcome.healthy / 60.0, outcome.alarms());
    writeln!(
        out,
        "\nHealthy minutes, each piece by an agent that learned from all others: {minutes:.1}; false triggers: {alarms}, \
         {:.1} an hour; with so few minutes, up to {:.0} an hour are not ruled out (95 %).",
        alarms as f64 / minutes * 60.0,
        upper(alarms) / minutes * 60.0,
    )?;
    for alarm in &outcome.alarms {
        writeln!(out, "  {}: {}", alarm.cause, alarm.statement)?;
    }
    writeln!(
        out,
        "One agent that learns as it goes, all healthy pieces in the order of time: {} triggers.",
        outcome.online.len()
    )?;
    for alarm in &outcome.online {
        writeln!(out, "  {}: {}", alarm.cause, alarm.statement)?;
    }
    out.push_str(
        "\nEach template of a severity taken out of what is learned, as if a fault brought it:\n\n\
         | severity | other services log the like | templates | triggered within 10 s |\n|---|---|---:|---:|\n",
    );
    for ((severity, elsewhere), (count, found)) in taken_out(&streams, &settings) {
        let elsewhere = if elsewhere { "yes" } else { "no" };
        writeln!(out, "| {severity} | {elsewhere} | {count} | {found} |")?;
    }
    out.push_str(
        "\nWith the lines written in another format:\n\n\
         | format | found of those that log | false triggers, online |\n|---|---:|---:|\n",
    );
    for format in Format::ALL {
        let outcome = replay(&format.of(&streams), &settings);
        writeln!(
            out,
            "| {} | {} of {} | {}, {} |",
            format.name(),
            outcome.found(),
            outcome.loud(),
            outcome.alarms(),
            outcome.online.len(),
        )?;
    }
    out.push_str(
        "\nAll of it with other settings:\n\n| points | learning | repeats | found of those that log | false triggers, online |\n\
         |---:|---:|---:|---:|---:|\n",
    );
    for (points, learning, repeats) in [
        (3, 120, 10),
        (2, 120, 10),
        (4, 120, 10),
        (3, 60, 10),
        (3, 180, 10),
        (3, 120, 5),
        (3, 120, 30),
    ] {
        let (learning, repeats) = (Duration::from_secs(learning), Duration::from_secs(repeats));
        let outcome = replay(&streams, &Settings { points, learning, repeats, ..settings });
        writeln!(
            out,
            "| {points} | {} s | {} s | {} of {} | {}, {} |",
            learning.as_secs(),
            repeats.as_secs(),
            outcome.found(),
            outcome.loud(),
            outcome.alarms(),
            outcome.online.len(),
        )?;
    }
    Ok(out)
}

/// With so many events seen, the number that is exceeded in expectation only once in twenty such cases.
fn upper(seen: usize) -> f64 {
    // Solves the cumulative Poisson distribution at `seen` for 5 %, by halving.
    let below = |mean: f64| {
        let mut term = (-mean).exp();
        let mut sum = term;
        for k in 1..=seen {
            term *= mean / k as f64;
            sum += term;
        }
        sum
    };
    let (mut low, mut high) = (0.0, 10.0 + 3.0 * seen as f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if below(middle) > 0.05 { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn data() -> PathBuf {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
        std::env::var_os("GADGET_DATA").map_or(beside, PathBuf::from)
    }

    #[test]
    fn faults_that_log_are_found_soon_and_healthy_logs_are_quiet() {
        let streams = match data::load(&data()) {
            Ok(streams) => streams,
            Err(error) => {
                println!("SKIPPED the recorded faults: {error:#}");
                return;
            }
        };
        let outcome = replay(&streams, &Settings::default());
        assert!(outcome.loud() > 0 && outcome.healthy > 300.0);
        assert_eq!(outcome.found(), outcome.loud());
        assert_eq!(outcome.alarms() + outcome.online.len(), 0, "{:?}", outcome.alarms);
    }

    /// Lines as a service would write them: requests all the time, and from `fault` on a new error each two seconds.
    fn made_up(secs: u64, fault: Option<u64>) -> Vec<Line> {
        let line = |second: u64, n: u64, line: String| Line {
            t_ns: (1_000_000 + second) * SECOND + n * 1000,
            service: "api".into(),
            line,
        };
        (0..secs)
            .flat_map(|second| {
                let request =
                    (0..5).map(move |n| line(second, n, format!("INFO served {n} in {second} ms")));
                let failed = fault.is_some_and(|fault| second >= fault && second % 2 == 0);
                let error = failed
                    .then(|| line(second, 9, format!("ERROR route {second} cannot be resolved")));
                request.chain(error)
            })
            .collect()
    }

    #[test]
    fn a_made_up_fault_is_found_and_its_absence_is_quiet() {
        let mut agent = Agent::new(&Settings::default());
        assert_eq!(agent.run(&made_up(300, None)), []);
        let mut agent = Agent::new(&Settings::default());
        let found = agent.run(&made_up(300, Some(200)));
        assert_eq!(found[0].cause, Cause::News);
        assert_eq!(found[0].at.as_nanos() / SECOND, 1_000_200);
    }

    #[test]
    fn three_events_are_not_ruled_out_by_none() {
        assert!((upper(0) - 2.9957).abs() < 1e-3);
        assert!((upper(3) - 7.7537).abs() < 1e-3);
    }
}
