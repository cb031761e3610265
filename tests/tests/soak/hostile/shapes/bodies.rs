//! Bodies that expand, nest, are highly repetitive, or are not valid requests: each in one request, to a provider with a valid response.

use serde_json::json;
use sluice_tests::chance::Chance;

use super::{BOUNDARY, CHAT, EMBEDDINGS, MESSAGES, MIB, RESPONSES, Row, listed, plain};

const FORMS: &str = "/v1/audio/transcriptions";

/// The statuses for an invalid request. `EITHER` also allows success, since a provider of the same format may get the request unread.
const BAD: &[u16] = &[400, 413];
const EITHER: &[u16] = &[200, 400, 413];

pub const ROWS: &[Row] = &[
    Row::body("empty-inputs-for-gemini", EMBEDDINGS, empty_inputs, BAD),
    Row::body(
        "numbers-as-inputs",
        EMBEDDINGS,
        |chance| listed(r#"{"model":"small-list","input":[ITEMS]}"#, "1", size(chance)),
        EITHER,
    ),
    Row::body(
        "lists-as-inputs-for-gemini",
        EMBEDDINGS,
        |chance| listed(r#"{"model":"small-vector","input":[ITEMS]}"#, "[]", size(chance)),
        BAD,
    ),
    Row::body(
        "empty-messages-translated",
        CHAT,
        |chance| {
            listed(r#"{"model":"small-claude","messages":[ITEMS]}"#, r#"{"role":"user","content":""}"#, size(chance))
        },
        BAD,
    ),
    Row::body(
        "empty-messages-passed",
        CHAT,
        |chance| listed(r#"{"model":"small","messages":[ITEMS]}"#, "{}", size(chance)),
        EITHER,
    ),
    Row::body(
        "empty-blocks",
        MESSAGES,
        |chance| {
            listed(
                r#"{"model":"small","max_tokens":1,"messages":[{"role":"user","content":[ITEMS]}]}"#,
                r#"{"type":"text","text":""}"#,
                size(chance),
            )
        },
        EITHER,
    ),
    Row::body(
        "empty-tools",
        CHAT,
        |chance| {
            listed(
                r#"{"model":"small-claude","messages":[{"role":"user","content":"hi"}],"tools":[ITEMS]}"#,
                r#"{"type":"function","function":{"name":"f"}}"#,
                size(chance),
            )
        },
        EITHER,
    ),
    Row::body(
        "empty-items",
        RESPONSES,
        |chance| listed(r#"{"model":"small-claude","input":[ITEMS]}"#, r#"{"role":"user","content":[]}"#, size(chance)),
        BAD,
    ),
    Row::body(
        "words-that-stop",
        CHAT,
        |chance| {
            listed(
                r#"{"model":"small-claude","messages":[{"role":"user","content":"hi"}],"stop":[ITEMS]}"#,
                r#""a""#,
                size(chance) / 4,
            )
        },
        EITHER,
    ),
    Row::body("names-in-millions", CHAT, many_names, EITHER),
    Row::body(
        "prompts-in-millions",
        "/v1/completions",
        |chance| listed(r#"{"model":"small","prompt":[ITEMS]}"#, "[1]", size(chance)),
        &[200, 400, 404, 413],
    ),
    Row::body("nested-arrays", CHAT, |chance| nested("[", "]", chance, "x"), BAD),
    Row::body("nested-objects", MESSAGES, |chance| nested(r#"{"a":"#, "}", chance, "tools"), BAD),
    Row::body(
        "nested-without-end",
        CHAT,
        |chance| [br#"{"model":"small","x":"#.to_vec(), vec![b'['; size(chance)]].concat(),
        BAD,
    ),
    Row::body("a-schema-that-nests", CHAT, nested_schema, EITHER),
    Row::body("escapes", CHAT, |chance| text("small-claude", "\\u0041", size(chance)), EITHER),
    Row::body("halves-of-characters", CHAT, |chance| text("small-claude", "\\ud800", size(chance) / 4), EITHER),
    Row::body(
        "control-characters-translated",
        MESSAGES,
        |chance| text_for(MESSAGES, "small", "\\u0000", size(chance)),
        EITHER,
    ),
    Row::body(
        "an-image-that-is-none",
        CHAT,
        |chance| text("small", "data:image/png;base64,AAAA", size(chance)),
        EITHER,
    ),
    Row::body(
        "beginnings-of-private-keys",
        CHAT,
        |chance| text("small-masked", "-----BEGIN PRIVATE KEY-----\\n", masked_size(chance)),
        EITHER,
    )
    .by("masked"),
    Row::body(
        "numbers-of-cards",
        CHAT,
        |chance| text("small-masked", "4111 1111 1111 1111 ", masked_size(chance)),
        EITHER,
    )
    .by("masked"),
    Row::body("digits", CHAT, |chance| text("small-masked", "4", masked_size(chance)), EITHER).by("masked"),
    Row::body("signs-of-mail", CHAT, |chance| text("small-masked", "a@", masked_size(chance)), EITHER).by("masked"),
    Row::body("addresses-that-grow", CHAT, |chance| text("small-masked", "::1 ", size(chance)), EITHER).by("masked"),
    Row::body(
        "what-a-pattern-looks-far-for",
        CHAT,
        |chance| text("small-masked", "BEGIN ", masked_size(chance)),
        EITHER,
    )
    .by("masked"),
    Row::body(
        "a-form-without-end",
        FORMS,
        |chance| [form().into_bytes(), vec![b'-'; size(chance)]].concat(),
        &[200, 400, 404, 413, 502],
    ),
    Row::body(
        "a-form-of-many-parts",
        FORMS,
        |chance| form().repeat(size(chance) / form().len()).into_bytes(),
        &[200, 400, 404, 413, 502],
    ),
    Row::body("no-request", CHAT, no_request, &[400]),
    Row::body("numbers-that-are-none", CHAT, odd_numbers, EITHER),
    Row::body("larger-than-may-be", CHAT, |_| text("small", "0123456789abcdef", 33 * MIB), &[413]),
    Row::body("changed-by-chance", CHAT, |chance| changed(CHAT, chance), &[200, 400, 404]),
    Row::body("changed-by-chance-of-messages", MESSAGES, |chance| changed(MESSAGES, chance), &[200, 400, 404]),
    Row::body("changed-by-chance-of-responses", RESPONSES, |chance| changed(RESPONSES, chance), &[200, 400, 404]),
    Row::body("changed-by-chance-of-embeddings", EMBEDDINGS, |chance| changed(EMBEDDINGS, chance), &[200, 400, 404]),
];

/// Mostly some megabytes, sometimes the maximum.
fn size(chance: &mut Chance) -> usize {
    *chance.weighted(&[(2, 1_000), (4, 2 * MIB), (2, 14 * MIB), (1, 31 * MIB)])
}

/// Bodies that need a detailed search are smaller, since their cost grows by the byte.
fn masked_size(chance: &mut Chance) -> usize {
    *chance.weighted(&[(3, 50_000), (2, 400_000), (1, 4 * MIB)])
}

/// A body whose text repeats `part`.
fn text(model: &str, part: &str, size: usize) -> Vec<u8> {
    text_for(CHAT, model, part, size)
}

fn text_for(path: &str, model: &str, part: &str, size: usize) -> Vec<u8> {
    let body = plain(path, model).to_string();
    body.replace("say hi", &part.repeat(size / part.len())).into_bytes()
}

fn empty_inputs(chance: &mut Chance) -> Vec<u8> {
    let size = chance.pick(&[303, 6_147, 12 * MIB, 14 * MIB, 31 * MIB]);
    listed(r#"{"model":"small-vector","input":[ITEMS]}"#, r#""""#, size)
}

fn many_names(chance: &mut Chance) -> Vec<u8> {
    let names: Vec<String> = (0..size(chance) / 12).map(|number| format!("\"n{number}\":1")).collect();
    format!(r#"{{"model":"small-claude","messages":[{{"role":"user","content":"hi"}}],{}}}"#, names.join(","))
        .into_bytes()
}

fn nested(open: &str, close: &str, chance: &mut Chance, field: &str) -> Vec<u8> {
    let levels = chance.pick(&[200, 10_000, 100_000, 3_000_000]);
    let nest = format!("{}1{}", open.repeat(levels), close.repeat(levels));
    format!(
        r#"{{"model":"small-claude","max_tokens":1,"messages":[{{"role":"user","content":"hi"}}],"{field}":{nest}}}"#
    )
    .into_bytes()
}

fn nested_schema(chance: &mut Chance) -> Vec<u8> {
    let levels = chance.pick(&[30, 100, 120]);
    let (open, close) = (r#"{"allOf":["#.repeat(levels / 2), "]}".repeat(levels / 2));
    format!(
        r#"{{"model":"small-claude","messages":[{{"role":"user","content":"hi"}}],"response_format":{{"type":"json_schema","json_schema":{{"name":"s","schema":{open}{{}}{close}}}}}}}"#
    )
    .into_bytes()
}

fn form() -> String {
    format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nsmall\r\n")
}

fn no_request(chance: &mut Chance) -> Vec<u8> {
    const BODIES: [&[u8]; 12] = [
        b"",
        b" \n\t",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe\x00",
        b"{\"model\":\"small\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\xfe\"}]}",
        br#"{"model":"small","model":"small-claude","messages":[1]}"#,
        br#"{"model":["small"],"messages":[1]}"#,
        br#"{"model":"small","messages":[1],"stream":"yes"}"#,
        br#"{"messages":[{"role":"user","content":"hi"}]}"#,
        br#"{"model":"small","messages":[{"role":"user","content":"hi"}]}}"#,
    ];
    chance.pick(&BODIES).to_vec()
}

fn odd_numbers(chance: &mut Chance) -> Vec<u8> {
    let number = chance.pick(&[
        "-1",
        "0",
        "1e400",
        "-0.0",
        "18446744073709551616",
        "1E+99999",
        "\"7\"",
        "null",
        "[]",
        "0.1e-999999",
    ]);
    let field =
        chance.pick(&["max_tokens", "max_completion_tokens", "n", "temperature", "top_p", "seed", "top_logprobs"]);
    let model = chance.pick(&["small", "small-claude"]);
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}],"{field}":{number}}}"#).into_bytes()
}

/// A valid request with some bytes changed.
fn changed(path: &str, chance: &mut Chance) -> Vec<u8> {
    let model = match path {
        EMBEDDINGS => "small-vector",
        MESSAGES => "small",
        _ => "small-claude",
    };
    let mut body = plain(path, model);
    body["tools"] =
        json!([{"type": "function", "name": "f", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    body["stop"] = json!(["a", "\n"]);
    body["temperature"] = json!(0.5);
    let mut bytes = body.to_string().into_bytes();
    for _ in 0..1 + chance.below(4) {
        let at = chance.below(bytes.len() as u64) as usize;
        match chance.below(4) {
            0 => bytes[at] = chance.below(256) as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, chance.pick(br#""{}[]:,\0"#)),
            _ => {
                let end = (at + chance.below(40) as usize).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}
