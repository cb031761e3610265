//! A stub collector: accepts OTLP over HTTP and records the spans, which Sluice sends in JSON, and the log records, which Envoy sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::until;

mod otlp;
mod records;

/// The token that the collector requires.
pub const TOKEN: &str = "collector-test-token";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// The trace id: 32 hexadecimal digits.
    pub trace: String,
    /// The span id: 16 hexadecimal digits.
    pub id: String,
    /// The parent span's id; empty for a root span.
    pub parent: String,
    /// The operation and its model.
    pub name: String,
    /// 2 for the request's span, 3 for an attempt's.
    pub kind: u64,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// The attributes, as text.
    pub tags: BTreeMap<String, String>,
    /// The events.
    pub events: Vec<Event>,
    /// Whether the status is an error.
    pub failed: bool,
}

/// An event of a span.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// When it happened, in nanoseconds since 1970.
    pub time: u64,
    /// Its attributes, as text.
    pub tags: BTreeMap<String, String>,
}

impl Span {
    /// The value of a tag.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name).map(String::as_str)
    }
}

/// A log record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRecord {
    /// The body, a text.
    pub body: String,
    /// The attributes with text values.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Received {
    spans: Vec<Span>,
    records: Vec<LogRecord>,
}

type Shared = Arc<Mutex<Received>>;

/// A running stub collector; dropping it stops it.
#[derive(Debug)]
pub struct Collector {
    port: u16,
    received: Shared,
    server: JoinHandle<()>,
}

impl Collector {
    /// Starts a collector.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let received = Shared::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&received)));
        Self { port, received, server }
    }

    /// The collector's URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All spans so far, in the order of export.
    pub fn spans(&self) -> Vec<Span> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).spans.clone()
    }

    /// Waits for this many log records, and returns all so far. Envoy exports every second.
    ///
    /// # Panics
    /// If they do not arrive in time.
    pub async fn records(&self, count: usize) -> Vec<LogRecord> {
        let records = || self.received.lock().unwrap_or_else(PoisonError::into_inner).records.clone();
        until("log records", || Some(records()).filter(|records| records.len() >= count)).await
    }

    /// Waits for the span of a request, found by its id, and for the spans of its attempts.
    ///
    /// # Panics
    /// If the spans do not arrive in time.
    pub async fn request(&self, id: &str, attempts: usize) -> (Span, Vec<Span>) {
        until("the spans of a request", || {
            let spans = self.spans();
            let own = spans.iter().find(|span| span.tag("sluice.request_id") == Some(id))?;
            let parts: Vec<Span> = spans.iter().filter(|span| span.parent == own.id).cloned().collect();
            (parts.len() >= attempts).then(|| (own.clone(), parts))
        })
        .await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, received: Shared) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(converse(stream, Arc::clone(&received)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, received: Shared) {
    let service = service_fn(move |request| take(request, Arc::clone(&received)));
    // An error means that the client has disconnected.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn take(request: Request<Incoming>, received: Shared) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let presented = parts.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let status = if presented == Some(format!("Bearer {TOKEN}").as_bytes()) {
        keep(parts.uri.path(), &body, &mut received.lock().unwrap_or_else(PoisonError::into_inner))
    } else {
        StatusCode::UNAUTHORIZED
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}

fn keep(path: &str, body: &[u8], received: &mut Received) -> StatusCode {
    let read = match path {
        "/v1/traces" => otlp::spans(body).map(|spans| received.spans.extend(spans)),
        "/v1/logs" => records::records(body).map(|records| received.records.extend(records)),
        _ => return StatusCode::NOT_FOUND,
    };
    read.map_or(StatusCode::BAD_REQUEST, |()| StatusCode::OK)
}
