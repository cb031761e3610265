//! The HTTP server: connections, paths, keys, and the processing of a request.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::body::{Broken, Outgoing, Outlet, Steps};
use super::call::Call;
use super::connection::{Connection, End, Ending};
use super::control::{Control, Order};
use super::delivery::Delivery;
use super::fault::{Fault, Faults};
use super::fixed::{self, FixedStream};
use super::memory::Memory;
use super::prompt::Prompt;
use super::prompt_cache::PromptCache;
use super::record::{Answering, Recorded, Records};
use super::reply::{Event, Refusal, Reply, Stream};
use super::scenario::Scenario;
use super::told;
use super::wire::{self, Asked, Chat, Trouble, Wire};

/// The state that all connections share.
#[derive(Debug)]
pub struct Server {
    pub control: Control,
    pub records: Arc<Records>,
    /// The state that requests left for later ones: files, batches, responses.
    pub memory: Memory,
    /// The cache of prompts, if the provider has one.
    pub prompts: Option<PromptCache>,
    /// Whether to print a line for each request.
    pub verbose: bool,
}

/// Accepts connections until dropped; the drop also closes the connections.
pub async fn serve(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // The error concerns only this connection, or is a temporary lack of file descriptors.
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
    // An error means that the client disconnected, or that a fault ended the connection.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(connection), service).await;
}

/// The fields that identify a benchmark request.
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

fn fixed(format: fixed::Format, body: &[u8]) -> Option<Response<Outgoing>> {
    let peek = serde_json::from_slice::<Peek<'_>>(body).ok()?;
    let order = fixed::Order::of_model(&peek.model)?;
    let usage = peek.stream_options.is_some_and(|options| options.include_usage);
    let (kind, body) = if peek.stream {
        ("text/event-stream; charset=utf-8", Outgoing::FixedStream(FixedStream::new(format, usage, order)))
    } else {
        ("application/json", Outgoing::Fixed(Some(fixed::whole(format))))
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    Some(response)
}

impl Server {
    async fn handle(&self, request: Request<Incoming>, ending: Arc<Ending>) -> Result<Response<Outgoing>, Broken> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        if parts.uri.path().starts_with("/control") {
            return Ok(self.control(&parts, &body));
        }
        let call = Call::new(&parts, &body, &self.memory);
        let wire = wire::of(&call);
        if let Some(response) = wire.and_then(|wire| fixed(wire.prepared()?, &body)) {
            return Ok(response);
        }
        if self.verbose {
            eprintln!("{} {} {} bytes", parts.method, parts.uri, body.len());
        }
        let answering = self.records.add(Recorded::new(&parts, &body));
        let outlet = Outlet { ending, answering, gate: self.control.gate().clone() };
        let Some(wire) = wire else {
            let message = format!("Invalid URL ({} {})", call.method, call.path);
            let (wire, reply) = wire::nowhere(&Refusal::new(404, message));
            return Ok(respond(reply, wire, &Faults::default(), outlet));
        };
        match self.accept(wire, &call) {
            Ok((asked, faults)) => {
                self.control.released().await;
                answer(wire, asked, &faults, outlet).await
            }
            Err(refusal) => Ok(respond(wire.refuse(&refusal), wire, &Faults::default(), outlet)),
        }
    }

    /// Runs every check of the real service before any fault: a fault must not hide an invalid request.
    fn accept(&self, wire: &dyn Wire, call: &Call<'_>) -> Result<(Asked, Faults), Refusal> {
        wire.authenticate(call, &self.control)?;
        let mut asked = wire.read(call)?;
        if let (Asked::Chat(prompt, _), Ok(body)) = (&mut asked, call.json()) {
            prompt.task = Scenario::of(&body);
            prompt.remembered = self.prompts.as_ref().map(|prompts| Box::new(prompts.take(call, &body)));
        }
        let faults = asked.model().map_or(Ok(Faults::default()), |model| self.control.faults(model));
        Ok((asked, faults.map_err(|bad| Refusal::invalid(bad.to_string()))?))
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
                (200, self.records.latest().iter().map(Recorded::to_json).collect::<Value>())
            }
            _ => (404, json!({"error": "POST or DELETE /control, GET /control/requests"})),
        };
        let mut response = Response::new(Outgoing::Fixed(Some(answer.to_string().into())));
        *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
        response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
        response
    }
}

