//! Guardrails on streams that pass while they are inspected, and on responses that they rewrite.

use std::rc::Rc;

use serde_json::{Value, json};
use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, SECRET, Script, Seen, json as answers, sse};
use crate::shared::Shared;

use super::CHAT;
use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod findings;

const CLIENTS: [&str; 3] = [CHAT, "/v1/messages", "/v1/responses"];
/// A model at a provider of OpenAI's format, and one at a provider of Anthropic's.
const MODELS: [&str; 2] = ["gpt", "claude"];

/// A gateway with these guardrails.
pub(super) fn worker(guards: &Value) -> Rc<Worker> {
    let model = |provider: &str, model: &str| json!({"targets": [{"provider": provider, "model": model}]});
    let file = json!({
        "providers": {"oai": {"kind": "openai"}, "ant": {"kind": "anthropic"}},
        "models": {
            "gpt": model("oai", "gpt"), "claude": model("ant", "claude"),
            "kept": {"cache": {"ttl": "1m", "scope": "all"}, "targets": [{"provider": "oai", "model": "gpt"}]},
        },
        "teams": {"t": {}},
        "keys": [{"id": "k", "team": "t", "sha256": sha256(SECRET), "endpoints": ["*"]}],
        "guards": guards,
    });
    let config = sluice_config::from_json(file.to_string().as_bytes()).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    Rc::new(Worker::new(Rc::new(config), [7; 16]))
}

pub(super) fn guard(more: Value) -> Value {
    let mut guard = json!({"detect": ["email"], "on": ["answers"]});
    guard.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"pii": guard})
}

pub(super) fn body(path: &str, model: &str, stream: bool, prompt: &str) -> (String, String) {
    let body = match path {
        "/v1/responses" => json!({"model": model, "stream": stream, "input": prompt}),
        _ => {
            let messages = json!([{"role": "user", "content": prompt}]);
            json!({"model": model, "stream": stream, "max_tokens": 50, "messages": messages})
        }
    };
    (path.to_owned(), body.to_string())
}

pub(super) fn send(worker: &Rc<Worker>, (path, body): &(String, String), script: Script) -> Seen {
    let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
    Envoy::with(worker.clone(), Rc::<Shared>::default()).send("POST", path, &key, body.as_bytes(), &[script])
}

/// What a model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Arguments,
}

pub(super) fn event(data: &Value) -> String {
    let name = data["type"].as_str().map(|name| format!("event: {name}\n")).unwrap_or_default();
    format!("{name}data: {data}\n\n")
}

/// A stream of the model's provider in the format that it speaks for this client, each event in its own portion.
fn stream(model: &str, path: &str, pieces: &[(Kind, &str)]) -> Script {
    let events = match (model, path) {
        ("claude", _) => claude(pieces),
        (_, "/v1/responses") => responses(pieces),
        _ => chat(pieces),
    };
    sse(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn chat(pieces: &[(Kind, &str)]) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        event(&json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}))
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    let mut called = false;
    for (kind, piece) in pieces {
        let delta = match kind {
            Kind::Text => json!({"content": piece}),
            Kind::Thinking => json!({"reasoning_content": piece}),
            Kind::Arguments if std::mem::replace(&mut called, true) => {
                json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            }
            Kind::Arguments => {
                let function = json!({"name": "send", "arguments": piece});
                json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]})
            }
        };
        events.push(chunk(delta, Value::Null));
    }
    events.push(chunk(json!({}), if called { "tool_calls" } else { "stop" }.into()));
    events.push(event(&json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}})));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

