//! Fault injection for tests (the feature `trap`, off by default): a request header makes one of the filter's callbacks misbehave, to test
//! the consequences. A module with this feature must never serve clients.
//!
//! The header is `x-sluice-trap: ROLE.CALLBACK=DEED`, such as `provider.response_body=effects.reply`; any other value makes the gateway
//! role's first callback do `trap`. The next request that reaches the callback triggers it, once. The callback `flowing` is a portion of a
//! response after the first that left. There are four kinds of deeds:
//!
//! - `effects.…`: core decides more than it should, and `refuse.…`: Envoy rejects an effect or a read. The filter must survive both.
//! - `fresh`, `borrow`: the role has lost its state, or the request state is borrowed.
//! - Calls to Envoy at the wrong time, to test Envoy's reaction.
//! - Others are specific to the module ([`Stream::defect`]): `trap` aborts the VM or panics in the callback.

use std::cell::RefCell;
use std::time::Duration;

use sluice_core::callout::{Call, Called};
use sluice_core::pipeline::{Effect, Flow, Reply};
use sluice_wire::headers::HeaderMap;

use crate::Role;
use crate::message::FilterStatus;
use crate::stream::{Failed, Side, Stream};

thread_local! {
    /// The callback and the deed.
    static WANTED: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
    /// The deed of the current callback.
    static MEDDLING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The body of an unexpected reply.
const ERROR: &[u8] = br#"{"error":{"message":"A trap.","type":"server_error","param":null,"code":"trap"}}"#;

/// A role with injected faults.
pub struct Probe<S> {
    stream: S,
    name: &'static str,
    make: Box<dyn Fn() -> Box<dyn Role>>,
    inner: Box<dyn Role>,
    /// Whether a portion of the response has left.
    flowing: bool,
}

impl<S: Stream> Probe<S> {
    /// Wraps a role of that name.
    pub fn new(stream: S, name: &'static str, make: impl Fn() -> Box<dyn Role> + 'static) -> Self {
        Self { stream, name, inner: make(), make: Box::new(make), flowing: false }
    }

    /// Runs a callback with its deed.
    fn at<T>(&mut self, callback: &str, size: usize, run: impl FnOnce(&mut dyn Role) -> T) -> T {
        let place = format!("{}.{callback}", self.name);
        let here = |wanted: &mut (String, String)| wanted.0 == place;
        if let Some((_, deed)) = WANTED.with_borrow_mut(|wanted| wanted.take_if(here)) {
            log::warn!("trap: {place}={deed}");
            match &*deed {
                "fresh" => self.inner = (self.make)(),
                "borrow" => S::in_flight(|board| board.borrow_all()),
                _ if deed.starts_with("effects.") || deed.starts_with("refuse.") => MEDDLING.set(deed),
                _ => {
                    let side = if callback.starts_with("request") { Side::Request } else { Side::Response };
                    let done = act(self.stream, &deed, side, size);
                    log::warn!("trap: {done:?}");
                }
            }
        }
        let result = run(&mut *self.inner);
        MEDDLING.take();
        result
    }

    fn listen(&self) {
        let Ok(Some(text)) = self.stream.header(Side::Request, "x-sluice-trap") else { return };
        let Ok(text) = String::from_utf8(text) else { return };
        let (place, deed) = text.split_once('=').unwrap_or(("gateway.request_headers", "trap"));
        WANTED.set(Some((place.to_owned(), deed.to_owned())));
    }
}

/// Changes core's decision.
pub fn meddle(mut flow: Flow, mut effects: Vec<Effect>) -> (Flow, Vec<Effect>) {
    let deed = MEDDLING.with_borrow_mut(|deed| deed.strip_prefix("effects.").map(str::to_owned));
    let Some(deed) = deed else { return (flow, effects) };
    MEDDLING.take();
    let (deed, with) = sized(&deed);
    match deed {
        "reply" => flow = Flow::Reply(Reply::json(500, Vec::new(), ERROR.to_vec())),
        "body" => effects.push(Effect::ReplaceBody { drain: 0, with: with() }),
        "headers" => effects.push(Effect::ReplaceHeaders(HeaderMap::default())),
        _ => effects.push(Effect::SetHeader("x-trap", "1".into())),
    }
    (flow, effects)
}

/// Whether Envoy is to reject this effect.
pub fn refuses(effect: &str) -> bool {
    MEDDLING.with_borrow(|deed| deed.strip_prefix("refuse.").is_some_and(|wanted| wanted == effect.replace(' ', "-")))
}

/// Splits a deed into its name and a body of its size in MiB.
fn sized(deed: &str) -> (&str, impl Fn() -> Vec<u8>) {
    let (deed, mebibytes) = deed.split_once(':').unwrap_or((deed, "80"));
    let bytes = mebibytes.parse::<usize>().unwrap_or(80) << 20;
    (deed, move || vec![b' '; bytes])
}

fn act<S: Stream>(stream: S, deed: &str, side: Side, size: usize) -> Result<(), Failed> {
    let (deed, bytes) = sized(deed);
    let headers: HeaderMap = [(":status", "200"), (":path", "/trap"), (":method", "POST")].into_iter().collect();
    match deed {
        "body" => stream.replace_front(side, size, &bytes()),
        "reply" => reply(stream),
        "replies" => reply(stream).and_then(|()| reply(stream)),
        "large-reply" => stream.reply(500, &HeaderMap::default(), &bytes()),
        "continue-request" => stream.resume_request(),
        "continue-response" => stream.resume_response(),
        "request-headers" => stream.replace_headers(Side::Request, &headers),
        "response-headers" => stream.replace_headers(Side::Response, &headers),
        "no-request-headers" => stream.replace_headers(Side::Request, &HeaderMap::default()),
        "no-response-headers" => stream.replace_headers(Side::Response, &HeaderMap::default()),
        "request-header" => stream.set_header(Side::Request, "x-trap", "1"),
        "response-header" => stream.set_header(Side::Response, "x-trap", "1"),
        "no-path" => stream.remove_header(Side::Request, ":path"),
        "no-status" => stream.remove_header(Side::Response, ":status"),
        "route" => stream.clear_route(),
        "property" => stream.set_property("sluice.trap", b"1"),
        "call" => call(stream, "nowhere"),
        "fill" => {
            // Until memory runs out.
            let mut all = Vec::new();
            loop {
                all.push(bytes());
            }
        }
        other => stream.defect(other),
    }
}

fn reply<S: Stream>(stream: S) -> Result<(), Failed> {
    stream.reply(500, &[("content-type", "application/json")].into_iter().collect(), ERROR)
}

fn call<S: Stream>(stream: S, cluster: &'static str) -> Result<(), Failed> {
    let headers = [(":method", "GET"), (":path", "/"), (":authority", "x")].into_iter().collect();
    let call = Call { cluster: cluster.into(), headers, body: Vec::new(), timeout: Duration::from_secs(1) };
    stream.call(&call).map(drop)
}

impl<S: Stream> Role for Probe<S> {
    fn request_headers(&mut self, end: bool) -> FilterStatus {
        if self.name != "provider" {
            self.listen();
        }
        self.at("request_headers", 0, |inner| inner.request_headers(end))
    }

    fn request_body(&mut self, size: usize, end: bool) -> FilterStatus {
        let callback = if end { "request_end" } else { "request_body" };
        self.at(callback, size, |inner| inner.request_body(size, end))
    }

    fn request_trailers(&mut self) -> FilterStatus {
        self.at("request_trailers", 0, |inner| inner.request_trailers())
    }

    fn response_headers(&mut self, end: bool) -> FilterStatus {
        self.at("response_headers", 0, |inner| inner.response_headers(end))
    }

    fn response_body(&mut self, size: usize, end: bool) -> FilterStatus {
        let callback = match end {
            true => "response_end",
            false if self.flowing => "flowing",
            false => "response_body",
        };
        let fate = self.at(callback, size, |inner| inner.response_body(size, end));
        self.flowing |= fate == FilterStatus::Moves;
        fate
    }

    fn response_trailers(&mut self) -> FilterStatus {
        self.at("response_trailers", 0, |inner| inner.response_trailers())
    }

    fn called(&mut self, number: u64, called: &Called) {
        self.at("called", 0, |inner| inner.called(number, called));
    }

    fn waits(&self) -> bool {
        self.inner.waits()
    }

    fn woken(&mut self) {
        self.inner.woken();
    }

    fn done(&mut self) {
        self.at("done", 0, |inner| inner.done());
    }

    fn log(&mut self) {
        self.at("log", 0, |inner| inner.log());
    }

    fn fail(&mut self, answered: bool) {
        self.inner.fail(answered);
    }
}
