//! Each message, with every field set, as the bytes that were sent once; and the descriptor reads them as the structs do.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gadget_envelope::{DESCRIPTOR, Envelope, Kind};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage, Value};

use crate::sample;

/// Where `GOLDEN=write` puts what is encoded now; to be looked at before it is kept.
fn kept(kind: Kind) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{kind}.hex"))
}

#[test]
fn every_message_is_encoded_as_it_ever_was() {
    for envelope in sample::all() {
        let path = kept(envelope.kind());
        let now = hex(&envelope.message());
        if env::var_os("GOLDEN").is_some_and(|it| it == "write") {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &now).unwrap();
        }
        let before = fs::read_to_string(&path).unwrap();
        assert_eq!(now, before, "{}", path.display());
        let bytes = bytes(&before);
        assert_eq!(Envelope::from_message(envelope.kind(), &bytes), Ok(envelope.clone()));
    }
}

#[test]
fn every_sample_is_valid() {
    for envelope in sample::all() {
        assert_eq!(envelope.validate(), Ok(()));
    }
}

/// Also that the bytes say everything that the form has: a field left out here could be encoded wrongly unseen.
#[test]
fn the_descriptor_reads_every_field_of_every_message() {
    let mut pool = DescriptorPool::global();
    pool.decode_file_descriptor_set(DESCRIPTOR).unwrap();
    let (mut seen, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for envelope in sample::all() {
        let name = format!("gadget.surveyor.v1.{}", envelope.kind());
        let form = pool.get_message_by_name(&name).unwrap();
        let message = DynamicMessage::decode(form, envelope.message().as_slice()).unwrap();
        // Fields that the form does not know would be kept aside.
        assert_eq!(message.unknown_fields().count(), 0, "{name}");
        fields(&message, &mut seen, &mut missing);
    }
    // No version of a sketch interpolates.
    missing.remove("IndexMapping.interpolation");
    let never: Vec<_> = missing.difference(&seen).collect();
    assert!(never.is_empty(), "no sample sets {never:?}");
    assert!(seen.len() > 120, "{}", seen.len());
}

/// Another implementation, from the files themselves.
#[test]
fn the_official_compiler_reads_the_same_and_writes_it_again() {
    if Command::new("protoc").arg("--version").output().is_err() {
        println!("SKIPPED: protoc is not installed (Debian's package protobuf-compiler)");
        return;
    }
    for envelope in sample::all() {
        let message = format!("gadget.surveyor.v1.{}", envelope.kind());
        let bytes = envelope.message();
        let text = protoc(&[format!("--decode={message}")], &bytes);
        // A field that it does not know would go by its number.
        let known = |line: &str| !line.trim_start().starts_with(|it: char| it.is_ascii_digit());
        assert!(str::from_utf8(&text).unwrap().lines().all(known), "{message}");
        let again =
            protoc(&[format!("--encode={message}"), "--deterministic_output".into()], &text);
        assert_eq!(again, bytes, "{message}");
    }
}

/// What it makes of `input`.
fn protoc(args: &[String], input: &[u8]) -> Vec<u8> {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut protoc = Command::new("protoc")
        .arg("--proto_path=.")
        .args(args)
        .arg("surveyor.proto")
        .current_dir(proto)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Less than a pipe holds.
    protoc.stdin.take().unwrap().write_all(input).unwrap();
    let output = protoc.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Sorts the fields of a message, and of all messages in it, into set ones and others.
fn fields(message: &DynamicMessage, seen: &mut BTreeSet<String>, missing: &mut BTreeSet<String>) {
    let form: MessageDescriptor = message.descriptor();
    for field in form.fields() {
        let set = if message.has_field(&field) { &mut *seen } else { &mut *missing };
        set.insert(field.full_name().to_owned());
        match message.get_field(&field).as_ref() {
            Value::Message(part) if message.has_field(&field) => fields(part, seen, missing),
            Value::List(parts) => {
                for part in parts.iter().filter_map(Value::as_message) {
                    fields(part, seen, missing);
                }
            }
            _ => {}
        }
    }
}

/// 32 bytes a line.
fn hex(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
