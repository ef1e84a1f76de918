//! A plug-in in one file: manifest, module, and the signature of both.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::manifest::Manifest;

/// What a package begins with; the last byte is the version of its layout.
const MAGIC: [u8; 8] = *b"GFILTER\x01";
/// Magic, two lengths and the signature.
const HEAD: usize = 8 + 4 + 4 + 64;
/// What the signed text begins with, so that no other use of a key can be taken for a package.
const CONTEXT: &[u8] = b"gadget-filter package 1\0";

/// The most bytes of a manifest.
pub const MOST_MANIFEST: usize = 16 << 10;
/// The most bytes of a module: what it costs to compile is bounded with it.
pub const MOST_MODULE: usize = 1 << 20;

/// Why a plug-in was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is no package of this layout, or not all of one.
    #[error("no package: {0}")]
    NotAPackage(&'static str),
    /// None of the trusted keys signed it as it is.
    #[error("no trusted key signed this manifest with this module")]
    Signature,
    /// The signed manifest cannot be used.
    #[error("manifest: {0}")]
    Manifest(String),
    /// A text is no public key.
    #[error("no Ed25519 public key: {0}")]
    Key(String),
    /// The signed module cannot be used.
    #[error("module: {0}")]
    Module(String),
    /// The engine or its clock thread could not be made.
    #[error("engine: {0}")]
    Engine(String),
}

/// A package as it was read: nothing in it is trusted yet.
///
/// - Shape: 8 bytes magic, the lengths of manifest and module (4 bytes each, little endian), 64 bytes signature, manifest, module;
///   nothing after it.
/// - Signed: the context `gadget-filter package 1` and a zero, then SHA-256 of the manifest and SHA-256 of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package<'a> {
    manifest: &'a [u8],
    module: &'a [u8],
    signature: [u8; 64],
}

impl<'a> Package<'a> {
    /// Takes a package apart.
    ///
    /// # Errors
    /// [`LoadError::NotAPackage`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let (head, body) = bytes
            .split_first_chunk::<HEAD>()
            .ok_or(LoadError::NotAPackage("it ends within its head"))?;
        let (magic, rest) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(LoadError::NotAPackage("it begins with another magic"));
        }
        let (lengths, signature) = rest.split_at(8);
        let length = |at: usize| {
            let bytes = lengths[at..at + 4].try_into().map_or(u32::MAX, u32::from_le_bytes);
            usize::try_from(bytes).unwrap_or(usize::MAX)
        };
        let (manifest, module) = (length(0), length(4));
        if manifest > MOST_MANIFEST || module > MOST_MODULE {
            return Err(LoadError::NotAPackage("it is too large"));
        }
        if body.len() != manifest + module {
            return Err(LoadError::NotAPackage("its length is not what its head says"));
        }
        let (manifest, module) = body.split_at(manifest);
        let signature =
            signature.try_into().map_err(|_| LoadError::NotAPackage("it has no signature"))?;
        Ok(Self { manifest, module, signature })
    }

    /// Checks the signature, and only then reads the manifest.
    ///
    /// # Errors
    /// [`LoadError::Signature`] and [`LoadError::Manifest`].
    pub fn verify(&self, keys: &TrustedKeys) -> Result<Verified, LoadError> {
        let text = signed_text(self.manifest, self.module);
        let signature = Signature::from_bytes(&self.signature);
        if !keys.0.iter().any(|key| key.verify_strict(&text, &signature).is_ok()) {
            return Err(LoadError::Signature);
        }
        let manifest = std::str::from_utf8(self.manifest)
            .map_err(|_| LoadError::Manifest("it is no UTF-8".to_owned()))
            .and_then(|it| Manifest::parse(it).map_err(LoadError::Manifest))?;
        Ok(Verified { manifest, module: self.module.to_vec() })
    }

    /// The package as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for part in [self.manifest, self.module] {
            // Both are far below 4 GiB.
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        bytes.extend_from_slice(&self.signature);
        bytes.extend_from_slice(self.manifest);
        bytes.extend_from_slice(self.module);
        bytes
    }

    /// Its manifest, not trusted.
    #[must_use]
    pub const fn manifest(&self) -> &'a [u8] {
        self.manifest
    }
}

fn signed_text(manifest: &[u8], module: &[u8]) -> Vec<u8> {
    [CONTEXT, &Sha256::digest(manifest), &Sha256::digest(module)].concat()
}

/// A plug-in whose signature held; the only thing that can be run.
#[derive(Clone, Debug)]
pub struct Verified {
    manifest: Manifest,
    #[cfg_attr(
        not(feature = "wasm"),
        expect(dead_code, reason = "without the engine nothing runs it")
    )]
    pub(crate) module: Vec<u8>,
}

