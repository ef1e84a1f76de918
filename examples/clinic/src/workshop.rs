//! Builds the programs from their sources, which are part of this program.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::case::Program;

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../programs/", $name)))),*]
    };
}

const SOURCES: &[(&str, &str)] = sources![
    "clinic.h",
    "locks.c",
    "waits.c",
    "spin.c",
    "server.c",
    "deadlock.py",
    "http_server.py",
    "daemon.py",
    "compute.py",
    "pool.py",
    "server.js",
    "Monitors.java",
    "Server.java",
    "Thrash.java",
    "channel.go",
];

/// What a program needs that is not part of Rust; `None` when all of it is here.
pub(crate) fn missing(program: &Program) -> Option<String> {
    let needs: &[&str] = match program {
        Program::C(..) => &["cc"],
        Program::Musl(..) => &["musl-gcc"],
        Program::Rust(_) => &[],
        Program::Python(..) => &["python3"],
        Program::Java(..) => &["java", "javac"],
        Program::Node(_) => &["node"],
        Program::Go(_) => &["go"],
        Program::Nginx => &["nginx"],
        Program::Redis => &["redis-server"],
        Program::Frozen => &["cc", "mkfs.ext4", "fsfreeze", "mount", "umount", "unshare"],
    };
    let absent: Vec<&str> = needs.iter().copied().filter(|name| !on_path(name)).collect();
    (!absent.is_empty()).then(|| format!("there is no {}", absent.join(", no ")))
}

fn on_path(program: &str) -> bool {
    std::env::split_paths(&search_path()).any(|dir| dir.join(program).is_file())
}

/// `PATH`, and where daemons and file system tools live.
pub(crate) fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

/// A directory with the sources and what was made of them.
#[derive(Debug)]
pub(crate) struct Workshop {
    directory: PathBuf,
}

impl Workshop {
    pub(crate) fn at(directory: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        for (name, text) in SOURCES {
            fs::write(directory.join(name), text)?;
        }
        Ok(Self { directory: directory.canonicalize()? })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Builds what the program needs, unless it is there and as young as its source in this program.
    pub(crate) fn build(&self, program: &Program) -> anyhow::Result<()> {
        match program {
            Program::C(name, _) => self.compile("cc", name, &[], name),
            Program::Frozen => self.compile("cc", "spin", &[], "spin"),
            Program::Musl(name, _) => {
                self.compile("musl-gcc", name, &["-static"], &format!("{name}-musl"))
            }
            Program::Java(_, class, _) => {
                let source = self.path(&format!("{class}.java"));
                run(Command::new("javac").arg("-d").arg(&self.directory).arg(source))
            }
            Program::Go(name) => {
                let source = self.path(&format!("{name}.go"));
                let mut go = Command::new("go");
                go.env("GOCACHE", self.path("go-cache")).env("GOFLAGS", "-mod=mod");
                run(go.args(["build", "-o"]).arg(self.path(&format!("{name}-go"))).arg(source))
            }
            _ => Ok(()),
        }
    }

    fn compile(
        &self,
        compiler: &str,
        name: &str,
        flags: &[&str],
        output: &str,
    ) -> anyhow::Result<()> {
        let mut command = Command::new(compiler);
        // Frame pointers, so that a stack can be walked from outside.
        command.args(["-O1", "-g", "-fno-omit-frame-pointer", "-pthread"]).args(flags);
        run(command.arg("-o").arg(self.path(output)).arg(self.path(&format!("{name}.c"))))
    }

    /// The configuration of an nginx that listens on `port`.
    pub(crate) fn nginx(&self, port: u16) -> anyhow::Result<PathBuf> {
        let prefix = self.path(&format!("nginx-{port}"));
        fs::create_dir_all(&prefix)?;
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = kinds
            .iter()
            .map(|kind| format!("{kind}_temp_path {};\n", prefix.join(kind).display()))
            .collect();
        let text = format!(
            "daemon off;\nworker_processes 1;\npid {}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n\
             {temporary}server {{ listen 127.0.0.1:{port}; location / {{ return 200 ok; }} }}\n}}\n",
            prefix.display()
        );
        let file = prefix.join("nginx.conf");
        fs::write(&file, text)?;
        Ok(file)
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        bail!("{} failed: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
