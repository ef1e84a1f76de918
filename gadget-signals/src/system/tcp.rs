//! `/proc/net/snmp` and `/proc/net/netstat`.

use std::path::Path;

use gadget_core::{Reading, Scope, SignalError, SignalProvider, Signals, Subject, Tcp, Timestamp};

use crate::file::{Buffer, KernelFile};
use crate::text::{Line, lines, missing};

/// Counts what happens to the TCP connections of the network namespace that the agent is in.
///
/// - Gives [`Reading::Tcp`] of [`Subject::Host`]: what came since the last sample, from the second on.
/// - Source: `Tcp` of `/proc/net/snmp` and `TcpExt` of `/proc/net/netstat` (Documentation/networking/snmp_counter.rst). Resets
///   received are `EstabResets`, connections that ended at once, by whichever side; a reset of a connection that was being
///   opened or closed is not in it. Opened are those that were tried and did not fail.
/// - Cost: two files, kept open.
pub struct HostTcp {
    snmp: KernelFile,
    netstat: KernelFile,
    buffer: Buffer,
    before: Option<Counters>,
}

#[derive(Clone, Copy)]
struct Counters {
    counted: Tcp,
    /// Open now.
    open: u64,
}

impl HostTcp {
    /// Of this host.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn host() -> Result<Self, SignalError> {
        Self::at("/proc")
    }

    /// Of the host whose `/proc` is at `proc`.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] without `net/snmp` or `net/netstat`.
    pub fn at(proc: impl AsRef<Path>) -> Result<Self, SignalError> {
        let open = |name| KernelFile::open(proc.as_ref().join("net").join(name), "CONFIG_INET");
        let (snmp, netstat) = (open("snmp")?, open("netstat")?);
        Ok(Self { snmp, netstat, buffer: Buffer::default(), before: None })
    }

    fn read(&mut self) -> Result<Counters, SignalError> {
        const SNMP: [&str; 6] = [
            "ActiveOpens",
            "PassiveOpens",
            "AttemptFails",
            "EstabResets",
            "CurrEstab",
            "RetransSegs",
        ];
        let text = self.snmp.read_all(&mut self.buffer)?;
        let path = self.snmp.path();
        let [active, passive, failed, resets_received, open, retransmits] =
            parse_net_counters(text, path, "Tcp", SNMP)?;
        let [resets_sent] = parse_net_counters(text, path, "Tcp", ["OutRsts"])?;
        let text = self.netstat.read_all(&mut self.buffer)?;
        let [listen_overflows] =
            parse_net_counters(text, self.netstat.path(), "TcpExt", ["ListenOverflows"])?;
        let counted = Tcp {
            retransmits,
            resets_sent,
            resets_received,
            opened: active.wrapping_add(passive).wrapping_sub(failed),
            closed: 0,
            listen_overflows,
        };
        Ok(Counters { counted, open })
    }
}

impl Counters {
    fn since(&self, before: &Self) -> Tcp {
        let (now, then) = (&self.counted, &before.counted);
        let opened = now.opened.saturating_sub(then.opened);
        Tcp {
            retransmits: now.retransmits.saturating_sub(then.retransmits),
            resets_sent: now.resets_sent.saturating_sub(then.resets_sent),
            resets_received: now.resets_received.saturating_sub(then.resets_received),
            opened,
            closed: (before.open + opened).saturating_sub(self.open),
            listen_overflows: now.listen_overflows.saturating_sub(then.listen_overflows),
        }
    }
}

