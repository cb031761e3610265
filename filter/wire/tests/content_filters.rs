//! Results of providers' content filters, as readers of streams and of passing streams report them; and the provider's explanation of a
//! block, where the client's format has a place for it.

#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sluice_wire::content_filter::{FilterResult, FilterResults, read_body};
use sluice_wire::conversation::{Finish, StreamEvent};
use sluice_wire::dialect::anthropic::{self, hosted};
use sluice_wire::dialect::translate::{self, ResponseContext};
use sluice_wire::dialect::{Provider, aliases::Names, bedrock, completions, gemini, openai_chat, responses};
use sluice_wire::embedding::Encoding;
use sluice_wire::framing::{eventstream, sse};

fn words(results: FilterResults) -> Vec<String> {
    results.list().into_iter().map(FilterResult::text).collect()
}

fn events_of(provider: &Provider, stream: &[u8]) -> Vec<StreamEvent> {
    let (mut reader, mut events) = ((provider.chat().unwrap().stream_reader)(), Vec::new());
    reader.read(stream, &mut events).unwrap();
    events
}

/// The results in a stream that is translated.
fn read(provider: &Provider, stream: &[u8]) -> Vec<String> {
    let mut results = FilterResults::default();
    for event in events_of(provider, stream) {
        if let StreamEvent::Filtered(found) = event {
            results |= found;
        }
    }
    words(results)
}

/// The results in a stream that passes.
fn peeked(provider: &Provider, stream: &[u8]) -> Vec<String> {
    let mut peeker = (provider.chat().unwrap().passing.unwrap().peeker)();
    let fed = sse::Decoder::default().feed(stream, |event| {
        peeker.peek(&event);
        Ok::<(), sse::TooLong>(())
    });
    assert!(fed.is_ok());
    words(peeker.summary().filters)
}

fn sse_of(events: &[Value]) -> Vec<u8> {
    events.iter().flat_map(|event| format!("data: {event}\n\n").into_bytes()).collect()
}

fn results(filtered: bool, severity: &str) -> Value {
    json!({"hate": {"filtered": filtered, "severity": severity}})
}

#[test]
fn openais_formats_have_azures_results_in_any_event() {
    let chunk = |text: &str, results: Value| {
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null,
            "content_filter_results": results}]})
    };
    let end = json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter",
        "content_filter_results": results(true, "high")}]});
    let prompt = json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": results(false, "low")}]});
    let safe = results(false, "safe");
    let stream = sse_of(&[prompt, chunk("one", safe.clone()), chunk("two", safe.clone()), chunk("three", safe), end]);
    for provider in [&openai_chat::PROVIDER, &completions::PROVIDER] {
        assert_eq!(read(provider, &stream), ["prompt:hate:flagged", "answer:hate:blocked"]);
        assert_eq!(peeked(provider, &stream), ["prompt:hate:flagged", "answer:hate:blocked"]);
    }
    // A result that comes with every text does not stop later events from being read.
    let low = results(false, "low");
    let stream = sse_of(&[chunk("one", low.clone()), chunk("two", low.clone()), chunk("three", low)]);
    let events = events_of(&openai_chat::PROVIDER, &stream);
    let texts = events.iter().filter(|event| matches!(event, StreamEvent::Text { .. }));
    assert_eq!((texts.count(), read(&openai_chat::PROVIDER, &stream)), (3, vec!["answer:hate:flagged".to_owned()]));

    let filters =
        json!([{"blocked": true, "source_type": "completion", "content_filter_results": results(true, "high")}]);
    let ended = json!({"type": "response.incomplete", "response": {"id": "r", "status": "incomplete", "output": [],
        "incomplete_details": {"reason": "content_filter"}, "content_filters": filters}});
    let stream =
        sse_of(&[json!({"type": "response.created", "response": {"id": "r", "content_filters": null}}), ended]);
    assert_eq!(read(&responses::PROVIDER, &stream), ["answer:hate:blocked"]);
    assert_eq!(peeked(&responses::PROVIDER, &stream), ["answer:hate:blocked"]);
}

