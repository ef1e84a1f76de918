//! Making two of one.
use gadget_core::{Permit, RecordedPermit};

fn twice(permit: &Permit) -> Permit {
    permit.clone()
}

fn recorded_twice(permit: &RecordedPermit) -> RecordedPermit {
    permit.clone()
}

fn main() {
    let _ = (twice, recorded_twice);
}
