//! Thought signatures in both directions.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::Choice;
use crate::dialect::aliases::Names;
use crate::dialect::halves::{ANTHROPIC, Both, GEMINI, OPENAI_CHAT};
use crate::dialect::{Opening, translate};
use crate::embedding::Encoding;

fn read(parts: Value) -> Choice {
    let body = json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]});
    GEMINI.read_response(body.to_string().as_bytes()).unwrap().choices.remove(0)
}

/// The model's turn with these parts, as the gateway sends it back to Google.
fn sent_back(parts: Vec<Part>) -> Value {
    contents(vec![says(Role::User, "Hi"), message(Role::Assistant, parts)], GEMINI_2)[1]["parts"].take()
}

/// Orders parts as clients of OpenAI's format send them back: reasoning, text, calls.
fn gathered(parts: Vec<Part>) -> Vec<Part> {
    let mut parts = parts;
    parts.sort_by_key(|part| match part {
        Part::Thinking { .. } => 0,
        Part::ToolCall { .. } => 2,
        _ => 1,
    });
    parts
}

#[test]
fn a_signature_becomes_thinking_before_the_part_it_came_with() {
    let choice = read(json!([
        {"text": "Hm.", "thought": true},
        {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "U0lH"},
        {"text": "so", "thoughtSignature": "VEVYVA=="},
    ]));
    assert_eq!(
        choice.parts,
        [signed("Hm.", &google("U0lH")), call("a", "f", "{}"), signed("", &google("text:VEVYVA==")), words("so"),]
    );
}

#[test]
fn signatures_go_back_to_their_parts_and_thoughts_do_not() {
    let came = json!([
        {"text": "Hm.", "thought": true},
        {"text": "Let me see.", "thoughtSignature": "VA=="},
        {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "Q0E="},
        {"functionCall": {"id": "b", "name": "f", "args": {}}},
    ]);
    let back = json!([
        {"text": "Let me see.", "thoughtSignature": "VA=="},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "Q0E="},
        {"functionCall": {"name": "f", "args": {}}},
    ]);
    let parts = read(came).parts;
    assert_eq!(sent_back(parts.clone()), back);
    assert_eq!(sent_back(gathered(parts)), back);
}

#[test]
fn a_signature_on_an_empty_text_comes_back_on_one() {
    let came = json!([{"text": "Hello"}, {"text": "", "thoughtSignature": "RU5E"}]);
    let parts = read(came.clone()).parts;
    assert_eq!(parts, [words("Hello"), signed("", &google("text:RU5E"))]);
    assert_eq!(sent_back(parts.clone()), came);
    assert_eq!(sent_back(gathered(parts)), json!([{"text": "Hello", "thoughtSignature": "RU5E"}]));
}

#[test]
fn a_signature_on_a_thought_goes_to_what_the_thought_led_to() {
    let parts = read(json!([
        {"text": "Hm.", "thought": true, "thoughtSignature": "VEg="},
        {"functionCall": {"id": "a", "name": "f", "args": {}}},
    ]));
    assert_eq!(
        sent_back(parts.parts),
        json!([{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "VEg="}])
    );
}

#[test]
fn signatures_of_others_and_bare_thoughts_are_left_out_and_named() {
    let foreign = [
        signed("Hm.", "EqQBCg=="),
        signed("Hm.", "openai#gAAAA"),
        Part::Thinking { text: "Hm.".to_owned(), signature: None },
        Part::RedactedThinking { data: "x".to_owned() },
    ];
    for part in foreign {
        let request = chat(vec![says(Role::User, "Hi"), message(Role::Assistant, vec![part, words("a")])]);
        let written = write(&request);
        assert_eq!(written.dropped, ["messages.reasoning_content"]);
        assert_eq!(tree(&written.body)["contents"][1]["parts"], json!([{"text": "a"}]));
    }
    let own = chat(vec![message(Role::Assistant, vec![signed("Hm.", &google("QQ==")), words("a")])]);
    assert!(write(&own).dropped.is_empty());
}

