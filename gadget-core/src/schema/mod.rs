//! Settings whose checks, documentation and default file all come from one table.

mod error;
mod field;
mod print;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use error::SettingsError;
pub use field::{Field, TextCheck};

use crate::policy::{line, nearest};

/// The longest text of settings that is read, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// Every setting of a `T`, in tables one deep, as TOML has them.
///
/// ```
/// use gadget_core::{Field, Key, Schema, Table};
///
/// #[derive(Clone, Debug, Default, PartialEq)]
/// struct Settings {
///     groups: u32,
/// }
///
/// static SCHEMA: Schema<Settings> = Schema {
///     tables: &[Table {
///         name: "tail",
///         about: "How all others are summed.",
///         keys: &[Key::new("groups", "Rows at most.", Field::Count(|it| &mut it.groups, 0, 999))],
///     }],
///     rules: &[],
/// };
///
/// let set = SCHEMA.patch(&Settings::default(), "[tail]\ngroups = 7", &[])?;
/// assert_eq!(set.groups, 7);
/// let refused = SCHEMA.patch(&set, "[tail]\ngruops = 8", &[]).unwrap_err().to_string();
/// assert_eq!(refused, "line 2: there is no tail.gruops; did you mean tail.groups?");
/// # Ok::<(), gadget_core::SettingsError>(())
/// ```
#[derive(Debug)]
pub struct Schema<T: 'static> {
    /// The tables, in the order in which they are documented.
    pub tables: &'static [Table<T>],
    /// What has to hold between settings; checked when each is in its range.
    pub rules: &'static [Rule<T>],
}

/// One table of settings.
#[derive(Debug)]
pub struct Table<T: 'static> {
    /// Its name.
    pub name: &'static str,
    /// What it is about, in a sentence.
    pub about: &'static str,
    /// Its settings.
    pub keys: &'static [Key<T>],
}

/// One setting.
#[derive(Debug)]
pub struct Key<T: 'static> {
    name: &'static str,
    about: &'static str,
    field: Field<T>,
    later: Option<&'static str>,
}

/// Checks one thing between settings; what is wrong is told as a key and what its value has to be.
pub type Rule<T> = fn(&T) -> Result<(), (&'static str, String)>;

/// One setting that is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The key, with its table.
    pub key: String,
    /// What it was, as TOML has it.
    pub from: String,
    /// What it is.
    pub to: String,
    /// When that takes effect; none for at once.
    pub later: Option<&'static str>,
}

/// Prints as `sketch.accuracy 0.0075 -> 0.01, with the next window`.
impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} -> {}", self.key, self.from, self.to)?;
        self.later.map_or(Ok(()), |later| write!(f, ", {later}"))
    }
}

impl<T> Key<T> {
    /// A setting that takes effect at once. `about` says what it does, and who wants another value.
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str, field: Field<T>) -> Self {
        Self { name, about, field, later: None }
    }

    /// A setting that takes effect `when`, and not at once.
    #[must_use]
    pub const fn later(
        name: &'static str,
        about: &'static str,
        field: Field<T>,
        when: &'static str,
    ) -> Self {
        Self { name, about, field, later: Some(when) }
    }
}

