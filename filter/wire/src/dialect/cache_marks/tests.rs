use serde_json::{Value, json};

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const SONNET: (Id, &str) = (Id::Anthropic, "claude-sonnet-4-5");
const CONVERSE: (Id, &str) = (Id::Bedrock, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0");
const FEW: Repeated = Repeated { common: true, before: false, grows: false };

/// The marked body, and the places of its marks.
fn mark(body: &Value, target: (Id, &str), repeated: Repeated) -> Option<(Value, Vec<String>)> {
    let (marked, marks) = marked(body.to_string().as_bytes(), target, repeated, 350)?;
    let marked: Value = serde_json::from_slice(&marked).unwrap();
    let mut places = Vec::new();
    find(&marked, "", &mut places);
    assert_eq!(places.len(), marks);
    Some((marked, places))
}

fn find(value: &Value, at: &str, places: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| find(item, &format!("{at}[{index}]"), places));
        }
        Value::Object(fields) => {
            if fields.contains_key("cache_control") || fields.contains_key("cachePoint") {
                places.push(at.to_owned());
            }
            fields.iter().for_each(|(name, value)| find(value, &format!("{at}.{name}"), places));
        }
        _ => {}
    }
}

fn long() -> String {
    "word ".repeat(1200)
}

fn turns() -> Value {
    json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]},
        {"role": "assistant", "content": "ho"},
        {"role": "user", "content": [{"type": "text", "text": "more"}]},
    ])
}

#[test]
fn a_growing_conversation_is_marked_where_the_last_request_ended_and_where_this_one_does() {
    let body = json!({"model": "m", "messages": turns(), "system": long(), "tools": [{"name": "f", "description": long()}, {"name": "g", "input_schema": {}}]});
    let places = |repeated| mark(&body, SONNET, repeated).unwrap().1;
    assert_eq!(
        places(Repeated::ALL),
        [".messages[2].content[0]", ".messages[4].content[0]", ".system[0]", ".tools[1]"]
    );
    assert_eq!(places(FEW), [".system[0]", ".tools[1]"]);
    let only = Repeated { common: true, before: true, grows: false };
    assert_eq!(places(only), [".messages[2].content[0]", ".system[0]", ".tools[1]"]);
    let (marked, _) = mark(&body, SONNET, FEW).unwrap();
    assert_eq!(marked["system"], json!([{"type": "text", "text": long(), "cache_control": {"type": "ephemeral"}}]));
    assert_eq!(mark(&body, SONNET, Repeated::default()), None);
}

#[test]
fn converse_has_marks_as_blocks() {
    let body = json!({
        "system": [{"text": long()}], "toolConfig": {"tools": [{"toolSpec": {"name": "f", "description": long()}}], "toolChoice": {"auto": {}}},
        "messages": [{"role": "user", "content": [{"text": "a"}]}, {"role": "assistant", "content": [{"text": "b"}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "c"}]}}]}]
    });
    let (marked, places) = mark(&body, CONVERSE, Repeated::ALL).unwrap();
    assert_eq!(places, [".messages[0].content[1]", ".messages[2].content[1]", ".system[1]", ".toolConfig.tools[1]"]);
    assert_eq!(marked["system"][1], json!({"cachePoint": {"type": "default"}}));
    for model in ["amazon.nova-pro-v1:0", "meta.llama3", "anthropic.claude-3-haiku-20240307-v1:0"] {
        assert_eq!(mark(&body, (Id::Bedrock, model), Repeated::ALL), None, "{model}");
    }
}

#[test]
fn a_prompt_that_is_too_short_for_the_models_cache_is_not_marked() {
    let body = |words: usize| json!({"system": "word ".repeat(words), "messages": [{"role": "user", "content": "hi"}]});
    for (model, least) in
        [("claude-sonnet-4-5", 1024), ("claude-haiku-4-5", 4096), ("claude-opus-4-6", 4096), ("claude-opus-5", 512)]
    {
        // 350 bytes for 100 tokens, and 5 bytes for a word.
        let words = least * 350 / 100 / 5;
        assert_eq!(mark(&body(words - 1), (Id::Anthropic, model), FEW), None, "{model}");
        assert!(mark(&body(words + 1), (Id::Anthropic, model), FEW).is_some(), "{model}");
    }
    assert_eq!(mark(&body(9000), (Id::Anthropic, "kimi-k2"), Repeated::ALL), None);
    assert_eq!(mark(&body(9000), (Id::OpenAiChat, "claude-opus-5"), Repeated::ALL), None);
}

