//! Providers that leave a complete stream open: the request ends when the client has the terminator.

use serde_json::json;
use sluice_tests::gateway::{Gateway, KEY, Key, Kind};
use sluice_tests::simulator::{Outcome, Simulator};

use crate::{CHAT, ask, said, with};

/// Pauses after all events of the stream.
const STAYS_OPEN: &str = "stall-after=999";

#[tokio::test]
async fn a_request_is_settled_when_its_client_has_the_end_and_its_place_is_free() {
    let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &openai)
        .provider("anthropic", Kind::Anthropic, &anthropic)
        .model("gpt", &[("openai", "gpt-sim")])
        .model("claude", &[("anthropic", "claude-sim")])
        .key(Key::new("test", KEY).limits(json!({"concurrent_requests": 1})))
        .with(json!({"prices": {"models": {"openai/gpt-sim": {"input": 1, "output": 1}, "anthropic/claude-sim": {"input": 1, "output": 1}}}}))
        .start()
        .await;
    for (model, provider) in [("gpt", &openai), ("claude", &anthropic)] {
        provider.script(&[STAYS_OPEN, "ok"]);
        let body = with(ask(model, "say one two"), json!({"stream": true})).to_string();
        let mut open = gateway.client().open("POST", CHAT, body).await.expect("an answer");
        let mut read = Vec::new();
        while !read.ends_with(b"data: [DONE]\n\n") {
            read.extend(open.next().await.expect("more").expect("no end before the terminator"));
        }
        // The stream is open at the client and at the provider.
        let next = gateway.chat(&ask(model, "say next")).await;
        assert_eq!((next.status, &*said(&next)), (200, "next"), "{model}: {}", next.text());
        drop(open);
        assert_eq!(provider.settled(2).await[0].outcome, Outcome::Cancelled, "{model}");
        provider.clear();
    }
    let lines = gateway.log_lines(4).await;
    for line in lines {
        assert!(line["status"] == 200 && line["error"].is_null() && line["tried"][0]["failure"].is_null(), "{line}");
        assert!(line["output_tokens"].as_u64() > Some(0) && line["estimated"].is_null(), "{line}");
        assert!(line["cost_usd"].is_string(), "{line}");
    }
}
