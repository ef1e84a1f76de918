//! People's names, and addresses that a key tells.

use std::ops::Range;

use super::Found;
use super::given::{ALSO_WORDS, GIVEN};
use super::text::{self, Gap};
use super::words::Phrase;
use crate::entity::Entity;

/// After a word that somebody's name follows.
pub(super) fn after(text: &[u8], word: Range<usize>, phrase: Phrase, found: &mut Found<'_>) {
    if !text::begins(text, word.start) {
        return;
    }
    let mut end = word.end;
    if phrase == Phrase::Preposition {
        if !starts_a_name(text, end + 1) || !matches!(text.get(end), Some(b' ' | b'+')) {
            return;
        }
        return put(text, end + 1, Sure::IfKnown, found);
    }
    // `customer_name`, `userName`: the word `name` itself is a key of its own.
    if text.get(end).is_some_and(|byte| text::is_word(*byte) || *byte == b'_') {
        return;
    }
    let title = phrase == Phrase::Title;
    let stop = title && text.get(end) == Some(&b'.');
    end += usize::from(stop);
    if title && text.get(end) == Some(&b',') {
        end += 1;
    }
    let gap = text::gap(text, end);
    if gap.at == end {
        return;
    }
    let sure = match phrase {
        Phrase::Title if stop || is_title(&text[word.clone()]) => Sure::Always,
        // `in 12 ms`.
        Phrase::Title if &text[word.clone()] == b"ms" => Sure::IfKnown,
        Phrase::Title => Sure::IfKnownOrTwo,
        Phrase::Role if gap.sign || gap.quote.is_some() => Sure::IfKnownOrTwo,
        _ => Sure::IfTwo,
    };
    // `Dear Mr. X`: the second word is looked at by itself.
    put(text, gap.at, sure, found);
}

/// `Frau`, `sehr geehrte Frau`, `Mr`: what stands before names alone, where it has a capital.
fn is_title(phrase: &[u8]) -> bool {
    let from = memchr::memrchr(b' ', phrase).map_or(0, |at| at + 1);
    #[rustfmt::skip]
    const TITLES: &[&str] = &["Mr", "Mrs", "Dr", "Herr", "Herrn", "Frau", "Señor", "Señora", "Senhor", "Senhora", "Monsieur", "Madame", "Mme", "Mlle", "Signor", "Signora", "Mevrouw", "Dhr"];
    TITLES.iter().any(|title| title.as_bytes() == &phrase[from..])
}

/// How much a name needs to be taken for one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sure {
    Always,
    /// Its first word is a given name, or it has two.
    IfKnownOrTwo,
    /// It has two words.
    IfTwo,
    /// It has two words, of which the first is a given name.
    IfKnown,
}

fn put(text: &[u8], at: usize, sure: Sure, found: &mut Found<'_>) {
    if !starts_a_name(text, at) {
        return;
    }
    let Some(end) = name(text, at) else { return };
    let two = text[at..end].iter().any(|byte| matches!(byte, b' ' | b'+' | b'%' | b','));
    let sure = match sure {
        Sure::Always => true,
        Sure::IfKnownOrTwo => two || is_given(text, at),
        Sure::IfTwo => two,
        Sure::IfKnown => two && is_given(text, at),
    };
    if sure && !is_technical(&text[at..end]) {
        found.add(at..end, Entity::Name);
    }
}

fn starts_a_name(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|byte| byte.is_ascii_uppercase() || *byte >= 0xc3)
}

/// A given name with a capital, and another word with one: wherever it is.
pub(super) fn given(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    let Some(next) = text.get(word.end) else { return };
    let before = text::before(text, word.start);
    let part = before.is_some_and(|byte| {
        text::is_word(byte) || matches!(byte, b'.' | b'/' | b'_' | b'-' | b'@' | b'$' | b'\\')
    });
    if part
        || !matches!(next, b' ' | b'+' | b'%' | b'-' | b'\'' | 0x80..)
        || !text[word.start].is_ascii_uppercase()
    {
        return;
    }
    let Some(end) = name(text, word.start) else { return };
    let two = text[word.start..end].iter().any(|byte| matches!(byte, b' ' | b'+' | b'%'));
    if two && !is_technical(&text[word.start..end]) {
        found.add(word.start..end, Entity::Name);
    }
}