/// Answers a valid request, or applies its faults.
async fn answer(
    wire: &dyn Wire,
    asked: Asked,
    faults: &Faults,
    mut outlet: Outlet,
) -> Result<Response<Outgoing>, Broken> {
    for fault in faults.iter() {
        match fault {
            Fault::Wait(time) => tokio::time::sleep(*time).await,
            Fault::Silence => std::future::pending().await,
            Fault::Reset => {
                outlet.answering.broken_off();
                outlet.ending.set(End::Reset);
                return Err(Broken);
            }
            _ => {}
        }
    }
    let reply = match (instead(wire, &asked, faults), asked) {
        (Some(reply), _) => reply,
        (None, Asked::Ready { reply, used, .. }) => {
            outlet.answering.begin(used, false, false);
            reply
        }
        (None, Asked::Chat(prompt, chat)) => say(&prompt, chat, faults, &mut outlet.answering),
    };
    Ok(respond(told::tampered(reply, faults), wire, faults, outlet))
}

/// The model's reply.
fn say(prompt: &Prompt, chat: &dyn Chat, faults: &Faults, answering: &mut Answering) -> Reply {
    let answer = prompt.answer(faults);
    let cut =
        faults.iter().any(|fault| matches!(fault, Fault::ErrorAfter(_) | Fault::EofAfter(_) | Fault::DoneAfter(_)));
    answering.begin(answer.used, prompt.stream, cut);
    if prompt.stream == faults.has(&Fault::OtherForm) {
        chat.whole(prompt, &answer, faults)
    } else {
        stream(chat, chat.stream(prompt, &answer, faults))
    }
}

fn stream(chat: &dyn Chat, events: Vec<Event>) -> Reply {
    let failure = chat.error_event(&Refusal::of_status(chat.late_status()));
    Reply::stream(Stream { events, framing: chat.framing(), failure })
}

/// The reply of faults that replace the whole answer.
fn instead(wire: &dyn Wire, asked: &Asked, faults: &Faults) -> Option<Reply> {
    let status = faults.iter().find_map(|fault| match fault {
        Fault::Status(status) => Some(*status),
        _ => None,
    });
    let done = match asked {
        Asked::Chat(prompt, _) => prompt.task.as_ref().map(|task| task.done),
        Asked::Ready { .. } => None,
    };
    let retry = faults.iter().find_map(|fault| match fault {
        Fault::RetryAfter(text) => Some(text.clone()),
        _ => None,
    });
    let refuse = |refusal: Refusal| wire.refuse(&Refusal { retry: retry.clone(), ..refusal });
    faults.iter().find_map(|fault| match fault {
        Fault::Html => Some(Reply::html(status.unwrap_or(200))),
        Fault::Blank => Some(Reply::blank()),
        Fault::FailsAt(step) if done == Some(*step) => Some(refuse(Refusal::of_status(503))),
        Fault::Context => Some(refuse(wire.trouble(Trouble::Context))),
        Fault::Filter => Some(blocked(asked).unwrap_or_else(|| refuse(wire.trouble(Trouble::Filter)))),
        Fault::Quota => Some(refuse(wire.trouble(Trouble::Quota))),
        Fault::Status(status) if !faults.has(&Fault::Html) => Some(refuse(Refusal::of_status(*status))),
        Fault::Error => Some(late_error(wire, asked)),
        _ => None,
    })
}

/// The reply to a blocked prompt, for services that do not treat it as an error.
fn blocked(asked: &Asked) -> Option<Reply> {
    let Asked::Chat(prompt, chat) = asked else { return None };
    let body = chat.blocked(prompt)?;
    Some(if prompt.stream { stream(*chat, vec![Event::plain(&body)]) } else { Reply::json(200, &body) })
}

/// An error with status 200.
fn late_error(wire: &dyn Wire, asked: &Asked) -> Reply {
    match asked {
        Asked::Chat(prompt, chat) if prompt.stream => {
            let event = chat.error_event(&Refusal::of_status(chat.late_status()));
            stream(*chat, vec![event])
        }
        Asked::Chat(_, chat) => Reply { status: 200, ..wire.refuse(&Refusal::of_status(chat.late_status())) },
        Asked::Ready { .. } => Reply { status: 200, ..wire.refuse(&Refusal::of_status(500)) },
    }
}

fn respond(reply: Reply, wire: &dyn Wire, faults: &Faults, outlet: Outlet) -> Response<Outgoing> {
    let mut delivery = Delivery::new(reply, wire, faults);
    let mut response = Response::builder().status(delivery.status);
    for (name, value) in std::mem::take(&mut delivery.headers) {
        response = response.header(name, value);
    }
    let body = Outgoing::Steps(Steps::new(delivery, outlet));
    // Only a fault's text can be an invalid header; an empty answer then exposes the test's mistake.
    response.body(body).unwrap_or_else(|_| Response::new(Outgoing::Fixed(None)))
}

/// Opens a listener; port 0 takes any free port.
pub async fn listen(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((address, port)).await
}
