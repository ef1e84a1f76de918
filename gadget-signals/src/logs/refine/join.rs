//! Which lines belong to the one before: the traces of Java, Python, Go, Rust, Node, Ruby, PHP and .NET, and what is printed over several
//! lines.

use gadget_core::Severity;

use crate::logs::line::{When, written};

/// How lines are joined to records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Joining {
    /// Each line is a record.
    Off,
    /// What is indented, and what the traces of the common languages consist of, goes on with the record before it.
    #[default]
    Automatic,
    /// A record begins with a line that begins with its time; all others go on with it.
    FromTime,
    /// A record begins with a line that begins with these bytes.
    FromPrefix(Box<[u8]>),
}

impl Joining {
    /// True if `line` goes on with the record that `trace` follows.
    pub(super) fn continues(&self, trace: &mut Trace, line: &[u8], when: When) -> bool {
        match self {
            Self::Off => false,
            Self::Automatic => trace.continues(line),
            Self::FromTime => written(line, when).is_none(),
            Self::FromPrefix(prefix) => !line.starts_with(prefix),
        }
    }
}

/// Follows one record from its first line on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trace {
    /// What may come next beside what is indented.
    next: Next,
    /// Something was opened at the end of a line, or lines were indented: a closing bracket may come.
    open: bool,
    /// It begins with a warning or worse: the exception may stand on the line after.
    grave: bool,
    /// An exception was named at the beginning of a line: another one is a record of its own.
    named: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Nothing,
    /// Python's frames, and the exception that ends them.
    PythonFrames,
    /// After a trace of Python: a blank line, and another trace that is joined to it by a sentence.
    PythonMore,
    /// The message of a panic of Rust.
    RustMessage,
    /// Goroutines.
    Go,
    /// Node's source line, then the error after a blank line.
    Node,
    /// The numbered frames of PHP.
    Frames,
    /// The lines of a key or a certificate.
    Pem,
}

const TRACEBACK: &[u8] = b"Traceback (most recent call last):";

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// What goes on with a record wherever it stands.
const FOLLOWS: [&[u8]; 9] = [
    b"Caused by: ",
    b"Suppressed: ",
    b"Wrapped by: ",
    b"... ",
    b"--- End of ",
    b"stack backtrace:",
    b"note: run with `RUST_BACKTRACE",
    b"note: Some details are omitted",
    b"The above exception was ",
];

impl Trace {
    /// The record that begins with `line`, which says that it is so grave.
    pub(super) fn of(line: &[u8], severity: Option<Severity>) -> Self {
        let grave = severity >= Some(Severity::Warn);
        let mut trace = Self { grave, named: exception(line), ..Self::default() };
        trace.see(line);
        if go_head(line) {
            trace.next = Next::Go;
        } else if node_head(line) {
            trace.next = Next::Node;
        }
        trace
    }

    /// What any line of a record says of the next.
    fn see(&mut self, line: &[u8]) {
        let end = line.trim_ascii_end();
        self.open |= matches!(end.last(), Some(b'{' | b'[' | b'('));
        match line.first() {
            Some(b'T') if line.starts_with(TRACEBACK) => self.next = Next::PythonFrames,
            Some(b'g') if goroutine(line) => self.next = Next::Go,
            Some(b'S') if line == b"Stack trace:" => self.next = Next::Frames,
            _ if self.pem(line) => {}
            _ if end.ends_with(b":") && memchr::memmem::find(line, b" panicked at ").is_some() => {
                self.next = Next::RustMessage;
            }
            _ => {}
        }
    }

    /// True where a key or a certificate begins or ends.
    fn pem(&mut self, line: &[u8]) -> bool {
        let Some(dashes) = memchr::memmem::find(line, b"-----") else { return false };
        let (begins, ends) =
            (line[dashes..].starts_with(BEGIN), memchr::memmem::find(line, END).is_some());
        self.next = if begins && !ends { Next::Pem } else { Next::Nothing };
        begins || ends
    }

    fn continues(&mut self, line: &[u8]) -> bool {
        let Some(&first) = line.first() else {
            return matches!(self.next, Next::Go | Next::Node | Next::PythonMore | Next::Pem);
        };
        let follows = match first {
            b' ' | b'\t' => {
                self.open = true;
                return true;
            }
            b'}' | b']' | b')' => self.open && line.iter().all(|byte| b"}]),;".contains(byte)),
            _ => self.named_line(line),
        };
        if follows {
            self.see(line);
        }
        follows
    }

