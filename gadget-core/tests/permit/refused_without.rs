//! Applying a plan that nobody permitted.
use gadget_core::{Action, Plan};

fn act(action: &mut dyn Action, plan: Plan) {
    let _ = action.apply(plan);
}

fn main() {
    let _ = act;
}
