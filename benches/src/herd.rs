//! Thousands of processes that sleep, made for a bench and ended with it.
#![allow(unsafe_code)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Set for the child that becomes the herd: how many.
const ROLE: &str = "GADGET_BENCH_HERD";
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

    /// Becomes the herd, if this process was started to be it, and does not return then.
    ///
    /// # Errors
    /// If the herd cannot be made.
    pub fn be_one() -> Result<()> {
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

fn wait_for_the_end() -> ! {
    // SAFETY: system calls without memory of ours.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        loop {
            libc::pause();
        }
    }
}

impl Drop for Herd {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