#[test]
fn what_takes_no_mark_gets_none() {
    let ends = |content: Value| json!({"system": long(), "messages": [{"role": "user", "content": content}]});
    for content in [
        json!(""),
        json!(" \n"),
        json!([]),
        json!([{"type": "text", "text": ""}]),
        json!([{"type": "text", "text": "a"}, {"type": "new_block", "a": 1}]),
        json!(["a"]),
        json!(7),
    ] {
        let (_, places) = mark(&ends(content.clone()), SONNET, Repeated::ALL).unwrap();
        assert_eq!(places, [".system[0]"], "{content}");
    }
    let deferred = json!({"tools": [{"name": "f", "description": long()}, {"name": "g", "defer_loading": true, "input_schema": {}}],
        "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(mark(&deferred, SONNET, FEW), None);
    for body in [&b"{"[..], b"[]", b"{}", b"\xff", br#"{"messages":7,"system":"s"}"#] {
        assert_eq!(marked(body, SONNET, Repeated::ALL, 1), None);
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        "[a-c \"\\\\{}\\[\\]:,é\n]{0,12}"
    }

    fn content() -> impl Strategy<Value = Value> {
        let block = prop_oneof![
            text().prop_map(|text| json!({"type": "text", "text": text})),
            text().prop_map(|text| json!({"type": "tool_result", "tool_use_id": "t", "content": text})),
            text().prop_map(|text| json!({"type": "thinking", "thinking": text, "signature": "s"})),
            Just(json!({"type": "document", "source": {"type": "text", "data": "d"}, "title": "t"})),
            text().prop_map(|text| json!({"text": text})),
        ];
        prop_oneof![text().prop_map(Value::from), proptest::collection::vec(block, 0..4).prop_map(Value::from)]
    }

    fn body() -> impl Strategy<Value = Value> {
        let message = (select(vec!["user", "assistant"]), content())
            .prop_map(|(role, content)| json!({"content": content, "role": role}));
        let tools = proptest::collection::vec(text().prop_map(|text| json!({"name": "f", "description": text})), 0..3);
        let parts = (content(), tools, proptest::collection::vec(message, 0..7), any::<bool>());
        parts.prop_map(|(system, tools, messages, converse)| match converse {
            false => json!({"model": "m", "system": system, "tools": tools, "messages": messages, "max_tokens": 9}),
            true => json!({"system": system, "toolConfig": {"tools": tools}, "messages": messages}),
        })
    }

    /// Undoes marks, and the blocks around marked texts.
    fn without(value: Value) -> Value {
        match value {
            Value::Array(items) => {
                items.into_iter().filter(|item| item.get("cachePoint").is_none()).map(without).collect()
            }
            Value::Object(mut fields) => {
                fields.remove("cache_control");
                Value::Object(fields.into_iter().map(|(name, value)| (name, without(value))).collect())
            }
            other => other,
        }
    }

    /// Texts as blocks, so that both forms of a content compare equal.
    fn as_blocks(mut body: Value) -> Value {
        let block = |content: &mut Value| {
            if let Value::String(text) = content {
                *content = json!([{"type": "text", "text": text}]);
            }
        };
        block(&mut body["system"]);
        body["messages"].as_array_mut().unwrap().iter_mut().for_each(|message| block(&mut message["content"]));
        body
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn marks_change_nothing_else_and_are_four_at_most(
            body in body(), common in any::<bool>(), before in any::<bool>(), grows in any::<bool>(), pretty in any::<bool>()
        ) {
            let repeated = Repeated { common, before, grows };
            let target = if body.get("toolConfig").is_some() { CONVERSE } else { SONNET };
            let text = if pretty { format!("{body:#}") } else { body.to_string() };
            // Any length is long enough.
            if let Some((out, marks)) = marked(text.as_bytes(), target, repeated, 0) {
                prop_assert!((1..=4).contains(&marks));
                let out: Value = serde_json::from_slice(&out).unwrap();
                let mut places = Vec::new();
                find(&out, "", &mut places);
                prop_assert_eq!(places.len(), marks);
                prop_assert_eq!(as_blocks(without(out)), as_blocks(body));
            }
        }
    }
}
