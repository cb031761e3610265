//! The first hour: `sluice init` with a running server, and a gateway from its output.

use std::process::{Command, Output};

use serde_json::json;
use sluice_tests::client::Client;
use sluice_tests::gateway::Started;
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;

use crate::{ask, said};

/// The variable with the server's key, and the key.
const KEY: (&str, &str) = ("FIRST_SERVER_KEY", "sk-simulated");

fn sluice(arguments: &[&str]) -> Output {
    let command = std::env::var("SLUICE_BIN").unwrap_or_else(|_| "target/release/sluice".to_owned());
    Command::new(command).args(arguments).env(KEY.0, KEY.1).output().expect("the command starts")
}

#[tokio::test]
async fn a_file_that_was_written_for_a_server_that_answers_serves_at_once() {
    let provider = Simulator::start().await;
    let (directory, port) = (tempfile::tempdir().unwrap(), Port::reserve());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (file, key) = (path("gateway.yaml"), path("me.key"));
    let server = format!("vllm={}", provider.base_url());
    let listen = format!("127.0.0.1:{}", port.number());
    // The simulator requires a key for its model list too, so the command gets both.
    let written = sluice(&[
        "init",
        &file,
        "--yes",
        "--provider",
        &server,
        "--model",
        "gpt-sim",
        "--key-env",
        KEY.0,
        "--listen",
        &listen,
        "--secret-file",
        &key,
    ]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let checked = sluice(&["check", &file]);
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));

    let _gateway =
        Started::with(std::path::Path::new(&file), port.number(), &[(KEY.0.to_owned(), KEY.1.to_owned())]).await;
    let client = Client::new(port.number()).bearer(std::fs::read_to_string(&key).unwrap().trim());
    for model in ["chat", "gpt-sim", "vllm/gpt-sim"] {
        let answer = client.post("/v1/chat/completions", &ask(model, "say hello")).await;
        assert_eq!((answer.status, said(&answer).as_str()), (200, "hello"), "{model}: {}", answer.text());
        assert_eq!(answer.header("x-sluice-model"), Some("gpt-sim"), "{model}");
    }
    let names = client.request("GET", "/v1/models", "").await.expect("an answer").json();
    let created = |at: usize| names["data"][at]["created"].as_u64().expect("a time");
    assert!(created(0) > 1_700_000_000, "since when the file is in force: {names}");
    assert_eq!(names["data"], json!([model("chat", created(0)), model("gpt-sim", created(0))]));
}

fn model(name: &str, created: u64) -> serde_json::Value {
    json!({"id": name, "object": "model", "created": created, "owned_by": "sluice", "kind": "chat"})
}
