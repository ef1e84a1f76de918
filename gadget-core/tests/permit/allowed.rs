//! The one way that compiles: review, record, apply.
use gadget_core::{Action, Ledger, Plan, Policy, Request};

fn act(
    action: &mut dyn Action,
    policy: &mut Policy,
    ledger: &mut Ledger,
    plan: &Plan,
    request: &Request<'_>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (_review, permit) = policy.review(plan, request);
    if let Some(permit) = permit {
        let undo = action.prepare(permit.plan())?;
        let recorded = ledger.intend(permit, undo, request.now)?;
        action.apply(recorded)?;
    }
    Ok(())
}

fn main() {
    let _ = act;
}
