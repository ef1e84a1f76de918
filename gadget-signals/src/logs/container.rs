//! The files in which container runtimes keep what their containers write: docker's json-file, and the format of the CRI.
//!
//! Sources: Docker's `json-file` logging driver; the kubelet's `kuberuntime` log format (Kubernetes design proposal
//! `kubelet-cri-logging.md`): `TIME STREAM TAG TEXT`, where the tag is `P` for a part and `F` for the last one.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gadget_core::{LogSource, Timestamp};

use super::line::json::{Members, Value, unescape};
use super::line::{When, written};

/// One line of a container's file: a line that the container wrote, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerLine {
    /// When the runtime got it.
    pub written: Option<Timestamp>,
    /// True if it went to standard error.
    pub stderr: bool,
    /// True if the line ends here.
    pub ends: bool,
    /// True if an escape in it stands for no character, and U+FFFD is in its place.
    pub replaced: bool,
}

/// Takes a line of a container's file apart, which of the two formats it is of, and appends the container's text to `text`. `None`, and
/// nothing appended, if it is of neither.
///
/// - Docker: `{"log":"text\n","stream":"stdout","time":"2024-02-03T10:00:00.123456789Z"}`
/// - CRI: `2016-10-06T00:17:09.669794202Z stdout F text`
#[must_use]
pub fn container_line(line: &[u8], text: &mut Vec<u8>) -> Option<ContainerLine> {
    if line.first() == Some(&b'{') { docker(line, text) } else { cri(line, text) }
}

fn docker(line: &[u8], text: &mut Vec<u8>) -> Option<ContainerLine> {
    let (mut log, mut stderr, mut at) = (None, false, None);
    for (key, value) in Members::of(line)? {
        match (key, value) {
            (b"log", Value::String(escaped)) => log = Some(escaped),
            (b"stream", Value::String(stream)) => stderr = stream == b"stderr",
            (b"time", Value::String(time)) => at = written(time, When::default()),
            _ => {}
        }
    }
    let log = log?;
    let (log, ends) = match log.strip_suffix(br"\n") {
        // A backslash before it is itself escaped: an odd number of them precedes an `n` that breaks the line.
        Some(rest) if rest.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 0 => {
            (rest, true)
        }
        _ => (log, false),
    };
    let replaced = !unescape(log, text);
    Some(ContainerLine { written: at, stderr, ends, replaced })
}

fn cri(line: &[u8], text: &mut Vec<u8>) -> Option<ContainerLine> {
    let mut parts = line.splitn(4, |&byte| byte == b' ');
    let at = written(parts.next()?, When::default())?;
    let stderr = match parts.next()? {
        b"stdout" => false,
        b"stderr" => true,
        _ => return None,
    };
    // More tags may follow the first one after a colon.
    let ends = match parts.next()?.split(|&byte| byte == b':').next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    text.extend_from_slice(parts.next().unwrap_or_default());
    Some(ContainerLine { written: Some(at), stderr, ends, replaced: false })
}

/// The container that a log file belongs to.
///
/// - `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`: the service is the container's name.
/// - `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log`: likewise.
/// - `/var/lib/docker/containers/ID/ID-json.log`: the service is the name in `config.v2.json` beside it, and the first twelve digits of
///   the id where that cannot be read.
///
/// Files of pods have `kubernetes/NAMESPACE/POD` as their origin. Whatever is above these folders does not matter, so a host's tree may
/// be mounted anywhere. Absent: for every other file.
#[must_use]
pub fn container_file(path: &str) -> Option<LogSource> {
    let mut parts = path.rsplit('/');
    let (name, folder, above) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    let stem = name.strip_suffix(".log")?;
    if let Some(id) = stem.strip_suffix("-json")
        && id == folder
        && is_id(id)
    {
        let service = docker_name(Path::new(path)).unwrap_or_else(|| id[..12].into());
        return Some(LogSource { service, origin: path.into(), container: Some(id.into()) });
    }
    let (namespace, pod, container, id) = if folder == "containers" {
        let (pod, rest) = stem.split_once('_')?;
        let (namespace, rest) = rest.split_once('_')?;
        let (container, id) = rest.rsplit_once('-').filter(|(_, id)| is_id(id))?;
        (namespace, pod, container, Some(id.into()))
    } else if parts.next() == Some("pods") && stem.bytes().all(|byte| byte.is_ascii_digit()) {
        let (namespace, rest) = above.split_once('_')?;
        (namespace, rest.rsplit_once('_')?.0, folder, None)
    } else {
        return None;
    };
    let origin = format!("kubernetes/{namespace}/{pod}").into();
    Some(LogSource { service: container.into(), origin, container: id })
}

