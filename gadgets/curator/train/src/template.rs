//! Templates: text with `$slots` or `${slots}` and choices, `«one|another»`.

use crate::line::Text;
use crate::rng::Rng;
use crate::slots;

/// Writes a template out, with every choice made and every slot filled. `message` is what `$msg` stands for.
#[must_use]
pub(crate) fn expand(template: &str, rng: &mut Rng, message: Option<&Text>) -> Text {
    let chosen = choose(template, rng);
    let mut text = Text::default();
    let mut rest = chosen.as_str();
    while let Some(at) = rest.find('$') {
        text.push(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (slot, after) = braced.unwrap_or_else(|| {
            let end =
                rest.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_');
            rest.split_at(end.unwrap_or(rest.len()))
        });
        rest = after;
        match (slot, message) {
            ("", _) => text.push("$"),
            ("msg", Some(message)) => text.append(message.clone()),
            ("jmsg", Some(message)) => text.append(message.clone().map(crate::line::json_escape)),
            ("xmsg", Some(message)) => text.append(message.clone().map(crate::line::xml_escape)),
            _ => text.append(slots::fill(slot, rng)),
        }
    }
    text.push(rest);
    text
}

/// Makes the choices, from the innermost.
fn choose(template: &str, rng: &mut Rng) -> String {
    let mut text = template.to_owned();
    while let Some(close) = text.find('»') {
        let open = text[..close].rfind('«').expect("a choice that closes was opened");
        let options: Vec<&str> = text[open + '«'.len_utf8()..close].split('|').collect();
        let chosen = options[rng.below(options.len())].to_owned();
        text.replace_range(open..close + '»'.len_utf8(), &chosen);
    }
    text
}

/// A family of formats.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    /// Its name in reports.
    pub name: &'static str,
    /// Its templates.
    pub templates: Vec<&'static str>,
}

/// Families from a file: `# name` begins one, then a template a line.
///
/// # Panics
/// If a template is before the first name: a slip in the file.
#[must_use]
pub(crate) fn families(file: &'static str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in file.lines().filter(|line| !line.trim().is_empty()) {
        match line.strip_prefix("# ") {
            Some(name) => families.push(Family { name, templates: Vec::new() }),
            None => families.last_mut().expect("a family has a name").templates.push(line),
        }
    }
    families
}
