//! The gateway over TLS: its certificate, certificate rotation at runtime, and client certificates.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use sluice_tests::eventually;
use sluice_tests::gateway::{Gateway, KEY, Kind, sha256};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::{CHAT, ask};

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(super) fn authority(name: &str) -> Authority {
    let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
    // Clients find issuers by name.
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().expect("a key")).expect("a certificate")
}

/// A certificate for this machine, and its key, in PEM.
fn certificate(of: &Authority) -> [String; 2] {
    certificate_for("127.0.0.1", of)
}

/// A certificate for a name, and its key, in PEM.
pub(super) fn certificate_for(name: &str, of: &Authority) -> [String; 2] {
    let key = KeyPair::generate().expect("a key");
    let parameters = CertificateParams::new([name.to_owned()]).expect("a name");
    [parameters.signed_by(&key, of).expect("a certificate").pem(), key.serialize_pem()]
}

/// Writes a certificate and its key to the files in the gateway file; each is replaced in one step.
fn place(directory: &Path, of: &Authority) {
    for (name, text) in ["tls.crt", "tls.key"].into_iter().zip(certificate(of)) {
        fs::write(directory.join("new"), text).expect("a file");
        fs::rename(directory.join("new"), directory.join(name)).expect("a file");
    }
}

/// A client that trusts this authority, with or without its own certificate.
fn client(trusted: &Authority, own: Option<[String; 2]>) -> ureq::Agent {
    let trusted = Certificate::from_pem(trusted.pem().as_bytes()).expect("PEM");
    let own = own.map(|[certificate, key]| {
        let certificate = Certificate::from_pem(certificate.as_bytes()).expect("PEM");
        ClientCert::new_with_certs(&[certificate], PrivateKey::from_pem(key.as_bytes()).expect("PEM"))
    });
    let roots = RootCerts::Specific(Arc::new(vec![trusted]));
    let tls = TlsConfig::builder().root_certs(roots).client_cert(own).build();
    ureq::Agent::config_builder().http_status_as_error(false).tls_config(tls).build().new_agent()
}

/// The status of a model list request, or its error.
async fn status(agent: ureq::Agent, port: u16) -> Result<u16, String> {
    tokio::task::spawn_blocking(move || {
        let request = agent.get(format!("https://127.0.0.1:{port}/v1/models"));
        let answer = request.header("authorization", format!("Bearer {KEY}")).call();
        answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    })
    .await
    .expect("no panic")
}

async fn start(directory: &Path, provider: &Simulator, more: Value) -> Gateway {
    let path = |name: &str| directory.join(name);
    let tls = json!({"tls": {"certificate": path("tls.crt"), "key": path("tls.key")}});
    let builder = Gateway::builder().provider("openai", Kind::OpenAi, provider).model("chat", &[("openai", "gpt-sim")]);
    builder.with(tls).with(more).start().await
}

#[tokio::test]
async fn a_certificate_is_presented_and_a_new_one_is_used_at_once() {
    let (directory, provider) = (tempfile::tempdir().unwrap(), Simulator::start().await);
    let (first, second) = (authority("first"), authority("second"));
    place(directory.path(), &first);
    let admin = Port::reserve();
    let path = |name: &str| directory.path().join(name);
    let more = json!({"admin": {"listen": format!("127.0.0.1:{}", admin.number()), "sha256": "0".repeat(64),
        "tls": {"certificate": path("tls.crt"), "key": path("tls.key")}}});
    let gateway = start(directory.path(), &provider, more).await;
    let port = gateway.port();
    assert_eq!(status(client(&first, None), port).await, Ok(200));
    assert!(status(client(&second, None), port).await.is_err());
    assert_eq!(status(client(&first, None), admin.number()).await, Ok(401), "the administration's listener");
    let plain = gateway.client().request("POST", CHAT, ask("chat", "hi").to_string()).await;
    assert!(plain.is_err(), "plain HTTP is not answered");
    assert!(gateway.errors().contains("Sluice is ready: https://"), "{}", gateway.errors());

    place(directory.path(), &second);
    eventually("the new certificate", async || status(client(&second, None), port).await == Ok(200)).await;
    assert!(status(client(&first, None), port).await.is_err());
    assert!(!gateway.errors().contains("PRIVATE KEY"), "{}", gateway.errors());
}

#[tokio::test]
async fn clients_may_have_to_show_a_certificate() {
    let (directory, provider) = (tempfile::tempdir().unwrap(), Simulator::start().await);
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    place(directory.path(), &ours);
    let path = |name: &str| directory.path().join(name);
    fs::write(path("clients.crt"), theirs.pem()).unwrap();
    let admin = Port::reserve();
    let tls = json!({"certificate": path("tls.crt"), "key": path("tls.key"), "client_ca": path("clients.crt")});
    let listen = format!("127.0.0.1:{}", admin.number());
    let more = json!({"tls": {"client_ca": path("clients.crt")},
        "admin": {"listen": listen, "sha256": sha256("sk-admin"), "tls": tls}});
    let gateway = start(directory.path(), &provider, more).await;
    assert_eq!(status(client(&ours, Some(certificate(&theirs))), gateway.port()).await, Ok(200));
    for own in [None, Some(certificate(&ours))] {
        assert!(status(client(&ours, own), gateway.port()).await.is_err());
    }

    // The command presents one too.
    fs::write(path("ours.crt"), ours.pem()).unwrap();
    fs::write(path("operator.pem"), certificate(&theirs).concat()).unwrap();
    let list = |own: &[&str]| {
        let mut command = Command::new(std::env::var_os("SLUICE_BIN").expect("SLUICE_BIN, which ./scripts/test sets"));
        command.args(["keys", "list", "--admin-url", &format!("https://{listen}"), "--admin-ca"]).arg(path("ours.crt"));
        command.args(own).env("SLUICE_ADMIN_KEY", "sk-admin").output().expect("the command")
    };
    let identity = path("operator.pem");
    let listed = list(&["--admin-cert", identity.to_str().unwrap()]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    assert!(String::from_utf8_lossy(&listed.stdout).contains("test"), "{}", String::from_utf8_lossy(&listed.stdout));
    assert_eq!(list(&[]).status.code(), Some(1));
}

#[tokio::test]
async fn something_else_may_keep_the_certificate_for_envoy() {
    let (directory, provider) = (tempfile::tempdir().unwrap(), Simulator::start().await);
    let (first, second) = (authority("first"), authority("second"));
    let file = directory.path().join("sds.json");
    // In the format of Envoy's secret discovery; replaces the old file in one step.
    let keep = |of: &Authority| {
        let [certificate, key] = certificate(of);
        let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
        let secret = json!({"@type": kind, "name": "gateway", "tls_certificate": {
            "certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}});
        fs::write(directory.path().join("new"), json!({"resources": [secret]}).to_string()).unwrap();
        fs::rename(directory.path().join("new"), &file).unwrap();
    };
    keep(&first);
    let builder =
        Gateway::builder().provider("openai", Kind::OpenAi, &provider).model("chat", &[("openai", "gpt-sim")]);
    let gateway = builder.with(json!({"tls": {"sds": {"file": file, "name": "gateway"}}})).start().await;
    assert_eq!(status(client(&first, None), gateway.port()).await, Ok(200));
    keep(&second);
    eventually("the new certificate", async || status(client(&second, None), gateway.port()).await == Ok(200)).await;
}
