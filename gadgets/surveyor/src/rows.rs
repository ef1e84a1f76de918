//! Rows in full.

use gadget_core::{Census, CensusRow, Comm};
use gadget_envelope::{Detail, Io, ProcessRow, escape};

use crate::names::Names;
use crate::tail::percent;
use crate::top::Chosen;
use crate::used::Used;

/// The rows of those that were chosen, the highest score first.
pub(crate) fn rows(
    census: &Census,
    used: &[Used],
    chosen: &Chosen,
    length: u64,
    names: &Names,
) -> Vec<ProcessRow> {
    let members = chosen.member.iter().enumerate().filter(|(_, member)| **member);
    let mut order: Vec<usize> = members.map(|(at, _)| at).collect();
    let score = |at: usize| chosen.scores[at];
    order.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
    let row = |at: usize| {
        let made = row(&census.rows[at], &used[at], length, names);
        let sticky = if chosen.sticky[at] { ProcessRow::STICKY } else { 0 };
        ProcessRow { score: score(at), flags: made.flags | sticky, ..made }
    };
    order.into_iter().map(row).collect()
}

fn row(row: &CensusRow, used: &Used, length: u64, names: &Names) -> ProcessRow {
    let detail = names.detail(row.id);
    let text = |it: Option<&std::sync::Arc<str>>| it.map(|it| it.to_string()).unwrap_or_default();
    let name = |comm: Comm| escape(comm.as_bytes()).into_owned();
    let io = used.read.or(used.written).is_some();
    let flag = |set: bool, bit: u32| if set { bit } else { 0 };
    ProcessRow {
        process_id: row.id.pid,
        start_ticks: row.id.start,
        parent_process_id: row.parent,
        process_display_name: name(row.comm),
        command_name: name(row.comm),
        command_line: text(detail.and_then(|it| it.command_line.as_ref())),
        user_name: names.user(row.uid).map_or_else(|| row.uid.to_string(), |it| it.to_string()),
        state: row.state.into(),
        cpu_percent: percent(used.cpu(), length),
        cpu_user_ns: used.user,
        cpu_system_ns: used.system,
        rss_bytes: row.rss.get(),
        detail: Some(Detail {
            vms_bytes: row.virtual_size.get(),
            minor_faults: used.minor_faults,
            major_faults: used.major_faults,
            voluntary_switches: used.voluntary,
            involuntary_switches: used.involuntary,
            swap_bytes: row.swap.map(|it| it.get()),
            pss_bytes: detail.and_then(|it| it.pss).map(|it| it.get()),
            uid: Some(row.uid),
            cgroup_id: row.cgroup.map(|it| it.0),
            exe: text(detail.and_then(|it| it.exe.as_ref())),
        }),
        thread_count: row.threads,
        fd_count: detail.and_then(|it| it.fds),
        io: io.then(|| Io {
            read_bytes: used.read.unwrap_or(0),
            write_bytes: used.written.unwrap_or(0),
        }),
        container: names.container(row),
        score: 0.0,
        flags: flag(used.new, ProcessRow::NEW)
            | flag(used.reused, ProcessRow::REUSED)
            | flag(used.changed, ProcessRow::CHANGED)
            | flag(row.kernel_thread, ProcessRow::KERNEL),
    }
}
