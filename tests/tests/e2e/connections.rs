//! Connections that are there no longer: of a pool, where whoever balances load has forgotten them, and such as never come about.

use serde_json::json;
use sluice_tests::gateway::{Gateway, KEY, Key, Kind};
use sluice_tests::simulator::Simulator;

use crate::{ask, refusal, said};

#[tokio::test]
async fn a_lost_connection_is_made_anew_and_says_nothing_of_its_provider() {
    let (openai, anthropic) = (Simulator::start().await, Simulator::start().await);
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &openai)
        .provider("anthropic", Kind::Anthropic, &anthropic)
        .model("both", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
        .model("alone", &[("openai", "gpt-sim")])
        .key(Key::new("test", KEY))
        // One failure would open a circuit, for as long as the test lasts.
        .with(json!({"circuit": {"failures": 1, "open": "1h", "longest": "1h"}}))
        .start()
        .await;
    // More than a retry budget allows.
    for _ in 0..15 {
        for model in ["both", "alone"] {
            openai.script(&["reset", "ok"]);
            let answer = gateway.chat(&ask(model, "say hi")).await;
            assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{model}: {}", answer.text());
            assert_eq!(
                (answer.header("x-sluice-provider"), answer.header("x-sluice-attempts")),
                (Some("openai"), Some("2")),
                "{model}: {}",
                gateway.errors()
            );
        }
    }
    assert_eq!(anthropic.count(), 0);
    // One that loses every connection is no better than one that is not there.
    openai.clear();
    openai.always("reset");
    let answer = gateway.chat(&ask("both", "say hi")).await;
    assert_eq!((openai.count(), anthropic.count(), &*said(&answer)), (2, 1, "hi"));
    assert_eq!(refusal(&gateway.chat(&ask("alone", "say hi")).await), (503, "provider_unavailable".to_owned()));
    assert_eq!(openai.count(), 5, "and its only target once more");
}
