//! Rows and sums of one window, bounded in number: what is beyond the bound is summed, so that parts still make the whole.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::mem;

use gadget_envelope::{AggregateKind, AggregateRow, Io, ProcessRow, TopNBatch};

use super::exposition::Limits;
use super::text::{Label, Text, sanitized};

/// What makes a sum one of its own: kind, name, and what else its processes share.
type Key = (i32, String, BTreeMap<String, String>);

/// The rows and sums that are shown, no two with the same labels.
#[derive(Default)]
pub(super) struct Groups {
    rows: Vec<ProcessRow>,
    sums: BTreeMap<Key, AggregateRow>,
}

impl Groups {
    pub(super) fn of(mut batch: TopNBatch, limits: &Limits) -> Self {
        let mut groups = Self::default();
        for sum in batch.tail.drain(..).chain(batch.residual.drain(..)) {
            groups.add(sum, limits.groups);
        }
        // The highest first, also where nothing was ranked.
        batch.rows.sort_by(|a, b| b.score.total_cmp(&a.score).then(weight(b).cmp(&weight(a))));
        let mut shown = BTreeMap::new();
        for row in batch.rows {
            if groups.rows.len() < limits.rows
                && shown.insert((row.process_id, row.start_ticks), ()).is_none()
            {
                groups.rows.push(row);
            } else {
                groups.add(as_sum(&row), 0);
            }
        }
        groups
    }

    fn add(&mut self, mut sum: AggregateRow, most: usize) {
        let full = self.sums.len() >= most;
        let name = mem::take(&mut sum.process_display_name);
        let key = (sum.kind, name, mem::take(&mut sum.key));
        let entry = match self.sums.entry(key) {
            Entry::Vacant(_) if full => {
                self.sums.entry((AggregateKind::Other.into(), String::new(), BTreeMap::new()))
            }
            entry => entry,
        };
        match entry {
            Entry::Vacant(entry) => {
                entry.insert(sum);
            }
            Entry::Occupied(mut entry) => merge(entry.get_mut(), &sum),
        }
    }

    pub(super) fn write(&self, text: &mut Text) {
        for (name, help, value) in ROWS {
            text.family(name, "gauge", help);
            for row in &self.rows {
                let Some(value) = value(row) else { continue };
                let (pid, start) = (row.process_id.to_string(), row.start_ticks.to_string());
                let container = row.container.as_ref().map_or("", |it| it.id.as_str());
                let labels = [
                    ("pid", pid.as_str()),
                    ("start", &start),
                    ("name", &row.process_display_name),
                    ("user", &row.user_name),
                    ("container", container),
                ];
                text.sample(name, "", labels, value);
            }
        }
        let labels: Vec<_> = self.sums.keys().map(|(_, _, key)| key_labels(key)).collect();
        for (name, help, value) in SUMS {
            text.family(name, "gauge", help);
            for (((kind, group, _), sum), key) in self.sums.iter().zip(&labels) {
                let own = [("name", group.as_str()), ("kind", kind_name(*kind))];
                text.sample(name, "", own.into_iter().chain(key_refs(key)), value(sum));
            }
        }
    }
}

/// The labels that a key gives, none of them twice and none that samples have of their own.
pub(super) fn key_labels(key: &BTreeMap<String, String>) -> BTreeMap<String, &str> {
    const OWN: [&str; 3] = ["name", "kind", "quantile"];
    let mut labels = BTreeMap::new();
    for (name, value) in key {
        let mut name = sanitized(name);
        // Two underscores in front are Prometheus' own.
        while OWN.contains(&name.as_str()) || name.starts_with("__") || labels.contains_key(&name) {
            name = format!("key_{name}");
        }
        labels.insert(name, value.as_str());
    }
    labels
}

pub(super) fn key_refs<'a>(
    labels: &'a BTreeMap<String, &'a str>,
) -> impl Iterator<Item = Label<'a>> {
    labels.iter().map(|(name, value)| (name.as_str(), *value))
}

