//! Restarting a systemd unit through D-Bus: the few messages that it takes, by hand.
//!
//! The wire format is that of the D-Bus Specification, "Message Protocol"; the calls are those of
//! org.freedesktop.systemd1(5). A restart is over when the unit has no job any more, and good if the unit is active then.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use gadget_core::{ActionError, Summary, summary};

/// Where the system bus listens.
pub(crate) const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How often to ask whether the restart is over.
const LOOK: Duration = Duration::from_millis(100);

/// The longest answer that is read: those to our calls have some hundred bytes.
const MAX_MESSAGE: usize = 1 << 16;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: (&str, &str) = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager");
const BUS: (&str, &str, &str) =
    ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus");
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// Restarts `unit` and waits until that is over, for at most `timeout`.
pub(crate) fn restart(
    socket: &Path,
    unit: &str,
    timeout: Duration,
) -> Result<Summary, ActionError> {
    let failed = |source| ActionError::System { attempt: "restart the unit through D-Bus", source };
    run(socket, unit, timeout).map_err(failed)?;
    Ok(summary(format_args!("{unit} restarted")))
}

fn run(socket: &Path, unit: &str, timeout: Duration) -> io::Result<()> {
    let mut bus = Bus::connect(socket)?;
    bus.call(BUS.0, BUS.1, BUS.2, "Hello", &[])?;
    let path = bus.call(SYSTEMD, MANAGER.0, MANAGER.1, "LoadUnit", &[unit])?.string()?;
    bus.call(SYSTEMD, MANAGER.0, MANAGER.1, "RestartUnit", &[unit, "replace"])?;
    let mut waited = Duration::ZERO;
    while bus.call(SYSTEMD, &path, PROPERTIES, "Get", &[UNIT, "Job"])?.job()? != 0 {
        if waited >= timeout {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "its job goes on"));
        }
        thread::sleep(LOOK);
        waited += LOOK;
    }
    match bus.call(SYSTEMD, &path, PROPERTIES, "Get", &[UNIT, "ActiveState"])?.variant()?.as_str() {
        "active" => Ok(()),
        state => Err(io::Error::other(format!("it is {state} after the restart"))),
    }
}

/// A connection to the bus.
struct Bus {
    stream: BufReader<UnixStream>,
    serial: u32,
}

/// The body of an answer.
struct Body(Vec<u8>);

impl Bus {
    /// Connects, and says who we are: the kernel tells the bus whether that is true.
    fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        let mut stream = BufReader::new(stream);
        let uid = rustix::process::geteuid().as_raw().to_string();
        let hex: String = uid.bytes().map(|digit| format!("{digit:02x}")).collect();
        stream.get_mut().write_all(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
        let mut line = String::new();
        (&mut stream).take(1024).read_line(&mut line)?;
        if !line.starts_with("OK ") {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the bus said {:?}", line.trim_end()),
            ));
        }
        stream.get_mut().write_all(b"BEGIN\r\n")?;
        Ok(Self { stream, serial: 0 })
    }

    /// Calls a method whose arguments are strings, and waits for its answer.
    fn call(
        &mut self,
        to: &str,
        path: &str,
        interface: &str,
        member: &str,
        strings: &[&str],
    ) -> io::Result<Body> {
        self.serial += 1;
        let message = message(self.serial, to, path, interface, member, strings);
        self.stream.get_mut().write_all(&message)?;
        loop {
            let (kind, reply_to, body) = self.read()?;
            match kind {
                _ if reply_to != Some(self.serial) => {} // signals, and what else we did not ask for
                METHOD_RETURN => return Ok(body),
                _ => {
                    let why = body.string().unwrap_or_default();
                    return Err(io::Error::other(format!("{member}: {why}")));
                }
            }
        }
    }

    fn read(&mut self) -> io::Result<(u8, Option<u32>, Body)> {
        let mut fixed = [0; 16];
        self.stream.read_exact(&mut fixed)?;
        let [order, kind, ..] = fixed;
        if order != b'l' {
            return Err(malformed());
        }
        let body = u32_at(&fixed, 4)? as usize;
        let fields = u32_at(&fixed, 12)? as usize;
        if fields > MAX_MESSAGE || body > MAX_MESSAGE {
            return Err(malformed());
        }
        let mut rest = vec![0; fields.next_multiple_of(8) + body];
        self.stream.read_exact(&mut rest)?;
        let body = rest.split_off(fields.next_multiple_of(8));
        rest.truncate(fields);
        Ok((kind, reply_serial(&rest)?, Body(body)))
    }
}

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;

