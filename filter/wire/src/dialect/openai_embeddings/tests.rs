//! Tests of the dialect, one for each pitfall of the format.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::conversation::Usage;
use crate::dialect::FieldPolicy;
use crate::dialect::halves::OPENAI_EMBEDDINGS;
use crate::embedding::{Encoding, Input, Request};
use crate::error::ApiError;

fn read(fields: &str) -> Result<Request<'static>, ApiError> {
    let body = format!(r#"{{"model":"m",{fields}}}"#);
    OPENAI_EMBEDDINGS.read_request(body.leak().as_bytes())
}

fn text(text: &'static str) -> Input<'static> {
    Input::Text(text.into())
}

#[test]
fn an_input_is_a_text_or_tokens_or_several_of_them() {
    for (input, expected) in [
        (r#""a\n""#, vec![text("a\n")]),
        (r#"["a", "b"]"#, vec![text("a"), text("b")]),
        ("[ 1, 2]", vec![Input::Tokens(vec![1, 2])]),
        ("[[1,2],[3]]", vec![Input::Tokens(vec![1, 2]), Input::Tokens(vec![3])]),
    ] {
        assert_eq!(read(&format!(r#""input":{input}"#)).unwrap().inputs, expected, "{input}");
    }
}

#[test]
fn broken_requests_are_400s_that_name_the_place() {
    for (fields, param) in [
        (r#""dimensions":2"#, "input"),
        (r#""input":[]"#, "input"),
        (r#""input":7"#, "input"),
        (r#""input":["a",7]"#, "input[1]"),
        (r#""input":[-1]"#, "input[0]"),
        (r#""input":[1,"a"]"#, "input"),
        (r#""input":"a","encoding_format":"int8""#, "encoding_format"),
        (r#""input":"a","user":7"#, "user"),
        (r#""input":"a","truncate":"END""#, "truncate"),
    ] {
        let error = read(fields).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(param)), "{fields}");
    }
}

#[test]
fn every_field_is_read() {
    let plain = read(r#""input":"a""#).unwrap();
    for (path, policy, _) in OPENAI_EMBEDDINGS.fields() {
        assert_eq!(*policy, FieldPolicy::Mapped, "{path}");
        let field = match *path {
            "model" | "input" => continue,
            "dimensions" => r#""dimensions":256"#,
            "encoding_format" => r#""encoding_format":"base64""#,
            "user" => r#""user":"u""#,
            "input_type" => r#""input_type":"search_query""#,
            other => panic!("no sample for the field {other}"),
        };
        assert_ne!(read(&format!(r#""input":"a",{field}"#)).unwrap(), plain, "{path}");
    }
    assert_eq!(OPENAI_EMBEDDINGS.client.shape.asked, "input");
    assert_eq!(OPENAI_EMBEDDINGS.path("m", true), "/embeddings");
}

#[test]
fn a_type_of_input_is_left_out_and_named() {
    let typed = Request { input_type: Some("clustering".into()), ..read(r#""input":"a""#).unwrap() };
    assert_eq!(OPENAI_EMBEDDINGS.write_request(&typed, "m").unwrap().dropped, ["input_type"]);
}

#[test]
fn vectors_are_put_in_the_order_of_their_indices() {
    let body = r#"{"object":"list","data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1]}],"model":"x","usage":{"prompt_tokens":5,"total_tokens":5}}"#;
    let response = OPENAI_EMBEDDINGS.read_response(body.as_bytes()).unwrap();
    let usage = Usage { input: 5, ..Usage::default() };
    assert_eq!((&*response.model, response.usage), ("x", Some(usage)));
    let written = OPENAI_EMBEDDINGS.write_response(&response, Encoding::Float).unwrap();
    let expected = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]},{"object":"embedding","index":1,"embedding":[2]}],"model":"x","usage":{"prompt_tokens":5,"total_tokens":5}}"#;
    assert_eq!(String::from_utf8(written).unwrap(), expected);
    let summary = OPENAI_EMBEDDINGS.peek_response(body.as_bytes()).unwrap();
    assert_eq!((summary.model.as_deref(), summary.usage, summary.finished), (Some("x"), Some(usage), true));
    assert_eq!(OPENAI_EMBEDDINGS.usage_of(body.as_bytes()), Some(usage));
}

#[test]
fn an_error_under_a_success_is_an_error_and_no_vectors_are_no_answer() {
    for (body, message) in [
        (r#"{"error":{"message":"busy","code":"rate_limit_exceeded"}}"#, "busy"),
        (r#"{"error":{"message":"busy"},"data":"none"}"#, "busy"),
        (r#"{"data":[]}"#, "no embeddings"),
        ("{}", "no embeddings"),
        ("<html>", "not in the expected format"),
    ] {
        for error in [
            OPENAI_EMBEDDINGS.read_response(body.as_bytes()).unwrap_err(),
            OPENAI_EMBEDDINGS.peek_response(body.as_bytes()).unwrap_err(),
        ] {
            assert!(error.message.contains(message), "{body}: {error:?}");
        }
    }
}
