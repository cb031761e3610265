//! Guardrails on responses, for every provider and client dialect: the client reads only checked text.

use std::rc::Rc;

use serde_json::Value;
use sluice_core::pipeline::worker::Worker;
use sluice_wire::framing::eventstream;

use crate::each_string::each_string;
use crate::envoy::{Envoy, SECRET, Script, Seen};
use crate::shared::Shared;

use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A provider kind and its responses, complete and as stream events. Amazon's events have their name before a `|`.
struct Speaker {
    kind: &'static str,
    whole: &'static str,
    events: &'static [&'static str],
}

const SPEAKERS: [Speaker; 6] = [
    Speaker {
        kind: "openai",
        whole: r#"{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"t",
            "reasoning_content":"r","refusal":null,"annotations":[{"type":"url_citation","url_citation":{"title":"t","url":"u"}}],
            "tool_calls":[{"id":"c","type":"function","function":{"name":"n","arguments":"{\"k\":\"v\"}"}}]}}],
            "usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        events: &[
            r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"t","reasoning_content":"r"}}]}"#,
            r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"refusal":"r"}}]}"#,
            r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"n","arguments":"{\"k\":"}}]}}]}"#,
            r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"v\"}"}}]}}]}"#,
            r#"{"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        ],
    },
    Speaker {
        kind: "anthropic",
        whole: r#"{"id":"m","type":"message","role":"assistant","model":"c","stop_reason":"end_turn","content":[
            {"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"},
            {"type":"text","text":"t","citations":[{"type":"char_location","cited_text":"c","document_title":"d"}]},
            {"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},
            {"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","title":"t","url":"u"}]},
            {"type":"tool_use","id":"t","name":"n","input":{"k":"v","deep":{"l":["x"]}}}],
            "usage":{"input_tokens":1,"output_tokens":1}}"#,
        events: &[
            r#"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"t","signature":"s"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"t"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"t"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"t"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"c"}}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"k\":\"v\"}"}}"#,
            r#"{"type":"content_block_stop","index":2}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":5}}"#,
            r#"{"type":"message_stop"}"#,
        ],
    },
    Speaker {
        kind: "gemini",
        whole: r#"{"responseId":"r","modelVersion":"m","candidates":[{"finishReason":"STOP","content":{"role":"model","parts":[
            {"text":"t","thought":true},{"text":"t"},{"functionCall":{"name":"n","args":{"k":"v","deep":{"l":["x"]}}}}]},
            "groundingMetadata":{"webSearchQueries":["q"]}}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}"#,
        events: &[
            r#"{"responseId":"r","modelVersion":"m","candidates":[{"content":{"role":"model","parts":[{"text":"t","thought":true},{"text":"t"}]}}]}"#,
            r#"{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"n","args":{"k":"v"}}}]}}]}"#,
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"t"}]},"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["q"]}}]}"#,
        ],
    },
    Speaker {
        kind: "cohere",
        whole: r#"{"id":"r","finish_reason":"COMPLETE","message":{"role":"assistant","tool_plan":"p","content":[{"type":"text","text":"t"}],
            "tool_calls":[{"id":"c","type":"function","function":{"name":"n","arguments":"{\"k\":\"v\"}"}}],
            "citations":[{"text":"c","sources":[{"type":"document","document":{"title":"t"}}]}]},
            "usage":{"tokens":{"input_tokens":1,"output_tokens":1}}}"#,
        events: &[
            r#"{"type":"message-start","id":"r","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#,
            r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"text","text":"t"}}}}"#,
            r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"t"}}}}"#,
            r#"{"type":"content-end","index":0}"#,
            r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"p"}}}"#,
            r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c","type":"function","function":{"name":"n","arguments":""}}}}}"#,
            r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"k\":\"v\"}"}}}}}"#,
            r#"{"type":"tool-call-end","index":0}"#,
            r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":1,"output_tokens":1}}}}"#,
        ],
    },
    Speaker {
        kind: "bedrock",
        whole: r#"{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}},
            {"text":"t"},{"toolUse":{"toolUseId":"t","name":"n","input":{"k":"v","deep":{"l":["x"]}}}}]}},"stopReason":"end_turn",
            "usage":{"inputTokens":1,"outputTokens":1}}"#,
        events: &[
            r#"messageStart|{"role":"assistant"}"#,
            r#"contentBlockDelta|{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"t"}}}"#,
            r#"contentBlockStop|{"contentBlockIndex":0}"#,
            r#"contentBlockDelta|{"contentBlockIndex":1,"delta":{"text":"t"}}"#,
            r#"contentBlockStop|{"contentBlockIndex":1}"#,
            r#"contentBlockStart|{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t","name":"n"}}}"#,
            r#"contentBlockDelta|{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"k\":\"v\"}"}}}"#,
            r#"contentBlockStop|{"contentBlockIndex":2}"#,
            r#"messageStop|{"stopReason":"tool_use"}"#,
            r#"metadata|{"usage":{"inputTokens":1,"outputTokens":1}}"#,
        ],
    },
    Speaker {
        kind: "responses",
        whole: r#"{"id":"r","object":"response","status":"completed","model":"m","output":[
            {"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"t"}]},
            {"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"t","annotations":[{"type":"url_citation","title":"t","url":"u"}]},
                {"type":"refusal","refusal":"r"}]},
            {"type":"function_call","id":"f","call_id":"c","name":"n","arguments":"{\"k\":\"v\"}"}],
            "usage":{"input_tokens":1,"output_tokens":1}}"#,
        events: &[
            r#"{"type":"response.created","response":{"id":"r","status":"in_progress","model":"m","output":[]}}"#,
            r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs","summary":[]}}"#,
            r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"item_id":"rs","delta":"t"}"#,
            r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"message","id":"m","role":"assistant","content":[]}}"#,
            r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"item_id":"m","delta":"t"}"#,
            r#"{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","id":"f","call_id":"c","name":"n","arguments":""}}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":2,"item_id":"f","delta":"{\"k\":\"v\"}"}"#,
            r#"{"type":"response.function_call_arguments.done","output_index":2,"item_id":"f","arguments":"{\"k\":\"v\"}"}"#,
            r#"{"type":"response.completed","response":{"id":"r","status":"completed","model":"m","output":[],"usage":{"input_tokens":1,"output_tokens":1}}}"#,
        ],
    },
];

