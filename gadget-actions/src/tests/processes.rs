use std::time::Duration;

use gadget_core::{
    Action as _, ActionError, Bytes, ProcessId, Reach, Step, StepKind, Subject, Timestamp, Undo,
};
use rustix::process::Signal;

use crate::linux::MAX_UNDER_WAY;
use crate::process::Target;
use crate::testing::{Child, Family, act, eventually, finish, identity, plan, proc};

const NOW: Timestamp = Timestamp::from_secs(2_000);
const TICK: Duration = Duration::from_millis(100);
const GRACE: Duration = Duration::from_secs(5);

fn subject(child: &Child) -> Subject {
    Subject::Process(child.id())
}

#[test]
fn a_process_that_takes_sigterm_is_not_killed() {
    let mut child = Child::sleeping();
    let mut linux = crate::linux();
    let plan = plan(Step::Terminate { grace: GRACE }, subject(&child), "leaky");
    let (effect, undo) = act(&mut linux, &plan).unwrap();
    assert_eq!(undo, Undo::Nothing);
    assert!(!effect.complete);
    assert_eq!(&*effect.summary, format!("SIGTERM to {} (leaky), SIGKILL in 5.0 s", child.pid()));
    let results = finish(&mut linux, NOW, Duration::ZERO);
    let [Ok(effect)] = &results[..] else { panic!("{results:?}") };
    assert!(effect.complete && effect.summary.ends_with("(leaky) ended on SIGTERM"), "{effect:?}");
    assert_eq!(child.ended_by(), Some(15));
}

#[test]
fn a_process_that_ignores_sigterm_is_killed_when_the_agents_time_says_so() {
    let mut child = Child::ignoring_term();
    let mut linux = crate::linux();
    act(&mut linux, &plan(Step::Terminate { grace: GRACE }, subject(&child), "stubborn")).unwrap();
    let mut nothing = |_, result| panic!("{result:?}");
    // The grace counts from the first step after the signal, whatever the plan's own time was.
    for now in [NOW, NOW + Duration::from_millis(4_900)] {
        linux.advance(now, &mut nothing);
        assert!(linux.next_advance().unwrap() <= NOW + GRACE);
    }
    assert!(!matches!(child.state(), b'Z'));
    let results = finish(&mut linux, NOW + GRACE, Duration::ZERO);
    let [Ok(effect)] = &results[..] else { panic!("{results:?}") };
    assert!(effect.summary.ends_with("(stubborn) ended on SIGKILL"), "{effect:?}");
    assert_eq!(child.ended_by(), Some(9));
}

#[test]
fn a_stopped_process_is_continued_so_that_it_can_take_sigterm() {
    let mut child = Child::sleeping();
    let mut linux = crate::linux();
    act(&mut linux, &plan(Step::Pause, subject(&child), "leaky")).unwrap();
    eventually("it stops", || child.state() == b'T');
    act(&mut linux, &plan(Step::Terminate { grace: GRACE }, subject(&child), "leaky")).unwrap();
    finish(&mut linux, NOW, Duration::ZERO);
    assert_eq!(child.ended_by(), Some(15));
}

#[test]
fn kill_ends_a_process_and_says_so_once_it_has_ended() {
    let mut child = Child::ignoring_term();
    let mut linux = crate::linux();
    let (effect, _) = act(&mut linux, &plan(Step::Kill, subject(&child), "leaky")).unwrap();
    assert!(
        effect.summary.starts_with(&format!("SIGKILL to {} (leaky)", child.pid())),
        "{effect:?}"
    );
    assert_eq!(finish(&mut linux, NOW, TICK).len(), 1);
    assert_eq!(child.ended_by(), Some(9));
}

#[test]
fn a_tree_is_asked_then_killed_with_those_who_lost_their_parent() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    // The middle one takes SIGTERM, so that its child has another parent by the time of SIGKILL.
    let mut root = Child::script(&format!(
        "trap '' TERM; (trap - TERM; (trap '' TERM; exec sleep 1000) & echo $! > {0}; wait) & \
         while ! [ -s {0} ]; do sleep 0.01; done; echo ready; exec sleep 1000",
        pid.display()
    ));
    let orphan = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    let held = identity(orphan);
    let mut linux = crate::linux();
    let mut plan = plan(Step::Terminate { grace: GRACE }, subject(&root), "storm");
    plan.target.reach = Reach::Tree;
    let (effect, _) = act(&mut linux, &plan).unwrap();
    assert!(effect.summary.contains("(storm) and 2 descendants, SIGKILL in 5.0 s"), "{effect:?}");
    let results = finish(&mut linux, NOW, TICK);
    let [Ok(effect)] = &results[..] else { panic!("{results:?}") };
    assert!(effect.summary.ends_with("(storm) and its descendants ended on SIGKILL"), "{effect:?}");
    assert_eq!(root.ended_by(), Some(9));
    assert!(Target::open(proc(), held).is_err());
}

