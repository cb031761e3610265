//! Responses with invalid heads: invalid lengths, headers that are too many, too large, or the gateway's own, and bytes that are not HTTP.

use super::super::provider::Reply;
use super::answers::CHAT_ANSWER;
use super::{CHAT, MESSAGES, Row};

const BAD: &[u16] = &[502, 503];
const EITHER: &[u16] = &[200, 502, 503];

pub const ROWS: &[Row] = &[
    Row::whole("head-of-many-headers", "openai", CHAT, many, EITHER),
    Row::whole(
        "head-that-is-large",
        "openai",
        CHAT,
        || Reply::raw(format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "a".repeat(90_000))),
        BAD,
    ),
    Row::whole(
        "head-without-end",
        "anthropic",
        CHAT,
        || Reply::raw("HTTP/1.1 200 OK\r\n").repeat("x-a: b\r\n".repeat(512), 512),
        // On a busy machine the time for an answer may end before the head is too large.
        &[502, 503, 504],
    ),
    Row::whole(
        "head-with-two-lengths",
        "openai",
        CHAT,
        || Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n").then("hello!"),
        BAD,
    ),
    Row::whole(
        "head-with-a-length-and-chunks",
        "openai",
        CHAT,
        || {
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n")
                .then("5\r\nhello\r\n0\r\n\r\n")
        },
        BAD,
    ),
    Row::whole(
        "head-with-a-length-beyond-all",
        "openai",
        CHAT,
        || {
            Reply::raw(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999999999999\r\n\r\n",
            )
            .then("{")
        },
        BAD,
    ),
    Row::whole(
        "head-with-four-gigabytes",
        "anthropic",
        CHAT,
        || {
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4294967297\r\n\r\n")
                .then("{")
        },
        BAD,
    ),
    Row::whole(
        "head-with-a-length-that-is-too-long",
        "openai",
        MESSAGES,
        || {
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n")
                .then(CHAT_ANSWER)
        },
        BAD,
    ),
    Row::whole(
        "head-of-another-protocol",
        "openai",
        CHAT,
        || Reply::raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n").then("hello"),
        BAD,
    ),
    Row::whole(
        "head-without-a-body",
        "openai",
        CHAT,
        || Reply::raw("HTTP/1.1 204 No Content\r\n\r\n").then(CHAT_ANSWER),
        BAD,
    ),
    Row::whole("head-that-nothing-changed", "anthropic", CHAT, || Reply::raw("HTTP/1.1 304 Not Modified\r\n\r\n"), BAD),
    Row::whole(
        "head-of-a-redirect",
        "openai",
        CHAT,
        || Reply::raw("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
        BAD,
    ),
    Row::whole(
        "head-of-a-status-that-is-none",
        "openai",
        CHAT,
        || Reply::raw("HTTP/1.1 999 ?\r\ncontent-length: 0\r\n\r\n"),
        BAD,
    ),
    Row::whole("head-that-is-no-http", "openai", CHAT, || Reply::raw("220 mail.example ESMTP\r\n").then("\0\0\0"), BAD),
    Row::whole(
        "head-after-many-hints",
        "openai",
        CHAT,
        || {
            let length = CHAT_ANSWER.len();
            let head = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(500);
            Reply::raw(head).then(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{CHAT_ANSWER}"
            ))
        },
        EITHER,
    ),
    Row::whole(
        "head-with-our-own-headers",
        "openai",
        CHAT,
        || {
            let own = [
                "x-sluice-retry: 1",
                "x-sluice-retry-after: 9",
                "x-sluice-target: small",
                "x-envoy-upstream-service-time: x",
                "x-request-id: x",
            ];
            own.iter().fold(Reply::json(), |reply, line| reply.header(line)).then(CHAT_ANSWER)
        },
        EITHER,
    ),
    Row::whole(
        "head-that-says-to-wait-for-ever",
        "openai",
        CHAT,
        || {
            Reply::raw(
                "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1e30\r\nretry-after-ms: 99999999999999999999\r\ncontent-length: 2\r\n\r\n{}",
            )
        },
        &[429, 502, 503],
    ),
    Row::whole(
        "head-of-bytes-that-are-no-text",
        "openai",
        CHAT,
        || {
            Reply::raw(
                "HTTP/1.1 200 OK\r\nx-a: \u{ff}\u{80}\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n",
            )
            .then(CHAT_ANSWER)
        },
        EITHER,
    ),
    Row::whole(
        "head-and-trailers",
        "openai",
        CHAT,
        || {
            let length = format!("{:x}", CHAT_ANSWER.len());
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\ntrailer: x-a\r\n\r\n")
            .then(format!("{length}\r\n{CHAT_ANSWER}\r\n0\r\nx-a: {}\r\nx-sluice-retry: 1\r\n\r\n", "b".repeat(1_000)))
        },
        EITHER,
    ),
    Row::stream("head-of-a-stream-that-is-none", "openai", CHAT, || Reply::events().then(CHAT_ANSWER)),
    Row::stream("head-of-a-stream-that-says-nothing-more", "anthropic", CHAT, || Reply::events().and_stays()),
];

fn many() -> Reply {
    (0..90)
        .fold(Reply::json(), |reply, number| reply.header(format!("x-{number}: {}", "a".repeat(500))))
        .then(CHAT_ANSWER)
}
