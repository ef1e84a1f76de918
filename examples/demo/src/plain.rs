//! The story in lines, for logs and pipes.

use gadget_core::Bytes;

use crate::story::{Kind, Story};

/// A line about memory this often, seconds.
const STATUS_EVERY: f64 = 2.0;

/// What was told already.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    deeds: usize,
    incident: bool,
    status: f64,
}

impl Plain {
    /// Prints what is new.
    pub(crate) fn tell(&mut self, story: &Story) {
        let now = story.now();
        if story.incident.is_some() && !std::mem::replace(&mut self.incident, true) {
            println!("{now:6.1} s  the leak begins");
        }
        for deed in story.deeds.iter().skip(self.deeds) {
            let word = match deed.kind {
                Kind::Decision => "decision",
                Kind::Action => "action  ",
                Kind::Outcome => "outcome ",
                Kind::Note => "note    ",
            };
            println!("{:6.1} s  {word}  {}", deed.at, deed.text);
            for (guard, says) in deed.guards.iter().filter(|(_, says)| says != "pass") {
                println!("                     {guard}: {says}");
            }
        }
        self.deeds = story.deeds.len();
        if now - self.status >= STATUS_EVERY {
            self.status = now;
            println!("{now:6.1} s  memory    {}", status(story));
        }
    }
}

fn status(story: &Story) -> String {
    let Some(sample) = story.samples.last() else { return "not read yet".to_owned() };
    let used = Bytes::new(sample.used as u64);
    let mut text = format!("{used} of {}", Bytes::new(story.limit as u64));
    if let Some(full) = sample.full {
        text += &format!(", pressure {full:.1} %");
    }
    if let Some(ms) = story.latency {
        text += &format!(", innocent p99 {ms:.1} ms");
    }
    if let Some(forecast) = story.forecast() {
        let (likely, low, high) = forecast.eta.unwrap_or_default();
        text += &format!(
            "; out of memory in {likely:.0} s ({low:.0} to {high:.0}), p {:.2}",
            forecast.probability
        );
        if let Some(culprit) = &forecast.culprit {
            text += &format!(", because of {culprit}");
        }
    }
    text
}
