use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn of(body: &str) -> Conversation {
    Conversation::of(body.as_bytes(), "t").unwrap()
}

#[test]
fn all_turns_of_a_conversation_have_its_opening() {
    for turns in [
        &[
            r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"}],"model":"m"}"#,
            r#"{ "model":"m", "temperature": 1, "messages" : [ {"role":"system","content":"s"},{"content":"hi","role":"user"},
                {"role":"assistant","content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},
                {"role":"tool","tool_call_id":"c","content":"r"} ] }"#,
        ][..],
        // A client of Anthropic's moves its cache mark, and writes a text as a block once it marks it.
        &[
            r#"{"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2; cch=1;"},{"type":"text","text":"s"}],
                "messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}"#,
            r#"{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"},
                {"role":"user","content":[{"type":"text","text":"more","cache_control":{"type":"ephemeral","ttl":"1h"}}]}],
                "system":"s","tools":[{"name":"f"}]}"#,
        ],
        &[
            r#"{"instructions":"s","input":"hi"}"#,
            r#"{"instructions":"s","input":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}]}"#,
        ],
        &[
            r#"{"prompt_cache_key":"k","input":"hi"}"#,
            r#"{"input":[{"role":"user","content":"something else"}],"prompt_cache_key":"k"}"#,
        ],
    ] {
        let places: Vec<u64> = turns.iter().map(|turn| of(turn).place()).collect();
        assert!(places.iter().all(|place| *place == places[0]), "{turns:?}");
    }
}

#[test]
fn other_texts_are_other_conversations() {
    let place = |system: &str, first: &str, team: &str| {
        let body = format!(r#"{{"system":"{system}","messages":[{{"role":"user","content":"{first}"}}]}}"#);
        Conversation::of(body.as_bytes(), team).unwrap().place()
    };
    let one = place("s", "hi", "t");
    assert_eq!(one, place("s", "hi", "t"));
    for other in [place("s", "ho", "t"), place("r", "hi", "t"), place("s", "hi", "u"), place("sh", "i", "t")] {
        assert_ne!(one, other);
    }
    assert_eq!(Conversation::of(br#"{"prompt":"hi"}"#, "t"), None);
}

#[test]
fn the_prompt_before_the_last_response_is_what_the_request_before_had() {
    let user = |text: &str| format!(r#"{{"role":"user","content":"{text}"}}"#);
    let assistant = |text: &str| format!(r#"{{"role":"assistant","content":"{text}"}}"#);
    let body = |messages: &[String]| format!(r#"{{"messages":[{}]}}"#, messages.join(","));
    let longer = [user("a"), assistant("b"), assistant("c"), user("d"), user("e")];
    let (first, second, third) = (
        of(&body(&longer[..1])),
        of(&body(&longer)),
        of(&body(&[longer.to_vec(), vec![assistant("f"), user("g")]].concat())),
    );
    assert_eq!((first.before, first.messages, second.messages, third.messages), (None, 1, 5, 7));
    let said = |messages: &[String]| of(&body(&[messages.to_vec(), vec![assistant("x")]].concat())).before;
    assert_eq!(second.before, said(&longer[..1]));
    assert_eq!(third.before, said(&longer));
    assert_ne!(second.before, third.before);
    let item = r#"{"input":[{"role":"user","content":"a"},{"type":"reasoning","id":"r"},{"type":"function_call","call_id":"c"},
        {"type":"function_call_output","call_id":"c","output":"o"}]}"#;
    assert_eq!(
        of(item).before,
        of(r#"{"input":[{"role":"user","content":"a"},{"role":"assistant","content":"x"}]}"#).before
    );
    assert_eq!(of(item).messages, 4);
}

#[test]
fn the_length_of_the_opening_does_not_change() {
    let first = r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":9}"#;
    let later = first.replace("}]", r#"},{"role":"assistant","content":"[}]"},{"role":"user","content":"more"}]"#);
    assert_eq!(of(first).opening_length, first.len());
    assert_eq!(of(&later).opening_length, first.len());
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::peek::body_scan::tests::properties::body;

    /// The texts of a conversation: a system prompt, and the turns of user and model.
    fn texts() -> impl Strategy<Value = (String, Vec<String>)> {
        let text = || "[a-c\"\\\\{}\\[\\]:, é]{1,8}";
        (text(), proptest::collection::vec(text(), 1..8))
    }

    /// The request with the first `turns` turns, in one of three formats; `blocks` writes texts as marked blocks.
    fn request(format: usize, system: &str, turns: &[String], blocks: bool) -> String {
        let content = |text: &String| match blocks {
            true => json!([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]),
            false => json!(text),
        };
        let role = |index: usize| if index.is_multiple_of(2) { "user" } else { "assistant" };
        let turns =
            turns.iter().enumerate().map(|(index, text)| json!({"role": role(index), "content": content(text)}));
        let turns: Vec<Value> = turns.collect();
        match format {
            0 => {
                let system = json!({"role": "system", "content": system});
                json!({"messages": std::iter::once(system).chain(turns).collect::<Vec<_>>(), "n": 1})
            }
            1 => json!({"system": system, "messages": turns, "max_tokens": 9}),
            _ => json!({"instructions": system, "input": turns}),
        }
        .to_string()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_turn_has_the_opening_of_the_first(
            format in 0_usize..3, (system, turns) in texts(), blocks in proptest::collection::vec(any::<bool>(), 8)
        ) {
            let first = of(&request(format, &system, &turns[..1], blocks[0]));
            for count in 1..=turns.len() {
                let later = of(&request(format, &system, &turns[..count], blocks[count - 1]));
                prop_assert_eq!(later.opening, first.opening);
                prop_assert_eq!(later.common, first.common);
            }
        }

        #[test]
        fn another_system_prompt_or_first_turn_is_another_conversation(
            format in 0_usize..3, (system, turns) in texts(), other in "[x-z]{1,8}"
        ) {
            let first = of(&request(format, &system, &turns, false));
            prop_assert_ne!(first.opening, of(&request(format, &other, &turns, false)).opening);
            let changed: Vec<String> = std::iter::once(other).chain(turns[1..].to_vec()).collect();
            prop_assert_ne!(first.opening, of(&request(format, &system, &changed, false)).opening);
        }

        #[test]
        fn any_json_is_read_without_a_panic(body in body()) {
            Conversation::of(body.as_bytes(), "t");
        }
    }
}