impl SignalProvider for HostTcp {
    fn sample(
        &mut self,
        _: Timestamp,
        scope: Scope<'_>,
        out: &mut Signals,
    ) -> Result<(), SignalError> {
        if scope.holds(Subject::Host) {
            let now = self.read()?;
            if let Some(before) = self.before.replace(now) {
                out.push(Subject::Host, Reading::Tcp(now.since(&before)));
            }
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        "tcp"
    }
}

/// Parses one table of `/proc/net/snmp` or `/proc/net/netstat`, a line of names and a line of numbers that both begin with
/// the name of the `table`, into the values of `names`.
///
/// # Errors
/// [`SignalError::Unsupported`] if the table or a name is missing, [`SignalError::Parse`] if a line is not as the kernel writes
/// it.
pub fn parse_net_counters<const N: usize>(
    text: &[u8],
    path: &Path,
    table: &'static str,
    names: [&'static str; N],
) -> Result<[u64; N], SignalError> {
    let mut all = lines(text, path);
    while let Some(heads) = all.next() {
        let heads = heads?;
        let Some(values) = all.next() else { return Err(heads.error("a line of numbers as well")) };
        let values = values?;
        if heads.key().0 != table.as_bytes() {
            continue;
        }
        if values.key().0 != table.as_bytes() {
            return Err(values.error("the same table's numbers"));
        }
        return row(&heads, &values, path, names);
    }
    Err(missing(path, table))
}

fn row<const N: usize>(
    heads: &Line<'_, '_>,
    values: &Line<'_, '_>,
    path: &Path,
    names: [&'static str; N],
) -> Result<[u64; N], SignalError> {
    let mut found = [None; N];
    let mut words = values.words().skip(1);
    for head in heads.words().skip(1) {
        // Every head has a number, also those that nobody asks for; some of these are negative.
        let Some(word) = words.next() else { return Err(values.error("a number for each name")) };
        if let Some(slot) = names.iter().position(|name| name.as_bytes() == head) {
            found[slot] = Some(values.count(Some(word))?);
        }
    }
    let mut counters = [0; N];
    for ((counter, found), name) in counters.iter_mut().zip(found).zip(names) {
        *counter = found.ok_or_else(|| missing(path, name))?;
    }
    Ok(counters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{readings, sample, tree, write};

    fn snmp(values: &str) -> String {
        format!(
            "Ip: Forwarding DefaultTTL\nIp: 1 64\n\
             Tcp: RtoAlgorithm MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs RetransSegs \
             OutRsts\nTcp: 1 -1 {values}\nUdp: NoPorts\nUdp: 3\n"
        )
    }

    const NETSTAT: &str = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 7 8\n";

    #[test]
    fn what_came_since_the_last_look_is_told() {
        let root = tree(&[("net/snmp", &snmp("10 20 1 2 5 999 3 4")), ("net/netstat", NETSTAT)]);
        let mut tcp = HostTcp::at(root.path()).unwrap();
        assert_eq!(readings(&mut tcp), [], "there is nothing before to compare with");
        write(
            root.path(),
            &[
                ("net/snmp", &snmp("13 22 2 3 6 1999 8 9")),
                ("net/netstat", &NETSTAT.replace("0 7 8", "0 9 9")),
            ],
        );
        let told = Tcp {
            retransmits: 5,
            resets_sent: 5,
            resets_received: 1,
            opened: 4,
            closed: 3,
            listen_overflows: 2,
        };
        let got = sample(&mut tcp, 2, Scope::Everything);
        assert_eq!(got, [(Subject::Host, Reading::Tcp(told))]);
        assert_eq!(sample(&mut tcp, 3, Scope::Only(&[])), []);
    }

    #[test]
    fn a_table_is_found_by_its_name_and_what_is_missing_is_named() {
        let text = snmp("1 2 3 4 5 6 7 8");
        let parse = |text: &str, table, names| {
            parse_net_counters::<1>(text.as_bytes(), Path::new("snmp"), table, names)
        };
        assert_eq!(parse(&text, "Udp", ["NoPorts"]).unwrap(), [3]);
        let error = |result: Result<[u64; 1], SignalError>| result.unwrap_err().to_string();
        assert_eq!(error(parse(&text, "Tcp", ["Nothing"])), "snmp needs Nothing");
        assert_eq!(error(parse(&text, "UdpLite", ["NoPorts"])), "snmp needs UdpLite");
        // -1 is no count, where it is asked for.
        assert!(error(parse(&text, "Tcp", ["MaxConn"])).contains("a number from 0"));
        for bad in ["Tcp: A B\n", "Tcp: A B\nTcp: 1\n", "Tcp: A\nUdp: 1\n", "Tcp: A\nTcp: 1"] {
            assert!(parse(bad, "Tcp", ["A"]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn this_kernels_files_are_read() {
        let mut tcp = HostTcp::host().unwrap();
        assert_eq!(readings(&mut tcp), []);
        assert!(matches!(readings(&mut tcp)[..], [(Subject::Host, Reading::Tcp(_))]));
    }
}
