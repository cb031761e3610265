//! A stub HTTP service for services that the simulator does not cover. The test supplies the answers, in JSON or as raw
//! bytes, and the stub records the requests.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::gateway::Upstream;
use crate::simulator::Recorded;

/// What a stub does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Answers with this status and this body.
    Sent(u16, Bytes),
    /// Keeps the connection open and never answers.
    Never,
    /// Closes the connection without an answer.
    Closed,
}

/// Computes the answer to a request.
type Answers = Arc<dyn Fn(&Recorded) -> Answer + Send + Sync>;

/// A running stub; dropping it stops it.
#[derive(Debug)]
pub struct StandIn {
    port: u16,
    requests: Arc<Mutex<Vec<Recorded>>>,
    server: JoinHandle<()>,
}

impl StandIn {
    /// Starts a stub with JSON answers.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start(answers: impl Fn(&Recorded) -> (u16, Value) + Send + Sync + 'static) -> Self {
        Self::serving(move |request| {
            let (status, body) = answers(request);
            (status, Bytes::from(body.to_string()))
        })
        .await
    }

    /// Starts a stub with raw bodies: bodies too large to build as JSON, or empty ones.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn serving(answers: impl Fn(&Recorded) -> (u16, Bytes) + Send + Sync + 'static) -> Self {
        Self::answering(move |request| {
            let (status, body) = answers(request);
            Answer::Sent(status, body)
        })
        .await
    }

    /// Starts a stub that may also fail to answer.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn answering(answers: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::default();
        let server =
            tokio::spawn(serve(listener, Service { requests: Arc::clone(&requests), answers: Arc::new(answers) }));
        Self { port, requests, server }
    }

    /// The stub's URL, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.authority())
    }

    /// The stub's host and port.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Upstream for StandIn {
    fn base_url(&self) -> String {
        self.url()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Service {
    requests: Arc<Mutex<Vec<Recorded>>>,
    answers: Answers,
}

async fn serve(listener: TcpListener, service: Service) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(converse(stream, service.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, service: Service) {
    let service = service_fn(move |request| service.clone().answer(request));
    // An error means that the client has disconnected.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Service {
    async fn answer(self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let recorded = Recorded::new(&parts, &body.collect().await.map_err(io::Error::other)?.to_bytes());
        let answer = (self.answers)(&recorded);
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(recorded);
        let (status, body) = match answer {
            Answer::Sent(status, body) => (status, body),
            Answer::Never => std::future::pending().await,
            Answer::Closed => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let kind = if body.starts_with(b"data:") { "text/event-stream" } else { "application/json" };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Ok(response)
    }
}