/// The client paths.
const CLIENTS: [&str; 3] = ["/v1/chat/completions", "/v1/messages", "/v1/responses"];

/// Whether the field is an identifier, not model output.
fn is_name(place: &str) -> bool {
    let last = place.rsplit('.').next().unwrap_or_default();
    matches!(
        last,
        "id" | "model" | "responseId" | "modelVersion" | "call_id" | "toolUseId" | "item_id" | "signature" | "data"
    ) && !place.starts_with("the name of")
}

fn worker(kind: &str, guards: &str) -> Rc<Worker> {
    let provider = match kind {
        "responses" => r#"{"kind":"openai","speaks":["responses"]}"#.to_owned(),
        kind => format!(r#"{{"kind":"{kind}","url":"https://p.test"}}"#),
    };
    let text = format!(
        r#"{{"providers":{{"p":{provider}}},"models":{{"m":{{"targets":[{{"provider":"p","model":"m"}}]}}}},"teams":{{"t":{{}}}},
            "keys":[{{"id":"k","team":"t","sha256":"{}"}}]{guards}}}"#,
        sha256(SECRET)
    );
    let config = sluice_config::from_json(text.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
    Rc::new(Worker::new(Rc::new(config), [7; 16]))
}

fn ask(worker: &Rc<Worker>, path: &str, stream: bool, script: &Script) -> Seen {
    let asked = match path {
        "/v1/responses" => r#""max_output_tokens":9,"input":"hi""#,
        _ => r#""max_tokens":9,"messages":[{"role":"user","content":"hi"}]"#,
    };
    let body = format!(r#"{{"model":"m","stream":{stream},{asked}}}"#);
    let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
    let envoy = Envoy::with(worker.clone(), Rc::<Shared>::default());
    envoy.send("POST", path, &key, body.as_bytes(), std::slice::from_ref(script))
}

fn streamed(kind: &str, events: &[(&str, String)]) -> Script {
    let mut bytes = Vec::new();
    for (name, data) in events {
        match kind {
            "bedrock" => {
                let headers =
                    [(":message-type", "event"), (":event-type", *name), (":content-type", "application/json")];
                eventstream::encode(&headers, data.as_bytes(), &mut bytes);
            }
            _ => bytes.extend_from_slice(format!("data: {data}\n\n").as_bytes()),
        }
    }
    if kind == "openai" {
        bytes.extend_from_slice(b"data: [DONE]\n\n");
    }
    let media = if kind == "bedrock" { "application/vnd.amazon.eventstream" } else { "text/event-stream" };
    Script::Answer(200, vec![("content-type", media)], vec![bytes])
}

/// Asserts that a guardrail blocks the response if the client would read the match. Returns whether the client would read it.
fn is_looked_at(kind: &str, stream: bool, script: &Script, place: &str) -> bool {
    let guards = r#","guards":{"pii":{"detect":["email"],"on":["answers"]}}"#;
    let (free, guarded) = (worker(kind, ""), worker(kind, guards));
    let mut read = false;
    for path in CLIENTS {
        let seen = ask(&free, path, stream, script);
        if !seen.body.contains("a@b.io") {
            continue;
        }
        read = true;
        let seen = ask(&guarded, path, stream, script);
        assert!(
            seen.status >= 400 && !seen.body.contains("a@b.io"),
            "{kind} to {path}, {place}, stream {stream}: {} {}",
            seen.status,
            seen.body
        );
    }
    read
}

#[test]
fn whatever_a_client_reads_of_an_answer_was_looked_at() {
    for Speaker { kind, whole, events } in SPEAKERS {
        let (mut in_whole, mut in_streams) = (0, 0);
        let answer: Value = serde_json::from_str(whole).unwrap();
        each_string(&answer, &mut |place, changed| {
            if !is_name(&place) {
                let script = crate::envoy::json(200, &changed.to_string());
                in_whole += u32::from(is_looked_at(kind, false, &script, &place));
            }
        });
        let events: Vec<(&str, &str)> =
            events.iter().map(|event| event.split_once('|').unwrap_or(("", event))).collect();
        let plain: Vec<(&str, String)> = events.iter().map(|(name, data)| (*name, (*data).to_owned())).collect();
        for (number, (_, data)) in events.iter().enumerate() {
            let data: Value = serde_json::from_str(data).unwrap();
            each_string(&data, &mut |place, changed| {
                if !is_name(&place) {
                    let mut changed_events = plain.clone();
                    changed_events[number].1 = changed.to_string();
                    let script = streamed(kind, &changed_events);
                    in_streams += u32::from(is_looked_at(kind, true, &script, &format!("event {number}{place}")));
                }
            });
        }
        assert!(in_whole >= 3 && in_streams >= 3, "{kind}: {in_whole} places, {in_streams} in streams");
    }
}

#[test]
fn what_a_guardrail_of_aws_found_in_a_stream_is_logged_whatever_the_client_wanted() {
    let trace = r#"{"guardrail":{"inputAssessment":{"g":{"contentPolicy":{"filters":[{"type":"HATE","confidence":"HIGH","action":"BLOCKED"}]}}}}}"#;
    let usage = r#"{"inputTokens":9,"outputTokens":2,"totalTokens":11}"#;
    let script = streamed(
        "bedrock",
        &[
            ("messageStart", r#"{"role":"assistant"}"#.to_owned()),
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"Sorry."}}"#.to_owned()),
            ("contentBlockStop", r#"{"contentBlockIndex":0}"#.to_owned()),
            ("messageStop", r#"{"stopReason":"guardrail_intervened"}"#.to_owned()),
            ("metadata", format!(r#"{{"usage":{usage},"trace":{trace}}}"#)),
        ],
    );
    for path in CLIENTS {
        for stream in [true, false] {
            let seen = ask(&worker("bedrock", ""), path, stream, &script);
            assert!(seen.status == 200 && seen.body.contains("Sorry."), "{path} {stream}: {}", seen.body);
            assert_eq!(seen.log["content_filter"], serde_json::json!(["prompt:hate:blocked"]), "{path} {stream}");
        }
    }
}