fn is_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The name in docker's description of the container, without the slash before it.
fn docker_name(log: &Path) -> Option<Arc<str>> {
    let config = log.with_file_name("config.v2.json");
    if fs::metadata(&config).ok()?.len() > 1 << 20 {
        return None;
    }
    let config = fs::read(config).ok()?;
    let (_, value) = Members::of(&config)?.find(|(key, _)| *key == b"Name")?;
    let name = std::str::from_utf8(value.text()?).ok()?;
    Some(name.strip_prefix('/').unwrap_or(name).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tree;

    const ID: &str = "4f6d0e5b8f7c4a3b2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c";

    fn unwrap(line: &str) -> Option<(String, ContainerLine)> {
        let mut text = Vec::new();
        let unwrapped = container_line(line.as_bytes(), &mut text);
        assert!(unwrapped.is_some() || text.is_empty());
        Some((String::from_utf8(text).unwrap(), unwrapped?))
    }

    #[test]
    fn lines_of_docker_are_taken_out_of_their_json() {
        let line = r#"{"log":"a \"b\"\t\u003cé\u003e\n","stream":"stderr","attrs":{"log":"x"},"time":"2024-02-03T10:00:00.123456789Z"}"#;
        let (text, line) = unwrap(line).unwrap();
        assert_eq!(text, "a \"b\"\t<é>");
        assert_eq!(line.written.unwrap().as_nanos() % 1_000_000_000, 123_456_789);
        assert!(line.stderr && line.ends && !line.replaced);
        for (log, text, ends) in [
            ("part", "part", false),
            (r"\\n", r"\n", false),
            (r"\\\n", "\\", true),
            (r"\n", "", true),
        ] {
            let (found, line) = unwrap(&format!(r#"{{"log":"{log}","stream":"stdout"}}"#)).unwrap();
            assert_eq!((found.as_str(), line.ends), (text, ends), "{log}");
        }
        for line in ["", "{}", "plain", r#"{"log":1}"#, r#"{"log":"broken"#] {
            assert_eq!(unwrap(line), None, "{line}");
        }
    }

    #[test]
    fn lines_of_the_cri_are_taken_out_of_their_columns() {
        let line = "2016-10-06T00:17:09.669794202Z stdout P log content 1";
        let (text, line) = unwrap(line).unwrap();
        assert_eq!(text, "log content 1");
        assert_eq!(line.written.unwrap().to_string(), "2016-10-06T00:17:09.669Z");
        assert!(!line.ends && !line.stderr);
        let (text, line) = unwrap("2016-10-06T02:17:09.1+02:00 stderr F:x   a  b ").unwrap();
        assert_eq!(text, "  a  b ");
        assert!(line.ends && line.stderr);
        let (text, _) = unwrap("2016-10-06T00:17:09.66Z stdout F").unwrap();
        assert_eq!(text, "");
        for line in [
            "",
            "x stdout F a",
            "2016-10-06T00:17:09Z stdin F a",
            "2016-10-06T00:17:09Z stdout Q a",
            "2016-10-06T00:17:09Z",
        ] {
            assert_eq!(unwrap(line), None, "{line}");
        }
    }

    #[test]
    fn the_path_of_a_file_says_whose_lines_it_has() {
        let of = |path: &str| {
            let source = container_file(path)?;
            let id = source.container.map(|id| id.to_string());
            Some((source.service.to_string(), source.origin.to_string(), id))
        };
        let id = Some(ID.to_owned());
        assert_eq!(
            of(&format!("/host/var/log/containers/web-7f-x_kube-system_nginx-{ID}.log")),
            Some(("nginx".into(), "kubernetes/kube-system/web-7f-x".into(), id.clone()))
        );
        assert_eq!(
            of("/var/log/pods/shop_cart-0_3c1c-9a/cart-db/12.log"),
            Some(("cart-db".into(), "kubernetes/shop/cart-0".into(), None))
        );
        let docker = format!("/var/lib/docker/containers/{ID}/{ID}-json.log");
        assert_eq!(of(&docker), Some((ID[..12].into(), docker.clone(), id)));
        for path in [
            "/var/log/syslog",
            "x.log",
            "/var/log/containers/a.log",
            "/var/log/pods/a/b/c.log",
            "/var/log/containers/a_b_c-12.log",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }

    #[test]
    fn a_container_of_docker_has_the_name_that_its_configuration_says() {
        let config = format!("{ID}/config.v2.json");
        let log = format!("{ID}/{ID}-json.log");
        let root =
            tree(&[(&config, r#"{"State":{"Name":"no"},"ID":"x","Name":"/shop-db"}"#), (&log, "")]);
        let path = root.path().join(&log);
        let source = container_file(path.to_str().unwrap()).unwrap();
        assert_eq!(&*source.service, "shop-db");
    }
}
