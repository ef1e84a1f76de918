//! The verdict on the watcher: from what is known of a case, never from what the watcher claims.

use std::fmt;
use std::time::Duration;

use crate::case::{Case, State};
use crate::patient::{Told, TrueWait};
use crate::watcher::{Said, Word};

/// When a proof is late: a first look at a process comes within 10 s of the start, the second 10 s after it, and the
/// proof within 25 s of that.
pub const PROOF_DUE: Duration = Duration::from_secs(45);

/// How the watcher did on a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Right,
    /// Nothing that was promised was broken, but the verdict is not the truth.
    Missed(String),
    /// A promise was broken.
    Failed(String),
    /// The case could not be staged here.
    Skipped(String),
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => f.write_str("right"),
            Self::Missed(why) => write!(f, "missed: {why}"),
            Self::Failed(why) => write!(f, "FAILED: {why}"),
            Self::Skipped(why) => write!(f, "SKIPPED: {why}"),
        }
    }
}

/// What is known of a case that ran.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The process it is about.
    pub pid: u32,
    /// All its processes.
    pub pids: Vec<u32>,
    /// What it told of itself.
    pub told: Told,
    /// It was not, or did not stay, what it claims to be.
    pub spoiled: Option<String>,
}

/// What the watcher made of a case.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The case.
    pub case: &'static Case,
    /// Its last word on it; none when it never spoke of it.
    pub verdict: Option<String>,
    /// The evidence for that.
    pub evidence: Option<u8>,
    /// The sentence for that.
    pub sentence: String,
    /// When it first said so.
    pub verdict_after: Option<Duration>,
    /// When it first had a proof, of a kind that the case allows if that is provable.
    pub proof_after: Option<Duration>,
    /// Every kind of step that it planned.
    pub planned: Vec<String>,
    /// A step among them that would have harmed.
    pub harm: Option<String>,
    /// Whether a sentence named every thread and every lock, where those are known and a proof was found.
    pub named: Option<bool>,
    /// How it did.
    pub grade: Grade,
}

impl Finding {
    /// Of a case that could not run.
    pub(crate) fn none(case: &'static Case, grade: Grade) -> Self {
        Self {
            case,
            verdict: None,
            evidence: None,
            sentence: String::new(),
            verdict_after: None,
            proof_after: None,
            planned: Vec::new(),
            harm: None,
            named: None,
            grade,
        }
    }
}

/// Judges what was said about one case.
pub fn judge(case: &'static Case, facts: &Facts, words: &[Word]) -> Finding {
    let own: Vec<&Word> = words.iter().filter(|word| facts.pids.contains(&word.pid)).collect();
    let mut finding = Finding::none(case, Grade::Right);
    for word in &own {
        if let Said::Planned { step, .. } = &word.what
            && !finding.planned.contains(step)
        {
            finding.planned.push(step.clone());
        }
    }
    // In a cycle across processes a proof about any of them is the verdict.
    let last_of = |pid: u32| own.iter().rev().find(|word| word.pid == pid && class(word).is_some());
    let proved =
        facts.pids.iter().filter_map(|pid| last_of(*pid)).find(|word| word.proof().is_some());
    if let Some(word) = proved.or_else(|| last_of(facts.pid)) {
        if let Said::Assessed { class, evidence, sentence, .. } = &word.what {
            finding.verdict = Some(class.clone());
            finding.evidence = *evidence;
            finding.sentence.clone_from(sentence);
        }
        let alike = |other: &&&Word| other.pid == word.pid && class(other) == class(word);
        finding.verdict_after = own.iter().find(alike).map(|first| first.at);
    }
    finding.harm = own.iter().find_map(|word| word.harm()).map(str::to_owned);
    let counts = |kind: u8| case.truth.proof.is_empty() || case.truth.proof.contains(&kind);
    let proofs = || own.iter().filter(|word| word.proof().is_some_and(counts));
    finding.proof_after = proofs().map(|word| word.at).min();
    let told = &facts.told;
    if finding.proof_after.is_some() && !(told.waits.is_empty() && told.names.is_empty()) {
        let all = |text: &str| {
            names_all(text, &told.waits) && told.names.iter().all(|name| text.contains(name))
        };
        finding.named = Some(proofs().any(|word| all(sentence(word))));
    }
    // A closed set need not name a cycle.
    let owners_known = proofs().any(|word| word.proof() != Some(1));
    finding.grade = grade(case, facts, &own, &finding, owners_known);
    finding
}

