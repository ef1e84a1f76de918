//! The newcomer as a program: watches this host and says what it would do.
//!
//! `newcomer` runs until it is interrupted, `newcomer 10` for ten seconds.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use gadget_core::{Agent, Stop};
use gadget_newcomer::{Config, Newcomer};
use gadget_signals::HostMemoryProvider;

fn main() -> Result<()> {
    let stop = Stop::new();
    if let Some(seconds) = std::env::args().nth(1) {
        let seconds = seconds.parse().context("the argument is a number of seconds")?;
        let stop = stop.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(seconds));
            stop.stop();
        });
    }
    // Without a policy an agent observes: it says what it would do, and does nothing.
    let mut agent = Agent::builder()
        .provider(HostMemoryProvider::host()?, Duration::from_secs(1))
        .gadget(Newcomer::new(Config::default())?)
        .on_event(|event, _| println!("{event}"))
        .build()?;
    agent.run(&stop);
    Ok(())
}
