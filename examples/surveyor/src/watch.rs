//! Watching this host: what is read, what is sent, and what may be changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use gadget_core::{
    Gadget, HostFacts, ModuleUse, Name, Outcome, Plan, Plans, Reading, Signal, SignalProvider,
    TelemetryCell, Timestamp, World,
};
use gadget_envelope::{AgentIdentity, Outbox};
use gadget_example_common::{Program, Statements, Watch};
use gadget_export::{AgentMetric, ExportHandle, Exposition, MetricKind, Prometheus};
use gadget_signals::{
    CensusProvider, CensusStatus, CgroupLayout, Cgroups, Chosen, ExitsProvider, HostProviders,
    ModuleHandle, Modules, PressureProvider, SettingsWatch,
};
use gadget_surveyor::settings::Settings;
use gadget_surveyor::{POLICY, Surveyor};

use crate::cli::Asked;
use crate::{NAME, out, survey};

/// What is known of the agent itself, for whoever sends it.
pub(crate) type Numbers = Arc<Mutex<Vec<AgentMetric>>>;

/// Envelopes that may wait to be sent: an hour of windows.
const WAITING: usize = 4_096;
/// So long sending may take at the end.
const ENDING: Duration = Duration::from_secs(5);
/// The census decides itself, each time it is asked, whether one is due.
const ASKED: Duration = Duration::from_secs(1);

/// Counts, sends and serves until it is told to end.
pub(crate) fn watch(asked: &Asked) -> anyhow::Result<()> {
    // What a file says comes with the first reading, and again whenever it changes; what is wrong with it is said at once.
    survey::settings(asked.settings.as_deref())?;
    let mut settings = Settings::default();
    if let Some(mode) = asked.mode {
        settings.telemetry.level = mode.into();
    }
    let cell = TelemetryCell::new(settings.telemetry);
    let outbox = Outbox::new(WAITING);
    let identity = identity()?;
    let surveyor = Surveyor::builder()
        .settings(settings.clone())
        .telemetry(cell.clone())
        .outbox(outbox.clone())
        .identity(identity.clone())
        .beside(&["export"])
        .build()?;
    let modules = Modules::host().context("cannot measure this agent")?;
    let (census, status) = census(asked, &cell)?;
    let exposition = Exposition::default();
    let numbers = Numbers::default();
    let sending = out::Sending {
        outbox: outbox.clone(),
        exposition: exposition.clone(),
        numbers: numbers.clone(),
        module: modules.module("export"),
    };
    let carrier = Arc::new(sending.begin(asked, &identity)?);
    let shown = Shown {
        surveyor,
        exposition: exposition.clone(),
        outbox,
        status,
        carrier: Arc::clone(&carrier),
        census: modules.module("census"),
        numbers,
        used: BTreeMap::new(),
    };
    let server = Prometheus::serve(asked.listen, exposition)?;
    eprintln!("{NAME}: metrics at http://{}/metrics", server.address());

    let tongue = Statements("counts");
    let program = Program { name: NAME, gadget: shown, tongue, policy: Some(POLICY) };
    let providers = || providers(asked, census, modules, &settings, &cell);
    let result = program.run(&asked.watch, providers, |backend| backend.telemetry(cell.clone()));
    if !carrier.stop(ENDING) {
        eprintln!("{NAME}: not all was sent in time; a spool on disk keeps it");
    }
    result
}

/// Records what the gadget would see, and pressure.
pub(crate) fn record(file: &Path, seconds: u64) -> anyhow::Result<()> {
    let every = Duration::from_secs(1);
    let cell = TelemetryCell::new(gadget_core::Telemetry { every, ..Default::default() });
    let census = CensusProvider::host().context("cannot read processes")?.telemetry(cell);
    let mut host = HostProviders { chosen: Vec::new(), missing: Vec::new() };
    host.chosen.push(chosen(census.describe(), census, every));
    add_surroundings(&mut host);
    match PressureProvider::host() {
        Ok(pressure) => host.chosen.push(chosen("/proc/pressure".to_owned(), pressure, every)),
        Err(error) => host.missing.push(format!("without pressure: {error}")),
    }
    let asked = Watch { record: Some(file.to_owned()), seconds: Some(seconds), ..Watch::default() };
    let tongue = Statements("counts");
    let program = Program { name: NAME, gadget: gadget_core::Idle, tongue, policy: None };
    program.run(&asked, || Ok(host), |backend| backend)
}

fn census(asked: &Asked, cell: &TelemetryCell) -> anyhow::Result<(CensusProvider, CensusStatus)> {
    let census = match asked.source {
        Some(source) => CensusProvider::by(source.into()),
        None => CensusProvider::host(),
    };
    let census = census.context("cannot read processes")?.telemetry(cell.clone());
    let status = census.status();
    Ok((census, status))
}

fn providers(
    asked: &Asked,
    census: CensusProvider,
    modules: Modules,
    settings: &Settings,
    cell: &TelemetryCell,
) -> anyhow::Result<HostProviders> {
    let mut host = HostProviders { chosen: Vec::new(), missing: Vec::new() };
    host.chosen.push(chosen(census.describe(), modules.watch("census", census), ASKED));
    add_surroundings(&mut host);
    if asked.settings.is_some() || asked.control.is_some() {
        let check = |text: &str| {
            Settings::default()
                .patch_beside(text, &["export"])
                .map(drop)
                .map_err(|wrong| wrong.to_string())
        };
        let (asked_for, cell) = (settings.clone(), cell.clone());
        let mut watch = SettingsWatch::of(NAME, check)
            .shows(move || Settings { telemetry: cell.get(), ..asked_for.clone() }.to_toml());
        if let Some(path) = &asked.settings {
            watch = watch.file(path);
        }
        if let Some(path) = &asked.control {
            watch = watch.socket(path)?;
        }
        host.chosen.push(chosen(watch.describe(), watch, ASKED));
    }
    let decided = "what this agent itself uses".to_owned();
    host.chosen.push(chosen(decided, modules, Duration::from_secs(5)));
    Ok(host)
}

