//! Guardrails in a real Envoy: the texts that reach a provider or a client, and the charges for blocked responses.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Value, json};
use sluice_tests::client::{Answer, Open};
use sluice_tests::gateway::{Builder, KEY, Key};
use sluice_tests::shared::Shared;
use sluice_tests::simulator::Simulator;

use crate::money::{Price, micro, priced};
use crate::{CHAT, Pair, TURNS, ask, model_of, numbered, refusal, said, together, with};

const GPT: Price = Price { input: 1.37, output: 9.11 };
const CLAUDE: Price = Price { input: 3.19, output: 15.03 };

/// A gateway with a key for each of these guardrails, and a model.
static GUARDED: Shared<Pair> = Shared::new(1, || {
    let guards = json!({"guards": {
        "masks": {"match": {"key": "masks"}, "detect": ["email", "credit_card", "private_key"], "on": ["prompts"], "action": "mask",
            "patterns": {"ahead": "§.*?§z|§"}},
        "blocks": {"match": {"key": "blocks"}, "detect": ["email"], "on": ["answers"], "delivery": "whole"},
        "cuts": {"match": {"key": "cuts"}, "detect": ["email"], "on": ["answers"]},
        "hides": {"match": {"key": "hides"}, "detect": ["email"], "on": ["answers"], "action": "mask", "style": "numbered"},
        "returns": {"match": {"key": "returns"}, "detect": ["email"], "on": ["prompts"], "action": "mask", "style": "numbered",
            "restore": true},
        "logs": {"match": {"key": "logs"}, "detect": ["email"], "on": ["answers"], "action": "log"},
        "watches": {"match": {"model": "watched"}, "detect": ["email"]},
    }});
    Box::pin(Pair::of(TURNS, |builder| {
        let builder = builder.with(guards).model("watched", &[("anthropic", "claude-watched")]);
        let builder = builder.price("anthropic/claude-watched", CLAUDE.input, CLAUDE.output);
        let builder = ["plain", "masks", "blocks", "logs", "cuts", "hides", "returns"].into_iter().fold(builder, payer);
        (0..TURNS).fold(priced(builder, TURNS, GPT, CLAUDE), checked).concurrency(2)
    }))
});

/// A key with a budget.
fn payer(builder: Builder, name: &str) -> Builder {
    builder.key(Key::new(name, name).budget(json!({"total": 10})))
}

/// Models that check structured outputs: with one target, and with two.
fn checked(builder: Builder, turn: usize) -> Builder {
    let both = ["openai", "anthropic"];
    let both = both.map(|provider| json!({"provider": provider, "model": numbered(model_of(provider), turn)}));
    let model = |targets: &[Value]| json!({"check_structured_output": true, "targets": targets});
    builder.with(json!({"models": {numbered("one", turn): model(&both[..1]), numbered("both", turn): model(&both)}}))
}

/// The cost of all responses of both providers, in micro-dollars.
fn cost(pair: &Pair) -> u64 {
    GPT.sum(&pair.openai.requests()) + CLAUDE.sum(&pair.anthropic.requests())
}