fn kind_name(kind: i32) -> &'static str {
    match AggregateKind::try_from(kind) {
        Ok(AggregateKind::Tail) => "tail",
        Ok(AggregateKind::Other) => "other",
        Ok(AggregateKind::Ephemeral) => "ephemeral",
        Ok(AggregateKind::Unattributed) => "unattributed",
        Ok(AggregateKind::Excluded) => "excluded",
        Ok(AggregateKind::Unspecified) | Err(_) => "unknown",
    }
}

fn weight(row: &ProcessRow) -> (u64, u64) {
    (row.cpu_user_ns.saturating_add(row.cpu_system_ns), row.rss_bytes)
}

fn as_sum(row: &ProcessRow) -> AggregateRow {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    AggregateRow {
        process_count: 1,
        cpu_user_ns: signed(row.cpu_user_ns),
        cpu_system_ns: signed(row.cpu_system_ns),
        cpu_percent_max: row.cpu_percent,
        rss_bytes: signed(row.rss_bytes),
        rss_max_bytes: row.rss_bytes,
        thread_count: row.thread_count.into(),
        io: row.io,
        kind: AggregateKind::Other.into(),
        ..Default::default()
    }
}

/// The numbers that are shown.
fn merge(to: &mut AggregateRow, from: &AggregateRow) {
    to.process_count = to.process_count.saturating_add(from.process_count);
    to.cpu_user_ns = to.cpu_user_ns.saturating_add(from.cpu_user_ns);
    to.cpu_system_ns = to.cpu_system_ns.saturating_add(from.cpu_system_ns);
    to.cpu_percent_max = to.cpu_percent_max.max(from.cpu_percent_max);
    to.rss_bytes = to.rss_bytes.saturating_add(from.rss_bytes);
    to.rss_max_bytes = to.rss_max_bytes.max(from.rss_max_bytes);
    to.thread_count = to.thread_count.saturating_add(from.thread_count);
    to.created = to.created.saturating_add(from.created);
    to.exited = to.exited.saturating_add(from.exited);
    to.io = match (to.io, from.io) {
        (Some(a), Some(b)) => Some(Io {
            read_bytes: a.read_bytes.saturating_add(b.read_bytes),
            write_bytes: a.write_bytes.saturating_add(b.write_bytes),
        }),
        (a, b) => a.or(b),
    };
}

/// A family of rows: its name, its help, and its value of a row; none where that is not known.
type RowFamily = (&'static str, &'static str, fn(&ProcessRow) -> Option<f64>);

const ROWS: &[RowFamily] = &[
    ("surveyor_process_cpu_user_seconds", "CPU time in user space in the last window.", |it| {
        Some(seconds(it.cpu_user_ns))
    }),
    ("surveyor_process_cpu_system_seconds", "CPU time in the kernel in the last window.", |it| {
        Some(seconds(it.cpu_system_ns))
    }),
    ("surveyor_process_resident_bytes", "Resident memory at the window's end.", |it| {
        Some(it.rss_bytes as f64)
    }),
    ("surveyor_process_virtual_bytes", "Address space at the window's end.", |it| {
        Some(it.detail.as_ref()?.vms_bytes as f64)
    }),
    ("surveyor_process_threads", "Threads at the window's end.", |it| Some(it.thread_count.into())),
    ("surveyor_process_open_fds", "Open file descriptors.", |it| Some(it.fd_count?.into())),
    ("surveyor_process_read_bytes", "Bytes read from storage in the last window.", |it| {
        Some(it.io?.read_bytes as f64)
    }),
    ("surveyor_process_written_bytes", "Bytes written to storage in the last window.", |it| {
        Some(it.io?.write_bytes as f64)
    }),
    ("surveyor_process_major_faults", "Page faults with IO in the last window.", |it| {
        Some(it.detail.as_ref()?.major_faults as f64)
    }),
    ("surveyor_process_score", "What the process was ranked by.", |it| Some(it.score)),
];

/// A family of sums.
type SumFamily = (&'static str, &'static str, fn(&AggregateRow) -> f64);

