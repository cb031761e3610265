//! A small HTTP client for tests. It opens a connection for each request, limits every wait, and treats a truncated
//! answer as a result.

mod frames;
mod spoken;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::PATIENCE;

/// The target port, and the headers of every request.
#[derive(Debug, Clone)]
pub struct Client {
    port: u16,
    headers: Vec<(String, String)>,
    patience: Duration,
}

/// A complete or truncated answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// The body received so far.
    pub body: Bytes,
    /// Whether the body is complete, not truncated.
    pub complete: bool,
}

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The `event:` line.
    pub name: Option<String>,
    /// The `data:` line.
    pub data: String,
}

impl Event {
    /// The data as JSON; null if it is not JSON, such as `[DONE]`.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or(Value::Null)
    }
}

/// The reason for a missing answer.
#[derive(Debug)]
pub enum Failure {
    /// The connection was refused or broke.
    Connection(io::Error),
    /// The server closed the connection, or did not speak HTTP, before the answer's headers.
    NoAnswer(hyper::Error),
}

impl Client {
    /// A client for a port of the loopback interface.
    pub fn new(port: u16) -> Self {
        Self { port, headers: vec![("content-type".into(), "application/json".into())], patience: PATIENCE }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Sets the time limit for the start of an answer, and for each chunk.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds an OpenAI key.
    #[must_use]
    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// Adds a Gemini key.
    #[must_use]
    pub fn gemini(self, key: &str) -> Self {
        self.header("x-goog-api-key", key)
    }

    /// Adds an Anthropic key and version.
    #[must_use]
    pub fn anthropic(self, key: &str) -> Self {
        self.header("x-api-key", key).header("anthropic-version", "2023-06-01")
    }

    /// Sends a request and waits for the answer's headers.
    ///
    /// # Errors
    /// If the server sends no answer.
    ///
    /// # Panics
    /// If the answer takes too long, or the request is invalid.
    pub async fn open(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Result<Open, Failure> {
        let request = self.build(method, path, body);
        timeout(self.patience, self.send(request)).await.expect("an answer in time")
    }

    fn build(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri(path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", format!("127.0.0.1:{}", self.port));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(body.into())).expect("a valid request")
    }

    /// Opens a connection for several requests.
    ///
    /// # Errors
    /// If the server does not accept it.
    pub async fn connect(&self) -> Result<Kept, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(Failure::Connection)?;
        stream.set_nodelay(true).map_err(Failure::Connection)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::NoAnswer)?;
        let connection = Driver(tokio::spawn(async move {
            // The reader of the answer or the body gets the error.
            let _ = connection.await;
        }));
        Ok(Kept { sender, _connection: connection })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Open, Failure> {
        let Kept { mut sender, _connection } = self.connect().await?;
        let response = sender.send_request(request).await.map_err(Failure::NoAnswer)?;
        Ok(Open { response, patience: self.patience, _connection: Some(_connection) })
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// If the server sends no answer.
    pub async fn request(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Result<Answer, Failure> {
        Ok(self.open(method, path, body).await?.finish().await)
    }

    /// Posts JSON and reads the whole answer; calls `begun` at the first bytes of the body.
    ///
    /// # Panics
    /// If the server sends no answer.
    pub async fn post_begun(&self, path: &str, body: &Value, begun: impl FnOnce()) -> Answer {
        let mut open = self.open("POST", path, body.to_string()).await.expect("an answer");
        let first = open.next().await;
        begun();
        open.finish_after(first).await
    }

    /// Posts JSON and reads the whole answer.
    ///
    /// # Panics
    /// If the server sends no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, body.to_string()).await.expect("an answer")
    }

    /// Writes raw bytes, which must ask for the connection to be closed, and reads until the end.
    ///
    /// # Panics
    /// If the connection is refused, or is not closed.
    pub async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("a connection");
        let mut answer = Vec::new();
        // A server that rejects early may close before it has read everything: its answer still counts.
        let _ = stream.write_all(bytes).await;
        while let Ok(1..) = timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("an end in time") {}
        answer
    }
}

/// Drives a connection; dropping it closes the connection.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer whose body is still coming; dropping it closes the connection.
#[derive(Debug)]
pub struct Open {
    response: Response<Incoming>,
    patience: Duration,
    /// The connection, unless the answer uses a [`Kept`] one.
    _connection: Option<Driver>,
}

/// A connection that stays open between requests.
#[derive(Debug)]
pub struct Kept {
    sender: SendRequest<Full<Bytes>>,
    _connection: Driver,
}

impl Kept {
    /// Posts JSON with this client's headers, and reads the whole answer.
    ///
    /// # Errors
    /// If the server sends no answer, for example because the connection is closed.
    ///
    /// # Panics
    /// If the answer takes too long.
    pub async fn post(&mut self, client: &Client, path: &str, body: &Value) -> Result<Answer, Failure> {
        let request = client.build("POST", path, body.to_string());
        let sent = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let response = timeout(PATIENCE, sent).await.expect("an answer in time").map_err(Failure::NoAnswer)?;
        Ok(Open { response, patience: client.patience, _connection: None }.finish().await)
    }
}

impl Open {
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next chunk of the body; `None` at the end.
    ///
    /// # Errors
    /// If the body is truncated.
    ///
    /// # Panics
    /// If the chunk takes too long.
    pub async fn next(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        let frame = timeout(self.patience, self.response.body_mut().frame()).await.expect("more of the body in time");
        Ok(frame.transpose()?.map(|frame| frame.into_data().unwrap_or_default()))
    }

    /// Reads the rest of the body.
    pub async fn finish(mut self) -> Answer {
        let first = self.next().await;
        self.finish_after(first).await
    }

    async fn finish_after(mut self, first: Result<Option<Bytes>, hyper::Error>) -> Answer {
        let (mut body, mut next) = (Vec::new(), first);
        let complete = loop {
            match next {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Ok(None) => break true,
                Err(_) => break false,
            }
            next = self.next().await;
        };
        let (parts, _) = self.response.into_parts();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.into(), complete }
    }
}

impl Answer {
    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first header of this name, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The complete events of the body, without comments.
    pub fn events(&self) -> Vec<Event> {
        let text = self.text().replace("\r\n", "\n");
        let complete = text.rfind("\n\n").map_or("", |end| &text[..end]);
        complete.split("\n\n").filter_map(event).collect()
    }

    /// The complete frames of a body in Amazon's event stream, including exceptions, each with its name and payload.
    ///
    /// # Panics
    /// If a checksum is wrong.
    pub fn frames(&self) -> Vec<Event> {
        frames::read(&self.body)
    }

    /// The text of a streamed answer, in any wire format.
    pub fn streamed_text(&self) -> String {
        let framed = self.header("content-type") == Some("application/vnd.amazon.eventstream");
        let events = if framed { self.frames() } else { self.events() };
        events.into_iter().filter_map(|event| spoken::text(&event.json())).collect()
    }
}

fn event(block: &str) -> Option<Event> {
    let field =
        |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_start().to_owned());
    Some(Event { name: field("event:"), data: field("data:")? })
}

/// The body of a local server's answer, for callers outside async code.
pub(crate) fn ask_blocking(port: u16, path: &str) -> Option<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    io::Write::write_all(&mut stream, head.as_bytes()).ok()?;
    let mut answer = String::new();
    io::Read::read_to_string(&mut stream, &mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}