/// The only line of the access log, after its request.
async fn line(pair: &Pair) -> Value {
    let mut lines = pair.gateway.quiet().await;
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

fn charged(line: &Value) -> u64 {
    micro(line["cost_usd"].as_str().expect("a cost"))
}

#[tokio::test]
async fn a_prompt_that_is_blocked_reaches_no_provider_in_any_clients_format() {
    let guards = json!({"guards": {
        "pii": {"detect": ["email", "private_key", "credit_card"], "words": ["project titan"], "on": ["prompts"]},
        "odd": {"match": {"key": "odd"}, "words": ["keep-alive"], "on": ["answers"]},
    }});
    let keys = |builder| payer(payer(priced(builder, 1, GPT, CLAUDE), KEY), "odd");
    let pair = Pair::with(|builder| keys(builder).with(guards).concurrency(2)).await;
    let told = pair.gateway.chat(&ask("openai-first", "write to a@b.io")).await;
    assert_eq!(refusal(&told), (400, "guardrail_blocked".to_owned()));
    assert!(
        told.text().contains("`pii`") && told.text().contains("`email`") && !told.text().contains("a@b"),
        "{}",
        told.text()
    );
    let message = with(ask("anthropic", "write to a@b.io"), json!({"max_tokens": 9}));
    let message = pair.gateway.message(&message).await;
    assert_eq!((message.status, &message.json()["type"]), (400, &json!("error")), "{}", message.text());
    let key = json!({"model": "openai", "input": [{"role": "user", "content": "-----BEGIN PRIVATE KEY-----\nMII"}]});
    assert_eq!(pair.gateway.client().post("/v1/responses", &key).await.status, 400);
    // A tool result with an escaped `@`, as many encoders write it.
    let tool = json!({"model": "openai", "messages": [
        {"role": "user", "content": "who?"},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "{\"mail\":\"a\\u0040b.io\"}"}]});
    assert_eq!(refusal(&pair.gateway.chat(&tool).await).1, "guardrail_blocked");
    // A text file in a document block, plain and in base64; a number; words across a line break.
    let file = "OWNER=a@b.io\nHOST=inside.test\n".repeat(20);
    for content in [
        json!([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": file}}]),
        json!([{"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": BASE64.encode(file)}}]),
        json!([{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "about Project\nTitan"}]}]),
        json!([{"type": "tool_use", "id": "t", "name": "pay", "input": {"card": 4111111111111111_u64}}]),
    ] {
        let body = json!({"model": "anthropic", "max_tokens": 9, "messages": [{"role": "user", "content": content}]});
        let told = pair.gateway.message(&body).await;
        assert_eq!((told.status, told.text().contains("guardrail")), (400, true), "{content}: {}", told.text());
    }
    assert_eq!(pair.openai.count() + pair.anthropic.count(), 0);
    let lines = pair.gateway.quiet().await;
    assert!(lines.iter().all(|line| line["error"] == "guardrail_blocked" && line["attempts"] == 0), "{lines:?}");
    assert!(
        lines.iter().all(|line| line["guards"][0].as_str().is_some_and(|found| found.ends_with("(prompts, block)")))
    );
    assert!(!pair.gateway.output().contains("a@b"), "the log never has the text");
    assert_eq!(pair.gateway.counter("sluice.guard.blocked").await, 8);
    assert_eq!(pair.gateway.chat(&ask("openai", "say hi")).await.status, 200);
    // The client can also read comments between the events of an unchanged stream.
    pair.openai.always("comments");
    let stream = with(ask("openai", "say hi"), json!({"stream": true}));
    let free = pair.gateway.chat(&stream).await;
    assert!(free.status == 200 && free.text().contains("keep-alive"), "{}", free.text());
    let told = pair.gateway.with_key("odd").post(CHAT, &stream).await;
    assert_eq!(refusal(&told), (400, "guardrail_blocked".to_owned()));
}

#[tokio::test]
async fn what_is_masked_reaches_no_target_and_the_client_is_told() {
    let pair = GUARDED.lease().await;
    let client = pair.gateway.with_key("masks");
    let text = "say write to a@b.io about 4111 1111 1111 1111, ok?";
    let masked = "write to [email] about [credit_card], ok?";
    // The first target fails. The retry is masked too, and translated.
    pair.openai.script(&["status=503"]);
    let answer = client.post(CHAT, &pair.ask("openai-first", text)).await;
    assert_eq!((answer.status, said(&answer).as_str()), (200, masked));
    assert_eq!(answer.header("x-sluice-masked"), Some("credit_card, email"));
    for request in pair.openai.requests().iter().chain(&pair.anthropic.requests()) {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert!(body.contains(masked) && !body.contains("a@b") && !body.contains("4111"), "{body}");
        assert_eq!(request.header("content-length"), Some(&*request.body.len().to_string()));
    }
    assert_eq!(
        line(&pair).await["guards"],
        json!(["masks: email (prompts, mask)", "masks: credit_card (prompts, mask)"])
    );
    let streamed = client.post(CHAT, &with(pair.ask("openai", text), json!({"stream": true}))).await;
    assert_eq!((streamed.streamed_text().as_str(), streamed.complete), (masked, true));
    let plain = client.post(CHAT, &pair.ask("openai", "say nothing of that")).await;
    assert_eq!(plain.header("x-sluice-masked"), None);
}

/// A request whose first provider responds with forbidden text, and whose second responds with numbers.
async fn answers(pair: &Pair, streamed: bool) -> Answer {
    pair.anthropic.script(&["tokens=3"]);
    let body = pair.ask("openai-first", "say it is a@b.io, I think");
    let body = match streamed {
        true => with(body, json!({"stream": true, "stream_options": {"include_usage": true}})),
        false => body,
    };
    pair.gateway.with_key("blocks").post(CHAT, &body).await
}

#[tokio::test]
async fn an_answer_that_is_blocked_is_another_targets_to_give_and_both_are_charged() {
    for streamed in [false, true] {
        let pair = GUARDED.lease().await;
        let answer = answers(&pair, streamed).await;
        assert_eq!(
            (answer.status, answer.complete, said(&answer).as_str()),
            (200, true, "00 01 02 "),
            "{}",
            answer.text()
        );
        assert!(!answer.text().contains("a@b") && !answer.text().contains("it is"), "{}", answer.text());
        assert_eq!(answer.header("x-sluice-failures"), Some(&*format!("{}: guardrail", pair.target("openai"))));
        let line = line(&pair).await;
        assert_eq!((charged(&line), &line["estimated"]), (cost(&pair), &json!(null)), "{line}");
        assert_eq!(pair.gateway.counter("sluice.failed.guardrail").await, 1);
    }
}