const SUMS: &[SumFamily] = &[
    ("surveyor_group_processes", "Processes at the window's end.", |it| it.process_count as f64),
    ("surveyor_group_cpu_user_seconds", "CPU time in user space in the last window.", |it| {
        signed_seconds(it.cpu_user_ns)
    }),
    ("surveyor_group_cpu_system_seconds", "CPU time in the kernel in the last window.", |it| {
        signed_seconds(it.cpu_system_ns)
    }),
    (
        "surveyor_group_cpu_max_ratio",
        "The most that one of them used of a processor in the last window.",
        |it| it.cpu_percent_max / 100.0,
    ),
    ("surveyor_group_resident_bytes", "Resident memory at the window's end.", |it| {
        it.rss_bytes as f64
    }),
    (
        "surveyor_group_resident_max_bytes",
        "The most resident memory of one of them at the window's end.",
        |it| it.rss_max_bytes as f64,
    ),
    ("surveyor_group_threads", "Threads at the window's end.", |it| it.thread_count as f64),
    ("surveyor_group_read_bytes", "Bytes read from storage in the last window.", |it| {
        it.io.unwrap_or_default().read_bytes as f64
    }),
    ("surveyor_group_written_bytes", "Bytes written to storage in the last window.", |it| {
        it.io.unwrap_or_default().write_bytes as f64
    }),
    ("surveyor_group_created", "Processes first seen in the last window.", |it| it.created as f64),
    ("surveyor_group_exited", "Processes that ended in the last window.", |it| it.exited as f64),
];

pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn signed_seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pid: u32, score: f64) -> ProcessRow {
        let cpu = u64::from(pid);
        ProcessRow { process_id: pid, score, cpu_user_ns: cpu, rss_bytes: 10, ..Default::default() }
    }

    fn tail(name: &str) -> AggregateRow {
        AggregateRow {
            process_display_name: name.into(),
            process_count: 2,
            cpu_user_ns: 5,
            kind: AggregateKind::Tail.into(),
            ..Default::default()
        }
    }

    fn cpu(groups: &Groups) -> i64 {
        let rows: u64 = groups.rows.iter().map(|row| row.cpu_user_ns).sum();
        let sums: i64 = groups.sums.values().map(|sum| sum.cpu_user_ns).sum();
        i64::try_from(rows).unwrap() + sums
    }

    #[test]
    fn what_is_beyond_the_bounds_is_summed() {
        let batch = TopNBatch {
            rows: (1..=10).map(|pid| row(pid, f64::from(pid % 5))).collect(),
            tail: (0..10).map(|at| tail(&format!("g{at}"))).collect(),
            ..Default::default()
        };
        let groups = Groups::of(batch, &Limits { rows: 3, groups: 4, ..Default::default() });
        let pids: Vec<_> = groups.rows.iter().map(|row| row.process_id).collect();
        // Of the same score the one with more CPU time.
        assert_eq!(pids, [9, 4, 8]);
        assert_eq!(groups.sums.len(), 5);
        let other = &groups.sums[&(AggregateKind::Other.into(), String::new(), BTreeMap::new())];
        assert_eq!(other.process_count, 6 * 2 + 7);
        assert_eq!(cpu(&groups), 55 + 50);
    }

    #[test]
    fn no_two_samples_have_the_same_labels() {
        let batch = TopNBatch {
            rows: vec![row(1, 1.0), row(1, 0.5)],
            tail: vec![tail("a"), tail("a")],
            residual: vec![
                tail("a"),
                AggregateRow { kind: AggregateKind::Ephemeral.into(), ..tail("a") },
            ],
            ..Default::default()
        };
        let groups = Groups::of(batch, &Limits::default());
        assert_eq!((groups.rows.len(), groups.sums.len(), cpu(&groups)), (1, 3, 2 + 20));
        let mut text = Text::default();
        groups.write(&mut text);
        let text = text.finish();
        let mut series: Vec<_> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.rsplit_once(' ').unwrap().0)
            .collect();
        let all = series.len();
        series.sort_unstable();
        series.dedup();
        assert_eq!(series.len(), all);
    }

    #[test]
    fn labels_of_a_key_do_not_clash() {
        let key = [("name", "1"), ("a.b", "2"), ("a b", "3"), ("__x", "4"), ("user", "5")];
        let key = key.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let labels = key_labels(&key);
        let names: Vec<_> = labels.keys().map(String::as_str).collect();
        assert_eq!(names, ["a_b", "key___x", "key_a_b", "key_name", "user"]);
    }
}
