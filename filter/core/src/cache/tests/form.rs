//! The conversion of stored responses: exact, or none.

use serde_json::{Value, json};
use sluice_wire::dialect::{Client, anthropic, completions, openai_chat, openai_embeddings, responses};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::cache::canonical::Canonical;
use crate::cache::form::Wanted;

fn stored(form: Form, body: impl Into<Vec<u8>>) -> CachedResponse {
    CachedResponse { form, repeats: 0, model: "m".to_owned(), body: body.into(), ..entry(0, at(0)) }
}

/// The stored response for a client that wants this form.
fn wanted(client: &'static Client, entry: CachedResponse, form: Form) -> Option<String> {
    let found = Wanted { client, form, repeats: 0, request: b"{}" }.of(entry)?;
    assert_eq!(found.form, form);
    Some(String::from_utf8(found.body).unwrap())
}

/// Converts a whole response to a stream and back.
fn there_and_back(client: &'static Client, whole: &str) -> Option<String> {
    let stream = wanted(client, stored(Form::Whole, whole), Form::Stream)?;
    assert!(stream.starts_with("event:") || stream.starts_with("data:"), "{stream}");
    wanted(client, stored(Form::Stream, stream), Form::Whole)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn message(content: Value) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "output_tokens": 2}})
}

#[test]
fn a_response_in_the_wanted_form_is_given_as_it_is_whatever_it_is() {
    for client in [&openai_chat::CLIENT, &anthropic::CLIENT, &responses::CLIENT, &openai_embeddings::CLIENT] {
        for form in [Form::Whole, Form::Stream, Form::StreamWithUsage] {
            assert_eq!(wanted(client, stored(form, "no json"), form).as_deref(), Some("no json"));
        }
        assert_eq!(wanted(client, stored(Form::Whole, "no json"), Form::Stream), None);
        assert_eq!(wanted(client, stored(Form::Stream, "no stream"), Form::Whole), None);
    }
    let vectors = r#"{"object":"list","data":[]}"#;
    assert_eq!(wanted(&openai_embeddings::CLIENT, stored(Form::Whole, vectors), Form::Stream), None);
}

#[test]
fn a_message_survives_as_a_stream_with_its_thinking_and_calls() {
    let whole = message(json!([
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "text", "text": "let me look"},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"z": 1, "a": [1.5, "x"]}},
        {"type": "tool_use", "id": "toolu_2", "name": "rest", "input": {}}
    ]));
    let back = there_and_back(&anthropic::CLIENT, &whole.to_string()).expect("a conversion");
    let mut back = json(&back);
    back["usage"] = whole["usage"].clone();
    assert_eq!(back, whole);
}

#[test]
fn a_message_with_anything_else_is_not_converted() {
    let text = json!({"type": "text", "text": "so"});
    for content in [
        json!([text, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]),
        json!([{"type": "text", "text": "so", "citations": [{"type": "char_location"}]}]),
        json!([{"type": "tool_use", "id": "t", "name": "n", "input": {}, "caller": {"type": "direct"}}]),
        // Two texts would become one.
        json!([text, text]),
    ] {
        let whole = message(content).to_string();
        assert_eq!(wanted(&anthropic::CLIENT, stored(Form::Whole, &*whole), Form::Stream), None, "{whole}");
    }
    for (field, value) in [
        ("stop_reason", json!("pause_turn")),
        ("stop_sequence", json!("END")),
        ("container", json!({"id": "c"})),
        ("new", json!(1)),
    ] {
        let mut whole = message(json!([text]));
        whole[field] = value;
        assert_eq!(wanted(&anthropic::CLIENT, stored(Form::Whole, whole.to_string()), Form::Stream), None, "{whole}");
    }
}

#[test]
fn a_legacy_completion_is_converted() {
    let whole = r#"{"id":"cmpl","object":"text_completion","created":7,"model":"m","choices":[{"text":"so","index":0,
        "logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
    let stream = wanted(&completions::CLIENT, stored(Form::Whole, whole), Form::StreamWithUsage).expect("a stream");
    let back = json(&wanted(&completions::CLIENT, stored(Form::StreamWithUsage, stream), Form::Whole).unwrap());
    assert_eq!((&back["choices"], &back["created"]), (&json(whole)["choices"], &json!(7)));
    assert_eq!(back["usage"]["total_tokens"], 2);
}