#[test]
fn a_reused_id_a_zombie_and_the_gone_are_stale_for_every_step() {
    let mut child = Child::sleeping();
    let other = Subject::Process(ProcessId { start: child.id().start + 1, ..child.id() });
    let same = subject(&child);
    let mut linux = crate::linux();
    let steps = [
        Step::Kill,
        Step::Terminate { grace: GRACE },
        Step::Pause,
        Step::SetNice { to: 5 },
        Step::SetOomScoreAdj { to: 500 },
    ];
    for step in &steps {
        let error = act(&mut linux, &plan(step.clone(), other, "x")).unwrap_err();
        assert!(matches!(error, ActionError::Stale { .. }), "{error:?}");
    }
    // The one that was judged when it was prepared has gone when it is applied.
    let prepared: Vec<_> =
        steps.iter().map(|step| linux.prepare(&plan(step.clone(), same, "x")).unwrap()).collect();
    child.kill_without_reaping();
    for (step, undo) in steps.iter().zip(prepared) {
        let error = linux.carry_out(&plan(step.clone(), same, "x"), &undo).unwrap_err();
        assert!(matches!(error, ActionError::Stale { .. }), "{error:?}");
        let undone = linux.undo(&undo);
        assert!(
            undo == Undo::Nothing || matches!(undone, Err(ActionError::Stale { .. })),
            "{undone:?}"
        );
    }
    assert_eq!(linux.next_advance(), None);
}

#[test]
fn the_first_process_ourselves_and_a_tree_with_us_in_it_are_refused() {
    let mut linux = crate::linux();
    let us = identity(std::process::id());
    for (id, reach) in [
        (identity(1), Reach::Alone),
        (identity(1), Reach::Tree),
        (us, Reach::Alone),
        (us, Reach::Tree),
    ] {
        for step in [Step::Kill, Step::Terminate { grace: GRACE }] {
            let mut plan = plan(step, Subject::Process(id), "x");
            plan.target.reach = reach;
            assert!(matches!(linux.prepare(&plan), Err(ActionError::Unsupported { .. })));
        }
    }
}

#[test]
fn pausing_is_undone_and_a_stop_of_somebody_else_is_left_to_them() {
    let child = Child::sleeping();
    let mut linux = crate::linux();
    let pause = plan(Step::Pause, subject(&child), "leaky");
    let (_, undo) = act(&mut linux, &pause).unwrap();
    eventually("it stops", || child.state() == b'T');
    // Now it is as if somebody else had stopped it.
    let (effect, theirs) = act(&mut linux, &pause).unwrap();
    assert_eq!(theirs, Undo::Nothing);
    assert!(effect.summary.ends_with("was stopped already, left as it is"));
    linux.undo(&undo).unwrap();
    eventually("it runs", || child.state() == b'S');
    assert!(linux.undo(&undo).unwrap().ends_with("which ran already"));
}

#[test]
fn a_paused_tree_goes_on_but_for_those_whom_somebody_else_had_stopped() {
    let family = Family::of(2);
    let (theirs, ours) = family.members.split_at(1);
    let pid = family.root.pid();
    Family::signal(theirs, Signal::STOP);
    eventually("theirs stops", || Family::are(theirs, true));
    let mut linux = crate::linux();
    let mut plan = plan(Step::Pause, subject(&family.root), "leaky");
    plan.target.reach = Reach::Tree;
    let (effect, undo) = act(&mut linux, &plan).unwrap();
    let line = format!("SIGSTOP to {pid} (leaky) and 4 descendants");
    assert!(effect.complete && effect.summary.starts_with(&line), "{effect:?}");
    let stopped = theirs.iter().copied().collect();
    assert_eq!(undo, Undo::Continue { process: theirs[0], reach: Reach::Tree, stopped });
    eventually("all stand still", || Family::are(&family.members, true));
    for stopped in [4, 0] {
        let line = format!("SIGCONT to {pid} and 4 descendants; {stopped} of them were stopped");
        assert_eq!(&*linux.undo(&undo).unwrap(), line);
        eventually("ours go on", || Family::are(ours, false));
        assert!(Family::are(theirs, true));
    }
}

#[test]
fn a_tree_that_is_mostly_stopped_already_is_not_paused_but_can_be_ended() {
    let family = Family::of(9);
    Family::signal(&family.members[..17], Signal::STOP);
    eventually("they stop", || Family::are(&family.members[..17], true));
    let mut linux = crate::linux();
    let mut plan = plan(Step::Pause, subject(&family.root), "leaky");
    plan.target.reach = Reach::Tree;
    assert!(matches!(linux.prepare(&plan), Err(ActionError::Unsupported { .. })));
    plan.step = Step::Kill;
    let undo = linux.prepare(&plan).unwrap();
    let Undo::Continue { stopped, .. } = undo else { panic!("{undo:?}") };
    assert_eq!(stopped[..], family.members[..16]);
}

