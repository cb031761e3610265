//! Images and documents.

use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::conversation::Source;

fn image(source: Source) -> Part {
    Part::Image { source, detail: None, cache: None }
}

fn base64(media_type: &str) -> Source {
    Source::Base64 { media_type: media_type.to_owned(), data: "iVBOR".to_owned() }
}

fn url(url: &str) -> Source {
    Source::Url(url.to_owned())
}

#[test]
fn bytes_are_inline_data() {
    let document = Part::Document { source: base64("application/pdf"), name: None, cache: None };
    let parts = vec![image(base64("image/png")), image(base64("image/jpg")), document];
    assert_eq!(
        contents(vec![message(Role::User, parts)], GEMINI_2)[0]["parts"],
        json!([
            {"inlineData": {"mimeType": "image/png", "data": "iVBOR"}},
            {"inlineData": {"mimeType": "image/jpeg", "data": "iVBOR"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "iVBOR"}},
        ])
    );
}

#[test]
fn an_address_needs_a_media_type_that_its_end_tells() {
    let cases = [
        ("https://a/b.png", "image/png"),
        ("https://a/b.JPEG?x=.gif#y", "image/jpeg"),
        ("gs://bucket/c.d/e.pdf", "application/pdf"),
    ];
    for (address, media_type) in cases {
        let parts = vec![image(url(address))];
        assert_eq!(
            contents(vec![message(Role::User, parts)], GEMINI_2)[0]["parts"][0],
            json!({"fileData": {"mimeType": media_type, "fileUri": address}})
        );
    }
    for address in ["https://a.png/b", "https://a/b", "https://a/b.exe", "https://a/.c/d", "data:text/plain,a.png", "x"]
    {
        let request = chat(vec![message(Role::User, vec![words("a"), image(url(address))])]);
        let error = write_for(&request, GEMINI_2).unwrap_err();
        let told = (error.status, error.param.as_deref(), error.code.as_deref());
        assert_eq!(told, (400, Some("messages[0].content[1]"), Some("unsupported_parameter")), "{address}");
    }
}

#[test]
fn what_a_function_showed_follows_its_result() {
    let (call_id, content) = ("c".to_owned(), vec![image(base64("image/png")), words("seen")]);
    let result = Part::ToolResult { call: call_id, content, is_error: false, cache: None };
    let turns = vec![message(Role::Assistant, vec![call("c", "f", "{}")]), message(Role::Tool, vec![result])];
    assert_eq!(
        contents(turns, GEMINI_2)[1]["parts"],
        json!([
            {"functionResponse": {"name": "f", "response": {"output": "seen"}}},
            {"inlineData": {"mimeType": "image/png", "data": "iVBOR"}},
        ])
    );
}
