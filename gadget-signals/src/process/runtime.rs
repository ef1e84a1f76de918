//! Guesses at a process's language runtime.

use gadget_core::Runtime;

/// What the name of an executable says of its runtime; [`Runtime::Native`] if nothing.
///
/// ```
/// # use gadget_core::Runtime;
/// assert_eq!(gadget_signals::runtime_of_exe("/usr/bin/python3.11"), Runtime::Python);
/// assert_eq!(gadget_signals::runtime_of_exe("/usr/sbin/nginx"), Runtime::Native);
/// ```
#[must_use]
pub fn runtime_of_exe(exe: &str) -> Runtime {
    let name = exe.rsplit('/').next().unwrap_or(exe);
    // Versions stand behind many of them: python3.11, ruby2.7, php-fpm8.2, node18.
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    match bare {
        "java" => Runtime::Jvm,
        "python" | "pypy" => Runtime::Python,
        "node" | "nodejs" => Runtime::Node,
        "ruby" => Runtime::Ruby,
        "dotnet" => Runtime::DotNet,
        "perl" => Runtime::Perl,
        "php" | "php-fpm" | "php-cgi" => Runtime::Php,
        _ => Runtime::Native,
    }
}

/// What the libraries in `/proc/PID/maps` say of the runtime that a program has built in; [`Runtime::Native`] if
/// nothing.
#[must_use]
pub fn runtime_of_maps(maps: &[u8]) -> Runtime {
    const LIBRARIES: [(&[u8], Runtime); 7] = [
        (b"libjvm.", Runtime::Jvm),
        (b"libpython", Runtime::Python),
        (b"libnode.", Runtime::Node),
        (b"libruby", Runtime::Ruby),
        (b"libcoreclr.", Runtime::DotNet),
        (b"libperl.", Runtime::Perl),
        (b"libphp", Runtime::Php),
    ];
    let names = maps.split(|byte| *byte == b'\n').filter_map(|line| {
        let path = line.iter().position(|byte| *byte == b'/').map(|start| &line[start..])?;
        path.rsplit(|byte| *byte == b'/').next()
    });
    for name in names {
        for (library, runtime) in LIBRARIES {
            if name.starts_with(library) {
                return runtime;
            }
        }
    }
    Runtime::Native
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_say_what_they_are() {
        for (exe, runtime) in [
            ("/usr/lib/jvm/java-17-openjdk-amd64/bin/java", Runtime::Jvm),
            ("/opt/venv/bin/python", Runtime::Python),
            ("/usr/bin/pypy3", Runtime::Python),
            ("/usr/local/bin/node", Runtime::Node),
            ("/usr/bin/ruby3.1", Runtime::Ruby),
            ("/usr/share/dotnet/dotnet", Runtime::DotNet),
            ("/usr/bin/perl5.36-x86_64-linux-gnu", Runtime::Native),
            ("/usr/bin/perl", Runtime::Perl),
            ("/usr/sbin/php-fpm8.2", Runtime::Php),
            ("/usr/bin/javac-wrapper", Runtime::Native),
            ("/usr/bin/pythonic", Runtime::Native),
            ("", Runtime::Native),
        ] {
            assert_eq!(runtime_of_exe(exe), runtime, "{exe}");
        }
    }

    #[test]
    fn libraries_say_what_a_program_has_built_in() {
        let maps = b"55d0-55d1 r-xp 00000000 08:01 12 /opt/app/server\n\
                     7f00-7f01 r--p 00000000 08:01 13 /usr/lib/jvm/17/lib/server/libjvm.so\n";
        assert_eq!(runtime_of_maps(maps), Runtime::Jvm);
        assert_eq!(
            runtime_of_maps(b"7f00-7f01 r--p 0 08:01 13 /lib/libpython3.11.so.1.0"),
            Runtime::Python
        );
        assert_eq!(
            runtime_of_maps(b"7f00-7f01 r--p 0 00:00 0 [heap]\n\xff\xfe\n"),
            Runtime::Native
        );
    }
}
