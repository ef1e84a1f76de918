//! Autonomy, granted per gadget and per kind of step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::nearest::nearest;
use crate::plan::StepKind;

/// What a gadget may do by itself. Ordered: each level includes those before it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Autonomy {
    /// Its plans are recorded.
    #[default]
    Observe,
    /// Its plans are reported to people.
    Advise,
    /// Its plans are done when a person says yes.
    Approve,
    /// Its plans are done.
    Act,
}

/// Autonomy, granted per gadget and per kind of step. What is granted to nobody is observed.
///
/// Written as a table of names and levels: `default` for every gadget that is not named, `oracle` for all steps of one
/// gadget, `"oracle.terminate"` for one kind of its steps. The most exact grant decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Autonomy>", into = "BTreeMap<String, Autonomy>")]
pub struct Grants {
    default: Autonomy,
    gadgets: Vec<Grant>,
}

#[derive(Clone, Debug, PartialEq)]
struct Grant {
    gadget: String,
    kind: Option<StepKind>,
    level: Autonomy,
}

/// The most grants in one policy.
const MAX_GRANTS: usize = 256;

impl Grants {
    /// The same level for everybody.
    #[must_use]
    pub const fn all(level: Autonomy) -> Self {
        Self { default: level, gadgets: Vec::new() }
    }

    /// Grants `level` to all steps of `gadget` that have no grant of their own.
    #[must_use]
    pub fn with(self, gadget: &str, level: Autonomy) -> Self {
        self.set(gadget, None, level)
    }

    /// Grants `level` to one kind of step of `gadget`.
    #[must_use]
    pub fn with_kind(self, gadget: &str, kind: StepKind, level: Autonomy) -> Self {
        self.set(gadget, Some(kind), level)
    }

    fn set(mut self, gadget: &str, kind: Option<StepKind>, level: Autonomy) -> Self {
        self.gadgets.retain(|grant| grant.gadget != gadget || grant.kind != kind);
        self.gadgets.push(Grant { gadget: gadget.to_owned(), kind, level });
        self.gadgets.sort_by(|a, b| (&a.gadget, a.kind).cmp(&(&b.gadget, b.kind)));
        self
    }

    /// What `gadget` may do with steps of `kind`.
    #[must_use]
    pub fn level(&self, gadget: &str, kind: StepKind) -> Autonomy {
        let find =
            |kind| self.gadgets.iter().find(|grant| grant.kind == kind && grant.gadget == gadget);
        find(Some(kind)).or_else(|| find(None)).map_or(self.default, |grant| grant.level)
    }

    /// The gadgets that are named, so that an agent can say which of them it does not run.
    pub fn gadgets(&self) -> impl Iterator<Item = &str> {
        self.gadgets.iter().map(|grant| grant.gadget.as_str())
    }
}

impl TryFrom<BTreeMap<String, Autonomy>> for Grants {
    type Error = String;

    fn try_from(table: BTreeMap<String, Autonomy>) -> Result<Self, String> {
        if table.len() > MAX_GRANTS {
            return Err(format!("expected at most {MAX_GRANTS} grants, found {}", table.len()));
        }
        let mut grants = Self::default();
        for (key, level) in table {
            match key.split_once('.') {
                None if key == "default" => grants.default = level,
                None => grants = grants.with(&key, level),
                Some((gadget, kind)) => {
                    let known = StepKind::ALL.iter().find(|known| known.name() == kind);
                    let Some(&known) = known else {
                        let names = StepKind::ALL.iter().map(|kind| kind.name());
                        let hint = nearest(kind, names)
                            .map(|name| format!("; did you mean {gadget}.{name}?"))
                            .unwrap_or_default();
                        return Err(format!("{key:?} names no kind of step{hint}"));
                    };
                    grants = grants.with_kind(gadget, known, level);
                }
            }
        }
        Ok(grants)
    }
}

impl From<Grants> for BTreeMap<String, Autonomy> {
    fn from(grants: Grants) -> Self {
        let mut table = Self::from([("default".to_owned(), grants.default)]);
        for Grant { gadget, kind, level } in grants.gadgets {
            table.insert(kind.map_or(gadget.clone(), |kind| format!("{gadget}.{kind}")), level);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_grant_decides() {
        let grants = Grants::all(Autonomy::Advise).with("oracle", Autonomy::Act).with_kind(
            "oracle",
            StepKind::Kill,
            Autonomy::Approve,
        );
        assert_eq!(grants.level("oracle", StepKind::Kill), Autonomy::Approve);
        assert_eq!(grants.level("oracle", StepKind::Freeze), Autonomy::Act);
        assert_eq!(grants.level("tuner", StepKind::Freeze), Autonomy::Advise);
    }

    #[test]
    fn nothing_granted_means_observe() {
        assert_eq!(Grants::default().level("oracle", StepKind::Reclaim), Autonomy::Observe);
    }

    #[test]
    fn a_grant_is_replaced_and_not_repeated() {
        let grants =
            Grants::default().with("oracle", Autonomy::Act).with("oracle", Autonomy::Advise);
        assert_eq!(grants.level("oracle", StepKind::Reclaim), Autonomy::Advise);
        assert_eq!(grants.gadgets().count(), 1);
    }
}
