//! Guardrails whose texts an outside service judges.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};
use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, SECRET, Script, Seen, json as answers, sse};
use crate::services::{Judge, Replies};
use crate::shared::Shared;

use super::CHAT;
use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod answers;
mod bounds;
mod cached;
mod records;

const CLIENTS: [&str; 3] = [CHAT, "/v1/messages", "/v1/responses"];
/// A model at a provider of OpenAI's format, and one at a provider of Anthropic's.
const MODELS: [&str; 2] = ["gpt", "claude"];

const WHEN: [Replies; 3] = [Replies::AtOnce, Replies::Later, Replies::AtTheEnd];

/// A gateway with these guardrails, and its judge.
struct Gateway {
    worker: Rc<Worker>,
    shared: Rc<Shared>,
    judge: Rc<Judge>,
}

/// Blocks texts with BAD, masks SECRET, and fails at DOWN.
fn said(path: &str, asked: &Value) -> Option<Value> {
    let texts: Vec<&str> = asked["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let has = |word| texts.iter().any(|text| text.contains(word));
    if has("DOWN") {
        None
    } else if has("BAD") {
        let label = texts.iter().find_map(|text| text.strip_prefix("BAD ")).unwrap_or("bad");
        Some(json!({"action": "block", "label": label}))
    } else if has("SECRET") {
        let word = if path == "/other" { "[Y]" } else { "[X]" };
        let masked: Vec<String> = texts.iter().map(|text| text.replace("SECRET", word)).collect();
        Some(json!({"action": "mask", "texts": masked, "label": "secret"}))
    } else {
        Some(json!({"action": "pass"}))
    }
}

impl Gateway {
    fn new(guards: &Value) -> Self {
        Self::at(guards, Replies::AtOnce)
    }

    fn at(guards: &Value, replies: Replies) -> Self {
        Self::with(guards, replies, &json!({}))
    }

    /// The same with more fields of the gateway file.
    fn with(guards: &Value, replies: Replies, more: &Value) -> Self {
        let target = |provider: &str, model: &str| json!({"provider": provider, "model": model});
        let (gpt, claude) = (target("oai", "gpt"), target("ant", "claude"));
        let mut file = json!({
            "providers": {"oai": {"kind": "openai"}, "ant": {"kind": "anthropic"}},
            "models": {
                "gpt": {"targets": [gpt]}, "checked": {"targets": [gpt], "check_structured_output": true}, "claude": {"targets": [claude]}, "both": {"targets": [gpt, claude]},
                "kept": {"cache": {"ttl": "1m", "scope": "all"}, "targets": [gpt]},
            },
            "teams": {"t": {}},
            "keys": [{"id": "k", "team": "t", "sha256": sha256(SECRET), "endpoints": ["*"]}],
            "judges": {
                "j": {"type": "webhook", "rendered": rendered("/j", 2_000_000)},
                "other": {"type": "webhook", "rendered": rendered("/other", 0)},
            },
            "guards": guards,
        });
        file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = sluice_config::from_json(file.to_string().as_bytes()).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let judge = Judge { judge: said, replies, calls: RefCell::default() };
        Self { worker: Rc::new(Worker::new(Rc::new(config), [7; 16])), shared: Rc::default(), judge: judge.into() }
    }

    fn send(&self, (path, body): (&str, &Value), scripts: &[Script]) -> Seen {
        let key: [(&str, &[u8]); 1] = [("api-key", SECRET.as_bytes())];
        let envoy = Envoy::with(self.worker.clone(), self.shared.clone()).with_judge(&self.judge);
        envoy.send("POST", path, &key, body.to_string().as_bytes(), scripts)
    }

    fn chat(&self, model: &str, prompt: &str, scripts: &[Script]) -> Seen {
        self.send((CHAT, &body(CHAT, model, false, prompt)), scripts)
    }

    /// The texts of each call.
    fn asked(&self) -> Vec<Value> {
        self.judge.calls.borrow().iter().map(|asked| asked["texts"].clone()).collect()
    }
}

/// A judge as the filter gets it; `price` is in millionths of a dollar per million characters.
fn rendered(path: &str, price: u64) -> Value {
    json!({"type": "webhook", "text": "", "categories": [], "authority": "judge.test", "tls": false, "path": path,
        "timeout": 2000, "retries": 1, "price": price})
}

/// A guardrail with more fields, and more fields of its judge.
fn guard(on: &str, judge: Value, more: Value) -> Value {
    let mut its = json!({"service": "j", "on_error": "block"});
    its.as_object_mut().unwrap().extend(judge.as_object().unwrap().clone());
    let mut guard = json!({"judge": its, "on": [on]});
    guard.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"g": guard})
}

