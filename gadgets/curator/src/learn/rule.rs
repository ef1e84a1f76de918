//! A learned rule: what it is anchored to, what it hides, the tests it came with, and how it did.

use std::sync::Arc;
use std::time::Duration;

use gadget_core::{RuleReport, RuleState, Timestamp};
use serde::{Deserialize, Serialize};

use super::key::{self, Anchor};
use crate::entity::Entity;
use crate::scan::{CompiledRule, Learned, Shape};
use crate::span::Span;

/// A rule that found nothing for so long ends.
pub(crate) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Texts of each kind among a rule's tests.
pub(crate) const MOST_TESTS: usize = 8;
/// Services that a rule may reach.
pub(crate) const MOST_SERVICES: usize = 64;
/// Bytes of a test.
const TEST_BYTES: usize = 192;

/// What people write where a value could stand, and what none is. A rule that would hide several of them is none.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    "true", "false", "null", "none", "ok", "yes", "no", "0", "1", "42", "200", "404", "500", "8080", "65535", "1024", "GET", "POST", "INFO",
    "ERROR", "WARN", "failed", "success", "error", "pending", "enabled", "2024-01-31", "10:11:12", "2024-01-31T10:11:12Z",
    "1706695872", "127.0.0.1", "/usr/bin/env", "/api/v1/items", "12ms", "3.5", "99%", "v1.2.3", "main.go:17", "eth0", "localhost",
    "connection refused", "Connection refused", "Not Found", "timeout", "node-3", "worker-12", "x86_64", "en_US", "text/html",
];

/// The most of [`COMMON`] that a shape may fit.
const FITS: usize = 1;

/// The tests that a rule comes with. All are made up in the shape of what was seen: letters are `a` or `A`, digits `9`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTests {
    /// What it has to find.
    pub matches: Vec<String>,
    /// Clean text that has its key, and that it must not touch.
    pub spared: Vec<String>,
}

/// How a rule did, on trial and since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Values it would have hidden, or has.
    pub hits: u64,
    /// Those of them that the slow path found as well...
    pub agreed: u64,
    /// ...and those where it was asked and found none.
    pub disagreed: u64,
    /// Lines since it was made.
    pub lines: u64,
    /// Those of them that were clean, and that it touched.
    pub lookalikes: u64,
}

/// A rule as it was learned. Holds no value, and none can be read off it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its number; none is given twice.
    pub id: u32,
    /// The words before the value, in lower case.
    pub key: String,
    /// What ends each of the other values between the key and this one, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<String>,
    /// What a value looks like.
    pub shape: Shape,
    /// What it is.
    pub entity: Entity,
    /// The services in which the slow path has confirmed it, which are all that it reaches.
    pub services: Vec<Arc<str>>,
    /// Whether it is on trial, adopted or retired.
    pub state: RuleState,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends, unless the slow path confirms it before.
    pub expires: Timestamp,
    /// The tests it came with.
    pub tests: RuleTests,
    /// How it did.
    pub tally: Tally,
    /// The longest that a line takes, in steps.
    pub worst: u32,
}

/// Why something is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotARule {
    /// Its key is none, or one by which lines are told apart.
    #[error("no rule may be anchored to its key")]
    Key,
    /// It would hide what people write everywhere.
    #[error("its shape fits too much")]
    Shape,
    /// It does not do what it came with tests for.
    #[error("it fails its own tests")]
    Tests,
    /// There is too much of something, or it was made after it ends.
    #[error("it is out of bounds")]
    Bounds,
}

impl Rule {
    /// For the fast path.
    #[must_use]
    pub fn compiled(&self) -> CompiledRule {
        CompiledRule {
            id: self.id,
            key: self.key.clone().into_bytes(),
            past: self.past.iter().map(|text| text.clone().into_bytes()).collect(),
            shape: self.shape.clone(),
            entity: self.entity,
        }
    }

    /// Looks at everything about it: it may come from a file that somebody else has written.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), NotARule> {
        if !key::is_admissible(&self.key) || !key::is_past(&self.past) {
            return Err(NotARule::Key);
        }
        if !is_specific(&self.shape) {
            return Err(NotARule::Shape);
        }
        let RuleTests { matches, spared } = &self.tests;
        let texts = || matches.iter().chain(spared);
        let bounded = (1..=MOST_TESTS).contains(&matches.len())
            && spared.len() <= MOST_TESTS
            && texts().all(|text| text.len() <= TEST_BYTES)
            && (1..=MOST_SERVICES).contains(&self.services.len())
            && self.services.iter().all(|service| service.len() <= 256)
            && self.made < self.expires;
        if !bounded {
            return Err(NotARule::Bounds);
        }
        let learned = Learned::new(&[self.compiled()]);
        let mut spans = Vec::new();
        let mut finds = |text: &String| {
            spans.clear();
            learned.scan(text.as_bytes(), &mut spans);
            !spans.is_empty()
        };
        if !matches.iter().all(&mut finds) || spared.iter().any(finds) {
            return Err(NotARule::Tests);
        }
        Ok(())
    }

    /// What the control plane hears of it.
    #[must_use]
    pub fn report(&self) -> RuleReport {
        RuleReport {
            rule: self.id,
            finds: self.entity.name().into(),
            text: self.to_string().into(),
            state: self.state,
            agreed: self.tally.agreed,
            disagreed: self.tally.disagreed,
            lines: self.tally.lines,
            lookalikes: self.tally.lookalikes,
            worst: self.worst,
            since: self.made,
            expires: self.expires,
        }
    }

    pub(crate) fn anchor(&self) -> Anchor {
        Anchor { key: self.key.clone(), past: self.past.clone() }
    }

    /// True if it finds this kind of value after this anchor.
    pub(crate) fn is_of(&self, anchor: &Anchor, entity: Entity) -> bool {
        self.entity == entity && self.key == anchor.key && self.past == anchor.past
    }

    /// True if the slow path has confirmed it in this service.
    #[must_use]
    pub fn reaches(&self, service: &str) -> bool {
        self.services.iter().any(|known| **known == *service)
    }

    pub(crate) fn add_service(&mut self, service: &Arc<str>) {
        if self.services.len() < MOST_SERVICES && !self.reaches(service) {
            self.services.push(Arc::clone(service));
        }
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "after {:?}", self.key)?;
        self.past.iter().try_for_each(|text| write!(f, ", past {text:?}"))?;
        write!(f, ": {}", self.shape)
    }
}

