//! A process in full.

use std::collections::BTreeMap;

use gadget_core::{ProcessDetail, ProcessId, World};
use gadget_envelope::{Detail, ProcessRow};

use crate::names::{UserNames, cgroup, container, display_name, text};
use crate::rank::Ranking;
use crate::usage::{Usage, io, percent};
use crate::window::Window;

/// Where the rest of what is told of a process comes from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) window: &'a Window,
    pub(crate) ranking: &'a Ranking,
    pub(crate) details: &'a BTreeMap<ProcessId, ProcessDetail>,
    pub(crate) users: &'a UserNames,
    pub(crate) world: &'a World,
}

impl Sources<'_> {
    pub(crate) fn row(&self, usage: &Usage) -> ProcessRow {
        let (window, row) = (self.window, self.window.row(usage));
        let detail = self.details.get(&row.id);
        let alive = usage.is_alive();
        let group = row.cgroup.or(detail.and_then(|detail| detail.cgroup));
        let flags = [
            (self.ranking.is_sticky(row.id), ProcessRow::STICKY),
            (usage.new, ProcessRow::NEW),
            (window.reused(usage), ProcessRow::REUSED),
            (usage.changed, ProcessRow::CHANGED),
            (!alive, ProcessRow::ENDED),
            (row.kernel_thread, ProcessRow::KERNEL),
        ];
        let swap = row.swap.map(|bytes| bytes.get()).filter(|_| alive);
        let pss = detail.and_then(|detail| detail.pss).map(|bytes| bytes.get());
        ProcessRow {
            process_id: row.id.pid,
            start_ticks: row.id.start,
            parent_process_id: row.parent,
            process_display_name: text(display_name(row)),
            command_name: text(row.comm),
            command_line: owned(detail.and_then(|detail| detail.command_line.as_deref())),
            user_name: self.users.name(row.uid),
            state: row.state.into(),
            cpu_percent: percent(usage.cpu(), window.length()),
            cpu_user_ns: usage.user,
            cpu_system_ns: usage.system,
            rss_bytes: usage.rss,
            detail: Some(Detail {
                vms_bytes: usage.vms,
                minor_faults: usage.minor,
                major_faults: usage.major,
                voluntary_switches: usage.voluntary,
                involuntary_switches: usage.involuntary,
                swap_bytes: swap,
                pss_bytes: pss.filter(|_| alive),
                uid: Some(row.uid),
                cgroup_id: group.map(|id| id.0),
                exe: owned(detail.and_then(|detail| detail.exe.as_deref())),
            }),
            thread_count: if alive { row.threads } else { 0 },
            fd_count: detail.and_then(|detail| detail.fds).filter(|_| alive),
            io: usage.io.map(io),
            container: cgroup(self.world, group).map(container),
            score: usage.score,
            flags: flags.iter().filter(|(set, _)| *set).fold(0, |bits, (_, bit)| bits | bit),
        }
    }
}

fn owned(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}