#[test]
fn a_chat_completion_survives_as_a_stream_with_its_calls_and_choices() {
    let whole = json!({"id": "c", "object": "chat.completion", "created": 7, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "so", "refusal": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
            "logprobs": null, "finish_reason": "tool_calls"},
        {"index": 1, "message": {"role": "assistant", "content": "or so", "refusal": null},
            "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}});
    let stream = wanted(&openai_chat::CLIENT, stored(Form::Whole, whole.to_string()), Form::StreamWithUsage).unwrap();
    let back = json(&wanted(&openai_chat::CLIENT, stored(Form::StreamWithUsage, &*stream), Form::Whole).unwrap());
    assert_eq!((&back["choices"], &back["id"], &back["created"]), (&whole["choices"], &whole["id"], &whole["created"]));
    // A stream without usage is completed with the usage that the gateway knows, or not at all.
    let without = wanted(&openai_chat::CLIENT, stored(Form::StreamWithUsage, &*stream), Form::Stream).unwrap();
    assert!(!without.contains("usage"), "{without}");
    let back = json(&wanted(&openai_chat::CLIENT, stored(Form::Stream, &*without), Form::Whole).unwrap());
    assert_eq!(back["usage"]["prompt_tokens"], 12);
    let unknown = CachedResponse { usage: None, ..stored(Form::Stream, &*without) };
    assert_eq!(wanted(&openai_chat::CLIENT, unknown, Form::Whole), None);
    // A stream that broke off is never whole.
    let broken = stream.split_inclusive("\n\n").take(3).collect::<String>();
    assert_eq!(wanted(&openai_chat::CLIENT, stored(Form::StreamWithUsage, broken), Form::Whole), None);
}

fn response(output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 7, "status": "completed", "completed_at": 9, "error": null,
        "model": "m", "output": output, "temperature": 1.0, "tools": [{"type": "function", "name": "f"}],
        "metadata": {"a": "b"}, "user": "ann", "store": true, "new": {"x": 1},
        "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}})
}

fn output() -> Value {
    json!([
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": "one", "annotations": [{"type": "url_citation", "url": "u"}],
                "logprobs": [{"token": "one", "logprob": -0.25}]},
            {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\": 1}", "status": "completed"}
    ])
}

#[test]
fn a_response_survives_as_a_stream_with_all_its_fields() {
    let whole = response(output());
    let back = there_and_back(&responses::CLIENT, &whole.to_string()).expect("a conversion");
    assert_eq!(json(&back), whole);
}

#[test]
fn the_stream_of_a_response_reads_as_the_same_response() {
    use sluice_wire::dialect::aliases::Names;
    use sluice_wire::dialect::translate::{ResponseContext, answer_in_any_form};
    let whole = response(output()).to_string();
    let stream = wanted(&responses::CLIENT, stored(Form::Whole, &*whole), Form::Stream).unwrap();
    let names = Names::default();
    let context = ResponseContext {
        id: "",
        model: "m",
        now: 0,
        encoding: sluice_wire::embedding::Encoding::default(),
        estimate: 0,
        names: &names,
    };
    let (client, provider) = (responses::CLIENT.chat().unwrap(), responses::CLIENT.provider.chat().unwrap());
    let read =
        |body: &str, streamed| answer_in_any_form(client, provider, (body.as_bytes(), streamed), &context).unwrap().0;
    let (one, other) = (read(&whole, false), read(&stream, true));
    assert_eq!((one.choices, one.usage, one.id), (other.choices, other.usage, other.id));
    let events: Vec<Value> = stream
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data = json(data.strip_prefix("data: ").unwrap());
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        })
        .collect();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    assert_eq!(events[0]["response"]["status"], "in_progress");
    assert_eq!((&events[0]["response"]["output"], &events[0]["response"]["usage"]), (&json!([]), &Value::Null));
    assert_eq!(events.last().unwrap()["type"], "response.completed");
}

#[test]
fn a_response_that_is_too_large_is_not_converted() {
    let of = |length: usize| {
        let part = json!({"type": "output_text", "text": "x".repeat(length), "annotations": []});
        response(json!([{"type": "message", "id": "m", "content": [part]}])).to_string()
    };
    for (length, is_converted) in [(1 << 10, true), (1 << 20, false)] {
        let stream = wanted(&responses::CLIENT, stored(Form::Whole, of(length)), Form::Stream);
        assert_eq!(stream.is_some(), is_converted, "{length}");
    }
}

#[test]
fn a_response_with_an_item_that_streams_in_its_own_way_is_not_converted() {
    for item in [
        json!({"type": "web_search_call", "id": "ws", "status": "completed"}),
        json!({"type": "custom_tool_call", "id": "c", "call_id": "c", "name": "f", "input": "x"}),
        json!({"type": "message", "id": "m", "content": [{"type": "output_audio"}]}),
        json!({"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}),
    ] {
        let whole = response(json!([item])).to_string();
        assert_eq!(wanted(&responses::CLIENT, stored(Form::Whole, &*whole), Form::Stream), None, "{whole}");
    }
}

#[test]
fn nobody_is_told_anothers_user_or_metadata() {
    let whole = response(output());
    let request = |text: &'static str| {
        let canonical = Canonical::of(text.as_bytes(), responses::CLIENT.id()).unwrap();
        (text.as_bytes(), canonical.repeats(responses::CLIENT.id()))
    };
    let (_, anns) = request(r#"{"user":"ann","metadata":{"a":"b"}}"#);
    let entry = |form, body: String| CachedResponse { repeats: anns, ..stored(form, body) };
    let streamed = Wanted { client: &responses::CLIENT, form: Form::Stream, repeats: anns, request: b"{}" };
    let stream = streamed.of(entry(Form::Whole, whole.to_string())).unwrap().body;
    for (text, user, metadata) in [
        ("{}", Value::Null, json!({})),
        (r#"{"user":"bob"}"#, json!("bob"), json!({})),
        (r#"{"metadata":{"c":"d"}}"#, Value::Null, json!({"c": "d"})),
    ] {
        let (body, repeats) = request(text);
        let mut expected = whole.clone();
        (expected["user"], expected["metadata"]) = (user, metadata);
        for (form, stored) in
            [(Form::Whole, whole.to_string()), (Form::Stream, String::from_utf8(stream.clone()).unwrap())]
        {
            let found = |form_wanted| {
                let wanted = Wanted { client: &responses::CLIENT, form: form_wanted, repeats, request: body };
                String::from_utf8(wanted.of(entry(form, stored.clone())).unwrap().body).unwrap()
            };
            assert_eq!(json(&found(Form::Whole)), expected, "{text}");
            let stream = found(Form::Stream);
            assert!(!stream.contains("\"ann\"") && !stream.contains(r#"{"a":"b"}"#), "{text} {stream}");
        }
    }
}
