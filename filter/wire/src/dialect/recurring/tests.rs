use serde_json::json;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::dialect::aliases::Names;
use crate::dialect::{Asks, Provider, Serves, openai_chat, responses, translate};

/// The text of `other` after `one`, which carried the text `told`.
fn after<'o>(one: &str, told: &str, other: &'o str) -> Option<&'o str> {
    let mut recurring = Recurring::default();
    recurring.read(b"", one.as_bytes(), only_place(one.as_bytes(), told));
    recurring.text(b"", other.as_bytes())
}

#[test]
fn only_what_differs_in_the_text_alone_recurs() {
    let one = r#"{"n":1,"delta":{"text":"Hello"},"end":null}"#;
    for (other, text) in [
        (r#"{"n":1,"delta":{"text":"Hello"},"end":null}"#, Some("Hello")),
        (r#"{"n":1,"delta":{"text":" wörld, and more"},"end":null}"#, Some(" wörld, and more")),
        (r#"{"n":1,"delta":{"text":""},"end":null}"#, None),
        (r#"{"n":1,"delta":{"text":"a\nb"},"end":null}"#, None),
        (r#"{"n":1,"delta":{"text":"a\"b"},"end":null}"#, None),
        ("{\"n\":1,\"delta\":{\"text\":\"a\nb\"},\"end\":null}", None),
        (r#"{"n":2,"delta":{"text":"Hello"},"end":null}"#, None),
        (r#"{"n":1,"delta":{"text":"Hello"},"end":"stop"}"#, None),
        (r#"{"n":1,"delta":{"text":"Hello","text":"x"},"end":null}"#, None),
        (r#"{"n":1,"delta":{"text":"Hello"},"end":null"#, None),
        (r#"{"n":1,"delta":{"text":"Hello"},"end":null}}"#, None),
        (r#"{"n":1,"delta":{"text":"Hello"#, None),
        ("", None),
    ] {
        assert_eq!(after(one, "Hello", other), text, "{other}");
    }
}

#[test]
fn what_nobody_reads_may_differ() {
    let one = r#"{"sequence_number":9,"delta":"a","obfuscation":"x9"}"#;
    for (other, text) in [
        (r#"{"sequence_number":10,"delta":"b","obfuscation":""}"#, Some("b")),
        (r#"{"sequence_number":0,"delta":"b","obfuscation":"quite long"}"#, Some("b")),
        (r#"{"sequence_number":010,"delta":"b","obfuscation":"x"}"#, None),
        (r#"{"sequence_number":,"delta":"b","obfuscation":"x"}"#, None),
        (r#"{"sequence_number":-1,"delta":"b","obfuscation":"x"}"#, None),
        (r#"{"sequence_number":1,"delta":"b","obfuscation":"\u0000"}"#, None),
    ] {
        assert_eq!(after(one, "a", other), text, "{other}");
    }
}

#[test]
fn a_text_whose_place_is_not_certain_is_not_looked_for() {
    for (one, told) in [
        (r#"{"text":"assistant","role":"assistant"}"#, "assistant"),
        (r#"{"text":"text"}"#, "text"),
        (r#"{"role":"Hello","text":"H\u0065llo"}"#, "Hello"),
        (r#"{"text":""}"#, ""),
    ] {
        assert_eq!(only_place(one.as_bytes(), told).filter(|at| !at.is_empty()), None, "{one}");
    }
    let long = json!({"text": "a", "filling": "x".repeat(LONGEST)}).to_string();
    assert_eq!(only_place(long.as_bytes(), "a"), None);
    assert_eq!(place_behind(br#"{"content":"abc","x":{"content":"abc"}}"#, b"\"content\":\"", 3), None);
    assert_eq!(place_behind(br#"{"content":"abc"}"#, b"\"content\":\"", 4), None);
    assert_eq!(place_behind(br#"{"content":"abc"}"#, b"\"content\":\"", 3), Some(12..15));
}

#[test]
fn only_the_event_before_is_compared_with() {
    let (one, other) = (br#"{"text":"a"}"#, br#"{"text":"b"}"#);
    let mut recurring = Recurring::default();
    recurring.read(b"", one, only_place(one, "a"));
    assert_eq!(recurring.text(b"", other), Some("b"));
    assert_eq!(recurring.text(b"delta", other), None, "it has another name");
    recurring.read(b"", b"{}", None);
    assert_eq!(recurring.text(b"", other), None);
}

/// The events that an OpenAI client gets for these provider events.
fn told(provider: &Provider, events: &[serde_json::Value]) -> Vec<StreamEvent> {
    let (Serves::Chat(provider), Asks::Chat(client)) = (&provider.serves, &openai_chat::CLIENT.asks) else { panic!() };
    let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let mut told = Vec::new();
    translate::stream(client, provider, &Names::none()).read(stream.as_bytes(), &mut told).unwrap();
    told
}

#[test]
fn an_event_that_is_kept_for_later_is_read_each_time() {
    let chunk = |text: &str, arguments: &str| json!({"choices": [{"delta": {"content": text, "tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}}]});
    let name = json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}}]});
    let told = told(&openai_chat::PROVIDER, &[chunk("a", "1"), chunk("b", "1"), chunk("c", "1"), name]);
    let arguments = told.iter().filter_map(|event| match event {
        StreamEvent::Arguments { json, .. } => Some(json.as_str()),
        _ => None,
    });
    assert_eq!(arguments.collect::<String>(), "111");
}

#[test]
fn what_comes_whole_is_told_once() {
    let item = json!({"type": "message", "content": [{"type": "output_text", "text": "Hi"}]});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item});
    let created = json!({"type": "response.created", "response": {"id": "r", "model": "m"}});
    let told = told(&responses::PROVIDER, &[created, done.clone(), done.clone(), done]);
    assert_eq!(told.iter().filter(|event| matches!(event, StreamEvent::Text { .. })).count(), 1, "{told:?}");
}

#[test]
fn a_long_name_is_not_kept() {
    let json = br#"{"text":"a"}"#;
    let mut recurring = Recurring::default();
    recurring.read(&[b'n'; LONGEST], json, only_place(json, "a"));
    assert_eq!(recurring.held(), 0);
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use crate::conversation::StreamEvent;
    use crate::dialect::aliases::Names;
    use crate::dialect::provider::Passing;
    use crate::dialect::{Asks, Serves, anthropic, openai_chat, translate};
    use crate::framing::sse::{Decoder, TooLong};

    /// A piece of a stream; events carry it in many ways.
    #[derive(Debug, Clone)]
    enum Piece {
        Text(String),
        Thought(String),
        Other,
    }

    fn piece() -> impl Strategy<Value = Piece> {
        let text = prop_oneof!["[a-c]{0,3}", "(content|text|assistant|delta|index|a\n|\"|\\\\|é|😀|\u{1})"];
        prop_oneof![
            6 => text.clone().prop_map(Piece::Text),
            1 => text.prop_map(Piece::Thought),
            1 => Just(Piece::Other),
        ]
    }

    fn stream(events: impl Iterator<Item = Value>) -> String {
        events.map(|event| format!("data: {event}\n\n")).collect()
    }

    fn chunks(pieces: &[Piece]) -> String {
        let chunk = |(number, piece): (usize, &Piece)| {
            let delta = match piece {
                Piece::Text(text) => json!({"content": text}),
                Piece::Thought(text) => json!({"reasoning_content": text}),
                Piece::Other => json!({"role": "assistant", "content": ""}),
            };
            json!({"id": "c", "created": number / 3, "model": "a", "obfuscation": "x".repeat(number % 4),
                "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
        };
        stream(pieces.iter().enumerate().map(chunk))
    }

    fn messages(pieces: &[Piece]) -> String {
        let event = |piece: &Piece| match piece {
            Piece::Text(text) => {
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
            }
            Piece::Thought(text) => {
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": text}})
            }
            Piece::Other => json!({"type": "ping"}),
        };
        stream(pieces.iter().map(event))
    }

    fn said(pieces: &[Piece], of: fn(&Piece) -> Option<&String>) -> String {
        pieces.iter().filter_map(of).cloned().collect()
    }

    fn text(piece: &Piece) -> Option<&String> {
        if let Piece::Text(text) = piece { Some(text) } else { None }
    }

    fn thought(piece: &Piece) -> Option<&String> {
        if let Piece::Thought(text) = piece { Some(text) } else { None }
    }

    proptest! {
        #[test]
        fn a_stream_is_read_as_it_was_written(pieces in vec(piece(), 0..40)) {
            for (provider, bytes) in
                [(&openai_chat::PROVIDER, chunks(&pieces)), (&anthropic::PROVIDER, messages(&pieces))]
            {
                let Serves::Chat(chat) = &provider.serves else { unreachable!() };
                let Asks::Chat(client) = &openai_chat::CLIENT.asks else { unreachable!() };
                let mut events = Vec::new();
                translate::stream(client, chat, &Names::none()).read(bytes.as_bytes(), &mut events).unwrap();
                let (mut texts, mut thoughts) = (String::new(), String::new());
                for event in &events {
                    match event {
                        StreamEvent::Text { text, .. } => texts += text,
                        StreamEvent::Thinking { text, .. } => thoughts += text,
                        _ => {}
                    }
                }
                prop_assert_eq!(texts, said(&pieces, text));
                prop_assert_eq!(thoughts, said(&pieces, thought));
            }
        }

        #[test]
        fn a_stream_that_passes_is_seen_as_each_of_its_events_alone(pieces in vec(piece(), 0..40)) {
            for (provider, bytes) in
                [(&openai_chat::PROVIDER, chunks(&pieces)), (&anthropic::PROVIDER, messages(&pieces))]
            {
                let Serves::Chat(chat) = &provider.serves else { unreachable!() };
                let Some(Passing { peeker, .. }) = &chat.passing else { unreachable!() };
                let (mut decoder, mut together) = (Decoder::default(), peeker());
                let (mut bytes_said, mut pieces_said) = (0, 0);
                decoder.feed(bytes.as_bytes(), |event| {
                    let mut alone = peeker();
                    assert_eq!(together.peek(&event), alone.peek(&event), "{event:?}");
                    bytes_said += alone.summary().said.bytes;
                    pieces_said += alone.summary().said.pieces;
                    assert_eq!((together.summary().said.bytes, together.summary().said.pieces), (bytes_said, pieces_said));
                    Ok::<(), TooLong>(())
                }).unwrap();
            }
        }
    }
}
