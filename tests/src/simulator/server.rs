//! The HTTP side: connections, paths, keys, and the way from a request to what is sent back.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::body::{Broken, Outgoing, Steps};
use super::connection::{Connection, End, Ending};
use super::control::{Control, Order};
use super::delivery::Delivery;
use super::fault::{Fault, Faults};
use super::fixed::{self, FixedStream};
use super::prompt::{Prompt, tokens};
use super::record::{Answering, Recorded, Records};
use super::reply::{Api, Content, Refusal, Reply};
use super::{anthropic, anthropic_request, openai};

/// Where Anthropic counts a prompt's tokens.
const COUNT: &str = "/v1/messages/count_tokens";

/// What all connections share.
#[derive(Debug)]
pub struct Server {
    /// The script and the key.
    pub control: Control,
    /// The requests so far.
    pub records: Arc<Records>,
    /// Whether to print a line for each.
    pub verbose: bool,
}

/// Accepts connections until it is dropped, and they with it.
pub async fn serve(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error here is of that one connection, or there are too many files: that passes.
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                if let Ok(connection) = Connection::new(stream) {
                    connections.spawn(converse(connection, Arc::clone(&server)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(connection: Connection, server: Arc<Server>) {
    let ending = connection.ending();
    let service = service_fn(move |request| {
        let (server, ending) = (Arc::clone(&server), Arc::clone(&ending));
        async move { server.handle(request, ending).await }
    });
    // An error is a client that left, or a fault that was asked for.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(connection), service).await;
}

/// What decides whether a request is one of a benchmark.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

fn fixed(api: Api, body: &[u8]) -> Option<Response<Outgoing>> {
    let peek = serde_json::from_slice::<Peek<'_>>(body).ok()?;
    let order = fixed::Order::of_model(&peek.model)?;
    let usage = peek.stream_options.is_some_and(|options| options.include_usage);
    let (kind, body) = if peek.stream {
        ("text/event-stream; charset=utf-8", Outgoing::FixedStream(FixedStream::new(api, usage, order)))
    } else {
        ("application/json", Outgoing::Fixed(Some(fixed::whole(api))))
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    Some(response)
}

impl Server {
    async fn handle(&self, request: Request<Incoming>, ending: Arc<Ending>) -> Result<Response<Outgoing>, Broken> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let path = parts.uri.path();
        let api = if path == "/v1/messages" || path == COUNT { Api::Anthropic } else { Api::OpenAi };
        if path.starts_with("/control") {
            return Ok(self.control(&parts, &body));
        }
        if (path == "/v1/chat/completions" || path == "/v1/messages")
            && let Some(response) = fixed(api, &body)
        {
            return Ok(response);
        }
        if self.verbose {
            eprintln!("{} {} {} bytes", parts.method, parts.uri, body.len());
        }
        let answering = self.records.add(Recorded::new(&parts, &body));
        match (&parts.method, path) {
            (&Method::POST, "/v1/chat/completions" | "/v1/messages") => match self.accept(api, &parts.headers, &body) {
                Ok((prompt, faults)) => {
                    self.control.released().await;
                    answer(api, &prompt, &faults, ending, answering).await
                }
                Err(refusal) => Ok(respond(refusal.reply(api), api, &Faults::default(), ending, answering)),
            },
            (&Method::POST, COUNT) => {
                let reply = self.count(&parts.headers, &body).unwrap_or_else(|refusal| refusal.reply(api));
                Ok(respond(reply, api, &Faults::default(), ending, answering))
            }
            (&Method::GET, "/v1/models") => {
                let reply = self.models(&parts.headers);
                Ok(respond(reply, api, &Faults::default(), ending, answering))
            }
            _ => {
                let message = format!("Invalid URL ({} {path})", parts.method);
                let refusal = Refusal { status: 404, code: None, message };
                Ok(respond(refusal.reply(api), api, &Faults::default(), ending, answering))
            }
        }
    }

    /// Every check of the real service comes before any fault: a fault must not hide that a request was wrong.
    fn accept(&self, api: Api, headers: &HeaderMap, body: &[u8]) -> Result<(Prompt, Faults), Refusal> {
        self.authenticate(api, headers)?;
        let body = serde_json::from_slice::<Value>(body)
            .map_err(|_| Refusal::invalid("We could not parse the JSON body of your request."))?;
        let prompt = match api {
            Api::OpenAi => openai::read(&body)?,
            Api::Anthropic => anthropic_request::read(&body)?,
        };
        let faults = self.control.faults(&prompt.model).map_err(|bad| Refusal::invalid(bad.to_string()))?;
        Ok((prompt, faults))
    }

    /// How many tokens a prompt has: the same as an answer to it says.
    fn count(&self, headers: &HeaderMap, body: &[u8]) -> Result<Reply, Refusal> {
        self.authenticate(Api::Anthropic, headers)?;
        let mut body = serde_json::from_slice::<Value>(body)
            .map_err(|_| Refusal::invalid("We could not parse the JSON body of your request."))?;
        if body.get("max_tokens").is_some() {
            return Err(Refusal::invalid("max_tokens: Extra inputs are not permitted"));
        }
        body["max_tokens"] = json!(u32::MAX);
        let prompt = anthropic_request::read(&body)?;
        Ok(Reply::json(200, &json!({"input_tokens": tokens(prompt.text_bytes).max(1)})))
    }

    fn authenticate(&self, api: Api, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let (key, missing) = match api {
            Api::OpenAi => {
                (text("authorization").strip_prefix("Bearer ").unwrap_or(""), "You didn't provide an API key.")
            }
            Api::Anthropic => (text("x-api-key"), "x-api-key header is required"),
        };
        if key.is_empty() {
            return Err(Refusal::unauthenticated(missing));
        }
        if !self.control.accepts(key) {
            return Err(Refusal::unauthenticated(match api {
                Api::OpenAi => "Incorrect API key provided.",
                Api::Anthropic => "invalid x-api-key",
            }));
        }
        match (api, text("anthropic-version")) {
            (Api::Anthropic, "") => Err(Refusal::invalid("anthropic-version: header is required")),
            (Api::Anthropic, version) if !["2026-10-21", "2023-06-01", "2023-01-01"].contains(&version) => {
                Err(Refusal::invalid(format!("anthropic-version: \"{version}\" is not a valid version")))
            }
            _ => Ok(()),
        }
    }

    /// Both providers list their models under the same path: Anthropic's clients send their version header.
    fn models(&self, headers: &HeaderMap) -> Reply {
        let api = if headers.contains_key("anthropic-version") { Api::Anthropic } else { Api::OpenAi };
        if let Err(refusal) = self.authenticate(api, headers) {
            return refusal.reply(api);
        }
        Reply::json(
            200,
            &match api {
                Api::OpenAi => json!({"object": "list", "data": [
                    {"id": "gpt-sim", "object": "model", "created": 1_780_000_000, "owned_by": "simulator"},
                ]}),
                Api::Anthropic => json!({
                    "data": [{"type": "model", "id": "claude-sim", "display_name": "Claude Sim", "created_at": "2026-01-01T00:00:00Z"}],
                    "has_more": false, "first_id": "claude-sim", "last_id": "claude-sim",
                }),
            },
        )
    }

    fn control(&self, parts: &Parts, body: &Bytes) -> Response<Outgoing> {
        let (status, answer) = match (&parts.method, parts.uri.path()) {
            (&Method::POST, "/control") => match serde_json::from_slice::<Order>(body) {
                Ok(order) => match self.control.take(order) {
                    Ok(()) => (200, json!({"ok": true})),
                    Err(bad) => (400, json!({"error": bad.to_string()})),
                },
                Err(bad) => (400, json!({"error": bad.to_string()})),
            },
            (&Method::DELETE, "/control") => {
                self.control.clear();
                self.records.clear();
                (200, json!({"ok": true}))
            }
            (&Method::GET, "/control/requests") => {
                (200, self.records.all().iter().map(Recorded::to_json).collect::<Value>())
            }
            _ => (404, json!({"error": "POST or DELETE /control, GET /control/requests"})),
        };
        let mut response = Response::new(Outgoing::Fixed(Some(answer.to_string().into())));
        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
        response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
        response
    }
}

/// Answers a valid request, or does what its faults say instead.
async fn answer(
    api: Api,
    prompt: &Prompt,
    faults: &Faults,
    ending: Arc<Ending>,
    mut answering: Answering,
) -> Result<Response<Outgoing>, Broken> {
    for fault in faults.iter() {
        match fault {
            Fault::Wait(time) => tokio::time::sleep(*time).await,
            Fault::Silence => std::future::pending().await,
            Fault::Reset => {
                answering.broken_off();
                ending.set(End::Reset);
                return Err(Broken);
            }
            _ => {}
        }
    }
    let reply = instead(api, prompt, faults).unwrap_or_else(|| {
        let answer = prompt.answer(faults);
        let cut = faults.iter().any(|fault| matches!(fault, Fault::ErrorAfter(_) | Fault::EofAfter(_)));
        answering.begin(answer.used, prompt.stream, cut);
        match (api, prompt.stream) {
            (Api::OpenAi, false) => Reply::json(200, &openai::whole(prompt, &answer, faults)),
            (Api::OpenAi, true) => Reply::stream(openai::stream(prompt, &answer, faults)),
            (Api::Anthropic, false) => Reply::json(200, &anthropic::whole(prompt, &answer, faults)),
            (Api::Anthropic, true) => Reply::stream(anthropic::stream(prompt, &answer, faults)),
        }
    });
    Ok(respond(reply, api, faults, ending, answering))
}

/// The reply of those faults that leave nothing of the answer.
fn instead(api: Api, prompt: &Prompt, faults: &Faults) -> Option<Reply> {
    let status = faults.iter().find_map(|fault| match fault {
        Fault::Status(status) => Some(*status),
        _ => None,
    });
    faults.iter().find_map(|fault| match fault {
        Fault::Html => Some(Reply::html(status.unwrap_or(200))),
        Fault::Blank => Some(Reply { content: Content::Whole(Vec::new()), ..Reply::json(200, &Value::Null) }),
        Fault::Context => Some(Refusal::context(api).reply(api)),
        Fault::Filter => Some(Refusal::content_filter(api).reply(api)),
        Fault::Quota => Some(Refusal::quota(api).reply(api)),
        Fault::Status(status) if !faults.has(&Fault::Html) => Some(Refusal::of_status(*status).reply(api)),
        Fault::Error => {
            let refusal = Refusal::of_status(if api == Api::Anthropic { 529 } else { 500 });
            Some(if prompt.stream {
                Reply::stream(vec![refusal.event(api)])
            } else {
                Reply::json(200, &refusal.body(api))
            })
        }
        _ => None,
    })
}

fn respond(reply: Reply, api: Api, faults: &Faults, ending: Arc<Ending>, answering: Answering) -> Response<Outgoing> {
    let mut delivery = Delivery::new(reply, api, faults);
    let mut response = Response::builder().status(delivery.status);
    for (name, value) in std::mem::take(&mut delivery.headers) {
        response = response.header(name, value);
    }
    let body = Outgoing::Steps(Steps::new(delivery, ending, answering));
    // Only a fault's own text can make a header that is none: then the test is wrong, and the empty answer shows it.
    response.body(body).unwrap_or_else(|_| Response::new(Outgoing::Fixed(None)))
}

/// A listener on the loopback interface; port 0 takes any that is free.
pub async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await
}