/// A method call in little endian: a fixed part, header fields of 8-byte alignment, and the strings.
fn message(
    serial: u32,
    to: &str,
    path: &str,
    interface: &str,
    member: &str,
    strings: &[&str],
) -> Vec<u8> {
    let mut body = Vec::new();
    for text in strings {
        put_string(&mut body, text);
    }
    let mut fields = Vec::new();
    for (code, kind, text) in
        [(1, b'o', path), (2, b's', interface), (3, b's', member), (6, b's', to)]
    {
        align(&mut fields, 8);
        fields.extend([code, 1, kind, 0]);
        put_string(&mut fields, text);
    }
    if !strings.is_empty() {
        align(&mut fields, 8);
        fields.extend([8, 1, b'g', 0, strings.len() as u8]);
        fields.extend(strings.iter().map(|_| b's'));
        fields.push(0);
    }
    let mut message = vec![b'l', METHOD_CALL, 0, 1];
    for number in [body.len() as u32, serial, fields.len() as u32] {
        message.extend(number.to_le_bytes());
    }
    message.extend(fields);
    align(&mut message, 8);
    message.extend(body);
    message
}

fn align(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn put_string(bytes: &mut Vec<u8>, text: &str) {
    align(bytes, 4);
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// The field 5 of a header: which call it answers.
fn reply_serial(fields: &[u8]) -> io::Result<Option<u32>> {
    let mut at = 0;
    while at < fields.len() {
        let [code, 1, kind, 0] = *fields.get(at..at + 4).ok_or_else(malformed)? else {
            return Err(malformed());
        };
        at += 4;
        match kind {
            b'u' if code == 5 => return u32_at(fields, at).map(Some),
            b'u' => at += 4,
            b's' | b'o' => at += 4 + u32_at(fields, at)? as usize + 1,
            b'g' => at += 1 + usize::from(*fields.get(at).ok_or_else(malformed)?) + 1,
            _ => return Err(malformed()),
        }
        at = at.next_multiple_of(8);
    }
    Ok(None)
}

impl Body {
    /// A string, or an object path, at the beginning.
    fn string(&self) -> io::Result<String> {
        string_at(&self.0, 0)
    }

    /// The string in a variant.
    fn variant(&self) -> io::Result<String> {
        match self.0.get(..3) {
            Some([1, b's', 0]) => string_at(&self.0, 4),
            _ => Err(malformed()),
        }
    }

    /// The number of a job in a variant of number and object path; 0 for none.
    fn job(&self) -> io::Result<u32> {
        match self.0.get(..6) {
            Some([4, b'(', b'u', b'o', b')', 0]) => u32_at(&self.0, 8),
            _ => Err(malformed()),
        }
    }
}

fn string_at(bytes: &[u8], at: usize) -> io::Result<String> {
    let text = bytes.get(at + 4..at + 4 + u32_at(bytes, at)? as usize).ok_or_else(malformed)?;
    String::from_utf8(text.to_vec()).map_err(|_| malformed())
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    let four = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>()).ok_or_else(malformed)?;
    Ok(u32::from_le_bytes(*four))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the bus sent what is no answer")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// The first call on every bus, written out byte by byte.
    const HELLO: &[u8] = b"l\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x6d\x00\x00\x00\
        \x01\x01o\x00\x15\x00\x00\x00/org/freedesktop/DBus\x00\x00\x00\
        \x02\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00\
        \x03\x01s\x00\x05\x00\x00\x00Hello\x00\x00\x00\
        \x06\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00";

    #[test]
    fn a_call_has_the_bytes_of_the_specification() {
        assert_eq!(message(1, BUS.0, BUS.1, BUS.2, "Hello", &[]), HELLO);
        let with_strings = message(2, "a.b", "/", "c.d", "E", &["unit", "replace"]);
        assert!(with_strings.ends_with(
            b"\x08\x01g\x00\x02ss\x00\x04\x00\x00\x00unit\x00\0\0\0\x07\x00\x00\x00replace\x00"
        ));
    }

    /// Answers one connection: each call gets the next of `bodies`, an error where there is none.
    fn answering(socket: &Path, bodies: Vec<Vec<u8>>) -> thread::JoinHandle<usize> {
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            assert!(line.starts_with("\0AUTH EXTERNAL 3"), "{line:?}");
            stream.get_mut().write_all(b"OK 1234\r\n").unwrap();
            stream.read_line(&mut line).unwrap();
            let mut calls = 0;
            let mut fixed = [0; 16];
            while stream.read_exact(&mut fixed).is_ok() {
                let size = |at| u32_at(&fixed, at).unwrap() as usize;
                stream.read_exact(&mut vec![0; size(12).next_multiple_of(8) + size(4)]).unwrap();
                let (kind, body) = bodies
                    .get(calls)
                    .map_or((3, text("no such unit")), |body| (METHOD_RETURN, body.clone()));
                let mut answer = vec![b'l', kind, 1, 1];
                for number in [body.len(), 77, 8] {
                    answer.extend((number as u32).to_le_bytes());
                }
                answer.extend([5, 1, b'u', 0]);
                answer.extend(&fixed[8..12]);
                answer.extend(body);
                // Something that nobody asked for comes first.
                let signal = b"l\x04\x01\x01\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00";
                stream.get_mut().write_all(&[&signal[..], &answer].concat()).unwrap();
                calls += 1;
            }
            calls
        })
    }

    fn text(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_string(&mut bytes, text);
        bytes
    }

    fn variant(text: &str) -> Vec<u8> {
        let mut bytes = vec![1, b's', 0, 0];
        put_string(&mut bytes, text);
        bytes
    }

    fn job(id: u32) -> Vec<u8> {
        let mut bytes = b"\x04(uo)\0\0\0".to_vec();
        bytes.extend(id.to_le_bytes());
        put_string(&mut bytes, "/");
        bytes
    }

    fn restarted(bodies: Vec<Vec<u8>>) -> (Result<Summary, ActionError>, usize) {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("bus");
        let server = answering(&socket, bodies);
        let result = restart(&socket, "web.service", Duration::from_secs(1));
        (result, server.join().unwrap())
    }

    #[test]
    fn a_restart_is_good_once_the_unit_has_no_job_and_is_active() {
        let start = || vec![text(":1.7"), text("/unit"), text("/job/9")];
        let (result, calls) =
            restarted([start(), vec![job(9), job(9), job(0), variant("active")]].concat());
        assert_eq!((&*result.unwrap(), calls), ("web.service restarted", 7));
        let (result, _) = restarted([start(), vec![job(0), variant("failed")]].concat());
        assert!(
            std::error::Error::source(&result.unwrap_err()).unwrap().to_string().contains("failed")
        );
        let (result, _) = restarted([start(), vec![job(9); 20]].concat());
        assert!(result.is_err(), "it goes on for ever");
        let (result, calls) = restarted(vec![text(":1.7")]);
        assert!(
            std::error::Error::source(&result.unwrap_err())
                .unwrap()
                .to_string()
                .contains("no such unit")
        );
        assert_eq!(calls, 2);
    }

    /// What systemd would answer, on a real bus: a job that is over when it is asked for the third time.
    const SYSTEMD_STAND_IN: &str = "
