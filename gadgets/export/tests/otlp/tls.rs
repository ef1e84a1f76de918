//! Receivers whose certificates are signed by an authority of their own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gadget_export::{Batch, ExportSettings, OtlpGrpc, OtlpHttp, Outcome, Sender};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;
use tonic::transport::{Identity, ServerTlsConfig};

use crate::sample::{event, identity, settings};
use crate::{grpc, receiver};

struct Authority {
    folder: TempDir,
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut own = CertificateParams::default();
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own_key = KeyPair::generate().unwrap();
        let own_certificate = own.self_signed(&own_key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), own_certificate.pem()).unwrap();
        let issuer = Issuer::new(own, own_key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self { folder, certificate, key }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn server(&self) -> Arc<ServerConfig> {
        let chain: Vec<CertificateDer<'static>> = vec![self.certificate.der().clone()];
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Arc::new(config)
    }
}

fn encrypted(port: u16, ca_file: Option<PathBuf>) -> ExportSettings {
    let endpoint = format!("https://localhost:{port}");
    ExportSettings { ca_file, insecure: false, ..settings(endpoint) }
}

fn once(mut sender: impl Sender) -> Outcome {
    let envelopes = [event(1)];
    let within = Duration::from_secs(5);
    sender.send(&Batch { envelopes: &envelopes, agent: &[], began_ns: 1, now_ns: 2, within })
}

/// Only whoever knows the authority sends anything.
fn checked(outcome: impl Fn(Option<PathBuf>) -> Outcome, authority: &Authority) {
    let other = Authority::new();
    for unknown in [None, Some(other.path())] {
        let outcome = outcome(unknown);
        assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    }
    let outcome = outcome(Some(authority.path()));
    assert!(matches!(outcome, Outcome::Accepted { understood: true, .. }), "{outcome:?}");
}

#[test]
fn http_is_encrypted_and_the_receiver_is_checked() {
    let authority = Authority::new();
    let server = authority.server();
    let receiver = receiver::Receiver::at("127.0.0.1:0", [], move |stream| {
        StreamOwned::new(ServerConnection::new(Arc::clone(&server)).unwrap(), stream)
    });
    let send = |ca_file| {
        let settings = encrypted(receiver.address.port(), ca_file);
        once(OtlpHttp::new(&settings, identity()).unwrap())
    };
    checked(send, &authority);
    assert_eq!(receiver.got().len(), 1);
}

#[test]
fn grpc_is_encrypted_and_the_receiver_is_checked() {
    let authority = Authority::new();
    let own = Identity::from_pem(authority.certificate.pem(), authority.key.serialize_pem());
    let receiver = grpc::Receiver::default();
    let tls = ServerTlsConfig::new().identity(own);
    let serving = receiver.serve(([127, 0, 0, 1], 0).into(), Some(tls));
    let send = |ca_file| {
        let settings = encrypted(serving.address.port(), ca_file);
        once(OtlpGrpc::new(&settings, identity()).unwrap())
    };
    checked(send, &authority);
    assert_eq!(receiver.got(), [[1]]);
}

#[test]
fn authorities_that_cannot_be_read_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for path in [folder.path().join("none.pem"), empty] {
        let error = OtlpHttp::new(&encrypted(1, Some(path.clone())), identity()).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}
