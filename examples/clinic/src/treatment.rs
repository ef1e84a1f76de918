//! What has to come of a deadlock when the watcher may act: captured, ended, gone, and the service back.
//!
//! The cases run as a user of their own, and the policy protects everything of root: whatever the watcher thinks of the
//! rest of this host, it cannot touch it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::batch::last_line;
use crate::cases;
use crate::check;
use crate::launch::Guardian;
use crate::patient::{Clinic, Patient, SETTLING};
use crate::traffic;
use crate::watcher::{Said, Watcher, Word};
use crate::workshop::{Workshop, missing};

/// `nobody`, on every distribution that matters.
const USER: u32 = 65_534;
/// The service, which its supervisor starts again when it is asked to.
const SERVICE: &str = "abba-server";
/// A program that nobody starts again.
const PROGRAM: &str = "abba";
/// After the last step that is waited for, the watcher gets this long to report it.
const REPORTS: Duration = Duration::from_secs(8);

/// How the treatment is run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) watcher: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) directory: PathBuf,
    /// How long the watcher has for everything.
    pub(crate) patience: Duration,
}

/// One thing that has to happen.
#[derive(Clone, Debug)]
pub struct Step {
    /// What.
    pub what: &'static str,
    /// When it happened, after the watcher's start; none if it did not.
    pub after: Option<Duration>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Treated {
    /// It could not be tried here, and why.
    Skipped(String),
    /// What happened of all that has to.
    Steps(Vec<Step>),
}

impl Treated {
    /// Whether nothing is missing.
    pub fn passed(&self) -> bool {
        match self {
            Self::Skipped(_) => true,
            Self::Steps(steps) => steps.iter().all(|step| step.after.is_some()),
        }
    }

    /// A line each.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Skipped(why) => vec![format!("treatment SKIPPED: {why}")],
            Self::Steps(steps) => {
                let line = |step: &Step| match step.after {
                    Some(after) => {
                        format!("treatment: {} after {:.0} s", step.what, after.as_secs_f64())
                    }
                    None => format!("treatment FAILED: never seen: {}", step.what),
                };
                steps.iter().map(line).collect()
            }
        }
    }
}

/// What was seen happening, besides what the watcher says.
#[derive(Debug, Default)]
struct Seen {
    program_gone: Option<Duration>,
    service_gone: Option<Duration>,
    asked_for: Option<Duration>,
    serves_again: Option<Duration>,
}

/// Runs both cases beside a watcher that may act.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Treated> {
    let (Some(service), Some(program)) = (cases::find(SERVICE), cases::find(PROGRAM)) else {
        bail!("the cases {SERVICE} and {PROGRAM} are gone");
    };
    if !rustix::process::geteuid().is_root() {
        return Ok(Treated::Skipped("it takes root to run the cases as somebody else".into()));
    }
    if let Some(missing) = missing(&service.program) {
        return Ok(Treated::Skipped(missing));
    }
    let own = std::env::current_exe()?;
    let workshop = Workshop::at(plan.directory.join("programs"))?;
    let directory = plan.directory.join("treatment");
    // A ledger of another run would hold budgets that are spent.
    fs::remove_dir_all(&directory).ok();
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let directory = directory.canonicalize()?;
    let mut clinic = Clinic::new(&own, &workshop, &directory)?;
    clinic.user = Some(USER);
    let mut guardian = Guardian::start(&own)?;
    let mut staged = Vec::new();
    for case in [service, program] {
        workshop.build(&case.program)?;
        let mut patient = match Patient::start(case, &clinic) {
            Err(error) if is_denied(&error) => {
                return Ok(Treated::Skipped(format!("user {USER} may not run what is built here")));
            }
            started => started?,
        };
        patient.group().map_or(Ok(()), |group| guardian.group(group))?;
        patient.settle()?;
        staged.push(patient);
    }
    let patients: Vec<&Patient> = staged.iter().collect();
    if let Some(wrong) = check::settled(&patients, SETTLING).into_iter().flatten().next() {
        bail!("the cases are not as staged: {wrong}");
    }
    let note = directory.join("restart-asked-for");
    let args = arguments(plan, &directory, &own, &note)?;
    let mut watcher = Watcher::start(&plan.watcher, &args, &directory, "treatment")?;
    let mut seen = Seen::default();
    let mut again = None;
    let mut complete = None;
    while watcher.elapsed() < complete.map_or(plan.patience, |at| at + REPORTS) {
        if let Some(status) = watcher.ended() {
            bail!(
                "the watcher ended: {status}; {}",
                last_line(&directory.join("treatment.watcher.log"))
            );
        }
        let now = watcher.elapsed();
        for patient in &mut staged {
            patient.reap();
        }
        let gone = |patient: &Patient| (!patient.lives()).then_some(now);
        seen.program_gone = seen.program_gone.or_else(|| gone(&staged[1]));
        seen.service_gone = seen.service_gone.or_else(|| gone(&staged[0]));
        if seen.asked_for.is_none() && note.exists() {
            seen.asked_for = Some(now);
            // A supervisor ends what it is to start again.
            staged[0].end();
            let mut patient = Patient::start(service, &clinic)?;
            patient.group().map_or(Ok(()), |group| guardian.group(group))?;
            patient.get_ready()?;
            let port = patient.told.port.context("a server has a port")?;
            seen.serves_again = traffic::answers(port).then(|| watcher.elapsed());
            again = Some(patient);
        }
        let all = [seen.program_gone, seen.service_gone, seen.serves_again];
        complete = complete.or_else(|| all.iter().all(Option::is_some).then_some(now));
        thread::sleep(Duration::from_millis(100));
    }
    let words = watcher.stop();
    let pids = [staged[0].pid, staged[1].pid];
    drop(again);
    Ok(Treated::Steps(steps(&words, pids, &seen, &directory)))
}

