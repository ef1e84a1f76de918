//! Where envelopes go: through the filters, to Prometheus, to lines of JSON, and by OTLP to a receiver.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use gadget_core::Timestamp;
use gadget_envelope::{AgentDiagEvent, AgentIdentity, Envelope, Outbox, Severity};
use gadget_export::{
    ExportHandle, ExportSettings, Exposition, JsonLines, OtlpHttp, Pipeline, Protocol,
};
use gadget_filter::{Diagnostic, Secrets, Stage, Truncate};
use gadget_signals::ModuleHandle;
use serde::Deserialize;

use crate::NAME;
use crate::cli::Asked;
use crate::watch::Numbers;

/// Longer command lines are cut.
const LONGEST_COMMAND_LINE: usize = 1_024;

/// What of a settings file is not the gadget's.
#[derive(Default, Deserialize)]
struct Sections {
    #[serde(default)]
    export: ExportSettings,
}

/// What the settings file says of exporting; the defaults without one.
pub(crate) fn settings(path: Option<&Path>) -> Result<ExportSettings> {
    let Some(path) = path else { return Ok(ExportSettings::default()) };
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let sections: Sections =
        toml::from_str(&text).with_context(|| format!("cannot use {}", path.display()))?;
    Ok(sections.export)
}

/// What sending needs.
pub(crate) struct Sending {
    pub(crate) outbox: Outbox,
    pub(crate) exposition: Exposition,
    pub(crate) numbers: Numbers,
    pub(crate) module: ModuleHandle,
}

impl Sending {
    /// Begins to carry what comes into the outbox.
    pub(crate) fn begin(self, asked: &Asked, identity: &AgentIdentity) -> Result<ExportHandle> {
        let Self { outbox, exposition, numbers, module } = self;
        let settings = settings(asked.settings.as_deref())?;
        let mut filters = filters(asked)?;
        let (reports, who) = (outbox.clone(), identity.clone());
        let mut lines = lines(asked.envelopes.as_deref())?;
        let mut entered = None;
        let pipeline = Pipeline::new(outbox, settings.clone())?
            .heartbeat(move || {
                entered.get_or_insert_with(|| module.enter());
                module.beat();
            })
            .agent(move || numbers.lock().map(|numbers| numbers.clone()).unwrap_or_default())
            .stage(move |mut envelope: Envelope| {
                let report = |diagnostic: Diagnostic| reports.push(event(&diagnostic, &who).into());
                filters.run(&mut envelope, now(), report);
                exposition.absorb(&envelope);
                if let Some(to) = &mut lines
                    && let Err(error) = to.write(&envelope)
                {
                    eprintln!("{NAME}: envelopes are written no more: {error}");
                    lines = None;
                }
                Some(envelope)
            });
        Ok(to_receiver(pipeline, &settings, identity)?.spawn()?)
    }
}

fn to_receiver(
    pipeline: Pipeline,
    settings: &ExportSettings,
    identity: &AgentIdentity,
) -> Result<Pipeline> {
    if settings.endpoint.is_empty() {
        return Ok(pipeline);
    }
    Ok(match settings.protocol {
        Protocol::Http => pipeline.sender(OtlpHttp::new(settings, identity.clone())?),
        #[cfg(feature = "grpc")]
        Protocol::Grpc => {
            pipeline.sender(gadget_export::OtlpGrpc::new(settings, identity.clone())?)
        }
        #[cfg(not(feature = "grpc"))]
        Protocol::Grpc => anyhow::bail!("this program was built without the feature `grpc`"),
    })
}

/// Secrets in command lines never leave the host; what plug-ins do comes after that.
fn filters(asked: &Asked) -> Result<gadget_filter::Pipeline> {
    let fields = ["command_line"];
    let filters = gadget_filter::Pipeline::new()
        .stage(Stage::new("secrets", &fields, Secrets))
        .stage(Stage::new("short", &fields, Truncate::to(LONGEST_COMMAND_LINE)));
    #[cfg(feature = "plugins")]
    return plugins(asked, filters);
    #[cfg(not(feature = "plugins"))]
    {
        let _ = asked;
        Ok(filters)
    }
}

#[cfg(feature = "plugins")]
fn plugins(asked: &Asked, mut filters: gadget_filter::Pipeline) -> Result<gadget_filter::Pipeline> {
    use gadget_filter::{Limits, Package, Plugin, Runtime, TrustedKeys};
    let Some(keys) = &asked.plugin_keys else { return Ok(filters) };
    let text =
        fs::read_to_string(keys).with_context(|| format!("cannot read {}", keys.display()))?;
    let keys = TrustedKeys::parse(&text)?;
    let runtime = Runtime::new(Limits::default())?;
    for path in &asked.plugin {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let verified = Package::parse(&bytes).and_then(|package| package.verify(&keys));
        let fields = ["command_line", "exe", "user_name", "process_display_name"];
        let named = verified.as_ref().map(|it| it.manifest().fields.clone());
        let wanted =
            |field: &&str| named.as_ref().map_or(true, |named| named.iter().any(|it| it == *field));
        let fields: Vec<&str> = fields.into_iter().filter(wanted).collect();
        let plugin = verified.and_then(|verified| Plugin::load(&runtime, &verified));
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        filters = filters.stage(Stage::loaded(&name, &fields, plugin));
    }
    Ok(filters)
}

fn event(diagnostic: &Diagnostic, who: &AgentIdentity) -> AgentDiagEvent {
    AgentDiagEvent {
        module: "filter".to_owned(),
        event_type: diagnostic.event.word().to_owned(),
        reason: diagnostic.to_string(),
        ts_ns: now().as_nanos(),
        severity: Severity::Warn.into(),
        entity_guid: who.entity_guid.clone(),
        host_id: who.host_id.clone(),
        boot_id: who.boot_id.to_vec(),
        schema_version: AgentDiagEvent::SCHEMA.to_owned(),
        ..AgentDiagEvent::default()
    }
}

fn now() -> Timestamp {
    Timestamp::EPOCH + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

type Lines = JsonLines<Box<dyn Write + Send>>;

/// A file for lines of JSON, or standard output for `-`.
fn lines(path: Option<&Path>) -> Result<Option<Lines>> {
    let Some(path) = path else { return Ok(None) };
    let to: Box<dyn Write + Send> = match path.to_str() {
        Some("-") => Box::new(io::stdout()),
        _ => {
            let file =
                File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Box::new(BufWriter::new(file))
        }
    };
    Ok(Some(JsonLines::new(to)))
}
