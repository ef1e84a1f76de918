//! Finds the template of each line, in the manner of Drain, and says when a service has a new one.

use std::collections::HashMap;
use std::fmt;

use crate::shape::shape_of;
use crate::words::{WILD, Word, Words};

/// The bounds of a [`Miner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinerSettings {
    /// Services that are told apart; those beyond are one. Default 1,024.
    pub services: usize,
    /// Templates of one service; what fits none of them is then the catch-all's, and no news. Default 1,024.
    pub templates: usize,
    /// Templates of all services, likewise. Default 16,384: 8 MiB as a rule, 40 MiB if lines are made to fill them.
    pub all_templates: usize,
    /// Shapes that are remembered, so that a line of one of them is looked up once; rounded up to a power of two. The oldest of
    /// four is forgotten. Default 16,384: 256 KiB.
    pub shapes: usize,
    /// Of the words that tell templates apart, in percent, how many a line must share with a template to be one of it. Default 60;
    /// 100 takes no two words for one, 30 takes nearly all for one.
    pub alike: u8,
}

impl Default for MinerSettings {
    fn default() -> Self {
        Self { services: 1024, templates: 1024, all_templates: 16_384, shapes: 16_384, alike: 60 }
    }
}

/// What was found of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its template; [`Miner::CATCH_ALL`] where there was no room for it.
    pub template: u32,
    /// True if the service had no line of it before.
    pub new: bool,
    /// Its shape, as of [`shape_of`].
    pub shape: u64,
}

/// What a miner did and could not do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinerStats {
    /// Templates it holds.
    pub templates: usize,
    /// Services it tells apart.
    pub services: usize,
    /// Lines whose shape was known...
    pub known_shapes: u64,
    /// ...and those whose template had to be looked for.
    pub looked_for: u64,
    /// Lines that got no template of their own because a bound was reached.
    pub caught_all: u64,
}

/// A template: what the lines of one kind have in common. Prints with `<*>` for each value, never a value.
#[derive(Clone, Debug)]
pub struct Template {
    slot: u32,
    text: Vec<u8>,
    words: Box<[Word]>,
    count: u64,
    kin: u32,
    elsewhere: u64,
}

impl Template {
    /// Lines of it so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Templates that its service had before it with most of its words: none for something wholly new.
    #[must_use]
    pub fn kin(&self) -> u32 {
        self.kin
    }