fn prompts(judge: Value) -> Gateway {
    Gateway::new(&guard("prompts", judge, json!({})))
}

fn body(path: &str, model: &str, stream: bool, prompt: &str) -> Value {
    match path {
        "/v1/responses" => json!({"model": model, "stream": stream, "input": prompt}),
        _ => {
            let messages = json!([{"role": "user", "content": prompt}]);
            json!({"model": model, "stream": stream, "max_tokens": 50, "messages": messages})
        }
    }
}

/// A whole response of the model's provider to a client of this path.
fn whole(model: &str, path: &str, text: &str) -> Script {
    let usage = json!({"input_tokens": 10, "output_tokens": 5});
    answers(
        200,
        &match (model, path) {
            ("claude", _) => json!({"id": "m", "type": "message", "role": "assistant", "model": "claude",
                "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": usage}),
            (_, "/v1/responses") => json!({"id": "r", "object": "response", "status": "completed", "model": "gpt",
                "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": text, "annotations": []}]}], "usage": usage}),
            _ => json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt", "usage":
                {"prompt_tokens": 10, "completion_tokens": 5},
                "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]}),
        }
        .to_string(),
    )
}

/// A stream of the chat format, one event for each piece.
fn chat_stream(pieces: &[&str]) -> Script {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let chunk =
            json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt", "choices": choice});
        format!("data: {chunk}\n\n")
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    events.extend(pieces.iter().map(|piece| chunk(json!({"content": piece}), Value::Null)));
    events.push(chunk(json!({}), "stop".into()));
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5});
    events.push(format!("data: {}\n\n", json!({"choices": [], "usage": usage})));
    events.push("data: [DONE]\n\n".to_owned());
    sse(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn claude_stream(pieces: &[&str]) -> Script {
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let usage = json!({"input_tokens": 10, "output_tokens": 1});
    let message =
        json!({"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": usage});
    let mut events = vec![
        event(json!({"type": "message_start", "message": message})),
        event(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})),
    ];
    events.extend(pieces.iter().map(|piece| {
        event(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}))
    }));
    events.push(event(json!({"type": "content_block_stop", "index": 0})));
    let delta = json!({"stop_reason": "end_turn"});
    events.push(event(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}})));
    events.push(event(json!({"type": "message_stop"})));
    sse(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn stream(model: &str, pieces: &[&str]) -> Script {
    if model == "claude" { claude_stream(pieces) } else { chat_stream(pieces) }
}

/// The text that a client of this path reads in a stream.
fn read(path: &str, body: &str) -> String {
    let events = body.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let text = |event: Value| {
        let text = match path {
            CHAT => event["choices"][0]["delta"]["content"].as_str(),
            "/v1/messages" => event["delta"]["text"].as_str(),
            _ => event["delta"].as_str(),
        };
        text.unwrap_or_default().to_owned()
    };
    events.map(text).collect()
}

#[test]
fn prompts_pass_are_blocked_or_masked_in_each_dialect() {
    for path in CLIENTS {
        for model in MODELS {
            let gateway = prompts(json!({}));
            let send = |prompt, scripts: &[Script]| gateway.send((path, &body(path, model, false, prompt)), scripts);
            // The Responses API of an OpenAI provider, or a translation.
            let good = whole(model, path, "fine");
            let passed = send("hello", std::slice::from_ref(&good));
            assert_eq!((passed.status, &passed.log["guards"]), (200, &Value::Null), "{}", passed.body);
            let judges = json!([{"guard": "g", "judge": "j", "side": "prompts", "result": "pass", "calls": 1, "ms": 1,
                "usd": "0.000010"}]);
            assert_eq!(passed.log["judges"], judges, "5 characters at 2 dollars per million");
            let blocked = send("a BAD thing", &[]);
            assert_eq!(blocked.status, 400, "{}", blocked.body);
            assert!(blocked.body.contains("guardrail `g`") && blocked.body.contains("`bad`"), "{}", blocked.body);
            assert_eq!(blocked.log["guards"], json!(["g: bad (prompts, block)"]));
            let masked = send("my SECRET \"word\"", &[good]);
            assert_eq!(masked.status, 200, "{}", masked.body);
            assert!(masked.received[0].body.contains(r#"my [X] \"word\""#), "{}", masked.received[0].body);
            assert_eq!(masked.headers.text("x-sluice-masked"), Some("secret"));
            assert_eq!(masked.log["guards"], json!(["g: secret (prompts, mask)"]));
        }
    }
}

#[test]
fn a_judge_sees_what_a_prompt_says_and_whose_it_is() {
    let gateway = prompts(json!({}));
    let tools = json!([{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {}}}]);
    let messages = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]);
    let body = json!({"model": "gpt", "messages": messages, "tools": tools});
    gateway.send((CHAT, &body), &[whole("gpt", CHAT, "fine")]);
    let calls = gateway.judge.calls.borrow();
    let asked = json!({"texts": ["Be brief.", "Hi", "Looks.", "look"], "side": "prompt", "model": "gpt", "team": "t",
        "request_id": calls[0]["request_id"]});
    assert_eq!(*calls, [asked]);
}

