//! People's names.

use std::ops::Range;

use super::given::{ALSO_WORDS, GIVEN};
use super::set::{Set, bytes};
use super::text;
use super::words::Phrase;
use super::{Found, keys};
use crate::entity::Entity;

/// After a word that somebody's name follows.
pub(super) fn after(text: &[u8], word: Range<usize>, phrase: Phrase, found: &mut Found<'_>) {
    if !text::begins(text, word.start) {
        return;
    }
    let mut end = word.end;
    if phrase == Phrase::Preposition {
        let colon = usize::from(text.get(end) == Some(&b':'));
        let at = end + colon + 1;
        if !starts_a_name(text, at) || !matches!(text.get(at - 1), Some(b' ' | b'+')) {
            return;
        }
        return put(text, at, Sure::IfKnown, found);
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
        // `in 12 ms. Removing`.
        Phrase::Title if &text[word.clone()] == b"ms" => Sure::IfKnown,
        Phrase::Title if stop || is_title(&text[word.clone()]) => Sure::Always,
        Phrase::Title => Sure::IfKnownOrTwo,
        Phrase::Role if gap.sign || gap.quote.is_some() => Sure::IfKnownOrTwo,
        _ => Sure::IfTwo,
    };
    // `employee LEE, ANN`.
    if matches!(phrase, Phrase::Role | Phrase::Doer)
        && let Some(end) = last_first(text, gap.at)
    {
        return found.add(gap.at..end, Entity::Name);
    }
    // `Dear Mr. X`: the second word is looked at by itself.
    put(text, gap.at, sure, found);
}

/// `Frau`, `sehr geehrte Frau`, `Mr`: what stands before names alone, where it has a capital.
fn is_title(phrase: &[u8]) -> bool {
    let from = memchr::memrchr(b' ', phrase).map_or(0, |at| at + 1);
    #[rustfmt::skip]
    const TITLES: &[&str] = &["Mr", "Mrs", "Dr", "Herr", "Herrn", "Frau", "Señor", "Señora", "Senhor", "Senhora", "Monsieur", "Madame", "Mme", "Mlle", "Signor", "Signora", "Mevrouw", "Dhr"];
    static SET: Set<64> = Set::new(&bytes::<{ TITLES.len() }>(TITLES));
    SET.contains(&phrase[from..])
}

/// How much a name needs to be taken for one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sure {
    Always,
    /// Its first word is a given name, or it has two.
    IfKnownOrTwo,
    /// It has two words.
    IfTwo,
    /// Its first word is a given name.
    IfGiven,
    /// It has two words, of which the first is a given name.
    IfKnown,
}

fn put(text: &[u8], at: usize, sure: Sure, found: &mut Found<'_>) {
    if !starts_a_name(text, at) {
        return;
    }
    if at < found.names {
        return;
    }
    let told = matches!(sure, Sure::IfTwo | Sure::IfKnownOrTwo | Sure::Always);
    // `Ms. Lee: "hello"`.
    let alone = || {
        let end = at + letters(&text[at..]);
        let said = sure == Sure::Always && text[end..].starts_with(b": ");
        said.then_some(end)
    };
    let Some(end) = name(text, at).or_else(alone).and_then(|end| trimmed(text, at, end, told))
    else {
        return;
    };
    let two = text[at..end].iter().any(|byte| matches!(byte, b' ' | b'+' | b',' | b'^'))
        || text[at..end].windows(3).any(|it| it == b"%20");
    let sure = match sure {
        Sure::Always => true,
        Sure::IfKnownOrTwo => two || is_given(text, at),
        Sure::IfTwo => two,
        Sure::IfGiven => is_given(text, at),
        Sure::IfKnown => two && is_given(text, at),
    };
    if sure {
        found.names = end;
        found.add(at..end, Entity::Name);
    } else if two {
        found.doubts.add(at..end, Entity::Name);
    }
}

/// After words that a person's name follows, in whatever script.
pub(super) fn introduced(text: &[u8], at: usize, found: &mut Found<'_>) {
    put(text, at, Sure::IfTwo, found);
}

