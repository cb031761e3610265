//! Tests every row of the field table.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{CacheMark, OutputFormat, Reasoning, Source, ToolChoice};
use crate::dialect::FieldPolicy;

/// A request that sets the field.
fn sample(path: &str) -> Request {
    let assistant = |part| chat(vec![says(Role::User, "Hi"), message(Role::Assistant, vec![part, words("a")])]);
    let user = |part| chat(vec![message(Role::User, vec![words("Hi"), part])]);
    let image = |detail: Option<&str>| {
        let source = Source::Url("https://a/b.png".to_owned());
        user(Part::Image { source, detail: detail.map(str::to_owned), cache: None })
    };
    let document = |name: Option<&str>| {
        let source = Source::Base64 { media_type: "application/pdf".to_owned(), data: "AA==".to_owned() };
        user(Part::Document { source, name: name.map(str::to_owned), cache: None })
    };
    let tools = || vec![tool("f", None)];
    match path {
        "messages" => chat(vec![says(Role::User, "Ho")]),
        "max_completion_tokens" => Request { max_tokens: Some(7), ..hi() },
        "temperature" => Request { temperature: Some(0.5), ..hi() },
        "top_p" => Request { top_p: Some(0.5), ..hi() },
        "top_k" => Request { top_k: Some(5), ..hi() },
        "n" => Request { n: Some(2), ..hi() },
        "stop" => Request { stop: vec!["x".to_owned()], ..hi() },
        "seed" => Request { seed: Some(7), ..hi() },
        "frequency_penalty" => Request { frequency_penalty: Some(1.0), ..hi() },
        "presence_penalty" => Request { presence_penalty: Some(1.0), ..hi() },
        "response_format" => Request { output: Some(OutputFormat::JsonObject), ..hi() },
        "tools" => Request { tools: tools(), ..hi() },
        "tools[].function.strict" => Request { tools: vec![Tool { strict: Some(true), ..tool("f", None) }], ..hi() },
        "tool_choice" => Request { tool_choice: Some(ToolChoice::Required), tools: tools(), ..hi() },
        "parallel_tool_calls" => Request { parallel_tool_calls: Some(false), tools: tools(), ..hi() },
        "reasoning_effort" => Request { reasoning: Some(Reasoning::Effort("low".to_owned())), ..hi() },
        "thinking" => Request { reasoning: Some(Reasoning::Budget(2048)), ..hi() },
        "service_tier" => Request { service_tier: Some("flex".to_owned()), ..hi() },
        "user" => Request { user: Some("u".to_owned()), ..hi() },
        "messages[].name" => chat(vec![Message { name: Some("n".to_owned()), ..says(Role::User, "Hi") }]),
        "messages[].reasoning_content" => assistant(Part::Thinking { text: "Hm.".to_owned(), signature: None }),
        "messages[].refusal" => assistant(Part::Refusal { text: "no".to_owned() }),
        "tools[].cache_control" => {
            Request { tools: vec![Tool { cache: Some(CacheMark { ttl: None }), ..tool("f", None) }], ..hi() }
        }
        "messages[].tool_calls" => assistant(call("c", "f", "{}")),
        "messages[].tool_call_id" => chat(vec![message(Role::Assistant, vec![call("c", "f", "{}")]), result("c", "x")]),
        "messages[].content[].image_url" => image(None),
        "messages[].content[].image_url.detail" => image(Some("low")),
        "messages[].content[].file" => document(None),
        "messages[].content[].file.filename" => document(Some("a.pdf")),
        "messages[].content[].cache_control" => {
            user(Part::Text { text: "a".to_owned(), cache: Some(CacheMark { ttl: None }) })
        }
        other => panic!("no sample for the field {other}"),
    }
}

#[test]
fn every_field_meets_its_fate() {
    let plain = write(&hi()).body;
    // Fields that are in the path and do not change the body.
    let elsewhere = ["model", "stream", "stream_options.include_usage"];
    for (path, policy, _) in GEMINI.fields().iter().filter(|(path, ..)| !elsewhere.contains(path)) {
        let written = write_for(&sample(path), if path.ends_with("penalty") { OLDER } else { GEMINI_2 });
        match policy {
            FieldPolicy::Mapped => {
                let written = written.unwrap_or_else(|error| panic!("{path}: {error:?}"));
                assert!(written.dropped.is_empty() && written.body != plain, "{path}");
            }
            FieldPolicy::Refused => {
                let error = written.expect_err(path);
                let told = (error.status, error.param.as_deref(), error.code.as_deref());
                assert_eq!(told, (400, Some(*path), Some("unsupported_parameter")));
            }
            FieldPolicy::Dropped => {
                let dropped = written.expect(path).dropped;
                assert_eq!(dropped.len(), 1, "{path}");
                assert!(path.replace("[]", "").ends_with(&dropped[0]), "{path}: {dropped:?}");
            }
        }
    }
}

#[test]
fn what_the_client_already_lost_is_still_named_and_nothing_twice() {
    let dropped = vec!["store".to_owned(), "user".to_owned()];
    let request = Request { dropped: dropped.clone(), user: Some("u".to_owned()), ..hi() };
    assert_eq!(write(&request).dropped, dropped);
}
