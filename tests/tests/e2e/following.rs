//! The gateway skips a target that cannot take a request, and continues with the next in the list.

use serde_json::json;
use sluice_tests::gateway::{Gateway, KEY, Key, Kind};
use sluice_tests::port::Port;
use sluice_tests::simulator::Simulator;

use crate::{CHAT, ask, refusal, said, with};

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
    // Anthropic's format cannot express this.
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

/// The gateway checks limits and budgets again before each target, and skips a target that they do not cover.
#[tokio::test]
async fn a_target_that_nothing_covers_any_more_is_passed_over() {
    let (openai, anthropic, last) = (Simulator::start().await, Simulator::start().await, Simulator::start().await);
    let gateway = Gateway::builder()
        .provider("openai", Kind::OpenAi, &openai)
        .provider("anthropic", Kind::Anthropic, &anthropic)
        .provider("last", Kind::OpenAi, &last)
        .model("limited", &[("openai", "gpt-a"), ("anthropic", "claude-sim"), ("last", "gpt-a")])
        .model("dear", &[("openai", "gpt-b"), ("anthropic", "claude-dear"), ("last", "gpt-b")])
        .with(json!({"models": {"dear": {"timeouts": {"answer": "1s"}}}}))
        .price("openai/gpt-a", 1.0, 1.0)
        .price("anthropic/claude-sim", 1.0, 1.0)
        .price("last/gpt-a", 1.0, 1.0)
        .price("openai/gpt-b", 1.0, 1.0)
        .price("anthropic/claude-dear", 2000.0, 2000.0)
        .price("last/gpt-b", 1.0, 1.0)
        .key(Key::new("test", KEY).budget(json!({"total": 0.05})))
        .with(
            json!({"circuit": {"failures": 1000}, "providers": {"anthropic": {"limits": {"concurrent_requests": 1}}}}),
        )
        .start()
        .await;
    let asks = |model: &str| with(ask(model, "say hi"), json!({"max_tokens": 64}));
    openai.always("status=503");
    // Its limit is one concurrent request, which is in flight.
    anthropic.hold();
    let client = gateway.client();
    let first = tokio::spawn(async move { client.post(CHAT, &asks("limited")).await });
    sluice_tests::until("the request to arrive", || (anthropic.count() == 1).then_some(())).await;
    for (model, fault) in [("limited", "status=503"), ("limited", "reset"), ("dear", "status=503"), ("dear", "silence")]
    {
        openai.clear();
        openai.always(fault);
        let answer = gateway.chat(&asks(model)).await;
        assert_eq!((answer.status, &*said(&answer)), (200, "hi"), "{model} {fault}: {}", answer.text());
        assert_eq!(answer.header("x-sluice-provider"), Some("last"), "{model} {fault}: {answer:?}");
    }
    assert_eq!(anthropic.count(), 1);
    anthropic.release();
    assert_eq!(first.await.expect("an answer").header("x-sluice-provider"), Some("anthropic"));
}
