//! Applying a permit that is not in the ledger.
use gadget_core::{Action, Permit};

fn act(action: &mut dyn Action, permit: Permit) {
    let _ = action.apply(permit);
}

fn main() {
    let _ = act;
}
