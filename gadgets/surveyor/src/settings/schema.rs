//! The one table behind parsing, documentation and default file.

use std::time::Duration;

use gadget_core::{Field, Glob, Key, Schema, Table, TelemetryLevel};

use super::Settings;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const HOUR: Duration = millis(3_600_000);

/// What is counted within a window is counted in one way.
const NEXT_WINDOW: &str = "with the next window";

const LEVELS: [&str; TelemetryLevel::ALL.len()] = {
    let mut names = [""; TelemetryLevel::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = TelemetryLevel::ALL[index].name();
        index += 1;
    }
    names
};

/// The most patterns of each list.
const MOST_PATTERNS: usize = 256;

pub(super) static SCHEMA: Schema<Settings> = Schema {
    tables: &[
        Table {
            name: "telemetry",
            about: "How much is sent, of how many, how often.",
            keys: &[
                Key::new(
                    "level",
                    "How much is sent. smart+sketch: the processes that matter in full, sums of all others, and \
                     distributions as sketches; smart: the same without sketches; bypass: every process in full, once a \
                     window; raw: every process as it was read, at each scan; heartbeat: only that the agent lives, and the \
                     host's totals. The watchdog never goes above it.",
                    Field::Choice(
                        &LEVELS,
                        |it| {
                            let level = it.telemetry.level;
                            TelemetryLevel::ALL.iter().position(|&it| it == level).unwrap_or(0)
                        },
                        |it, level| it.telemetry.level = TelemetryLevel::ALL[level],
                    ),
                ),
                Key::new(
                    "top",
                    "How many processes are sent in full, at least. Hosts with many equal services want more.",
                    Field::Count(|it| &mut it.telemetry.top, 1, 10_000),
                ),
                Key::new(
                    "every",
                    "How often processes are read, unless reading them costs so much that it has to be done less often.",
                    Field::Time(|it| &mut it.telemetry.every, millis(100), HOUR),
                ),
                Key::later(
                    "window",
                    "Scans in a window, at the end of which all that was counted is sent. Raw sends at each scan.",
                    Field::Count(|it| &mut it.window.0, 1, 3_600),
                    NEXT_WINDOW,
                ),
            ],
        },
        Table {
            name: "top",
            about: "Which processes are sent in full.",
            keys: &[
                Key::new(
                    "most",
                    "How many are sent in full, at most, where capture asks for more than telemetry.top; never fewer than that.",
                    Field::Count(|it| &mut it.top.most, 1, 10_000),
                ),
                Key::new(
                    "capture",
                    "The share of CPU time, and of resident memory, that those sent in full are to hold. 0 never asks for \
                     more than telemetry.top.",
                    Field::Number(|it| &mut it.top.capture, 0.0, 1.0),
                ),
                Key::new(
                    "weights",
                    "What a share of the host's CPU time, resident memory and IO counts in the score.",
                    Field::Numbers(|it| &mut it.top.weights, 0.0, 1_000.0),
                ),
                Key::new(
                    "half_life",
                    "The half-life of the score, in scans. 0 judges each window by itself.",
                    Field::Number(|it| &mut it.top.half_life, 0.0, 10_000.0),
                ),
                Key::new(
                    "hysteresis",
                    "By which share of a member's score a newcomer has to exceed it to take its place.",
                    Field::Number(|it| &mut it.top.hysteresis, 0.0, 10.0),
                ),
                Key::new(
                    "residency",
                    "Windows that a member stays at least.",
                    Field::Count(|it| &mut it.top.residency, 0, 1_000),
                ),
            ],
        },
        Table {
            name: "tail",
            about: "How all others are summed: by display name, and by what is true here.",
            keys: &[
                Key::new(
                    "by_container",
                    "Each container has sums of its own.",
                    Field::Flag(|it| &mut it.tail.by_container),
                ),
                Key::new(
                    "by_user",
                    "Each user has sums of its own.",
                    Field::Flag(|it| &mut it.tail.by_user),
                ),
                Key::new(
                    "groups",
                    "Rows at most; the rest is summed as one.",
                    Field::Count(|it| &mut it.tail.groups, 1, 10_000),
                ),
            ],
        },
        Table {
            name: "filter",
            about: "Who may have a row of its own. Whoever may not is in the sums.",
            keys: &[
                Key::new(
                    "include",
                    "If not empty, only these: name:PATTERN, user:PATTERN, cgroup:PATTERN or container:PATTERN, in which \
                     * stands for any run of characters.",
                    Field::Texts(|it| &mut it.filter.include, MOST_PATTERNS, pattern),
                ),
                Key::new(
                    "exclude",
                    "Not these; patterns as for include.",
                    Field::Texts(|it| &mut it.filter.exclude, MOST_PATTERNS, pattern),
                ),
            ],
        },
        Table {
            name: "sketch",
            about: "Distributions as sketches.",
            keys: &[
                Key::later(
                    "accuracy",
                    "The relative accuracy of every quantile.",
                    Field::Number(|it| &mut it.sketch.accuracy, 0.0001, 0.2),
                    NEXT_WINDOW,
                ),
                Key::later(
                    "base2",
                    "Base 2 at scale 6, which is an accuracy of 0.0054, in place of the logarithm at accuracy: converts to \
                     OpenTelemetry without loss.",
                    Field::Flag(|it| &mut it.sketch.base2),
                    NEXT_WINDOW,
                ),
            ],
        },
        Table {
            name: "ephemeral",
            about: "Processes that live for a short time are summarised.",
            keys: &[
                Key::later(
                    "under",
                    "Those that lived for less than this.",
                    Field::Time(|it| &mut it.ephemeral.under, Duration::ZERO, HOUR),
                    NEXT_WINDOW,
                ),
                Key::new(
                    "groups",
                    "Summaries in a window at most; the rest is one.",
                    Field::Count(|it| &mut it.ephemeral.groups, 1, 10_000),
                ),
            ],
        },
        Table {
            name: "watchdog",
            about: "What the agent and its parts may use before less is sent.",
            keys: &[
                Key::new(
                    "cpu_percent",
                    "CPU time of the agent, in percent of one core.",
                    Field::Number(|it| &mut it.watchdog.cpu_percent, 0.01, 6_400.0),
                ),
                Key::new(
                    "part_cpu_percent",
                    "CPU time of any one of its parts, in percent of one core.",
                    Field::Number(|it| &mut it.watchdog.part_cpu_percent, 0.01, 6_400.0),
                ),
                Key::new(
                    "memory_mb",
                    "Resident memory of the agent, in MB of 10^6 bytes.",
                    Field::Whole(|it| &mut it.watchdog.memory_mb, 1, 1_000_000),
                ),
                Key::new(
                    "part_memory_mb",
                    "Memory of any one of its parts, where that is known, in MB of 10^6 bytes.",
                    Field::Whole(|it| &mut it.watchdog.part_memory_mb, 1, 1_000_000),
                ),
                Key::new(
                    "fds",
                    "Open files of the agent, beside those that its parts account for.",
                    Field::Count(|it| &mut it.watchdog.fds, 16, 1_000_000),
                ),
                Key::new(
                    "heartbeat",
                    "A part that says nothing for this long, or for three times telemetry.every if that is more, has failed.",
                    Field::Time(|it| &mut it.watchdog.heartbeat, millis(1_000), HOUR),
                ),
                Key::new(
                    "readings",
                    "Readings in a row that have to be over a limit before less is sent. Hosts with bursts want more.",
                    Field::Count(|it| &mut it.watchdog.readings, 1, 1_000),
                ),
                Key::new(
                    "settle",
                    "How long a step is given to show before the next one down.",
                    Field::Time(|it| &mut it.watchdog.settle, millis(1_000), HOUR),
                ),
                Key::new(
                    "recover",
                    "How long all has to be well below the limits before more is sent again; each step up that fails \
                     doubles it, up to an hour.",
                    Field::Time(|it| &mut it.watchdog.recover, millis(1_000), HOUR),
                ),
            ],
        },
    ],
    rules: &[|it| {
        let weights = it.top.weights;
        let problem = || format!("has to hold a number that is not 0, found {weights:?}");
        if weights.iter().any(|&weight| weight > 0.0) {
            Ok(())
        } else {
            Err(("top.weights", problem()))
        }
    }],
};