fn claude(pieces: &[(Kind, &str)]) -> Vec<String> {
    let usage = json!({"input_tokens": 10, "output_tokens": 1});
    let message =
        json!({"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": usage});
    let mut events = vec![event(&json!({"type": "message_start", "message": message}))];
    let (mut open, mut index) = (None, 0);
    for (kind, piece) in pieces {
        if open != Some(*kind) {
            if open.is_some() {
                events.push(event(&json!({"type": "content_block_stop", "index": index})));
                index += 1;
            }
            let block = match kind {
                Kind::Text => json!({"type": "text", "text": ""}),
                Kind::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
                Kind::Arguments => json!({"type": "tool_use", "id": "call_1", "name": "send", "input": {}}),
            };
            events.push(event(&json!({"type": "content_block_start", "index": index, "content_block": block})));
            open = Some(*kind);
        }
        let delta = match kind {
            Kind::Text => json!({"type": "text_delta", "text": piece}),
            Kind::Thinking => json!({"type": "thinking_delta", "thinking": piece}),
            Kind::Arguments => json!({"type": "input_json_delta", "partial_json": piece}),
        };
        events.push(event(&json!({"type": "content_block_delta", "index": index, "delta": delta})));
    }
    events.push(event(&json!({"type": "content_block_stop", "index": index})));
    let reason = if open == Some(Kind::Arguments) { "tool_use" } else { "end_turn" };
    events.push(event(
        &json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}}),
    ));
    events.push(event(&json!({"type": "message_stop"})));
    events
}