/// Ends of processes, and the names of cgroups.
fn add_surroundings(host: &mut HostProviders) {
    match ExitsProvider::host() {
        Ok(exits) => host.chosen.push(chosen(exits.describe(), exits, Duration::from_secs(1))),
        Err(error) => host.missing.push(format!("without ends of processes: {error}")),
    }
    match CgroupLayout::detect().and_then(Cgroups::of) {
        Ok(cgroups) => {
            host.chosen.push(chosen(cgroups.describe(), cgroups, Duration::from_secs(10)));
        }
        Err(error) => host.missing.push(format!("without the names of containers: {error}")),
    }
}

fn chosen(decided: String, provider: impl SignalProvider + 'static, every: Duration) -> Chosen {
    Chosen { provider: Box::new(provider), every, decided }
}

/// Who sends: the machine's id, or else its name.
fn identity() -> anyhow::Result<AgentIdentity> {
    let facts = HostFacts::read(Path::new("/proc")).context("cannot tell what host this is")?;
    let read = |path| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let host_id = read("/etc/machine-id").or_else(|| read("/proc/sys/kernel/hostname"));
    let host_id = host_id.unwrap_or_default();
    let hex: Vec<u8> = facts.boot_id.bytes().filter(|&byte| byte != b'-').collect();
    let mut boot_id = [0; 16];
    for (byte, pair) in boot_id.iter_mut().zip(hex.chunks(2)) {
        let pair = std::str::from_utf8(pair).ok();
        *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0);
    }
    Ok(AgentIdentity {
        entity_guid: host_id.clone(),
        host_id,
        boot_id,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// The Surveyor, and beside it what the agent uses, as metrics.
#[derive(Clone)]
struct Shown {
    surveyor: Surveyor,
    exposition: Exposition,
    outbox: Outbox,
    status: CensusStatus,
    carrier: Arc<ExportHandle>,
    /// The part that keeps files open for its work, which are not held against the agent.
    census: ModuleHandle,
    numbers: Numbers,
    used: BTreeMap<Name, Arc<ModuleUse>>,
}

impl Shown {
    fn show(&self) {
        let metric =
            |name: &str, help: &'static str, kind, labels: &[(&str, &str)], value| AgentMetric {
                name: name.to_owned(),
                help,
                kind,
                labels: labels
                    .iter()
                    .map(|(key, it)| ((*key).to_owned(), (*it).to_owned()))
                    .collect(),
                value,
            };
        let (gauge, counter) = (MetricKind::Gauge, MetricKind::Counter);
        let mut metrics = Vec::new();
        for used in self.used.values() {
            let module: &[(&str, &str)] = &[("module", &used.module)];
            if let Some(percent) = used.cpu_percent() {
                let help = "CPU time of a part, in percent of one core.";
                metrics.push(metric("cpu_percent", help, gauge, module, percent));
            }
            if let Some(memory) = used.memory {
                let help = "Memory that a part keeps; of the agent what is resident.";
                metrics.push(metric("memory_bytes", help, gauge, module, memory.as_f64()));
            }
            if let Some(fds) = used.fds {
                let help = "Open file descriptors.";
                metrics.push(metric("open_fds", help, gauge, module, fds.into()));
            }
            if let Some(silent) = used.silent {
                let help = "How long ago a part said that it is alive.";
                metrics.push(metric("silent_seconds", help, gauge, module, silent.as_secs_f64()));
            }
        }
        let state = self.status.get();
        self.census.keeps(None, u32::try_from(state.kept_files).unwrap_or(u32::MAX));
        let source: &[(&str, &str)] = &[("source", state.source.name())];
        let help = "Censuses taken.";
        metrics.push(metric("censuses_total", help, counter, source, state.taken as f64));
        let help = "Censuses come so many times as seldom as they were asked for.";
        metrics.push(metric("census_pace", help, gauge, &[], state.pace.into()));
        let help = "Envelopes that nobody took in time.";
        let dropped = self.outbox.dropped() as f64;
        metrics.push(metric("envelopes_dropped_total", help, counter, &[], dropped));
        metrics.extend(self.carrier.stats().metrics());
        if let Ok(mut numbers) = self.numbers.lock() {
            numbers.clone_from(&metrics);
        }
        self.exposition.set_agent(metrics);
    }
}

impl Gadget for Shown {
    fn name(&self) -> Name {
        self.surveyor.name()
    }

    fn observe(&mut self, signal: &Signal) {
        if let Reading::ModuleUse(used) = &signal.reading {
            self.used.insert(used.module.clone(), Arc::new((**used).clone()));
            if used.module == ModuleUse::WHOLE {
                self.show();
                for note in self.status.take_notes() {
                    eprintln!("{NAME}: {note}");
                }
            }
        }
        self.surveyor.observe(signal);
    }

    fn plan(&mut self, now: Timestamp, world: &World, plans: &mut Plans) {
        self.surveyor.plan(now, world, plans);
    }

    fn done(&mut self, plan: &Plan) {
        self.surveyor.done(plan);
    }

    fn learn(&mut self, outcome: &Outcome) {
        self.surveyor.learn(outcome);
    }
}
