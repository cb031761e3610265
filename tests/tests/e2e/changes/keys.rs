//! Keys in Redis, and concurrency slots of the filter's VM, when the gateway file changes.

use serde_json::{Value, json};
use sluice_tests::eventually;
use sluice_tests::gateway::build::Build;
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::redis::Store;
use sluice_tests::simulator::Simulator;

use crate::admin::site::Administered;
use crate::recovery::trap_module;
use crate::{CHAT, ask, with};

#[tokio::test]
async fn a_key_in_redis_is_nobodys_while_its_team_is_gone_and_counts_on_when_it_is_back() {
    let (store, provider) = (Store::lease().await, Simulator::start().await);
    let builder = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .store(&store);
    let teams = json!({"test": {}, "guests": {"limits": {"tokens_per_day": 3_300}}});
    let more = json!({"redis": {"mode": "strict"}, "teams": teams});
    let site = Administered::start(builder, more).await;
    let secret = site.secret(&["keys", "create", "--id", "guest", "--team", "guests"]).await;
    sluice_tests::within_a_day().await;
    // Each request reserves slightly more than 1,000 tokens, and uses 800.
    provider.always("tokens=800");
    let body = with(ask("chat", "say hi"), json!({"max_tokens": 1000}));
    let asked = async || site.gateway.with_key(&secret).post(CHAT, &body).await.status;
    assert_eq!(asked().await, 200);
    let guests = teams["guests"].clone();
    for expected in [200, 200, 429] {
        site.gateway.change(|file| drop(file["teams"].as_object_mut().unwrap().remove("guests"))).await;
        let gone = site.chat(&secret, "chat").await;
        assert!((400..500).contains(&gone.status) || gone.status == 503, "{}: {}", gone.status, gone.text());
        site.gateway.change(|file| file["teams"]["guests"] = guests.clone()).await;
        assert_eq!(asked().await, expected, "what was counted before counts");
    }
}

#[tokio::test]
async fn a_vm_that_is_made_anew_after_a_change_begins_with_the_new_file_and_frees_what_the_old_one_held() {
    if !Build::under_test().has_vms() {
        return;
    }
    let (store, provider) = (Store::lease().await, Simulator::start().await);
    let module = trap_module();
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &provider)
        .model("chat", &[("openai", "gpt-sim")])
        .store(&store)
        .with(json!({"redis": {"mode": "strict"}}))
        .module(&module)
        .start()
        .await;
    provider.always("pause-after=2");
    let streamed = with(ask("chat", "say one two three four"), json!({"stream": true})).to_string();
    let mut open = gateway.client().open("POST", CHAT, streamed).await.expect("an answer");
    open.next().await.expect("a beginning");
    let places = |places: u32| -> Value { json!({"test": {"limits": {"concurrent_requests": places}}}) };
    gateway.change(|file| file["teams"] = places(2)).await;
    let trap = gateway.client().header("x-sluice-trap", "1");
    let trapped = trap.request("POST", CHAT, ask("chat", "hi").to_string()).await;
    assert!(trapped.is_err() || trapped.is_ok_and(|answer| answer.status >= 500));
    gateway.change(|file| file["teams"] = places(1)).await;
    provider.always("whole");
    provider.go_on();
    assert!(!open.finish().await.text().contains("[DONE]"));
    let status = async || gateway.chat(&ask("chat", "say hi")).await.status;
    // Redis gets each settlement after the response.
    for _ in 0..3 {
        eventually("the one place to be free", async || status().await == 200).await;
    }
}
