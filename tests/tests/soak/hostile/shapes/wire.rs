//! Malformed requests before any body is read: heads, keys, lengths, and clients that disconnect at any moment.

use std::time::Duration;

use sluice_tests::client::Answer;

use super::super::attack::{Ask, Seen, Visit, judge};
use super::super::talk::{Heard, Manner, answer, talk};
use super::scenes::together;
use super::{CHAT, EMBEDDINGS, MESSAGES, MIB, RESPONSES, Row, plain};

pub const ROWS: &[Row] = &[
    Row::scene("headers-that-steer", |visit| Box::pin(headers(visit))),
    Row::scene("headers-that-are-no-text", |visit| Box::pin(no_text(visit))),
    Row::scene("heads-that-are-none", |visit| Box::pin(no_heads(visit))),
    Row::scene("bodies-where-none-belongs", |visit| Box::pin(misplaced(visit))),
    Row::scene("requests-one-behind-the-other", |visit| Box::pin(pipelined(visit))),
    Row::scene("chunks-without-end", |visit| Box::pin(chunks(visit))),
    Row::scene("clients-that-leave-while-they-write", |visit| Box::pin(leave_writing(visit))),
    Row::scene("clients-that-leave-while-they-read", |visit| Box::pin(leave_reading(visit))),
];

/// The valid responses to bytes that Envoy itself rejects, without JSON.
fn envoys(heard: Heard) -> Seen {
    let Heard::Bytes(heard, _) = heard else { return Err("never answered".to_owned()) };
    match answer(&heard) {
        Some(Answer { status: 400 | 404 | 408 | 411 | 413 | 426 | 431 | 501, .. }) => Ok("refused by Envoy".to_owned()),
        Some(answer) => judge(CHAT, &answer, &[200, 400, 401, 404, 405, 413]),
        None if heard.is_empty() => Ok("closed".to_owned()),
        // HTTP/2 frames, which Envoy sends to a client that starts with HTTP/2.
        None if heard.starts_with(b"\0") => Ok("told in HTTP/2".to_owned()),
        None => Err(format!("no answer: {:?}", String::from_utf8_lossy(&heard[..heard.len().min(200)]))),
    }
}

async fn headers(mut visit: Visit) -> Vec<Seen> {
    const ODD: [(&str, &str); 18] = [
        ("x-sluice-target", "small"),
        ("x-sluice-retry", "1"),
        ("x-sluice-exchange", "1"),
        ("x-sluice-trap", "1"),
        ("x-sluice-timeout", "99999999999999999999s"),
        ("x-sluice-route", "fastest"),
        ("x-envoy-max-retries", "99999999999"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-hedge-on-per-try-timeout", "true"),
        ("x-envoy-internal", "true"),
        ("expect", "100-continue"),
        ("te", "trailers"),
        ("accept-encoding", "gzip"),
        ("content-encoding", "gzip"),
        ("content-type", "application/xml"),
        ("traceparent", "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-ff"),
        ("anthropic-version", "1"),
        ("idempotency-key", "a"),
    ];
    let (name, value) = visit.chance.pick(&ODD);
    let path = visit.chance.pick(&[CHAT, MESSAGES, RESPONSES, EMBEDDINGS]);
    let model = visit.chance.pick(&["small", "small-claude", "small-list"]);
    let ask = visit.ask(path, plain(path, model).to_string()).header(name, value);
    // The model may be of another kind than the path, and the key may not be allowed to choose it.
    let first = visit.send(&ask, &[200, 400, 403, 404, 502]).await;
    let many = (0..90).fold(ask.clone(), |ask, number| ask.header(&format!("x-{number}"), &"a".repeat(500)));
    vec![first, visit.send(&many, &[200, 400, 403, 404, 502]).await]
}

async fn no_text(mut visit: Visit) -> Vec<Seen> {
    let name = visit.chance.pick(&[
        "x-odd",
        "user-agent",
        "cookie",
        "x-request-id",
        "traceparent",
        "x-api-key",
        "x-sluice-route",
    ]);
    let ask = visit.ask(CHAT, plain(CHAT, "small-claude").to_string()).header(name, "ODD");
    let head = ask.head();
    let (before, after) = head.split_once("ODD").expect("the place for odd bytes");
    let head = [before.as_bytes(), b"a\xff\xfe\x80z", after.as_bytes()].concat();
    vec![envoys(talk(visit.place.port, &head, &ask.body, Manner::default()).await)]
}

async fn no_heads(mut visit: Visit) -> Vec<Seen> {
    let secret = visit.ask(CHAT, "").headers.remove(1).1;
    let large =
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-large: {}\r\n\r\n", "a".repeat(100_000));
    let long = format!(
        "GET /v1/models/{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {secret}\r\n\r\n",
        "a".repeat(8_000)
    );
    let both = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: {secret}\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\n\r\n"
    );
    let heads: [&[u8]; 10] = [
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer \x80\xff\r\n\r\n",
        large.as_bytes(),
        long.as_bytes(),
        both.as_bytes(),
    ];
    // Envoy may wait for more bytes without closing the connection, so the client disconnects.
    let head = visit.chance.pick(&heads);
    let heard = talk(visit.place.port, head, b"", Manner::default());
    match tokio::time::timeout(Duration::from_secs(3), heard).await {
        Ok(heard) => vec![envoys(heard)],
        Err(_) => vec![Ok("left".to_owned())],
    }
}

