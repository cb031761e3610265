//! A target that cannot take a request is passed over when its turn comes, and the list goes on behind it.

use serde_json::json;
use sluice_tests::gateway::{Gateway, KEY, Key, Kind};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;

use crate::{ask, refusal, said, with};

#[tokio::test]
async fn a_target_that_cannot_take_the_request_is_passed_over_however_the_one_before_it_failed() {
    let (openai, anthropic, last) = (Simulator::start().await, Simulator::start().await, Simulator::start().await);
    let closed = Port::reserve();
    let behind = [("anthropic", "claude-sim"), ("last", "gpt-sim")];
    let list = |first: &'static str| [[(first, "gpt-sim")].as_slice(), &behind].concat();
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &openai)
        .provider("anthropic", Kind::Anthropic, &anthropic)
        .provider("last", Kind::OpenAi, &last)
        .provider("closed", Kind::OpenAi, &closed)
        .timeout("answer", "1s")
        .model("fails", &list("openai"))
        .model("refuses", &list("closed"))
        .model("nobody", &[("openai", "gpt-sim"), ("anthropic", "claude-sim")])
        .key(Key::new("test", KEY))
        .with(json!({"circuit": {"failures": 1000}}))
        .start()
        .await;
    // Anthropic has no words for it.
    let asks = |model: &str| with(ask(model, "say hi"), json!({"logit_bias": {"1": 5}}));
    for (model, fault) in [("fails", "status=503"), ("fails", "reset"), ("fails", "silence"), ("refuses", "ok")] {
        openai.clear();
        openai.always(fault);
        let answer = gateway.chat(&asks(model)).await;
        assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{model} {fault}: {}", answer.text());
        assert_eq!(answer.header("x-sluice-provider"), Some("last"), "{model} {fault}");
        let line = gateway.quiet().await.pop().expect("a line");
        let tried = line["tried"].as_array().expect("attempts");
        let passed = tried.iter().rev().nth(1).expect("who was passed over");
        assert_eq!(
            (&passed["provider"], &passed["failure"]),
            (&json!("anthropic"), &json!("cannot_express")),
            "{line}"
        );
    }
    openai.clear();
    openai.always("status=503");
    assert_eq!(refusal(&gateway.chat(&asks("nobody")).await).0, 503);
    assert_eq!(anthropic.count(), 0);
}
