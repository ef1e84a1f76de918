//! Log lines: files as they rotate, and the other places where a host's programs leave them.
//!
//! Every source is a [`LogInput`](gadget_core::LogInput): whoever asks gets a batch of lines, each with where it came from and what
//! is known of it, and who does not ask holds the source back.

mod channel;
mod checkpoint;
mod chunks;
mod container;
mod journal;
mod line;
mod refine;
mod services;
mod stdin;
mod syslog;
mod tail;

pub use channel::{Closed, LogChannel, LogSender, log_channel};
pub use checkpoint::{Checkpoint, Resumed};
pub use container::{ContainerLine, container_file, container_line};
pub use journal::{Journal, JournalBuilder, JournalEntry, JournalExport};
pub use line::{Head, When, head, severity, written};
pub use refine::{Encoding, Joining, Refine, RefineSettings};
pub use stdin::LineReader;
pub use syslog::{Syslog, SyslogBuilder, SyslogFrames, SyslogMessage, syslog_message};
pub use tail::{Start, Tail, TailBuilder, TailStats};
