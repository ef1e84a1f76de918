//! What logs and spans tell a gadget: sums and news, never a line's text.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::log::Severity;
use crate::model::Name;
use crate::rules::RuleState;
use crate::units::Timestamp;

/// What every service has logged since the last such reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogActivity {
    /// Over how long.
    pub over: Duration,
    /// The services that logged something, by name.
    pub services: Vec<ServiceLogs>,
}

/// What one service has logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLogs {
    /// The service.
    pub service: Arc<str>,
    /// Lines.
    pub lines: u64,
    /// Those of them of severity error or fatal, or that tell of an HTTP status from 500 on.
    pub errors: u64,
    /// Bytes of text.
    pub bytes: u64,
    /// Lines that were lost on their way.
    pub lost: u64,
}

/// A service has logged a line of a template that it never logged before, or logs it again and again.
///
/// Told at its first line, and within its first minute at the second, the fourth, the eighth and so on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTemplate {
    /// The service.
    pub service: Arc<str>,
    /// The template, its values masked: `connection to <*> refused`.
    pub template: Arc<str>,
    /// Its number, the same as long as the agent lives.
    pub id: u32,
    /// How grave the line says it is.
    pub severity: Option<Severity>,
    /// When it was logged.
    pub at: Timestamp,
    /// Templates known of the service before this one...
    pub known: u32,
    /// ...and lines seen of it.
    pub lines: u64,
    /// Other templates of the service that have most of its words: none for something wholly new.
    pub kin: u32,
    /// How often it was logged so far: one for news.
    pub count: u64,
    /// How often other services had logged the like before.
    pub elsewhere: u64,
}

/// The requests of one kind that a service answered of late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanStats {
    /// The service.
    pub service: Arc<str>,
    /// What was asked of it: a route, a query; the template of the lines that tell of it.
    pub name: Arc<str>,
    /// Over how long.
    pub over: Duration,
    /// How many.
    pub count: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
}

/// Somebody asks for what was logged of late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureCall {
    /// Who: an operator, an embedder's own alert.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// About which service, if one.
    pub service: Option<Arc<str>>,
}

/// How a learned rule of redaction does in its trial: it is told what it would hide, and hides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// The rule.
    pub rule: u32,
    /// What it finds: `ssn`, `phone`.
    pub finds: Name,
    /// The rule in words, without a value: `after "patient no": digits{4} - digits{4}`.
    pub text: Arc<str>,
    /// Whether it is on trial or adopted.
    pub state: RuleState,
    /// Values that the slow path found and it would have found as well...
    pub agreed: u64,
    /// ...and values that it would have hidden where the slow path was asked and found none.
    pub disagreed: u64,
    /// Lines it was tried on since it was made...
    pub lines: u64,
    /// ...and those of them, taken for clean, in which it would hide something.
    pub lookalikes: u64,
    /// The longest it took for a line, in steps.
    pub worst: u32,
    /// When it was made.
    pub since: Timestamp,
    /// When it ends unless it is found useful until then.
    pub expires: Timestamp,
}