/// The value of a key that ends in `name`; `person` if it is a key of people's names alone.
pub(super) fn value(text: &[u8], word: Range<usize>, person: bool, found: &mut Found<'_>) {
    if text.get(word.end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return;
    }
    let gap = text::gap_after(text, word.start, word.end);
    if !gap.sign && gap.quote.is_none() && !(person && gap.blank) {
        return;
    }
    if gap.at == word.end {
        return;
    }
    let of = owner(text, word.start);
    let person = person || of == Owner::Person;
    if !starts_a_name(text, gap.at) {
        // In small letters: between quotes, two words, the first a given name.
        let value = found.value(&gap);
        let bytes = &text[value.clone()];
        let letters = bytes.iter().all(|byte| {
            byte.is_ascii_lowercase() || matches!(byte, b' ' | b'-' | b'\'') || *byte >= 0x80
        });
        let words = bytes.split(|byte| *byte == b' ').count();
        if gap.quote.is_some()
            && letters
            && (2..=4).contains(&words)
            && (person || of == Owner::Nobody && is_given(text, gap.at))
        {
            found.add(value, Entity::Name);
        }
        return;
    }
    let sure = match of {
        _ if person && gap.sign => Sure::Always,
        Owner::Thing => Sure::IfKnown,
        _ => Sure::IfKnownOrTwo,
    };
    if gap.sign
        && let Some(end) = last_first(text, gap.at)
    {
        return found.add(gap.at..end, Entity::Name);
    }
    put(text, gap.at, sure, found);
}

/// `O'Brien, Patrick`: the family's name, a comma, a given name, and an initial; where it ends.
fn last_first(text: &[u8], at: usize) -> Option<usize> {
    let letter =
        |byte: &&u8| byte.is_ascii_alphabetic() || **byte >= 0x80 || matches!(byte, b'\'' | b'-');
    let word = |at: usize| text[at..].iter().take(24).take_while(letter).count();
    let first = at + word(at) + 2;
    if first < at + 4
        || text.get(first - 2..first) != Some(b", ")
        || !starts_a_name(text, first)
        || !is_given(text, first)
    {
        return None;
    }
    let end = first + word(first);
    let initial = text
        .get(end..end + 3)
        .is_some_and(|it| it[0] == b' ' && it[1].is_ascii_uppercase() && it[2] == b'.');
    Some(if initial { end + 3 } else { end })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Person,
    Thing,
    Nobody,
}

/// Whose name it is, by the word that is joined to it: `file_name`, `customer-name`.
fn owner(text: &[u8], at: usize) -> Owner {
    #[rustfmt::skip]
    const PEOPLE: &[&[u8]] = &[
        b"user", b"customer", b"client", b"patient", b"employee", b"member", b"contact", b"holder", b"cardholder", b"recipient", b"sender", b"payee", b"payer",
        b"beneficiary", b"guest", b"passenger", b"student", b"driver", b"caller", b"full", b"first", b"last", b"middle", b"given", b"family", b"maiden", b"legal", b"display",
        b"real", b"billing", b"shipping", b"author", b"owner", b"person", b"buyer", b"seller", b"subscriber", b"applicant", b"insured", b"tenant", b"doctor", b"kunden",
        b"cliente", b"usuario", b"completo", b"complet", b"voller", b"nick", b"account", b"profile", b"visitor", b"attendee", b"signer",
    ];
    let before = text::before(text, at);
    if !matches!(before, Some(b'_' | b'-' | b'.' | b' '))
        && !before.is_some_and(|byte| byte.is_ascii_lowercase())
    {
        return Owner::Nobody;
    }
    let mut owner = Owner::Thing;
    text::words_before(text, at, |word| {
        if PEOPLE.iter().any(|it| word.ends_with(it)) {
            owner = Owner::Person;
        } else if before == Some(b' ') {
            owner = if matches!(
                word,
                b"my"
                    | b"the"
                    | b"is"
                    | b"with"
                    | b"updated"
                    | b"and"
                    | b"info"
                    | b"warn"
                    | b"error"
                    | b"debug"
            ) {
                Owner::Nobody
            } else {
                Owner::Thing
            };
        }
        false
    });
    owner
}

