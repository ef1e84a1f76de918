//! Short ways to say what went wrong.

use gadget_core::{ActionError, StepKind};
use rustix::io::Errno;

/// The process has ended.
pub(crate) const GONE: ActionError = ActionError::Stale { what: "the process has ended" };

/// The system refused `attempt`.
pub(crate) fn system(attempt: &'static str, errno: Errno) -> ActionError {
    ActionError::System { attempt, source: errno.into() }
}

/// The step cannot be done here, or not like this.
pub(crate) const fn unsupported(step: StepKind, needs: &'static str) -> ActionError {
    ActionError::Unsupported { step, needs }
}
