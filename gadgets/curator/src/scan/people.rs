//! People's names and where they live.

use std::ops::Range;

use super::Found;
use super::text;
use super::words::Phrase;
use crate::entity::Entity;

/// After a word that somebody's name follows.
pub(super) fn after(text: &[u8], word: Range<usize>, phrase: Phrase, found: &mut Found<'_>) {
    let at = match phrase {
        Phrase::Preposition => word.end,
        _ => {
            if !text::begins(text, word.start) {
                return;
            }
            let mut end = word.end;
            if phrase == Phrase::Role {
                // `customer_name`, `userName`: the word `name` itself is a key of its own.
                if text.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
                    return;
                }
            } else if text.get(end) == Some(&b'.') {
                end += 1;
            } else if text.get(end).is_some_and(|byte| text::is_word(*byte)) {
                return;
            }
            let gap = text::gap(text, end);
            if gap.at == end {
                return;
            }
            gap.at
        }
    };
    let Some(end) = name(text, at) else { return };
    let words = text[at..end].split(|byte| *byte == b' ').count();
    let known = starts_with_a_given_name(text, at);
    let sure = match phrase {
        Phrase::Title => words >= 2 || known || text[word.end..].first() == Some(&b'.'),
        Phrase::Role => words >= 2,
        Phrase::Preposition => words >= 2 && known,
    };
    if sure && !is_technical(&text[at..end]) {
        found.add(at..end, Entity::Name);
    }
}

/// The value of a key that ends in `name`.
pub(super) fn value(text: &[u8], end: usize, found: &mut Found<'_>) {
    if text.get(end).is_some_and(u8::is_ascii_alphanumeric) {
        return;
    }
    let gap = text::gap(text, end);
    if !gap.sign && gap.quote.is_none() {
        return;
    }
    let Some(stop) = name(text, gap.at) else { return };
    let words = text[gap.at..stop].split(|byte| *byte == b' ').count();
    if (words >= 2 || starts_with_a_given_name(text, gap.at)) && !is_technical(&text[gap.at..stop])
    {
        found.add(gap.at..stop, Entity::Name);
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

fn starts_with_a_given_name(text: &[u8], at: usize) -> bool {
    let length = text[at..].iter().take(16).take_while(|byte| byte.is_ascii_alphabetic()).count();
    if !(2..=12).contains(&length) {
        return false;
    }
    let mut word = [0u8; 12];
    for (to, from) in word.iter_mut().zip(&text[at..at + length]) {
        *to = from.to_ascii_lowercase();
    }
    let word = &word[..length];
    GIVEN.binary_search_by(|name| name.as_bytes().cmp(word)).is_ok()
}

/// Words with capitals that are the names of things.
fn is_technical(words: &[u8]) -> bool {
    words.split(|byte| *byte == b' ').any(|word| {
        [
            &b"Server"[..],
            b"Service",
            b"Error",
            b"Exception",
            b"Manager",
            b"Thread",
            b"Task",
            b"Job",
            b"Apache",
            b"Tomcat",
            b"Java",
            b"Linux",
            b"Windows",
            b"Red",
            b"Hat",
            b"System",
            b"Process",
            b"Queue",
            b"Table",
            b"Database",
            b"Session",
            b"Request",
            b"Response",
            b"Connection",
            b"Agent",
            b"Node",
            b"Cluster",
            b"Object",
            b"Class",
            b"Module",
            b"Store",
            b"Cache",
            b"File",
            b"Data",
            b"Mozilla",
            b"Chrome",
            b"Safari",
            b"Google",
            b"Amazon",
            b"Microsoft",
            b"Oracle",
            b"Intel",
            b"Inc",
            b"Ltd",
            b"GmbH",
            b"Bank",
            b"Street",
            b"Monday",
            b"Tuesday",
            b"Wednesday",
            b"Thursday",
            b"Friday",
            b"Saturday",
            b"Sunday",
            b"January",
            b"February",
            b"March",
            b"April",
            b"June",
            b"July",
            b"August",
            b"September",
            b"October",
            b"November",
            b"December",
            b"North",
            b"South",
            b"West",
            b"East",
            b"New",
            b"Internal",
            b"External",
            b"Web",
            b"HTTP",
            b"TCP",
            b"SSL",
            b"SSH",
            b"API",
            b"URL",
            b"ID",
            b"SQL",
            b"GET",
            b"POST",
            b"INFO",
            b"WARN",
            b"ERROR",
            b"DEBUG",
            b"FATAL",
        ]
        .contains(&word)
    })
}

/// `12 Long Street`: the number, the words with capitals, the word for a street.
pub(super) fn street(text: &[u8], word: Range<usize>, found: &mut Found<'_>) {
    if text.get(word.end).is_some_and(u8::is_ascii_alphanumeric)
        || !text[word.start + 1].is_ascii_uppercase()
    {
        return;
    }
    let bound = word.start.saturating_sub(40);
    let left = &text[bound..word.start];
    let left = &left[memchr::memrchr(b'\n', left).map_or(0, |at| at + 1)..];
    let start = word.start - left.len();
    let Some(digits) = left.iter().rposition(u8::is_ascii_digit) else { return };
    let mut words = 0;
    for part in left[digits + 1..].split(|byte| *byte == b' ').filter(|part| !part.is_empty()) {
        if !part[0].is_ascii_uppercase()
            || !part
                .iter()
                .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'\'' | b'.' | b'-'))
        {
            return;
        }
        words += 1;
    }
    if words == 0 || words > 3 || left.get(digits + 1) != Some(&b' ') {
        return;
    }
    let first =
        left[..digits].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |at| at + 1);
    if digits - first < 5 {
        found.add(start + first..word.end, Entity::Address);
    }
}