fn is_denied(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::PermissionDenied)
}

/// Lets the watcher act, on nothing of root's; and has it ask for the service with a program.
fn arguments(
    plan: &Plan,
    directory: &Path,
    own: &Path,
    note: &Path,
) -> anyhow::Result<Vec<String>> {
    let file = |name: &str| directory.join(name).display().to_string();
    fs::write(file("policy.toml"), "[autonomy]\npathologist = \"act\"\n\n[protect]\nuid = [0]\n")?;
    fs::write(
        file("programs.toml"),
        format!(
            "[restart]\n{SERVICE:?} = [{:?}, \"note\", {:?}]\n",
            own.display().to_string(),
            note.display().to_string()
        ),
    )?;
    let mut args: Vec<String> = vec!["--act".into()];
    for (flag, name) in [
        ("--policy", "policy.toml"),
        ("--ledger", "ledger"),
        ("--programs", "programs.toml"),
        ("--incidents", "incidents"),
    ] {
        args.extend([flag.into(), file(name)]);
    }
    args.extend(plan.args.iter().cloned());
    Ok(args)
}

fn steps(words: &[Word], [service, program]: [u32; 2], seen: &Seen, directory: &Path) -> Vec<Step> {
    let done = |pid: u32, wanted: &str| {
        words.iter().find_map(|word| match &word.what {
            Said::Done { step, .. } if word.pid == pid && step == wanted => Some(word.at),
            _ => None,
        })
    };
    let captured = |pid: u32| done(pid, "capture-stacks").filter(|_| has_graph(directory, pid));
    let harmed_others = words.iter().any(|word| {
        let harm = matches!(&word.what, Said::Done { step, .. } if crate::watcher::harms(step));
        harm && word.pid != service && word.pid != program
    });
    [
        ("the stacks and the lock graph of the program kept", captured(program)),
        ("the program told to end", done(program, "terminate")),
        ("the program gone", seen.program_gone),
        ("the stacks and the lock graph of the service kept", captured(service)),
        ("the service's supervisor asked to restart it", seen.asked_for),
        ("the old service gone", seen.service_gone),
        ("the service answers again", seen.serves_again),
        ("nobody else touched", (!harmed_others).then_some(Duration::ZERO)),
    ]
    .map(|(what, after)| Step { what, after })
    .into()
}

/// Whether there is a file about the process that shows stacks, and one that draws the lock graph.
fn has_graph(directory: &Path, pid: u32) -> bool {
    let mut files = Vec::new();
    let mut folders = vec![directory.join("incidents")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => folders.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    let of: Vec<&PathBuf> =
        files.iter().filter(|file| file.to_string_lossy().contains(&pid.to_string())).collect();
    let holds = |word: &str| {
        of.iter().any(|file| fs::read_to_string(file).is_ok_and(|text| text.contains(word)))
    };
    holds("pthread_mutex_lock") && holds("<svg")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(pid: u32, step: &str) -> Word {
        let what = Said::Done { step: step.into(), summary: String::new() };
        Word { at: Duration::from_secs(70), pid, what }
    }

    /// A whole treatment of service 41 and program 42, as it should go.
    fn whole(directory: &Path) -> (Vec<Word>, Seen) {
        let incidents = directory.join("incidents");
        for pid in [41, 42] {
            let folder = incidents.join(format!("incident-{pid}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("stacks.txt"), "#0 pthread_mutex_lock").unwrap();
            fs::write(folder.join("locks.svg"), "<svg/>").unwrap();
        }
        let words = vec![
            done(41, "capture-stacks"),
            done(42, "capture-stacks"),
            done(42, "terminate"),
            done(41, "restart"),
        ];
        let at = Some(Duration::from_secs(75));
        (words, Seen { program_gone: at, service_gone: at, asked_for: at, serves_again: at })
    }

    fn missing(words: &[Word], seen: &Seen, directory: &Path) -> Vec<&'static str> {
        let steps = steps(words, [41, 42], seen, directory);
        steps.iter().filter(|step| step.after.is_none()).map(|step| step.what).collect()
    }

    #[test]
    fn a_treatment_passes_when_nothing_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let (words, seen) = whole(directory.path());
        assert_eq!(missing(&words, &seen, directory.path()), Vec::<&str>::new());
        let steps = steps(&words, [41, 42], &seen, directory.path());
        assert!(Treated::Steps(steps).passed());
    }

    #[test]
    fn a_capture_without_its_picture_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let (words, seen) = whole(directory.path());
        fs::remove_file(directory.path().join("incidents/incident-42/locks.svg")).unwrap();
        let missing = missing(&words, &seen, directory.path());
        assert_eq!(missing, ["the stacks and the lock graph of the program kept"]);
    }

    #[test]
    fn a_step_against_anybody_else_fails_the_treatment() {
        let directory = tempfile::tempdir().unwrap();
        let (mut words, seen) = whole(directory.path());
        words.push(done(1, "capture-stacks"));
        assert_eq!(missing(&words, &seen, directory.path()), Vec::<&str>::new());
        words.push(done(1, "terminate"));
        assert_eq!(missing(&words, &seen, directory.path()), ["nobody else touched"]);
    }

    #[test]
    fn a_word_that_it_was_ended_is_not_enough() {
        let directory = tempfile::tempdir().unwrap();
        let (words, seen) = whole(directory.path());
        let seen = Seen { program_gone: None, ..seen };
        assert_eq!(missing(&words, &seen, directory.path()), ["the program gone"]);
        let lines = Treated::Steps(steps(&words, [41, 42], &seen, directory.path())).lines();
        assert!(lines.contains(&"treatment FAILED: never seen: the program gone".to_owned()));
    }
}
