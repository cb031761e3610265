//! A provider's key changes in its file at runtime.

use std::fs;

use serde_json::json;
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};

use super::shown;
use crate::ask;

#[tokio::test]
async fn a_key_that_changes_in_its_file_is_used_without_a_restart_and_one_that_is_gone_stays_in_use() {
    let provider = Simulator::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("openai.key");
    fs::write(&file, "sk-first\n").unwrap();
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .credential("key", json!({"file": file}))
        .model("chat", &[("openai", "gpt-sim")])
        .start()
        .await;
    let asked = async || {
        assert_eq!(gateway.chat(&ask("chat", "say hi")).await.status, 200);
        shown(&provider).unwrap_or_default()
    };
    assert_eq!(asked().await, "Bearer sk-first");

    // Written in place, and then replaced by another file.
    fs::write(&file, "sk-second").unwrap();
    eventually("the second key to be used", async || asked().await == "Bearer sk-second").await;
    fs::write(directory.path().join("new"), "sk-third").unwrap();
    fs::rename(directory.path().join("new"), &file).unwrap();
    eventually("the third key to be used", async || asked().await == "Bearer sk-third").await;

    let said =
        async |text: &str| until("what is said of the file", || gateway.errors().contains(text).then_some(())).await;
    fs::write(&file, "\n").unwrap();
    said("openai.key is empty. Put the key there; the gateway keeps the old credential").await;
    fs::remove_file(&file).unwrap();
    said("cannot read the key from").await;
    assert_eq!(asked().await, "Bearer sk-third");
    fs::write(&file, "sk-fourth").unwrap();
    eventually("the fourth key to be used", async || asked().await == "Bearer sk-fourth").await;
    let told = gateway.errors() + &gateway.output();
    assert!(!["sk-first", "sk-second", "sk-third", "sk-fourth"].iter().any(|key| told.contains(key)), "{told}");
}