#[test]
fn googles_and_amazons_streams_end_with_results() {
    let blocked =
        sse_of(&[json!({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "Blocked for safety.",
        "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": true}]}})]);
    assert_eq!(read(&gemini::PROVIDER, &blocked), ["prompt:harassment:blocked"]);
    let stopped = sse_of(&[
        json!({"candidates": [{"content": {"parts": [{"text": "Well"}]}}]}),
        json!({"candidates": [{"finishReason": "SPII", "finishMessage": "Contains personal data."}]}),
    ]);
    assert_eq!(read(&gemini::PROVIDER, &stopped), ["answer:pii:blocked"]);
    for (stream, why) in [(&blocked, "Blocked for safety."), (&stopped, "Contains personal data.")] {
        let events = events_of(&gemini::PROVIDER, stream);
        let refusal = StreamEvent::Refusal { choice: 0, text: why.to_owned() };
        let finish = StreamEvent::Finish { choice: 0, finish: Finish::ContentFilter };
        assert_eq!(events[events.len() - 2..], [refusal, finish]);
    }

    let mut stream = Vec::new();
    let trace = json!({"usage": {"inputTokens": 1, "outputTokens": 1}, "trace": {"guardrail": {"outputAssessments": {"g": [
        {"sensitiveInformationPolicy": {"piiEntities": [{"type": "EMAIL", "match": "a@b.io", "action": "ANONYMIZED"}]}}]}}}});
    for (name, payload) in
        [("messageStart", json!({})), ("messageStop", json!({"stopReason": "end_turn"})), ("metadata", trace)]
    {
        let headers = [(":event-type", name), (":message-type", "event")];
        eventstream::encode(&headers, payload.to_string().as_bytes(), &mut stream);
    }
    assert_eq!(read(&bedrock::PROVIDER, &stream), ["answer:pii:masked"]);
    assert_eq!(events_of(&bedrock::PROVIDER, &stream).last(), Some(&StreamEvent::End));
}

#[test]
fn anthropics_refusals_are_seen_wherever_its_models_run() {
    let details = json!({"type": "refusal", "category": "cyber", "explanation": "Blocked under the policy."});
    let events = [
        json!({"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 1}}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}, "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop", "amazon-bedrock-trace": {"guardrail": {"outputs": [{"g": {"wordPolicy": {
            "customWords": [{"match": "x", "action": "BLOCKED"}]}}}]}}}),
    ];
    let expected = ["answer:cyber:blocked", "answer:word:blocked"];
    let stream = sse_of(&events);
    for provider in [&anthropic::PROVIDER, &hosted::VERTEX] {
        assert_eq!(read(provider, &stream), expected);
        assert_eq!(peeked(provider, &stream), expected);
    }
    let mut framed = Vec::new();
    for event in &events {
        let payload = json!({"bytes": STANDARD.encode(event.to_string())}).to_string();
        eventstream::encode(&[(":event-type", "chunk"), (":message-type", "event")], payload.as_bytes(), &mut framed);
    }
    assert_eq!(read(&hosted::BEDROCK, &framed), expected);
    let events = events_of(&anthropic::PROVIDER, &stream);
    assert!(events.contains(&StreamEvent::Refusal { choice: 0, text: "Blocked under the policy.".to_owned() }));
}

/// A whole response of `provider`, as an OpenAI client reads it.
fn for_openai(provider: &Provider, body: &Value) -> Value {
    let context = ResponseContext {
        id: "id",
        model: "m",
        now: 0,
        encoding: Encoding::default(),
        estimate: 0,
        names: &Names::default(),
    };
    let answer = translate::answer(&openai_chat::CLIENT, provider, body.to_string().as_bytes(), &context).unwrap();
    serde_json::from_slice::<Value>(&answer.body).unwrap()["choices"][0].clone()
}

