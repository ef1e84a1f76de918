//! Packages and manifests of filter plug-ins: what is read writes the same bytes, and nothing unsigned is verified.

#![no_main]

use gadget_filter::{Manifest, Package, TrustedKeys, seal};
use libfuzzer_sys::fuzz_target;

const SEED: [u8; 32] = [1; 32];

fuzz_target!(|bytes: &[u8]| {
    let keys = TrustedKeys::of_seed(&SEED);
    if let Ok(package) = Package::parse(bytes) {
        assert_eq!(package.to_bytes(), bytes);
        assert!(package.verify(&keys).is_err(), "nobody signed it");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(keys) = TrustedKeys::parse(text) {
        let written = keys.to_text();
        assert_eq!(TrustedKeys::parse(&written).map(|it| it.to_text()).as_ref(), Ok(&written));
    }
    let Ok(manifest) = Manifest::parse(text) else { return };
    assert_eq!(Manifest::parse(&manifest.to_string()).as_ref(), Ok(&manifest));
    let Ok(sealed) = seal(&SEED, text, bytes) else { return };
    let package = Package::parse(&sealed).expect("what was sealed is a package");
    let verified = package.verify(&keys).expect("what was sealed is verified");
    assert_eq!(verified.manifest(), &manifest);
});
