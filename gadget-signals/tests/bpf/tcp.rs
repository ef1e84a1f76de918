//! TCP on the loopback device of a network namespace of our own.

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use gadget_core::{Reading, Signal, Subject, Tcp};
use gadget_signals::{TcpWatch, parse};
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with,
};

use crate::places::{in_own_network, run};
use crate::support::{or_skip, sample};

/// What the kernel counts in this thread's network namespace.
fn counted<const N: usize>(file: &str, table: &'static str, names: [&'static str; N]) -> [u64; N] {
    let path = format!("/proc/thread-self/net/{file}");
    let text = fs::read(&path).unwrap();
    parse::net_counters(&text, path.as_ref(), table, names).unwrap()
}

fn sum(into: &mut Tcp, signals: &[Signal]) {
    for signal in signals {
        if let (Subject::Host, Reading::Tcp(tcp)) = (signal.subject, &signal.reading) {
            into.retransmits += tcp.retransmits;
            into.resets_sent += tcp.resets_sent;
            into.resets_received += tcp.resets_received;
            into.opened += tcp.opened;
            into.closed += tcp.closed;
            into.listen_overflows += tcp.listen_overflows;
        }
    }
}

fn end_at_once(stream: &TcpStream) {
    set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn what_happens_to_connections_is_counted_as_the_kernel_counts_it() {
    in_own_network(|| {
        let Some(mut watch) = or_skip(TcpWatch::of_this_namespace()) else { return };
        const SNMP: [&str; 4] = ["RetransSegs", "OutRsts", "ActiveOpens", "PassiveOpens"];
        let before = counted("snmp", "Tcp", SNMP);

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        for number in 0..6 {
            let client = TcpStream::connect(address).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            if number < 2 {
                end_at_once(&client);
            }
            drop(client);
            let _ = server.read(&mut [0; 8]);
        }
        // Nobody is there to answer: its packets come back in and belong to nobody.
        run("ip", &["route", "add", "10.9.0.0/24", "dev", "lo"]).unwrap();
        let _unanswered = knock(SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 80));
        let until = Instant::now() + Duration::from_secs(20);
        while counted("snmp", "Tcp", SNMP)[0] == before[0] && Instant::now() < until {
            sleep(Duration::from_millis(50));
        }

        let since = || {
            let now = counted("snmp", "Tcp", SNMP);
            std::array::from_fn::<u64, 4, _>(|it| now[it] - before[it])
        };
        let (least, mut tcp) = (since(), Tcp::default());
        sum(&mut tcp, &sample(&mut watch));
        let most = since();
        assert!(least[0] >= 1 && least[1] >= 2, "{least:?}: there is something to compare");
        assert!((least[0]..=most[0]).contains(&tcp.retransmits), "{least:?} {tcp:?} {most:?}");
        assert!((least[1]..=most[1]).contains(&tcp.resets_sent), "{least:?} {tcp:?} {most:?}");
        assert_eq!(tcp.resets_received, tcp.resets_sent);
        // 6 of each side; the one that nobody answered was tried and not opened.
        assert_eq!((least[2], least[3]), (7, 6));
        assert_eq!((tcp.opened, tcp.closed), (12, 12));
        let mut again = Tcp::default();
        sum(&mut again, &sample(&mut watch));
        assert_eq!((again.opened, again.closed), (0, 0), "what was told is not told again");
    });
}

#[test]
fn resets_for_a_port_that_nobody_has_are_told_where_the_kernel_tells_them() {
    in_own_network(|| {
        let Some(mut watch) = or_skip(TcpWatch::of_this_namespace()) else { return };
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let [before] = counted("snmp", "Tcp", ["OutRsts"]);
        for _ in 0..3 {
            TcpStream::connect(free).unwrap_err();
        }
        let mut tcp = Tcp::default();
        sum(&mut tcp, &sample(&mut watch));
        let [after] = counted("snmp", "Tcp", ["OutRsts"]);
        assert_eq!(after - before, 3);
        let told = if watch.describe().contains("without resets for ports") { 0 } else { 3 };
        assert_eq!((tcp.resets_sent, tcp.resets_received, tcp.opened), (told, 3, 0));
    });
}

#[test]
fn other_network_namespaces_are_counted_unless_only_this_one_is_asked_for() {
    let (Some(mut host), Some(mut here)) =
        (or_skip(TcpWatch::host()), or_skip(TcpWatch::of_this_namespace()))
    else {
        return;
    };
    in_own_network(move || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for _ in 0..50 {
            drop(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
            drop(listener.accept().unwrap());
        }
        let (mut all, mut outside) = (Tcp::default(), Tcp::default());
        sum(&mut outside, &sample(&mut here));
        sum(&mut all, &sample(&mut host));
        // Whatever the rest of the host did meanwhile is in both.
        assert!(all.opened >= outside.opened + 100, "{} {}", all.opened, outside.opened);
    });
}

/// A socket that connects and does not wait.
fn knock(address: SocketAddrV4) -> OwnedFd {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    let _ = connect(&socket, &address);
    socket
}

#[test]
fn whose_listen_queue_is_full_is_named() {
    in_own_network(|| {
        let Some(mut watch) = or_skip(TcpWatch::of_this_namespace()) else { return };
        if watch.describe().contains("no owners") {
            println!("SKIPPED: {}", watch.describe());
            return;
        }
        let flags = SocketFlags::CLOEXEC;
        let server = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        bind(&server, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        listen(&server, 1).unwrap();
        let address = SocketAddrV4::try_from(getsockname(&server).unwrap()).unwrap();
        let names = ["ListenOverflows", "ListenDrops"];
        let before = counted("netstat", "TcpExt", names);
        let _clients: Vec<_> = (0..6).map(|_| knock(address)).collect();

        let (mut tcp, mut turned_away) = (Tcp::default(), 0);
        let start = fs::read_to_string("/proc/self/stat").unwrap();
        let start = parse::process_stat(start.as_bytes(), "stat".as_ref()).unwrap().start;
        let until = Instant::now() + Duration::from_secs(20);
        while turned_away == 0 && Instant::now() < until {
            sleep(Duration::from_millis(200));
            let signals = sample(&mut watch);
            sum(&mut tcp, &signals);
            for signal in &signals {
                let Reading::ListenOverflow(count) = signal.reading else { continue };
                let Subject::Process(process) = signal.subject else { panic!("{signal:?}") };
                if process.pid == std::process::id() {
                    assert_eq!(process.start, start);
                    turned_away += count;
                }
            }
        }
        let after = counted("netstat", "TcpExt", names);
        assert!(turned_away > 0, "nobody was named; the kernel counted {before:?} {after:?}");
        assert!(turned_away <= after[1] - before[1], "{turned_away} of {before:?} {after:?}");
        assert!(tcp.listen_overflows >= 1 && tcp.listen_overflows <= after[0] - before[0]);
    });
}
