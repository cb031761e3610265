//! The provider role's callbacks: one context for each attempt.

use proxy_wasm::traits::{Context as Callbacks, HttpContext};
use proxy_wasm::types::{Action, LogLevel};
use sluice_core::exchange::attempt::{self, Attempt};
use sluice_core::exchange::{Context, Effect, Event};

use crate::host;
use crate::message::{Message, REQUEST, RESPONSE};
use crate::switchboard::{self, Shared};

/// One attempt; nothing until its request's headers are there.
pub struct ProviderContext {
    id: u32,
    under_way: Option<(Attempt, Shared)>,
    /// Bytes of the body so far: trailers come without a size.
    body: usize,
}

impl ProviderContext {
    pub fn new(id: u32) -> Self {
        Self { id, under_way: None, body: 0 }
    }

    fn begin(&mut self, effects: &mut Vec<Effect>) -> Option<()> {
        let shared = switchboard::find(self.id)?;
        let cx = &mut Context { view: &REQUEST, shared: &host::Shared, effects };
        let attempt = Attempt::begin(&mut *shared.try_borrow_mut().ok()?, cx)?;
        self.under_way = Some((attempt, shared));
        Some(())
    }

    fn step(&mut self, event: Event, message: Message, mut effects: Vec<Effect>) -> Action {
        let Some((attempt, shared)) = &mut self.under_way else { return Action::Continue };
        let Ok(mut journey) = shared.try_borrow_mut() else { return Action::Continue };
        let cx = &mut Context { view: &message, shared: &host::Shared, effects: &mut effects };
        let flow = attempt.step(event, &mut journey, cx);
        drop(journey);
        message.apply(flow, effects)
    }
}

impl Callbacks for ProviderContext {}

impl HttpContext for ProviderContext {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        let mut effects = Vec::new();
        if self.begin(&mut effects).is_none() {
            // Nothing of the client's request may reach a provider that no gateway role has chosen.
            host::log(
                LogLevel::Error,
                "sluice: a provider's filter found no request: is its vm_id the gateway's, or was the VM made anew?",
            );
            return REQUEST.apply(sluice_core::exchange::Flow::Pause, vec![attempt::unplanned()]);
        }
        self.step(Event::RequestHeaders { end }, REQUEST, effects)
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.body = size;
        self.step(Event::RequestBody { size, end }, REQUEST, Vec::new())
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.step(Event::RequestBody { size: self.body, end: true }, REQUEST, Vec::new())
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        self.body = 0;
        self.step(Event::ResponseHeaders { end }, RESPONSE, Vec::new())
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        let action = self.step(Event::ResponseBody { size, end }, RESPONSE, Vec::new());
        // What moved on is no longer there when trailers come.
        self.body = if action == Action::Pause { size } else { 0 };
        action
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.step(Event::ResponseTrailers { size: self.body }, RESPONSE, Vec::new())
    }
}
