//! A walk of the list of processes, in slices.

use std::io;

use gadget_core::SignalError;
use libbpf_rs::ProgramInput;

use super::record::{Position, Raw, Units};
use super::{NAME, ProcessRecord};
use crate::bpf::mapped::Mapped;
use crate::bpf::program::Programs;
use crate::bpf::record::Record as _;
use crate::bpf::skel::scan::ScanSkel;

/// So many processes or threads are visited in one slice, which keeps the kernel from reclaiming memory of that kind.
const SLICE: u32 = 1024;

pub(super) struct Walk {
    programs: Programs<ScanSkel<'static>>,
    slice: Mapped<Raw>,
}

impl Walk {
    pub(super) fn of(programs: Programs<ScanSkel<'static>>) -> Result<Self, SignalError> {
        let slice = Mapped::of(&programs.skeleton().maps.records, NAME)?;
        Ok(Self { programs, slice })
    }

    pub(super) fn scan(
        &self,
        units: Units,
        records: &mut Vec<ProcessRecord>,
    ) -> Result<(), SignalError> {
        let mut at = Position::default();
        loop {
            self.run(&mut at, SLICE)?;
            records.extend(self.slice(&at).map(|raw| ProcessRecord::new(&raw, units)));
            if at.more == 0 {
                return Ok(());
            }
        }
    }

    /// Goes on from where a slice has ended, for `most` processes or threads.
    fn run(&self, at: &mut Position, most: u32) -> Result<(), SignalError> {
        at.count = most;
        let input = ProgramInput { context_in: Some(at.as_bytes_mut()), ..Default::default() };
        let ran = self.programs.skeleton().progs.handle__scan.test_run(input);
        ran.map(drop).map_err(|error| SignalError::Program {
            attempt: "run",
            provider: NAME,
            source: io::Error::other(error),
        })
    }

    /// What the slice that ended there holds.
    fn slice(&self, at: &Position) -> impl Iterator<Item = Raw> {
        (0..at.count as usize).map_while(|index| self.slice.get(index))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::process::{Child, Command};

    use super::super::{ProcessScan, ScanBy, Way};
    use super::*;

    struct Sleepers(Vec<Child>);

    impl Sleepers {
        fn spawn(count: usize) -> Self {
            Self((0..count).map(|_| Command::new("sleep").arg("100").spawn().unwrap()).collect())
        }
    }

    impl Drop for Sleepers {
        fn drop(&mut self) {
            self.0.iter_mut().for_each(|child| child.kill().unwrap());
            for child in &mut self.0 {
                child.wait().unwrap();
            }
        }
    }

    fn walk() -> Option<Walk> {
        match ProcessScan::by(None, ScanBy::Walk) {
            Ok(ProcessScan { way: Way::Walk(walk), .. }) => Some(walk),
            Ok(_) => panic!("not the way that was asked for"),
            Err(error) => {
                println!("SKIPPED: {error}");
                None
            }
        }
    }

    #[test]
    fn slices_of_any_size_give_each_process_once() {
        let Some(walk) = walk() else { return };
        let sleepers = Sleepers::spawn(20);
        for most in [1, 2, 7, SLICE] {
            let (mut at, mut pids, mut slices) = (Position::default(), Vec::new(), 0);
            while slices == 0 || at.more != 0 {
                walk.run(&mut at, most).unwrap();
                assert!(at.count <= most);
                pids.extend(walk.slice(&at).map(|raw| raw.pid));
                slices += 1;
            }
            assert!(slices >= pids.len().div_ceil(most as usize), "{slices} of {most}");
            let once: HashSet<_> = pids.iter().copied().collect();
            assert_eq!(once.len(), pids.len(), "slices of {most}");
            assert!(sleepers.0.iter().all(|child| once.contains(&child.id())));
        }
    }

    #[test]
    fn after_a_process_that_is_gone_the_walk_goes_on_with_those_that_began_later() {
        let Some(walk) = walk() else { return };
        let mut sleepers = Sleepers::spawn(3);
        let (mut at, mut all) = (Position::default(), Vec::new());
        walk.run(&mut at, SLICE).unwrap();
        all.extend(walk.slice(&at));
        let second = sleepers.0[1].id();
        let second = *all.iter().find(|raw| raw.pid == second).unwrap();
        drop(Sleepers(vec![sleepers.0.remove(1)]));

        let mut at = Position { pid: second.pid, start_ns: second.start_ns, ..Position::default() };
        walk.run(&mut at, SLICE).unwrap();
        let rest: Vec<Raw> = walk.slice(&at).collect();
        assert!(rest.iter().all(|raw| raw.start_ns > second.start_ns), "{}", second.start_ns);
        assert!(rest.iter().any(|raw| raw.pid == sleepers.0[1].id()));
        assert!(!rest.iter().any(|raw| raw.pid == sleepers.0[0].id()));
    }

    #[test]
    fn the_kernel_gives_no_record_beyond_the_slice_that_we_map() {
        let Some(walk) = walk() else { return };
        assert!(walk.slice.get(SLICE as usize - 1).is_some());
        assert!(walk.slice.get(SLICE as usize).is_none());
    }
}
