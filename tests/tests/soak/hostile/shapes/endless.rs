//! Streams whose events never end, streams that continue after their end, and streams with an unbounded number of parts. Each is limited
//! here to some multiple of the gateway's bounds.

use flate2::Crc;
use serde_json::json;

use super::super::provider::Reply;
use super::{CHAT, MESSAGES, MIB, RESPONSES, Row};

pub const CONTENT: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hello \"},\"finish_reason\":null}]}\n\n";
pub const END: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const MESSAGE_START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n";
const MESSAGE_TEXT: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello \"}}\n\n";

/// The number of bytes of an endless stream.
const MUCH: usize = 64 * MIB;
const PIECE: usize = 64 << 10;

pub const ROWS: &[Row] = &[
    Row::stream("stream-whose-event-never-ends", "openai", CHAT, || {
        forever(Reply::events().then(CONTENT).then("data: "))
    }),
    Row::stream("stream-whose-event-never-ends-translated", "anthropic", CHAT, || {
        forever(
            Reply::events()
                .then(MESSAGE_START)
                .then(MESSAGE_TEXT)
                .then("event: content_block_delta\ndata: {\"type\":\""),
        )
    }),
    Row::stream("stream-whose-first-event-never-ends", "openai", CHAT, || forever(Reply::events().then("data: "))),
    Row::stream("stream-whose-first-event-never-ends-translated", "openai", MESSAGES, || {
        forever(Reply::events().then("data: "))
    }),
    Row::stream("stream-whose-event-never-ends-behind-its-end", "openai", CHAT, || {
        forever(Reply::events().then(CONTENT).then(END).then("data: "))
    }),
    Row::stream("stream-whose-event-never-ends-behind-its-end-translated", "openai", RESPONSES, || {
        forever(Reply::events().then(CONTENT).then(END).then("data: "))
    }),
    Row::stream("stream-that-goes-on-behind-its-end", "openai", CHAT, || {
        Reply::events().then(CONTENT).then(END).repeat(CONTENT.repeat(256), MUCH / (256 * CONTENT.len()))
    }),
    Row::stream("stream-that-stays-open-behind-its-end", "openai", CHAT, || {
        Reply::events().then(CONTENT).then(END).and_stays()
    }),
    Row::stream("stream-whose-event-has-lines-without-end", "openai", CHAT, || {
        Reply::events().then(CONTENT).repeat("data: x\n".repeat(PIECE / 8), MUCH / PIECE)
    }),
    Row::stream("stream-whose-event-has-lines-without-end-translated", "anthropic", RESPONSES, || {
        Reply::events().then(MESSAGE_START).then(MESSAGE_TEXT).repeat("data: x\n".repeat(PIECE / 8), MUCH / PIECE)
    }),
    Row::stream("stream-of-comments", "openai", CHAT, || {
        Reply::events().repeat(": \n\n".repeat(PIECE / 4), MUCH / 2 / PIECE)
    }),
    Row::stream("stream-of-a-comment-without-end", "openai", CHAT, || {
        forever(Reply::events().then(CONTENT).then(": "))
    }),
    Row::stream("stream-of-large-events", "openai", MESSAGES, || {
        let (before, after) = CONTENT.split_once("hello ").expect("its text");
        let reply = Reply::events().then(CONTENT);
        let event = |reply: Reply| {
            reply.then(before.to_owned()).repeat("x".repeat(PIECE), 7 * MIB / PIECE).then(after.to_owned())
        };
        event(event(event(reply))).then(END)
    }),
    Row::stream("stream-of-many-blocks", "anthropic", CHAT, || many_blocks(Reply::events().then(MESSAGE_START))),
    Row::stream("stream-of-many-blocks-passed", "anthropic", MESSAGES, || {
        many_blocks(Reply::events().then(MESSAGE_START))
    }),
    Row::stream("stream-of-many-calls", "openai", MESSAGES, || many_calls(1)),
    Row::stream("stream-of-calls-far-apart", "openai", RESPONSES, || many_calls(100_000_007)),
    Row::stream("stream-of-many-choices", "openai", CHAT, many_choices),
    Row::stream("stream-of-calls-without-end", "openai", MESSAGES, || {
        let call = json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "x".repeat(PIECE)}}]}}]});
        Reply::events().then(CONTENT).repeat(format!("data: {call}\n\n"), MUCH / PIECE)
    }),
    Row::stream("stream-of-a-frame-without-end", "bedrock", CHAT, || {
        forever(Reply::frames().then(prelude(0x7fff_fff0, 16)))
    }),
    Row::stream("stream-of-a-frame-that-is-all-headers", "bedrock", CHAT, || {
        forever(Reply::frames().then(prelude(16 << 20, 0x7fff_ffff)))
    }),
    Row::stream("stream-of-no-frames", "bedrock", CHAT, || forever(Reply::frames())),
    Row::stream("stream-of-gemini-that-nests", "gemini", CHAT, || {
        Reply::events().then("data: {\"candidates\":").repeat("[".repeat(PIECE), MUCH / 8 / PIECE).then("\n\n")
    }),
];

/// A valid stream of 7.5 MiB, in events of 1 KiB.
pub fn flood() -> Reply {
    let event = CONTENT.replace("hello ", &"0123456789abcdef".repeat(54));
    let events = 15 * MIB / 2 / event.len();
    Reply::events().repeat(event.repeat(64), events / 64).then(END)
}

/// Continues without an end.
fn forever(reply: Reply) -> Reply {
    reply.repeat("x".repeat(PIECE), MUCH / PIECE)
}

fn many_blocks(reply: Reply) -> Reply {
    let block = |index: usize| {
        let start = json!({"type": "content_block_start", "index": index, "content_block": {"type": "tool_use", "id": format!("t{index}"), "name": "f", "input": {}}});
        format!("event: content_block_start\ndata: {start}\n\n")
    };
    (0..20)
        .fold(reply, |reply, part| reply.then((0..2_500).map(|index| block(part * 2_500 + index)).collect::<String>()))
}

fn many_calls(apart: usize) -> Reply {
    let call = |index: usize| {
        let call = json!({"index": index * apart, "id": format!("t{index}"), "type": "function", "function": {"name": "f", "arguments": "{"}});
        format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
    };
    let reply = Reply::events().then(CONTENT);
    (0..20)
        .fold(reply, |reply, part| reply.then((0..2_000).map(|index| call(part * 2_000 + index)).collect::<String>()))
}

fn many_choices() -> Reply {
    let choice =
        |index: usize| format!("data: {}\n\n", json!({"choices": [{"index": index, "delta": {"content": "x"}}]}));
    let reply = Reply::events().then(CONTENT);
    (0..20)
        .fold(reply, |reply, part| reply.then((0..2_000).map(|index| choice(part * 2_000 + index)).collect::<String>()))
}

/// The first twelve bytes of an Amazon frame, with a valid checksum.
fn prelude(length: u32, headers: u32) -> Vec<u8> {
    let mut bytes = [length.to_be_bytes(), headers.to_be_bytes()].concat();
    let mut crc = Crc::new();
    crc.update(&bytes);
    bytes.extend(crc.sum().to_be_bytes());
    bytes
}
