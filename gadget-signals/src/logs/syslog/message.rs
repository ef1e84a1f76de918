//! What is in a message of syslog: RFC 5424, RFC 3164, and what `syslog(3)` of the C libraries sends.

use gadget_core::{Severity, Timestamp};

use crate::logs::line::{When, priority, time_at};

/// A message of syslog, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyslogMessage<'a> {
    /// How grave it is, if it has a priority.
    pub severity: Option<Severity>,
    /// When it was sent.
    pub written: Option<Timestamp>,
    /// APP-NAME, or the tag. Absent where the message has none.
    pub service: Option<&'a [u8]>,
    /// The rest: of RFC 5424 its structured data, as they are written, and the message.
    pub text: &'a [u8],
}

/// Takes a message apart. Every text is a message; what is not found in it is absent, and its text is all of it then.
#[must_use]
pub fn syslog_message(message: &[u8], when: When) -> SyslogMessage<'_> {
    let message = message.trim_ascii_end();
    let priority = priority(message);
    let severity = priority.map(|(severity, _)| severity);
    let rest = &message[priority.map_or(0, |(_, length)| length)..];
    let modern = rest.strip_prefix(b"1 ").and_then(|rest| modern(rest, when));
    let (written, service, text) = modern.unwrap_or_else(|| old(rest, when));
    SyslogMessage { severity, written, service, text }
}

type Parts<'a> = (Option<Timestamp>, Option<&'a [u8]>, &'a [u8]);

/// `TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA [MSG]`, behind the version.
fn modern(rest: &[u8], when: When) -> Option<Parts<'_>> {
    let mut parts = rest.splitn(6, |&byte| byte == b' ');
    let (time, _host, name) = (parts.next()?, parts.next()?, parts.next()?);
    let (_process, _id, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let written = match time {
        b"-" => None,
        _ => Some(time_at(time, when)?.0),
    };
    let text = match rest.strip_prefix(b"-") {
        Some(text) => text.strip_prefix(b" ").unwrap_or(text),
        None => rest,
    };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    Some((written, (name != b"-").then_some(name), text))
}

/// `Mmm dd hh:mm:ss [HOST] TAG[PID]: TEXT`; the C libraries leave the host out, some senders write the time as in RFC 3339.
fn old(rest: &[u8], when: When) -> Parts<'_> {
    let Some((written, length)) = time_at(rest, when) else {
        let (service, text) = tag(rest).map_or((None, rest), |(tag, text)| (Some(tag), text));
        return (None, service, text);
    };
    let text = rest[length..].trim_ascii_start();
    let written = Some(written);
    if let Some((tag, text)) = tag(text) {
        return (written, Some(tag), text);
    }
    // A host is a word that is no tag.
    let host = text.iter().position(|&byte| byte == b' ');
    match host.and_then(|host| tag(text[host..].trim_ascii_start())) {
        Some((tag, text)) => (written, Some(tag), text),
        None => (written, None, text),
    }
}

/// The tag that a text begins with, and what is behind it.
fn tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let name = text
        .iter()
        .take(64)
        .position(|byte| !byte.is_ascii_alphanumeric() && !b"._/@()-".contains(byte))
        .filter(|&end| end > 0)?;
    let mut rest = &text[name..];
    if let Some(process) = rest.strip_prefix(b"[") {
        let end = process.iter().take(64).position(|&byte| byte == b']')?;
        rest = &process[end + 1..];
        rest = rest.strip_prefix(b":").unwrap_or(rest);
    } else {
        rest = rest.strip_prefix(b":")?;
        // `host:port` and times are no tags.
        if !matches!(rest.first(), None | Some(b' ' | b'\t')) {
            return None;
        }
    }
    // pam's name of a module belongs to the service: `sshd(pam_unix)`.
    let name = text[..name].split(|&byte| byte == b'(').next()?;
    (!name.is_empty()).then_some((name, rest.strip_prefix(b" ").unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_both_standards_are_taken_apart() {
        let when = When { read: Timestamp::from_secs(1_735_600_000), east: 0 };
        for (message, severity, written, service, text) in [
            (
                "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed",
                Some(Severity::Fatal),
                "2003-10-11T22:14:15.003Z",
                "su",
                "'su root' failed",
            ),
            (
                "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - [a@1 k=\"v \\] w\"][b@1] it is late",
                Some(Severity::Info),
                "2003-08-24T12:14:15.000Z",
                "myproc",
                "[a@1 k=\"v \\] w\"][b@1] it is late",
            ),
            ("<0>1 - - - - - -", Some(Severity::Fatal), "-", "-", ""),
            (
                "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
                Some(Severity::Fatal),
                "2024-10-11T22:14:15.000Z",
                "su",
                "'su root' failed",
            ),
            (
                "<86>Nov 27 15:00:00 sshd[12]: Accepted publickey\n",
                Some(Severity::Info),
                "2024-11-27T15:00:00.000Z",
                "sshd",
                "Accepted publickey",
            ),
            (
                "<86>Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure",
                Some(Severity::Info),
                "2024-06-14T15:16:01.000Z",
                "sshd",
                "authentication failure",
            ),
            (
                "<27>2024-02-03T10:00:00+01:00 web kernel: oops",
                Some(Severity::Error),
                "2024-02-03T09:00:00.000Z",
                "kernel",
                "oops",
            ),
            ("<191>app: no time", Some(Severity::Debug), "-", "app", "no time"),
            ("<13>just text", Some(Severity::Info), "-", "-", "just text"),
            (
                "<13>Feb  3 10:00:00 two words more",
                Some(Severity::Info),
                "2024-02-03T10:00:00.000Z",
                "-",
                "two words more",
            ),
            (
                "<13>Feb  3 10:00:00 10.0.0.1:80 is: up",
                Some(Severity::Info),
                "2024-02-03T10:00:00.000Z",
                "is",
                "up",
            ),
            ("no priority", None, "-", "-", "no priority"),
            ("<192>too high", None, "-", "-", "<192>too high"),
            (
                "<13>1 not a time h a p i - x",
                Some(Severity::Info),
                "-",
                "-",
                "1 not a time h a p i - x",
            ),
            ("<>", None, "-", "-", "<>"),
            ("", None, "-", "-", ""),
        ] {
            let found = syslog_message(message.as_bytes(), when);
            let string = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
            assert_eq!(
                (
                    found.severity,
                    found.written.map_or("-".into(), |written| written.to_string()),
                    found.service.map_or("-".into(), string),
                    string(found.text),
                ),
                (severity, written.into(), service.into(), text.into()),
                "{message}"
            );
        }
    }
}
