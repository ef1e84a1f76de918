//! Descriptors of the `.proto` files, and what of one that was released another one breaks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

const PACKAGE: &str = "gadget.surveyor.v1";
const LAST_FROZEN: u32 = 19;

fn proto(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// The text of the present `surveyor.proto`.
pub(crate) fn surveyor() -> String {
    fs::read_to_string(proto("surveyor.proto")).unwrap()
}

/// The present files.
pub(crate) fn present() -> DescriptorPool {
    compiled(&surveyor())
}

/// What was released.
pub(crate) fn released() -> DescriptorPool {
    let mut pool = DescriptorPool::global();
    let bytes = fs::read(proto("released.binpb")).unwrap();
    pool.decode_file_descriptor_set(bytes.as_slice()).unwrap();
    pool
}

/// `text` in the place of `surveyor.proto`.
pub(crate) fn compiled(text: &str) -> DescriptorPool {
    struct Texts(String);
    impl FileResolver for Texts {
        fn open_file(&self, name: &str) -> Result<File, protox::Error> {
            match name {
                "surveyor.proto" => File::from_source(name, &self.0),
                _ => File::open(name, &proto(name)),
            }
        }
    }
    let mut files = ChainFileResolver::new();
    files.add(GoogleFileResolver::new());
    files.add(Texts(text.to_owned()));
    let mut compiler = Compiler::with_file_resolver(files);
    compiler.open_file("surveyor.proto").unwrap();
    compiler.descriptor_pool()
}

/// Everything in `present` that a program made from `released` would misread, or could not know to be new.
pub(crate) fn breaks(released: &DescriptorPool, present: &DescriptorPool) -> Vec<String> {
    let mut found = Vec::new();
    let mut grown = BTreeSet::new();
    for before in ours(released) {
        match present.get_message_by_name(before.full_name()) {
            Some(now) => {
                if message_breaks(&before, &now, &mut found) {
                    grown.insert(before.full_name().to_owned());
                }
            }
            None => found.push(format!("message {} is gone", before.full_name())),
        }
    }
    for before in released.all_enums().filter(|it| is_ours(it.full_name())) {
        match present.get_enum_by_name(before.full_name()) {
            Some(now) => {
                if enum_breaks(&before, &now, &mut found) {
                    grown.insert(before.full_name().to_owned());
                }
            }
            None => found.push(format!("enum {} is gone", before.full_name())),
        }
    }
    for before in ours(released) {
        let Some(version) = schema(released, &before) else {
            continue;
        };
        let Some(now) = present.get_message_by_name(before.full_name()) else {
            continue;
        };
        let name = before.name();
        let Some(present_version) = schema(present, &now) else {
            found.push(format!("{name}.schema is gone"));
            continue;
        };
        let (old, new) = (numbers(&version), numbers(&present_version));
        if new < old {
            found.push(format!("{name}.schema falls from {version:?} to {present_version:?}"));
        }
        let mut parts = BTreeSet::new();
        reach(present, &now, &mut parts);
        let new_parts: Vec<_> = parts.intersection(&grown).cloned().collect();
        if new == old && !new_parts.is_empty() {
            let parts = new_parts.join(", ");
            found.push(format!("{name}.schema stays {version:?}, while there is more in {parts}"));
        }
    }
    found
}

/// Whether `now` has more fields.
fn message_breaks(
    before: &MessageDescriptor,
    now: &MessageDescriptor,
    found: &mut Vec<String>,
) -> bool {
    for old in before.fields() {
        let named = format!("{}.{} ({})", before.full_name(), old.name(), old.number());
        let Some(new) = now.get_field(old.number()) else {
            found.push(format!("{named} is gone"));
            continue;
        };
        if new.name() != old.name() {
            found.push(format!("{named} is now named {}", new.name()));
        }
        if new.json_name() != old.json_name() {
            found.push(format!("{named} is now {} in JSON", new.json_name()));
        }
        if type_name(&new) != type_name(&old) {
            found.push(format!("{named} is now {}", type_name(&new)));
        }
        if new.cardinality() != old.cardinality() || new.is_packed() != old.is_packed() {
            let packed = if new.is_packed() { ", packed" } else { "" };
            found.push(format!("{named} is now {}{packed}", cardinality(&new)));
        }
        if new.supports_presence() != old.supports_presence() {
            let does = if new.supports_presence() { "now" } else { "no longer" };
            found.push(format!("{named} {does} tells absence"));
        }
        let oneof =
            |it: &FieldDescriptor| it.containing_oneof().map(|oneof| oneof.name().to_owned());
        if oneof(&new) != oneof(&old) {
            found.push(format!("{named} is now in the oneof {:?}", oneof(&new)));
        }
    }
    let mut more = false;
    for new in now.fields().filter(|new| before.get_field(new.number()).is_none()) {
        more = true;
        let named = format!("{}.{} ({})", now.full_name(), new.name(), new.number());
        if new.number() <= LAST_FROZEN {
            found.push(format!("{named} is new under 20"));
        }
        let mut reserved = before.reserved_ranges();
        if reserved.any(|range| range.contains(&new.number()))
            || before.reserved_names().any(|name| name == new.name())
        {
            found.push(format!("{named} was reserved"));
        }
    }
    more
}

/// Whether `now` has more values.
fn enum_breaks(before: &EnumDescriptor, now: &EnumDescriptor, found: &mut Vec<String>) -> bool {
    for old in before.values() {
        let named = format!("{}.{} ({})", before.full_name(), old.name(), old.number());
        match now.get_value(old.number()) {
            None => found.push(format!("{named} is gone")),
            Some(new) if new.name() != old.name() => {
                found.push(format!("{named} is now named {}", new.name()));
            }
            Some(_) => {}
        }
    }
    now.values().any(|new| before.get_value(new.number()).is_none())
}

/// The messages that are not of the compiler's own files.
pub(crate) fn ours(pool: &DescriptorPool) -> impl Iterator<Item = MessageDescriptor> {
    pool.all_messages().filter(|it| is_ours(it.full_name()))
}

fn is_ours(name: &str) -> bool {
    !name.starts_with("google.")
}

/// The schema version of an envelope; other messages have none of their own.
fn schema(pool: &DescriptorPool, message: &MessageDescriptor) -> Option<String> {
    let schema = pool.get_extension_by_name(&format!("{PACKAGE}.schema"))?;
    match message.options().get_extension(&schema).into_owned() {
        Value::String(version) if !version.is_empty() => Some(version),
        _ => None,
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap()).collect()
}

/// The names of all messages and enums in an envelope, itself included, but not of envelopes in it.
fn reach(pool: &DescriptorPool, message: &MessageDescriptor, names: &mut BTreeSet<String>) {
    if !names.insert(message.full_name().to_owned()) {
        return;
    }
    for field in message.fields() {
        match field.kind() {
            Kind::Message(part) if schema(pool, &part).is_none() => reach(pool, &part, names),
            Kind::Enum(part) => {
                names.insert(part.full_name().to_owned());
            }
            _ => {}
        }
    }
}

fn type_name(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(values) => values.full_name().to_owned(),
        kind => format!("{kind:?}").to_lowercase(),
    }
}

fn cardinality(field: &FieldDescriptor) -> &'static str {
    match field.cardinality() {
        Cardinality::Optional => "optional",
        Cardinality::Required => "required",
        Cardinality::Repeated => "repeated",
    }
}
