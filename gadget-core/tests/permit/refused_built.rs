//! Making a permit by its constructor.
use gadget_core::{Permit, Plan, RecordedPermit, Timestamp, Undo};

fn permit(plan: Plan, expires: Timestamp) -> Permit {
    Permit::new(plan, expires)
}

fn recorded(plan: Plan, undo: Undo) -> RecordedPermit {
    RecordedPermit::new(plan, undo)
}

fn main() {
    let _ = (permit, recorded);
}
