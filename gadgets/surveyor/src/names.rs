//! What processes, users and groups are called, and who may have a row of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use gadget_core::{CensusRow, CgroupId, CgroupIdentity, Comm, Glob, Users, World};
use gadget_envelope::{Container, escape};

use crate::settings::Filter;

/// The name that sums go by: that of the kernel's threads only up to the first `/`, for they are numbered behind it.
pub(crate) fn display_name(row: &CensusRow) -> Comm {
    if !row.kernel_thread {
        return row.comm;
    }
    let bytes = row.comm.as_bytes();
    bytes.split(|&byte| byte == b'/').next().map_or(row.comm, Comm::new)
}

/// The name that a process without a row is summed by: threads of the kernel are one group, as whatever of them matters has a row.
pub(crate) fn group_name(row: &CensusRow) -> Comm {
    if row.kernel_thread { Comm::new(b"[kernel]") } else { row.comm }
}

pub(crate) fn text(comm: Comm) -> String {
    escape(comm.as_bytes()).into_owned()
}

/// The names of users.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserNames(BTreeMap<u32, Arc<str>>);

impl UserNames {
    pub(crate) fn new(users: &Users) -> Self {
        Self(users.iter().cloned().collect())
    }

    /// The name, or the id in decimal.
    pub(crate) fn name(&self, uid: u32) -> String {
        self.0.get(&uid).map_or_else(|| uid.to_string(), |name| name.to_string())
    }
}

pub(crate) fn cgroup(world: &World, id: Option<CgroupId>) -> Option<&CgroupIdentity> {
    world.cgroup(id?)?.identity.as_ref()
}

/// The container that a cgroup is of, and its path.
pub(crate) fn container(identity: &CgroupIdentity) -> Container {
    let mut it = Container { cgroup: identity.path.to_string(), ..Container::default() };
    if let Some(container) = &identity.container {
        it.runtime = container.runtime.to_string();
        it.id = container.id.to_string();
        it.pod = container.pod.as_deref().unwrap_or_default().to_owned();
    }
    it
}

/// Who may have a row of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns {
    include: Vec<(Of, Glob)>,
    exclude: Vec<(Of, Glob)>,
}

/// What a pattern is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Name,
    User,
    Cgroup,
    Container,
}

impl Patterns {
    /// Settings that were checked have nothing else; what is no pattern matches nobody.
    pub(crate) fn new(filter: &Filter) -> Self {
        let parse = |texts: &[String]| texts.iter().filter_map(|text| pattern(text)).collect();
        Self { include: parse(&filter.include), exclude: parse(&filter.exclude) }
    }

    /// True if all may.
    pub(crate) fn are_none(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    pub(crate) fn admit(&self, row: &CensusRow, users: &UserNames, world: &World) -> bool {
        let identity = cgroup(world, row.cgroup);
        let matches = |(of, glob): &(Of, Glob)| match of {
            Of::Name => glob.matches(&text(display_name(row))),
            Of::User => glob.matches(&users.name(row.uid)),
            Of::Cgroup => identity.is_some_and(|it| glob.matches(&it.path)),
            Of::Container => identity
                .and_then(|it| it.container.as_ref())
                .is_some_and(|container| glob.matches(&container.id)),
        };
        (self.include.is_empty() || self.include.iter().any(matches))
            && !self.exclude.iter().any(matches)
    }
}

fn pattern(text: &str) -> Option<(Of, Glob)> {
    let (of, pattern) = text.split_once(':')?;
    let of = match of {
        "name" => Of::Name,
        "user" => Of::User,
        "cgroup" => Of::Cgroup,
        "container" => Of::Container,
        _ => return None,
    };
    Some((of, Glob::new(pattern).ok()?))
}