/// The end of a name without the names of things after it: `Sabine Fischer IBAN`. None if a thing is all that it is the name of.
fn trimmed(text: &[u8], at: usize, end: usize, told: bool) -> Option<usize> {
    let words = text[at..end].split(|byte| *byte == b' ');
    let person = words.take_while(|word| !is_technical(word)).map(|word| word.len() + 1);
    let person: usize = person.sum();
    let last = at + person.saturating_sub(1);
    if last == end {
        return Some(end);
    }
    (last > at && text[at..last].contains(&b' ') && (told || is_given(text, at))).then_some(last)
}

pub(super) fn starts_a_name(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|byte| byte.is_ascii_uppercase() || *byte >= 0xc3)
        || text.get(at..).is_some_and(|rest| escape(rest) == 3 && !rest.starts_with(b"%E2"))
}

/// How many of the bytes at the beginning are of a word of a name; escapes of URLs are among them.
fn letters(text: &[u8]) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Some(byte) = text.get(at).filter(|_| count < 24) {
        at += match byte {
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. | b'\'' | b'-' => 1,
            b'%' if escape(&text[at..]) == 3 => 3,
            _ => break,
        };
        count += 1;
    }
    at
}

/// Three if the bytes begin with a byte above 0x7f as URLs have it: `%C3`.
fn escape(text: &[u8]) -> usize {
    match text {
        [b'%', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', last, ..] if last.is_ascii_hexdigit() => 3,
        _ => 0,
    }
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
    // Who holds a copyright is public.
    let holder = text[..word.start].ends_with(b"(c) ") || text[..word.start].ends_with(b"(C) ");
    if word.start < found.names || holder {
        return;
    }
    if is_named_after(text, &word) {
        found.names = name(text, word.start).unwrap_or(word.end);
        return;
    }
    let Some(end) = name(text, word.start) else { return };
    let Some(end) = trimmed(text, word.start, end, false) else {
        found.names = end;
        return;
    };
    let two = text[word.start..end].iter().any(|byte| matches!(byte, b' ' | b'+' | b'%'));
    found.names = end;
    if two {
        found.add(word.start..end, Entity::Name);
    }
}

/// `meeting room Marie Curie`: the name of a thing that is called after somebody.
fn is_named_after(text: &[u8], word: &Range<usize>) -> bool {
    #[rustfmt::skip]
    const THINGS: &[&[u8]] = &[
        b"room", b"train", b"ice", b"ship", b"vessel", b"ferry", b"hurricane", b"storm", b"warehouse", b"building", b"auditorium", b"stadium", b"airport", b"station", b"bridge", b"tunnel",
        b"hall", b"campus", b"school", b"library", b"museum", b"algorithm", b"theorem", b"codename", b"release", b"raum", b"saal", b"halle", b"zug", b"salle", b"sala", b"tram",
    ];
    let mut thing = false;
    if text[..word.start].ends_with(b" ") {
        text::words_before(text, word.start, |it| {
            thing = THINGS.contains(&it);
            false
        });
    }
    thing
}

/// `Ann Lee <`, `"Ann Lee" <sip:`: who a mail address is of, whose sign `<` is at `at`.
pub(super) fn before_mail(text: &[u8], at: usize, found: &mut Found<'_>) {
    let Some(left) = text[at.saturating_sub(64)..at].strip_suffix(b" ") else { return };
    let (left, quoted) = match left.strip_suffix(b"\"") {
        Some(left) => (left.strip_suffix(b"\\").unwrap_or(left), true),
        None => (left, false),
    };
    let end = at - (at.min(64) - left.len());
    let part = |byte: &&u8| {
        text::is_word(**byte) && !byte.is_ascii_digit()
            || matches!(**byte, b' ' | b'.' | b'-' | b'\'')
            || quoted && **byte == b','
    };
    let length = left.iter().rev().take_while(part).count();
    let name = &left[left.len() - length..];
    let skipped = name.len() - name.trim_ascii_start().len();
    let name = &name[skipped..];
    let start = end - name.len();
    // Without quotes, from the first word with a capital on.
    let small = |word: &&[u8]| word.first().is_some_and(u8::is_ascii_lowercase);
    let words = name.split(|byte| *byte == b' ');
    let skipped = match quoted {
        true => 0,
        false => words.take_while(small).map(|word| word.len() + 1).sum::<usize>(),
    };
    let value = start + skipped.min(name.len())..end;
    let count = text[value.clone()].split(|byte| *byte == b' ').count();
    let letters = text[value.clone()].iter().filter(|byte| text::is_word(**byte)).count();
    let known = text.get(value.start).is_some_and(|byte| *byte >= 0x80) || count > 1;
    if letters > 1 && known && count <= 5 && !is_technical(&text[value.clone()]) {
        found.add(value, Entity::Name);
    }
}

/// The value of a key that ends in `name`; `person` if it is a key of people's names alone.
pub(super) fn value(text: &[u8], word: Range<usize>, person: bool, found: &mut Found<'_>) {
    if text.get(word.end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return;
    }
    let gap = keys::bracketed(text, &word, word.end)
        .unwrap_or_else(|| text::gap_after(text, word.start, word.end));
    if !gap.sign && gap.quote.is_none() && !(person && gap.blank) {
        return;
    }
    if gap.at == word.end {
        return;
    }
    let of = owner(text, word.start);
    let person = person || of == Owner::Person;
    if !starts_a_name(text, gap.at) {
        if gap.quote.is_none() {
            return;
        }
        // In small letters: between quotes, two words, the first a given name.
        let value = found.value(&gap);
        let bytes = &text[value.start..value.end.min(value.start + 64)];
        let letters = bytes.iter().all(|byte| {
            byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'-' | b'\'') || *byte >= 0x80
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
        _ if person && (gap.sign || gap.quote.is_some()) => Sure::Always,
        // `surname Lee`: said of nothing else.
        _ if [&b"surname"[..], b"given names"]
            .iter()
            .any(|it| text[word.clone()].eq_ignore_ascii_case(it)) =>
        {
            Sure::Always
        }
        Owner::Thing => Sure::IfKnown,
        Owner::Nobody if !person => Sure::IfGiven,
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
    if first < at + 4 || text.get(first - 2..first) != Some(b", ") || !starts_a_name(text, first) {
        return None;
    }
    let end = first + word(first);
    let rest = &text[end..];
    let birth = [&b" DOB "[..], b" SSN ", b" (DOB "].iter().any(|it| rest.starts_with(it))
        || rest.strip_prefix(b" born ").and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit);
    if !birth && !is_given(text, first) {
        return None;
    }
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
    // `id: 7, name:`: the word before is of something else.
    if before == Some(b' ') && !at.checked_sub(2).is_some_and(|at| text::is_word(text[at])) {
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

/// Words with capitals, initials and particles allowed; where they end.
pub(super) fn name(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    let mut words = 0;
    let mut step = at;
    while words < 6 {
        let length = letters(&text[step..]);
        let word = &text[step..step + length];
        let capital = starts_a_name(text, step);
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
            word.contains(&b'%')
                || rest.iter().filter(|byte| byte.is_ascii_uppercase()).count() <= 1
                || rest.iter().all(|byte| !byte.is_ascii_lowercase())
        };
        let next = text.get(stop).copied().unwrap_or(b'\n');
        // `Name:Ann Lee Email:x`: the next key.
        let key =
            next == b':' && text.get(stop + 1).is_some_and(|byte| *byte != b' ' && *byte != b'\n');
        if !shape_ok
            || next.is_ascii_digit()
            || words > 1 && key
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
            // `LEE^ANN`, as clinics write it.
            Some(b'^') if words == 1 && starts_a_name(text, stop + 1) => step = stop + 1,
            _ => break,
        }
    }
    (end > at).then_some(end)
}

pub(super) fn is_given(text: &[u8], at: usize) -> bool {
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
    static KNOWN: Set<4096> = Set::new(&bytes::<{ GIVEN.len() }>(GIVEN));
    static WORDS: Set<1024> = Set::new(&bytes::<{ ALSO_WORDS.len() }>(ALSO_WORDS));
    KNOWN.contains(word) || WORDS.contains(word)
}

/// Words with capitals that are the names of things.
pub(super) fn is_technical(words: &[u8]) -> bool {
    #[rustfmt::skip]
    const THINGS: &[&[u8]] = &[
        b"API", b"Access", b"Account", b"Active", b"Address", b"Admin", b"Administrator", b"Agent", b"Airport", b"All", b"Amazon",
        b"Android", b"Apache", b"Apple", b"Application", b"Apr", b"April", b"Aug", b"August", b"Balancer", b"Bank", b"Basic",
        b"Birth", b"Boot", b"Britain", b"Broker", b"Bucket", b"Build", b"Cache", b"Card", b"Center", b"Centre", b"Chrome",
        b"City", b"Class", b"Client", b"Cloud", b"Cluster", b"Code", b"Company", b"Compiler", b"Compute", b"Connection",
        b"Consumer", b"Container", b"Controller", b"Corp", b"Corporation", b"County", b"Customer", b"DEBUG", b"DELETE", b"Data",
        b"Database", b"Date", b"Debug", b"Dec", b"December", b"Default", b"Denied", b"Department", b"Deployment", b"Device",
        b"Directory", b"Disk", b"Dr", b"Driver", b"ERROR", b"East", b"Edge", b"Edition", b"Elastic", b"Email", b"Endpoint",
        b"Engine", b"Enterprise", b"Error", b"Everyone", b"Exception", b"Executor", b"Explorer", b"External", b"FATAL",
        b"Factory", b"Failed", b"Feb", b"February", b"File", b"Firefox", b"Follower", b"Framework", b"Frau", b"Free", b"Fri",
        b"Friday", b"GET", b"Gateway", b"GmbH", b"Google", b"Group", b"HEAD", b"HTTP", b"HTTPS", b"Handler", b"Hat", b"Herr",
        b"Hospital", b"Host", b"Hotel", b"IBAN", b"ID", b"INFO", b"Inc", b"Info", b"Intel", b"Internal", b"Invalid", b"Invoice",
        b"Island", b"Jan", b"January", b"Java", b"Job", b"Jul", b"July", b"Jun", b"June", b"Kernel", b"Key", b"Kingdom", b"LLC",
        b"Leader", b"Linux", b"Listener", b"Load", b"Ltd", b"Mac", b"Madam", b"Manager", b"Mar", b"March", b"Mastercard", b"May",
        b"Memory", b"Metrics", b"Microsoft", b"Miss", b"Mobile", b"Module", b"Mon", b"Monday", b"Mozilla", b"Mr", b"Mrs", b"Ms",
        b"NOTICE", b"Name", b"Namespace", b"Network", b"New", b"No", b"Node", b"North", b"Not", b"Nov", b"November", b"Number",
        b"OK", b"OS", b"Object", b"Oct", b"October", b"Office", b"Opera", b"Oracle", b"Order", b"Out", b"PC", b"POST", b"PUT",
        b"Partition", b"Password", b"Payment", b"Permission", b"Phone", b"Plugin", b"Pod", b"Policy", b"Pool", b"Port",
        b"Premium", b"Process", b"Producer", b"Product", b"Project", b"Provider", b"Proxy", b"Queue", b"Red", b"Release",
        b"Replica", b"Report", b"Reports", b"Republic", b"Request", b"Response", b"Router", b"Runner", b"SQL", b"SSH", b"SSL",
        b"SSN", b"Safari", b"Sale", b"Sat", b"Saturday", b"Scheduler", b"School", b"Search", b"Sep", b"September", b"Server",
        b"Service", b"Services", b"Session", b"Sir", b"Socket", b"South", b"Spring", b"Standard", b"State", b"States", b"Station",
        b"Storage", b"Store", b"Street", b"Studio", b"Success", b"Successful", b"Sun", b"Sunday", b"Support", b"System", b"TCP",
        b"TLS", b"TRACE", b"Table", b"Task", b"Team", b"Terms", b"Test", b"That", b"The", b"There", b"This", b"Thread", b"Thu",
        b"Thursday", b"Timed", b"Timeout", b"Token", b"Tomcat", b"Topic", b"Tue", b"Tuesday", b"UDP", b"URL", b"Union",
        b"University", b"Unix", b"Unknown", b"User", b"Version", b"Visa", b"Visual", b"Volume", b"WARN", b"WARNING", b"Warning",
        b"We", b"Web", b"Wed", b"Wednesday", b"West", b"Windows", b"Worker", b"World", b"You", b"Your",
    ];
    static SET: Set<1024> = Set::new(THINGS);
    words
        .split(|byte| matches!(byte, b' ' | b'+'))
        .any(|word| SET.contains(word.strip_suffix(b".").unwrap_or(word)))
}
