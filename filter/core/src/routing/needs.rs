//! The capabilities that a request needs.
//!
//! They come from the body peek, not from a full parse, so only what a request states plainly is a need. If a request hides a need, for
//! instance in a field of the wrong type, the provider has to reject it.

use crate::peek::BodyPeek;
use crate::usage::estimate::Prompt;

/// The needs of one request. The prompt's length depends on the tokenizer: replace it with the target's own estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// Offers tools.
    pub tools: bool,
    /// Offers a hosted tool of the client's dialect, which runs at the provider.
    pub hosted: bool,
    /// Asks for a response that follows a JSON schema.
    pub structured_output: bool,
    /// Contains images.
    pub images: bool,
    /// Contains audio.
    pub audio: bool,
    /// Contains documents.
    pub documents: bool,
    /// The estimated tokens of the prompt.
    pub input_tokens: u64,
}

impl Needs {
    /// Collects the needs from the body peek and the prompt. The prompt has `input_tokens` tokens.
    pub fn of(peek: &BodyPeek, prompt: &Prompt, input_tokens: u64) -> Self {
        Self {
            tools: peek.wants.tools,
            hosted: peek.wants.hosted,
            structured_output: peek.wants.structured_output,
            images: prompt.images > 0,
            audio: prompt.audio,
            documents: prompt.documents,
            input_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_wire::dialect::openai_chat;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn needs(body: &str) -> Needs {
        Needs::of(
            &BodyPeek::read(body.as_bytes(), openai_chat::CLIENT.shape).unwrap(),
            &Prompt::measure(body.as_bytes()),
            7,
        )
    }

    /// A request with these fields, and with these parts next to a text.
    fn request(fields: &str, parts: &[&str]) -> String {
        let parts = parts.join(",");
        let part = |part: &str| if part.is_empty() { String::new() } else { format!(",{part}") };
        format!(
            r#"{{"model":"m",{fields}"messages":[{{"role":"user","content":[{{"type":"text","text":"hi"}}{}]}}]}}"#,
            part(&parts)
        )
    }

    const IMAGE: &str = r#"{"type":"image_url","image_url":{"url":"https://example.com/1.png"}}"#;
    const AUDIO: &str = r#"{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}"#;
    const DOCUMENT: &str = r#"{"file":{"file_id":"file-1"},"type":"file"}"#;
    const TOOLS: &str = r#""tools":[{"type":"function","function":{"name":"f"}}],"#;
    const FUNCTIONS: &str = r#""functions":[{"name":"f"}],"#;
    const SCHEMA: &str =
        r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},"#;

    #[test]
    fn a_plain_request_needs_room_for_its_prompt() {
        assert_eq!(needs(&request("", &[])), Needs { input_tokens: 7, ..Needs::default() });
    }

    #[test]
    fn each_need_is_seen_by_itself() {
        let only = Needs { input_tokens: 7, ..Needs::default() };
        for (fields, parts, expected) in [
            (TOOLS, &[][..], Needs { tools: true, ..only }),
            (FUNCTIONS, &[], Needs { tools: true, ..only }),
            (SCHEMA, &[], Needs { structured_output: true, ..only }),
            ("", &[IMAGE], Needs { images: true, ..only }),
            ("", &[AUDIO], Needs { audio: true, ..only }),
            ("", &[DOCUMENT], Needs { documents: true, ..only }),
            ("", &[IMAGE, AUDIO], Needs { images: true, audio: true, ..only }),
        ] {
            assert_eq!(needs(&request(fields, parts)), expected, "{fields} {parts:?}");
        }
    }

    #[test]
    fn what_tools_and_schemas_speak_of_is_not_in_the_prompt() {
        let parameters = r#"{"type":"object","required":["type","file"],"properties":{
            "type":{"enum":["type","image","type" , "input_audio"]},"document":{"type":"string"}}}"#;
        let fields = format!(
            r#""tools":[{{"type":"function","function":{{"name":"f","parameters":{parameters}}}}}],
               "response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{parameters}}}}},"#
        );
        let expected = Needs { tools: true, structured_output: true, input_tokens: 7, ..Needs::default() };
        assert_eq!(needs(&request(&fields, &[])), expected);
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use proptest::prelude::*;
        use serde_json::{Value, json};

        use super::*;

        /// Text that looks like a part or a field.
        fn words() -> impl Strategy<Value = String> {
            let word = prop_oneof![
                Just(String::from("type")),
                Just(String::from("file")),
                Just(String::from("image_url")),
                Just(String::from(IMAGE)),
                Just(String::from("\"type\":\"input_audio\"")),
                "[a-z\"\\\\:{}]{0,8}",
            ];
            proptest::collection::vec(word, 0..6).prop_map(|words| words.concat())
        }

        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            #[test]
            fn parts_and_fields_decide_whatever_the_texts_say(
                texts in proptest::collection::vec(words(), 1..4),
                [tools, schema, image, audio, document] in any::<[bool; 5]>(),
            ) {
                let part = |part: &str| serde_json::from_str::<Value>(part).unwrap();
                let mut content: Vec<Value> = Vec::new();
                for (has, given) in [(image, IMAGE), (audio, AUDIO), (document, DOCUMENT)] {
                    content.extend(has.then(|| part(given)));
                }
                content.extend(texts.iter().map(|text| json!({"type": "text", "text": text})));
                let history = json!({"role": "assistant", "content": texts.concat(),
                    "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": texts.concat()}}]});
                let mut body = json!({"model": "m", "messages": [history, {"role": "user", "content": content}]});
                if tools {
                    body["tools"] = json!([{"type": "function", "function": {
                        "name": "f", "description": texts.concat(), "parameters": {"required": texts}}}]);
                }
                if schema {
                    body["response_format"] = json!({"type": "json_schema", "json_schema": {"description": texts.concat()}});
                }
                let expected = Needs {
                    tools,
                    hosted: false,
                    structured_output: schema,
                    images: image,
                    audio,
                    documents: document,
                    input_tokens: 7,
                };
                prop_assert_eq!(needs(&body.to_string()), expected);
            }
        }
    }
}
