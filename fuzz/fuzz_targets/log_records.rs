//! Records out of any lines, in any encoding, of plain files and of containers: always text, never too long, and plain text is all there.

#![no_main]

use std::time::Duration;

use gadget_core::{
    LogBatch, LogFlags, LogInput, LogMeta, LogRead, LogSource, LogSources, SignalError, SourceId,
    Timestamp,
};
use gadget_signals::logs::{Encoding, Joining, Refine, RefineSettings};
use libfuzzer_sys::fuzz_target;

struct Lines<'a>(Vec<(SourceId, &'a [u8])>);

impl LogInput for Lines<'_> {
    fn read(&mut self, batch: &mut LogBatch, _: Duration) -> Result<LogRead, SignalError> {
        for (source, text) in self.0.drain(..) {
            let (at, flags) = (Timestamp::from_secs(1_700_000_000), LogFlags::default());
            batch.push(LogMeta { source, at, written: None, severity: None, flags }, text);
        }
        Ok(LogRead::End)
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    const LONGEST: usize = 64;
    let (choice, bytes) = input;
    let sources = LogSources::default();
    let source =
        |origin: &str| sources.id(&LogSource { origin: origin.into(), ..LogSource::default() });
    let (plain, pod) = (source("/a.log"), source("/var/log/pods/n_p_u/c/0.log"));
    let of = if choice & 1 == 0 { plain } else { pod };
    let lines: Vec<_> = bytes.split(|&byte| byte == b'\n').map(|line| (of, line)).collect();
    let settings = RefineSettings {
        joining: match choice >> 1 & 3 {
            0 => Joining::Off,
            1 => Joining::FromTime,
            _ => Joining::Automatic,
        },
        encoding: match choice >> 3 & 3 {
            0 => Encoding::Detect,
            1 => Encoding::Utf16Le,
            2 => Encoding::Utf16Be,
            _ => Encoding::Latin1,
        },
        longest: LONGEST,
        most_lines: 4,
        ..RefineSettings::default()
    };
    let encoding = settings.encoding;
    let mut refine = Refine::new(Lines(lines), sources.clone(), settings);
    let mut batch = LogBatch::default();
    while refine.read(&mut batch, Duration::ZERO).expect("it does not fail") != LogRead::End {}
    refine.commit(1).expect("it does not fail");
    for (meta, text) in batch.iter() {
        assert!(text.len() <= LONGEST);
        let text = std::str::from_utf8(text).expect("it is text");
        assert!(!text.contains('\0'));
        assert!(meta.severity.is_some() || meta.written.is_none() || !text.is_empty());
    }
    let printable = bytes.iter().all(|&byte| byte == b'\n' || (b' '..=b'~').contains(&byte));
    let short = bytes.split(|&byte| byte == b'\n').all(|line| line.len() < LONGEST);
    if encoding == Encoding::Detect && of == plain && printable && short {
        assert_eq!(batch.block().strip_suffix(b"\n"), Some(bytes));
    }
});
