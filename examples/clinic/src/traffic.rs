//! The clients of a case, and a backend that never answers.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// How long a client waits for an answer, a connection included.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A request that HTTP servers answer, and redis in its own way.
fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\n\r\n")
}

/// What a client of redis asks.
pub(crate) const PING: &str = "PING\r\n";

/// A client that asks again and again.
#[derive(Debug)]
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
}

impl Clients {
    /// Asks `per_second` times a second, one request at a time, until dropped.
    pub(crate) fn ask(port: u16, per_second: u32, what: Option<&str>) -> std::io::Result<Self> {
        let clients = Self { stop: Arc::default(), answers: Arc::default() };
        let (stop, answers) = (Arc::clone(&clients.stop), Arc::clone(&clients.answers));
        let (period, what) =
            (Duration::from_secs(1) / per_second, what.map_or_else(|| request("/"), str::to_owned));
        thread::Builder::new().name("client".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let begin = Instant::now();
                if exchange(port, &what).is_ok_and(|read| read > 0) {
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(period.saturating_sub(begin.elapsed()));
            }
        })?;
        Ok(clients)
    }

    /// Answers that came.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn exchange(port: u16, what: &str) -> std::io::Result<usize> {
    let mut stream = send(port, what)?;
    stream.read(&mut [0; 512])
}

fn send(port: u16, what: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&loopback(port), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(what.as_bytes())?;
    Ok(stream)
}

/// Whether one request is answered.
pub(crate) fn answers(port: u16) -> bool {
    exchange(port, &request("/")).is_ok_and(|read| read > 0)
}

/// A client that asks and waits for ever; the connection lives as long as what is returned.
pub(crate) fn hang(port: u16, path: &str) -> anyhow::Result<TcpStream> {
    send(port, &request(path)).with_context(|| format!("no client gets through to port {port}"))
}

/// A server that accepts everybody and answers nobody.
#[derive(Debug)]
pub(crate) struct Silent {
    pub(crate) port: u16,
}

impl Silent {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(loopback(0)).context("cannot listen")?;
        let port = listener.local_addr()?.port();
        thread::Builder::new().name("silent".into()).spawn(move || {
            let mut held: Vec<TcpStream> = Vec::new();
            while let Ok((client, _)) = listener.accept() {
                held.push(client);
            }
        })?;
        Ok(Self { port })
    }
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(loopback(0))?.local_addr()?.port())
}

/// Whether somebody listens there.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(&loopback(port), PATIENCE).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_counts_answers_and_nothing_else() {
        let listener = TcpListener::bind(loopback(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for (client, _) in std::iter::repeat_with(|| listener.accept()).take(2).flatten() {
                (&client).write_all(b"ok").unwrap();
            }
        });
        let clients = Clients::ask(port, 100, None).unwrap();
        let start = Instant::now();
        while clients.answers() < 2 && start.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(50));
        assert_eq!(clients.answers(), 2);
    }

    #[test]
    fn the_silent_backend_takes_clients_and_says_nothing() {
        let silent = Silent::start().unwrap();
        let mut client = hang(silent.port, "/").unwrap();
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(client.read(&mut [0; 8]).is_err());
    }
}
