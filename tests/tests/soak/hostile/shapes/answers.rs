//! Non-streamed responses that expand, are deeply nested, contain more than they seem to, or have invalid numbers.

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::super::provider::Reply;
use super::{CHAT, EMBEDDINGS, MESSAGES, MIB, RESPONSES, Row};

/// Valid responses.
pub const CHAT_ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#;
pub const MESSAGE: &str = r#"{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}"#;

pub const LIST: &str = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}"#;

const BAD: &[u16] = &[502];
const EITHER: &[u16] = &[200, 502];

pub const ROWS: &[Row] = &[
    Row::whole("answer-of-tiny-blocks", "anthropic", RESPONSES, blocks, BAD),
    Row::whole("answer-of-empty-calls", "openai", MESSAGES, calls, BAD),
    Row::whole("answer-of-a-long-vector", "gemini", EMBEDDINGS, vector, BAD),
    Row::whole("answer-of-control-characters", "openai", MESSAGES, controls, EITHER),
    Row::whole("answer-of-empty-choices", "openai", MESSAGES, choices, EITHER),
    Row::whole("answer-of-empty-choices-passed", "openai", CHAT, choices, EITHER),
    Row::whole("answer-nested-deeply", "openai", MESSAGES, deep, EITHER),
    Row::whole("answer-nested-deeply-passed", "openai", CHAT, deep, EITHER),
    Row::whole("answer-nested-deeply-of-gemini", "gemini", CHAT, deep_part, EITHER),
    Row::whole("answer-larger-than-may-be", "openai", CHAT, large, BAD),
    Row::whole("answer-of-nothing-but-space", "anthropic", CHAT, space, BAD),
    Row::whole("answer-compressed", "openai", CHAT, compressed, BAD),
    Row::whole("answer-that-is-a-bomb", "anthropic", CHAT, bomb, BAD),
    Row::whole("answer-of-bytes", "gemini", CHAT, bytes, BAD),
    Row::whole("answer-with-counts-beyond-all", "openai", CHAT, || counts("18446744073709551615", "1e30"), EITHER)
        .by("counts"),
    Row::whole("answer-with-negative-counts", "openai", MESSAGES, || counts("-5", "-0.5"), EITHER).by("counts"),
    Row::whole("answer-with-counts-of-text", "openai", CHAT, || counts("\"none\"", "[1,2]"), EITHER).by("counts"),
    Row::whole("answer-for-a-schema-of-patterns", "openai", CHAT, strings, EITHER).asking(patterns),
    Row::whole("answer-for-a-schema-of-classes", "openai", CHAT, strings, EITHER).asking(classes),
    Row::whole("answer-for-a-schema-of-names", "openai", CHAT, objects, EITHER).asking(names),
    Row::whole("answer-for-a-schema-of-many-words", "openai", CHAT, strings, EITHER).asking(words),
    Row::whole("answer-for-a-schema-of-unique-items", "openai", CHAT, numbers, EITHER).asking(unique),
    Row::whole("answer-for-a-schema-that-names-itself", "openai", CHAT, strings, EITHER).asking(itself),
];

/// A valid response of this length.
pub fn long(bytes: usize) -> Reply {
    let (before, after) = CHAT_ANSWER.split_once("hi").expect("its text");
    Reply::json().then(before).repeat("0123456789abcdef".repeat(4096), bytes >> 16).then(after)
}

