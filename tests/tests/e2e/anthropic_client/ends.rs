//! Providers that fail before, during, or instead of a response, and the cost.

use serde_json::json;

use super::{ANTHROPIC, KEYED, OPENAI, ask, names, said, streamed};
use crate::money::logged;
use crate::{Pair, with};

const WORDS: &str = "one two three four five six";

#[tokio::test]
async fn a_fallback_is_silent_either_way() {
    let pair = Pair::lease().await;
    for (model, failing) in [("anthropic-first", &pair.anthropic), ("openai-first", &pair.openai)] {
        for fault in ["status=529", "error", "reset"] {
            pair.openai.clear();
            pair.anthropic.clear();
            failing.always(fault);
            let answer = pair.gateway.message(&streamed(&pair, model, &format!("say {WORDS}"))).await;
            assert_eq!((answer.status, &*said(&answer)), (200, WORDS), "{model} {fault}: {}", answer.text());
            assert_eq!(names(&answer).last().map(String::as_str), Some("message_stop"), "{model} {fault}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_or_a_reset_and_never_with_a_stop() {
    let pair = Pair::lease().await;
    for (model, simulator) in [("openai", &pair.openai), ("anthropic", &pair.anthropic)] {
        for fault in ["error-after=5", "eof-after=5", "malformed-after=5", "reset-after=5"] {
            simulator.clear();
            simulator.always(&format!("{fault}+whole+pause-after=5"));
            let body = streamed(&pair, model, &format!("say {WORDS}"));
            let client = pair.gateway.anthropic_client();
            let answer = client.post_begun(super::MESSAGES, &body, || simulator.go_on()).await;
            let context = format!("{model} {fault}: {}", answer.text());
            assert!(WORDS.starts_with(&said(&answer)) && said(&answer) != WORDS, "{context}");
            let names = names(&answer);
            assert!(!names.iter().any(|name| name == "message_stop"), "{context}");
            if answer.complete {
                let last = answer.events().pop().expect("an event").json();
                assert_eq!(last["type"], "error", "{context}");
                assert!(last["error"]["type"].is_string() && last["error"]["message"].is_string(), "{context}");
            }
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_delivered_whole_is_asked_for_again_when_it_breaks() {
    let pair = KEYED.lease().await;
    for (model, failing) in [("anthropic-first-whole", &pair.anthropic), ("openai-first-whole", &pair.openai)] {
        pair.openai.clear();
        pair.anthropic.clear();
        failing.always("error-after=5+whole");
        let answer =
            pair.gateway.message(&with(streamed(&pair, model, &format!("say {WORDS}")), json!({"model": model}))).await;
        assert_eq!((answer.status, &*said(&answer)), (200, WORDS), "{model}: {}", answer.text());
        assert_eq!(names(&answer).last().map(String::as_str), Some("message_stop"));
    }
}

#[tokio::test]
async fn the_log_and_the_providers_agree_on_what_was_used() {
    let pair = KEYED.lease().await;
    let client = pair.gateway.anonymous().anthropic("sk-payer");
    for model in ["openai", "anthropic", "openai-first", "anthropic-first"] {
        for stream in [false, true] {
            let body = with(ask(&pair, model, &format!("say {WORDS}")), json!({"stream": stream}));
            assert_eq!(said(&client.post(super::MESSAGES, &body).await), WORDS);
        }
    }
    let lines = pair.gateway.quiet().await;
    assert!(lines.iter().all(|line| line["estimated"].is_null()));
    let owed = OPENAI.sum(&pair.openai.settled(4).await) + ANTHROPIC.sum(&pair.anthropic.settled(4).await);
    assert_eq!(logged(&lines, "payer"), owed);
}