#[test]
fn a_judge_that_fails_blocks_or_allows_as_the_file_says() {
    for (on_error, status) in [("block", 503), ("allow", 200)] {
        let gateway = prompts(json!({"on_error": on_error}));
        let good = whole("kept", CHAT, "fine");
        let scripts = if status == 200 { vec![good.clone()] } else { vec![] };
        let seen = gateway.chat("kept", "DOWN", &scripts);
        assert_eq!(seen.status, status, "{}", seen.body);
        let judge = &seen.log["judges"][0];
        assert_eq!(
            (&judge["result"], &judge["error"]),
            (&json!("error"), &json!("did not respond in time, or cannot be reached"))
        );
        let action = if on_error == "block" { "block" } else { "log" };
        assert_eq!(seen.log["guards"], json!([format!("g: not judged (prompts, {action})")]));
        if status == 503 {
            assert!(seen.body.contains("guardrail_unavailable"), "{}", seen.body);
        } else {
            // It was not judged, so it is not stored.
            let again = gateway.chat("kept", "DOWN", &[good]);
            assert_eq!((again.status, again.headers.text("x-sluice-cache")), (200, Some("miss")));
        }
    }
}

#[test]
fn shadow_mode_logs_and_changes_nothing() {
    let gateway = prompts(json!({"mode": "shadow"}));
    for (prompt, result, found) in
        [("BAD", "block", "g: bad (prompts, log)"), ("SECRET", "mask", "g: secret (prompts, log)")]
    {
        let seen = gateway.chat("gpt", prompt, &[whole("gpt", CHAT, "fine")]);
        assert_eq!((seen.status, &seen.log["judges"][0]["result"]), (200, &json!(result)), "{}", seen.body);
        assert!(seen.received[0].body.contains(prompt));
        assert_eq!(seen.log["guards"], json!([found]));
    }
    assert_eq!(gateway.chat("gpt", "DOWN", &[whole("gpt", CHAT, "fine")]).status, 200, "although `on_error: block`");
}

