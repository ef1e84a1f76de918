//! Makes keys for plug-ins and signs them.
//!
//! ```text
//! cargo run -p gadget-filter --example sign -- key  release.key            > release.pub
//! cargo run -p gadget-filter --example sign -- seal release.key redact.toml redact.wasm redact.plugin
//! cargo run -p gadget-filter --example sign -- show release.pub redact.plugin
//! ```

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use gadget_filter::{Package, TrustedKeys, seal};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["key", secret] => {
            let mut seed = [0; 32];
            File::open("/dev/urandom")?.read_exact(&mut seed)?;
            // A key that is there is not overwritten, and nobody else reads this one.
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(secret)?
                .write_all(&seed)?;
            print!("{}", TrustedKeys::of_seed(&seed).to_text());
        }
        ["seal", secret, manifest, module, package] => {
            let seed = fs::read(secret)?.try_into().map_err(|_| "a secret key has 32 bytes")?;
            fs::write(package, seal(&seed, &fs::read_to_string(manifest)?, &fs::read(module)?)?)?;
        }
        ["show", public, package] => {
            let keys = TrustedKeys::parse(&fs::read_to_string(public)?)?;
            print!("{}", Package::parse(&fs::read(package)?)?.verify(&keys)?.manifest());
        }
        _ => {
            return Err(
                "key SECRET | seal SECRET MANIFEST MODULE PACKAGE | show PUBLIC PACKAGE".into()
            );
        }
    }
    Ok(())
}
