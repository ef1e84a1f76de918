//! Between a forecast and its plan the Oracle allocates nothing.

mod sim;

use gadget_core::testing::{Counting, allocations};
use gadget_oracle::Oracle;
use sim::{Actor, Sim};

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn from_the_first_byte_of_a_leak_to_its_end_nothing_is_allocated() {
    let leak = |lived: f64| 20.0 + 8.0 * (lived - 10.0).max(0.0);
    let mut actors = vec![Actor::new(500, "report-worker", leak)];
    actors.extend((0..40).map(|index| Actor::new(600 + index, "service", |_| 5.0)));
    let mut sim = Sim::new(Oracle::builder().build().expect("the defaults are valid"), actors);
    sim.meter = allocations;
    sim.run(5.0);
    assert!(sim.metered > 0, "the meter does not count");
    sim.metered = 0;
    // Held first, then let go and ended.
    let story = sim.run(120.0);
    assert!(!story.proposed.is_empty() && story.harmed() == [500], "{:?}", story.ended);
    assert_eq!(sim.metered, 0);
}
