//! `sluice doctor` beside a running gateway: a real Envoy, a real Redis behind Webdis, and a provider that rejects one of two keys.

use std::process::{Command, Output};

use serde_json::json;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::redis::Store;
use sluice_tests::simulator::Simulator;

const RIGHT: (&str, &str) = ("DOCTOR_RIGHT_KEY", "sk-right");
const WRONG: (&str, &str) = ("DOCTOR_WRONG_KEY", "sk-wrong");

async fn doctor(gateway: &Gateway) -> Output {
    let build = Build::under_test();
    let mut command = Command::new(std::env::var_os("SLUICE_BIN").expect("SLUICE_BIN"));
    command.arg("doctor").arg(gateway.file()).arg(build.option()).arg(build.module());
    // A busy machine answers late.
    command.args(["--credentials", "--timeout", "1m"]).envs([RIGHT, WRONG]);
    tokio::task::spawn_blocking(move || command.output().expect("the command starts")).await.expect("no panic")
}

#[tokio::test]
async fn a_running_gateway_is_examined_with_all_that_it_needs() {
    let store = Store::lease().await;
    let provider = Simulator::builder().key(RIGHT.1).start().await.expect("a free port");
    let builder =
        Gateway::builder().provider("right", Kind::OpenAi, &provider).credential("key", json!({"env": RIGHT.0}));
    let builder = builder.model("chat", &[("right", "gpt-sim")]).environment(RIGHT.0, RIGHT.1).store(&store);
    let gateway = builder.start().await;
    let output = doctor(&gateway).await;
    let report = String::from_utf8_lossy(&output.stdout);
    let port = gateway.port();
    for line in [
        "ok    envoy: version 1.".to_owned(),
        "ok    module: ".to_owned(),
        "ok    configuration: ".to_owned(),
        format!("warn  port listen: 127.0.0.1:{port} is in use by envoy, process "),
        "ok    connection providers.right: ".to_owned(),
        "ok    credential providers.right.key: ".to_owned(),
        "ok    redis: Redis ".to_owned(),
        "ok    clock: within 5 s".to_owned(),
    ] {
        assert!(report.lines().any(|found| found.starts_with(&line)), "{line}\n{report}");
    }
    assert!(!report.contains("\nfail"), "{report}");
    assert_eq!(output.status.code(), Some(0), "{report}");

    gateway.edit(|file| file["providers"]["right"]["key"] = json!({ "env": WRONG.0 }));
    let output = doctor(&gateway).await;
    let report = String::from_utf8_lossy(&output.stdout);
    let line = "fail  credential providers.right.key: 127.0.0.1:";
    let found = report.lines().find(|found| found.starts_with(line)).unwrap_or_else(|| panic!("{report}"));
    assert!(found.contains("status 401") && found.contains(WRONG.0) && !report.contains("sk-"), "{report}");
    assert_eq!(output.status.code(), Some(1), "{report}");
}
