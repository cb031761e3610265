//! Reads requests of Google's clients.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::{OutputFormat, Reasoning, Source, ToolChoice};

fn read(body: &Value) -> Result<Request, ApiError> {
    GEMINI.read_request(body.to_string().as_bytes())
}

fn with(field: &str, value: Value) -> Result<Request, ApiError> {
    let mut body = json!({"contents": [{"parts": [{"text": "Hi"}]}]});
    body[field] = value;
    read(&body)
}

#[test]
fn golden_read_request() {
    let body = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "What?"}, {"inlineData": {"mimeType": "image/png", "data": "iVBOR"}},
                {"fileData": {"mimeType": "application/pdf", "fileUri": "https://a/b.pdf"}}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "U0lH"},
                {"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "1"}}},
                {"functionResponse": {"name": "f", "response": {"error": "2"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "description": "…", "parameters": {}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"maxOutputTokens": 9, "responseMimeType": "application/json", "thinkingConfig": {"thinkingLevel": "LOW"}},
    });
    let source = Source::Base64 { media_type: "image/png".to_owned(), data: "iVBOR".to_owned() };
    let address = Source::Url("https://a/b.pdf".to_owned());
    let mut failed = result("call__0_1", "2");
    let Part::ToolResult { is_error, .. } = &mut failed.parts[0] else { unreachable!() };
    *is_error = true;
    let expected = Request {
        model: String::new(),
        tools: vec![tool("f", Some("{}"))],
        tool_choice: Some(ToolChoice::Named("f".to_owned())),
        max_tokens: Some(9),
        output: Some(OutputFormat::JsonObject),
        reasoning: Some(Reasoning::Effort("low".to_owned())),
        ..chat(vec![
            says(Role::System, "Be brief."),
            message(
                Role::User,
                vec![
                    words("What?"),
                    Part::Image { source, detail: None, cache: None },
                    Part::Document { source: address, name: None, cache: None },
                ],
            ),
            message(
                Role::Assistant,
                vec![signed("", &google("U0lH")), call("call__0_0", "f", "{}"), call("call__0_1", "f", "{}")],
            ),
            result("call__0_0", "1"),
            failed,
        ])
    };
    assert_eq!(read(&body).unwrap(), expected);
}

#[test]
fn what_is_not_known_is_refused_by_its_path() {
    let part = |part: Value| with("contents", json!([{"role": "model", "parts": [{"text": "a"}, part]}]));
    let cases = [
        (with("safetySettings", json!([])), "safetySettings"),
        (with("cachedContent", json!("c")), "cachedContent"),
        (with("tools", json!([{"googleSearch": {}}])), "tools.googleSearch"),
        (with("generationConfig", json!({"responseModalities": ["AUDIO"]})), "generationConfig.responseModalities"),
        (part(json!({"executableCode": {}})), "contents[0].parts[1].executableCode"),
        (with("contents", json!([{"role": "tool", "parts": []}])), "contents[0].role"),
        (with("contents", json!(null)), "contents"),
        (
            with("contents", json!([{"parts": [{"functionResponse": {"name": "f", "response": {}}}]}])),
            "contents[0].parts[0].functionResponse.name",
        ),
        (
            with("toolConfig", json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}})),
            "toolConfig.functionCallingConfig.allowedFunctionNames",
        ),
    ];
    for (read, path) in cases {
        let error = read.expect_err(path);
        assert_eq!((error.status, error.param.as_deref()), (400, Some(path)));
    }
}

#[test]
fn other_results_are_kept_as_their_json() {
    let body = json!({"contents": [
        {"role": "model", "parts": [{"functionCall": {"id": "x", "name": "f"}}]},
        {"parts": [{"functionResponse": {"id": "x", "name": "f", "response": {"t": 3}}}]},
    ]});
    assert_eq!(read(&body).unwrap().messages[1], result("x", r#"{"t":3}"#));
}
