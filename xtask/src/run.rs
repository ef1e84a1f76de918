//! Running other programs: say what runs, show what it prints, fail when it fails.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs with our own terminal, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot run `{line}`"))?;
    succeeded(status, &line)
}

/// Fails unless the program succeeded.
pub(crate) fn succeeded(status: ExitStatus, line: &str) -> Result<()> {
    match status.success() {
        true => Ok(()),
        false => bail!("`{line}` failed: {status}"),
    }
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| {
        let word = word.to_string_lossy();
        if word.contains([' ', '*', '"']) { format!("'{word}'") } else { word.into_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// How a watched program ended.
pub(crate) enum End {
    /// By itself.
    Exited(ExitStatus),
    /// We ended it, because what we waited for had been printed.
    Satisfied,
    /// We ended it, because its time was up.
    OutOfTime,
}

/// Shows and keeps each line that a program prints on either stream.
///
/// `enough` sees each line. Once it has said yes, the program may run for `grace` more; `limit` bounds it all.
pub(crate) fn watch(
    command: &mut Command,
    limit: Duration,
    grace: Duration,
    mut enough: impl FnMut(&str) -> bool,
) -> Result<(End, Vec<String>)> {
    let line = line(command);
    eprintln!("$ {line}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run `{line}`"))?;
    let (sender, lines) = mpsc::channel();
    forward(child.stdout.take(), &sender);
    forward(child.stderr.take(), &sender);
    drop(sender);

    let mut kept = Vec::new();
    let mut deadline = Instant::now() + limit;
    let mut satisfied = false;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                if !satisfied && enough(&line) {
                    satisfied = true;
                    deadline = deadline.min(Instant::now() + grace);
                }
                kept.push(line);
            }
            Err(RecvTimeoutError::Timeout) => {
                end(&mut child)?;
                let end = if satisfied { End::Satisfied } else { End::OutOfTime };
                return Ok((end, kept));
            }
            // Both streams are closed.
            Err(RecvTimeoutError::Disconnected) => return Ok((End::Exited(child.wait()?), kept)),
        }
    }
}

/// As [`watch`], until the program exits; fails unless it succeeds, with the lines it printed.
pub(crate) fn tee(command: &mut Command) -> Result<Vec<String>> {
    let (status, lines) = tee_status(command)?;
    succeeded(status, &line(command))?;
    Ok(lines)
}

/// As [`tee`], but failing is an answer too.
pub(crate) fn tee_status(command: &mut Command) -> Result<(ExitStatus, Vec<String>)> {
    const NO_LIMIT: Duration = Duration::from_secs(24 * 3600);
    match watch(command, NO_LIMIT, NO_LIMIT, |_| false)? {
        (End::Exited(status), lines) => Ok((status, lines)),
        (End::Satisfied | End::OutOfTime, _) => bail!("`{}` ran for a day", line(command)),
    }
}

fn end(child: &mut Child) -> Result<()> {
    child.kill().context("cannot end a program whose time was up")?;
    child.wait()?;
    Ok(())
}

fn forward(stream: Option<impl Read + Send + 'static>, to: &Sender<String>) {
    let Some(stream) = stream else { return };
    let to = to.clone();
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if to.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_are_kept_and_the_status_is_told() {
        let (status, mut lines) = tee_status(&mut shell("echo out; echo err >&2; exit 3")).unwrap();
        lines.sort();
        assert_eq!((status.code(), lines), (Some(3), vec!["err".to_owned(), "out".to_owned()]));
    }

    #[test]
    fn a_program_that_never_ends_is_ended_when_its_time_is_up() {
        let limit = Duration::from_millis(200);
        let (end, lines) =
            watch(&mut shell("echo here; exec sleep 600"), limit, limit, |_| false).unwrap();
        assert!(matches!(end, End::OutOfTime));
        assert_eq!(lines, ["here"]);
    }

    #[test]
    fn a_program_that_said_enough_gets_its_grace_and_no_more() {
        let (limit, grace) = (Duration::from_secs(600), Duration::from_millis(100));
        let began = Instant::now();
        let (end, _) =
            watch(&mut shell("echo ready; exec sleep 500"), limit, grace, |line| line == "ready")
                .unwrap();
        assert!(matches!(end, End::Satisfied));
        assert!(began.elapsed() < Duration::from_secs(400));
    }

    #[test]
    fn a_command_prints_as_a_person_would_type_it() {
        let mut command = Command::new("cargo");
        command.args(["bench", "psi (budget 2 ms)"]);
        assert_eq!(line(&command), "cargo bench 'psi (budget 2 ms)'");
    }
}
