//! Tests every row of the field table.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{CacheMark, OutputFormat, Reasoning, Source, ToolChoice};
use crate::dialect::FieldPolicy;

/// A request that sets the parameter, and the path that its error names.
fn sample(path: &str) -> (Request, &str) {
    let says = |role, part| chat(vec![message(role, vec![part])]);
    let tools = vec![tool("get_weather", None)];
    let source = Source::Url("https://example.com/a.png".to_owned());
    let request = match path {
        "model" | "messages" | "messages[].role" | "messages[].content" => hi(),
        "max_completion_tokens" | "max_tokens" => Request { max_tokens: Some(7), ..hi() },
        "temperature" => Request { temperature: Some(0.5), ..hi() },
        "top_p" => Request { top_p: Some(0.5), ..hi() },
        "top_k" => Request { top_k: Some(5), ..hi() },
        "n" => Request { n: Some(2), ..hi() },
        "stop" => Request { stop: vec!["x".to_owned()], ..hi() },
        "seed" => Request { seed: Some(3), ..hi() },
        "frequency_penalty" => Request { frequency_penalty: Some(1.0), ..hi() },
        "presence_penalty" => Request { presence_penalty: Some(1.0), ..hi() },
        "response_format" => Request { output: Some(OutputFormat::JsonObject), ..hi() },
        "tools" => Request { tools, ..hi() },
        "tool_choice" => Request { tools, tool_choice: Some(ToolChoice::Required), ..hi() },
        "parallel_tool_calls" => Request { tools, parallel_tool_calls: Some(false), ..hi() },
        "stream" => Request { stream: true, ..hi() },
        "reasoning_effort" => Request { reasoning: Some(Reasoning::Effort("low".to_owned())), ..hi() },
        "thinking" => Request { reasoning: Some(Reasoning::Budget(2048)), ..hi() },
        "service_tier" => Request { service_tier: Some("flex".to_owned()), ..hi() },
        "user" => Request { user: Some("u".to_owned()), ..hi() },
        "cache_control" => says(Role::User, Part::Text { text: "Hi".to_owned(), cache: Some(CacheMark { ttl: None }) }),
        "messages[].name" => chat(vec![Message { name: Some("n".to_owned()), ..hi().messages.remove(0) }]),
        "messages[].refusal" => says(Role::Assistant, Part::Refusal { text: "No.".to_owned() }),
        "messages[].tool_calls" => says(Role::Assistant, call("c", "{}")),
        "messages[].tool_call_id" => chat(vec![result("c", vec![words("3")])]),
        "messages[].reasoning_content" => says(Role::Assistant, thought("Hm.")),
        "messages[].thinking_blocks" => says(Role::Assistant, Part::RedactedThinking { data: "x".to_owned() }),
        "messages[].content[].image_url" => says(Role::User, Part::Image { source, detail: None, cache: None }),
        "messages[].content[].file" => {
            return (says(Role::User, Part::Document { source, name: None, cache: None }), "messages[0].content[0]");
        }
        other => panic!("no sample for the parameter {other}"),
    };
    (request, path)
}

#[test]
fn every_parameter_meets_its_fate() {
    let plain = write(&hi()).unwrap();
    let always = ["model", "messages", "messages[].role", "messages[].content"];
    for (path, policy, _) in COHERE.fields() {
        let (request, param) = sample(path);
        match policy {
            FieldPolicy::Mapped => {
                let written = write(&request).unwrap_or_else(|error| panic!("{path}: {error:?}"));
                assert!(always.contains(path) || written.body != plain.body, "{path} changes nothing");
                assert!(written.dropped.is_empty(), "{path}");
            }
            FieldPolicy::Refused => {
                let error = write(&request).expect_err(path);
                assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{path}");
                assert_eq!(error.code.as_deref(), Some("unsupported_parameter"), "{path}");
            }
            FieldPolicy::Dropped => assert_eq!(write(&request).expect(path).dropped, [*path], "{path}"),
        }
    }
}
