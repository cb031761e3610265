//! The gateway role's callbacks.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use sluice_core::config::Gateway;
use sluice_core::exchange::gateway::{Exchange, Outcome};
use sluice_core::exchange::{Event, Flow};

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
    pub fn new(id: u32, gateway: Rc<Gateway>) -> Self {
        Self { id, exchange: Exchange::new(gateway), journey: None, body: 0 }
    }

    fn request(&mut self, event: Event) -> Action {
        let mut effects = Vec::new();
        let flow = match self.exchange.request(event, &REQUEST, &mut effects) {
            Outcome::Step(flow) => flow,
            Outcome::Depart(journey) => {
                self.journey = Some(switchboard::connect(self.id, *journey));
                Flow::Continue
            }
        };
        REQUEST.apply(flow, effects)
    }
}

impl Context for GatewayContext {}

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
        let flow = self.exchange.response(journey.as_deref_mut(), &RESPONSE, &mut effects);
        drop(journey);
        RESPONSE.apply(flow, effects)
    }

    fn on_log(&mut self) {
        let mut effects = Vec::new();
        let journey = self.journey.as_ref().and_then(|shared| shared.try_borrow().ok());
        self.exchange.record(journey.as_deref(), &mut effects);
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
