//! Floats that JSON lacks: written as `null`, read back as NaN.

use arrayvec::ArrayVec;
use serde::{Deserialize, Deserializer};

use crate::model::{Evidence, MAX_EVIDENCE, Name};

/// A float in JSON, or as it is in formats that have all floats.
pub(crate) fn float<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    if from.is_human_readable() {
        Option::deserialize(from).map(|float| float.unwrap_or(f64::NAN))
    } else {
        f64::deserialize(from)
    }
}

/// Evidence whose values are such floats.
pub(crate) fn evidence<'de, D: Deserializer<'de>>(from: D) -> Result<Evidence, D::Error> {
    #[derive(Deserialize)]
    struct Item(Name, #[serde(deserialize_with = "float")] f64);
    let items = ArrayVec::<Item, MAX_EVIDENCE>::deserialize(from)?;
    Ok(items.into_iter().map(|Item(name, value)| (name, value)).collect())
}