fn sentence(word: &Word) -> &str {
    match &word.what {
        Said::Assessed { sentence, .. } => sentence,
        _ => "",
    }
}

fn class(word: &Word) -> Option<&str> {
    match &word.what {
        Said::Assessed { class, .. } => Some(class),
        _ => None,
    }
}

fn grade(
    case: &Case,
    facts: &Facts,
    own: &[&Word],
    finding: &Finding,
    owners_known: bool,
) -> Grade {
    // Harm comes first: a case that it spoiled is no excuse.
    if let Some(step) = finding.harm.as_ref().filter(|_| !case.truth.may_end) {
        return Grade::Failed(format!("it planned to {step}"));
    }
    let proof = own.iter().find_map(|word| word.proof());
    if let Some(kind) = proof.filter(|_| case.truth.state != State::Stuck) {
        return Grade::Failed(format!("it was proved stuck by evidence {kind}"));
    }
    if let Some(why) = &facts.spoiled {
        return Grade::Failed(format!("not as staged: {why}"));
    }
    if owners_known && finding.named == Some(false) {
        return Grade::Failed("the sentence names other threads or locks".into());
    }
    if !case.truth.proof.is_empty() {
        match finding.proof_after {
            None => return Grade::Failed("no proof".into()),
            Some(after) if after > PROOF_DUE => {
                return Grade::Failed(format!("proved only after {:.0} s", after.as_secs_f64()));
            }
            Some(_) => {}
        }
    }
    match &finding.verdict {
        Some(verdict) if case.accepts(verdict) => Grade::Right,
        Some(verdict) => Grade::Missed(format!("said {verdict}")),
        // Nobody has to speak of what is well.
        None if matches!(case.truth.state, State::Idle | State::Working) => Grade::Right,
        None => Grade::Missed("said nothing".into()),
    }
}

