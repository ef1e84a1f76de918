//! Making a permit from text.
use gadget_core::{Permit, RecordedPermit};

fn read<'de, T: serde::Deserialize<'de>>() {}

fn main() {
    read::<Permit>();
    read::<RecordedPermit>();
}