/// What a value of this kind is generalised to. Of secrets and addresses only the length is alike, and that not much; how long a word of
/// a name is tells nothing of the next one.
pub(crate) fn shape_of(value: &[u8], entity: Entity) -> Shape {
    let token = matches!(
        entity,
        Entity::Email
            | Entity::Password
            | Entity::ApiKey
            | Entity::Jwt
            | Entity::Secret
            | Entity::ConnectionString
    );
    let is_part = |byte: &u8| match token {
        true => byte.is_ascii_alphanumeric() || *byte >= 0x80 || b"_-.+/~".contains(byte),
        false => byte.is_ascii_lowercase() || *byte >= 0x80,
    };
    let shape = |value: &[u8]| if token { Shape::of_token(value) } else { Shape::of(value) };
    let lengths = match entity {
        Entity::Email => |_| [2, 40],
        _ if token => |length| [length / 3 * 2, length * 3 / 2],
        _ => |_| [2, 20],
    };
    [0, 1].into_iter().fold(shape(value), |joined, end| {
        let other = with_parts_of(value, is_part, |length| lengths(length)[end]);
        joined.join(&shape(&other)).unwrap_or(joined)
    })
}

/// `value` with each of its parts of another length; a single byte stays one.
fn with_parts_of(
    value: &[u8],
    is_part: impl Fn(&u8) -> bool,
    length: impl Fn(usize) -> usize,
) -> Vec<u8> {
    let mut other = Vec::new();
    for run in value.chunk_by(|one, two| is_part(one) && is_part(two)) {
        match run {
            [first, _, ..] if is_part(first) => {
                other.extend(std::iter::repeat_n(b'a', length(run.len())))
            }
            _ => other.extend(run),
        }
    }
    other
}

/// True unless the shape fits what people write everywhere.
pub(crate) fn is_specific(shape: &Shape) -> bool {
    let fits = |text: &&&str| shape.fits(text.as_bytes()) == Some(text.len());
    shape.fits(b"").is_none() && COMMON.iter().filter(fits).count() <= FITS
}

/// Text in the shape of `bytes`, without any of its letters and digits.
pub(crate) fn filler(bytes: &[u8]) -> String {
    let fill = |c: char| match c {
        '0'..='9' => '9',
        'A'..='Z' => 'A',
        'a'..='z' => 'a',
        c if c.is_ascii() && !c.is_ascii_control() => c,
        c if c.is_ascii() => ' ',
        c if c.is_uppercase() => 'A',
        c if c.is_alphabetic() => 'a',
        _ => '?',
    };
    String::from_utf8_lossy(bytes).chars().map(fill).collect()
}

/// A test: the key, what stood between, and what stood after it in the shape of it. Of other values between nothing is told.
pub(crate) fn test_of(anchor: &Anchor, between: &[u8], value: &[u8]) -> String {
    let mut text = anchor.key.clone();
    match &*anchor.past {
        [] => text += &filler(between),
        past => past.iter().for_each(|ends| text.extend([" -", ends])),
    }
    text += &filler(value);
    text.truncate(
        (0..=TEST_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0),
    );
    text
}

/// The longest that `rule` takes for a line, in steps: bytes of values looked at, on lines that are made to keep it busy.
pub(crate) fn worst(rule: &CompiledRule, tests: &[String]) -> u32 {
    const LINE: usize = 4096;
    let learned = Learned::new(std::slice::from_ref(rule));
    let key = String::from_utf8_lossy(&rule.key).into_owned();
    let mut lines = vec![format!("{key}="), format!("{key} {key}: "), format!("{key}=\"")];
    // Values that nearly fit: the last byte is another, or they go on.
    lines.extend(tests.iter().map(|test| format!("{test}~ ")));
    lines.extend(tests.iter().map(|test| format!("{}~ ", &test[..test.len().saturating_sub(1)])));
    lines.extend(
        tests.iter().map(|test| format!("{test} {}", test.rsplit(' ').next().unwrap_or_default())),
    );
    let mut spans = Vec::new();
    let steps = lines.iter().map(|part| {
        let line = part.repeat(LINE / part.len().max(1) + 1);
        spans.clear();
        learned.steps(&line.as_bytes()[..LINE], &mut spans)
    });
    steps.max().unwrap_or(0)
}

/// True if the spans share a byte.
pub(crate) const fn overlap(one: &Span, other: &Span) -> bool {
    one.start < other.end && other.start < one.end
}