impl Verified {
    /// What was signed with it.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Makes a signed package of a manifest and a module, for whoever builds plug-ins.
///
/// `seed` is the secret key: 32 bytes from the system's random source.
///
/// # Errors
/// [`LoadError::Manifest`], and [`LoadError::NotAPackage`] for a part that is too large.
pub fn seal(seed: &[u8; 32], manifest: &str, module: &[u8]) -> Result<Vec<u8>, LoadError> {
    Manifest::parse(manifest).map_err(LoadError::Manifest)?;
    if manifest.len() > MOST_MANIFEST || module.len() > MOST_MODULE {
        return Err(LoadError::NotAPackage("it is too large"));
    }
    let manifest = manifest.as_bytes();
    let signature = SigningKey::from_bytes(seed).sign(&signed_text(manifest, module)).to_bytes();
    Ok(Package { manifest, module, signature }.to_bytes())
}

/// The public keys whose packages are run.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys(Vec<VerifyingKey>);

impl TrustedKeys {
    /// None: no package is run.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The key of a seed, for tests and for whoever signs.
    #[must_use]
    pub fn of_seed(seed: &[u8; 32]) -> Self {
        Self(vec![SigningKey::from_bytes(seed).verifying_key()])
    }

    /// Reads keys, one a line, 64 hexadecimal digits each; empty lines and what follows a `#` are left out.
    ///
    /// # Errors
    /// [`LoadError::Key`]: also for a key of low order, under which anybody could sign.
    pub fn parse(text: &str) -> Result<Self, LoadError> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        lines.filter(|line| !line.is_empty()).map(key).collect::<Result<_, _>>().map(Self)
    }

    /// As [`parse`](Self::parse) reads them.
    #[must_use]
    pub fn to_text(&self) -> String {
        let line =
            |key: &VerifyingKey| key.as_bytes().iter().map(|it| format!("{it:02x}")).collect();
        self.0.iter().map(line).map(|line: String| line + "\n").collect()
    }
}

fn key(line: &str) -> Result<VerifyingKey, LoadError> {
    let refused = || LoadError::Key(line.to_owned());
    if line.len() != 64 || !line.bytes().all(|it| it.is_ascii_hexdigit()) {
        return Err(refused());
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&line[2 * at..2 * at + 2], 16).map_err(|_| refused())?;
    }
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| refused())?;
    if key.is_weak() { Err(refused()) } else { Ok(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; 32] = [7; 32];
    const MANIFEST: &str =
        "abi = 1\nname = \"a\"\nversion = \"1.0.0\"\nfields = [\"b\"]\ninput_bytes = 1\n";

    fn verify(bytes: &[u8]) -> Result<Verified, LoadError> {
        Package::parse(bytes)?.verify(&TrustedKeys::of_seed(&SEED))
    }

    #[test]
    fn what_was_sealed_is_verified_under_its_key_alone() {
        let bytes = seal(&SEED, MANIFEST, b"module").unwrap();
        assert_eq!(verify(&bytes).unwrap().manifest().name, "a");
        let package = Package::parse(&bytes).unwrap();
        assert_eq!(package.to_bytes(), bytes);
        for keys in [TrustedKeys::none(), TrustedKeys::of_seed(&[8; 32])] {
            assert_eq!(package.verify(&keys).unwrap_err(), LoadError::Signature);
        }
    }

    #[test]
    fn no_byte_can_be_changed_and_no_byte_left_out_or_added() {
        let bytes = seal(&SEED, MANIFEST, b"module").unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(verify(&changed).is_err(), "byte {at}");
            assert!(matches!(verify(&bytes[..at]), Err(LoadError::NotAPackage(_))), "{at} bytes");
        }
        assert!(matches!(verify(&[&bytes[..], b"x"].concat()), Err(LoadError::NotAPackage(_))));
    }

    #[test]
    fn bytes_cannot_move_between_manifest_and_module() {
        let bytes = seal(&SEED, MANIFEST, b"module").unwrap();
        let mut moved = bytes.clone();
        moved[8] -= 1;
        moved[12] += 1;
        assert_eq!(verify(&moved).unwrap_err(), LoadError::Signature);
    }

    #[test]
    fn a_signed_manifest_still_has_to_be_a_manifest() {
        let (manifest, module) = (b"abi = 2", b"module");
        let signature =
            SigningKey::from_bytes(&SEED).sign(&signed_text(manifest, module)).to_bytes();
        let bytes = Package { manifest, module, signature }.to_bytes();
        assert!(matches!(verify(&bytes), Err(LoadError::Manifest(_))));
        assert!(matches!(seal(&SEED, "abi = 2", b""), Err(LoadError::Manifest(_))));
        assert!(matches!(
            seal(&SEED, MANIFEST, &vec![0; MOST_MODULE + 1]),
            Err(LoadError::NotAPackage(_))
        ));
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_weak_ones_refused() {
        let text = TrustedKeys::of_seed(&SEED).to_text();
        assert_eq!(TrustedKeys::parse(&format!("# ours\n\n{text}")).unwrap().to_text(), text);
        // The neutral element and a point of order 2, as RFC 8032 encodes them; then no key at all.
        let neutral = format!("01{}", "0".repeat(62));
        let order_2 = format!("ec{}7f", "f".repeat(60));
        for wrong in
            [&neutral, &order_2, &"g".repeat(64), &"0".repeat(63), &format!("+{}", "1".repeat(63))]
        {
            assert_eq!(TrustedKeys::parse(wrong).unwrap_err(), LoadError::Key(wrong.clone()));
        }
    }
}
