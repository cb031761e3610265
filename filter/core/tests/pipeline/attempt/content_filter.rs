//! Results of providers' content filters: in the log, and as the client's format words a block.

use serde_json::{Value, json as value};

use super::*;
use crate::envoy::SECRET;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Sends a request at the endpoint of each client format.
fn ask(path: &str, model: &str, stream: bool, answers: &[Script]) -> Seen {
    let asked =
        if path == "/v1/responses" { r#""input":"hi""# } else { r#""messages":[{"role":"user","content":"hi"}]"# };
    let limit = if path == "/v1/messages" { r#""max_tokens":9,"# } else { "" };
    let body = format!(r#"{{"model":"{model}","stream":{stream},{limit}{asked}}}"#);
    Envoy::new().send("POST", path, &[("api-key", SECRET.as_bytes())], body.as_bytes(), answers)
}

fn events(events: &[Value]) -> Script {
    let events: Vec<String> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    sse(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn verdict(filtered: bool, severity: &str) -> Value {
    value!({"hate": {"filtered": filtered, "severity": severity}, "violence": {"filtered": false, "severity": "safe"}})
}

fn azure(finish: &str) -> Value {
    value!({"id": "c", "model": "gpt", "choices": [{"index": 0, "finish_reason": finish,
        "message": {"role": "assistant", "content": "so"}, "content_filter_results": verdict(finish == "content_filter", "medium")}],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": verdict(false, "low")}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}})
}

fn azures_stream() -> Script {
    let chunk = |delta: Value, finish: Value, results: Value| {
        value!({"id": "c", "model": "gpt", "choices": [
            {"index": 0, "delta": delta, "finish_reason": finish, "content_filter_results": results}]})
    };
    let prompt = value!({"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": verdict(false, "low")}]});
    let last = chunk(value!({}), value!("content_filter"), verdict(true, "medium"));
    let Script::Answer(status, headers, mut portions) =
        events(&[prompt, chunk(value!({"content": "so"}), Value::Null, verdict(false, "safe")), last])
    else {
        unreachable!()
    };
    portions.push(b"data: [DONE]\n\n".to_vec());
    Script::Answer(status, headers, portions)
}

const BLOCKED: [&str; 2] = ["prompt:hate:flagged", "answer:hate:blocked"];

/// Azure's response in OpenAI's newer format.
fn azures_response() -> Value {
    value!({"id": "r", "object": "response", "model": "gpt", "status": "incomplete", "incomplete_details": {"reason": "content_filter"},
        "output": [], "usage": {"input_tokens": 9, "output_tokens": 2}, "content_filters": [
            {"blocked": false, "source_type": "prompt", "content_filter_results": verdict(false, "low")},
            {"blocked": true, "source_type": "completion", "content_filter_results": verdict(true, "medium")}]})
}

#[test]
fn a_blocked_answer_is_worded_as_its_client_knows_it_and_logged() {
    let chat = || [json(200, &azure("content_filter").to_string()), azures_stream()];
    let ended = value!({"type": "response.incomplete", "response": azures_response()});
    // The filter left nothing of the answer: it is no empty one, which another target would be asked for.
    let responses = [json(200, &azures_response().to_string()), events(&[ended])];
    for (path, word, answers, keeps) in [
        ("/v1/chat/completions", r#""finish_reason":"content_filter""#, chat(), true),
        ("/v1/messages", r#""stop_reason":"refusal""#, chat(), false),
        ("/v1/responses", r#""incomplete_details":{"reason":"content_filter"}"#, responses, true),
    ] {
        for (stream, answer) in [false, true].into_iter().zip(answers) {
            let seen = ask(path, "azure", stream, &[answer]);
            assert_eq!((seen.status, seen.received.len()), (200, 1), "{path}: {}", seen.body);
            assert!(seen.body.contains(word), "{path}: {}", seen.body);
            assert_eq!(seen.log["content_filter"], value!(BLOCKED), "{path}");
            assert_eq!((&seen.log["error"], &seen.log["tried"][0]["failure"]), (&Value::Null, &Value::Null));
            // Azure's own clients read its results.
            assert_eq!(seen.body.contains("content_filter_results"), keeps, "{path}: {}", seen.body);
        }
    }
}

#[test]
fn a_blocked_prompt_is_an_error_of_the_client_and_of_no_target() {
    let blocked = r#"{"error":{"message":"The response was filtered.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"jailbreak":{"filtered":true,"detected":true}}}}}"#;
    for path in ["/v1/chat/completions", "/v1/responses", "/v1/messages"] {
        let seen = ask(path, "azure", false, &[json(400, blocked)]);
        assert_eq!((seen.status, seen.received.len()), (400, 1), "{path}: {}", seen.body);
        assert_eq!(seen.log["content_filter"], value!(["prompt:jailbreak:blocked"]), "{path}");
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        let expected = if path == "/v1/messages" { value!("invalid_request_error") } else { value!("content_filter") };
        let field = if path == "/v1/messages" { "type" } else { "code" };
        assert_eq!(body["error"][field], expected, "{path}: {}", seen.body);
    }
    // Without details, and with an answer that was blocked instead.
    let why = |message: &str| {
        value!({"type": "error", "error": {"type": "invalid_request_error", "message": message}}).to_string()
    };
    let seen = whole("chat", &[json(400, r#"{"error":{"message":"m","code":"content_policy_violation"}}"#)]);
    assert_eq!(seen.log["content_filter"], value!(["prompt:other:blocked"]));
    let seen = whole("claude", &[json(400, &why("Output blocked by content filtering policy"))]);
    assert_eq!(seen.log["content_filter"], value!(["answer:other:blocked"]));
    let seen = whole("claude", &[json(400, &why("max_tokens: too large"))]);
    assert_eq!(seen.log["content_filter"], Value::Null);
}

#[test]
fn many_blocked_prompts_open_no_circuit() {
    let shared = Rc::<Shared>::default();
    let worker = Rc::new(Worker::new(config(), [7; 16]));
    let body = r#"{"model":"azure","messages":[{"role":"user","content":"hi"}]}"#;
    let blocked = r#"{"error":{"message":"m","code":"content_filter"}}"#;
    for _ in 0..30 {
        let seen = Envoy::with(worker.clone(), shared.clone()).chat(body, &[json(400, blocked)]);
        assert_eq!((seen.status, seen.headers.text("x-sluice-provider")), (400, Some("az")));
    }
}

#[test]
fn googles_blocks_are_content_filters_and_no_empty_answers() {
    let prompt = value!({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "Too dangerous.", "safetyRatings": [
        {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": true}]}, "responseId": "r"});
    let answer = value!({"candidates": [{"content": {"parts": [{"text": "so"}]}, "finishReason": "SAFETY", "safetyRatings": [
        {"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}, {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "HIGH", "blocked": true}]}]});
    let stopped =
        value!({"candidates": [{"content": {"parts": [{"text": "so"}]}, "finishReason": "PROHIBITED_CONTENT"}]});
    for (body, results, said) in [
        (&prompt, value!(["prompt:dangerous:blocked"]), "Too dangerous."),
        (&answer, value!(["answer:hate:blocked", "answer:harassment:flagged"]), "so"),
        (&stopped, value!(["answer:other:blocked"]), "so"),
    ] {
        for (path, word) in [
            ("/v1/chat/completions", r#""finish_reason":"content_filter""#),
            ("/v1/responses", r#""incomplete_details":{"reason":"content_filter"}"#),
            ("/v1/messages", r#""stop_reason":"refusal""#),
        ] {
            let whole = json(200, &body.to_string());
            for (stream, answer) in [(false, &whole), (true, &events(std::slice::from_ref(body))), (true, &whole)] {
                let seen = ask(path, "foreign", stream, std::slice::from_ref(answer));
                assert_eq!((seen.status, seen.received.len()), (200, 1), "{path}: {}", seen.body);
                assert!(seen.body.contains(word) && seen.body.contains(said), "{path}: {}", seen.body);
                assert_eq!(seen.log["content_filter"], results, "{path}");
            }
        }
    }
}

#[test]
fn a_block_without_an_explanation_is_no_empty_answer_in_the_other_form() {
    let blocked = value!({"promptFeedback": {"blockReason": "OTHER"}}).to_string();
    let seen = ask("/v1/chat/completions", "foreign", true, &[json(200, &blocked)]);
    assert_eq!((seen.status, seen.received.len()), (200, 1), "{}", seen.body);
    assert!(seen.body.contains(r#""finish_reason":"content_filter""#), "{}", seen.body);
}

#[test]
fn anthropics_refusals_are_seen_in_passing_and_translated() {
    let details = value!({"type": "refusal", "category": "cyber", "explanation": "Blocked under the policy."});
    let whole = |details: &Value| {
        value!({"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": "refusal",
            "stop_details": details, "usage": {"input_tokens": 5, "output_tokens": 2}})
        .to_string()
    };
    let streamed = |details: &Value| {
        events(&[
            value!({"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 5, "output_tokens": 1}}}),
            value!({"type": "message_delta", "delta": {"stop_reason": "refusal", "stop_details": details}, "usage": {"output_tokens": 2}}),
            value!({"type": "message_stop"}),
        ])
    };
    for (details, expected) in [(&details, "answer:cyber:blocked"), (&Value::Null, "answer:other:blocked")] {
        for path in ["/v1/messages", "/v1/chat/completions", "/v1/responses"] {
            for (stream, answer) in [(false, json(200, &whole(details))), (true, streamed(details))] {
                let seen = ask(path, "claude", stream, &[answer]);
                assert_eq!(seen.log["content_filter"], value!([expected]), "{path}: {}", seen.body);
                assert_eq!(seen.body.contains("Blocked under the policy."), !details.is_null(), "{}", seen.body);
            }
        }
    }
}

#[test]
fn what_found_nothing_or_comes_from_the_model_is_not_logged() {
    let mut safe = azure("stop");
    safe["prompt_filter_results"][0]["content_filter_results"] = verdict(false, "safe");
    safe["choices"][0]["content_filter_results"] = verdict(false, "safe");
    safe["choices"][0]["message"]["content"] = value!(r#"{"content_filter_results":{"hate":{"filtered":true}}}"#);
    let seen = whole("azure", &[json(200, &safe.to_string())]);
    assert_eq!((seen.status, &seen.log["content_filter"]), (200, &Value::Null));
    assert_eq!(seen.body, safe.to_string());
    // Results of any shape never fail a response.
    for odd in [value!(1), value!([[]]), value!({"hate": []}), value!("x")] {
        let mut odd_answer = azure("stop");
        odd_answer["choices"][0]["content_filter_results"] = odd;
        let seen = whole("azure", &[json(200, &odd_answer.to_string())]);
        assert_eq!((seen.status, &seen.log["content_filter"]), (200, &value!(["prompt:hate:flagged"])));
    }
}

#[test]
fn only_the_attempt_that_served_is_in_the_log() {
    let down = value!({"error": {"message": "down"}, "prompt_filter_results": [{"content_filter_results": verdict(false, "low")}]});
    let seen = whole("azure", &[json(503, &down.to_string()), json(200, ANTHROPIC)]);
    assert_eq!((seen.received.len(), &seen.log["content_filter"]), (2, &Value::Null));
}
