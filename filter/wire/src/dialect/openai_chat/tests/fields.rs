//! Tests every row of the field table.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::request_with;
use crate::dialect::FieldPolicy;
use crate::dialect::halves::OPENAI_CHAT;

/// A request that sets the field, and the field's path in errors.
fn sample(path: &str) -> (String, &str) {
    let top = |fields: &str| request_with(fields);
    let message = |message: &str| format!(r#"{{"model":"m","messages":[{message}]}}"#);
    let user = |part: &str| message(&format!(r#"{{"role":"user","content":[{part}]}}"#));
    let assistant = |fields: &str| message(&format!(r#"{{"role":"assistant","content":"a",{fields}}}"#));
    let body = match path {
        "model" | "messages" | "messages[].role" | "messages[].content" => top(""),
        "max_completion_tokens" => top(r#""max_completion_tokens":7"#),
        "max_tokens" => top(r#""max_tokens":7"#),
        "temperature" => top(r#""temperature":0.5"#),
        "top_p" => top(r#""top_p":0.5"#),
        "top_k" => top(r#""top_k":5"#),
        "n" => top(r#""n":2"#),
        "stop" => top(r#""stop":"x""#),
        "seed" => top(r#""seed":-3"#),
        "frequency_penalty" => top(r#""frequency_penalty":1"#),
        "presence_penalty" => top(r#""presence_penalty":1"#),
        "response_format" => top(r#""response_format":{"type":"json_object"}"#),
        "response_format.json_schema" => {
            top(r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}"#)
        }
        "tools" | "tools[].function" => top(r#""tools":[{"type":"function","function":{"name":"f"}}]"#),
        "tools[].cache_control" => {
            top(r#""tools":[{"type":"function","function":{"name":"f"},"cache_control":{"type":"ephemeral"}}]"#)
        }
        "tools[].custom" => return (top(r#""tools":[{"type":"custom","custom":{"name":"f"}}]"#), "tools[0].type"),
        "tool_choice" => top(r#""tool_choice":"required""#),
        "tool_choice.function" => top(r#""tool_choice":{"type":"function","function":{"name":"f"}}"#),
        "tool_choice.allowed_tools" => {
            return (top(r#""tool_choice":{"type":"allowed_tools","allowed_tools":{}}"#), "tool_choice.type");
        }
        "tool_choice.custom" => return (top(r#""tool_choice":{"type":"custom","custom":{}}"#), "tool_choice.type"),
        "parallel_tool_calls" => top(r#""parallel_tool_calls":false"#),
        "stream" => top(r#""stream":true"#),
        "stream_options" | "stream_options.include_usage" => top(r#""stream_options":{"include_usage":true}"#),
        "stream_options.include_obfuscation" => top(r#""stream_options":{"include_obfuscation":false}"#),
        "reasoning_effort" => top(r#""reasoning_effort":"low""#),
        "thinking" => top(r#""thinking":{"type":"enabled","budget_tokens":2048}"#),
        "service_tier" => top(r#""service_tier":"flex""#),
        "user" => top(r#""user":"u""#),
        "logit_bias" => top(r#""logit_bias":{"50256":-100}"#),
        "logprobs" => top(r#""logprobs":true"#),
        "top_logprobs" => top(r#""top_logprobs":2"#),
        "audio" => top(r#""audio":{"voice":"alloy","format":"wav"}"#),
        "modalities" => top(r#""modalities":["text","audio"]"#),
        "prediction" => top(r#""prediction":{"type":"content","content":"x"}"#),
        "web_search_options" => top(r#""web_search_options":{}"#),
        "function_call" => top(r#""function_call":{"name":"f"}"#),
        "functions" => top(r#""functions":[{"name":"f"}]"#),
        "metadata" => top(r#""metadata":{"a":"b"}"#),
        "store" => top(r#""store":true"#),
        "prompt_cache_key" => top(r#""prompt_cache_key":"k""#),
        "prompt_cache_retention" => top(r#""prompt_cache_retention":"24h""#),
        "prompt_cache_options" => top(r#""prompt_cache_options":{"mode":"explicit"}"#),
        "moderation" => top(r#""moderation":{"input":true}"#),
        "safety_identifier" => top(r#""safety_identifier":"s""#),
        "verbosity" => top(r#""verbosity":"low""#),
        "messages[].name" => message(r#"{"role":"user","content":"a","name":"n"}"#),
        "messages[].refusal" => assistant(r#""refusal":"no""#),
        "messages[].reasoning_details" => assistant(
            r#""reasoning_details":[{"type":"reasoning.text","format":"anthropic-claude-v1","text":"h","signature":"s"}]"#,
        ),
        "messages[].extra_content" => assistant(r#""extra_content":{"google":{"thought_signature":"QQ=="}}"#),
        "messages[].provider_specific_fields" => assistant(r#""provider_specific_fields":{"a":1}"#),
        "messages[].prefix" => return (assistant(r#""prefix":true"#), "messages[0].prefix"),
        "messages[].tool_calls[].extra_content" => assistant(
            r#""tool_calls":[{"id":"c","function":{"name":"f"},"extra_content":{"google":{"thought_signature":"QQ=="}}}]"#,
        ),
        "messages[].tool_calls[].provider_specific_fields" => assistant(
            r#""tool_calls":[{"id":"c","function":{"name":"f"},"provider_specific_fields":{"thought_signature":"QQ=="}}]"#,
        ),
        "messages[].tool_calls" | "messages[].tool_calls[].function" | "messages[].tool_calls[].id" => {
            assistant(r#""tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]"#)
        }
        "messages[].tool_calls[].cache_control" => assistant(
            r#""tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"cache_control":{"type":"ephemeral"}}]"#,
        ),
        "messages[].tool_calls[].custom" => {
            let body = assistant(r#""tool_calls":[{"id":"c","type":"custom","custom":{}}]"#);
            return (body, "messages[0].tool_calls[0].type");
        }
        "messages[].tool_call_id" => message(r#"{"role":"tool","content":"a","tool_call_id":"c"}"#),
        "messages[].reasoning_content" => assistant(r#""reasoning_content":"r""#),
        "messages[].reasoning" => assistant(r#""reasoning":"r""#),
        "messages[].thinking_blocks" => assistant(r#""thinking_blocks":[{"type":"thinking","thinking":"t"}]"#),
        "messages[].cache_control" => {
            message(r#"{"role":"user","content":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}"#)
        }
        "messages[].annotations" => assistant(r#""annotations":[{"type":"url_citation"}]"#),
        "messages[].audio" => return (assistant(r#""audio":{"id":"a"}"#), "messages[0].audio"),
        "messages[].function_call" => {
            return (assistant(r#""function_call":{"name":"f","arguments":""}"#), "messages[0].function_call");
        }
        "messages[].content[].text" => user(r#"{"type":"text","text":"other"}"#),
        "messages[].content[].refusal" => {
            message(r#"{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}"#)
        }
        "messages[].content[].image_url" => user(r#"{"type":"image_url","image_url":{"url":"https://a/b.png"}}"#),
        "messages[].content[].file" => {
            user(r#"{"type":"file","file":{"file_data":"data:application/pdf;base64,AA==","filename":"a.pdf"}}"#)
        }
        "messages[].content[].cache_control" => {
            user(r#"{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}"#)
        }
        "messages[].content[].prompt_cache_breakpoint" => {
            user(r#"{"type":"text","text":"hi","prompt_cache_breakpoint":{"mode":"explicit"}}"#)
        }
        "messages[].content[].input_audio" => {
            return (user(r#"{"type":"input_audio","input_audio":{}}"#), "messages[0].content[0].type");
        }
        "messages[].content[].file.file_id" => {
            return (user(r#"{"type":"file","file":{"file_id":"f"}}"#), "messages[0].content[0].file.file_id");
        }
        other => panic!("no sample for the field {other}"),
    };
    (body, path)
}

#[test]
fn every_field_meets_its_fate() {
    let plain = OPENAI_CHAT.read_request(request_with("").as_bytes()).unwrap();
    let always = ["model", "messages", "messages[].role", "messages[].content"];
    for (path, policy, _) in OPENAI_CHAT.fields() {
        let (body, param) = sample(path);
        let read = OPENAI_CHAT.read_request(body.as_bytes());
        match policy {
            FieldPolicy::Mapped => {
                let read = read.unwrap_or_else(|error| panic!("{path}: {error:?}"));
                assert!(always.contains(path) || read != plain, "{path} changes nothing");
                assert!(read.dropped.is_empty(), "{path}");
            }
            FieldPolicy::Refused => {
                let error = read.expect_err(path);
                assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{path}");
                assert_eq!(error.code.as_deref(), Some("unsupported_parameter"), "{path}");
            }
            FieldPolicy::Dropped => assert_eq!(read.expect(path).dropped, [*path], "{path}"),
        }
    }
}

#[test]
fn defaults_of_refused_fields_and_nulls_pass() {
    let fields = r#""logprobs":false,"top_logprobs":0,"logit_bias":{ },"modalities":[ "text" ],"function_call":"none",
        "functions":[],"audio":null,"n":1,"response_format":{"type":"text"},"tools":[],"stop":null,"made_up":null"#;
    let read = OPENAI_CHAT.read_request(request_with(fields).as_bytes()).unwrap();
    assert_eq!(read.n, Some(1));
    assert!(read.dropped.is_empty() && read.output.is_none());
}

#[test]
fn what_is_not_known_is_refused_by_its_path() {
    let message = |message: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"a"}},{message}]}}"#);
    let cases = [
        (request_with(r#""made_up":1"#), "made_up"),
        (request_with(r#""stream_options":{"x":1}"#), "stream_options.x"),
        (request_with(r#""tools":[{"type":"function","function":{"name":"f","x":1}}]"#), "tools[0].function.x"),
        (message(r#"{"role":"user","content":"a","tool_calls":[]}"#), "messages[1].tool_calls"),
        (message(r#"{"role":"user","content":[{"type":"text","text":"a","x":1}]}"#), "messages[1].content[0].x"),
        (
            message(r#"{"role":"assistant","tool_calls":[{"id":"c","x":1,"function":{"name":"f"}}]}"#),
            "messages[1].tool_calls[0].x",
        ),
        (request_with(r#""response_format":{"type":"json_object","x":1}"#), "response_format.x"),
    ];
    for (body, path) in cases {
        let error = OPENAI_CHAT.read_request(body.as_bytes()).expect_err(path);
        let got = (error.status, error.param.as_deref(), error.code.as_deref());
        assert_eq!(got, (400, Some(path), Some("unknown_parameter")), "{body}");
    }
}