/// The address after a key: between quotes or after a sign, words with a number.
pub(super) fn place(text: &[u8], gap: &Gap, found: &mut Found<'_>) {
    let mut range = found.value(gap);
    if gap.quote.is_none() {
        // As far as what ends it: a bar, a bracket, the next key.
        let rest = text[range.start..].iter().take(96);
        let rest = rest.take_while(|byte| {
            text::is_word(**byte) || matches!(byte, b' ' | b',' | b'.' | b'-' | b'/' | b'\'' | b'#')
        });
        let mut end = range.start + rest.count();
        if text.get(end) == Some(&b'=')
            || text.get(end) == Some(&b':')
            || text.get(end) == Some(&b'_')
        {
            end = text[range.start..end]
                .iter()
                .rposition(|byte| *byte == b' ')
                .map_or(range.start, |at| range.start + at);
        }
        range.end = end;
    }
    let value = &text[range.clone()];
    if value.len() > 160 {
        return;
    }
    let word = |word: &&[u8]| {
        word.iter().filter(|byte| byte.is_ascii_alphabetic() || **byte >= 0x80).count() > 1
            && !word.contains(&b'/')
            && !word.contains(&b'=')
    };
    let capitals = value
        .split(|byte| *byte == b' ')
        .filter(|it| it.first().is_some_and(u8::is_ascii_uppercase))
        .count();
    let words = value.split(|byte| *byte == b' ').filter(word).count();
    let number = value.split(|byte| matches!(byte, b' ' | b',')).any(|it| {
        it.first().is_some_and(u8::is_ascii_digit)
            && it.len() <= 6
            && !it.contains(&b'.')
            && !it.contains(&b':')
    });
    let told = gap.quote.is_some() && gap.sign;
    if words >= if told { 1 } else { 2 }
        && number
        && (told && words >= 2 || capitals >= 1)
        && value.contains(&b' ')
    {
        let trimmed = value.trim_ascii_end().len();
        if told {
            return found.add(range, Entity::Address);
        }
        // Without quotes: as long as the words have capitals or digits.
        let mut end = 0;
        for part in value[..trimmed].split(|byte| *byte == b' ') {
            let good = part.first().is_some_and(|byte| {
                byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte >= 0x80
            }) || matches!(
                part,
                b"de"
                    | b"la"
                    | b"rue"
                    | b"calle"
                    | b"rua"
                    | b"via"
                    | b"der"
                    | b"am"
                    | b"street"
                    | b"road"
                    | b"avenue"
                    | b"st"
                    | b"ave"
                    | b"apt"
                    | b"du"
                    | b"da"
                    | b"do"
            );
            if !good {
                break;
            }
            end += part.len() + 1;
        }
        let value = &value[..end.saturating_sub(1).min(trimmed)];
        let value = value.strip_suffix(b",").or_else(|| value.strip_suffix(b".")).unwrap_or(value);
        if value.iter().any(u8::is_ascii_digit)
            && value.contains(&b' ')
            && value.iter().any(u8::is_ascii_alphabetic)
        {
            found.add(range.start..range.start + value.len(), Entity::Address);
        }
    }
}

/// Two or three words with capitals, initials and particles allowed; where they end.
fn name(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    let mut words = 0;
    let mut step = at;
    while words < 4 {
        let length = text[step..]
            .iter()
            .take(24)
            .take_while(|byte| {
                byte.is_ascii_alphabetic() || **byte >= 0x80 || matches!(**byte, b'\'' | b'-')
            })
            .count();
        let word = &text[step..step + length];
        let capital = word.first().is_some_and(|byte| byte.is_ascii_uppercase() || *byte >= 0xc3);
        let particle = words > 0
            && matches!(word, b"de" | b"van" | b"von" | b"der" | b"la" | b"da" | b"bin" | b"al");
        if !capital && !particle || length == 0 || word.ends_with(b"-") {
            break;
        }
        let mut stop = step + length;
        while stop > step && matches!(text[stop - 1], b'\'' | b'-') {
            stop -= 1;
        }
        let shape_ok = particle || {
            let rest = &text[step + 1..stop];
            rest.iter().filter(|byte| byte.is_ascii_uppercase()).count() <= 1
                || rest.iter().all(|byte| !byte.is_ascii_lowercase())
        };
        let next = text.get(stop).copied().unwrap_or(b'\n');
        if !shape_ok
            || next.is_ascii_digit()
            || matches!(next, b'_' | b'/' | b'(' | b'=' | b'$' | b':' if words == 0 || next != b':')
        {
            break;
        }
        if !particle {
            end = stop;
        }
        words += 1;
        let initial = stop - step == 1 && text.get(stop) == Some(&b'.');
        if initial {
            stop += 1;
        }
        match text.get(stop) {
            Some(b' ') => step = stop + 1,
            Some(b'+') => step = stop + 1,
            Some(b'%') if text[stop..].starts_with(b"%20") => step = stop + 3,
            _ => break,
        }
    }
    (end > at).then_some(end)
}

