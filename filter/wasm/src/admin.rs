//! The admin role's callbacks.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use sluice_admin::Exchange;
use sluice_admin::Outcome;
use sluice_admin::Service;
use sluice_core::callout::Called;
use sluice_core::exchange::{Effect, Event, Flow};

use crate::host;
use crate::message::{Fate, REQUEST};

/// One request of the administrator.
pub struct AdminContext {
    exchange: Exchange,
    /// Bytes of the request's body so far: trailers come without a size.
    body: usize,
    answered: bool,
}

impl AdminContext {
    pub fn new(service: Rc<Service>) -> Self {
        Self { exchange: Exchange::new(service), body: 0, answered: false }
    }

    fn request(&mut self, event: Event) -> Action {
        if self.answered {
            return Action::Pause;
        }
        let mut effects = Vec::new();
        let outcome = self.exchange.request(event, &REQUEST, &host::Shared, &mut random, &mut effects);
        self.proceed(outcome, effects)
    }

    fn called(&mut self, called: &Called, effects: &mut Vec<Effect>) -> Outcome {
        self.exchange.called(called, &REQUEST, &host::Shared, &mut random, effects)
    }

    fn proceed(&mut self, mut outcome: Outcome, mut effects: Vec<Effect>) -> Action {
        loop {
            match outcome {
                Outcome::Step(flow) => return self.carry_out(flow, effects),
                Outcome::Ask(call) if host::call(&call).is_ok() => return self.carry_out(Flow::Pause, effects),
                Outcome::Ask(_) => {
                    log::error!("Envoy refused: a call to Redis");
                    outcome = self.called(&Called { status: None, body: Vec::new() }, &mut effects);
                }
            }
        }
    }

    /// Carries out what was decided; what Envoy refuses to do ends the request.
    fn carry_out(&mut self, flow: Flow, effects: Vec<Effect>) -> Action {
        let fate = REQUEST.apply(flow, effects).unwrap_or_else(|host::Failed| {
            let mut effects = Vec::new();
            let reply = self.exchange.undone(&mut effects);
            REQUEST.answer(&reply, effects)
        });
        self.answered |= fate == Fate::Answered;
        fate.into()
    }
}

fn random(bytes: &mut [u8]) -> bool {
    host::random(bytes).is_ok()
}

impl Context for AdminContext {
    fn on_http_call_response(&mut self, _token: u32, _headers: usize, body: usize, _trailers: usize) {
        if self.answered {
            return;
        }
        let mut effects = Vec::new();
        let outcome = self.called(&host::called(body), &mut effects);
        self.proceed(outcome, effects);
    }
}

impl HttpContext for AdminContext {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        self.request(Event::RequestHeaders { end })
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.body = size;
        self.request(Event::RequestBody { size, end })
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.request(Event::RequestBody { size: self.body, end: true })
    }
}
