//! Makes up lines: a message of a family, in a carrier, beside other text.

use gadget_curator::Entity;

use crate::line::{Line, Sort, Text};
use crate::machine::sentence;
use crate::people::plain;
use crate::rng::Rng;
use crate::template::{Family, expand, families};

/// Into how many parts the families are put for leaving some out.
pub const FOLDS: usize = 8;

/// Which families and carriers are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// All.
    All,
    /// All but those of one fold.
    Without(usize),
    /// Those of one fold alone.
    Only(usize),
}

impl Draw {
    const fn allows(self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Without(fold) => index % FOLDS != fold,
            Self::Only(fold) => index % FOLDS == fold,
        }
    }
}

/// The families and the carriers.
#[derive(Clone, Debug)]
pub struct Generator {
    families: Vec<(Sort, Family)>,
    carriers: Vec<&'static str>,
}

impl Default for Generator {
    fn default() -> Self {
        let of = |sort: Sort, file| families(file).into_iter().map(move |family| (sort, family));
        Self {
            families: of(Sort::Values, include_str!("../templates/values.txt"))
                .chain(of(Sort::LookAlike, include_str!("../templates/lookalikes.txt")))
                .chain(of(Sort::Plain, include_str!("../templates/plain.txt")))
                .collect(),
            carriers: include_str!("../templates/carriers.txt").lines().collect(),
        }
    }
}

impl Generator {
    /// The names of the families, by their index.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.families.iter().map(|(_, family)| family.name).collect()
    }

    /// The number of carriers.
    #[must_use]
    pub fn carriers(&self) -> usize {
        self.carriers.len()
    }

    /// One line.
    pub fn line(&self, rng: &mut Rng, draw: Draw) -> Line {
        let sort = match rng.below(100) {
            0..50 => Sort::Values,
            50..78 => Sort::LookAlike,
            _ => Sort::Plain,
        };
        let (family, mut message) = self.message(rng, draw, sort);
        if rng.percent(25) {
            message = self.beside(rng, draw, message);
        }
        let carriers: Vec<&str> = self
            .carriers
            .iter()
            .enumerate()
            .filter(|(i, _)| draw.allows(*i))
            .map(|(_, carrier)| *carrier)
            .collect();
        let text = expand(rng.pick(&carriers), rng, Some(&message));
        let (bytes, gold) = text.flat();
        // A record may have got harmless fields alone.
        let sort = match sort {
            Sort::Values if !text.has_value() => Sort::LookAlike,
            sort => sort,
        };
        Line { bytes, gold, family, sort }
    }

    fn message(&self, rng: &mut Rng, draw: Draw, sort: Sort) -> (usize, Text) {
        let allowed: Vec<usize> = (0..self.families.len())
            .filter(|i| draw.allows(*i) && self.families[*i].0 == sort)
            .collect();
        let family = allowed[rng.below(allowed.len())];
        let templates = &self.families[family].1.templates;
        let mut text = expand(rng.pick(templates), rng, None);
        if rng.percent(45) {
            namesakes(&mut text, rng);
        }
        (family, text)
    }

    /// The message before, after or between other text.
    fn beside(&self, rng: &mut Rng, draw: Draw, message: Text) -> Text {
        let other = match rng.below(4) {
            0 => self.message(rng, draw, Sort::LookAlike).1,
            1 => self.message(rng, draw, Sort::Plain).1,
            _ => Text::plain(sentence(rng)),
        };
        let between = rng
            .pick(&[" ", " ", " - ", "; ", " | ", ", ", " :: ", " -> ", ". ", " // ", "\\n", " ("]);
        let (mut first, second) = if rng.percent(50) { (message, other) } else { (other, message) };
        first.push(between);
        first.append(second);
        first
    }
}

/// Makes the mail address of a text that of the person whose name is in it.
fn namesakes(text: &mut Text, rng: &mut Rng) {
    let names: Vec<String> = text
        .0
        .iter()
        .filter(|piece| piece.entity == Some(Entity::Name))
        .flat_map(|piece| piece.text.split_whitespace())
        .map(plain)
        .filter(|word| word.len() > 1)
        .collect();
    let mail = text.0.iter_mut().find(|piece| piece.entity == Some(Entity::Email));
    let (Some(mail), [first, .., last]) = (mail, &*names) else { return };
    let Some((_, domain)) = mail.text.split_once('@').filter(|(local, _)| !local.contains('%'))
    else {
        return;
    };
    let local = match rng.below(9) {
        0..3 => format!("{first}.{last}"),
        3 => format!("{}{last}", &first[..1]),
        4 => format!("{last}.{first}"),
        5 => format!("{first}_{last}{}", rng.below(100)),
        6 => format!("{first}{last}"),
        7 => format!("{last}{}", rng.between(1, 2000)),
        _ => format!("{first}{}", rng.between(1, 2000)),
    };
    mail.text = format!("{local}@{domain}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_has_known_slots_and_every_family_a_line() {
        let generator = Generator::default();
        let mut rng = Rng::new(1);
        for (_, family) in &generator.families {
            for template in &family.templates {
                for _ in 0..20 {
                    assert!(!expand(template, &mut rng, None).flat().0.is_empty(), "{template}");
                }
            }
        }
        let message = Text::plain("m");
        for carrier in &generator.carriers {
            assert!(
                expand(carrier, &mut rng, Some(&message)).flat().0.contains(&b'm'),
                "{carrier}"
            );
        }
    }

    #[test]
    fn families_of_look_alikes_and_plain_lines_have_no_values() {
        let generator = Generator::default();
        let mut rng = Rng::new(2);
        for (sort, family) in &generator.families {
            let values = family
                .templates
                .iter()
                .flat_map(|t| [t; 5])
                .filter(|t| expand(t, &mut rng, None).has_value());
            assert_eq!(values.count() > 0, *sort == Sort::Values, "{}", family.name);
        }
    }

    #[test]
    fn a_seed_gives_the_same_lines() {
        let generator = Generator::default();
        let lines = |seed| {
            let mut rng = Rng::new(seed);
            (0..50).map(|_| generator.line(&mut rng, Draw::All).bytes).collect::<Vec<_>>()
        };
        assert_eq!(lines(5), lines(5));
        assert_ne!(lines(5), lines(6));
    }

    #[test]
    fn there_are_forty_families_and_names_are_not_taken_twice() {
        let mut names = Generator::default().names();
        assert!(names.len() >= 40);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