#[tokio::test]
async fn where_every_answer_is_blocked_the_client_reads_why_and_what_was_made_is_charged() {
    for streamed in [false, true] {
        let pair = GUARDED.lease().await;
        let body = with(pair.ask("anthropic-first", "say it is a@b.io, I think"), json!({"stream": streamed}));
        let answer = pair.gateway.with_key("blocks").post(CHAT, &body).await;
        assert_eq!(refusal(&answer), (400, "guardrail_blocked".to_owned()));
        assert!(!answer.text().contains("a@b"), "{}", answer.text());
        let line = line(&pair).await;
        assert_eq!((charged(&line), &line["attempts"]), (cost(&pair), &json!(2)), "{line}");
        assert!(cost(&pair) > 0 && pair.openai.count() == 1);
    }
}

#[tokio::test]
async fn a_stream_that_was_looked_at_is_whole_when_it_comes() {
    let pair = GUARDED.lease().await;
    for model in ["openai", "anthropic"] {
        let more = json!({"stream": true, "stream_options": {"include_usage": true}});
        let body = with(pair.ask(model, "say it is a@b.io, I think"), more);
        let answer = pair.gateway.with_key("logs").post(CHAT, &body).await;
        assert_eq!((answer.streamed_text().as_str(), answer.complete), ("it is a@b.io, I think", true));
        let events = answer.events();
        assert_eq!(events.last().map(|event| event.data.as_str()), Some("[DONE]"));
        assert!(events.len() > 4 && events.iter().any(|event| event.json()["usage"]["total_tokens"].is_u64()));
    }
    let lines = pair.gateway.quiet().await;
    assert!(lines.iter().all(|line| line["guards"] == json!(["logs: email (answers, log)"])), "{lines:?}");
}

/// Reads a stream until it contains `end`.
async fn read_until(open: &mut Open, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let bytes = open.next().await.expect("more").expect("no end");
        text += &String::from_utf8_lossy(&bytes);
    }
    text
}