    /// Lines like it that other services had before it was found.
    #[must_use]
    pub fn elsewhere(&self) -> u64 {
        self.elsewhere
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.text.split(|&byte| byte == WILD).enumerate() {
            if i > 0 {
                f.write_str("<*>")?;
            }
            f.write_str(&String::from_utf8_lossy(part))?;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Service {
    lines: u64,
    templates: u32,
    /// The tree: by how many words and by severity, then the templates themselves.
    tree: HashMap<(u8, u64), Vec<u32>>,
    /// In how many of its templates a word is. What most have tells none apart.
    words: HashMap<u64, u32>,
}

impl Service {
    fn is_common(&self, word: u64) -> bool {
        self.templates >= 8 && self.words.get(&word).is_some_and(|&n| n * 2 > self.templates)
    }
}

/// Mines templates. The same lines in the same order give the same templates and the same numbers.
///
/// A line whose shape was seen before costs one look-up. Others go through the tree of their service: templates with as many words
/// and the same severity, of which the one that shares most of the words takes the line and gets a wildcard where they differ.
/// Words that say how something went (`failed`, `success`, `not`, a severity) are never covered by a wildcard.
///
/// ```
/// use gadget_template::{Miner, MinerSettings};
///
/// let mut miner = Miner::new(MinerSettings::default());
/// assert!(miner.observe(7, b"user alice logged in from 10.0.0.7").new);
/// let bob = miner.observe(7, b"user bob logged in from 10.0.0.8");
/// assert!(!bob.new);
/// let template = miner.template(bob.template).map(ToString::to_string);
/// assert_eq!(template.as_deref(), Some("user <*> logged in from <*>"));
/// assert!(miner.observe(7, b"user bob failed to log in").new);
/// ```
#[derive(Debug)]
pub struct Miner {
    settings: MinerSettings,
    templates: Vec<Template>,
    services: Vec<Service>,
    slots: HashMap<u32, u32>,
    /// The templates of all services, by how many words and by severity: of each kind the first so many.
    everywhere: HashMap<(u8, u64), Vec<u32>>,
    /// Four (key, template) a set; the template is [`EMPTY`] where there is none.
    shapes: Box<[[(u64, u32); 4]]>,
    scratch: Words,
    /// Which words of the line most templates of its service have.
    common: Vec<bool>,
    stats: MinerStats,
}

const EMPTY: u32 = u32::MAX;

/// Templates of as many words and of the same severity that news is compared with across services.
const MOST_ALIKE: usize = 1024;

impl Miner {
    /// The template of lines that got none of their own.
    pub const CATCH_ALL: u32 = 0;

    /// A miner that has seen nothing.
    #[must_use]
    pub fn new(settings: MinerSettings) -> Self {
        let sets = settings.shapes.max(4).div_ceil(4).next_power_of_two();
        let none = Template {
            slot: 0,
            text: vec![WILD],
            words: Box::default(),
            count: 0,
            kin: 0,
            elsewhere: 0,
        };
        Self {
            settings,
            templates: vec![none],
            services: vec![Service::default()],
            slots: HashMap::new(),
            everywhere: HashMap::new(),
            shapes: vec![[(0, EMPTY); 4]; sets].into(),
            scratch: Words::default(),
            common: Vec::new(),
            stats: MinerStats::default(),
        }
    }

    /// Finds the template of a line of `service`.
    pub fn observe(&mut self, service: u32, line: &[u8]) -> Seen {
        let shape = shape_of(line);
        let (key, set) = self.place(service, shape);
        let known = self.shapes[set].iter().find(|(k, template)| *k == key && *template != EMPTY);
        if let Some(&(_, template)) = known {
            self.stats.known_shapes += 1;
            let found = &mut self.templates[template as usize];
            found.count += 1;
            self.services[found.slot as usize].lines += 1;
            return Seen { template, new: false, shape };
        }
        self.stats.looked_for += 1;
        let slot = self.slot(service);
        let (template, new) = self.look_for(slot, line);
        self.services[slot as usize].lines += 1;
        if template == Self::CATCH_ALL {
            // Its lines are of many services, so it is not remembered by shape.
            self.stats.caught_all += 1;
        } else {
            let set = &mut self.shapes[set];
            set.rotate_right(1);
            set[0] = (key, template);
        }
        self.templates[template as usize].count += 1;
        Seen { template, new, shape }
    }

    /// What stands for a shape of a service, and the set that it is remembered in.
    fn place(&self, service: u32, shape: u64) -> (u64, usize) {
        let key = shape ^ u64::from(service).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (key, (key >> 32) as usize & (self.shapes.len() - 1))
    }

    /// The template of a line whose shape `service` has had of late; counts nothing.
    #[must_use]
    pub fn peek(&self, service: u32, line: &[u8]) -> Option<u32> {
        let (key, set) = self.place(service, shape_of(line));
        let known = self.shapes[set].iter().find(|(k, template)| *k == key && *template != EMPTY);
        known.map(|(_, template)| *template)
    }

    /// What is held and what was done.
    #[must_use]
    pub fn stats(&self) -> MinerStats {
        let (templates, services) = (self.templates.len() - 1, self.services.len() - 1);
        MinerStats { templates, services, ..self.stats }
    }

    /// A template by its number.
    #[must_use]
    pub fn template(&self, id: u32) -> Option<&Template> {
        self.templates.get(id as usize)
    }

    /// How many templates a service has.
    #[must_use]
    pub fn known(&self, service: u32) -> u32 {
        self.service(service).map_or(0, |service| service.templates)
    }

    /// How many lines a service had.
    #[must_use]
    pub fn lines(&self, service: u32) -> u64 {
        self.service(service).map_or(0, |service| service.lines)
    }

    fn service(&self, service: u32) -> Option<&Service> {
        self.slots.get(&service).map(|&slot| &self.services[slot as usize])
    }

    /// Where the service's templates are; the first slot is that of all beyond the bound.
    fn slot(&mut self, service: u32) -> u32 {
        if let Some(&slot) = self.slots.get(&service) {
            return slot;
        }
        if self.slots.len() >= self.settings.services {
            return 0;
        }
        let slot = self.services.len() as u32;
        self.services.push(Service::default());
        self.slots.insert(service, slot);
        slot
    }

    fn look_for(&mut self, slot: u32, line: &[u8]) -> (u32, bool) {
        self.scratch.read(line);
        let words = &self.scratch.words;
        let service = &mut self.services[slot as usize];
        let key = (words.len() as u8, self.scratch.severity);
        let bucket = service.tree.get(&key).map_or([].as_slice(), Vec::as_slice);
        self.common.clear();
        self.common.extend(words.iter().map(|word| service.is_common(word.hash)));
        let mut best = (0, None);
        for &id in bucket {
            let alike = alike(&self.templates[id as usize].words, words, &self.common);
            if alike.is_some_and(|alike| alike > best.0) {
                best = (alike.unwrap_or_default(), Some(id));
            }
        }
        if let (alike, Some(id)) = best
            && alike >= u32::from(self.settings.alike)
        {
            self.templates[id as usize].cover(&self.scratch);
            return (id, false);
        }
        let full = service.templates as usize >= self.settings.templates
            || self.templates.len() > self.settings.all_templates;
        if full {
            return (Self::CATCH_ALL, false);
        }
        let id = self.templates.len() as u32;
        let mut set: Vec<_> =
            words.iter().map(|word| word.hash).filter(|&hash| hash != 0).collect();
        set.sort_unstable();
        set.dedup();
        let kin = kin(service, &self.templates, &set);
        let elsewhere = self.everywhere.get(&key).map_or([].as_slice(), Vec::as_slice).iter();
        let like = elsewhere
            .map(|&id| &self.templates[id as usize])
            .filter(|other| other.slot != slot && is_like(&other.words, words));
        let elsewhere = like.map(|other| other.count).sum();
        let kind = self.everywhere.entry(key).or_default();
        if kind.len() < MOST_ALIKE {
            kind.push(id);
        }
        service.templates += 1;
        for word in set {
            *service.words.entry(word).or_default() += 1;
        }
        service.tree.entry(key).or_default().push(id);
        self.templates.push(Template {
            slot,
            text: self.scratch.text.clone(),
            words: words.as_slice().into(),
            count: 0,
            kin,
            elsewhere,
        });
        (id, true)
    }
}

/// How much of what tells templates apart a line shares with one, in percent; `None` if they differ in a word that must not.
fn alike(template: &[Word], line: &[Word], common: &[bool]) -> Option<u32> {
    let (mut same, mut all, mut differ) = (0u32, 0u32, 0u32);
    for ((one, other), common) in template.iter().zip(line).zip(common) {
        if one.hash == other.hash {
            if one.hash != 0 && !common {
                same += 1;
                all += 1;
            }
            continue;
        }
        if one.telling || other.telling {
            return None;
        }
        // Where the template has a value already, any word is one.
        if one.hash != 0 {
            differ += 1;
            all += 1;
        }
    }
    match (differ, same) {
        (0, _) => Some(100),
        (_, 0) => None,
        _ => Some(100 * same / all),
    }
}

/// True if a template of another service says the same, but for a word in four, none of which tells anything.
fn is_like(template: &[Word], line: &[Word]) -> bool {
    let differ = template.iter().zip(line).filter(|(one, other)| one.hash != other.hash);
    let (mut words, mut telling) = (0, false);
    for (one, other) in differ {
        words += usize::from(one.hash != 0);
        telling |= one.telling || other.telling;
    }
    let all = template.iter().filter(|word| word.hash != 0).count();
    !telling && all > 0 && words * 4 <= all
}

/// Templates of a service that have most of these words, those aside that most templates have.
fn kin(service: &Service, templates: &[Template], set: &[u64]) -> u32 {
    let telling: Vec<_> = set.iter().copied().filter(|&word| !service.is_common(word)).collect();
    let shares = |id: &&u32| {
        let words = &templates[**id as usize].words;
        let mut shared: Vec<_> = words
            .iter()
            .map(|w| w.hash)
            .filter(|hash| telling.binary_search(hash).is_ok())
            .collect();
        shared.sort_unstable();
        shared.dedup();
        shared.len() * 3 >= telling.len() * 2
    };
    if telling.is_empty() {
        return service.templates;
    }
    service.tree.values().flatten().filter(shares).count() as u32
}

impl Template {
    /// A wildcard wherever a line of it has another word.
    fn cover(&mut self, line: &Words) {
        let differs =
            self.words.iter().zip(&line.words).any(|(a, b)| a.hash != b.hash && a.hash != 0);
        if !differs {
            return;
        }
        let mut text = Vec::with_capacity(self.text.len());
        let mut copied = 0;
        for (word, other) in self.words.iter_mut().zip(&line.words) {
            text.extend_from_slice(&self.text[copied..word.start as usize]);
            copied = word.end as usize;
            let start = text.len() as u16;
            if word.hash == other.hash {
                text.extend_from_slice(&self.text[word.start as usize..copied]);
            } else {
                text.push(WILD);
                word.hash = 0;
                word.telling = false;
            }
            (word.start, word.end) = (start, text.len() as u16);
        }
        text.extend_from_slice(&self.text[copied..]);
        self.text = text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mined(lines: &[&str]) -> Vec<String> {
        let mut miner = Miner::new(MinerSettings::default());
        for line in lines {
            miner.observe(1, line.as_bytes());
        }
        miner.templates[1..].iter().map(ToString::to_string).collect()
    }

    #[test]
    fn words_that_vary_become_wildcards() {
        let lines =
            ["from shanghai to nanjing at 9", "from suzhou to nanjing at 10", "from a to b at 1"];
        assert_eq!(mined(&lines), ["from <*> to <*> at <*>"]);
    }

    #[test]
    fn words_that_tell_how_it_went_are_never_covered() {
        let lines = ["get order by id success", "get order by id failed", "get order by id null"];
        assert_eq!(mined(&lines).len(), 3);
        let lines = ["INFO get order by id x", "WARN get order by id x"];
        assert_eq!(mined(&lines).len(), 2);
    }

    #[test]
    fn each_service_has_its_own_news() {
        let mut miner = Miner::new(MinerSettings::default());
        let one = miner.observe(1, b"cache miss for key 17");
        let two = miner.observe(2, b"cache miss for key 18");
        assert!(one.new && two.new && one.template != two.template);
        assert_eq!(one.shape, two.shape);
        assert!(!miner.observe(2, b"cache miss for key 19").new);
        assert_eq!((miner.known(2), miner.lines(2), miner.lines(3)), (1, 2, 0));
    }

    #[test]
    fn kin_share_most_of_their_words() {
        let mut miner = Miner::new(MinerSettings::default());
        let lines =
            ["reading block from disk one", "sending mail to postmaster now", "bind failed"];
        for line in lines {
            assert_eq!(
                miner.observe(1, line.as_bytes()).template as usize,
                miner.stats().templates
            );
        }
        let seen = miner.observe(1, b"reading block from disk one failed");
        assert_eq!(miner.template(seen.template).map(Template::kin), Some(1));
        let seen = miner.observe(1, b"kernel paging request refused");
        assert_eq!(miner.template(seen.template).map(Template::kin), Some(0));
    }

    #[test]
    fn news_may_be_old_elsewhere() {
        let mut miner = Miner::new(MinerSettings::default());
        for _ in 0..5 {
            miner.observe(1, b"ERROR request processing failed: no instances of ts-seat left");
        }
        let of = |miner: &mut Miner, line: &str| {
            let id = miner.observe(2, line.as_bytes()).template;
            miner.template(id).map(Template::elsewhere)
        };
        let other = "ERROR request processing failed: no instances of ts-order left";
        assert_eq!(of(&mut miner, other), Some(5));
        let worse = "ERROR request processing failed: no instances of ts-order lost";
        assert_eq!(of(&mut miner, worse), Some(0), "a word that tells something differs");
    }

    #[test]
    fn bounds_hold_and_are_counted() {
        let settings =
            MinerSettings { services: 2, templates: 3, all_templates: 4, shapes: 8, alike: 60 };
        let mut miner = Miner::new(settings);
        for service in 0..4 {
            for i in 0..50 {
                let line: String = (0..=i).map(|n| ["x ", "yy ", "zzz "][n % 3]).collect();
                miner.observe(service, line.as_bytes());
            }
        }
        let stats = miner.stats();
        assert_eq!((stats.templates, stats.services), (4, 2));
        assert_eq!(stats.known_shapes + stats.looked_for, 200);
        assert!(stats.caught_all >= 150, "{stats:?}");
        assert_eq!(miner.observe(0, b"another").template, Miner::CATCH_ALL);
        assert_eq!(miner.template(0).map(ToString::to_string).as_deref(), Some("<*>"));
    }
}
