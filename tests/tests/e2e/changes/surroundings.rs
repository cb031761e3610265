//! Changes besides the gateway file: the module, key files that arrive late or change meanwhile, removed prices, and the parts of an
//! interface that the file configures.

use serde_json::{Value, json};
use sluice_tests::client::Client;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Builder, Gateway, Kind, sha256};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;
use sluice_tests::{eventually, until};

use crate::admin::site::ADMIN;
use crate::ask;
use crate::recovery::trap_module;

fn plain(provider: &Simulator) -> Builder {
    Gateway::builder().provider("openai", Kind::OpenAi, provider).model("chat", &[("openai", "gpt-sim")])
}

async fn status(gateway: &Gateway) -> u16 {
    gateway.chat(&ask("chat", "say hi")).await.status
}

#[tokio::test]
async fn an_administration_interface_comes_and_goes_and_comes_again() {
    let provider = Simulator::start().await;
    let gateway = plain(&provider).start().await;
    let port = Port::reserve();
    let admin = json!({"listen": format!("127.0.0.1:{}", port.number()), "sha256": sha256(ADMIN)});
    let client = Client::new(port.number()).bearer(ADMIN);
    let config = async || client.request("GET", "/admin/v1/config", "").await.map(|answer| answer.status).ok();
    for _ in 0..2 {
        gateway.change(|file| file["admin"] = admin.clone()).await;
        assert_eq!(config().await, Some(200));
        gateway.change(|file| drop(file.as_object_mut().unwrap().remove("admin"))).await;
        eventually("the interface to be gone", async || config().await.is_none()).await;
    }
    assert_eq!(status(&gateway).await, 200);
}

#[tokio::test]
async fn a_module_that_is_replaced_meanwhile_does_not_meet_the_one_that_runs() {
    let provider = Simulator::start().await;
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join(Build::under_test().file());
    std::fs::copy(Build::under_test().module(), &module).unwrap();
    let gateway = plain(&provider).module(&module).start().await;
    let new = directory.path().join("new");
    std::fs::copy(trap_module(), &new).unwrap();
    std::fs::rename(new, module).unwrap();
    gateway.change(|file| file["teams"]["more"] = json!({})).await;
    assert_eq!(status(&gateway).await, 200, "{}", gateway.errors());
}

#[tokio::test]
async fn a_key_file_that_comes_after_the_file_that_names_it_is_found() {
    let provider = Simulator::start().await;
    let gateway = plain(&provider).start().await;
    let late = gateway.file().parent().unwrap().join("late.key");
    let key = json!({"kind": "openai", "url": provider.base_url(), "key": {"file": "late.key"}});
    let told = gateway.change_in_vain(|file| file["providers"]["late"] = key).await;
    assert!(told.contains("provider late: cannot read the key"), "{told}");
    std::fs::write(late, "sk-late").unwrap();
    until("the file to be in force", || gateway.errors().contains("is active").then_some(())).await;
    assert_eq!(gateway.errors().matches("cannot be used").count(), 1, "it is said once");
}

#[tokio::test]
async fn a_key_that_changes_together_with_a_refused_file_is_used() {
    let provider = Simulator::start().await;
    let gateway = plain(&provider).start().await;
    std::fs::write(gateway.file().with_file_name("openai.key"), "sk-renewed").unwrap();
    gateway.change_in_vain(|file| file["redis"] = json!({"url": "http://127.0.0.1:1"})).await;
    eventually("the new key to be used", async || {
        status(&gateway).await;
        provider.requests().last().unwrap().header("authorization") == Some("Bearer sk-renewed")
    })
    .await;
}

#[tokio::test]
async fn a_price_file_may_go_with_the_change_that_stops_naming_it() {
    let provider = Simulator::start().await;
    let gateway = plain(&provider).start().await;
    let prices = gateway.file().with_file_name("prices.json");
    std::fs::write(&prices, "{}").unwrap();
    let change = |file: &mut Value, team: &str| file["teams"][team] = json!({});
    gateway
        .change(|file| {
            change(file, "one");
            file["prices"]["file"] = "prices.json".into();
        })
        .await;
    std::fs::remove_file(prices).unwrap();
    gateway
        .change(|file| {
            change(file, "two");
            file["prices"].as_object_mut().unwrap().remove("file");
        })
        .await;
}

#[tokio::test]
async fn thousands_of_mistakes_are_refused_and_the_first_are_told() {
    let provider = Simulator::start().await;
    let gateway = plain(&provider).start().await;
    let told = gateway.change_in_vain(|file| file["keys"] = (0..2_000).map(|id| json!({"id": id})).collect()).await;
    assert!(told.contains("keys[0]") && told.contains("more: `sluice check` prints all"), "{told}");
    assert!(told.lines().count() < 110, "{told}");
    assert_eq!(status(&gateway).await, 200);
}
