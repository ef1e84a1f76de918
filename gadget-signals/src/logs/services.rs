//! The services that an input meets by the names in its lines.

use std::collections::HashMap;
use std::sync::Arc;

use gadget_core::{LogSource, LogSources, SourceId};

/// How many an input gives ids of their own: whoever may write a name may write any number of them, and ids are all inputs' together.
const MOST: usize = 512;
/// The longest name; a longer one is no name.
const LONGEST: usize = 128;

/// The ids of services by their names, looked up without allocation once known. Beyond the bound the one that was heard of longest ago
/// makes room; what is no name is the input itself.
pub(super) struct Services {
    sources: LogSources,
    origin: Arc<str>,
    known: HashMap<Box<[u8]>, Service>,
    rest: SourceId,
    /// How many lines were asked for.
    lines: u64,
    key: Vec<u8>,
}

struct Service {
    id: SourceId,
    /// The last of the lines that was its.
    last: u64,
}

impl Services {
    /// Of an input that goes by the name `origin`.
    pub(super) fn new(sources: LogSources, origin: &str) -> Self {
        let origin: Arc<str> = origin.into();
        let source = LogSource { service: origin.clone(), origin: origin.clone(), container: None };
        let rest = sources.id(&source);
        Self { sources, origin, known: HashMap::new(), rest, lines: 0, key: Vec::new() }
    }

    /// The id of a service, and of the container that it is in.
    pub(super) fn id(&mut self, service: &[u8], container: Option<&[u8]>) -> SourceId {
        self.key.clear();
        self.key.extend_from_slice(service);
        if let Some(container) = container {
            self.key.push(b'\n');
            self.key.extend_from_slice(container);
        }
        self.lines += 1;
        if let Some(service) = self.known.get_mut(self.key.as_slice()) {
            service.last = self.lines;
            return service.id;
        }
        let name = |text: &[u8]| {
            let fits = (1..=LONGEST).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic);
            fits.then(|| String::from_utf8_lossy(text).into_owned())
        };
        let Some(service) = name(service) else { return self.rest };
        if self.known.len() >= MOST {
            self.forget_one();
        }
        let container = container.and_then(name).map(Arc::from);
        let source = LogSource { service: service.into(), origin: self.origin.clone(), container };
        let id = self.sources.id(&source);
        self.known.insert(self.key.as_slice().into(), Service { id, last: self.lines });
        id
    }

    fn forget_one(&mut self) {
        let oldest = self.known.iter().min_by_key(|(_, service)| service.last);
        if let Some(name) = oldest.map(|(name, _)| name.clone())
            && let Some(service) = self.known.remove(&name)
        {
            self.sources.release(service.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_ids_and_of_too_many_the_silent_ones_make_room() {
        let sources = LogSources::default();
        let mut services = Services::new(sources.clone(), "syslog");
        let sshd = services.id(b"sshd", None);
        assert_eq!((services.id(b"sshd", None), &*sources.get(sshd).service), (sshd, "sshd"));
        assert_ne!(services.id(b"sshd", Some(b"c1")), sshd);
        for odd in [b"".as_slice(), b"a b", b"\xff", &[b'x'; LONGEST + 1]] {
            assert_eq!(&*sources.get(services.id(odd, None)).service, "syslog");
        }
        for n in 0..2 * MOST {
            let name = n.to_string();
            let id = services.id(name.as_bytes(), None);
            assert_eq!(*sources.get(id).service, *name);
            assert_eq!(services.id(b"sshd", None), sshd, "heard of all the time");
        }
        assert_eq!(services.known.len(), MOST);
    }
}