/// Whether a sentence names each thread and each lock of the truth.
fn names_all(sentence: &str, waits: &[TrueWait]) -> bool {
    let words: Vec<&str> =
        sentence.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').collect();
    let thread = |tid: u32| words.iter().any(|word| word.trim_matches('.') == tid.to_string());
    let lock = |wait: &TrueWait| {
        let mut addresses = words.iter().filter_map(|word| word.strip_prefix("0x"));
        addresses.any(|digits| {
            let Ok(address) = u64::from_str_radix(digits.trim_matches('.'), 16) else {
                return false;
            };
            let holds = |start: u64| (start..start + wait.size).contains(&address);
            holds(wait.lock) || (digits.len() < 8 && wait.offset.is_some_and(holds))
        })
    };
    waits.iter().all(|wait| thread(wait.tid) && thread(wait.owner) && lock(wait))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::find;

    const AT: Duration = Duration::from_secs(12);

    fn said(class: &str, evidence: u8, sentence: &str) -> Word {
        let what = Said::Assessed {
            class: class.into(),
            evidence: Some(evidence),
            probability: 0.99,
            sentence: sentence.into(),
        };
        Word { at: AT, pid: 41, what }
    }

    fn planned(step: &str) -> Word {
        Word {
            at: AT,
            pid: 41,
            what: Said::Planned { step: step.into(), verdict: "observed only".into() },
        }
    }

    fn facts() -> Facts {
        let wait = |tid, lock, owner| TrueWait {
            tid,
            lock,
            size: 40,
            owner,
            offset: Some(lock - 0x5000 + 0x28),
        };
        let waits = vec![wait(42, 0x5000, 43), wait(43, 0x5028, 42)];
        Facts { pid: 41, pids: vec![41], told: Told { waits, ..Told::default() }, spoiled: None }
    }

    const TRUE: &str =
        "thread 42 waits for the lock at 0x5000 held by 43, which waits for 0x5028 held by 42";

    fn graded(case: &str, words: &[Word]) -> Grade {
        judge(find(case).unwrap(), &facts(), words).grade
    }

    fn failed(grade: &Grade) -> bool {
        matches!(grade, Grade::Failed(_))
    }

    #[test]
    fn a_deadlock_is_right_when_it_is_proved_with_its_threads_and_locks() {
        assert_eq!(graded("abba", &[said("stuck", 2, TRUE), planned("terminate")]), Grade::Right);
        // Another word of the same lock: where a read-write lock keeps its futex.
        assert_eq!(
            graded("abba", &[said("stuck", 2, &TRUE.replace("0x5000", "0x500c"))]),
            Grade::Right
        );
        assert!(failed(&graded("abba", &[said("stuck", 2, &TRUE.replace("0x5028", "0x5050"))])));
        assert!(failed(&graded("abba", &[said("stuck", 2, &TRUE.replace("43", "44"))])));
    }

    #[test]
    fn a_deadlock_without_a_proof_or_with_a_late_one_fails() {
        assert!(failed(&graded("abba", &[])));
        assert!(failed(&graded("abba", &[said("stuck", 7, TRUE)])));
        let mut late = said("stuck", 2, TRUE);
        late.at = PROOF_DUE + Duration::from_secs(1);
        assert!(failed(&graded("abba", &[late])));
        // Its port answers, so that no closed set can exist.
        assert!(failed(&graded("behind-port", &[said("stuck", 1, TRUE)])));
    }

    #[test]
    fn what_is_well_must_be_left_alone_and_need_not_be_mentioned() {
        assert_eq!(graded("idle-c", &[]), Grade::Right);
        assert_eq!(graded("idle-c", &[planned("capture-stacks")]), Grade::Right);
        for step in ["terminate", "kill", "restart", "freeze"] {
            assert!(failed(&graded("idle-c", &[planned(step)])), "{step}");
            assert!(failed(&graded("client-no-timeout", &[planned(step)])), "{step}");
            assert!(failed(&graded("frozen-writer", &[planned(step)])), "{step}");
            assert!(failed(&graded("spin-lock", &[planned(step)])), "{step}");
        }
    }

    #[test]
    fn a_false_proof_fails_and_a_false_suspicion_misses() {
        assert!(failed(&graded("idle-c", &[said("stuck", 1, "")])));
        assert!(failed(&graded("idle-c", &[said("stuck", 1, ""), said("idle", 7, "")])));
        assert_eq!(graded("idle-c", &[said("stuck", 7, "")]), Grade::Missed("said stuck".into()));
    }

    #[test]
    fn the_last_word_counts_from_when_it_was_first_said() {
        let mut again = said("idle", 7, "");
        again.at = AT + Duration::from_secs(60);
        let words = [said("working", 7, ""), said("idle", 7, ""), again];
        let finding = judge(find("idle-c").unwrap(), &facts(), &words);
        assert_eq!(finding.verdict.as_deref(), Some("idle"));
        assert_eq!(finding.verdict_after, Some(AT));
        assert_eq!(finding.proof_after, None);
    }

    #[test]
    fn words_about_strangers_are_not_counted() {
        let mut stranger = planned("kill");
        stranger.pid = 99;
        assert_eq!(graded("idle-c", &[stranger]), Grade::Right);
    }

    #[test]
    fn a_case_that_did_not_stay_what_it_was_fails() {
        let spoiled = Facts { spoiled: Some("it is gone".into()), ..facts() };
        let finding = judge(find("idle-c").unwrap(), &spoiled, &[]);
        assert!(failed(&finding.grade));
    }

    #[test]
    fn a_runtime_names_its_own_threads() {
        let told = Told { names: vec!["clinic-audit".into()], ..Told::default() };
        let facts = Facts { told, ..facts() };
        let graded = |sentence| {
            judge(find("java-monitors").unwrap(), &facts, &[said("stuck", 3, sentence)]).grade
        };
        assert_eq!(graded("clinic-audit waits for a monitor"), Grade::Right);
        assert!(failed(&graded("main waits for a monitor")));
    }

    #[test]
    fn a_lock_in_shared_memory_goes_by_its_place_there() {
        let sentence = "thread 42 waits for the lock at 0x28 of shared memory held by 43, which waits for 0x50 held by 42";
        assert!(names_all(sentence, &facts().told.waits));
        assert!(!names_all(&sentence.replace("0x50", "0x78"), &facts().told.waits));
    }

    #[test]
    fn a_number_inside_another_is_no_thread() {
        assert!(!names_all("thread 142 waits for 0x5000 held by 430", &facts().told.waits[..1]));
    }
}
