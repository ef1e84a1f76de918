//! Using one permit for two effects.
use gadget_core::{Action, Ledger, Permit, RecordedPermit, Timestamp, Undo};

fn record(ledger: &mut Ledger, permit: Permit, now: Timestamp) {
    let _ = ledger.intend(permit, Undo::Nothing, now);
    let _ = ledger.intend(permit, Undo::Nothing, now);
}

fn act(action: &mut dyn Action, permit: RecordedPermit) {
    let _ = action.apply(permit);
    let _ = action.apply(permit);
}

fn main() {
    let _ = (record, act);
}
