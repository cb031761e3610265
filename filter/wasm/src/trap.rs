//! For tests only (the feature `trap`, off by default): a request chooses by a header what goes wrong in one of its callbacks, as a
//! defect of the filter would have it, so that what becomes of it can be proved. A module that was built with it must never serve
//! clients.
//!
//! The header is `x-sluice-trap: ROLE.CALLBACK=DEED`, such as `provider.response_body=effects.reply`; any other value ends the VM in
//! the gateway role's first callback. It is done once, by whichever request comes to that callback first. `flowing` is a portion
//! of an answer of which an earlier one has left. There are three kinds of deeds:
//!
//! - `effects.…`: core decides more than it should, and `refuse.…`: Envoy refuses an effect, or to let something be read. The filter
//!   has to bear both.
//! - `fresh`, `borrow`: the context is one that knows nothing of its request, or the journey is in use.
//! - the others make a host call at the wrong time, to see what Envoy makes of it.

use std::cell::RefCell;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType, StreamType};
use sluice_core::callout::Call;
use sluice_core::exchange::{Effect, Flow, Reply, View};
use sluice_wire::headers::HeaderMap;

use crate::host;
use crate::message::REQUEST;
use crate::switchboard;

thread_local! {
    /// Where, and what.
    static WANTED: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
    /// What goes wrong in the callback at hand.
    static MEDDLING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A reply that should not be.
const ERROR: &[u8] = br#"{"error":{"message":"A trap.","type":"server_error","param":null,"code":"trap"}}"#;

/// A context of one of the roles, with its defects.
pub struct Probe {
    role: &'static str,
    make: Box<dyn Fn() -> Box<dyn HttpContext>>,
    inner: Box<dyn HttpContext>,
    /// A portion of the answer has left.
    flowing: bool,
}

impl Probe {
    pub fn new(role: &'static str, make: impl Fn() -> Box<dyn HttpContext> + 'static) -> Self {
        Self { role, inner: make(), make: Box::new(make), flowing: false }
    }

    /// Runs a callback, with what is asked for in it.
    fn at<T>(&mut self, callback: &str, size: usize, run: impl FnOnce(&mut dyn HttpContext) -> T) -> T {
        let place = format!("{}.{callback}", self.role);
        let here = |wanted: &mut (String, String)| wanted.0 == place;
        if let Some((_, deed)) = WANTED.with_borrow_mut(|wanted| wanted.take_if(here)) {
            log::warn!("trap: {place}={deed}");
            match &*deed {
                "fresh" => self.inner = (self.make)(),
                "borrow" => switchboard::borrow_all(),
                _ if deed.starts_with("effects.") || deed.starts_with("refuse.") => MEDDLING.set(deed),
                _ => {
                    let done = act(&deed, callback, size);
                    log::warn!("trap: {done:?}");
                }
            }
        }
        let result = run(&mut *self.inner);
        MEDDLING.take();
        result
    }
}

fn listen() {
    let Ok(Some(text)) = REQUEST.header("x-sluice-trap") else { return };
    let Ok(text) = String::from_utf8(text) else { return };
    let (place, deed) = text.split_once('=').unwrap_or(("gateway.request_headers", "trap"));
    WANTED.set(Some((place.to_owned(), deed.to_owned())));
}

/// Another thing than core had decided, or more.
pub fn meddle(mut flow: Flow, mut effects: Vec<Effect>) -> (Flow, Vec<Effect>) {
    let deed = MEDDLING.with_borrow_mut(|deed| deed.strip_prefix("effects.").map(str::to_owned));
    let Some(deed) = deed else { return (flow, effects) };
    MEDDLING.take();
    let (deed, mebibytes) = deed.split_once(':').unwrap_or((&*deed, "80"));
    let with = vec![b' '; mebibytes.parse::<usize>().unwrap_or(80) << 20];
    match deed {
        "reply" => flow = Flow::Reply(Reply::json(500, Vec::new(), ERROR.to_vec())),
        "body" => effects.push(Effect::ReplaceBody { drain: 0, with }),
        "headers" => effects.push(Effect::ReplaceHeaders(HeaderMap::default())),
        _ => effects.push(Effect::SetHeader("x-trap", "1".into())),
    }
    (flow, effects)
}

/// Whether Envoy is to refuse such an effect.
pub fn refuses(effect: &str) -> bool {
    MEDDLING.with_borrow(|deed| deed.strip_prefix("refuse.").is_some_and(|wanted| wanted == effect.replace(' ', "-")))
}

fn act(deed: &str, callback: &str, size: usize) -> Result<(), host::Failed> {
    let buffer =
        if callback.starts_with("request") { BufferType::HttpRequestBody } else { BufferType::HttpResponseBody };
    let (deed, mebibytes) = deed.split_once(':').unwrap_or((deed, "80"));
    let bytes = || vec![b' '; mebibytes.parse::<usize>().unwrap_or(80) << 20];
    let headers: HeaderMap = [(":status", "200"), (":path", "/trap"), (":method", "POST")].into_iter().collect();
    match deed {
        "body" => host::replace_front(buffer, size, &bytes()),
        "reply" => reply(),
        "replies" => reply().and_then(|()| reply()),
        "large-reply" => host::reply(500, &HeaderMap::default(), &bytes()),
        "close-request" => host::close(StreamType::HttpRequest),
        "close-response" => host::close(StreamType::HttpResponse),
        "continue-request" => host::resume_request(),
        "continue-response" => host::resume_response(),
        "request-headers" => host::replace_headers(MapType::HttpRequestHeaders, &headers),
        "response-headers" => host::replace_headers(MapType::HttpResponseHeaders, &headers),
        "no-request-headers" => host::replace_headers(MapType::HttpRequestHeaders, &HeaderMap::default()),
        "no-response-headers" => host::replace_headers(MapType::HttpResponseHeaders, &HeaderMap::default()),
        "request-header" => host::set_header(MapType::HttpRequestHeaders, "x-trap", "1"),
        "response-header" => host::set_header(MapType::HttpResponseHeaders, "x-trap", "1"),
        "no-path" => host::remove_header(MapType::HttpRequestHeaders, ":path"),
        "no-status" => host::remove_header(MapType::HttpResponseHeaders, ":status"),
        "trailer" => host::set_header(MapType::HttpResponseTrailers, "x-trap", "1"),
        "route" => host::clear_route_cache(),
        "property" => host::set_property("sluice.trap", b"1"),
        "call" => call("nowhere"),
        "enter" => host::enter(u32::MAX),
        "fill" => {
            // Until there is no more memory.
            let mut all = Vec::new();
            loop {
                all.push(bytes());
            }
        }
        _ => std::process::abort(),
    }
}

fn reply() -> Result<(), host::Failed> {
    host::reply(500, &[("content-type", "application/json")].into_iter().collect(), ERROR)
}

fn call(cluster: &'static str) -> Result<(), host::Failed> {
    let headers = [(":method", "GET"), (":path", "/"), (":authority", "x")].into_iter().collect();
    host::call(&Call { cluster, headers, body: Vec::new(), timeout: Duration::from_secs(1) }).map(drop)
}

impl Context for Probe {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, trailers: usize) {
        self.at("called", 0, |inner| inner.on_http_call_response(token, headers, body, trailers));
    }

    fn on_done(&mut self) -> bool {
        self.at("done", 0, |inner| inner.on_done())
    }
}

impl HttpContext for Probe {
    fn on_http_request_headers(&mut self, count: usize, end: bool) -> Action {
        if self.role != "provider" {
            listen();
        }
        self.at("request_headers", 0, |inner| inner.on_http_request_headers(count, end))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        let callback = if end { "request_end" } else { "request_body" };
        self.at(callback, size, |inner| inner.on_http_request_body(size, end))
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        self.at("request_trailers", 0, |inner| inner.on_http_request_trailers(count))
    }

    fn on_http_response_headers(&mut self, count: usize, end: bool) -> Action {
        self.at("response_headers", 0, |inner| inner.on_http_response_headers(count, end))
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        let callback = match end {
            true => "response_end",
            false if self.flowing => "flowing",
            false => "response_body",
        };
        let action = self.at(callback, size, |inner| inner.on_http_response_body(size, end));
        self.flowing |= action == Action::Continue;
        action
    }

    fn on_http_response_trailers(&mut self, count: usize) -> Action {
        self.at("response_trailers", 0, |inner| inner.on_http_response_trailers(count))
    }

    fn on_log(&mut self) {
        self.at("log", 0, |inner| inner.on_log());
    }
}