    fn named_line(&mut self, line: &[u8]) -> bool {
        if self.next == Next::RustMessage {
            self.next = Next::Nothing;
            return true;
        }
        if goroutine(line) || line == b"Stack trace:" {
            return true;
        }
        if line.starts_with(TRACEBACK) {
            return self.grave || self.next == Next::PythonMore;
        }
        if FOLLOWS.iter().any(|start| line.starts_with(start)) {
            return true;
        }
        match self.next {
            Next::PythonFrames if error_name(line) => {
                self.next = Next::PythonMore;
                return true;
            }
            Next::PythonMore if line.starts_with(b"During handling of the above exception") => {
                return true;
            }
            Next::Pem if pem_line(line) => return true,
            Next::Go if go_frame(line) => return true,
            Next::Node if error_name(line) || line.starts_with(b"Node.js v") => return true,
            Next::Frames if line[0] == b'#' && line.get(1).is_some_and(u8::is_ascii_digit) => {
                return true;
            }
            _ => {}
        }
        if !self.grave || self.named || !exception(line) {
            return false;
        }
        self.named = true;
        true
    }
}

/// Base64, a header of an encrypted key, the end.
fn pem_line(line: &[u8]) -> bool {
    line.starts_with(END)
        || line.starts_with(b"Proc-Type: ")
        || line.starts_with(b"DEK-Info: ")
        || line.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
}

/// The word at the beginning of a line that is followed by `: ` or by nothing.
fn label(line: &[u8]) -> Option<&[u8]> {
    let end = line
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !b"._$".contains(byte))
        .unwrap_or(line.len());
    let fits = end > 0 && matches!(line.get(end..), Some(b"" | b":" | [b':', b' ', ..]));
    fits.then(|| &line[..end])
}

/// `ValueError: no`, `KeyboardInterrupt`, `requests.exceptions.Timeout: 3`.
fn error_name(line: &[u8]) -> bool {
    label(line).is_some_and(|name| name.iter().any(u8::is_ascii_uppercase))
}

/// `java.lang.IllegalStateException: no`: a name with its package.
fn exception(line: &[u8]) -> bool {
    line.first().is_some_and(u8::is_ascii_lowercase)
        && label(line).is_some_and(|name| {
            name.contains(&b'.')
                && [b"Exception".as_slice(), b"Error", b"Throwable"]
                    .iter()
                    .any(|end| name.ends_with(end))
        })
}

/// `goroutine 12 [running]:`
fn goroutine(line: &[u8]) -> bool {
    line.strip_prefix(b"goroutine ")
        .is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit) && rest.ends_with(b"]:"))
}

fn go_head(line: &[u8]) -> bool {
    line.starts_with(b"panic: ") || line.starts_with(b"fatal error: ")
}

/// `main.main()`, `net/http.(*conn).serve(0xc0000a, {0x1, 0x2})`, and what stands between them.
fn go_frame(line: &[u8]) -> bool {
    let frame = || {
        let call = line.iter().position(|&byte| byte == b'(')?;
        Some(line.ends_with(b")") && !line[..call].contains(&b' '))
    };
    [b"created by ".as_slice(), b"[signal ", b"exit status ", b"panic: ", b"runtime stack:"]
        .iter()
        .any(|start| line.starts_with(start))
        || frame().unwrap_or(false)
}

/// `/app/index.js:10`, `node:internal/process:95`, `file:///app/a.mjs:3`.
fn node_head(line: &[u8]) -> bool {
    let Some(colon) = memchr::memrchr(b':', line) else { return false };
    let (file, number) = (&line[..colon], &line[colon + 1..]);
    !number.is_empty()
        && number.iter().all(u8::is_ascii_digit)
        && !file.contains(&b' ')
        && (file.starts_with(b"node:")
            || [b"js".as_slice(), b"ts"].iter().any(|end| file.ends_with(end)))
}

#[cfg(test)]
mod tests {
    use gadget_core::Timestamp;

    use super::*;
    use crate::logs::line::severity;

    /// The records of a text, by the numbers of their lines.
    fn records(text: &str) -> Vec<usize> {
        let mut trace: Option<Trace> = None;
        let mut records = Vec::new();
        for line in text.lines().map(str::as_bytes) {
            let follows =
                |trace: &mut Trace| Joining::Automatic.continues(trace, line, When::default());
            if trace.as_mut().is_some_and(follows) {
                *records.last_mut().unwrap() += 1;
            } else {
                trace = Some(Trace::of(line, severity(line)));
                records.push(1);
            }
        }
        records
    }

