//! Settings that come while the agent runs, and what is in force.

use std::sync::Arc;
use std::time::Duration;

use gadget_core::{SettingsError, SettingsText, Telemetry, TelemetryCell};

use crate::settings::Settings;

/// What texts from the control socket begin their origin with: they change some settings, where a file holds all of them.
const SOCKET: &str = "control socket";

/// The settings that hold, those that wait for the next window, and what is sent.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// What the program began with: what a file does not say is as it is here.
    first: Settings,
    /// What holds in this window.
    pub(crate) now: Settings,
    /// What holds from the next one on.
    next: Settings,
    cell: TelemetryCell,
    /// What is sent in this window; none before the first.
    pub(crate) sent: Option<Telemetry>,
    /// What the cell is to hold, as soon as it holds this.
    wanted: Option<(Telemetry, Telemetry)>,
    beside: Vec<&'static str>,
    /// Names what holds.
    pub(crate) version: String,
}

/// A text of settings, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) from: Arc<str>,
    /// What was changed, in words; or why nothing was.
    pub(crate) result: Result<String, SettingsError>,
}

impl Held {
    pub(crate) fn new(settings: Settings, cell: TelemetryCell, beside: Vec<&'static str>) -> Self {
        Self {
            first: settings.clone(),
            now: settings.clone(),
            next: settings,
            cell,
            sent: None,
            wanted: None,
            beside,
            version: String::new(),
        }
    }

    /// What the operator asked for.
    pub(crate) fn base(&self) -> Telemetry {
        self.next.telemetry
    }

    /// What the agent sends now, if a window began.
    pub(crate) fn in_force(&self) -> Telemetry {
        self.cell.get()
    }

    /// What the agent may use: other limits hold at once.
    pub(crate) fn limits(&self) -> crate::settings::Watchdog {
        self.next.watchdog
    }

    /// Something waits for the next window: the one that runs may end with the next census.
    pub(crate) fn is_due(&self) -> bool {
        self.now != self.next || self.sent.is_some_and(|sent| sent != self.cell.get())
    }

    /// How often a process that is sent in full is to be read closely.
    pub(crate) fn window_length(&self) -> Duration {
        self.sent.unwrap_or(self.now.telemetry).every.saturating_mul(self.now.window.0)
    }

    /// Takes in a text: all of it, or nothing.
    pub(crate) fn hear(&mut self, text: &SettingsText) -> Heard {
        let over = if text.from.starts_with(SOCKET) { &self.next } else { &self.first };
        let result = over.patch_beside(&text.text, &self.beside).map(|next| {
            let changes: Vec<_> =
                self.next.changes(&next).iter().map(ToString::to_string).collect();
            let (from, to) = (self.next.telemetry, next.telemetry);
            if from != to {
                // What was there before is what the cell holds when nobody's step is in place any more.
                let from = self.wanted.map_or(from, |(from, _)| from);
                self.wanted = Some((from, to)).filter(|(from, to)| from != to);
            }
            self.next = next;
            if changes.is_empty() { "nothing is changed".to_owned() } else { changes.join("; ") }
        });
        self.set_cell();
        Heard { from: Arc::clone(&text.from), result }
    }

    /// Puts what the operator asks for in force, unless a step of somebody's is in place.
    pub(crate) fn set_cell(&mut self) {
        if let Some((from, to)) = self.wanted
            && (self.cell.exchange(from, to).is_ok() || self.cell.get() == to)
        {
            self.wanted = None;
        }
    }

    /// A window begins: what waited holds now. Returns what is sent, and what was, if that is something else.
    pub(crate) fn begin_window(&mut self) -> Option<(Option<Telemetry>, Telemetry)> {
        let sent = self.cell.get();
        let changed = self.now != self.next || self.sent != Some(sent);
        if changed {
            self.now = self.next.clone();
            let in_force = Settings { telemetry: sent, ..self.now.clone() };
            self.version = format!("{:016x}", fnv(in_force.to_toml().as_bytes()));
        }
        let before = self.sent.replace(sent);
        (before != Some(sent)).then_some((before, sent))
    }
}

/// FNV-1a of 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
