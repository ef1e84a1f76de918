//! The endpoint: a few connections at a time, one request each.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::exposition::Exposition;

/// More connections than this at once are told to come again.
const MOST_CONNECTIONS: usize = 8;
/// A request has to be there, and its answer taken, within this.
const PATIENCE: Duration = Duration::from_secs(5);
/// A request with all its headers.
const MOST_REQUEST: usize = 8 << 10;

/// An endpoint that Prometheus scrapes: `GET /metrics`, and nothing else. It ends when it is dropped.
#[derive(Debug)]
pub struct Prometheus {
    address: SocketAddr,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Prometheus {
    /// Where it listens by default.
    pub const ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9917));

    /// Serves this exposition to programs on this host.
    ///
    /// # Errors
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) where the address can be reached from other hosts; whatever keeps from
    /// listening there.
    pub fn serve(address: SocketAddr, exposition: Exposition) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let told = format!("{address} can be reached from other hosts");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, told));
        }
        Self::serve_anyone(address, exposition)
    }

    /// Serves it to whoever reaches the address. Names and users of processes go to them in plain text.
    ///
    /// # Errors
    /// Whatever keeps from listening there.
    pub fn serve_anyone(address: SocketAddr, exposition: Exposition) -> io::Result<Self> {
        let told = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
        };
        let listener = TcpListener::bind(address).map_err(told)?;
        let address = listener.local_addr()?;
        let ending = Arc::new(AtomicBool::new(false));
        let thread = {
            let ending = ending.clone();
            let name = "prometheus".to_owned();
            thread::Builder::new()
                .name(name)
                .spawn(move || accept(&listener, &exposition, &ending))?
        };
        Ok(Self { address, ending, thread: Some(thread) })
    }

    /// Where it listens; the port that was found where 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        // Wakes it up. An unspecified address is reached by loopback.
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let woken = TcpStream::connect_timeout(&address, PATIENCE).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // It has nothing to say but that it panicked, which it has said.
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, exposition: &Exposition, ending: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    while let Some(mut connection) = next(listener, ending) {
        if open.load(Ordering::Relaxed) >= MOST_CONNECTIONS {
            // What is this short the kernel buffers.
            let until = Instant::now() + PATIENCE;
            let _ = answer(&mut connection, "503 Service Unavailable", "too many\n", until);
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (exposition, held) = (exposition.clone(), Held(open.clone()));
        let spawned = thread::Builder::new().name("prometheus-one".to_owned()).spawn(move || {
            let _held = held;
            // Whoever went away will ask again.
            let _ = converse(&mut connection, &exposition);
        });
        // Without a thread the connection closes.
        drop(spawned);
    }
}

/// One of the connections that are open.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The next connection; none when it is time to end.
fn next(listener: &TcpListener, ending: &AtomicBool) -> Option<TcpStream> {
    loop {
        let accepted = listener.accept();
        if ending.load(Ordering::Relaxed) {
            return None;
        }
        match accepted {
            Ok((connection, _)) => return Some(connection),
            // It was gone again, or there are no descriptors for now.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn converse(connection: &mut TcpStream, exposition: &Exposition) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    let request = request(connection, until)?;
    let mut words = request.as_deref().unwrap_or_default().split(' ');
    let text;
    let (status, body) = match (words.next(), words.next().and_then(|it| it.split('?').next())) {
        _ if request.is_none() => ("431 Request Header Fields Too Large", "too long\n"),
        (Some("GET"), Some("/metrics")) => {
            text = exposition.text();
            ("200 OK", text.as_str())
        }
        (Some("GET"), _) => ("404 Not Found", "see /metrics\n"),
        _ => ("405 Method Not Allowed", "GET alone\n"),
    };
    answer(connection, status, body, Instant::now() + PATIENCE)
}

/// The first line of a request, once all of its headers are there; none if they are too long.
fn request(connection: &mut TcpStream, until: Instant) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut part = [0; 1024];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        connection.set_read_timeout(Some(left(until)?))?;
        match connection.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&part[..read]),
        }
        if bytes.len() > MOST_REQUEST {
            return Ok(None);
        }
    }
    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(line).into_owned()))
}

fn answer(connection: &mut TcpStream, status: &str, body: &str, until: Instant) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let bytes = [head.as_bytes(), body.as_bytes()].concat();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        connection.set_write_timeout(Some(left(until)?))?;
        let written = connection.write(rest)?;
        rest = &rest[written..];
    }
    connection.shutdown(Shutdown::Write)
}

/// How long it may still take.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve() -> Prometheus {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Prometheus::serve(anywhere, Exposition::default()).unwrap()
    }

    /// What is answered to these bytes.
    fn ask(server: &Prometheus, request: &str) -> String {
        let mut connection = TcpStream::connect(server.address()).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn metrics_are_all_there_is() {
        let server = serve();
        let metrics = ask(&server, "GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n");
        let (head, body) = metrics.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        assert!(body.contains("surveyor_windows_total 0\n"), "{body}");
        for (request, status) in [
            ("GET / HTTP/1.1\r\n\r\n", "404"),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", "404"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
            ("\r\n\r\n", "405"),
            ("nonsense\r\n\r\n", "405"),
        ] {
            let answer = ask(&server, request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        }
    }

    #[test]
    fn a_request_without_end_is_refused() {
        let server = serve();
        let request = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(MOST_REQUEST));
        assert!(ask(&server, &request).starts_with("HTTP/1.1 431 "));
    }

    #[test]
    fn those_who_say_nothing_hold_up_only_as_many_as_there_is_room_for() {
        let server = serve();
        let silent: Vec<_> =
            (0..MOST_CONNECTIONS).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
        // Connections are accepted in their order, so all of them were by now.
        let mut more = TcpStream::connect(server.address()).unwrap();
        let mut answer = String::new();
        more.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        drop(silent);
        let metrics = || {
            let mut connection = TcpStream::connect(server.address()).unwrap();
            let mut answer = String::new();
            // It may be told to come again while the others go.
            let asked = connection.write_all(b"GET /metrics HTTP/1.1\r\n\r\n");
            asked.and_then(|()| connection.read_to_string(&mut answer)).is_ok()
                && answer.starts_with("HTTP/1.1 200 ")
        };
        assert!((0..500).any(|_| metrics() || {
            thread::sleep(Duration::from_millis(10));
            false
        }));
    }

    #[test]
    fn it_is_for_this_host_and_ends_when_dropped() {
        let everyone = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let refused = Prometheus::serve(everyone, Exposition::default()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        let server = Prometheus::serve_anyone(everyone, Exposition::default()).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.address().port()));
        assert!(TcpStream::connect(address).is_ok());
        drop(server);
        assert!(TcpStream::connect(address).is_err());
    }
}
