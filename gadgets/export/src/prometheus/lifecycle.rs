//! What ended, and what befell the agent: counted since the agent began, over a bounded number of names.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use gadget_envelope::{AgentDiagEvent, ProcessEphemeralSummary, Severity};

use super::groups::seconds;
use super::text::Text;

/// Signals have numbers up to this: signal(7).
const LAST_SIGNAL: u32 = 64;
/// The name of what is beyond the bound.
const OTHER: &str = "";

/// Short-lived processes by name, and events by kind.
#[derive(Default)]
pub(super) struct Lifecycle {
    names: BTreeMap<String, Ends>,
    /// Without one for signals that no kernel has.
    signals: BTreeMap<u32, u64>,
    events: BTreeMap<[String; 3], u64>,
    delivered: u64,
    lost: u64,
    /// The end of the last window whose deliveries were counted: every summary of a window carries the same.
    delivered_until: u64,
}

#[derive(Default)]
struct Ends {
    execs: u64,
    exits: u64,
    failures: u64,
    oom_kills: u64,
    cpu_ns: u64,
    /// The end of the last window that it was in.
    last: u64,
}

impl Lifecycle {
    /// At most `most` names are kept apart: one that was not seen for longest makes room, and starts from zero if it comes back.
    pub(super) fn absorb(&mut self, it: &ProcessEphemeralSummary, most: usize) {
        if self.names.len() >= most.max(1) && !self.names.contains_key(&it.process_display_name) {
            let oldest = self.names.iter().filter(|(name, _)| name.as_str() != OTHER);
            let oldest =
                oldest.min_by_key(|(_, ends)| ends.last).map(|(name, ends)| (name, ends.last));
            if let Some((name, last)) = oldest
                && last < it.window_end_ns
            {
                let name = name.clone();
                self.names.remove(&name);
            }
        }
        let room = self.names.len() < most;
        let entry = match self.names.entry(it.process_display_name.clone()) {
            Entry::Vacant(_) if !room => self.names.entry(OTHER.to_owned()),
            entry => entry,
        };
        let ends = entry.or_default();
        add(&mut ends.execs, it.exec_count);
        add(&mut ends.exits, it.exit_count);
        add(&mut ends.failures, it.nonzero_exit_count);
        add(&mut ends.oom_kills, it.oom_exit_count);
        add(&mut ends.cpu_ns, it.cpu_ns);
        ends.last = it.window_end_ns;
        for (&signal, &count) in it.signal_exit.iter().filter(|(signal, _)| **signal <= LAST_SIGNAL)
        {
            add(self.signals.entry(signal).or_default(), count);
        }
        if let Some(delivery) = &it.delivery
            && it.window_end_ns > self.delivered_until
        {
            self.delivered_until = it.window_end_ns;
            add(&mut self.delivered, delivery.produced_events);
            add(&mut self.lost, delivery.lost_events);
        }
    }

    /// Of modules and types there are as many as the agent has; `most` guards against any others.
    pub(super) fn count(&mut self, event: &AgentDiagEvent, most: usize) {
        let severity = match event.severity() {
            Severity::Unspecified => "unknown",
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Crit => "crit",
        };
        let kind = [event.module.as_str(), &event.event_type, severity].map(str::to_owned);
        let kind = if self.events.len() < most || self.events.contains_key(&kind) {
            kind
        } else {
            [OTHER, OTHER, severity].map(str::to_owned)
        };
        add(self.events.entry(kind).or_default(), u64::from(event.suppressed) + 1);
    }

