//! The default timeouts of a target. They are longer if its model thinks first or must be loaded first, and if no other target is left. All
//! cases run at once, since they only wait.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_tests::gateway::{Gateway, Kind};
use sluice_tests::simulator::{Outcome, Simulator};

use crate::{CHAT, ask, said, together, with};

/// Longer than the default first-token timeout.
const LATE: &str = "first=35000";
/// Longer than the default idle timeout; then the provider closes the connection.
const SILENT: &str = "stall-after=6+stays=65000";

#[tokio::test]
#[ignore = "takes more than a minute"]
async fn a_target_is_waited_for_as_long_as_it_may_take() {
    let (slow, well) = (Simulator::start().await, Simulator::start().await);
    let late = |name: &str| format!("{name}+{LATE}");
    let of = |name: &str| {
        json!({"targets": [
            {"provider": if name == "local" { "local" } else { "openai" }, "model": late(name)}, {"provider": "well", "model": "well"},
        ]})
    };
    let names = ["plain", "thinks", "thinks-not", "local"];
    let models: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), of(name))).collect();
    let thinks = json!({"reasoning": true});
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &slow)
        .provider("local", Kind::OpenAi, &slow)
        .provider("anthropic", Kind::Anthropic, &slow)
        .provider("well", Kind::OpenAi, &well)
        .model("alone", &[("openai", &late("alone"))])
        .model("searches", &[("anthropic", &format!("claude+{SILENT}"))])
        .with(json!({"models": models, "providers": {"local": {"kind": "vllm"}}}))
        .with(json!({"capabilities": {
            format!("openai/{}", late("thinks")): thinks, format!("openai/{}", late("thinks-not")): thinks,
        }}))
        .start()
        .await;
    let client = gateway.client().patience(Duration::from_secs(170));
    let tools = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    let asked = [
        ("plain", json!({}), Some("well")),
        ("thinks", json!({}), Some("openai")),
        ("thinks-not", json!({"reasoning_effort": "none"}), Some("well")),
        ("local", json!({}), Some("local")),
        ("alone", json!({}), Some("openai")),
    ];
    let chats = asked.iter().map(async |(model, more, by)| {
        let answer = client.post(CHAT, &with(with(ask(model, "say hi"), json!({"stream": true})), more.clone())).await;
        let seen = (answer.status, said(&answer), answer.header("x-sluice-provider").map(str::to_owned));
        (seen != (200, "hi".to_owned(), by.map(str::to_owned))).then(|| format!("{model}: {answer:?}"))
    });
    // A provider that runs hosted tools may be silent for longer. The outcome shows whether the provider or the gateway ends the stream.
    let silent = [(json!({"tools": tools}), Outcome::BrokenOff), (json!({}), Outcome::Cancelled)];
    let searches = silent.iter().map(async |(more, _)| {
        let body = with(with(ask("searches", "say hi"), json!({"stream": true, "max_tokens": 64})), more.clone());
        gateway.anthropic_client().patience(Duration::from_secs(170)).post("/v1/messages", &body).await
    });
    let (chats, _) = tokio::join!(together(chats), together(searches));
    let mut wrong: Vec<_> = chats.into_iter().flatten().collect();
    let claudes = slow.requests().into_iter().filter(|request| request.path.ends_with("/messages"));
    let claudes: Vec<_> = claudes.map(|request| (request.json()["tools"].is_array(), request.outcome)).collect();
    for (more, outcome) in silent {
        if !claudes.contains(&(more["tools"].is_array(), outcome)) {
            wrong.push(format!("{more}: {claudes:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
