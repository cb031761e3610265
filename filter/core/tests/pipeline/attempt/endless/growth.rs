//! Short streams that may grow in memory: by their state, by their translation, or by their parsing.

use sluice_core::pipeline::request_state::Stage;
use sluice_wire::dialect::{Client, Id, Provider, anthropic, bedrock, cohere, gemini, openai_chat, responses};
use sluice_wire::framing::eventstream;

use super::{MIB, Watched};

/// The memory limit of one stream, for any provider output.
const MOST: i64 = 160 << 20;

type Event = dyn Fn(usize) -> Vec<u8>;

fn data(json: &str) -> Vec<u8> {
    format!("data: {json}\n\n").into_bytes()
}

fn delta(delta: &str) -> Vec<u8> {
    data(&format!(r#"{{"choices":[{{"index":0,"delta":{{{delta}}}}}]}}"#))
}

fn block(index: usize, delta: &str) -> Vec<u8> {
    data(&format!(r#"{{"type":"content_block_delta","index":{index},"delta":{{{delta}}}}}"#))
}

fn begun(index: usize, block: &str) -> Vec<u8> {
    data(&format!(r#"{{"type":"content_block_start","index":{index},"content_block":{{{block}}}}}"#))
}

fn frame(name: &str, payload: &str) -> Vec<u8> {
    let mut out = Vec::new();
    eventstream::encode(&[(":message-type", "event"), (":event-type", name)], payload.as_bytes(), &mut out);
    out
}

fn letters(count: usize) -> String {
    "x".repeat(count)
}

/// Sends events until the client receives an error, or `bytes` bytes were sent.
fn flood(stream: &mut Watched, bytes: usize, event: &Event) {
    let (mut sent, mut number, mut portion) = (0, 0, Vec::new());
    while sent < bytes && stream.journey.progress.stage != Stage::Broken && stream.failure.is_none() {
        while portion.len() < 64 << 10 {
            portion.extend(event(number));
            number += 1;
        }
        sent += portion.len();
        // The client has read this.
        stream.client.clear();
        stream.portion(&portion);
        portion.clear();
    }
}

/// Repeats one event after `first`, for longer than any response. The stream must end in an error.
fn ends(client: &'static Client, provider: &'static Provider, first: &[u8], event: &Event, what: &str) {
    let mut stream = Watched::new("gpt", client, provider);
    stream.portion(first);
    flood(&mut stream, 64 * MIB, event);
    assert_eq!(stream.journey.progress.stage, Stage::Broken, "{what}");
    assert!(stream.most < MOST, "{what}: {} bytes at once", stream.most);
    assert!(stream.kept < 64 << 10, "{what}: {} bytes are kept", stream.kept);
    let told = String::from_utf8_lossy(&stream.client).into_owned();
    assert!(told.contains("The provider's"), "{what}: the client is not told");
}

/// Sends events that need no stored state: the stream must not end.
fn flows(client: &'static Client, provider: &'static Provider, first: &[u8], event: &Event, what: &str) {
    let mut stream = Watched::new("gpt", client, provider);
    stream.portion(first);
    flood(&mut stream, 2 * MIB, event);
    assert_eq!((stream.journey.progress.stage, &stream.failure), (Stage::Answering, &None), "{what}");
    assert!(stream.kept < 512 << 10, "{what}: {} bytes are kept", stream.kept);
}

#[test]
fn what_a_client_has_to_read_again_at_the_end_has_a_bound() {
    let words = "words that are said, again and again, ".repeat(100);
    let text = move |_: usize| block(0, &format!(r#""type":"text_delta","text":"{words}""#));
    ends(&responses::CLIENT, &anthropic::PROVIDER, b"", &text, "text for a client of the Responses API");
    // One byte becomes six.
    let control = |_: usize| block(0, &format!(r#""type":"text_delta","text":"{}""#, "\\u0001".repeat(1000)));
    ends(&responses::CLIENT, &anthropic::PROVIDER, b"", &control, "letters that are written at length");
    let thought = |_: usize| block(0, &format!(r#""type":"thinking_delta","thinking":"{}""#, letters(4000)));
    ends(&openai_chat::CLIENT, &anthropic::PROVIDER, &text(0), &thought, "reasoning whose signature may come");
    let signature = |_: usize| block(0, &format!(r#""type":"signature_delta","signature":"{}""#, letters(4000)));
    ends(&openai_chat::CLIENT, &anthropic::PROVIDER, &text(0), &signature, "a signature that has no end");
    let text = |_: usize| delta(&format!(r#""content":"{}""#, letters(4000)));
    let call = delta(r#""tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}]"#);
    ends(&anthropic::CLIENT, &openai_chat::PROVIDER, &call, &text, "text behind a call that does not end");
}

#[test]
fn pieces_are_counted_whatever_their_provider_calls_them() {
    let first = delta(r#""content":"a""#);
    let index = |number: usize| (1u64 << 63) + number as u64;
    let call = move |number: usize| {
        delta(&format!(r#""tool_calls":[{{"index":{},"id":"c{number}","function":{{"name":"f"}}}}]"#, index(number)))
    };
    ends(&anthropic::CLIENT, &openai_chat::PROVIDER, &first, &call, "calls");
    let choice = |number: usize| data(&format!(r#"{{"choices":[{{"index":{number},"delta":{{"content":"a"}}}}]}}"#));
    ends(&anthropic::CLIENT, &openai_chat::PROVIDER, &first, &choice, "choices");

    let text = block(0, r#""type":"text_delta","text":"a""#);
    let tool = move |number: usize| {
        begun(0, &format!(r#""type":"tool_use","id":"c{number}","name":"f","input":{{}}"#))
            .into_iter()
            .chain(data(&format!(r#"{{"type":"content_block_stop","index":{}}}"#, index(number))))
            .collect()
    };
    flows(&openai_chat::CLIENT, &anthropic::PROVIDER, &text, &tool, "blocks");
    ends(&responses::CLIENT, &anthropic::PROVIDER, &text, &tool, "blocks that are items");
    let open = |number: usize| begun(number, r#""type":"tool_use","id":"c","name":"f","input":{}"#);
    flows(&openai_chat::CLIENT, &anthropic::PROVIDER, &text, &open, "blocks that never end");
    let kinds = |number: usize| match number % 2 {
        0 => block(0, r#""type":"text_delta","text":"a""#),
        _ => block(1, r#""type":"thinking_delta","thinking":"a""#),
    };
    ends(&responses::CLIENT, &anthropic::PROVIDER, &text, &kinds, "items that change with every word");
    let input =
        |_: usize| begun(0, &format!(r#""type":"tool_use","id":"c","name":"f","input":["{}"]"#, letters(20_000)));
    ends(&openai_chat::CLIENT, &anthropic::PROVIDER, &text, &input, "arguments with which calls begin");

    let said = data(r#"{"type":"response.output_text.delta","output_index":0,"delta":"a"}"#);
    let item = move |number: usize| {
        let index = index(number);
        data(&format!(r#"{{"type":"response.output_text.delta","output_index":{index},"delta":"a"}}"#))
    };
    ends(&openai_chat::CLIENT, &responses::PROVIDER, &said, &item, "items");
    let said = data(r#"{"type":"content-delta","delta":{"message":{"content":{"text":"a"}}}}"#);
    let call = move |number: usize| {
        let index = index(number);
        data(&format!(
            r#"{{"type":"tool-call-start","index":{index},"delta":{{"message":{{"tool_calls":{{"function":{{"name":"f"}}}}}}}}}}"#
        ))
    };
    ends(&openai_chat::CLIENT, &cohere::PROVIDER, &said, &call, "Cohere's calls");
    let said = frame("contentBlockDelta", r#"{"delta":{"text":"a"}}"#);
    let call = move |number: usize| {
        let index = index(number);
        let payload =
            format!(r#"{{"contentBlockIndex":{index},"start":{{"toolUse":{{"toolUseId":"c","name":"f"}}}}}}"#);
        frame("contentBlockStart", &payload)
    };
    ends(&anthropic::CLIENT, &bedrock::PROVIDER, &said, &call, "Bedrock's blocks");
    let said = data(r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#);
    let call = |_: usize| data(r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}"#);
    ends(&anthropic::CLIENT, &gemini::PROVIDER, &said, &call, "Gemini's calls");
}

/// One event of repeated pieces, with the maximum length of an event.
fn longest(head: &str, piece: &str, tail: &str) -> Vec<u8> {
    let pieces = (15 << 20) / (piece.len() + 1);
    data(&format!("{head}{}{piece}{tail}", format!("{piece},").repeat(pieces)))
}

#[test]
fn an_event_is_read_within_a_multiple_of_its_length() {
    for (client, provider, first, event, what) in [
        (
            &responses::CLIENT,
            &openai_chat::PROVIDER,
            delta(r#""content":"a""#),
            longest(r#"{"choices":["#, "{}", "]}"),
            "choices",
        ),
        (
            &responses::CLIENT,
            &openai_chat::PROVIDER,
            delta(r#""content":"a""#),
            longest(r#"{"choices":[{"delta":{"content":["#, r#"{"text":"x"}"#, "]}}]}"),
            "parts",
        ),
        (
            &responses::CLIENT,
            &openai_chat::PROVIDER,
            delta(r#""content":"a""#),
            longest(r#"{"choices":[{"delta":{"content":["#, r#"{"thinking":[{"text":"x"},{"text":"x"}]}"#, "]}}]}"),
            "parts within parts",
        ),
        (
            &responses::CLIENT,
            &openai_chat::PROVIDER,
            delta(r#""content":"a""#),
            longest(r#"{"choices":[{"delta":{"tool_calls":["#, "{}", "]}}]}"),
            "calls",
        ),
        (
            &responses::CLIENT,
            &gemini::PROVIDER,
            data(r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#),
            longest(r#"{"candidates":[{"content":{"parts":["#, "{}", "]}}]}"),
            "Gemini's parts",
        ),
        (
            &openai_chat::CLIENT,
            &responses::PROVIDER,
            data(r#"{"type":"response.output_text.delta","output_index":0,"delta":"a"}"#),
            longest(r#"{"type":"response.completed","response":{"output":["#, "1", "]}}"),
            "items",
        ),
        (
            &openai_chat::CLIENT,
            &openai_chat::PROVIDER,
            delta(r#""content":"a""#),
            longest(r#"{"error":["#, "1", "]}"),
            "an error",
        ),
        (
            &openai_chat::CLIENT,
            &gemini::PROVIDER,
            data(r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#),
            longest(r#"{"error":["#, "1", "]}"),
            "Gemini's error",
        ),
        (
            &openai_chat::CLIENT,
            &gemini::PROVIDER,
            data(r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#),
            longest("[", "1", "]"),
            "an array in the place of an answer",
        ),
    ] {
        let mut stream = Watched::new("gpt", client, provider);
        stream.portion(&first);
        event.chunks(1 << 20).for_each(|portion| stream.portion(portion));
        assert_eq!(stream.journey.progress.stage, Stage::Broken, "{what}");
        assert!(stream.most < 64 << 20, "{what}: {} bytes at once", stream.most);
        assert!(stream.kept < 64 << 10, "{what}: {} bytes are kept", stream.kept);
    }
}

#[test]
fn a_long_name_is_not_repeated_with_every_word() {
    let name = letters(300 << 10);
    for (client, provider, first) in [
        (
            &openai_chat::CLIENT,
            &anthropic::PROVIDER,
            data(&format!(r#"{{"type":"message_start","message":{{"id":"{name}","model":"{name}"}}}}"#)),
        ),
        (
            &responses::CLIENT,
            &openai_chat::PROVIDER,
            data(&format!(r#"{{"id":"{name}","model":"{name}","choices":[{{"index":0,"delta":{{"content":"a"}}}}]}}"#)),
        ),
    ] {
        let mut stream = Watched::new("gpt", client, provider);
        first.chunks(1 << 16).for_each(|portion| stream.portion(portion));
        for _ in 0..1000 {
            stream.portion(&if provider.id == Id::Anthropic {
                block(0, r#""type":"text_delta","text":"a""#)
            } else {
                delta(r#""content":"a""#)
            });
        }
        assert!(stream.client.len() < 2 * MIB, "{} bytes", stream.client.len());
        assert_eq!((stream.journey.progress.stage, &stream.failure), (Stage::Answering, &None));
    }
}