import dbus, dbus.service, dbus.mainloop.glib
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
asked = []
class Unit(dbus.service.Object):
    @dbus.service.method('org.freedesktop.DBus.Properties', 'ss', 'v')
    def Get(self, interface, name):
        if name == 'ActiveState':
            return dbus.String('active', variant_level=1)
        asked.append(name)
        return dbus.Struct((dbus.UInt32(0 if len(asked) > 2 else 9), dbus.ObjectPath('/job')), signature='uo', variant_level=1)
class Manager(dbus.service.Object):
    @dbus.service.method('org.freedesktop.systemd1.Manager', 's', 'o')
    def LoadUnit(self, name):
        if name != 'web.service':
            raise dbus.DBusException('no such unit')
        return dbus.ObjectPath('/unit/web')
    @dbus.service.method('org.freedesktop.systemd1.Manager', 'ss', 'o')
    def RestartUnit(self, name, mode):
        assert mode == 'replace'
        return dbus.ObjectPath('/job/9')
bus = dbus.SessionBus()
name = dbus.service.BusName('org.freedesktop.systemd1', bus)
manager, unit = Manager(bus, '/org/freedesktop/systemd1'), Unit(bus, '/unit/web')
print('ready', flush=True)
GLib.MainLoop().run()
";

    #[test]
    fn a_real_bus_carries_our_messages() {
        use std::process::{Command, Stdio};

        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("bus");
        let address = format!("unix:path={}", socket.display());
        let daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--address", &address])
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut daemon) = daemon else {
            eprintln!("SKIPPED: there is no dbus-daemon; the test before this one stands for it");
            return;
        };
        crate::testing::eventually("it listens", || socket.exists());
        let systemd = Command::new("/usr/bin/python3")
            .args(["-c", SYSTEMD_STAND_IN])
            .env("DBUS_SESSION_BUS_ADDRESS", &address)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let result = systemd.map(|mut systemd| {
            let mut line = String::new();
            BufReader::new(systemd.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let restart =
                |unit| (line == "ready\n").then(|| restart(&socket, unit, Duration::from_secs(20)));
            let results = [restart("web.service"), restart("other.service")];
            systemd.kill().unwrap();
            systemd.wait().unwrap();
            results
        });
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        let Ok([Some(web), Some(other)]) = result else {
            eprintln!(
                "SKIPPED: there is no python3 with dbus and gi; the test before this one stands for it"
            );
            return;
        };
        assert_eq!(&*web.unwrap(), "web.service restarted");
        assert!(
            std::error::Error::source(&other.unwrap_err())
                .unwrap()
                .to_string()
                .contains("no such unit")
        );
    }

    #[test]
    fn no_answer_of_a_bus_makes_us_panic() {
        for length in 0..40 {
            for byte in [0, 1, 4, 5, 0x7f, 0xff] {
                let bytes = vec![byte; length];
                let _ = (reply_serial(&bytes), string_at(&bytes, 0));
                let body = Body(bytes);
                let _ = (body.string(), body.variant(), body.job());
            }
        }
    }
}