impl<T: Clone> Schema<T> {
    /// `over` with what `text` says: all of it, or an error and nothing. Tables that `others` names belong to somebody else.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn patch(&self, over: &T, text: &str, others: &[&str]) -> Result<T, SettingsError> {
        if text.len() > MAX_TEXT {
            return Err(SettingsError::Syntax {
                line: 1,
                problem: format!("has to be of at most {MAX_TEXT} bytes, found {}", text.len()),
            });
        }
        let table = DeTable::parse(text).map_err(|error| SettingsError::Syntax {
            line: line(text, error.span().map_or(0, |span| span.start)),
            problem: error.message().to_owned(),
        })?;
        let mut set = over.clone();
        for (name, value) in table.get_ref() {
            match self.tables.iter().find(|table| table.name == name.get_ref()) {
                Some(table) => table.take(&mut set, text, name, value)?,
                None if others.contains(&&**name.get_ref()) => {}
                None => {
                    let known = self.tables.iter().map(|table| table.name);
                    let known = known.chain(others.iter().copied());
                    return Err(unknown(text, "", name, known));
                }
            }
        }
        self.check(&set)
            .map_err(|error| error.at_line(|key| line_of(text, table.get_ref(), key)))?;
        Ok(set)
    }

    /// Says which value is out of its range, or does not go with another one; for settings that code has made.
    ///
    /// # Errors
    /// [`SettingsError::Value`] for the first one.
    pub fn check(&self, set: &T) -> Result<(), SettingsError> {
        let mut set = set.clone();
        for (table, key) in self.keys() {
            if let Err(problem) = key.field.check(&mut set) {
                let key = format!("{}.{}", table.name, key.name);
                return Err(SettingsError::Value { line: None, key, problem });
            }
        }
        for rule in self.rules {
            rule(&set).map_err(|(key, problem)| SettingsError::Value {
                line: None,
                key: key.to_owned(),
                problem,
            })?;
        }
        Ok(())
    }

    /// What differs.
    pub fn changes(&self, from: &T, to: &T) -> Vec<Changed> {
        let (mut from, mut to) = (from.clone(), to.clone());
        let changed = self.keys().filter_map(|(table, key)| {
            let (from, to) = (key.field.print(&mut from), key.field.print(&mut to));
            let name = || format!("{}.{}", table.name, key.name);
            (from != to).then(|| Changed { key: name(), from, to, later: key.later })
        });
        changed.collect()
    }

    /// `next`, but for those settings that take effect later: they are still as in `now`.
    #[must_use]
    pub fn at_once(&self, now: &T, next: &T) -> T {
        let (mut now, mut set) = (now.clone(), next.clone());
        for (_, key) in self.keys().filter(|(_, key)| key.later.is_some()) {
            key.field.copy(&mut now, &mut set);
        }
        set
    }

    /// Every key, with its table.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.keys().map(|(table, key)| format!("{}.{}", table.name, key.name))
    }

    fn keys(&self) -> impl Iterator<Item = (&Table<T>, &Key<T>)> {
        self.tables.iter().flat_map(|table| table.keys.iter().map(move |key| (table, key)))
    }
}

impl<T> Table<T> {
    fn take(
        &self,
        set: &mut T,
        text: &str,
        name: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), SettingsError> {
        let DeValue::Table(inner) = value.get_ref() else {
            return Err(SettingsError::Value {
                line: Some(line(text, name.span().start)),
                key: self.name.to_owned(),
                problem: "has to be a table".to_owned(),
            });
        };
        for (name, value) in inner {
            let Some(key) = self.keys.iter().find(|key| key.name == name.get_ref()) else {
                let known = self.keys.iter().map(|key| key.name);
                return Err(unknown(text, self.name, name, known));
            };
            key.field.take(set, text, value).map_err(|problem| SettingsError::Value {
                line: Some(line(text, name.span().start)),
                key: format!("{}.{}", self.name, key.name),
                problem,
            })?;
        }
        Ok(())
    }
}

fn unknown<'a>(
    text: &str,
    table: &str,
    key: &Spanned<Cow<'_, str>>,
    known: impl Iterator<Item = &'a str>,
) -> SettingsError {
    let full = |name: &str| {
        if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") }
    };
    SettingsError::UnknownKey {
        line: line(text, key.span().start),
        key: full(key.get_ref()),
        nearest: nearest(key.get_ref(), known).map(full),
    }
}

fn line_of(text: &str, table: &DeTable<'_>, key: &str) -> Option<usize> {
    let (name, key) = key.split_once('.')?;
    let inner = table.get(name)?.get_ref().as_table()?;
    Some(line(text, inner.get_key_value(key)?.0.span().start))
}
