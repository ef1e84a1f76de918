//! Changing the plan after it was permitted.
use gadget_core::{Permit, Step};

fn change(permit: &mut Permit) {
    permit.plan().step = Step::Kill;
}

fn main() {
    let _ = change;
}
