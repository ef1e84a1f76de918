//! Sending what led to an incident: everything that was logged in its time, what is new first.

mod budget;
mod file;
mod json;
mod kept;
mod order;
#[cfg(feature = "otlp")]
mod otlp;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use gadget_core::FlushRequest;
use serde::{Deserialize, Serialize};

use crate::ring::{Archive, Entry};
use crate::trigger::LogWatch;

use order::Order;

pub use budget::{Budget, BudgetError, BudgetSettings, Spent};
pub use file::FileSink;
pub use kept::Kept;
#[cfg(feature = "otlp")]
pub use otlp::OtlpSink;

/// What is sent, before its lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Why, and of which time.
    pub request: FlushRequest,
    /// Lines in that time.
    pub lines: u64,
    /// Bytes of their text.
    pub bytes: u64,
    /// The services that they are of.
    pub services: Vec<Arc<str>>,
    /// Templates that come first, the newest first, with their novelty.
    pub news: Vec<News>,
}

/// A template that is rare for its service, or was never there before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct News {
    /// The service.
    pub service: Arc<str>,
    /// The template, its values masked.
    pub template: String,
    /// Its lines in this time.
    pub lines: u64,
    /// How new: its frequency in this time, weighed by how rare it was before (TF-IDF).
    pub novelty: f64,
}

/// Where an incident is sent to.
pub trait Sink {
    /// Begins with what is to come.
    ///
    /// # Errors
    /// What keeps it from being taken. The incident is not sent then.
    fn begin(&mut self, summary: &Summary) -> io::Result<()>;

    /// Takes a line. Those with a novelty come first, in its order; then all others, in order of time. Each line comes once.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn line(&mut self, entry: &Entry<'_>, novelty: Option<f64>) -> io::Result<()>;

    /// Ends it: all of it is durable when this returns.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn end(&mut self) -> io::Result<()>;
}

/// A function of the embedder's, called with each line.
impl<F: FnMut(&Entry<'_>, Option<f64>) -> io::Result<()>> Sink for F {
    fn begin(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }
    fn line(&mut self, entry: &Entry<'_>, novelty: Option<f64>) -> io::Result<()> {
        self(entry, novelty)
    }
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends what was logged in the time of `request`, and says what that was. Everything is sent; what is new comes first. What is sent
/// must be there until it has been: where that takes long, [`Kept`] is better.
///
/// # Errors
/// Those of the sink.
pub fn flush(
    archive: &Archive,
    request: &FlushRequest,
    watch: &LogWatch,
    sink: &mut dyn Sink,
) -> io::Result<Summary> {
    let order = Order::of(archive, request, watch);
    order.give(archive, sink)?;
    Ok(order.summary)
}
