//! Who may have a row of its own.

use gadget_core::{CensusRow, Glob};
use gadget_envelope::escape;

use crate::names::Names;
use crate::settings;

/// What a pattern is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    User,
    Cgroup,
    Container,
}

/// Patterns, ready to be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    include: Vec<(Field, Glob)>,
    exclude: Vec<(Field, Glob)>,
}

impl Filter {
    /// `settings` were checked: what is none of the four kinds is not looked at.
    pub(crate) fn new(settings: &settings::Filter) -> Self {
        let patterns = |texts: &[String]| {
            let parsed = texts.iter().filter_map(|text| {
                let (field, pattern) = text.split_once(':')?;
                let field = match field {
                    "name" => Field::Name,
                    "user" => Field::User,
                    "cgroup" => Field::Cgroup,
                    "container" => Field::Container,
                    _ => return None,
                };
                Some((field, Glob::new(pattern).ok()?))
            });
            parsed.collect()
        };
        Self { include: patterns(&settings.include), exclude: patterns(&settings.exclude) }
    }

    pub(crate) fn admits(&self, row: &CensusRow, names: &Names) -> bool {
        let any = |patterns: &[(Field, Glob)]| {
            patterns.iter().any(|(field, pattern)| match field {
                Field::Name => pattern.matches(&escape(row.comm.as_bytes())),
                Field::User => match names.user(row.uid) {
                    Some(name) => pattern.matches(name) || pattern.matches(&row.uid.to_string()),
                    None => pattern.matches(&row.uid.to_string()),
                },
                Field::Cgroup => names.cgroup(row).is_some_and(|it| pattern.matches(&it.path)),
                Field::Container => {
                    let container = names.cgroup(row).and_then(|it| it.container.as_ref());
                    container.is_some_and(|it| pattern.matches(&it.id))
                }
            })
        };
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}