    /// Each trace stands between two plain lines, which must stay alone.
    #[test]
    fn traces_of_many_languages_are_one_record_each() {
        for (language, trace) in [
            (
                "java",
                "2024-02-03 10:00:00 ERROR [main] it broke\njava.lang.IllegalStateException: no\n\tat a.B.c(B.java:3)\n\tat a.B.d(B.java:4)\nCaused by: java.io.IOException: x\n\t... 12 more",
            ),
            (
                "java without a log line",
                "java.lang.Error: no\n\tat a.B.c(B.java:3)\n\tSuppressed: java.io.IOException\n\t\tat x.Y.z(Y.java)",
            ),
            (
                "java, uncaught",
                "Exception in thread \"main\" java.lang.RuntimeException: no\n\tat a.B.c(B.java:3)",
            ),
            (
                "python",
                "ERROR:root:failed\nTraceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\n    ^^^\nValueError: no\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"a.py\", line 3, in <module>\nrequests.exceptions.Timeout: 3",
            ),
            (
                "python, direct cause",
                "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'a'\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  File \"b.py\", line 3\nKeyboardInterrupt",
            ),
            (
                "go",
                "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x45]\n\ngoroutine 1 [running]:\nmain.f(...)\n\t/app/main.go:6 +0x1d\nmain.main()\n\t/app/main.go:10\n\ngoroutine 7 [chan receive, 2 minutes]:\nnet/http.(*conn).serve(0xc00, {0x1, 0x2})\n\t/usr/net.go:1\ncreated by net/http.(*Server).Serve in goroutine 1\n\t/usr/net.go:9\nexit status 2",
            ),
            (
                "go, in a server",
                "2024/02/03 10:00:00 http: panic serving 127.0.0.1:1: boom\ngoroutine 5 [running]:\nnet/http.(*conn).serve.func1()\n\t/usr/net.go:1 +0x1",
            ),
            (
                "rust",
                "thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds: the len is 3\nstack backtrace:\n   0: rust_begin_unwind\n             at /rustc/x.rs:1:2\n   1: core::panicking::panic\nnote: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.",
            ),
            (
                "rust without a backtrace",
                "thread 'main' panicked at src/main.rs:2:5:\nboom\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
            ),
            (
                "node",
                "TypeError: Cannot read properties of undefined (reading 'x')\n    at f (/app/a.js:1:2)\n    at node:internal/main:3:4 {\n  code: 'E'\n}",
            ),
            (
                "node, uncaught",
                "/app/index.js:10\n    throw new Error('boom');\n    ^\n\nError: boom\n    at f (/app/index.js:10:11)\n\nNode.js v20.1.0",
            ),
            ("ruby", "app.rb:3:in `f': no (RuntimeError)\n\tfrom app.rb:6:in `<main>'"),
            (
                "php",
                "PHP Fatal error:  Uncaught Exception: x in /a.php:3\nStack trace:\n#0 /a.php(5): f()\n#1 {main}\n  thrown in /a.php on line 3",
            ),
            (
                ".net",
                "Unhandled exception. System.InvalidOperationException: no\n ---> System.Exception: inner\n   at A.B()\n   --- End of inner exception stack trace ---\n   at A.Main()",
            ),
            (
                ".net, logged",
                "fail: Microsoft.AspNetCore.Server.Kestrel[13]\n      An unhandled exception\n      System.Exception: x\n         at A.B()",
            ),
            (
                "a private key",
                "loaded -----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A\n\nMIIEpAIBAAKCAQEA\nx+/y==\n-----END RSA PRIVATE KEY-----",
            ),
            ("json over lines", "{\n  \"a\": [\n    1\n  ]\n}"),
            ("a call over lines", "2024-02-03 10:00:00 sent: {\n  a: 1,\n});"),
        ] {
            let lines = trace.lines().count();
            let text = format!("2024-02-03 09:00:00 before\n{trace}\n2024-02-03 10:00:01 after");
            assert_eq!(records(&text), [1, lines, 1], "{language}");
        }
    }

    #[test]
    fn lines_that_belong_to_nothing_stay_alone() {
        for text in [
            "one\ntwo\nthree",
            "}\n]",
            "a\n\nb",
            "error: x\nerror: y",
            "java.lang.Error: a\njava.lang.Error: b",
            "GET /a.js:1 x\nError: b",
            "x\nnote: a thing",
            "f(1)\ng(2)",
            "KeyError\nValueError: 1",
            "ok\n#1 first",
            "{\"a\":1}\n{\"a\":2}",
            "goroutines are cheap\nmain.main()",
            "-----BEGIN A----- x -----END A-----\nabc",
            "---- a\nabc",
        ] {
            assert_eq!(records(text), vec![1; text.lines().count()], "{text}");
        }
    }

    #[test]
    fn rules_say_where_a_record_begins() {
        let mut trace = Trace::default();
        let from_time = Joining::FromTime;
        let when = When { read: Timestamp::from_secs(1_735_600_000), east: 0 };
        for line in ["[2024-02-03 10:00:00] x", "10:00:00.123 x"] {
            assert!(!from_time.continues(&mut trace, line.as_bytes(), when));
        }
        assert!(from_time.continues(&mut trace, b"and more", when));
        let from_prefix = Joining::FromPrefix(b"--> ".as_slice().into());
        assert!(!from_prefix.continues(&mut trace, b"--> x", when));
        assert!(from_prefix.continues(&mut trace, b"-- x", when));
    }
}