fn is_given(text: &[u8], at: usize) -> bool {
    let rest = text[at..].iter().take(16);
    let length = rest.take_while(|byte| byte.is_ascii_alphabetic() || **byte >= 0x80).count();
    if !(2..=14).contains(&length) {
        return false;
    }
    let mut word = [0u8; 14];
    for (to, from) in word.iter_mut().zip(&text[at..at + length]) {
        *to = from.to_ascii_lowercase();
    }
    let word = &word[..length];
    let among = |names: &[&str]| names.binary_search_by(|name| name.as_bytes().cmp(word)).is_ok();
    among(GIVEN) || among(ALSO_WORDS)
}

/// Words with capitals that are the names of things.
fn is_technical(words: &[u8]) -> bool {
    #[rustfmt::skip]
    const THINGS: &[&[u8]] = &[
        b"Server", b"Service", b"Services", b"Error", b"Exception", b"Manager", b"Thread", b"Task", b"Job", b"Apache", b"Tomcat", b"Java", b"Linux", b"Windows",
        b"Red", b"Hat", b"System", b"Process", b"Queue", b"Table", b"Database", b"Session", b"Request", b"Response", b"Connection",
        b"Agent", b"Node", b"Cluster", b"Object", b"Class", b"Module", b"Store", b"Cache", b"File", b"Data", b"Mozilla", b"Chrome",
        b"Safari", b"Google", b"Amazon", b"Microsoft", b"Oracle", b"Intel", b"Inc", b"Ltd", b"LLC", b"GmbH", b"Corp", b"Corporation", b"Company", b"Bank", b"Street", b"Monday",
        b"Tuesday", b"Wednesday", b"Thursday", b"Friday", b"Saturday", b"Sunday", b"January", b"February", b"March", b"April", b"May", b"June",
        b"July", b"August", b"September", b"October", b"November", b"December", b"Jan", b"Feb", b"Mar", b"Apr", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun",
        b"North", b"South", b"West", b"East", b"New", b"Internal", b"External", b"Web", b"HTTP", b"HTTPS", b"TCP", b"UDP", b"SSL", b"TLS", b"SSH", b"API", b"URL", b"ID", b"SQL", b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"INFO",
        b"WARN", b"WARNING", b"ERROR", b"DEBUG", b"FATAL", b"TRACE", b"NOTICE", b"Info", b"Warning", b"Debug", b"Failed", b"Success", b"Successful", b"Invalid", b"Unknown", b"Not", b"No", b"The", b"This", b"That", b"Your", b"You", b"We", b"All", b"Support", b"Team", b"Department", b"Office", b"Center", b"Centre",
        b"Account", b"Order", b"Payment", b"Invoice", b"Customer", b"User", b"Admin", b"Administrator", b"Client", b"Host", b"Network", b"Proxy", b"Gateway", b"Router", b"Worker", b"Handler", b"Listener", b"Factory", b"Controller", b"Provider", b"Pool", b"Socket", b"Port", b"Disk", b"Memory", b"Kernel", b"Driver", b"Device", b"Version", b"Release", b"Build", b"Test", b"Default", b"Unix", b"Active", b"Directory", b"Access", b"Denied", b"Permission", b"Timeout", b"Timed", b"Out", b"Scheduler", b"Executor", b"Container", b"Pod", b"Deployment", b"Namespace", b"Volume", b"Bucket", b"Topic", b"Partition", b"Broker", b"Consumer", b"Producer", b"Leader", b"Follower", b"Replica", b"Spring", b"Boot", b"Application", b"Elastic", b"Search", b"Load", b"Balancer", b"Visa", b"Mastercard", b"World", b"There", b"Everyone", b"Sir", b"Madam", b"Mr", b"Mrs", b"Ms", b"Dr", b"Miss", b"Herr", b"Frau", b"Phone", b"Email", b"Address", b"Name", b"Password", b"Token", b"Key", b"Card", b"Number", b"Date", b"Birth", b"SSN", b"IBAN",
        b"University", b"Hospital", b"School", b"Airport", b"Station", b"Hotel", b"City", b"County", b"State", b"Union", b"Project", b"Group", b"Product", b"Standard", b"Premium", b"Basic", b"Free", b"Enterprise", b"Cloud", b"Storage", b"Compute", b"Engine", b"Studio", b"Code", b"Visual", b"Explorer", b"Edge", b"Firefox", b"Opera", b"Mobile", b"Android", b"Apple", b"Mac", b"OS", b"PC",
    ];
    words
        .split(|byte| matches!(byte, b' ' | b'+'))
        .any(|word| THINGS.contains(&word.strip_suffix(b".").unwrap_or(word)))
}
