//! A stub trace collector: accepts OTLP over HTTP in JSON, and records the spans.

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

type Spans = Arc<Mutex<Vec<Span>>>;

/// A running stub collector; dropping it stops it.
#[derive(Debug)]
pub struct Collector {
    port: u16,
    spans: Spans,
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
        let spans = Spans::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&spans)));
        Self { port, spans, server }
    }

    /// The collector's URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All spans so far, in the order of export.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

async fn serve(listener: TcpListener, spans: Spans) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(converse(stream, Arc::clone(&spans)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, spans: Spans) {
    let service = service_fn(move |request| take(request, Arc::clone(&spans)));
    // An error means that the client has disconnected.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn take(request: Request<Incoming>, spans: Spans) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let presented = parts.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let status = if presented != Some(format!("Bearer {TOKEN}").as_bytes()) {
        StatusCode::UNAUTHORIZED
    } else if parts.uri.path() != "/v1/traces" {
        StatusCode::NOT_FOUND
    } else if let Some(read) = otlp::spans(&body) {
        spans.lock().unwrap_or_else(PoisonError::into_inner).extend(read);
        StatusCode::OK
    } else {
        StatusCode::BAD_REQUEST
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}