#[tokio::test]
async fn a_stream_that_is_inspected_or_rewritten_arrives_before_the_provider_ends_it() {
    let pair = GUARDED.lease().await;
    for (key, prompt, last) in [
        ("cuts", "say one two three four five six seven", "three"),
        ("hides", "say one a@b.io three four five six seven", "three"),
        ("returns", "say one a@b.io three four five six seven", "three"),
    ] {
        for provider in ["openai", "anthropic"] {
            // The stream never ends.
            pair.simulator(provider).always("every=10+stall-after=9");
            let body = with(pair.ask(provider, prompt), json!({"stream": true})).to_string();
            let client = pair.gateway.with_key(key);
            let mut open = client.open("POST", CHAT, body).await.expect("an answer");
            let text = read_until(&mut open, last).await;
            assert!(text.contains("one") && text.ends_with("\n\n"), "{key} {provider}: {text}");
            assert_eq!(text.contains("[EMAIL_1]"), key == "hides", "{key} {provider}: {text}");
            assert_eq!(text.contains("a@b.io"), key == "returns", "{key} {provider}: {text}");
            drop(open);
            pair.simulator(provider).clear();
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_blocked_ends_as_a_content_filter_ends_it() {
    let pair = GUARDED.lease().await;
    for provider in ["openai", "anthropic"] {
        // Without its end, the client would wait.
        pair.simulator(provider).always("every=10+stall-after=9");
        let body = with(pair.ask(provider, "say it is a@b.io, as you know, and more"), json!({"stream": true}));
        let answer = pair.gateway.with_key("cuts").post(CHAT, &body).await;
        assert_eq!((answer.status, answer.streamed_text().trim_end()), (200, "it is"), "{}", answer.text());
        assert!(answer.text().contains(r#""finish_reason":"content_filter""#) && !answer.text().contains("a@b"));
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
        pair.simulator(provider).clear();
    }
    let lines = pair.gateway.quiet().await;
    assert!(lines.iter().all(|line| line["guards"] == json!(["cuts: email (answers, block)"])), "{lines:?}");
    assert_eq!(pair.gateway.counter("sluice.failed.guardrail").await, 2);
}

/// Asks both simulators for a number that matches a schema with this minimum.
fn form(pair: &Pair, model: &str, least: u32) -> Value {
    by_schema(
        pair,
        model,
        &json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": least}}, "required": ["n"], "additionalProperties": false}),
    )
}

fn by_schema(pair: &Pair, model: &str, schema: &Value) -> Value {
    with(
        pair.ask(model, "a number"),
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}}}),
    )
}

#[tokio::test]
async fn json_that_is_not_what_was_asked_for_is_asked_for_elsewhere_or_again() {
    let pair = GUARDED.lease().await;
    for model in ["one", "both"] {
        for streamed in [false, true] {
            let body = with(form(&pair, model, 0), json!({"stream": streamed}));
            // The first response is not JSON.
            pair.openai.script(&["tokens=3", "ok"]);
            let answer = pair.gateway.chat(&body).await;
            assert_eq!((answer.status, said(&answer).as_str()), (200, r#"{"n":3}"#), "{}", answer.text());
            assert_eq!(
                answer.header("x-sluice-failures"),
                Some(&*format!("{}: invalid_structured_output", pair.target("openai")))
            );
            pair.openai.clear();
        }
    }
}

#[tokio::test]
async fn json_that_nobody_gives_is_an_error_that_says_where_it_departs() {
    let pair = GUARDED.lease().await;
    for (model, attempts) in [("one", "2"), ("both", "3")] {
        let answer = pair.gateway.chat(&form(&pair, model, 1_000)).await;
        assert_eq!(refusal(&answer), (502, "invalid_structured_output".to_owned()));
        assert!(answer.text().contains("at /n: expected a number that satisfies `minimum`"), "{}", answer.text());
        assert_eq!(answer.header("x-sluice-attempts"), Some(attempts));
    }
    // Models without the check accept every response.
    assert_eq!(pair.gateway.chat(&form(&pair, "openai", 1_000)).await.status, 200);
}

/// The first lines of private keys, each with a possible last line far ahead, and the start of one of our lookahead patterns. A naive
/// search of either takes minutes.
#[tokio::test]
async fn a_prompt_that_makes_guardrails_look_far_ahead_holds_nobody_up() {
    let pair = GUARDED.lease().await;
    let client = pair.gateway.with_key("masks");
    // Many lookaheads exceed the step limit, so such a prompt is blocked.
    for (text, masked) in
        [("-----BEGIN PRIVATE KEY-----\n".repeat(150_000), Some("[private_key]")), ("§".repeat(2_000_000), None)]
    {
        let (hostile, other) = (pair.ask("openai", &text), pair.ask("anthropic", "say hi"));
        let asked = std::iter::once(&hostile).chain(std::iter::repeat_n(&other, 6));
        let answers = together(asked.map(|body| client.post(CHAT, body))).await;
        assert!(answers[1..].iter().all(|answer| said(answer) == "hi"));
        let sent = pair.openai.requests();
        match masked {
            Some(masked) => {
                assert_eq!((answers[0].status, sent.len()), (200, 1));
                let sent = String::from_utf8_lossy(&sent[0].body);
                assert!(sent.contains(masked) && !sent.contains("BEGIN"), "{} bytes", sent.len());
            }
            None => {
                assert_eq!(refusal(&answers[0]), (400, "guardrail_blocked".to_owned()));
                assert!(sent.is_empty(), "nothing has left");
            }
        }
        pair.openai.clear();
    }
}

#[tokio::test]
async fn a_schema_that_would_take_too_long_objects_to_nothing() {
    let pair = GUARDED.lease().await;
    // Each of these schemas has a pattern that grows large when it is compiled.
    let large = vec![json!({"patternProperties": {r"(?:\w{0,50}){0,20}": true}}); 3_000];
    for (schema, guards) in [
        (json!({"allOf": large}), json!(["check_structured_output: unchecked (answers, log)"])),
        (json!({"$ref": "#"}), json!(["check_structured_output: unchecked (answers, log)"])),
    ] {
        let answer = pair.gateway.chat(&by_schema(&pair, "one", &schema)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let lines = pair.gateway.quiet().await;
        assert_eq!(lines.last().map(|line| &line["guards"]), Some(&guards), "{lines:?}");
    }
}

#[tokio::test]
async fn others_are_not_held_back() {
    let pair = GUARDED.lease().await;
    let provider: &Simulator = &pair.openai;
    provider.script(&["pause-after=4"]);
    let body = with(pair.ask("openai", "say a@b.io and a few words more"), json!({"stream": true})).to_string();
    let mut open = pair.gateway.client().open("POST", CHAT, body).await.expect("headers");
    let first = open.next().await.expect("no break").expect("a piece");
    assert!(!first.is_empty());
    assert_eq!(
        pair.openai.requests()[0].outcome,
        sluice_tests::simulator::Outcome::Answering,
        "it comes as it is made"
    );
    assert_eq!(refusal(&pair.gateway.chat(&ask("watched", "a@b.io")).await).1, "guardrail_blocked");
}
