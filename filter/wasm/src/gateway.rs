//! The gateway role's callbacks.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};
use sluice_core::exchange::gateway::{Exchange, Outcome};
use sluice_core::exchange::worker::Worker;
use sluice_core::exchange::{Called, Effect, Event, Flow};

use crate::host;
use crate::message::{REQUEST, RESPONSE};
use crate::switchboard::{self, Shared};

/// One request.
pub struct GatewayContext {
    id: u32,
    exchange: Exchange,
    journey: Option<Shared>,
    /// Bytes of the request's body so far: trailers come without a size.
    body: usize,
}

impl GatewayContext {
    pub fn new(id: u32, worker: Rc<Worker>) -> Self {
        Self { id, exchange: Exchange::new(worker), journey: None, body: 0 }
    }

    fn request(&mut self, event: Event) -> Action {
        let mut effects = Vec::new();
        let outcome = self.exchange.request(event, &REQUEST, &host::Shared, &mut effects);
        self.proceed(outcome, effects)
    }

    fn proceed(&mut self, mut outcome: Outcome, mut effects: Vec<Effect>) -> Action {
        loop {
            match outcome {
                Outcome::Step(flow) => return REQUEST.apply(flow, effects),
                Outcome::Depart(journey) => {
                    self.journey = Some(switchboard::connect(self.id, *journey));
                    return REQUEST.apply(Flow::Continue, effects);
                }
                Outcome::Ask(call) if host::call(&call).is_ok() => return REQUEST.apply(Flow::Pause, effects),
                Outcome::Ask(_) => {
                    host::log(LogLevel::Error, "sluice: Envoy refused: a call to Redis");
                    let nothing = Called { status: None, body: Vec::new() };
                    outcome = self.exchange.called(&nothing, &REQUEST, &host::Shared, &mut effects);
                }
            }
        }
    }
}

impl GatewayContext {
    /// A part of an answer's body. It goes on in any case; only what is to be kept is looked at.
    fn response_body(&mut self, event: Event) -> Action {
        if !self.exchange.collects() {
            return Action::Continue;
        }
        let mut effects = Vec::new();
        let journey = self.journey.as_ref().and_then(|shared| shared.try_borrow().ok());
        self.exchange.response_body(event, journey.as_deref(), &RESPONSE, &host::Shared, &mut effects);
        drop(journey);
        RESPONSE.apply(Flow::Continue, effects)
    }
}

impl Context for GatewayContext {
    fn on_http_call_response(&mut self, _token: u32, _headers: usize, body: usize, _trailers: usize) {
        let mut effects = Vec::new();
        let outcome = self.exchange.called(&host::called(body), &REQUEST, &host::Shared, &mut effects);
        if self.proceed(outcome, effects) == Action::Continue && host::resume_request().is_err() {
            host::log(LogLevel::Error, "sluice: Envoy refused: resuming a request");
        }
    }
}

impl HttpContext for GatewayContext {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        #[cfg(feature = "trap")]
        crate::trap::if_asked();
        self.request(Event::RequestHeaders { end })
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.body = size;
        self.request(Event::RequestBody { size, end })
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.request(Event::RequestBody { size: self.body, end: true })
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        let mut effects = Vec::new();
        let mut journey = self.journey.as_ref().and_then(|shared| shared.try_borrow_mut().ok());
        let flow = self.exchange.response(journey.as_deref_mut(), &RESPONSE, &host::Shared, &mut effects);
        drop(journey);
        RESPONSE.apply(flow, effects)
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.response_body(Event::ResponseBody { size, end })
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.response_body(Event::ResponseTrailers { size: 0 })
    }

    fn on_log(&mut self) {
        let mut effects = Vec::new();
        let mut journey = self.journey.as_ref().and_then(|shared| shared.try_borrow_mut().ok());
        self.exchange.finish(journey.as_deref_mut(), &RESPONSE, &host::Shared, &mut effects);
        drop(journey);
        RESPONSE.apply(Flow::Continue, effects);
    }
}

impl Drop for GatewayContext {
    fn drop(&mut self) {
        if self.journey.is_some() {
            switchboard::disconnect(self.id);
        }
    }
}