/// A body of 40 MiB where none is expected, and one that is declared and never sent.
async fn misplaced(mut visit: Visit) -> Vec<Seen> {
    let path = visit.chance.pick(&["/v1/models", "/v1/models/small", "/v1/nothing", "/", CHAT]);
    let method = visit.chance.pick(&["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"]);
    let declared = visit.chance.pick(&[40 * MIB, 1 << 32, 1 << 40]);
    let ask = Ask { method, ..visit.ask(path, "") };
    let head = ask.head().replace("content-length: 0", &format!("content-length: {declared}"));
    let body = vec![b' '; if declared == 40 * MIB { declared } else { 10 }];
    // A response to `HEAD` has no body.
    let heard = talk(visit.place.port, head.as_bytes(), &body, Manner::default());
    match tokio::time::timeout(Duration::from_secs(5), heard).await {
        Ok(_) if method == "HEAD" => vec![Ok("HEAD".to_owned())],
        Ok(heard) => vec![envoys(heard)],
        Err(_) => vec![Ok("left".to_owned())],
    }
}

async fn pipelined(visit: Visit) -> Vec<Seen> {
    let ask = visit.ask(CHAT, plain(CHAT, "small").to_string());
    let one = [ask.head().as_bytes(), &ask.body[..]].concat();
    let last =
        [ask.head().replace("host: x\r\n", "host: x\r\nconnection: close\r\n").as_bytes(), &ask.body[..]].concat();
    let all = [one.repeat(20), last].concat();
    let heard = talk(visit.place.port, &all, b"", Manner { waits: true, ..Manner::default() }).await;
    vec![envoys(heard)]
}

/// A chunked body that is too large, and one with invalid chunks.
async fn chunks(mut visit: Visit) -> Vec<Seen> {
    let ask = visit.ask(CHAT, "");
    let head = ask.head().replace("content-length: 0", "transfer-encoding: chunked");
    let body = match visit.chance.below(4) {
        0 => [format!("{:x}\r\n", MIB).into_bytes(), vec![b' '; MIB], b"\r\n".to_vec()].concat().repeat(40),
        1 => b"1\r\n \r\n".repeat(200_000),
        2 => b"ffffffffffffffff\r\n{".to_vec(),
        _ => b"1;a=b\r\n{\r\nnothing\r\n".to_vec(),
    };
    let heard = talk(visit.place.port, head.as_bytes(), &body, Manner::default());
    match tokio::time::timeout(Duration::from_secs(8), heard).await {
        Ok(heard) => vec![envoys(heard)],
        Err(_) => vec![Ok("left".to_owned())],
    }
}

async fn leave_writing(mut visit: Visit) -> Vec<Seen> {
    let asks = (0..12).map(|_| {
        let text = "a".repeat(if visit.chance.percent(20) { 8 * MIB } else { 2_000 });
        let model = visit.chance.pick(&["small", "small-claude"]);
        let ask = visit.ask(CHAT, plain(CHAT, model).to_string().replace("say hi", &text));
        let all = ask.head().len() + ask.body.len();
        let writes = Some(1 + visit.chance.below(all as u64) as usize);
        (visit.clone(), ask, Manner { writes, ..Manner::default() })
    });
    together(asks.collect(), &[]).await
}

async fn leave_reading(mut visit: Visit) -> Vec<Seen> {
    const STREAMS: [(&str, &str); 5] = [
        ("prey", CHAT),
        ("prey", MESSAGES),
        ("prey-held", CHAT),
        ("stream-that-goes-on-behind-its-end", CHAT),
        ("stream-of-large-events", MESSAGES),
    ];
    let asks = (0..12).map(|_| {
        let (model, path) = visit.chance.pick(&STREAMS);
        let mut body = plain(path, model);
        body["stream"] = true.into();
        let reads = Some(1 + visit.chance.below(6_000) as usize);
        (visit.clone(), visit.ask(path, body.to_string()), Manner { reads, ..Manner::default() })
    });
    together(asks.collect(), &[]).await
}
