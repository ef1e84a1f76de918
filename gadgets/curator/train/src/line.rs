//! A made-up line: text with the values in it.

use gadget_curator::Entity;

/// Text that is one value, or none.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// What it is.
    pub entity: Option<Entity>,
}

/// A text in pieces.
#[derive(Clone, Debug, Default)]
pub struct Text(pub Vec<Piece>);

impl Text {
    /// Text without a value.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(vec![Piece { text: text.into(), entity: None }])
    }

    /// A value.
    pub fn value(text: impl Into<String>, entity: Entity) -> Self {
        Self(vec![Piece { text: text.into(), entity: Some(entity) }])
    }

    /// Appends text without a value.
    pub fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(last) if last.entity.is_none() => last.text.push_str(text),
            _ => self.0.push(Piece { text: text.to_owned(), entity: None }),
        }
    }

    /// Appends another text.
    pub fn append(&mut self, other: Self) {
        for piece in other.0 {
            match piece.entity {
                None => self.push(&piece.text),
                Some(_) => self.0.push(piece),
            }
        }
    }

    /// Every piece through an encoding.
    #[must_use]
    pub fn map(mut self, encode: impl Fn(&str) -> String) -> Self {
        self.0.iter_mut().for_each(|piece| piece.text = encode(&piece.text));
        self
    }

    /// Whether any value is in it.
    #[must_use]
    pub fn has_value(&self) -> bool {
        self.0.iter().any(|piece| piece.entity.is_some())
    }

    /// The bytes, and where the values are in them.
    #[must_use]
    pub fn flat(&self) -> (Vec<u8>, Vec<Gold>) {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for piece in &self.0 {
            let start = bytes.len();
            bytes.extend(piece.text.bytes());
            if let Some(entity) = piece.entity {
                spans.push(Gold { start, end: bytes.len(), entity });
            }
        }
        (bytes, spans)
    }
}

/// A value that is in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gold {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is.
    pub entity: Entity,
}

/// What a line is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// It has values.
    Values,
    /// It has look-alikes of values only.
    LookAlike,
    /// It has neither.
    Plain,
}

/// A made-up line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its values, in order.
    pub gold: Vec<Gold>,
    /// Which family of formats it is of.
    pub family: usize,
    /// What it is there for.
    pub sort: Sort,
}

/// As inside a JSON string.
#[must_use]
pub(crate) fn json_escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// As in a URL's query.
#[must_use]
pub(crate) fn url_escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char)
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// As in XML.
#[must_use]
pub(crate) fn xml_escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