#[test]
fn attributes_come_back_as_they_were() {
    let child = Child::sleeping();
    let mut linux = crate::linux();
    let raise = 700;
    let proc = format!("/proc/{}", child.pid());
    let adjust = || std::fs::read_to_string(format!("{proc}/oom_score_adj")).unwrap();
    let before = adjust();
    // It inherits ours, which is not 0 where tests run in the background.
    let nice = rustix::process::getpriority_process(None).unwrap();
    for (step, line) in [
        (Step::SetNice { to: 7 }, &*format!("nice value of PID (x) {nice} -> 7")),
        (Step::SetIoPriority { class: 3, level: 4 }, "IO priority of PID (x) 0:0 -> 3:0"),
        (Step::SetAffinity { cpus: 1 }, "affinity of PID (x) "),
        (Step::SetOomScoreAdj { to: raise }, "oom_score_adj of PID (x) "),
    ] {
        let (effect, undo) = act(&mut linux, &plan(step.clone(), subject(&child), "x")).unwrap();
        let line = line.replace("PID", &child.pid().to_string());
        assert!(effect.complete && effect.summary.starts_with(&line), "{effect:?}");
        // A second hand that finds what the first has set prepares to put that back.
        assert!(matches!(
            linux.prepare(&plan(step, subject(&child), "x")),
            Ok(Undo::Restore { .. })
        ));
        assert!(linux.undo(&undo).is_ok());
        assert!(linux.undo(&undo).unwrap().contains("already"));
    }
    assert_eq!(adjust(), before);
    let shown = std::process::Command::new("ionice")
        .args(["-p", &child.pid().to_string()])
        .output()
        .unwrap();
    assert!(shown.stdout.starts_with(b"none"), "{shown:?}");
}

#[test]
fn a_value_that_somebody_else_has_changed_is_theirs() {
    let child = Child::sleeping();
    let mut linux = crate::linux();
    let path = format!("/proc/{}/oom_score_adj", child.pid());
    let plan = plan(Step::SetOomScoreAdj { to: 600 }, subject(&child), "x");
    let undo = linux.prepare(&plan).unwrap();
    std::fs::write(&path, "650").unwrap();
    assert!(matches!(linux.carry_out(&plan, &undo), Err(ActionError::Yielded { .. })));
    std::fs::write(&path, "500").unwrap();
    let (_, undo) = act(&mut linux, &plan).unwrap();
    std::fs::write(&path, "800").unwrap();
    assert!(matches!(linux.undo(&undo), Err(ActionError::Yielded { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "800\n");
}

#[test]
fn lowering_oom_score_adj_without_the_capability_is_found_before() {
    let child = Child::sleeping();
    let mut linux = crate::linux();
    std::fs::write(format!("/proc/{}/oom_score_adj", child.pid()), "300").unwrap();
    let prepared = linux.prepare(&plan(Step::SetOomScoreAdj { to: -500 }, subject(&child), "x"));
    if linux.has_capability("CAP_SYS_RESOURCE") {
        assert!(matches!(prepared, Ok(Undo::Restore { .. })));
    } else {
        assert!(
            matches!(prepared, Err(ActionError::Missing { capability: "CAP_SYS_RESOURCE", .. })),
            "{prepared:?}"
        );
    }
}

#[test]
fn effects_under_way_are_bounded() {
    let mut linux = crate::linux();
    let children: Vec<_> = (0..=MAX_UNDER_WAY).map(|_| Child::ignoring_term()).collect();
    let (last, most) = children.split_last().unwrap();
    let terminate = |child: &Child| plan(Step::Terminate { grace: GRACE }, subject(child), "x");
    for child in most {
        act(&mut linux, &terminate(child)).unwrap();
    }
    let error = act(&mut linux, &terminate(last)).unwrap_err();
    assert!(
        matches!(error, ActionError::Unsupported { step: StepKind::Terminate, .. }),
        "{error:?}"
    );
    assert_eq!(finish(&mut linux, NOW, TICK).len(), MAX_UNDER_WAY);
    assert!(act(&mut linux, &terminate(last)).is_ok());
}

#[test]
fn steps_on_the_wrong_kind_of_target_are_refused() {
    let child = Child::sleeping();
    let mut linux = crate::linux();
    for (step, subject) in [
        (Step::Freeze, subject(&child)),
        (Step::Reclaim { amount: Bytes::ZERO }, subject(&child)),
        (Step::Kill, Subject::Host),
        (Step::SetNice { to: 20 }, subject(&child)),
        (Step::SetAffinity { cpus: 0 }, subject(&child)),
    ] {
        assert!(matches!(
            linux.prepare(&plan(step, subject, "x")),
            Err(ActionError::Unsupported { .. })
        ));
    }
    let mut tree = plan(Step::SetNice { to: 3 }, subject(&child), "x");
    tree.target.reach = Reach::Tree;
    assert!(matches!(linux.prepare(&tree), Err(ActionError::Unsupported { .. })));
}
