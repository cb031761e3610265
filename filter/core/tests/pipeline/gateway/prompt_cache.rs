//! The provider's prompt cache: marks in requests, keys for it, and its effect in the log.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json as tree};
use sluice_core::pipeline::worker::Worker;

use crate::envoy::{Envoy, SECRET, Script, Seen, json};
use crate::shared::Shared;

use super::spending::sha256;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";

/// One Envoy before providers with a prompt cache.
struct Gateway {
    worker: Rc<Worker>,
    shared: Rc<Shared>,
}

impl Gateway {
    fn new(prompt_cache: &str) -> Self {
        let providers = [
            ("ant", r#""kind":"anthropic""#),
            ("aws", r#""kind":"bedrock","url":"https://bedrock-runtime.us-east-1.amazonaws.com""#),
            ("host", r#""kind":"bedrock-anthropic","url":"https://bedrock-runtime.us-east-1.amazonaws.com""#),
            ("oai", r#""kind":"openai""#),
            ("az", r#""kind":"azure","url":"https://x.openai.azure.com""#),
            ("grq", r#""kind":"groq""#),
            ("keys", r#""kind":"openai","key_count":4"#),
        ];
        let models = [
            ("claude", "ant", "claude-sonnet-4-5"),
            ("converse", "aws", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("hosted", "host", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
            ("gpt", "oai", "gpt-5"),
            ("azure", "az", "mine"),
            ("groq", "grq", "llama"),
            ("keyed", "keys", "gpt-5"),
        ];
        let model = |(name, provider, model): (&str, &str, &str)| {
            format!(
                r#""{name}":{{"targets":[{{"provider":"{provider}","model":"{model}"}}],"sticky":"conversation"{prompt_cache}}}"#
            )
        };
        let text = format!(
            r#"{{"providers":{{{}}},"models":{{{}}},"teams":{{"t":{{}},"u":{{}}}},
                "prices":{{"unpriced":{{"input":10,"output":20,"cached_input":1,"cache_write":12.5}}}},
                "keys":[{{"id":"k","team":"t","sha256":"{}"}},{{"id":"l","team":"u","sha256":"{}"}}]}}"#,
            providers.map(|(name, fields)| format!(r#""{name}":{{{fields}}}"#)).join(","),
            models.map(model).join(","),
            sha256(SECRET),
            sha256("sk-other"),
        );
        let config = sluice_config::from_json(text.as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}"));
        Self { worker: Rc::new(Worker::new(Rc::new(config), [7; 16])), shared: Rc::default() }
    }

    fn ask(&self, path: &str, body: &Value, answer: &str) -> Seen {
        self.ask_at(0, SECRET, path, body, &[json(200, answer)])
    }

    fn ask_at(&self, seconds: u64, secret: &str, path: &str, body: &Value, scripts: &[Script]) -> Seen {
        let envoy = Envoy::with(self.worker.clone(), self.shared.clone()).after(Duration::from_secs(seconds));
        let seen = envoy.send("POST", path, &[("api-key", secret.as_bytes())], body.to_string().as_bytes(), scripts);
        assert_eq!(seen.status, 200, "{}", seen.body);
        seen
    }
}

const AUTO: &str = r#","prompt_cache":"auto""#;
const CLAUDE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hi"}],
    "stop_reason":"end_turn","stop_sequence":null,
    "usage":{"input_tokens":100,"cache_read_input_tokens":1000,"cache_creation_input_tokens":200,"output_tokens":2}}"#;
const CONVERSE: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}},"stopReason":"end_turn",
    "usage":{"inputTokens":5,"outputTokens":2,"totalTokens":7}}"#;
const GPT: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
const RESPONSE: &str = r#"{"id":"resp_1","object":"response","status":"completed","model":"gpt-5","output":[{"type":"message",
    "role":"assistant","content":[{"type":"output_text","text":"ok"}]}],"usage":{"input_tokens":9,"output_tokens":2}}"#;

/// The request with this many turns of a conversation, in Anthropic's format or OpenAI's.
fn request(model: &str, turns: usize) -> Value {
    let turn = |index: usize| match index % 2 {
        0 => tree!({"role": "user", "content": format!("question {index}")}),
        _ => tree!({"role": "assistant", "content": "answer"}),
    };
    let turns: Vec<Value> = (0..turns * 2 - 1).map(turn).collect();
    let rules = "rules ".repeat(1000);
    match model {
        "claude" | "hosted" => tree!({"model": model, "max_tokens": 9, "system": rules, "messages": turns}),
        _ => {
            let system = tree!({"role": "system", "content": rules});
            tree!({"model": model, "messages": std::iter::once(system).chain(turns).collect::<Vec<_>>()})
        }
    }
}

/// The number of marks in the request that the provider received.
fn marks(seen: &Seen) -> usize {
    let body = &seen.received[0].body;
    let marks = body.matches("cache_control").count() + body.matches("cachePoint").count();
    assert_eq!(seen.log["prompt_cache_marks"].as_u64().unwrap_or_default(), marks as u64);
    marks
}

#[test]
fn a_prompt_that_repeats_is_marked_in_each_format_from_the_second_time_on() {
    let format = |model: &str| if matches!(model, "claude" | "hosted") { MESSAGES } else { CHAT };
    for (model, answer) in [("claude", CLAUDE), ("hosted", CLAUDE), ("converse", CONVERSE)] {
        let gateway = Gateway::new(AUTO);
        let sent: Vec<usize> =
            (1..=3).map(|turns| marks(&gateway.ask(format(model), &request(model, turns), answer))).collect();
        assert_eq!(sent, [0, 3, 3], "{model}");
    }
    // A client of OpenAI's format, at Anthropic.
    let gateway = Gateway::new(AUTO);
    let translated = |turns| {
        let mut body = request("gpt", turns);
        body["model"] = "claude".into();
        marks(&gateway.ask(CHAT, &body, CLAUDE))
    };
    assert_eq!([translated(1), translated(2)], [0, 3]);
    let off = Gateway::new("");
    assert_eq!([1, 2].map(|turns| marks(&off.ask(MESSAGES, &request("claude", turns), CLAUDE))), [0, 0]);
}

#[test]
fn what_passes_unchanged_keeps_all_other_bytes() {
    let gateway = Gateway::new(AUTO);
    gateway.ask(MESSAGES, &request("claude", 1), CLAUDE);
    let seen = gateway.ask(MESSAGES, &request("claude", 2), CLAUDE);
    let mark = r#","cache_control":{"type":"ephemeral"}}]"#;
    let received = seen.received[0].body.replace(r#"[{"type":"text","text":"#, "").replace(mark, "");
    assert_eq!(received, request("claude", 2).to_string().replace(r#""claude""#, r#""claude-sonnet-4-5""#));
    let length = seen.received[0].headers.text("content-length").unwrap();
    assert_eq!(length, seen.received[0].body.len().to_string());
}

#[test]
fn marks_of_the_client_stay_alone() {
    let gateway = Gateway::new(AUTO);
    let with = |turns: usize| {
        let mut body = request("claude", turns);
        body["messages"][0]["content"] =
            tree!([{"type": "text", "text": "question 0", "cache_control": {"type": "ephemeral"}}]);
        body
    };
    let received =
        |turns| gateway.ask(MESSAGES, &with(turns), CLAUDE).received[0].body.matches("cache_control").count();
    assert_eq!([received(1), received(2), received(3)], [1, 1, 1]);
}

#[test]
fn a_prompt_is_forgotten_after_five_minutes() {
    let gateway = Gateway::new(AUTO);
    let at = |seconds, turns| {
        marks(&gateway.ask_at(seconds, SECRET, MESSAGES, &request("claude", turns), &[json(200, CLAUDE)]))
    };
    assert_eq!([at(0, 1), at(290, 2), at(700, 3)], [0, 3, 0]);
}

#[test]
fn openai_gets_a_key_of_team_and_conversation() {
    let gateway = Gateway::new(AUTO);
    let key = |secret: &str, path: &str, body: &Value, answer: &str| {
        let seen = gateway.ask_at(0, secret, path, body, &[json(200, answer)]);
        let body: Value = serde_json::from_str(&seen.received[0].body).unwrap();
        body["prompt_cache_key"].as_str().map(str::to_owned)
    };
    let chat = |secret: &str, model: &str, turns| key(secret, CHAT, &request(model, turns), GPT);
    let first = chat(SECRET, "gpt", 1).unwrap();
    assert!(first.starts_with("sluice-") && first.len() <= 64, "{first}");
    assert_eq!((chat(SECRET, "gpt", 2), chat(SECRET, "azure", 3)), (Some(first.clone()), Some(first.clone())));
    assert_ne!(chat("sk-other", "gpt", 1).unwrap(), first, "another team");
    assert_eq!(chat(SECRET, "groq", 2), None, "a server that does not know it");
    let mut own = request("gpt", 1);
    own["prompt_cache_key"] = "mine".into();
    assert_eq!(key(SECRET, CHAT, &own, GPT).as_deref(), Some("mine"));
    let responses = tree!({"model": "gpt", "instructions": "rules", "input": "hi"});
    assert!(key(SECRET, RESPONSES, &responses, RESPONSE).is_some());
    // A client of Anthropic's format.
    let mut translated = request("claude", 1);
    translated["model"] = "gpt".into();
    assert!(key(SECRET, MESSAGES, &translated, GPT).is_some());
}

#[test]
fn the_log_tells_what_the_cache_has_saved() {
    let gateway = Gateway::new(AUTO);
    let log = gateway.ask(MESSAGES, &request("claude", 1), CLAUDE).log;
    assert_eq!((&log["cached_tokens"], &log["cache_write_tokens"]), (&1000.into(), &200.into()));
    // 1000 tokens for 1 instead of 10 dollars per million, 200 for 12.5 instead of 10.
    assert_eq!(log["prompt_cache_saved_usd"], "0.009000");
    assert_eq!(log["prompt_cache_surcharge_usd"], "0.000500");
    assert_eq!(log["sticky"], "kept");
    let log = gateway.ask(CHAT, &request("gpt", 1), GPT).log;
    assert!(
        ["cache_write_tokens", "prompt_cache_saved_usd", "prompt_cache_surcharge_usd"]
            .iter()
            .all(|name| log[*name].is_null())
    );
}

#[test]
fn a_conversation_keeps_its_key_of_the_provider() {
    let gateway = Gateway::new("");
    let key = |first: usize, turns: usize| {
        let mut body = request("keyed", turns);
        body["messages"][1]["content"] = format!("question {first}").into();
        gateway.ask(CHAT, &body, GPT).log["tried"][0]["key"].as_u64().unwrap()
    };
    let keys: Vec<u64> = (0..20).map(|first| key(first, 1)).collect();
    assert!((0..20).all(|first| key(first, 2) == keys[first] && key(first, 3) == keys[first]));
    assert!((1..=4).all(|one| keys.contains(&one)), "{keys:?}");
}