fn responses(pieces: &[(Kind, &str)]) -> Vec<String> {
    let response = |status: &str, output: Value| json!({"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "gpt", "output": output});
    let mut events = vec![event(&json!({"type": "response.created", "response": response("in_progress", json!([]))}))];
    let mut items: Vec<(Kind, String)> = Vec::new();
    let item = |kind: Kind, text: &str| match kind {
        Kind::Text => json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}),
        Kind::Thinking => {
            json!({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": text}]})
        }
        Kind::Arguments => {
            json!({"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "send", "arguments": text})
        }
    };
    let id = |kind: Kind| match kind {
        Kind::Text => "msg_1",
        Kind::Thinking => "rs_1",
        Kind::Arguments => "fc_1",
    };
    for (place, (kind, piece)) in pieces.iter().enumerate() {
        if items.last().is_none_or(|(last, _)| last != kind) {
            let mut added = item(*kind, "");
            if *kind == Kind::Text {
                added["content"] = json!([]);
            } else if *kind == Kind::Thinking {
                added["summary"] = json!([]);
            }
            events.push(event(
                &json!({"type": "response.output_item.added", "output_index": items.len(), "item": added}),
            ));
            let part = match kind {
                Kind::Text => Some((
                    "response.content_part.added",
                    "content_index",
                    json!({"type": "output_text", "text": "", "annotations": []}),
                )),
                Kind::Thinking => Some((
                    "response.reasoning_summary_part.added",
                    "summary_index",
                    json!({"type": "summary_text", "text": ""}),
                )),
                Kind::Arguments => None,
            };
            if let Some((name, index, part)) = part {
                events.push(event(
                    &json!({"type": name, "item_id": id(*kind), "output_index": items.len(), index: 0, "part": part}),
                ));
            }
            items.push((*kind, String::new()));
        }
        let output_index = items.len() - 1;
        items[output_index].1.push_str(piece);
        let name = match kind {
            Kind::Text => "response.output_text.delta",
            Kind::Thinking => "response.reasoning_summary_text.delta",
            Kind::Arguments => "response.function_call_arguments.delta",
        };
        events
            .push(event(&json!({"type": name, "item_id": id(*kind), "output_index": output_index, "content_index": 0,
            "summary_index": 0, "sequence_number": place, "delta": piece})));
        if pieces.get(place + 1).is_none_or(|(next, _)| next != kind) {
            let done = item(*kind, &items[output_index].1);
            events
                .push(event(&json!({"type": "response.output_item.done", "output_index": output_index, "item": done})));
        }
    }
    let output: Vec<Value> = items.iter().map(|(kind, text)| item(*kind, text)).collect();
    let mut whole = response("completed", json!(output));
    whole["usage"] = json!({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15});
    events.push(event(&json!({"type": "response.completed", "response": whole})));
    events
}

/// The data of a client's events.
pub(super) fn events(seen: &Seen) -> Vec<Value> {
    let data = seen.body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// The text, the reasoning and the arguments that a client reads in a stream.
fn read(seen: &Seen) -> [String; 3] {
    let mut all = [String::new(), String::new(), String::new()];
    for event in events(seen) {
        let delta = &event["choices"][0]["delta"];
        let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        all[0] += &of(&delta["content"]);
        all[1] += &of(&delta["reasoning_content"]);
        all[2] += &of(&delta["tool_calls"][0]["function"]["arguments"]);
        all[0] += &of(&event["delta"]["text"]);
        all[1] += &of(&event["delta"]["thinking"]);
        all[2] += &of(&event["delta"]["partial_json"]);
        let place = match event["type"].as_str().unwrap_or_default() {
            "response.output_text.delta" => Some(0),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => Some(1),
            "response.function_call_arguments.delta" => Some(2),
            _ => None,
        };
        if let Some(place) = place {
            all[place] += &of(&event["delta"]);
        }
    }
    all
}

/// Why the stream ended, as its client reads it.
fn reason(seen: &Seen) -> String {
    let mut reasons = events(seen).into_iter().filter_map(|event| {
        let reasons = [
            &event["choices"][0]["finish_reason"],
            &event["delta"]["stop_reason"],
            &event["response"]["incomplete_details"]["reason"],
        ];
        reasons.into_iter().find_map(|reason| reason.as_str().map(str::to_owned))
    });
    reasons.next_back().unwrap_or_default()
}

const TEXT: [(Kind, &str); 6] = [
    (Kind::Text, "The address"),
    (Kind::Text, " of the owner is "),
    (Kind::Text, "a"),
    (Kind::Text, "@b."),
    (Kind::Text, "io, "),
    (Kind::Text, "as you know."),
];
const THOUGHT: [(Kind, &str); 4] =
    [(Kind::Thinking, "They want a"), (Kind::Thinking, "@b"), (Kind::Thinking, ".io now"), (Kind::Text, "It is here.")];
const CALL: [(Kind, &str); 5] = [
    (Kind::Text, "I will send it"),
    (Kind::Arguments, r#"{"to": "#),
    (Kind::Arguments, r#""a@"#),
    (Kind::Arguments, r#"b.io", "#),
    (Kind::Arguments, r#""n": 1}"#),
];

#[test]
fn a_stream_flows_while_it_is_inspected_and_ends_where_it_is_blocked() {
    let worker = worker(&guard(json!({})));
    for (path, model) in CLIENTS.iter().flat_map(|path| MODELS.map(|model| (*path, model))) {
        for (pieces, shown) in
            [(&TEXT[..], ["The address of the owner is ", "", ""]), (&CALL, ["I will send it", "", r#"{"to": "#])]
        {
            let seen = send(&worker, &body(path, model, true, "hi"), stream(model, path, pieces));
            assert!(seen.streamed && seen.status == 200, "{path} {model}: {}", seen.body);
            assert!(
                !seen.body.contains("b.io") && !seen.body.contains("\"a@") && !seen.body.contains("a@"),
                "{path} {model}: {}",
                seen.body
            );
            let read = read(&seen);
            assert_eq!(read[0], shown[0], "{path} {model}");
            assert_eq!(read[2], shown[2], "{path} {model}");
            let expected = match path {
                "/v1/messages" => "refusal",
                _ => "content_filter",
            };
            assert_eq!(reason(&seen), expected, "{path} {model}: {}", seen.body);
            assert_eq!(seen.log["tried"][0]["failure"], "guardrail", "{path} {model}: {}", seen.log);
            assert_eq!(seen.log["guards"], json!(["pii: email (answers, block)"]), "{path} {model}");
            assert!(seen.counted.contains(&"sluice.failed.guardrail"), "{path} {model}: {:?}", seen.counted);
        }
        let seen = send(&worker, &body(path, model, true, "hi"), stream(model, path, &THOUGHT));
        assert!(!seen.body.contains("b.io") && !seen.body.contains("a@"), "{path} {model}: {}", seen.body);
    }
}

#[test]
fn a_stream_without_a_match_passes_unchanged_and_at_once() {
    let worker = worker(&guard(json!({})));
    let pieces = [
        (Kind::Thinking, "Think twice"),
        (Kind::Text, "It is"),
        (Kind::Text, " done"),
        (Kind::Arguments, r#"{"a":"#),
        (Kind::Arguments, "1}"),
    ];
    for (path, model) in [(CHAT, "gpt"), ("/v1/messages", "claude"), ("/v1/responses", "gpt")] {
        let (script, all) = (
            stream(model, path, &pieces),
            match path {
                CHAT => chat(&pieces),
                "/v1/messages" => claude(&pieces),
                _ => responses(&pieces),
            },
        );
        let seen = send(&worker, &body(path, model, true, "hi"), script);
        let without_usage: Vec<String> = all.into_iter().filter(|event| !event.contains(r#""choices":[],"#)).collect();
        assert_eq!((seen.body, seen.streamed), (without_usage.concat(), true));
        // Up to its last piece, nothing waits: a stream that breaks off has shown all of it.
        let cut: Vec<String> = match path {
            CHAT => chat(&pieces),
            "/v1/messages" => claude(&pieces),
            _ => responses(&pieces),
        };
        let last = cut.iter().rposition(|event| event.contains("1}")).unwrap();
        let broken = sse(&cut[..=last].iter().map(String::as_str).collect::<Vec<_>>());
        let seen = send(&worker, &body(path, model, true, "hi"), broken);
        assert_eq!(read(&seen)[..2], ["It is done", "Think twice"], "{path}: {}", seen.body);
    }
}

/// What a client of the chat format gets of a stream with these data, and the terminator.
fn passed(guards: &Value, data: &[Value]) -> Seen {
    let mut events: Vec<String> = data.iter().map(event).collect();
    events.push("data: [DONE]\n\n".to_owned());
    let script = sse(&events.iter().map(String::as_str).collect::<Vec<_>>());
    send(&worker(guards), &body(CHAT, "gpt", true, "hi"), script)
}

/// The event of one choice.
fn chunk(index: u32, delta: Value) -> Value {
    json!({"choices": [{"index": index, "delta": delta}]})
}

fn finished(index: u32) -> Value {
    json!({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]})
}

#[test]
fn an_event_may_have_many_texts_but_not_any_number() {
    let fields =
        |most: u32| (0..most).map(|number| (format!("a{number}"), "x".into())).collect::<serde_json::Map<_, _>>();
    let first = chunk(0, json!({"content": "It is "}));
    for (most, passes) in [(5_000, true), (20_000, false)] {
        let many = chunk(0, fields(most).into());
        let seen = passed(&guard(json!({})), &[first.clone(), many.clone(), many, finished(0)]);
        assert_eq!(seen.body.ends_with("data: [DONE]\n\n"), passes, "{most}");
        assert_eq!(seen.body.contains("\"a4999\""), passes, "{most}");
        assert_eq!(seen.body.contains("separate texts"), !passes, "{most}");
    }
}

#[test]
fn a_text_known_by_its_path_belongs_to_the_choice_of_its_event() {
    let custom = |index: u32, piece: &str| chunk(index, json!({"custom": piece}));
    let other = |text: &str| chunk(0, json!({"content": text}));
    let both = |piece: &str| json!({"choices": [{"index": 0, "delta": {"content": "it "}}, {"index": 1, "delta": {"custom": piece}}]});
    for start in [custom(1, "secret@"), both("secret@")] {
        let seen = passed(&guard(json!({})), &[other("hi "), start, other("you "), custom(1, "b.io ")]);
        assert!(seen.body.contains("hi ") && !seen.body.contains("secret@"), "{}", seen.body);
        assert_eq!(seen.log["tried"][0]["failure"], "guardrail", "{}", seen.log);
    }
}

#[test]
fn a_piece_that_comes_twice_is_no_name_yet_and_one_that_comes_often_is_inspected_in_the_end() {
    let first = chunk(0, json!({"content": "hi "}));
    let custom = |piece: &str| chunk(0, json!({"custom": piece}));
    let seen = passed(&guard(json!({})), &[first.clone(), custom("o"), custom("o"), custom("@b.io "), finished(0)]);
    assert!(seen.body.contains("hi ") && !seen.body.contains("custom"), "{}", seen.body);
    let laugh = guard(json!({"patterns": {"laugh": "(ha){6}"}}));
    let mut often = vec![first];
    often.extend((0..6).map(|_| custom("ha")));
    often.push(finished(0));
    let seen = passed(&laugh, &often);
    assert_eq!(seen.log["guards"], json!(["pii: laugh (answers, block)"]), "{}", seen.body);
}

#[test]
fn the_choice_with_the_match_ends_and_no_other_ends_twice() {
    let text = |index: u32, text: &str| chunk(index, json!({"content": text}));
    let seen = passed(&guard(json!({})), &[text(0, "hi "), finished(0), text(1, "to a@b.io ")]);
    let choices = events(&seen).into_iter().filter_map(|event| {
        let choice = &event["choices"][0];
        Some((choice["index"].as_u64()?, choice["finish_reason"].as_str()?.to_owned()))
    });
    let expected = [(0, "stop".to_owned()), (1, "content_filter".to_owned())];
    assert_eq!(choices.collect::<Vec<_>>(), expected, "{}", seen.body);
}

#[test]
fn answers_are_masked_in_any_format_whole_and_in_streams() {
    let worker = worker(&guard(json!({"action": "mask", "style": "numbered"})));
    for (path, model) in CLIENTS.iter().flat_map(|path| MODELS.map(|model| (*path, model))) {
        for (pieces, expected) in [
            (&TEXT[..], ["The address of the owner is [EMAIL_1], as you know.", "", ""]),
            (&CALL, ["I will send it", "", r#"{"to": "[EMAIL_1]", "n": 1}"#]),
            (&THOUGHT, ["It is here.", "They want [EMAIL_1] now", ""]),
        ] {
            let seen = send(&worker, &body(path, model, true, "hi"), stream(model, path, pieces));
            let [text, thought, arguments] = read(&seen);
            assert_eq!((text.as_str(), thought.as_str()), (expected[0], expected[1]), "{path} {model}: {}", seen.body);
            let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
            assert_eq!(json(&arguments), json(expected[2]), "{path} {model}: {}", seen.body);
            assert!(!seen.body.contains("b.io"), "{path} {model}: {}", seen.body);
            assert_eq!(seen.log["guards"], json!(["pii: email (answers, mask)"]), "{path} {model}: {}", seen.body);
        }
    }
    let message = json!({"role": "assistant", "content": "to a@b.io", "tool_calls": [{"id": "c", "type": "function",
        "function": {"name": "send", "arguments": r#"{"to":"c\u0040d.io, a@b.io"}"#}}]});
    let whole = json!({"id": "c1", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]});
    for path in [CHAT, "/v1/messages", "/v1/responses"] {
        let script = match path {
            "/v1/responses" => {
                let item = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "to a@b.io"}]});
                let call = json!({"type": "function_call", "call_id": "c", "name": "send", "arguments": r#"{"to":"c\u0040d.io, a@b.io"}"#});
                answers(
                    200,
                    &json!({"id": "r", "object": "response", "status": "completed", "output": [item, call]})
                        .to_string(),
                )
            }
            _ => answers(200, &whole.to_string()),
        };
        let seen = send(&worker, &body(path, "gpt", false, "hi"), script);
        assert!(
            seen.body.contains("to [EMAIL_1]") && seen.body.contains("[EMAIL_2], [EMAIL_1]"),
            "{path}: {}",
            seen.body
        );
        assert!(!seen.body.contains("b.io") && !seen.body.contains("d.io"), "{path}: {}", seen.body);
        assert_eq!(seen.headers.text("content-length"), Some(&*seen.body.len().to_string()));
    }
}

pub(super) fn restoring() -> Value {
    guard(
        json!({"on": ["prompts"], "action": "mask", "style": "numbered", "restore": true, "patterns": {"name": "\"N\\\\.\""}}),
    )
}

#[test]
fn what_was_masked_in_the_prompt_comes_back_to_the_client_only() {
    let worker = worker(&restoring());
    let prompt = r#"[EMAIL_1] is mine. Write to a@b.io, c@d.io, a@b.io and "N\.""#;
    for (path, model) in CLIENTS.iter().flat_map(|path| MODELS.map(|model| (*path, model))) {
        let pieces = [
            (Kind::Text, "To [EMAI"),
            (Kind::Text, "L_2], [EMAIL_3] and [EMAIL_1], [NA"),
            (Kind::Text, "ME_1] [EMAIL_4]"),
            (Kind::Arguments, r#"{"to": "[EMAIL"#),
            (Kind::Arguments, r#"_2]", "who": "[NAME_1"#),
            (Kind::Arguments, r#"]"}"#),
        ];
        let seen = send(&worker, &body(path, model, true, prompt), stream(model, path, &pieces));
        let sent = &seen.received[0].body;
        assert!(sent.contains("[EMAIL_1] is mine. Write to [EMAIL_2], [EMAIL_3], [EMAIL_2] and [NAME_1]"), "{sent}");
        let [text, _, arguments] = read(&seen);
        assert_eq!(text, r#"To a@b.io, c@d.io and [EMAIL_1], "N\." [EMAIL_4]"#, "{path} {model}: {}", seen.body);
        let arguments: Value = serde_json::from_str(&arguments).unwrap();
        assert_eq!(arguments, json!({"to": "a@b.io", "who": r#""N\.""#}), "{path} {model}: {}", seen.body);
        assert!(!seen.log.to_string().contains("b.io"), "{}", seen.log);
    }
    let whole = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "To [EMAIL_2]"}, "finish_reason": "stop"}]});
    let seen = send(&worker, &body("/v1/messages", "gpt", false, prompt), answers(200, &whole.to_string()));
    assert!(seen.body.contains("To a@b.io"), "{}", seen.body);
}

#[test]
fn a_response_that_continues_another_may_repeat_its_placeholders() {
    let worker = worker(&restoring());
    let (path, asked) = body("/v1/responses", "gpt", true, "Write to a@b.io");
    for (more, expected) in [("", "To a@b.io"), (r#""previous_response_id":"resp_0","#, "To [EMAIL_1]")] {
        let asked = asked.replacen('{', &format!("{{{more}"), 1);
        let seen = send(&worker, &(path.clone(), asked), stream("gpt", &path, &[(Kind::Text, "To [EMAIL_1]")]));
        assert!(seen.received[0].body.contains("Write to [EMAIL_1]"), "{}", seen.received[0].body);
        assert_eq!(read(&seen)[0], expected, "{more}");
    }
}

#[test]
fn a_response_in_the_background_must_not_pass_guards_that_act_on_it() {
    let queued = r#"{"id":"resp_1","object":"response","status":"queued","model":"gpt","output":[],"usage":null}"#;
    let (path, asked) = body("/v1/responses", "gpt", false, "Write to a@b.io");
    for (guards, background, refuses) in [
        (guard(json!({})), "true", true),
        (guard(json!({})), "\"yes\"", true),
        (guard(json!({"action": "mask"})), "true", true),
        (restoring(), "true", true),
        (guard(json!({"action": "log"})), "true", false),
        (guard(json!({"on": ["prompts"], "action": "mask"})), "true", false),
        (guard(json!({})), "false", false),
    ] {
        let asked = asked.replacen('{', &format!("{{\"background\":{background},"), 1);
        let seen = send(&worker(&guards), &(path.clone(), asked), answers(200, queued));
        let status = if refuses { 400 } else { 200 };
        assert_eq!((seen.status, seen.received.len()), (status, usize::from(!refuses)), "{guards} {}", seen.body);
        if refuses {
            let error = &serde_json::from_str::<Value>(&seen.body).unwrap()["error"];
            assert_eq!((&error["code"], &error["param"]), (&"unsupported_parameter".into(), &"background".into()));
            assert!(seen.counted.iter().all(|name| !name.contains("sluice.failed")), "{:?}", seen.counted);
        }
    }
}

#[test]
fn a_response_with_restored_texts_is_nobody_elses() {
    let worker = worker(&restoring());
    let whole = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "To [EMAIL_1]"}, "finish_reason": "stop"}]});
    let shared = Rc::<Shared>::default();
    let ask = |prompt: &str| {
        let (path, body) = body(CHAT, "kept", false, prompt);
        let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
        let envoy = Envoy::with(worker.clone(), shared.clone());
        envoy.send("POST", &path, &key, body.as_bytes(), &[answers(200, &whole.to_string())])
    };
    for (prompt, cache) in [("a@b.io?", "bypass"), ("c@d.io?", "bypass"), ("nobody?", "miss"), ("nobody?", "hit")] {
        let seen = ask(prompt);
        assert_eq!(seen.headers.text("x-sluice-cache"), Some(cache), "{prompt}");
        assert!(
            seen.body.contains(&format!("To {}", prompt.replace("nobody?", "[EMAIL_1]").replace('?', ""))),
            "{}",
            seen.body
        );
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn cut<'t>(text: &'t str, at: &[prop::sample::Index]) -> Vec<&'t str> {
        let mut places: Vec<usize> = at.iter().map(|at| text.floor_char_boundary(at.index(text.len() + 1))).collect();
        places.extend([0, text.len()]);
        places.sort_unstable();
        places.windows(2).map(|pair| &text[pair[0]..pair[1]]).filter(|piece| !piece.is_empty()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn a_client_reads_what_it_wrote_however_the_stream_is_cut(
            parts in prop::collection::vec(prop::sample::select(vec!["a@b.io", "c@d.org", " ", "x", "[", "]", "[EMAIL_", "1", "[EMAIL_1]", "é", "\"N\\.\"", "_", "\\", "\""]), 1..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            client in 0usize..3,
            model in 0usize..2,
        ) {
            let worker = worker(&restoring());
            let (path, model) = (CLIENTS[client], MODELS[model]);
            let prompt = format!("Say {}.", parts.concat());
            let asked = body(path, model, true, &prompt);
            let seen = send(&worker, &asked, stream(model, path, &[(Kind::Text, "no")]));
            prop_assert_eq!(seen.received.len(), 1);
            let sent: Value = serde_json::from_str(&seen.received[0].body).unwrap();
            let content = [&sent["messages"][0]["content"], &sent["messages"][0]["content"][0]["text"], &sent["input"],
                &sent["input"][0]["content"], &sent["input"][0]["content"][0]["text"]];
            let Some(masked) = content.into_iter().find_map(Value::as_str).filter(|masked| !masked.is_empty()) else {
                panic!("{sent}")
            };
            // The model repeats its prompt.
            let pieces: Vec<(Kind, &str)> = cut(masked, &cuts).into_iter().map(|piece| (Kind::Text, piece)).collect();
            let seen = send(&worker, &asked, stream(model, path, &pieces));
            prop_assert_eq!(&read(&seen)[0], &prompt, "{} {}", path, model);
        }
    }
}
