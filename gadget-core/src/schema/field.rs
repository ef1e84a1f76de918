//! The kinds of values that a setting can have.

use std::fmt::Debug;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use crate::policy::duration;

/// The most of a text that an error repeats, in bytes.
const MAX_FOUND: usize = 60;

/// Where a setting is kept, and which values it may have; the bounds are included.
pub enum Field<T> {
    /// True or false.
    Flag(fn(&mut T) -> &mut bool),
    /// A whole number.
    Count(fn(&mut T) -> &mut u32, u32, u32),
    /// A whole number that may be large.
    Whole(fn(&mut T) -> &mut u64, u64, u64),
    /// A number.
    Number(fn(&mut T) -> &mut f64, f64, f64),
    /// As many numbers as are there, each in the range.
    Numbers(fn(&mut T) -> &mut [f64], f64, f64),
    /// A time, written as a whole number and its unit.
    Time(fn(&mut T) -> &mut Duration, Duration, Duration),
    /// One of some words: their names, which one it is, and how to set it.
    Choice(&'static [&'static str], fn(&T) -> usize, fn(&mut T, usize)),
    /// At most so many texts, each of which a check may refuse by saying what it has to be.
    Texts(fn(&mut T) -> &mut Vec<String>, usize, TextCheck),
}

/// Says what a text has to be, of one that is not.
pub type TextCheck = fn(&str) -> Result<(), &'static str>;

impl<T> Debug for Field<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.range())
    }
}

impl<T> Field<T> {
    /// Sets it to what a text says; what is wrong, if it cannot be.
    pub(super) fn take(
        &self,
        set: &mut T,
        text: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), String> {
        let found = text.get(value.span()).unwrap_or_default();
        let end = (0..=found.len().min(MAX_FOUND)).rev().find(|&end| found.is_char_boundary(end));
        let found = &found[..end.unwrap_or(0)];
        let value = value.get_ref();
        let wrong = || format!("has to be {}, found {found}", self.range());
        let taken = match self {
            Self::Flag(at) => value.as_bool().map(|value| *at(set) = value),
            Self::Count(at, ..) => {
                integer(value).and_then(|value| value.try_into().ok()).map(|value| *at(set) = value)
            }
            Self::Whole(at, ..) => integer(value).map(|value| *at(set) = value),
            Self::Number(at, ..) => number(value).map(|value| *at(set) = value),
            Self::Numbers(at, ..) => {
                let array = value.as_array().ok_or_else(wrong)?;
                let numbers: Option<Vec<f64>> =
                    array.iter().map(|value| number(value.get_ref())).collect();
                let to = at(set);
                let numbers = numbers.filter(|numbers| numbers.len() == to.len());
                numbers.map(|numbers| to.copy_from_slice(&numbers))
            }
            Self::Time(at, ..) => {
                value.as_str().and_then(duration::parse).map(|value| *at(set) = value)
            }
            Self::Choice(names, _, choose) => {
                let name = value.as_str();
                let chosen = names.iter().position(|&known| Some(known) == name);
                chosen.map(|chosen| choose(set, chosen))
            }
            Self::Texts(at, ..) => {
                let array = value.as_array().ok_or_else(wrong)?;
                let texts: Option<Vec<String>> =
                    array.iter().map(|value| value.get_ref().as_str().map(str::to_owned)).collect();
                texts.map(|texts| *at(set) = texts)
            }
        };
        taken.ok_or_else(wrong)?;
        self.check(set)
    }

    /// What is wrong with the value that is set, if anything.
    pub(super) fn check(&self, set: &mut T) -> Result<(), String> {
        let within = match self {
            Self::Flag(_) => true,
            Self::Count(at, least, most) => (*least..=*most).contains(at(set)),
            Self::Whole(at, least, most) => (*least..=*most).contains(at(set)),
            Self::Number(at, least, most) => (*least..=*most).contains(at(set)),
            Self::Numbers(at, least, most) => {
                at(set).iter().all(|number| (*least..=*most).contains(number))
            }
            Self::Time(at, least, most) => (*least..=*most).contains(at(set)),
            Self::Choice(names, which, _) => which(set) < names.len(),
            Self::Texts(at, most, check) => {
                if let Some((text, expected)) =
                    at(set).iter().find_map(|text| Some((text, check(text).err()?)))
                {
                    return Err(format!("has to hold {expected}, found {text:?}"));
                }
                at(set).len() <= *most
            }
        };
        if within {
            return Ok(());
        }
        Err(format!("has to be {}, found {}", self.range(), self.print(set)))
    }

    pub(super) fn copy(&self, from: &mut T, to: &mut T) {
        match self {
            Self::Flag(at) => *at(to) = *at(from),
            Self::Count(at, ..) => *at(to) = *at(from),
            Self::Whole(at, ..) => *at(to) = *at(from),
            Self::Number(at, ..) => *at(to) = *at(from),
            Self::Numbers(at, ..) => at(to).copy_from_slice(at(from)),
            Self::Time(at, ..) => *at(to) = *at(from),
            Self::Choice(_, which, choose) => choose(to, which(from)),
            Self::Texts(at, ..) => at(to).clone_from(at(from)),
        }
    }

    /// The values that it may have.
    pub(super) fn range(&self) -> String {
        match self {
            Self::Flag(_) => "true or false".to_owned(),
            Self::Count(_, least, most) => format!("a whole number from {least} to {most}"),
            Self::Whole(_, least, most) => format!("a whole number from {least} to {most}"),
            Self::Number(_, least, most) => format!("a number from {least} to {most}"),
            Self::Numbers(_, least, most) => {
                format!("as many numbers as the default, each from {least} to {most}")
            }
            Self::Time(_, least, most) => {
                let [least, most] = [*least, *most].map(duration::print);
                format!("a time from \"{least}\" to \"{most}\"")
            }
            Self::Choice(names, ..) => {
                let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
                format!("one of {}", names.join(", "))
            }
            Self::Texts(_, most, _) => format!("a list of at most {most} texts"),
        }
    }

    /// What is set, as TOML has it.
    pub(super) fn print(&self, set: &mut T) -> String {
        match self {
            Self::Flag(at) => at(set).to_string(),
            Self::Count(at, ..) => at(set).to_string(),
            Self::Whole(at, ..) => at(set).to_string(),
            Self::Number(at, ..) => print_number(*at(set)),
            Self::Numbers(at, ..) => print_list(at(set).iter().map(|&number| print_number(number))),
            Self::Time(at, ..) => quoted(&duration::print(*at(set))),
            Self::Choice(names, which, _) => {
                names.get(which(set)).map_or_else(|| "no choice".to_owned(), |name| quoted(name))
            }
            Self::Texts(at, ..) => print_list(at(set).iter().map(|text| quoted(text))),
        }
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
        _ => None,
    }
}

/// TOML has no number that begins or ends with a dot, and writes infinity as `inf`; so does Rust.
fn print_number(number: f64) -> String {
    if number.is_nan() { "nan".to_owned() } else { format!("{number:?}") }
}

fn print_list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\0'..='\x1f' | '\x7f' => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}