/// Says what a pattern of the filter has to be.
fn pattern(text: &str) -> Result<(), &'static str> {
    let kinds = ["name", "user", "cgroup", "container"];
    let good = text
        .split_once(':')
        .is_some_and(|(kind, pattern)| kinds.contains(&kind) && Glob::new(pattern).is_ok());
    if good {
        Ok(())
    } else {
        Err("name:, user:, cgroup: or container: and a pattern of 1 to 256 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{default_file, docs};

    #[test]
    fn the_default_file_is_the_default() {
        let other = Settings::from_toml(
            "[telemetry]\ntop = 3\nlevel = \"raw\"\n[filter]\nexclude = [\"name:x\"]",
        );
        assert_eq!(other.unwrap().patch(&default_file()), Ok(Settings::default()));
        assert_eq!(Settings::from_toml(""), Ok(Settings::default()));
    }

    #[test]
    fn the_files_that_are_checked_in_are_what_the_schema_says() {
        let written = "cargo run -p gadget-surveyor --example settings writes it anew";
        assert!(include_str!("../../settings.toml") == default_file(), "{written}");
        assert!(include_str!("../../settings.md") == docs(), "{written}");
    }

    #[test]
    fn every_key_is_documented() {
        let docs = docs();
        let keys = SCHEMA.names().count();
        assert_eq!(docs.lines().filter(|line| line.starts_with("| `")).count(), keys);
        assert_eq!(default_file().lines().filter(|line| line.contains(" = ")).count(), keys);
    }

    #[test]
    fn every_field_of_the_settings_is_a_key() {
        // Each `name: value` of a debug print is a field. A part that is added does not compile here until it is named.
        let Settings { telemetry, window, top, tail, filter, sketch, ephemeral, watchdog } =
            Settings::default();
        let parts = [
            format!("{telemetry:?}"),
            format!("{top:?}"),
            format!("{tail:?}"),
            format!("{filter:?}"),
            format!("{sketch:?}"),
            format!("{ephemeral:?}"),
            format!("{watchdog:?}"),
        ];
        let fields: usize = parts.iter().map(|part| part.matches(": ").count()).sum();
        assert_eq!(SCHEMA.names().count(), fields + usize::from(window.0 > 0));
    }

    #[test]
    fn a_patch_is_taken_whole_or_not_at_all() {
        let settings = Settings::from_toml("[top]\nmost = 50").unwrap();
        let patched = settings.patch("[telemetry]\ntop = 50\nevery = \"5s\"").unwrap();
        assert_eq!((patched.top.most, patched.telemetry.every), (50, millis(5_000)));
        let refused = settings.patch("[telemetry]\nlevel = \"rwa\"\n").unwrap_err().to_string();
        assert!(refused.starts_with("line 2: telemetry.level has to be one of"), "{refused}");
        let refused = settings.patch("[filter]\ninclude = [\"nmae:x\"]").unwrap_err().to_string();
        assert!(refused.contains("found \"nmae:x\""), "{refused}");
        let refused = settings.patch("[top]\nweights = [0, 0, 0]").unwrap_err().to_string();
        assert!(refused.starts_with("line 2: top.weights"), "{refused}");
    }

    #[test]
    fn tables_of_other_crates_may_be_in_the_same_text() {
        let text = "[export]\nx = 1\n[top]\nmost = 50";
        let set = Settings::default().patch_beside(text, &["export"]).unwrap();
        assert_eq!(set.top.most, 50);
        assert!(Settings::from_toml(text).is_err());
    }

    #[test]
    fn another_accuracy_waits_for_the_next_window() {
        let now = Settings::default();
        let next = now.patch("[sketch]\naccuracy = 0.01\n[telemetry]\ntop = 30").unwrap();
        let within = now.within_window(&next);
        assert_eq!((within.sketch.accuracy, within.telemetry.top), (0.0075, 30));
        let changes: Vec<_> = now.changes(&next).iter().map(ToString::to_string).collect();
        assert_eq!(
            changes,
            ["telemetry.top 20 -> 30", "sketch.accuracy 0.0075 -> 0.01, with the next window"]
        );
    }
}