fn blocks() -> Reply {
    Reply::json()
        .then(r#"{"id":"m","type":"message","role":"assistant","model":"x","stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1},"content":["#)
        .list(r#"{"type":"text","text":"x"}"#, 28 * MIB)
        .then("]}")
}

fn calls() -> Reply {
    Reply::json()
        .then(r#"{"choices":[{"index":0,"message":{"role":"assistant","tool_calls":["#)
        .list(r#"{"function":{}}"#, 31 * MIB)
        .then(r#"]},"finish_reason":"tool_calls"}]}"#)
}

fn vector() -> Reply {
    Reply::json().then(r#"{"embeddings":[{"values":["#).list("0", 25 * MIB).then("]}]}")
}

fn controls() -> Reply {
    Reply::json()
        .then(r#"{"choices":[{"index":0,"message":{"role":"assistant","content":""#)
        .repeat("\\u0001".repeat(4096), 24 * MIB / (6 * 4096))
        .then(r#""},"finish_reason":"stop"}]}"#)
}

fn choices() -> Reply {
    Reply::json().then(r#"{"choices":["#).list("{}", 12 * MIB).then("]}")
}

fn deep() -> Reply {
    let (open, close) = ("[".repeat(1 << 16), "]".repeat(1 << 16));
    Reply::json()
        .then(r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"#)
        .repeat(open, 4)
        .repeat(close, 4)
        .then(r#"},"finish_reason":"stop"}]}"#)
}

fn deep_part() -> Reply {
    let (open, close) = (r#"{"args":"#.repeat(1 << 13), "}".repeat(1 << 13));
    Reply::json()
        .then(r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":"#)
        .repeat(open, 8)
        .then("1")
        .repeat(close, 8)
        .then("}}]}}]}")
}

fn large() -> Reply {
    Reply::json().chunked().then(r#"{"choices":[{"message":{"content":""#).repeat("x".repeat(MIB), 40).then(r#""}}]}"#)
}

fn space() -> Reply {
    Reply::json().chunked().repeat(" ".repeat(1 << 16), 64 * 16)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("writing to a vector does not fail")
}

fn compressed() -> Reply {
    Reply::json().header("content-encoding: gzip").then(gzip(CHAT_ANSWER.as_bytes()))
}

fn bomb() -> Reply {
    Reply::json().header("content-encoding: gzip").repeat(gzip(&vec![b' '; 4 * MIB]), 64)
}

fn bytes() -> Reply {
    Reply::json().repeat([0xff, 0xfe, 0x00, b'{'].repeat(4096), 256)
}

fn counts(input: &str, output: &str) -> Reply {
    let (before, _) = CHAT_ANSWER.split_once(r#""usage""#).expect("a usage");
    Reply::json().then(format!(r#"{before}"usage":{{"prompt_tokens":{input},"completion_tokens":{output}}}}}"#))
}

/// A response whose text is this JSON.
fn saying(json: &str) -> Reply {
    let text = Value::from(json).to_string();
    Reply::json().then(CHAT_ANSWER.replace(r#""hi""#, &text))
}

fn strings() -> Reply {
    saying(&format!("[{}]", vec!["\"aaaa\""; 2_000].join(",")))
}

fn objects() -> Reply {
    saying(&format!("[{}]", vec![r#"{"a":1,"b":2}"#; 1_000].join(",")))
}

fn numbers() -> Reply {
    saying(&format!("[{}]", (0..20_000).map(|number| number.to_string()).collect::<Vec<_>>().join(",")))
}

fn schema(schema: Value) -> Value {
    json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}})
}

fn patterns() -> Value {
    schema(json!({"type": "array", "items": {"type": "string", "pattern": r"(?:\w{0,50}){0,20}"}}))
}

fn classes() -> Value {
    schema(json!({"type": "array", "items": {"type": "string", "pattern": r"\w{80}|".repeat(40) + "a"}}))
}

fn names() -> Value {
    let properties = json!({r"(?:\w{0,40}){0,20}": {}, r"(?:\d{0,40}){0,20}": {}, r"(?:\s{0,40}){0,20}": {}});
    schema(json!({"type": "array", "items": {"type": "object", "patternProperties": properties}}))
}

fn words() -> Value {
    let words: Vec<String> = (0..200_000).map(|number| format!("w{number}")).collect();
    schema(json!({"type": "array", "items": {"anyOf": [{"enum": words}, {"type": "string"}]}}))
}

fn unique() -> Value {
    schema(json!({"type": "array", "uniqueItems": true}))
}

fn itself() -> Value {
    schema(json!({"$ref": "#/$defs/a", "$defs": {
        "a": {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]},
        "b": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]},
    }}))
}
