use std::io::Write as _;
use std::thread;

use gadget_core::Severity;

use super::*;

/// Everything up to `lines` lines, with the services they are of.
fn read(syslog: &mut Syslog, sources: &LogSources, lines: usize) -> Vec<(String, String)> {
    let mut batch = LogBatch::default();
    let mut found = Vec::new();
    while found.len() < lines {
        let read = syslog.read(&mut batch, Duration::from_secs(10)).unwrap();
        assert_eq!(read, LogRead::Lines, "{found:?}");
        found.extend(batch.iter().map(|(meta, text)| {
            let service = sources.get(meta.source).service.to_string();
            (service, String::from_utf8(text.to_vec()).unwrap())
        }));
        batch.clear();
    }
    found
}

#[test]
fn messages_come_from_every_kind_of_socket() {
    let folder = tempfile::tempdir().unwrap();
    let (log, stream) = (folder.path().join("log"), folder.path().join("stream"));
    let sources = LogSources::default();
    let builder = Syslog::builder().datagrams(&log).streams(&stream).udp(0);
    let mut syslog = builder.build(sources.clone()).unwrap();

    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(b"<27>Nov 27 15:00:00 cron[7]: no mail", &log).unwrap();
    let mut batch = LogBatch::default();
    syslog.read(&mut batch, Duration::from_secs(10)).unwrap();
    let (meta, text) = batch.iter().next().unwrap();
    assert_eq!((text, meta.severity), (b"no mail".as_slice(), Some(Severity::Error)));
    assert!(meta.written.is_some());
    assert_eq!(&*sources.get(meta.source).service, "cron");

    let mut stream = UnixStream::connect(&stream).unwrap();
    stream.write_all(b"<13>app: one\n13 <13>app: t\nwo<13>app: thr").unwrap();
    let found = read(&mut syslog, &sources, 2);
    assert_eq!(found, [("app", "one"), ("app", "t\nwo")].map(|(a, b)| (a.into(), b.into())));
    stream.write_all(b"ee").unwrap();
    drop(stream);
    assert_eq!(read(&mut syslog, &sources, 1), [("app".into(), "three".into())]);

    let port = syslog
        .addresses()
        .find_map(|path| path.to_str()?.strip_prefix("udp://").map(str::to_owned));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"<14>1 - h web 1 - [a@1 b=\"c\"] hello", port.unwrap()).unwrap();
    assert_eq!(read(&mut syslog, &sources, 1), [("web".into(), "[a@1 b=\"c\"] hello".into())]);

    assert_eq!(syslog.read(&mut batch, Duration::ZERO).unwrap(), LogRead::Nothing);
    drop(syslog);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "the sockets are gone");
}

#[test]
fn a_socket_that_nobody_listens_to_is_replaced_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let build = || Syslog::builder().datagrams(&path).build(LogSources::default());
    drop(UnixListener::bind(&path).unwrap());
    let first = build().unwrap();
    assert!(build().is_err(), "it is listened to");
    drop(first);
    let listener = UnixListener::bind(&path).unwrap();
    assert!(build().is_err(), "it is listened to");
    drop(listener);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "no socket").unwrap();
    assert!(build().is_err());
    assert_eq!(fs::read(&path).unwrap(), b"no socket");
}

#[test]
fn who_sends_to_a_path_is_held_back_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let sources = LogSources::default();
    let mut syslog = Syslog::builder().datagrams(&path).build(sources.clone()).unwrap();
    let writer = thread::spawn(move || {
        let socket = UnixDatagram::unbound().unwrap();
        for n in 0..3000 {
            socket.send_to(format!("<13>app: {n}").as_bytes(), &path).unwrap();
        }
    });
    for (n, (_, text)) in read(&mut syslog, &sources, 3000).into_iter().enumerate() {
        assert_eq!(text, n.to_string());
    }
    writer.join().unwrap();
}

#[test]
fn datagrams_that_the_kernel_dropped_are_counted() {
    let mut syslog = Syslog::builder().udp(0).build(LogSources::default()).unwrap();
    let address = syslog.addresses().next().unwrap().to_str().unwrap()[6..].to_owned();
    let Kind::Datagrams { socket, dropped } = &syslog.ports[0].kind else { panic!("udp") };
    if dropped.is_none() {
        println!("SKIPPED: this kernel does not tell how many datagrams it dropped");
        return;
    }
    sockopt::set_socket_recv_buffer_size(socket, 4096).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..500 {
        sender.send_to(&[b'x'; 1000], &address).unwrap();
    }
    let (mut batch, mut lines, mut lost) = (LogBatch::default(), 0, 0);
    while syslog.read(&mut batch, Duration::from_millis(100)).unwrap() == LogRead::Lines {
        (lines, lost) = (lines + batch.len() as u64, lost + batch.lost);
        batch.clear();
    }
    assert_eq!(lines + lost, 500);
    assert!(lines > 0 && lost > 0, "{lines} read, {lost} lost");
}

#[test]
fn streams_are_bounded_and_the_rest_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stream");
    let sources = LogSources::default();
    let mut syslog = Syslog::builder().streams(&path).build(sources.clone()).unwrap();
    let mut batch = LogBatch::default();
    let open: Vec<_> = (0..MOST_STREAMS + 3)
        .map(|_| {
            let stream = UnixStream::connect(&path).unwrap();
            syslog.read(&mut batch, Duration::ZERO).unwrap();
            stream
        })
        .collect();
    assert_eq!(syslog.streams.len(), MOST_STREAMS);
    (&open[MOST_STREAMS + 2]).write_all(b"<13>late: hello\n").unwrap();
    assert_eq!(syslog.read(&mut batch, Duration::ZERO).unwrap(), LogRead::Nothing);
    open.into_iter().take(3).for_each(drop);
    assert_eq!(read(&mut syslog, &sources, 1), [("late".into(), "hello".into())]);
}