#[test]
fn judges_see_prompts_after_local_masks_unless_they_are_raw() {
    for (raw, expected) in [(false, "write to [email]"), (true, "write to ann@example.com")] {
        let mut guards = guard("prompts", json!({"raw": raw}), json!({}));
        guards["mails"] = json!({"detect": ["email"], "action": "mask", "style": "label", "on": ["prompts"]});
        let gateway = Gateway::new(&guards);
        let seen = gateway.chat("gpt", "write to ann@example.com", &[whole("gpt", CHAT, "fine")]);
        assert_eq!(gateway.asked(), [json!([expected])]);
        assert!(!seen.received[0].body.contains("ann@"), "{}", seen.received[0].body);
        let masked =
            gateway.chat("gpt", "SECRET of ann@example.com", &[whole("gpt", CHAT, "fine")][..usize::from(!raw)]);
        assert_eq!(masked.status, if raw { 400 } else { 200 }, "a judge of other texts cannot mask these");
    }
}

#[test]
fn several_judges_are_asked_at_once_and_all_count() {
    let mut guards = guard("prompts", json!({}), json!({}));
    guards["h"] = json!({"judge": {"service": "j", "on_error": "allow", "mode": "shadow"}, "on": ["prompts"]});
    let gateway = Gateway::new(&guards);
    let seen = gateway.chat("gpt", "SECRET", &[whole("gpt", CHAT, "fine")]);
    assert_eq!(gateway.asked(), [json!(["SECRET"]), json!(["SECRET"])]);
    assert_eq!(seen.log["guards"], json!(["g: secret (prompts, mask)", "h: secret (prompts, log)"]));
    assert!(seen.received[0].body.contains("[X]"));
    // The first block decides.
    let blocked = gateway.chat("gpt", "BAD", &[]);
    assert_eq!((blocked.status, &blocked.log["judges"][1]["result"]), (400, &json!("cancelled")));
}

#[test]
fn a_cached_response_belongs_to_the_masked_prompt() {
    let gateway = prompts(json!({}));
    gateway.chat("kept", "SECRET", &[whole("gpt", CHAT, "fine")]);
    let again = gateway.chat("kept", "[X]", &[]);
    assert_eq!((again.status, again.headers.text("x-sluice-cache")), (200, Some("hit")), "{}", again.body);
}

