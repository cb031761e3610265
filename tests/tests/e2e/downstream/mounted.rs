//! The output of `sluice render`, mounted by Kubernetes for an independent Envoy. Kubernetes mounts a secret's file as a symbolic link
//! through `..data`, and changes that link.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use sluice_tests::client::Client;
use sluice_tests::eventually;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::sha256;
use sluice_tests::gateway::{KEY, of_envoy};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;

use crate::{CHAT, ask};

/// Writes files like the kubelet: into a new directory, which replaces the old one in one step.
fn mount(directory: &Path, version: &str, files: &[(String, Vec<u8>)]) {
    let inner = directory.join(format!("..{version}"));
    fs::create_dir_all(&inner).expect("a directory");
    for (name, text) in files {
        fs::write(inner.join(name), text).expect("a file");
        // Later calls fail, since the link exists.
        let _ = symlink(Path::new("..data").join(name), directory.join(name));
    }
    symlink(format!("..{version}"), directory.join("..data_tmp")).expect("a link");
    fs::rename(directory.join("..data_tmp"), directory.join("..data")).expect("a link");
}

#[tokio::test]
async fn a_secret_that_kubernetes_changes_is_used_at_once() {
    let provider = Simulator::start().await;
    let directory = tempfile::tempdir().unwrap();
    let (port, admin) = (Port::reserve(), Port::reserve());
    let file = json!({
        "listen": format!("127.0.0.1:{}", port.number()),
        "providers": {"openai": {"kind": "openai", "url": provider.base_url(), "key": {"env": "SOME_KEY"}}},
        "models": {"chat": {"targets": [{"provider": "openai", "model": "gpt-sim"}]}},
        "teams": {"t": {}},
        "keys": [{"id": "k", "team": "t", "sha256": sha256(KEY)}],
    });
    let path = directory.path().join("gateway.yaml");
    fs::write(&path, file.to_string()).unwrap();
    let mounted = directory.path().join("mounted");
    // The secret files for this key of the provider.
    let rendered = |key: &str| {
        let out = directory.path().join("out");
        let mut render = Command::new(std::env::var_os("SLUICE_BIN").expect("SLUICE_BIN"));
        render.env("SOME_KEY", key).arg("render").arg(&path).arg("--out").arg(&out);
        let build = Build::under_test();
        render.arg("--secrets").arg(&mounted).args(build.arguments()).arg(build.option()).arg(build.module());
        render.args(["--admin", &format!("127.0.0.1:{}", admin.number())]);
        let done = render.output().expect("the command runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let files = fs::read_dir(out.join("secrets")).expect("a directory").flatten();
        files
            .map(|file| (file.file_name().into_string().expect("a name"), fs::read(file.path()).expect("a file")))
            .collect::<Vec<_>>()
    };
    mount(&mounted, "1", &rendered("sk-first"));
    let arguments = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"];
    let module = Build::under_test().module();
    let _envoy = of_envoy(&directory.path().join("out/envoy.yaml"), &arguments, &module);
    let client = Client::new(port.number()).bearer(KEY);
    let shown = async || {
        let answer = client.request("POST", CHAT, ask("chat", "hi").to_string()).await.ok()?;
        let request = provider.requests().pop()?;
        (answer.status == 200).then(|| request.header("authorization").map(str::to_owned))?
    };
    eventually("the gateway to answer", async || shown().await.as_deref() == Some("Bearer sk-first")).await;
    mount(&mounted, "2", &rendered("sk-second"));
    eventually("the new key to be used", async || shown().await.as_deref() == Some("Bearer sk-second")).await;
}
