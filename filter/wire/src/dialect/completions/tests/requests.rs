//! Requests: reads clients' requests, checks the policy for every field, and writes providers' requests.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{asked, request_with, text};
use crate::conversation::{
    CacheMark, Json, Message, OutputFormat, Part, Reasoning, Request, Role, Source, Tool, ToolChoice,
};
use crate::dialect::FieldPolicy;
use crate::dialect::halves::COMPLETIONS;
use crate::error::ApiError;

fn read(body: &str) -> Result<Request, ApiError> {
    COMPLETIONS.read_request(body.as_bytes())
}

#[test]
fn without_a_limit_an_answer_has_the_16_tokens_that_openai_gives_it() {
    assert_eq!(read(&request_with("")).unwrap(), asked(Role::User, vec![text("hi")]));
}

#[test]
fn several_prompts_and_tokens_are_refused() {
    for prompt in [r#"["a","b"]"#, "[]", "[1,2]", "[[1,2]]", "3", "{}"] {
        let error = read(&format!(r#"{{"model":"m","prompt":{prompt}}}"#)).expect_err(prompt);
        assert_eq!((error.status, error.param.as_deref()), (400, Some("prompt")), "{prompt}");
        assert_eq!(error.code.as_deref(), Some("unsupported_parameter"), "{prompt}");
    }
    for body in [r#"{"model":"m"}"#, r#"{"prompt":"a"}"#, "[]", "", "\u{0}"] {
        assert_eq!(read(body).expect_err(body).status, 400);
    }
    assert_eq!(COMPLETIONS.read_request(b"\xff").unwrap_err().status, 400);
    assert_eq!(read(&request_with(r#""messages":[]"#)).unwrap_err().param.as_deref(), Some("messages"));
}

fn sample(path: &str) -> &'static str {
    match path {
        "model" | "prompt" => "",
        "max_tokens" => r#""max_tokens":7"#,
        "temperature" => r#""temperature":0.5"#,
        "top_p" => r#""top_p":0.5"#,
        "n" => r#""n":2"#,
        "stop" => r#""stop":["x"]"#,
        "seed" => r#""seed":-3"#,
        "frequency_penalty" => r#""frequency_penalty":1"#,
        "presence_penalty" => r#""presence_penalty":1"#,
        "user" => r#""user":"u""#,
        "stream" => r#""stream":true"#,
        "stream_options" | "stream_options.include_usage" => r#""stream_options":{"include_usage":true}"#,
        "stream_options.include_obfuscation" => r#""stream_options":{"include_obfuscation":false}"#,
        "best_of" => r#""best_of":2"#,
        "echo" => r#""echo":true"#,
        "logit_bias" => r#""logit_bias":{"50256":-100}"#,
        "logprobs" => r#""logprobs":0"#,
        "suffix" => r#""suffix":"s""#,
        other => panic!("no sample for the field {other}"),
    }
}

#[test]
fn every_field_meets_its_fate() {
    let plain = read(&request_with("")).unwrap();
    for (path, policy, _) in COMPLETIONS.fields() {
        let read = read(&request_with(sample(path)));
        match policy {
            FieldPolicy::Mapped => {
                let read = read.unwrap_or_else(|error| panic!("{path}: {error:?}"));
                assert!(["model", "prompt"].contains(path) || read != plain, "{path} changes nothing");
                assert!(read.dropped.is_empty(), "{path}");
            }
            FieldPolicy::Refused => {
                let error = read.expect_err(path);
                assert_eq!((error.status, error.param.as_deref()), (400, Some(*path)), "{path}");
                assert_eq!(error.code.as_deref(), Some("unsupported_parameter"), "{path}");
            }
            FieldPolicy::Dropped => assert_eq!(read.expect(path).dropped, [*path], "{path}"),
        }
    }
}

#[test]
fn defaults_of_refused_fields_and_nulls_pass() {
    let fields = r#""best_of":1,"echo":false,"logit_bias":{ },"suffix":"","logprobs":null,"made_up":null"#;
    assert_eq!(read(&request_with(fields)).unwrap(), read(&request_with("")).unwrap());
}

#[test]
fn a_single_text_is_written_as_a_prompt() {
    let request = Request { max_tokens: None, stream: true, ..asked(Role::User, vec![text("Once")]) };
    let written = COMPLETIONS.write_request(&request, "p").unwrap();
    let expected =
        r#"{"model":"p","prompt":"Once","max_tokens":1024,"stream":true,"stream_options":{"include_usage":true}}"#;
    assert_eq!((String::from_utf8(written.body).unwrap().as_str(), written.dropped.len()), (expected, 0));
}

#[test]
fn what_no_prompt_can_be_is_refused() {
    let plain = || asked(Role::User, vec![text("a")]);
    let tool = Tool { name: "f".to_owned(), description: None, parameters: None, strict: None, cache: None };
    let image = Part::Image { source: Source::Url("https://a/b".to_owned()), detail: None, cache: None };
    let turns: Vec<Message> = [plain(), plain()].into_iter().flat_map(|request| request.messages).collect();
    let cases = [
        (Request { messages: turns, ..plain() }, "messages"),
        (Request { messages: vec![], ..plain() }, "messages"),
        (asked(Role::System, vec![text("a")]), "messages[0].role"),
        (asked(Role::User, vec![image]), "messages[0].content"),
        (asked(Role::User, vec![text("a"), text("b")]), "messages[0].content"),
        (Request { tools: vec![tool], ..plain() }, "tools"),
        (Request { output: Some(OutputFormat::JsonObject), ..plain() }, "response_format"),
    ];
    for (request, param) in cases {
        let error = COMPLETIONS.write_request(&request, "p").unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)));
        assert_eq!(error.code.as_deref(), Some("unsupported_parameter"));
    }
    let schema = Json::parse("{}").unwrap();
    let output = OutputFormat::JsonSchema { name: "n".to_owned(), description: None, schema, strict: None };
    assert!(COMPLETIONS.write_request(&Request { output: Some(output), ..plain() }, "p").is_err());
}

#[test]
fn hints_without_words_are_left_out_and_named() {
    let cache = Some(CacheMark { ttl: None });
    let mut request = asked(Role::User, vec![Part::Text { text: "a".to_owned(), cache }]);
    request.messages[0].name = Some("n".to_owned());
    let request = Request {
        reasoning: Some(Reasoning::Adaptive),
        top_k: Some(1),
        service_tier: Some("flex".to_owned()),
        tool_choice: Some(ToolChoice::None),
        ..request
    };
    let dropped = COMPLETIONS.write_request(&request, "p").unwrap().dropped;
    assert_eq!(dropped, ["messages[].name", "cache_control", "reasoning_effort", "top_k", "service_tier"]);
}