/// Three steps since the user's last message, and one before.
fn steps() -> Vec<Message> {
    let step = |id: &str, parts: Vec<Part>| [message(Role::Assistant, parts), result(id, "x")];
    let mut turns = vec![says(Role::User, "Before")];
    turns.extend(step("0", vec![call("0", "f", "")]));
    turns.extend([says(Role::Assistant, "Done"), says(Role::User, "Now")]);
    turns.extend(step("1", vec![signed("", &google("T05F")), call("1", "f", "")]));
    turns.extend(step("2", vec![signed("", "EqQBCg=="), call("2", "f", ""), call("3", "f", "")]));
    turns
}

fn call_signatures(model: &str) -> Vec<Value> {
    let contents = contents(steps(), model);
    let parts = contents.as_array().unwrap().iter().flat_map(|turn| turn["parts"].as_array().unwrap());
    parts.filter(|part| part["functionCall"].is_object()).map(|part| part["thoughtSignature"].clone()).collect()
}

#[test]
fn the_first_call_of_a_step_without_a_signature_gets_the_documented_one_for_gemini_3() {
    let dummy = json!("skip_thought_signature_validator");
    let signed = [json!(null), json!("T05F"), dummy, json!(null)];
    assert_eq!(call_signatures("gemini-3-pro-preview"), signed);
    assert_eq!(call_signatures("gemini-pro-latest"), signed);
}

#[test]
fn older_models_get_no_signature_that_they_did_not_make() {
    for model in ["gemini-2.5-pro", "gemini-2.0-flash", "tunedModels/x"] {
        assert_eq!(call_signatures(model), [json!(null), json!("T05F"), json!(null), json!(null)], "{model}");
    }
}

/// A call with its signature, as Google sends it.
fn called() -> Value {
    json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [
        {"text": "Hm.", "thought": true},
        {"text": "Let me see."},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "U0lH"},
    ]}}], "responseId": "r1"})
}

/// The turn that Google receives when a client of `client` sends back the turn that `model_turn` makes of the response.
fn through(client: Both, answer: &Value, model_turn: impl Fn(&Value) -> Value) -> Value {
    let context = translate::ResponseContext {
        model: "m",
        id: "i",
        now: 0,
        encoding: Encoding::default(),
        estimate: 0,
        names: &Names::default(),
    };
    let answer = translate::answer(client.client, GEMINI.provider, answer.to_string().as_bytes(), &context).unwrap();
    let turns = json!([{"role": "user", "content": "Hi"}, model_turn(&tree(&answer.body))]);
    let request = json!({"model": "m", "max_tokens": 9, "messages": turns});
    let written = translate::request(client.client, GEMINI.provider, request.to_string().as_bytes(), GEMINI_2).unwrap();
    tree(&written.body)["contents"][1]["parts"].take()
}

#[test]
fn signatures_travel_through_clients_of_other_formats() {
    let back = json!([
        {"text": "Let me see."},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "U0lH"},
    ]);
    let openai = |answer: &Value| answer["choices"][0]["message"].clone();
    assert_eq!(through(OPENAI_CHAT, &called(), openai), back);
    let anthropic = |answer: &Value| json!({"role": "assistant", "content": answer["content"]});
    assert_eq!(through(ANTHROPIC, &called(), anthropic), back);
}

#[test]
fn a_streamed_signature_reaches_a_client_as_one_whole_block() {
    let mut events = Vec::new();
    GEMINI.stream_reader().read(format!("data: {}\n\n", called()).as_bytes(), &mut events).unwrap();
    let opening = Opening {
        model: "m".to_owned(),
        now: 0,
        include_usage: false,
        estimate: 0,
        guises: crate::conversation::Guises::none(),
    };
    let mut writer = OPENAI_CHAT.stream_writer(opening);
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, &mut out));
    let stream = String::from_utf8(out).unwrap();
    let block = r#""thinking_blocks":[{"type":"thinking","index":0,"thinking":"","signature":"gemini#U0lH"}]"#;
    assert_eq!(stream.matches(block).count(), 1, "{stream}");
}