#[test]
fn an_explanation_is_the_clients_refusal_and_none_is_made_up() {
    let refused = |details: Value| json!({"type": "message", "id": "m", "model": "c", "content": [], "stop_reason": "refusal", "stop_details": details});
    let blocked = |message: Value| json!({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": message}});
    let stopped = |reason: &str, message: Value| json!({"candidates": [{"content": {"parts": []}, "finishReason": reason, "finishMessage": message}]});
    let why = json!("Because.");
    for (provider, body, finish, refusal) in [
        (&anthropic::PROVIDER, refused(json!({"explanation": why})), "content_filter", &why),
        (&anthropic::PROVIDER, refused(json!({"explanation": null})), "content_filter", &Value::Null),
        (&anthropic::PROVIDER, refused(json!({"explanation": ["x"]})), "content_filter", &Value::Null),
        (&anthropic::PROVIDER, refused(json!("x")), "content_filter", &Value::Null),
        (&anthropic::PROVIDER, refused(Value::Null), "content_filter", &Value::Null),
        (&gemini::PROVIDER, blocked(why.clone()), "content_filter", &why),
        (&gemini::PROVIDER, blocked(json!({"x": 1})), "content_filter", &Value::Null),
        (&gemini::PROVIDER, stopped("SAFETY", why.clone()), "content_filter", &why),
        (&gemini::PROVIDER, stopped("STOP", why.clone()), "stop", &Value::Null),
        (&gemini::PROVIDER, stopped("SAFETY", json!(7)), "content_filter", &Value::Null),
    ] {
        let choice = for_openai(provider, &body);
        assert_eq!(
            (choice["finish_reason"].as_str(), &choice["message"]["refusal"]),
            (Some(finish), refusal),
            "{body}"
        );
    }
    let odd =
        json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}], "promptFeedback": "x"});
    assert_eq!(for_openai(&gemini::PROVIDER, &odd)["message"]["content"], "x");
}

#[test]
fn recorded_answers_have_the_results_that_they_report() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recorded");
    let folder = std::env::var_os("SLUICE_RECORDINGS").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("no recordings here: SLUICE_RECORDINGS can say where they are");
        return;
    }
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let streamed = |name: &str| text(name).lines().map(|line| format!("data: {line}\n\n")).collect::<String>();
    let whole = |name: &str, provider: &Provider| words(read_body(text(name).as_bytes(), provider.filters));
    assert_eq!(whole("anthropic/anthropic-refusal.json", &anthropic::PROVIDER), ["answer:cyber:blocked"]);
    assert!(whole("anthropic/anthropic-refusal-no-details.json", &anthropic::PROVIDER).is_empty());
    let refusal = streamed("anthropic/anthropic-refusal.chunks.txt");
    assert_eq!(read(&anthropic::PROVIDER, refusal.as_bytes()), ["answer:cyber:blocked"]);
    assert_eq!(peeked(&anthropic::PROVIDER, refusal.as_bytes()), ["answer:cyber:blocked"]);
    // Azure judged these, and found nothing. The same with a finding in each place that has a result.
    for (name, provider, expected) in [
        (
            "azure/azure-text.1.json",
            &responses::PROVIDER,
            ["prompt:jailbreak:flagged", "answer:protected_material:flagged"],
        ),
        (
            "azure/azure-text.1.chunks.txt",
            &responses::PROVIDER,
            ["prompt:jailbreak:flagged", "answer:protected_material:flagged"],
        ),
        (
            "openai/azure-model-router.1.chunks.txt",
            &openai_chat::PROVIDER,
            ["prompt:jailbreak:flagged", "answer:hate:flagged"],
        ),
    ] {
        let found = text(name)
            .replace(r#""detected": false"#, r#""detected": true"#)
            .replace(r#""detected":false"#, r#""detected":true"#)
            .replace(
                r#"{"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}"#,
                r#"{"content_filter_results":{"hate":{"filtered":false,"severity":"low"}"#,
            );
        for (text, expected) in [(text(name), &[][..]), (found, &expected)] {
            if name.ends_with(".json") {
                assert_eq!(words(read_body(text.as_bytes(), provider.filters)), expected, "{name}");
            } else {
                let stream: String = text.lines().map(|line| format!("data: {line}\n\n")).collect();
                assert_eq!(read(provider, stream.as_bytes()), expected, "{name}");
                assert_eq!(peeked(provider, stream.as_bytes()), expected, "{name}");
                assert_eq!(words(read_body(stream.as_bytes(), provider.filters)), expected, "{name}");
            }
        }
    }
}