#[test]
fn a_form_is_not_judged() {
    for (on_error, status) in [("block", 503), ("allow", 200)] {
        let gateway = prompts(json!({"on_error": on_error}));
        let body = "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt\r\n--b\r\n\
                    content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b--\r\n";
        let headers: [(&str, &[u8]); 2] =
            [("api-key", SECRET.as_bytes()), ("content-type", b"multipart/form-data; boundary=b")];
        let envoy = Envoy::with(gateway.worker.clone(), Rc::default()).with_judge(&gateway.judge);
        let scripts = [answers(200, r#"{"text":"hello"}"#)];
        let seen = envoy.send(
            "POST",
            "/v1/audio/transcriptions",
            &headers,
            body.as_bytes(),
            &scripts[..usize::from(status == 200)],
        );
        assert_eq!(seen.status, status, "{}", seen.body);
        assert!(gateway.asked().is_empty());
    }
}

#[test]
fn whole_responses_pass_are_blocked_or_masked_in_each_dialect() {
    for path in CLIENTS {
        for (model, replies) in MODELS.into_iter().flat_map(|model| WHEN.map(|when| (model, when))) {
            let gateway = Gateway::at(&guard("answers", json!({}), json!({})), replies);
            let send = |text| gateway.send((path, &body(path, model, false, "hi")), &[whole(model, path, text)]);
            let passed = send("fine");
            assert_eq!(passed.status, 200, "{}", passed.body);
            assert!(passed.body.contains("fine"));
            assert_eq!(passed.log["judges"][0]["side"], "answers");
            let blocked = send("a BAD thing");
            assert_eq!((blocked.status, &blocked.log["output_tokens"]), (400, &json!(5)), "{}", blocked.body);
            assert!(!blocked.body.contains("BAD"), "{}", blocked.body);
            let masked = send("the SECRET");
            assert_eq!(masked.status, 200, "{}", masked.body);
            assert!(masked.body.contains("the [X]") && !masked.body.contains("SECRET"), "{}", masked.body);
            assert_eq!(masked.log["guards"], json!(["g: secret (answers, mask)"]));
            let failed = send("DOWN");
            assert_eq!(failed.status, 503, "{}", failed.body);
        }
    }
}

#[test]
fn a_blocked_response_is_tried_elsewhere() {
    for replies in WHEN {
        let gateway = Gateway::at(&guard("answers", json!({}), json!({})), replies);
        let scripts = [whole("gpt", CHAT, "BAD"), whole("claude", CHAT, "fine")];
        let seen = gateway.chat("both", "hi", &scripts);
        assert_eq!((seen.status, seen.received.len()), (200, 2), "{}", seen.body);
        assert!(seen.body.contains("fine"));
        assert_eq!(
            seen.log["judges"],
            json!([{"guard": "g", "judge": "j", "side": "answers", "result": "block",
            "calls": 2, "ms": 2, "usd": "0.000014"}])
        );
    }
}

#[test]
fn a_prompt_is_judged_while_the_provider_works() {
    for replies in WHEN {
        let late = replies == Replies::AtTheEnd;
        for stream_it in [false, true] {
            let gateway = Gateway::at(&guard("prompts", json!({"during": true}), json!({})), replies);
            let good = || if stream_it { chat_stream(&["fine"]) } else { whole("gpt", CHAT, "fine") };
            let send = |prompt: &str| {
                let body = body(CHAT, "gpt", stream_it, prompt);
                gateway.send((CHAT, &body), &[good()])
            };
            let passed = send("hello");
            assert_eq!((passed.status, passed.received.len()), (200, 1), "{}", passed.body);
            assert!(passed.body.contains("fine"));
            let blocked = send("BAD");
            assert_eq!(blocked.status, 400, "{}", blocked.body);
            assert!(!blocked.body.contains("fine"), "{}", blocked.body);
            assert_eq!(
                (blocked.received.len() == 1, &blocked.log["guards"]),
                (late, &json!(["g: bad (prompts, block)"]))
            );
            assert_eq!(blocked.log["judges"][0]["result"], "block");
            if late && !stream_it {
                assert_eq!(blocked.log["output_tokens"], 5, "its provider is paid");
            }
            assert_eq!(send("SECRET").status, 400, "the provider has the prompt already");
        }
    }
}

#[test]
fn a_block_of_the_prompt_is_not_tried_elsewhere() {
    let gateway = Gateway::at(&guard("prompts", json!({"during": true}), json!({})), Replies::AtTheEnd);
    let seen = gateway.chat("both", "BAD", &[whole("gpt", CHAT, "fine"), whole("claude", CHAT, "fine")]);
    assert_eq!((seen.status, seen.received.len()), (400, 1), "{}", seen.body);
    // An attempt that fails before the verdict: the next one asks again.
    let seen = gateway.chat("both", "hello", &[answers(401, "{}"), whole("claude", CHAT, "fine")]);
    assert_eq!((seen.status, seen.received.len()), (200, 2), "{}", seen.body);
    assert!(seen.body.contains("fine"));
}

#[test]
fn streams_are_judged_in_windows() {
    for path in [CHAT, "/v1/messages"] {
        for model in MODELS {
            for replies in WHEN {
                let late = replies == Replies::AtTheEnd;
                let gateway = Gateway::at(&guard("answers", json!({"window": 64}), json!({})), replies);
                let send =
                    |pieces: &[&str]| gateway.send((path, &body(path, model, true, "hi")), &[stream(model, pieces)]);
                let long = "0123456789".repeat(7);
                let passed = send(&[&long, "and", " more ", &long, "end"]);
                assert_eq!(passed.status, 200, "{}", passed.body);
                assert_eq!(read(path, &passed.body), format!("{long}and more {long}end"));
                if replies == Replies::AtOnce {
                    assert!(passed.streamed);
                    let texts = [long.clone(), format!("{long}and more {long}"), format!("{long}and more {long}end")];
                    assert_eq!(gateway.asked(), texts.map(|text| json!([text])), "each with what came before");
                }
                let masked = send(&["a SEC", "RET", " of ", &long, "end"]);
                assert_eq!(read(path, &masked.body), format!("a [X] of {long}end"), "{}", masked.body);
                assert_eq!(masked.log["guards"], json!(["g: secret (answers, mask)"]));
                let masked = send(&[&long, " and a SEC", "RET", &long]);
                assert_eq!(read(path, &masked.body), format!("{long} and a [X]{long}"), "in a later window");
                let blocked = send(&[&long, "B", "AD", " thing"]);
                if late {
                    // Nothing has left.
                    assert_eq!(blocked.status, 400, "{}", blocked.body);
                } else if replies == Replies::AtOnce {
                    assert_eq!((blocked.status, read(path, &blocked.body)), (200, long.clone()), "{}", blocked.body);
                    let reason = if path == CHAT { "content_filter" } else { "refusal" };
                    assert!(blocked.body.contains(reason), "{}", blocked.body);
                }
                assert!(!blocked.body.contains("thing"), "{}", blocked.body);
                let first = send(&["BAD"]);
                assert_eq!(first.status, 400, "{}", first.body);
            }
        }
    }
}

#[test]
fn a_stream_that_is_delivered_whole_is_judged_once_and_tried_elsewhere() {
    let gateway = Gateway::new(&guard("answers", json!({"window": 64}), json!({"delivery": "whole"})));
    let long = "0123456789".repeat(20);
    let scripts = [chat_stream(&[&long, "BAD"]), claude_stream(&[&long, "fine"])];
    let seen = gateway.send((CHAT, &body(CHAT, "both", true, "hi")), &scripts);
    assert_eq!((seen.status, read(CHAT, &seen.body)), (200, format!("{long}fine")), "{}", seen.body);
    assert_eq!(gateway.asked(), [json!([format!("{long}BAD")]), json!([format!("{long}fine")])]);
}

#[test]
fn a_stream_whose_end_has_no_bytes_is_judged_too() {
    for replies in WHEN {
        let gateway = Gateway::at(&guard("answers", json!({"window": 1000}), json!({})), replies);
        let events = [
            r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"fine"}}]}"#,
            r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        ];
        let events = events.map(|event| format!("{event}\n\n"));
        let script = sse(&events.iter().map(String::as_str).collect::<Vec<_>>());
        let seen = gateway.send((CHAT, &body(CHAT, "gpt", true, "hi")), &[script]);
        assert_eq!((seen.status, read(CHAT, &seen.body)), (200, "fine".to_owned()), "{}", seen.body);
        assert!(seen.body.ends_with("data: [DONE]\n\n"), "{}", seen.body);
    }
}

