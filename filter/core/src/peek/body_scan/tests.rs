#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn body_scan(body: &str) -> BodyScan {
    BodyScan::of(body.as_bytes(), |_| ()).0
}

#[test]
fn others_reasoning_is_suspected_where_a_signature_names_its_owner_or_is_empty() {
    for (body, foreign_reasoning) in [
        (r#"{"input":[{"type":"reasoning","summary":[],"encrypted_content":"anthropic#E"}]}"#, true),
        (r#"{"messages":[{"content":[{"type":"thinking","thinking":"t","signature":"gemini#C"}]}]}"#, true),
        (r#"{"messages":[{"content":[{"type":"redacted_thinking","data":"openai#r.g"}]}]}"#, true),
        (r#"{"messages":[{"content":[{"type":"thinking","thinking":"t","signature":""}]}]}"#, true),
        (r#"{"messages":[{"content":[{"type":"thinking","thinking":"t","signature" : ""}]}]}"#, true),
        (r#"{"messages":[{"content":[{"type":"thinking","thinking":"t","signature":"EqQB"}]}]}"#, false),
        (r#"{"input":[{"type":"reasoning","summary":[],"encrypted_content":null}]}"#, false),
        (r##"{"messages":[{"role":"user","content":"# A heading, and gemini#"}]}"##, false),
        (r#"{"input":"gemini","signature":["",""]}"#, false),
        ("[]", false),
    ] {
        assert_eq!(body_scan(body).foreign_reasoning, foreign_reasoning, "{body}");
    }
}

#[test]
fn an_ordinary_request_refers_to_nothing() {
    for (body, nothing) in [
        (r#"{"messages":[{"role":"user","content":"file_id, conversation"}],"tools":[{"type":"function"}]}"#, true),
        (r#"{"messages":[{"tool_calls":[{"id":"call_1","function":{"name":"f","arguments":"{}"}}]}]}"#, true),
        (r#"{"input":"hi","model":"m"}"#, true),
        (r#"{"input":[{"id":"msg_1","role":"user"}]}"#, false),
        (r#"{"x":[{"ID":"msg_1","type":"item_reference"}]}"#, false),
        (r#"{"messages":[{"content":[{"file":{"FILE\u005fid":"file-1"}}]}]}"#, false),
        ("{\"conver\u{17f}ation\":\"c\"}", false),
        ("{\"\u{17f}\\u212aill_id\":\"c\"}", false),
        ("{\"\u{17f}kill_names\":\"c\",\"\u{4f60}\":1}", true),
    ] {
        assert_eq!(body_scan(body).refers_to_nothing, nothing, "{body}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod properties {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::peek::request_features::{RequestFeature, first_denied};

    /// Literals: known words in several spellings, and texts.
    const LITERALS: [&str; 88] = [
        "type",
        "url",
        "image_url",
        "data",
        "file_data",
        "file_id",
        "file_ids",
        "file_url",
        "vector_store_ids",
        "input",
        "web_search_options",
        "service_tier",
        "effort",
        "reasoning_effort",
        "ttl",
        "cache_control",
        "max_tool_calls",
        "max_uses",
        "signature",
        "item_reference",
        "id",
        "prompt",
        "conversation",
        "container",
        "container_id",
        "skill_id",
        "audio",
        "voice",
        "previous_response_id",
        "previous_message_id",
        "role",
        "content",
        "tools",
        "parameters",
        "schema",
        "variables",
        "definition",
        "metadata",
        "input_image",
        "image",
        "input_audio",
        "file",
        "input_file",
        "document",
        "web_search",
        "web_search_20250305",
        "web_search_call",
        "web_fetch_20260209",
        "mcp",
        "file_search",
        "code_interpreter",
        "image_generation",
        "disabled",
        "none",
        "minimal",
        "1h",
        "flex",
        "priority",
        "auto",
        "anthropic",
        "custom",
        "gemini#x",
        "openai#",
        "anthropic#y",
        "",
        "TYPE",
        "ID",
        "File_Id",
        "INPUT",
        r"typ\u0065",
        r"\u0069d",
        r"file\u005fid",
        r"service\u005ftier",
        "\u{17f}ervice_tier",
        r"con\u017fervation",
        "TOOLS",
        "\u{e0061}\u{10fffd}\u{ac000}\u{1f600}",
        "too\\u006cs",
        "tool\u{17f}",
        "s\u{212a}ill_id",
        r"s\u212aill_id",
        "a text\\n with \\\"words\\\"",
        r"\\",
        r"\\\ud83d\ude42 \ud83d",
        "\u{1f642} \u{10380} \u{4f60}\u{597d}",
        r"\ud83d\ude42 \uD83D\uDE42 \u00e9",
        "1",
        r"caf\u00e9",
    ];

    fn literal() -> impl Strategy<Value = String> {
        prop_oneof![
            12 => select(&LITERALS[..]).prop_map(|text| format!("\"{text}\"")),
            1 => (500_usize..900, select(vec!["", "data:a;base64,", "JVBERi"]), select(vec!["A", "a b", "\\/"]))
                .prop_map(|(times, head, text)| format!("\"{head}{}\"", text.repeat(times))),
            1 => "[a-z\u{e9}\u{1f600} ]{0,20}".prop_map(|text| format!("\"{text}\"")),
        ]
    }

    fn space() -> impl Strategy<Value = &'static str> {
        prop_oneof![8 => Just(""), 1 => Just(" "), 1 => Just("\n\t ")]
    }

    fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        proptest::collection::vec((literal(), space(), value, space()), 0..6).prop_map(|fields| {
            let fields =
                fields.into_iter().map(|(key, before, value, behind)| format!("{key}{before}:{behind}{value}"));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        })
    }

    /// A rough request body.
    pub(crate) fn body() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            6 => literal(),
            1 => select(vec!["null", "true", "1", "12 ", "3.5", "1e3", "-7"]).prop_map(str::to_owned),
        ];
        let value = leaf.prop_recursive(5, 60, 6, |inner| {
            prop_oneof![
                proptest::collection::vec((space(), inner.clone(), space()), 0..6).prop_map(|items| {
                    let items = items.into_iter().map(|(before, item, behind)| format!("{before}{item}{behind}"));
                    format!("[{}]", items.collect::<Vec<_>>().join(","))
                }),
                object(inner),
            ]
        });
        object(value)
    }

    /// Computes the depth byte by byte.
    fn too_deep(body: &[u8]) -> bool {
        let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
        for byte in body {
            match (in_string, byte) {
                (true, _) if escaped => escaped = false,
                (true, b'\\') => escaped = true,
                (_, b'"') => in_string = !in_string,
                (false, b'[' | b'{') => depth += 1,
                (false, b']' | b'}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > DEEPEST {
                return true;
            }
        }
        false
    }

    /// Searches for signatures without looking for literals.
    fn may_hold(text: &str) -> bool {
        let owned = |owner: &str| text.contains(&format!("\"{owner}#"));
        let unsigned = [r#""signature":"""#, r#""signature": """#];
        unsigned.iter().any(|none| text.contains(none)) || ["gemini", "openai", "anthropic"].into_iter().any(owned)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_as_deep_as_if_they_were_read_byte_by_byte(pieces in proptest::collection::vec(
            (select(vec!["[", "{", "]", "}", "\"", "\\", "a", "[[[[", "]]]", "\"]\"", "\"[\\\"\""]), 1_usize..90), 0..24)) {
            let body: String = pieces.into_iter().map(|(piece, times)| piece.repeat(times)).collect();
            prop_assert_eq!(body_scan(&body).too_deep, too_deep(body.as_bytes()), "{}", body);
        }

        /// The survey never misses a mention that a policy would check.
        #[test]
        fn what_refers_to_something_is_known_to(body in body()) {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok() || body.contains("ud83d"));
            let refers = |feature: &RequestFeature<'_>| matches!(feature, RequestFeature::Reference(..)).then_some(());
            let reference = first_denied(body.as_bytes(), refers);
            prop_assert!(reference.is_none() || !body_scan(&body).refers_to_nothing, "{:?} {}", reference, body);
        }

        #[test]
        fn what_offers_a_tool_is_known_to(body in body()) {
            let offers = |feature: &RequestFeature<'_>| matches!(feature, RequestFeature::Tool(_)).then_some(());
            let tool = first_denied(body.as_bytes(), offers);
            prop_assert!(tool.is_none() || body_scan(&body).offers, "{:?} {}", tool, body);
        }

        #[test]
        fn signatures_are_found_as_in_the_whole_text(body in body()) {
            let spaced = body.contains("\"signature\"") && body.contains("\"\"");
            let (old, new) = (may_hold(&body), body_scan(&body).foreign_reasoning);
            prop_assert!(new || !old, "{}", body);
            prop_assert!(old || !new || spaced, "{}", body);
        }
    }
}
