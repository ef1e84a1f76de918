//! Making a permit from its parts.
use gadget_core::{Permit, Plan, RecordedPermit, Timestamp, Undo};

fn permit(plan: Plan, expires: Timestamp) -> Permit {
    Permit { plan, expires }
}

fn recorded(plan: Plan, undo: Undo) -> RecordedPermit {
    RecordedPermit { plan, undo }
}

fn main() {
    let _ = (permit, recorded);
}
