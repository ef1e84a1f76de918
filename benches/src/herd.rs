//! Thousands of processes that sleep, made for a bench and ended with it.
#![allow(unsafe_code)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Set for the child that becomes the herd: how many.
const ROLE: &str = "GADGET_BENCH_HERD";
/// Set for the child that starts processes which end at once: how many.
const SPAWNER: &str = "GADGET_BENCH_SPAWNER";
/// Set for the child that runs a program which ends at once: how often.
const RUNNER: &str = "GADGET_BENCH_RUNNER";
const READY: &str = "ready";

/// Processes that sleep, forked from one child without a program of their own: about 150 KiB each.
#[derive(Debug)]
pub struct Herd(Child);

impl Herd {
    /// Starts `count` of them. The bench has to call [`Herd::be_one`] first of all.
    ///
    /// # Errors
    /// If the host does not let this user have so many.
    pub fn of(count: usize) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(ROLE, count.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut herd = Self(command.spawn()?);
        let mut line = String::new();
        BufReader::new(herd.0.stdout.take().context("piped")?).read_line(&mut line)?;
        ensure!(line.trim() == READY, "the herd says {line:?}");
        Ok(herd)
    }

    /// Starts a process that forks `count` others one after the other, as fast as it can; each ends at once.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawner(count: usize) -> Result<Child> {
        Ok(Command::new(std::env::current_exe()?).env(SPAWNER, count.to_string()).spawn()?)
    }

    /// As [`spawner`](Self::spawner), but each executes a program, `true`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn runner(count: usize) -> Result<Child> {
        Ok(Command::new(std::env::current_exe()?).env(RUNNER, count.to_string()).spawn()?)
    }

    /// Becomes the herd, a spawner or a runner, if this process was started to be it, and does not return then.
    ///
    /// # Errors
    /// If the herd cannot be made.
    pub fn be_one() -> Result<()> {
        if let Ok(count) = std::env::var(SPAWNER) {
            (0..count.parse()?).try_for_each(|number: i32| fork_one(number & 0x7f))?;
            std::process::exit(0);
        }
        if let Ok(count) = std::env::var(RUNNER) {
            for _ in 0..count.parse()? {
                Command::new("/bin/true").env_clear().status()?;
            }
            std::process::exit(0);
        }
        let Ok(count) = std::env::var(ROLE) else { return Ok(()) };
        let mut children = Vec::new();
        for _ in 0..count.parse()? {
            // SAFETY: this process has one thread, and the child calls nothing but what waits.
            match unsafe { libc::fork() } {
                -1 => anyhow::bail!("{} of {count}", children.len()),
                0 => wait_for_the_end(),
                child => children.push(child),
            }
        }
        println!("{READY}");
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        for child in children {
            // SAFETY: system calls without memory of ours; the number is a child's that was not waited for.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, std::ptr::null_mut(), 0);
            }
        }
        std::process::exit(0)
    }
}

/// Forks a process that ends at once with this code, and waits for it.
fn fork_one(code: i32) -> Result<()> {
    // SAFETY: this process has one thread, and the child calls nothing but what ends it.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error().into()),
        // SAFETY: a system call without memory of ours.
        0 => unsafe { libc::_exit(code) },
        child => {
            // SAFETY: a system call that writes nothing; the number is a child's that was not waited for.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            Ok(())
        }
    }
}

fn wait_for_the_end() -> ! {
    // SAFETY: system calls without memory of ours.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        loop {
            libc::pause();
        }
    }
}

/// Lets this thread run before all ordinary ones (`SCHED_FIFO`); false where that is not allowed.
#[must_use]
pub fn run_first() -> bool {
    // SAFETY: the structure is plain numbers, for which zero is a value.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = 10;
    // SAFETY: the kernel reads the structure, which outlives the call, and changes this thread alone.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) == 0 }
}

impl Drop for Herd {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