/// Common given names of several languages, sorted; without those that are words too.
const GIVEN: &[&str] = &[
    "aaron",
    "abigail",
    "adam",
    "adrian",
    "ahmed",
    "aisha",
    "alan",
    "albert",
    "alejandro",
    "alessandro",
    "alex",
    "alexander",
    "alexandra",
    "alexis",
    "alfred",
    "ali",
    "alice",
    "alicia",
    "alison",
    "amanda",
    "amber",
    "amy",
    "ana",
    "anastasia",
    "andrea",
    "andreas",
    "andres",
    "andrew",
    "angela",
    "anita",
    "anja",
    "ann",
    "anna",
    "anne",
    "annette",
    "anthony",
    "antonio",
    "arjun",
    "arthur",
    "ashley",
    "astrid",
    "barbara",
    "beatrice",
    "benjamin",
    "bernard",
    "bernd",
    "beth",
    "betty",
    "beverly",
    "birgit",
    "bjorn",
    "brandon",
    "brenda",
    "brian",
    "bridget",
    "brittany",
    "bruce",
    "bruno",
    "bryan",
    "camila",
    "camille",
    "carl",
    "carla",
    "carlos",
    "carol",
    "caroline",
    "carolyn",
    "catherine",
    "charles",
    "charlotte",
    "cheryl",
    "chiara",
    "christian",
    "christina",
    "christine",
    "christopher",
    "claire",
    "clara",
    "claudia",
    "colin",
    "connor",
    "cristina",
    "cynthia",
    "daniel",
    "daniela",
    "david",
    "deborah",
    "deepak",
    "denise",
    "dennis",
    "derek",
    "diana",
    "diane",
    "diego",
    "dieter",
    "dmitri",
    "dolores",
    "dominic",
    "donald",
    "donna",
    "doris",
    "dorothy",
    "douglas",
    "dylan",
    "edith",
    "eduardo",
    "edward",
    "eileen",
    "elaine",
    "elena",
    "eleni",
    "elias",
    "elisabeth",
    "elizabeth",
    "ella",
    "ellen",
    "emily",
    "emma",
    "enrique",
    "eric",
    "erik",
    "erika",
    "ernest",
    "esther",
    "ethan",
    "eugene",
    "eva",
    "evelyn",
    "fatima",
    "felix",
    "fernando",
    "fiona",
    "frances",
    "francesca",
    "francesco",
    "francisco",
    "franz",
    "fred",
    "frederick",
    "friedrich",
    "gabriel",
    "gabriela",
    "gary",
    "george",
    "gerald",
    "gerard",
    "gerhard",
    "giulia",
    "giuseppe",
    "gloria",
    "gordon",
    "greg",
    "gregory",
    "guillermo",
    "gunther",
    "gustav",
    "hannah",
    "hans",
    "harold",
    "harry",
    "hassan",
    "heather",
    "heidi",
    "heike",
    "heinrich",
    "helen",
    "helena",
    "helga",
    "helmut",
    "henry",
    "herbert",
    "howard",
    "hugo",
    "ibrahim",
    "igor",
    "ines",
    "ingrid",
    "irene",
    "isaac",
    "isabel",
    "isabella",
    "ivan",
    "jack",
    "jacob",
    "jacqueline",
    "jaime",
    "james",
    "jane",
    "janet",
    "janice",
    "jason",
    "javier",
    "jean",
    "jeffrey",
    "jennifer",
    "jens",
    "jeremy",
    "jerry",
    "jesse",
    "jessica",
    "jesus",
    "joan",
    "joanna",
    "joao",
    "johan",
    "johann",
    "johanna",
    "john",
    "johnny",
    "jonas",
    "jonathan",
    "jorge",
    "jose",
    "josef",
    "joseph",
    "joshua",
    "joyce",
    "juan",
    "judith",
    "judy",
    "julia",
    "julian",
    "julie",
    "jurgen",
    "justin",
    "karen",
    "karim",
    "karin",
    "karl",
    "kate",
    "katharina",
    "katherine",
    "kathleen",
    "kathryn",
    "katja",
    "keith",
    "kelly",
    "kenneth",
    "kevin",
    "khalid",
    "kim",
    "klaus",
    "konstantin",
    "kristin",
    "kumar",
    "kyle",
    "lars",
    "laura",
    "lauren",
    "lawrence",
    "leah",
    "lena",
    "leonard",
    "leslie",
    "liam",
    "lilian",
    "linda",
    "lisa",
    "logan",
    "lorenzo",
    "louis",
    "louise",
    "luca",
    "lucas",
    "lucia",
    "lucy",
    "luigi",
    "luis",
    "lukas",
    "luke",
    "madison",
    "magdalena",
    "manfred",
    "manuel",
    "marco",
    "marcus",
    "margaret",
    "maria",
    "marie",
    "marilyn",
    "mario",
    "marion",
    "marta",
    "martha",
    "martin",
    "martina",
    "mary",
    "mathieu",
    "matteo",
    "matthew",
    "matthias",
    "maurice",
    "megan",
    "mei",
    "melissa",
    "michael",
    "michelle",
    "miguel",
    "mike",
    "mila",
    "miriam",
    "mohamed",
    "mohammed",
    "monica",
    "monika",
    "muhammad",
    "nadia",
    "nancy",
    "natalia",
    "natalie",
    "nathan",
    "nicholas",
    "nicola",
    "nicolas",
    "nicole",
    "nina",
    "noah",
    "nora",
    "norma",
    "olga",
    "oliver",
    "olivia",
    "omar",
    "oscar",
    "otto",
    "pablo",
    "pamela",
    "patricia",
    "patrick",
    "paul",
    "paula",
    "pavel",
    "pedro",
    "peter",
    "petra",
    "philip",
    "philipp",
    "philippe",
    "phillip",
    "pierre",
    "priya",
    "rachel",
    "rafael",
    "rahul",
    "raj",
    "ralph",
    "ramon",
    "randy",
    "raymond",
    "rebecca",
    "renate",
    "ricardo",
    "richard",
    "rita",
    "robert",
    "roberto",
    "roger",
    "roland",
    "ronald",
    "rosa",
    "roy",
    "russell",
    "ruth",
    "ryan",
    "sabine",
    "sally",
    "samantha",
    "samuel",
    "sandra",
    "sara",
    "sarah",
    "scott",
    "sean",
    "sebastian",
    "sergei",
    "sergio",
    "sharon",
    "sheila",
    "shirley",
    "simon",
    "simone",
    "sofia",
    "sophia",
    "sophie",
    "stefan",
    "stefanie",
    "stephanie",
    "stephen",
    "steven",
    "stuart",
    "susan",
    "susanne",
    "sven",
    "svetlana",
    "sylvia",
    "tamara",
    "tania",
    "tatiana",
    "teresa",
    "theodore",
    "theresa",
    "thomas",
    "tiffany",
    "tim",
    "timothy",
    "tobias",
    "tom",
    "tomas",
    "tony",
    "tyler",
    "ulrich",
    "ursula",
    "uwe",
    "valentina",
    "valerie",
    "vanessa",
    "vera",
    "veronica",
    "victor",
    "victoria",
    "viktor",
    "vincent",
    "virginia",
    "vladimir",
    "walter",
    "wang",
    "wayne",
    "wei",
    "wendy",
    "werner",
    "wilhelm",
    "william",
    "wolfgang",
    "xavier",
    "yasmin",
    "yolanda",
    "yuki",
    "yusuf",
    "yvonne",
    "zachary",
    "zoe",
];
