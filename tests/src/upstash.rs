//! A stub for Upstash: its documented REST API before a real Redis. Upstash's own server is a hosted service and cannot
//! run in a test.

use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::MutexGuard;
use tokio::task::{JoinHandle, JoinSet};

use crate::gateway::A_KEY;
use crate::port::Port;
use crate::redis::{Connection, Redis};
use crate::shared::RUNTIME;
use crate::until;

/// The token that the stub requires.
pub const TOKEN: &str = A_KEY.1;

/// A running stub; dropping it stops it.
#[derive(Debug)]
pub struct Upstash {
    port: MutexGuard<'static, Port>,
    server: JoinHandle<()>,
}

/// The port that all stubs use in turn, so that an Envoy started with this port can be reused.
static PORT: LazyLock<tokio::sync::Mutex<Port>> = LazyLock::new(|| tokio::sync::Mutex::new(Port::reserve()));

impl Upstash {
    /// Starts a stub before this Redis.
    ///
    /// # Panics
    /// If the previous stub does not release the port.
    pub async fn start(redis: &Redis) -> Self {
        let port = PORT.lock().await;
        // The previous stub may still be stopping.
        let listen = || std::net::TcpListener::bind(("127.0.0.1", port.number())).ok();
        let listener = until("the port to be free", listen).await;
        listener.set_nonblocking(true).expect("an option of every socket");
        // A stopping gateway may still need answers: see [`Gateway`](crate::gateway::Gateway).
        let _runtime = RUNTIME.enter();
        let listener = TcpListener::from_std(listener).expect("a runtime");
        let server = tokio::spawn(serve(listener, redis.port()));
        Self { port, server }
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }
}

impl Drop for Upstash {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, redis: u16) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(converse(stream, Arc::new(Backend { port: redis, connection: Mutex::default() })));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: TcpStream, backend: Arc<Backend>) {
    let service = service_fn(move |request| {
        let backend = Arc::clone(&backend);
        async move { answer(request, backend).await }
    });
    // An error means that the client has disconnected.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, backend: Arc<Backend>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let presented = parts.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let (status, body) = if presented != Some(format!("Bearer {TOKEN}").as_bytes()) {
        (401, json!({ "error": "Unauthorized" }))
    } else if parts.method != Method::POST || parts.uri.path() != "/" {
        (404, json!({ "error": "ERR only POST / is known here" }))
    } else if let Ok(words) = serde_json::from_slice::<Vec<Value>>(&body) {
        let done = tokio::task::spawn_blocking(move || backend.command(&words)).await;
        match done {
            Ok(Ok(Ok(value))) => (200, json!({ "result": value })),
            Ok(Ok(Err(error))) => (400, json!({ "error": error })),
            Ok(Err(_)) | Err(_) => (503, json!({ "error": "the database does not answer" })),
        }
    } else {
        (400, json!({ "error": "ERR failed to parse command" }))
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}

/// The connection to Redis behind one client connection.
#[derive(Debug)]
struct Backend {
    port: u16,
    connection: Mutex<Option<Connection>>,
}

impl Backend {
    fn command(&self, words: &[Value]) -> io::Result<Result<Value, String>> {
        let words: Vec<String> =
            words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
        let mut kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::open(self.port)?,
        };
        let reply = connection.command(&words)?;
        // The stub does not keep a broken connection.
        *kept = Some(connection);
        Ok(reply)
    }
}
