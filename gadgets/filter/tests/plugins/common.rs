//! What the tests of plug-ins share.

use std::time::Duration;

use gadget_core::Timestamp;
use gadget_filter::{
    Answer, Fields, Filter, Limits, LoadError, Package, Plugin, Reason, Runtime, TrustedKeys, seal,
};

const SEED: [u8; 32] = [42; 32];

pub(crate) fn keys() -> TrustedKeys {
    TrustedKeys::of_seed(&SEED)
}

/// Limits that a busy machine does not reach by itself.
pub(crate) fn limits() -> Limits {
    Limits { fuel: 1 << 40, deadline: Duration::from_secs(20), ..Limits::default() }
}

pub(crate) fn runtime(limits: Limits) -> Runtime {
    Runtime::new(limits).unwrap()
}

fn source(file: &str) -> String {
    std::fs::read_to_string(format!("{}/plugins/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(crate) fn manifest(name: &str) -> String {
    source(&format!("{name}.toml"))
}

pub(crate) fn package(name: &str) -> Vec<u8> {
    seal(&SEED, &manifest(name), &wat::parse_str(source(&format!("{name}.wat"))).unwrap()).unwrap()
}

pub(crate) fn open(runtime: &Runtime, package: &[u8]) -> Result<Plugin, LoadError> {
    Plugin::load(runtime, &Package::parse(package)?.verify(&keys())?)
}

/// One of the samples, signed and loaded.
pub(crate) fn sample(name: &str, limits: Limits) -> Plugin {
    open(&runtime(limits), &package(name)).unwrap()
}

/// A plug-in of this source for `command_line`, with 100 bytes of input.
pub(crate) fn load(runtime: &Runtime, wat: &str) -> Result<Plugin, LoadError> {
    let manifest = "abi = 1\nname = \"test\"\nversion = \"0.0.1\"\nfields = [\"command_line\"]\ninput_bytes = 100";
    open(runtime, &seal(&SEED, manifest, &wat::parse_str(wat).unwrap()).unwrap())
}

pub(crate) fn filter(filter: &mut impl Filter, field: &str, text: &str) -> Result<String, Reason> {
    let mut out = String::new();
    Ok(match filter.apply(field, text, &mut out)? {
        Answer::Same => text.to_owned(),
        Answer::Other => out,
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) command_line: String,
    pub(crate) user_name: String,
    pub(crate) command_name: String,
}

impl Row {
    pub(crate) fn of(text: &str) -> Self {
        Self { command_line: text.into(), user_name: text.into(), command_name: text.into() }
    }
}

impl Fields for Row {
    fn each_field(&mut self, visit: &mut dyn FnMut(&str, &mut String)) {
        visit("command_line", &mut self.command_line);
        visit("user_name", &mut self.user_name);
        visit("command_name", &mut self.command_name);
    }
}

pub(crate) fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

/// CPU time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.cast_unsigned(), u32::try_from(now.tv_nsec).unwrap())
}