    pub(super) fn write(&self, text: &mut Text) {
        for (name, help, value) in ENDS {
            text.family(name, "counter", help);
            for (group, ends) in &self.names {
                text.sample(name, "", [("name", group.as_str())], value(ends));
            }
        }
        let name = "surveyor_ephemeral_signals_total";
        text.family(name, "counter", "Short-lived processes that a signal ended, by its number.");
        for (signal, count) in &self.signals {
            text.sample(name, "", [("signal", signal.to_string().as_str())], *count as f64);
        }
        let name = "surveyor_lifecycle_events_total";
        text.family(
            name,
            "counter",
            "Events of the lifecycle of processes, by what became of them.",
        );
        for (outcome, count) in [("delivered", self.delivered), ("lost", self.lost)] {
            text.sample(name, "", [("outcome", outcome)], count as f64);
        }
        let name = "surveyor_diag_events_total";
        text.family(name, "counter", "Diagnostic events of the agent.");
        for ([module, event, severity], count) in &self.events {
            let labels = [("module", module.as_str()), ("event", event), ("severity", severity)];
            text.sample(name, "", labels, *count as f64);
        }
    }
}

fn add(to: &mut u64, count: u64) {
    *to = to.saturating_add(count);
}

type EndsFamily = (&'static str, &'static str, fn(&Ends) -> f64);

const ENDS: &[EndsFamily] = &[
    ("surveyor_ephemeral_execs_total", "Programs that short-lived processes executed.", |it| {
        it.execs as f64
    }),
    ("surveyor_ephemeral_exits_total", "Processes that ended after less than 5 s.", |it| {
        it.exits as f64
    }),
    ("surveyor_ephemeral_failures_total", "Of those, with an exit code other than 0.", |it| {
        it.failures as f64
    }),
    ("surveyor_ephemeral_oom_kills_total", "Of those, chosen by the OOM killer.", |it| {
        it.oom_kills as f64
    }),
    ("surveyor_ephemeral_cpu_seconds_total", "CPU time of short-lived processes.", |it| {
        seconds(it.cpu_ns)
    }),
];

#[cfg(test)]
mod tests {
    use gadget_envelope::Delivery;

    use super::*;

    fn summary(name: &str, window: u64, exits: u64) -> ProcessEphemeralSummary {
        ProcessEphemeralSummary {
            process_display_name: name.into(),
            window_end_ns: window,
            exit_count: exits,
            delivery: Some(Delivery { produced_events: 100, lost_events: 1 }),
            ..Default::default()
        }
    }

    fn exits(lifecycle: &Lifecycle) -> Vec<(&str, u64)> {
        lifecycle.names.iter().map(|(name, ends)| (name.as_str(), ends.exits)).collect()
    }

    #[test]
    fn the_name_not_seen_for_longest_makes_room() {
        let mut lifecycle = Lifecycle::default();
        lifecycle.absorb(&summary("a", 1, 1), 2);
        lifecycle.absorb(&summary("b", 1, 1), 2);
        lifecycle.absorb(&summary("b", 2, 1), 2);
        lifecycle.absorb(&summary("c", 2, 5), 2);
        assert_eq!(exits(&lifecycle), [("b", 2), ("c", 5)]);
        // Both were seen in this very window.
        lifecycle.absorb(&summary("d", 2, 7), 2);
        lifecycle.absorb(&summary("e", 2, 1), 2);
        assert_eq!(exits(&lifecycle), [("", 8), ("b", 2), ("c", 5)]);
        // Two windows, however many summaries they had.
        assert_eq!((lifecycle.delivered, lifecycle.lost), (200, 2));
    }

    #[test]
    fn events_are_counted_with_those_that_were_not_sent() {
        let mut lifecycle = Lifecycle::default();
        for suppressed in [0, 4] {
            let module = "m".to_owned();
            lifecycle.count(&AgentDiagEvent { module, suppressed, ..Default::default() }, 1);
        }
        lifecycle.count(&AgentDiagEvent { module: "n".into(), ..Default::default() }, 1);
        let counts: Vec<_> =
            lifecycle.events.iter().map(|(key, n)| (key[0].as_str(), *n)).collect();
        assert_eq!(counts, [("", 1), ("m", 6)]);
    }
}
