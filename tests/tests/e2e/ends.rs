//! The ends of streams: a terminator without anything after it, a terminator that is too early, and a first event as large as an image.

use serde_json::json;
use sluice_tests::gateway::Builder;
use sluice_tests::simulator::Outcome;

use crate::{CHAT, Pair, other, refusal, said, with};

/// Pauses after all events of the stream.
const STAYS_OPEN: &str = "stall-after=999";
const SAYS: &str = "say one two three four five six";

fn whole(builder: Builder) -> Builder {
    builder.with(json!({"circuit": {"failures": 1000}, "models": {
        "openai-first": {"delivery": "whole"}, "anthropic-first": {"delivery": "whole"},
        "openai": {"delivery": "stream"}, "anthropic": {"delivery": "stream"},
    }}))
}

/// The gateway cuts the stream two seconds after its terminator, and logs it as complete.
#[tokio::test]
async fn a_stream_that_its_provider_does_not_end_is_cut_behind_its_terminator_and_was_complete() {
    let pair = Pair::with(whole).await;
    let mut lines = 0;
    for provider in ["openai", "anthropic"] {
        for model in [provider.to_owned(), format!("{provider}-first")] {
            pair.simulator(provider).clear();
            pair.simulator(provider).script(&[STAYS_OPEN]);
            // The client reads until the connection ends.
            let answer = pair.gateway.stream(&pair.ask(&model, SAYS)).await;
            assert_eq!(said(&answer), "one two three four five six", "{model}: {answer:?}");
            let done = answer.events().iter().filter(|event| event.data == "[DONE]").count();
            assert_eq!((answer.status, answer.events().last().map(|e| e.data == "[DONE]"), done), (200, Some(true), 1));
            assert_eq!(pair.simulator(provider).settled(1).await[0].outcome, Outcome::Cancelled, "{model}");
            lines += 1;
            let line = pair.gateway.log_lines(lines).await.pop().expect("a line");
            assert!(
                line["status"] == 200 && line["error"].is_null() && line["tried"][0]["failure"].is_null(),
                "{line}"
            );
            assert!(line["output_tokens"].as_u64() > Some(0) && line["estimated"].is_null(), "{line}");
            assert_eq!(line["attempts"], 1, "{line}");
        }
    }
}

/// Some proxies add a terminator to every truncated stream. A stream without a finish reason and without usage is not complete.
#[tokio::test]
async fn a_terminator_without_a_reason_is_a_cut() {
    let pair = Pair::with(whole).await;
    // The response's beginning of about three words, and the terminator.
    for fault in ["done-after=4", "pause-after=4+done-after=4"] {
        for anthropics in [false, true] {
            pair.openai.clear();
            pair.anthropic.clear();
            pair.openai.always(fault);
            let ask = with(pair.ask("openai", SAYS), json!({"stream": true, "max_tokens": 64}));
            let client = if anthropics { pair.gateway.anthropic_client() } else { pair.gateway.client() };
            let path = if anthropics { "/v1/messages" } else { CHAT };
            let answer = client.post_begun(path, &ask, || pair.openai.go_on()).await;
            if fault.starts_with("done") && answer.status != 200 {
                // The stream was over before any text was forwarded.
                assert_eq!((answer.status, answer.complete), (502, true), "{fault} {anthropics}: {answer:?}");
                continue;
            }
            let last = answer.events().pop().expect("an event");
            assert!(last.json()["error"].is_object(), "{fault} {anthropics}: {answer:?}");
            let ends = |text: &str| answer.text().contains(text);
            assert!(!ends("[DONE]") && !ends("message_stop") && !ends("end_turn"), "{fault} {anthropics}: {answer:?}");
        }
    }
    // Anthropic's own terminator.
    pair.anthropic.always("pause-after=5+done-after=5");
    let answer = pair.gateway.client();
    let body = with(pair.ask("anthropic", SAYS), json!({"stream": true}));
    let answer = answer.post_begun(CHAT, &body, || pair.anthropic.go_on()).await;
    assert!(!answer.text().contains("[DONE]") && !answer.text().contains("\"stop\""), "{answer:?}");
    // With `delivery: whole`, the other provider responds.
    for provider in ["openai", "anthropic"] {
        pair.openai.clear();
        pair.anthropic.clear();
        pair.simulator(provider).always("done-after=5");
        let answer = pair.gateway.stream(&pair.ask(&format!("{provider}-first"), SAYS)).await;
        let told = (answer.header("x-sluice-provider"), said(&answer));
        assert_eq!(told, (Some(other(provider)), "one two three four five six".to_owned()), "{provider}: {answer:?}");
    }
}

/// One event may be as large as an image, up to 8 MiB, wherever Envoy's reads split it.
#[tokio::test]
async fn a_first_event_as_large_as_an_image_is_answered_always() {
    let pair = Pair::with(whole).await;
    let settings = json!({"stream": true, "max_completion_tokens": 16 << 20});
    for provider in ["openai", "anthropic"] {
        for kilobytes in [1000, 1100, 2000, 3000, 7000] {
            pair.simulator(provider).clear();
            pair.simulator(provider).always(&format!("large={kilobytes}"));
            for model in [provider.to_owned(), format!("{provider}-first")] {
                for turn in 0..4 {
                    let answer = pair.gateway.chat(&with(pair.ask(&model, SAYS), settings.clone())).await;
                    let told = (answer.status, answer.complete, answer.header("x-sluice-attempts"));
                    let what = format!("{model}, {kilobytes} KiB, {turn}: {:.300}", answer.text());
                    assert_eq!(told, (200, true, Some("1")), "{what}");
                    assert_eq!(said(&answer).len(), (kilobytes << 10) + " and more".len(), "{what}");
                }
            }
        }
    }
    // An event of twice the size is too large every time.
    pair.openai.clear();
    pair.openai.always("large=20000");
    for _ in 0..4 {
        let answer = pair.gateway.chat(&with(pair.ask("openai", SAYS), settings.clone())).await;
        assert_eq!(refusal(&answer).0, 502, "{:.300}", answer.text());
    }
}
