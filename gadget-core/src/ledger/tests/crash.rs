//! Killed at every boundary, the next start puts everything back.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::action::{Action, ActionError, Summary};
use crate::ledger::crash::crash_point;
use crate::plan::StepKind;
use crate::units::MemoryLimit;

/// The directory that a child works in; the child is told where to end by `GADGET_CRASH_AT`.
const PLACE: &str = "GADGET_CRASH_DIR";

/// A cgroup made of two files: `frozen`, 0 or 1, and `limit`. Each write is one system call, as in the real one.
struct Files {
    dir: PathBuf,
}

impl Files {
    fn make(dir: &Path) -> Self {
        let files = Self { dir: dir.to_owned() };
        fs::write(dir.join("frozen"), "0").unwrap();
        fs::write(dir.join("limit"), "max").unwrap();
        files
    }
    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.join(file)).unwrap().trim().to_owned()
    }
    fn write(&self, file: &str, value: &str) {
        use std::os::unix::fs::FileExt;
        crash_point();
        let padded = format!("{value:<12}");
        let file = fs::File::options().write(true).open(self.dir.join(file)).unwrap();
        file.write_all_at(padded.as_bytes(), 0).unwrap();
        crash_point();
    }
}

impl Action for Files {
    fn supports(&self, _: StepKind) -> Result<(), ActionError> {
        Ok(())
    }
    fn prepare(&mut self, plan: &Plan) -> Result<Undo, ActionError> {
        Ok(match plan.step {
            Step::Freeze => thaw(),
            Step::SetMemoryHigh { .. } => restore(),
            _ => Undo::Nothing,
        })
    }
    fn apply(&mut self, permit: RecordedPermit) -> Result<Effect, ActionError> {
        match permit.undo() {
            Undo::Thaw { .. } => self.write("frozen", "1"),
            Undo::Restore { wrote, .. } => self.write("limit", wrote),
            _ => crash_point(),
        }
        Ok(Effect { summary: Summary::from("done").unwrap(), complete: true })
    }
    fn undo(&mut self, undo: &Undo) -> Result<Summary, ActionError> {
        match undo {
            Undo::Thaw { .. } => self.write("frozen", "0"),
            Undo::Restore { setting, before, wrote, .. } => {
                let found = Value::from(&self.read("limit")).unwrap();
                if found == *wrote {
                    self.write("limit", before);
                } else if found != *before {
                    return Err(ActionError::Yielded { setting: *setting, found });
                }
            }
            _ => {}
        }
        Ok(Summary::from("put back").unwrap())
    }
}

fn open_at(dir: &Path) -> Ledger {
    // Small enough that the script comes across rotations, and that none of its records is removed.
    let settings = LedgerSettings { segment_size: Bytes::new(3_000), segments: 100 };
    open::open(&dir.join("ledger"), settings, &facts("a"), at(0)).unwrap()
}

/// What an agent does in its life: effects that end well, and a death with effects in place that the next one undoes.
fn script(dir: &Path) {
    let mut files = Files { dir: dir.to_owned() };
    let limit = MemoryLimit::At(Bytes::from_mib(512));
    let steps = [Step::Freeze, Step::SetMemoryHigh { to: limit }, Step::Restart];
    for life in 0..3 {
        let mut ledger = open_at(dir);
        recover(&mut ledger, &mut files, &facts("a"), at(life));
        for (n, step) in steps.iter().enumerate() {
            let plan = plan(life * 10 + n as u64, step.clone());
            let undo = files.prepare(&plan).unwrap();
            let permit = ledger.record_intent(plan.clone(), undo.clone(), at(life)).unwrap();
            let effect = files.apply(permit).unwrap();
            let done = Entry::Done { plan: plan.id, effect: Cow::Borrowed(&effect) };
            ledger.append(at(life), &done).unwrap();
            if life == 0 {
                files.undo(&undo).unwrap();
                ledger.append(at(life), &ended(&plan)).unwrap();
            }
        }
        ledger.sync().unwrap();
    }
    recover(&mut open_at(dir), &mut files, &facts("a"), at(9));
}

/// Runs the script in a process of its own that is killed at boundary `crash`; true if it came to its end before.
fn run(dir: &Path, crash: u64) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::tests::crash::a_kill_at_any_boundary_leaves_nothing_half_done"])
        .env("GADGET_CRASH_AT", crash.to_string())
        .env(PLACE, dir)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success() || status.signal() == Some(9), "at {crash}: {status}");
    status.success()
}

#[test]
fn a_kill_at_any_boundary_leaves_nothing_half_done() {
    if let Some(dir) = std::env::var_os(PLACE) {
        return script(Path::new(&dir));
    }
    let (mut crash, mut in_place, mut ended) = (0, 0, 0);
    loop {
        let home = place();
        let mut files = Files::make(home.path());
        let whole = run(home.path(), crash);
        let mut ledger = open_at(home.path());
        let changed = [("frozen", "0"), ("limit", "max")]
            .into_iter()
            .filter(|(file, calm)| files.read(file) != *calm)
            .count();
        assert!(
            changed <= ledger.carried().unfinished.len(),
            "at {crash}: an effect without intent"
        );
        in_place += changed;
        recover(&mut ledger, &mut files, &facts("a"), at(20));
        assert_eq!((files.read("frozen"), files.read("limit")), ("0".to_owned(), "max".to_owned()));
        assert!(ledger.carried().unfinished.is_empty(), "at {crash}");
        drop(ledger);
        let dir = home.path().join("ledger");
        Ledger::verify(&dir).unwrap_or_else(|error| panic!("at {crash}: {error}"));
        let mut open = Vec::new();
        for record in Ledger::read(&dir) {
            match record.unwrap().entry {
                Entry::Intended { plan, .. } => open.push(plan.id),
                Entry::Ended(outcome) => {
                    open.retain(|plan| *plan != outcome.plan);
                    ended += 1;
                }
                _ => {}
            }
        }
        assert!(open.is_empty(), "at {crash}: {open:?} have no end on record");
        if whole {
            break;
        }
        crash += 1;
    }
    eprintln!(
        "killed at {crash} boundaries; {in_place} effects were in place, {ended} ends on record"
    );
    assert!(crash > 150 && in_place > 50, "{crash} boundaries, {in_place} effects in place");
}
