//! A small HTTP client for tests: one connection for each request, every wait bounded, and an answer that breaks off is
//! a result like any other.

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

/// Where requests go, and the headers that all of them carry.
#[derive(Debug, Clone)]
pub struct Client {
    port: u16,
    headers: Vec<(String, String)>,
    patience: Duration,
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it came.
    pub body: Bytes,
    /// Whether the body came to its end, rather than being broken off.
    pub complete: bool,
}

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its `event:` line.
    pub name: Option<String>,
    /// Its `data:` line.
    pub data: String,
}

impl Event {
    /// The data as JSON; null when it is not, as `[DONE]`.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or(Value::Null)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The connection was refused or broke.
    Connection(io::Error),
    /// The other side closed it, or spoke something else, before the headers of an answer were there.
    NoAnswer(hyper::Error),
}

impl Client {
    /// A client of a port of the loopback interface.
    pub fn new(port: u16) -> Self {
        Self { port, headers: vec![("content-type".into(), "application/json".into())], patience: PATIENCE }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The headers.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The same that waits so long for an answer to begin, and for each piece of it.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with an OpenAI key.
    #[must_use]
    pub fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    /// The same as a client of Gemini.
    #[must_use]
    pub fn gemini(self, key: &str) -> Self {
        self.header("x-goog-api-key", key)
    }

    /// The same as a client of Anthropic.
    #[must_use]
    pub fn anthropic(self, key: &str) -> Self {
        self.header("x-api-key", key).header("anthropic-version", "2023-06-01")
    }

    /// Sends a request and waits for the headers of its answer.
    ///
    /// # Errors
    /// When there is no answer.
    ///
    /// # Panics
    /// When it takes too long, or the request is none.
    pub async fn open(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Result<Open, Failure> {
        let request = self.build(method, path, body);
        timeout(self.patience, self.send(request)).await.expect("an answer in time")
    }

    fn build(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let mut request =
            Request::builder().method(method).uri(path).header("host", format!("127.0.0.1:{}", self.port));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(body.into())).expect("a valid request")
    }

    /// Connects, for several requests one after another.
    ///
    /// # Errors
    /// When nobody accepts.
    pub async fn connect(&self) -> Result<Kept, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(Failure::Connection)?;
        stream.set_nodelay(true).map_err(Failure::Connection)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::NoAnswer)?;
        let connection = Driver(tokio::spawn(async move {
            // Its error is seen by the one who waits for the answer or the body.
            let _ = connection.await;
        }));
        Ok(Kept { sender, _connection: connection })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Open, Failure> {
        let Kept { mut sender, _connection } = self.connect().await?;
        let response = sender.send_request(request).await.map_err(Failure::NoAnswer)?;
        Ok(Open { response, patience: self.patience, _connection: Some(_connection) })
    }

    /// Sends a request and reads its answer to the end.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn request(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Result<Answer, Failure> {
        Ok(self.open(method, path, body).await?.finish().await)
    }

    /// Posts JSON and reads the answer to its end; says when it has begun, which is when its first bytes are here.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post_begun(&self, path: &str, body: &Value, begun: impl FnOnce()) -> Answer {
        let mut open = self.open("POST", path, body.to_string()).await.expect("an answer");
        let first = open.next().await;
        begun();
        open.finish_after(first).await
    }

    /// Posts JSON and reads the answer to its end.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, body.to_string()).await.expect("an answer")
    }

    /// Writes bytes as they are, which ask for the connection to be closed, and reads until it is.
    ///
    /// # Panics
    /// When the connection is refused, or is not closed.
    pub async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.expect("a connection");
        let mut answer = Vec::new();
        // A server that refuses early may close before all is written: what it said still counts.
        let _ = stream.write_all(bytes).await;
        while let Ok(1..) = timeout(PATIENCE, stream.read_buf(&mut answer)).await.expect("an end in time") {}
        answer
    }
}

/// Drives a connection while its answer is wanted.
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
    /// Its own, unless it came on one that is kept.
    _connection: Option<Driver>,
}

/// A connection that stays open between requests.
#[derive(Debug)]
pub struct Kept {
    sender: SendRequest<Full<Bytes>>,
    _connection: Driver,
}

impl Kept {
    /// Posts JSON as this client, and reads the answer to its end.
    ///
    /// # Errors
    /// When there is no answer, as on a connection that was closed.
    ///
    /// # Panics
    /// When it takes too long.
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
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next bytes of the body; `None` at its end, an error when it was broken off.
    ///
    /// # Errors
    /// When it was broken off.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn next(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        let frame = timeout(self.patience, self.response.body_mut().frame()).await.expect("more of the body in time");
        Ok(frame.transpose()?.map(|frame| frame.into_data().unwrap_or_default()))
    }

    /// Reads the rest.
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
    /// The body as JSON; null when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first header of this name, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The complete events of the body; comments are left out.
    pub fn events(&self) -> Vec<Event> {
        let text = self.text().replace("\r\n", "\n");
        let complete = text.rfind("\n\n").map_or("", |end| &text[..end]);
        complete.split("\n\n").filter_map(event).collect()
    }

    /// The complete frames of a body in Amazon's event stream, exceptions too, each with its name and its payload.
    ///
    /// # Panics
    /// When a checksum is wrong.
    pub fn frames(&self) -> Vec<Event> {
        frames::read(&self.body)
    }

    /// The text of a streamed answer, in whichever wire format.
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

/// What a server of this machine answers, for those who cannot wait for it.
pub(crate) fn ask_blocking(port: u16, path: &str) -> Option<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    io::Write::write_all(&mut stream, head.as_bytes()).ok()?;
    let mut answer = String::new();
    io::Read::read_to_string(&mut stream, &mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}
