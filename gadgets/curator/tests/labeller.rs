//! The labeller allocates nothing once it has seen a line as long.

use gadget_core::testing::{Counting, allocations};
use gadget_curator::Labeller;

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn once_warm_a_line_is_labelled_without_allocating() {
    let mut labeller = Labeller::shipped();
    let mut spans = Vec::with_capacity(64);
    let long = "user=ann phone=+44 20 7946 0123 name=\"Ann Smith\" ".repeat(12);
    let before = allocations();
    labeller.label(long.as_bytes(), &mut spans);
    assert!(allocations() > before, "the meter does not count");
    assert!(spans.len() > 10, "{spans:?}");
    let before = allocations();
    for line in [
        long.as_str(),
        "Dear Mr. Jones, your card 4111 1111 1111 1111 was declined",
        "plain text",
        "",
    ] {
        spans.clear();
        labeller.label(line.as_bytes(), &mut spans);
    }
    assert_eq!(allocations(), before);
}
