//! What the example programs share: a gadget, the arguments of a watching program, and its words make one.
//!
//! [`Program`] puts an agent on this host, or reads a recording of one, and prints what happens, with the gadget's own
//! statements as its [`Tongue`] says them. [`Command`] is everything besides watching.

mod cli;
mod ledger;
mod programs;
mod say;
mod watch;

pub use cli::{Answer, Command, EXIT_CODES, LedgerCommand, Watch, run};
pub use programs::Programs;
pub use say::{Statements, Tongue, evidence_json, name_of, secs, subject_json};
pub use watch::Program;
