//! The words and numbers by which lines say how grave they are.

use gadget_core::Severity;

/// The severity that a word names, in whatever case.
pub(super) fn of_word(word: &[u8]) -> Option<Severity> {
    let mut lower = [0; 13];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"trace" | b"trce" | b"trc" | b"finest" | b"finer" | b"verbose" | b"vrb" | b"silly" => {
            Severity::Trace
        }
        b"debug" | b"dbug" | b"dbg" | b"deb" | b"fine" | b"config" => Severity::Debug,
        b"info" | b"inf" | b"information" | b"informational" | b"notice" | b"note" => {
            Severity::Info
        }
        b"warn" | b"warning" | b"wrn" => Severity::Warn,
        b"error" | b"err" | b"eror" | b"severe" | b"fail" => Severity::Error,
        b"fatal" | b"ftl" | b"critical" | b"crit" | b"crt" | b"alert" | b"emerg" | b"emergency"
        | b"panic" | b"dpanic" => Severity::Fatal,
        _ => return None,
    })
}

/// The severity of a letter: klog's, Android's, Ruby's.
pub(super) fn of_letter(letter: u8) -> Option<Severity> {
    Some(match letter {
        b'V' | b'T' => Severity::Trace,
        b'D' => Severity::Debug,
        b'I' => Severity::Info,
        b'W' => Severity::Warn,
        b'E' => Severity::Error,
        b'F' => Severity::Fatal,
        _ => return None,
    })
}

/// The severity of a syslog priority: the lowest three bits, RFC 5424 section 6.2.1.
pub(crate) fn of_priority(priority: u64) -> Severity {
    match priority & 7 {
        0..=2 => Severity::Fatal,
        3 => Severity::Error,
        4 => Severity::Warn,
        5 | 6 => Severity::Info,
        _ => Severity::Debug,
    }
}

/// The severity of a value under a key that names one; numbers are those of syslog up to 7, and of pino and bunyan from 10 on.
pub(super) fn of_value(key: &[u8], value: &[u8]) -> Option<Severity> {
    let kind = KEYS.iter().find(|(name, _)| key.eq_ignore_ascii_case(name))?.1;
    let Some(number) = crate::text::digits(value) else {
        return of_word(value).or_else(|| match value {
            [letter] => of_letter(letter.to_ascii_uppercase()),
            _ => None,
        });
    };
    let of_step = |step: u64| Severity::ALL[step.min(5) as usize];
    match (kind, number) {
        (Numbers::OpenTelemetry, 1..=24) => Some(of_step((number - 1) / 4)),
        (Numbers::Python, 1..=60) => Some(of_step(number / 10)),
        (Numbers::Common, 0..=7) => Some(of_priority(number)),
        (Numbers::Common, 10..=69) => Some(of_step(number / 10 - 1)),
        _ => None,
    }
}

/// What the numbers under a key mean.
#[derive(Clone, Copy)]
enum Numbers {
    Common,
    OpenTelemetry,
    Python,
}

const KEYS: [(&[u8], Numbers); 14] = [
    (b"level", Numbers::Common),
    (b"severity", Numbers::Common),
    (b"lvl", Numbers::Common),
    (b"log.level", Numbers::Common),
    (b"loglevel", Numbers::Common),
    (b"log_level", Numbers::Common),
    (b"levelname", Numbers::Common),
    (b"severity_text", Numbers::Common),
    (b"severityText", Numbers::Common),
    (b"@l", Numbers::Common),
    (b"s", Numbers::Common),
    (b"levelno", Numbers::Python),
    (b"severityNumber", Numbers::OpenTelemetry),
    (b"severity_number", Numbers::OpenTelemetry),
];

/// True for the keys under which lines say when they were written.
pub(super) fn is_time_key(key: &[u8]) -> bool {
    const KEYS: [&[u8]; 10] = [
        b"time",
        b"ts",
        b"timestamp",
        b"@timestamp",
        b"t",
        b"@t",
        b"datetime",
        b"date",
        b"asctime",
        b"eventTime",
    ];
    KEYS.iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// True for the keys under which lines have their message.
pub(super) fn is_message_key(key: &[u8]) -> bool {
    [b"msg".as_slice(), b"message", b"@m", b"event"]
        .iter()
        .any(|name| key.eq_ignore_ascii_case(name))
}
