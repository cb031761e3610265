//! Tests every row of the field table.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{input, read, request_with};
use crate::dialect::FieldPolicy;
use crate::dialect::halves::RESPONSES;

/// A request that sets the field, and the field's path in errors.
fn sample(path: &'static str) -> (String, String) {
    let (body, param) = match path.strip_prefix("input[].content[].") {
        Some(field) => (in_content(field), format!("input[0].content[0].{field}")),
        None => match (path.strip_prefix("input[]."), path.strip_prefix("tools[].")) {
            (Some(field), _) => (in_item(field), format!("input[0].{field}")),
            (_, Some(field)) => (in_tool(field), format!("tools[0].{field}")),
            _ => (request_with(at_top(path)), path.to_owned()),
        },
    };
    let param = match path {
        "tool_choice.hosted" => "tool_choice.type".to_owned(),
        "tools[].hosted" => "tools[0].type".to_owned(),
        "input[].item_reference" | "input[].hosted" => "input[0].type".to_owned(),
        _ => param,
    };
    (body, param)
}

fn at_top(path: &str) -> &'static str {
    match path {
        "model" | "input" => "",
        "instructions" => r#""instructions":"i""#,
        "tools" => r#""tools":[{"type":"function","name":"f"}]"#,
        "tool_choice" => r#""tool_choice":"required""#,
        "tool_choice.function" => r#""tool_choice":{"type":"function","name":"f"}"#,
        "tool_choice.allowed_tools" => {
            r#""tool_choice":{"type":"allowed_tools","mode":"auto","tools":[]},"tools":[{"type":"function","name":"f"}]"#
        }
        "tool_choice.custom" => r#""tool_choice":{"type":"custom","name":"f"}"#,
        "tool_choice.hosted" => r#""tool_choice":{"type":"mcp","server_label":"s"}"#,
        "parallel_tool_calls" => r#""parallel_tool_calls":false"#,
        "text" | "text.format" => r#""text":{"format":{"type":"json_object"}}"#,
        "text.verbosity" => r#""text":{"verbosity":"low"}"#,
        "reasoning" | "reasoning.effort" => r#""reasoning":{"effort":"low"}"#,
        "reasoning.summary" => r#""reasoning":{"summary":"auto"}"#,
        "reasoning.generate_summary" => r#""reasoning":{"generate_summary":"auto"}"#,
        "reasoning.context" => r#""reasoning":{"context":"all_turns"}"#,
        "reasoning.mode" => r#""reasoning":{"mode":"pro"}"#,
        "max_output_tokens" => r#""max_output_tokens":7"#,
        "temperature" => r#""temperature":0.5"#,
        "top_p" => r#""top_p":0.5"#,
        "service_tier" => r#""service_tier":"flex""#,
        "user" => r#""user":"u""#,
        "stream" => r#""stream":true"#,
        "previous_response_id" => r#""previous_response_id":"r""#,
        "conversation" => r#""conversation":"c""#,
        "prompt" => r#""prompt":{"id":"p"}"#,
        "background" => r#""background":true"#,
        "background_options" => r#""background_options":{"completion_window":"2h"}"#,
        "context_management" => r#""context_management":[{"type":"compaction"}]"#,
        "moderation" => r#""moderation":{"model":"m"}"#,
        "access_programs" => r#""access_programs":{"cyber":"standard"}"#,
        "top_logprobs" => r#""top_logprobs":2"#,
        "store" => r#""store":true"#,
        "truncation" => r#""truncation":"auto""#,
        "include" => r#""include":["web_search_call.results"]"#,
        "max_tool_calls" => r#""max_tool_calls":2"#,
        "metadata" => r#""metadata":{"a":"b"}"#,
        "prompt_cache_key" => r#""prompt_cache_key":"k""#,
        "prompt_cache_retention" => r#""prompt_cache_retention":"24h""#,
        "prompt_cache_options" => r#""prompt_cache_options":{"mode":"explicit"}"#,
        "safety_identifier" => r#""safety_identifier":"s""#,
        "stream_options" => r#""stream_options":{"include_obfuscation":false}"#,
        "client_metadata" => r#""client_metadata":{"a":"b"}"#,
        "image" => r#""image":{"context_compression":"auto"}"#,
        other => panic!("no sample for the field {other}"),
    }
}

