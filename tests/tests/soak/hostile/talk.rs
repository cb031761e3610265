//! A hostile client: it writes arbitrary bytes at any speed, disconnects at any moment, and reads meanwhile.

use std::io;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use sluice_tests::PATIENCE;
use sluice_tests::client::Answer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The speed of writing, and the moment of disconnecting.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Writes pieces of this size, and waits this long after each.
    pub slowly: Option<(usize, Duration)>,
    /// Disconnects after writing this many bytes, including the head.
    pub writes: Option<usize>,
    /// Disconnects after reading this many bytes.
    pub reads: Option<usize>,
    /// Waits until the other side closes, not only for the end of one response.
    pub waits: bool,
}

/// A request's head for a body of this many bytes.
pub fn head(method: &str, path: &str, headers: &[(String, String)], length: usize) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// The bytes that a client received.
#[derive(Debug)]
pub enum Heard {
    /// All received bytes, and the error of a connection that broke.
    Bytes(Vec<u8>, Option<io::ErrorKind>),
    /// No bytes for longer than any client would wait.
    Silence,
}

/// Sends a head and a body in this manner. Returns everything received until the other side closed, or until the client disconnected, with
/// or without a response. A client that asks for the connection to be closed and then pauses for longer than Envoy waits loses the unread
/// bytes.
///
/// # Panics
/// If the connection is refused.
pub async fn talk(port: u16, head: &[u8], body: &[u8], manner: Manner) -> Heard {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a gateway that accepts connections");
    // A client disconnects with a reset.
    let _ = stream.set_zero_linger();
    let (mut reading, mut writing) = stream.into_split();
    let most = manner.writes.unwrap_or(usize::MAX);
    let (piece, pause) = manner.slowly.unwrap_or((usize::MAX, Duration::ZERO));
    let write = async {
        let parts = [head, body].into_iter().flat_map(|part| part.chunks(piece));
        let mut left = most;
        for part in parts {
            let part = &part[..part.len().min(left)];
            left -= part.len();
            // A server may reject and close before everything is written; its response still counts.
            if part.is_empty() || writing.write_all(part).await.is_err() {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        if manner.writes.is_none() {
            std::future::pending::<()>().await;
        }
    };
    let read = async {
        let (mut heard, most) = (Vec::new(), manner.reads.unwrap_or(usize::MAX));
        while heard.len() < most && (manner.waits || !has_answer(&heard)) {
            match timeout(PATIENCE, reading.read_buf(&mut heard)).await {
                Ok(Ok(1..)) => {}
                Ok(ended) => return Heard::Bytes(heard, ended.err().map(|error| error.kind())),
                Err(_) => return Heard::Silence,
            }
        }
        Heard::Bytes(heard, None)
    };
    tokio::select! {
        () = write => Heard::Bytes(Vec::new(), None),
        heard = read => heard,
    }
}

/// Whether a whole response has arrived.
fn has_answer(heard: &[u8]) -> bool {
    let heard = final_answer(heard);
    let Some(head) = head_of(heard) else { return false };
    let head = String::from_utf8_lossy(head);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    match length {
        Some(length) => heard.len() >= head.len() + 4 + length,
        None => heard.ends_with(b"0\r\n\r\n") && answer(heard).is_some_and(|answer| answer.complete),
    }
}

/// The bytes after interim responses.
fn final_answer(heard: &[u8]) -> &[u8] {
    let is_interim = heard.starts_with(b"HTTP/1.1 1");
    match head_of(heard).filter(|_| is_interim) {
        Some(head) => final_answer(&heard[head.len() + 4..]),
        None => heard,
    }
}

/// The headers before an empty line.
fn head_of(heard: &[u8]) -> Option<&[u8]> {
    let end = heard.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(&heard[..end])
}

/// The first response in these bytes; `None` if they are not HTTP.
pub fn answer(heard: &[u8]) -> Option<Answer> {
    let heard = final_answer(heard);
    let head = std::str::from_utf8(head_of(heard)?).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    let rest = &heard[head.len() + 4..];
    let number = |name: &str| headers.get(name)?.to_str().ok()?.parse().ok();
    let (body, complete) = match number("content-length") {
        Some(length) => (rest[..rest.len().min(length)].to_vec(), rest.len() >= length),
        None if headers.contains_key("transfer-encoding") => dechunked(rest),
        None => (rest.to_vec(), true),
    };
    Some(Answer { status, headers, body: body.into(), complete })
}

/// The content of the chunks, and whether the last one has arrived.
fn dechunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::with_capacity(rest.len());
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(size) = size else { break };
        let chunk = &rest[line + 2..];
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&chunk[..chunk.len().min(size)]);
        rest = chunk.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}
