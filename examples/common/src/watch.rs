//! Watching this host, or a recording of one.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use gadget_actions::LinuxBuilder;
use gadget_core::{
    Agent, ApprovalInbox, Clock, Event, Gadget, HostFacts, Ledger, LedgerError, ManualClock,
    Policy, Recorder, Recording, Rehearsal, Stop, SystemClock, Timestamp, World, replay,
};
use gadget_signals::HostProviders;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::Watch;
use crate::programs::Programs;
use crate::say::{Tongue, Voice};

/// The directory, inside that of the ledger, where a person's answers arrive.
pub(crate) const APPROVALS: &str = "approvals";

/// A gadget as a program.
#[derive(Clone, Debug)]
pub struct Program<G, T> {
    /// What it is called in messages.
    pub name: &'static str,
    /// The gadget.
    pub gadget: G,
    /// How it says what it thinks.
    pub tongue: T,
    /// What is permitted where no policy is named, for a gadget that changes nothing but what the agent itself does.
    pub policy: Option<&'static str>,
}

impl<G, T> Program<G, T>
where
    G: Gadget + Clone + 'static,
    T: Tongue + Send + 'static,
{
    /// Watches until it is told to end, or reads the recording that was named.
    ///
    /// `providers` chooses what is read of this host; `backend` may add to what acts on it.
    ///
    /// # Errors
    /// Whatever keeps it from beginning.
    pub fn run(
        self,
        asked: &Watch,
        providers: impl FnOnce() -> anyhow::Result<HostProviders>,
        backend: impl FnOnce(LinuxBuilder) -> LinuxBuilder,
    ) -> anyhow::Result<()> {
        match &asked.replay {
            Some(recording) => self.rehearse(asked, recording),
            None => self.watch_host(asked, providers()?, backend),
        }
    }

    fn watch_host(
        self,
        asked: &Watch,
        host: HostProviders,
        backend: impl FnOnce(LinuxBuilder) -> LinuxBuilder,
    ) -> anyhow::Result<()> {
        let name = self.name;
        let facts = HostFacts::read(Path::new("/proc")).context("cannot tell what host this is")?;
        let clock = SystemClock::new();
        for missing in &host.missing {
            eprintln!("{name}: {missing}");
        }
        let stop = Stop::new();
        let mut builder = Agent::builder()
            .clock(clock)
            .host(facts.clone())
            .gadget(self.gadget)
            .policy(policy(asked, self.policy)?)
            .on_event(printer(self.tongue, asked.json, stop.clone()));
        for chosen in host.chosen {
            eprintln!("{name}: {}: {}", chosen.provider.name(), chosen.decided);
            builder = builder.provider(chosen.provider, chosen.every);
        }
        let mut acts = asked.act || self.policy.is_some();
        if let Some(dir) = &asked.ledger {
            match Ledger::open(dir, &facts, clock.now()) {
                Ok(ledger) => {
                    let inbox = ApprovalInbox::open(dir.join(APPROVALS))?;
                    builder = builder.ledger(ledger).approvals(inbox);
                }
                // A full disk is when an early warning is wanted most.
                Err(error @ LedgerError::Full { .. }) => {
                    acts = false;
                    eprintln!("{name}: {error}: observing only, nothing will be done");
                }
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot open the ledger in {}", dir.display()));
                }
            }
        }
        if let Some(path) = &asked.record {
            let recorder = Recorder::create(path, &facts)
                .with_context(|| format!("cannot record into {}", path.display()))?;
            builder = builder.recorder(recorder);
        }
        if acts {
            let programs = Programs::load(asked.programs.as_deref())?;
            let linux = programs.backend().context("cannot use the programs")?;
            builder = builder.actions(backend(linux).build());
        }
        if asked.act && acts {
            eprintln!("{name}: {}", gadget_actions::survive());
        }
        let mut agent = builder.build()?;
        end_on_signal(&stop, asked.seconds.map(Duration::from_secs))?;
        agent.run(&stop);
        Ok(())
    }

    /// Reads a recording with the same gadget and policy, and prints what would have been done.
    fn rehearse(self, asked: &Watch, path: &Path) -> anyhow::Result<()> {
        let recording = Recording::open(path)
            .with_context(|| format!("cannot read the recording {}", path.display()))?;
        let mut builder = Agent::builder()
            .replaying()
            .host(recording.facts().clone())
            .clock(ManualClock::default())
            .gadget(self.gadget)
            .policy(policy(asked, self.policy)?)
            .actions(Rehearsal)
            .on_event(printer(self.tongue, asked.json, Stop::new()));
        if let Some(dir) = &asked.ledger {
            let ledger = Ledger::open(dir, recording.facts(), Timestamp::EPOCH)
                .with_context(|| format!("cannot open the ledger in {}", dir.display()))?;
            builder = builder.ledger(ledger);
        }
        let mut agent = builder.build()?;
        let summary = replay(recording, &mut agent)
            .with_context(|| format!("cannot replay {}", path.display()))?;
        let seconds = summary.span.map_or(0.0, |(from, to)| to.since(from).as_secs_f64());
        let cut = if summary.cut { "; the recording was cut short" } else { "" };
        eprintln!(
            "{}: {} signals of {seconds:.0} s replayed, {} steps would have been taken{cut}",
            self.name, summary.signals, summary.done
        );
        Ok(())
    }
}

fn policy(asked: &Watch, otherwise: Option<&str>) -> anyhow::Result<Policy> {
    match &asked.policy {
        // Without --act no backend is there that could do anything, whatever the policy says.
        Some(path) => {
            Policy::load(path).with_context(|| format!("cannot use the policy {}", path.display()))
        }
        None if asked.act => bail!("--act needs --policy"),
        None => Ok(otherwise.map_or_else(|| Ok(Policy::observe()), Policy::from_toml)?),
    }
}

/// Prints events; a reader that has gone away ends the run.
fn printer(
    tongue: impl Tongue + Send + 'static,
    json: bool,
    stop: Stop,
) -> impl FnMut(Event<'_>, &World) + Send + 'static {
    let mut voice = Voice::new(io::stdout(), json, tongue);
    move |event, world| {
        if voice.say(&event, world).is_err() {
            stop.stop();
        }
    }
}

fn end_on_signal(stop: &Stop, after: Option<Duration>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot wait for signals")?;
    let on_signal = stop.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if signals.forever().next().is_some() {
            on_signal.stop();
        }
    })?;
    if let Some(after) = after {
        let on_time = stop.clone();
        std::thread::Builder::new().name("timer".to_owned()).spawn(move || {
            std::thread::sleep(after);
            on_time.stop();
        })?;
    }
    Ok(())
}