fn in_tool(field: &str) -> String {
    let more = match field {
        "name" => "",
        "description" => r#","description":"d""#,
        "parameters" => r#","parameters":{}"#,
        "strict" => r#","strict":true"#,
        "hosted" => return request_with(r#""tools":[{"type":"web_search"}]"#),
        "tools" => {
            let tool = r#"{"type":"function","name":"f"}"#;
            return request_with(&format!(r#""tools":[{{"type":"namespace","name":"n","tools":[{tool}]}}]"#));
        }
        "custom" => return request_with(r#""tools":[{"type":"custom","name":"f"}]"#),
        "tool_search" => return request_with(r#""tools":[{"type":"tool_search","execution":"client"}]"#),
        "defer_loading" => r#","defer_loading":true"#,
        "async" => r#","async":true"#,
        "allowed_callers" => r#","allowed_callers":["programmatic"]"#,
        "output_schema" => r#","output_schema":{"type":"object"}"#,
        other => panic!("no sample for a tool's field {other}"),
    };
    request_with(&format!(r#""tools":[{{"type":"function","name":"f"{more}}}]"#))
}

fn in_item(field: &str) -> String {
    input(match field {
        "role" => r#"{"role":"developer","content":"hi"}"#,
        "content" => r#"{"role":"user","content":"other"}"#,
        "call_id" | "name" | "arguments" => r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}"#,
        "output" => r#"{"type":"function_call_output","call_id":"c","output":"o"}"#,
        "summary" => r#"{"type":"reasoning","summary":[{"type":"summary_text","text":"t"}]}"#,
        "encrypted_content" | "id" => r#"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"e"}"#,
        "status" => r#"{"role":"user","content":"hi","status":"incomplete"}"#,
        "phase" => r#"{"role":"assistant","content":"hi","phase":"commentary"}"#,
        "item_reference" => r#"{"type":"item_reference","id":"x"}"#,
        "hosted" => r#"{"type":"computer_call","id":"x"}"#,
        "web_search_call" => r#"{"role":"user","content":"hi"},{"type":"web_search_call","id":"x"}"#,
        "file_search_call" => r#"{"role":"user","content":"hi"},{"type":"file_search_call","id":"x","queries":[]}"#,
        "code_interpreter_call" => r#"{"role":"user","content":"hi"},{"type":"code_interpreter_call","code":"1"}"#,
        "image_generation_call" => r#"{"role":"user","content":"hi"},{"type":"image_generation_call","result":"AA=="}"#,
        "mcp_call" => r#"{"role":"user","content":"hi"},{"type":"mcp_call","name":"n","output":"o"}"#,
        "mcp_list_tools" => r#"{"role":"user","content":"hi"},{"type":"mcp_list_tools","tools":[]}"#,
        "input" => r#"{"type":"custom_tool_call","call_id":"c","name":"f","input":"i"}"#,
        "tools" => r#"{"type":"additional_tools","role":"developer","tools":[{"type":"custom","name":"f"}]}"#,
        "internal_chat_message_metadata_passthrough" => {
            r#"{"role":"user","content":"hi","internal_chat_message_metadata_passthrough":{"a":1}}"#
        }
        "namespace" => r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}","namespace":"n"}"#,
        "caller" => r#"{"type":"function_call","call_id":"c","name":"f","caller":{"type":"program","caller_id":"p"}}"#,
        other => panic!("no sample for an item's field {other}"),
    })
}

fn in_content(field: &str) -> String {
    let part = match field {
        "text" => r#"{"type":"input_text","text":"other"}"#,
        "image_url" => r#"{"type":"input_image","image_url":"https://a/b.png"}"#,
        "detail" => r#"{"type":"input_image","image_url":"https://a/b.png","detail":"low"}"#,
        "file_data" | "filename" => {
            r#"{"type":"input_file","file_data":"data:application/pdf;base64,AA==","filename":"a.pdf"}"#
        }
        "file_url" => r#"{"type":"input_file","file_url":"https://a/b.pdf"}"#,
        "file_id" => r#"{"type":"input_file","file_id":"f"}"#,
        "prompt_cache_breakpoint" => {
            r#"{"type":"input_text","text":"hi","prompt_cache_breakpoint":{"mode":"explicit"}}"#
        }
        "refusal" => return input(r#"{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}"#),
        "annotations" | "logprobs" => {
            let part = format!(r#"{{"type":"output_text","text":"a","{field}":[{{}}]}}"#);
            return input(&format!(r#"{{"role":"assistant","content":[{part}]}}"#));
        }
        other => panic!("no sample for a part's field {other}"),
    };
    input(&format!(r#"{{"role":"user","content":[{part}]}}"#))
}

#[test]
fn every_field_meets_its_fate() {
    let plain = read(&request_with("")).unwrap();
    for (path, policy, _) in RESPONSES.fields() {
        let (body, param) = sample(path);
        let read = read(&body);
        match policy {
            FieldPolicy::Mapped => {
                let read = read.unwrap_or_else(|error| panic!("{path}: {error:?}"));
                assert!(["model", "input"].contains(path) || read != plain, "{path} changes nothing");
                assert!(read.dropped.is_empty(), "{path}");
            }
            FieldPolicy::Refused => {
                let error = read.expect_err(path);
                assert_eq!((error.status, error.param.as_deref()), (400, Some(&*param)), "{path}");
                assert_eq!(error.code.as_deref(), Some("unsupported_parameter"), "{path}");
            }
            FieldPolicy::Dropped => assert_eq!(read.expect(path).dropped, [*path], "{path}"),
        }
    }
}

#[test]
fn defaults_of_refused_fields_and_nulls_pass() {
    let fields = r#""top_logprobs":0,"context_management":[ ],"reasoning":{"mode":"standard"},"text":{"format":{"type":"text"}},
        "previous_response_id":null,"conversation":null,"made_up":null,
        "tools":[{"type":"function","name":"f","parameters":null,"defer_loading":false,"async":false,"allowed_callers":[ "direct" ]}]"#;
    let read = read(&request_with(fields)).unwrap();
    assert!(read.dropped.is_empty() && read.output.is_none() && read.reasoning.is_none());
}
