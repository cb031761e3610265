//! Streams, and many concurrent requests: each client gets its own response without delay.

use serde_json::json;
use sluice_tests::simulator::Outcome;

use crate::{CHAT, Pair, ask, refusal, said, with};

#[tokio::test]
async fn events_leave_as_they_come() {
    let pair = Pair::lease().await;
    for provider in ["openai", "anthropic"] {
        // The stream never ends, so the client reads the text before the end.
        pair.simulator(provider).always("every=10+stall-after=8");
        let body = with(pair.ask(provider, "say one two three four five six"), json!({"stream": true})).to_string();
        let mut open = pair.gateway.client().open("POST", CHAT, body).await.expect("an answer");
        let mut text = String::new();
        while !text.contains("three") {
            let bytes = open.next().await.expect("more").expect("no end");
            text += &String::from_utf8_lossy(&bytes);
        }
        assert!(text.contains("one") && text.ends_with("\n\n"), "{text}");
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_cut_however_long_it_ran_before() {
    // The stream lasts longer than the first-token timeout.
    let pair = Pair::impatient().await;
    for provider in ["openai", "anthropic"] {
        pair.simulator(provider).always("every=300+stall-after=13");
        let body = with(pair.ask(provider, "say a b c d e f g h i j k l m n"), json!({"stream": true})).to_string();
        let mut open = pair.gateway.client().open("POST", CHAT, body).await.expect("an answer");
        let mut text = String::new();
        let last = loop {
            match open.next().await {
                Ok(Some(bytes)) => text += &String::from_utf8_lossy(&bytes),
                last => break last,
            }
        };
        assert!(last.is_err(), "{provider} must not end clean: {last:?} after {text}");
        assert!(text.contains("content") && !text.contains("[DONE]"), "{text}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_providers_work_at_once() {
    let pair = Pair::lease().await;
    for provider in ["openai", "anthropic"] {
        let simulator = pair.simulator(provider);
        for faults in ["every=10+stall-after=8", "silence"] {
            simulator.clear();
            simulator.always(faults);
            let body = with(pair.ask(provider, "say one two three four five six"), json!({"stream": true})).to_string();
            let client = pair.gateway.client();
            if faults == "silence" {
                let waiting = tokio::spawn(async move { client.open("POST", CHAT, body).await });
                sluice_tests::until("the request to arrive", || simulator.requests().pop()).await;
                waiting.abort();
            } else {
                let mut open = client.open("POST", CHAT, body).await.expect("an answer");
                open.next().await.expect("a beginning");
            }
            let asked = simulator.settled(1).await;
            assert_eq!((asked.len(), asked[0].outcome), (1, Outcome::Cancelled), "{provider} {faults}");
        }
    }
    // The client ended them, not a timeout.
    let lines = pair.gateway.log_lines(4).await;
    assert!(lines.iter().all(|line| line["attempts"] == 1 && line["flags"] == "DC"), "{lines:?}");
}

#[tokio::test]
async fn an_answer_of_several_choices_and_one_of_a_whole_burst_pass() {
    let pair = Pair::lease().await;
    for faults in ["burst", "whole", "whole+crlf", "ok"] {
        for provider in ["openai", "anthropic"] {
            pair.simulator(provider).clear();
            pair.simulator(provider).always(faults);
            let answer = pair.gateway.stream(&pair.ask(provider, "say é 你好 🙂")).await;
            assert_eq!((&*said(&answer), answer.complete), ("é 你好 🙂", true), "{provider} {faults}");
        }
    }
    pair.openai.clear();
    let answer = pair.gateway.stream(&with(pair.ask("openai", "say hi"), json!({"n": 2}))).await;
    let finished = answer.events().iter().filter(|e| e.json()["choices"][0]["finish_reason"] == "stop").count();
    assert_eq!((finished, answer.events().last().map(|event| event.data.clone())), (2, Some("[DONE]".into())));
}

#[tokio::test]
async fn of_many_requests_at_once_each_gets_its_own_answer() {
    let pair = Pair::with(|builder| {
        builder
            .concurrency(2)
            .model("slow", &[("anthropic", "claude-sim+every=5")])
            .model("failing", &[("openai", "gpt-sim+status=503"), ("anthropic", "claude-sim")])
            .model("cut", &[("anthropic", "claude-sim+reset"), ("openai", "gpt-sim")])
            .model("broken", &[("openai", "gpt-sim+every=20+error-after=6")])
            .model("refused", &[("openai", "gpt-sim+filter"), ("anthropic", "claude-sim")])
    })
    .await;
    let models = ["openai", "anthropic", "slow", "failing", "cut", "broken", "refused", "unknown"];
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let model = models[number % models.len()];
        let stream = model == "slow" || model == "broken" || (number / models.len()).is_multiple_of(2);
        let client = pair.gateway.client();
        tasks.spawn(async move {
            let text = format!("the answer to request number {number} is {}", number * 7919);
            let body = with(ask(model, &format!("say {text}")), json!({"stream": stream}));
            let answer = client.post(CHAT, &body).await;
            match model {
                "refused" => assert_eq!(refusal(&answer), (400, "content_filter".to_owned())),
                "unknown" => assert_eq!(refusal(&answer), (404, "model_not_found".to_owned())),
                // On a busy machine the error may arrive together with the first words, which are then not forwarded.
                "broken" if answer.status != 200 => assert_eq!(refusal(&answer).0, 502),
                "broken" => {
                    let last = answer.events().pop().expect("an event");
                    assert!(text.starts_with(&said(&answer)) && last.json()["error"].is_object(), "{answer:?}");
                }
                _ => {
                    assert_eq!((answer.status, said(&answer)), (200, text), "{model}: {answer:?}");
                    let done = answer.events().last().is_none_or(|event| event.data == "[DONE]");
                    assert!(answer.complete && done, "{model}: {answer:?}");
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a right answer");
    }
    assert_eq!(pair.gateway.log_lines(200).await.len(), 200);
}