#[test]
fn a_judged_stream_that_ends_with_trailers_ends_as_others_do() {
    const PORTIONS: [&str; 2] = [
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}}]}\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"rest\"},\"finish_reason\":\"stop\"}]}\n\n",
    ];
    let text = format!("{}rest", "0123456789".repeat(7));
    let send = |guards: &Value, replies| {
        let gateway = Gateway::at(guards, replies);
        gateway.send((CHAT, &body(CHAT, "gpt", true, "hi")), &[Script::Trailed(PORTIONS.to_vec())])
    };
    let plain = send(&json!({}), Replies::AtOnce);
    assert_eq!((plain.reset, read(CHAT, &plain.body)), (false, text.clone()), "{}", plain.body);
    for replies in WHEN {
        let seen = send(&guard("answers", json!({"window": 64}), json!({})), replies);
        assert_eq!((seen.status, seen.reset), (200, false), "{replies:?}: {}", seen.body);
        assert_eq!(read(CHAT, &seen.body), text, "{replies:?}");
    }
}

#[test]
fn masks_do_not_break_the_json_of_arguments() {
    let gateway = prompts(json!({}));
    let arguments = |text: &str| {
        let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": text}});
        let messages = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "done"}]);
        gateway.send((CHAT, &json!({"model": "gpt", "messages": messages})), &[whole("gpt", CHAT, "fine")])
    };
    let seen = arguments(r#"{"q":"SECRET"}"#);
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert!(seen.received[0].body.contains(r#""{\"q\":\"[X]\"}""#), "{}", seen.received[0].body);
    // A change from the first to the last of these has quotes.
    let seen = arguments(r#"{"SECRET":"SECRET"}"#);
    assert_eq!((seen.status, &seen.log["guards"]), (400, &json!(["g: secret (prompts, block)"])), "{}", seen.body);
}

#[test]
fn structured_output_of_a_judged_stream_is_checked() {
    let gateway = Gateway::new(&guard("answers", json!({}), json!({})));
    let mut body = body(CHAT, "checked", true, "hi");
    body["response_format"] = json!({"type": "json_object"});
    let seen = gateway.send((CHAT, &body), &[chat_stream(&["no JSON"]), chat_stream(&["{\"a\"", ":1}"])]);
    assert_eq!((seen.status, read(CHAT, &seen.body)), (200, "{\"a\":1}".to_owned()), "{}", seen.body);
}

#[test]
fn text_before_the_usage_is_not_lost_while_the_rest_is_judged() {
    for replies in WHEN {
        let gateway = Gateway::at(&guard("answers", json!({"window": 64}), json!({})), replies);
        let chunk = |text: &str, finish: &str| {
            let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": finish});
            let choice = if finish.is_empty() { json!({"index": 0, "delta": {"content": text}}) } else { choice };
            format!("data: {}\n\n", json!({"id": "c", "choices": [choice]}))
        };
        let long = "0123456789".repeat(7);
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
        let events =
            [chunk(&long, ""), chunk("rest", "stop"), format!("data: {usage}\n\n"), "data: [DONE]\n\n".to_owned()];
        let script = sse(&events.iter().map(String::as_str).collect::<Vec<_>>());
        let seen = gateway.send((CHAT, &body(CHAT, "gpt", true, "hi")), &[script]);
        assert_eq!((seen.status, read(CHAT, &seen.body)), (200, format!("{long}rest")), "{replies:?}: {}", seen.body);
    }
}

#[test]
fn a_text_that_is_too_long_for_its_judge_is_blocked_in_any_case() {
    let gateway = prompts(json!({"on_error": "allow"}));
    let stop: Vec<&str> = vec!["a"; 20_001];
    let body = json!({"model": "gpt", "messages": [{"role": "user", "content": "BAD"}], "stop": stop});
    let seen = gateway.send((CHAT, &body), &[]);
    assert_eq!((seen.status, gateway.asked().len()), (503, 0), "{}", seen.body);
    let during = Gateway::new(&guard("prompts", json!({"on_error": "allow", "during": true}), json!({})));
    let seen = during.chat("gpt", &"word ".repeat(1_700_000), &[whole("gpt", CHAT, "fine")]);
    assert_eq!((seen.status, seen.received.len()), (503, 0), "no provider gets it: {}", seen.body);
}

#[test]
fn judges_that_contradict_each_other_block() {
    let mut guards = guard("prompts", json!({}), json!({}));
    guards["h"] = json!({"judge": {"service": "other", "on_error": "block"}, "on": ["prompts"]});
    let gateway = Gateway::new(&guards);
    let seen = gateway.chat("gpt", "SECRET and SECRET", &[]);
    assert_eq!((seen.status, &seen.log["guards"][0]), (400, &json!("h: secret (prompts, block)")), "{}", seen.body);
}
