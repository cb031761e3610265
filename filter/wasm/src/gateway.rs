//! The gateway role's callbacks.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use sluice_core::callout::Called;
use sluice_core::exchange::gateway::{Exchange, Outcome};
use sluice_core::exchange::journey::Journey;
use sluice_core::exchange::worker::Worker;
use sluice_core::exchange::{Effect, Event, Flow};

use crate::host;
use crate::message::{self, Fate, Message, REQUEST, RESPONSE};
use crate::switchboard::{self, Shared};

/// One request.
pub struct GatewayContext {
    id: u32,
    exchange: Exchange,
    journey: Option<Shared>,
    /// Bytes of the request's body so far: trailers come without a size.
    body: usize,
    /// The request goes no further: we replied, or its answer is here.
    over: bool,
}

impl GatewayContext {
    pub fn new(id: u32, worker: Rc<Worker>) -> Self {
        Self { id, exchange: Exchange::new(worker), journey: None, body: 0, over: false }
    }

    fn request(&mut self, event: Event) -> Action {
        if self.over {
            return Action::Pause;
        }
        let mut effects = Vec::new();
        let outcome = self.exchange.request(event, &REQUEST, &host::Shared, &mut effects);
        self.proceed(outcome, effects).into()
    }

    fn proceed(&mut self, mut outcome: Outcome, mut effects: Vec<Effect>) -> Fate {
        let fate = loop {
            let request = REQUEST.holding(self.body);
            match outcome {
                Outcome::Unpacked(size) => {
                    if self.carry_out(request, Flow::Pause, std::mem::take(&mut effects)) == Fate::Answered {
                        break Fate::Answered;
                    }
                    self.body = size;
                    let event = Event::RequestBody { size, end: true };
                    outcome = self.exchange.request(event, &REQUEST, &host::Shared, &mut effects);
                }
                Outcome::Step(flow) => break self.carry_out(request, flow, effects),
                Outcome::Depart(journey) => {
                    self.journey = Some(switchboard::connect(self.id, *journey));
                    break self.carry_out(request, Flow::Continue, effects);
                }
                Outcome::Ask(call) if host::call(&call).is_ok() => {
                    break self.carry_out(request, Flow::Pause, effects);
                }
                Outcome::Ask(_) => {
                    log::error!("Envoy refused: a call to Redis");
                    let nothing = Called { status: None, body: Vec::new() };
                    outcome = self.exchange.called(&nothing, &REQUEST, &host::Shared, &mut effects);
                }
            }
        };
        self.over |= fate == Fate::Answered;
        fate
    }

    /// Carries out what was decided; what Envoy refuses to do ends the request.
    fn carry_out(&mut self, message: Message, flow: Flow, effects: Vec<Effect>) -> Fate {
        message.apply(flow, effects).unwrap_or_else(|host::Failed| {
            let mut effects = Vec::new();
            let mut journey = self.journey.as_ref().and_then(|shared| shared.try_borrow_mut().ok());
            let reply = self.exchange.undone(journey.as_deref_mut(), &message, &host::Shared, &mut effects);
            message.answer(&reply, effects)
        })
    }

    /// A part of an answer's body. It goes on in any case; only what is to be kept is looked at.
    fn response_body(&mut self, event: Event) -> Action {
        if !self.exchange.collects() {
            self.settle_early();
            return Action::Continue;
        }
        let mut effects = Vec::new();
        let journey = self.journey.as_ref().and_then(|shared| shared.try_borrow().ok());
        self.exchange.response_body(event, journey.as_deref(), &RESPONSE, &host::Shared, &mut effects);
        drop(journey);
        self.carry_out(RESPONSE, Flow::Continue, effects).into()
    }

    /// Settles a request whose client has all of its answer. What Envoy refuses of that ends nothing: the answer is good.
    fn settle_early(&mut self) {
        let journey = self.journey.as_ref().and_then(|shared| shared.try_borrow().ok());
        let served = journey.is_some_and(|journey| self.exchange.is_served(&journey));
        if served {
            message::tell(self.with_journey(|exchange, journey, effects| {
                if let Some(journey) = journey {
                    exchange.settle_early(journey, &RESPONSE, &host::Shared, effects);
                }
            }));
        }
    }

    /// Runs a step of core with the journey; with none where it never began, and where it is in use.
    fn with_journey(&mut self, act: impl FnOnce(&mut Exchange, Option<&mut Journey>, &mut Vec<Effect>)) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut journey = self.journey.as_ref().and_then(|shared| shared.try_borrow_mut().ok());
        act(&mut self.exchange, journey.as_deref_mut(), &mut effects);
        effects
    }
}

impl Context for GatewayContext {
    fn on_http_call_response(&mut self, _token: u32, _headers: usize, body: usize, _trailers: usize) {
        if self.over {
            return;
        }
        let mut effects = Vec::new();
        let outcome = self.exchange.called(&host::called(body), &REQUEST, &host::Shared, &mut effects);
        if self.proceed(outcome, effects) == Fate::Moves && host::resume_request().is_err() {
            log::error!("Envoy refused: resuming a request");
        }
    }
}

impl HttpContext for GatewayContext {
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

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.over = true;
        let mut flow = Flow::Pause;
        let effects = self.with_journey(|exchange, journey, effects| {
            flow = exchange.response(journey, &RESPONSE, &host::Shared, effects);
        });
        self.carry_out(RESPONSE, flow, effects).into()
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        self.response_body(Event::ResponseBody { size, end })
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.response_body(Event::ResponseTrailers { size: 0 })
    }

    fn on_log(&mut self) {
        let effects = self.with_journey(|exchange, journey, effects| {
            exchange.finish(journey, &RESPONSE, &host::Shared, effects);
        });
        message::tell(effects);
    }
}

impl Drop for GatewayContext {
    fn drop(&mut self) {
        if self.journey.is_some() {
            switchboard::disconnect(self.id);
        }
    }
}
