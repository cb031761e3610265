//! The provider role's callbacks: one context for each attempt.
//!
//! Nothing passes here without an attempt that has judged it: no request of the client's own to a provider, and no provider's answer
//! to the client.

use proxy_wasm::traits::{Context as Callbacks, HttpContext};
use proxy_wasm::types::Action;
use sluice_core::exchange::attempt::{self, Attempt, NoAttempt};
use sluice_core::exchange::{Context, Effect, Event, undone};

use crate::host;
use crate::message::{self, Fate, Message, REQUEST, RESPONSE};
use crate::switchboard::{self, Shared};

/// One attempt.
pub struct ProviderContext {
    id: u32,
    state: State,
    /// Bytes of the body so far: trailers come without a size.
    body: usize,
    /// Whether it found a connection that was there.
    pooled: bool,
}

enum State {
    /// Nothing was seen of it.
    Fresh,
    UnderWay(Box<Attempt>, Shared),
    /// A reply of ours takes its place: it goes no further, and gets no other.
    Answered,
}

impl ProviderContext {
    pub fn new(id: u32) -> Self {
        Self { id, state: State::Fresh, body: 0, pooled: false }
    }

    fn begin(&mut self, effects: &mut Vec<Effect>) -> Result<(), NoAttempt> {
        let shared = switchboard::find(self.id).ok_or(NoAttempt::Unplanned)?;
        let cx = &mut Context::new(&REQUEST, &host::Shared, effects);
        let attempt = Attempt::begin(&mut *shared.try_borrow_mut().map_err(|_| NoAttempt::Unplanned)?, cx)?;
        self.state = State::UnderWay(attempt.into(), shared);
        self.pooled = REQUEST.is_connected();
        Ok(())
    }

    fn step(&mut self, event: Event, message: Message, mut effects: Vec<Effect>) -> Action {
        let State::UnderWay(attempt, shared) = &mut self.state else { return self.refuse(message) };
        let Ok(mut journey) = shared.try_borrow_mut() else { return self.refuse(message) };
        let flow = attempt.step(event, &mut journey, &mut context(&message, &mut effects));
        drop(journey);
        let fate = message.apply(flow, effects).unwrap_or_else(|host::Failed| {
            let mut effects = Vec::new();
            let reply = match shared.try_borrow_mut() {
                Ok(mut journey) => undone::end(&mut journey, &mut context(&message, &mut effects)),
                Err(_) => attempt::unplanned(),
            };
            message.answer(&reply, effects)
        });
        if fate == Fate::Answered {
            self.state = State::Answered;
        }
        fate.into()
    }

    /// Nobody knows what this belongs to, or we have replied.
    fn refuse(&mut self, message: Message) -> Action {
        if matches!(self.state, State::Answered) {
            return Action::Pause;
        }
        self.state = State::Answered;
        log::error!("a provider's filter found no request: is its vm_id the gateway's, or was the VM made anew?");
        message.answer(&attempt::unplanned(), Vec::new()).into()
    }
}

fn context<'a>(message: &'a Message, effects: &'a mut Vec<Effect>) -> Context<'a> {
    Context::new(message, &host::Shared, effects)
}

impl Callbacks for ProviderContext {
    /// The attempt is over, and Envoy has not looked yet where the next one goes.
    fn on_done(&mut self) -> bool {
        if let State::UnderWay(attempt, shared) = &self.state
            && let Ok(mut journey) = shared.try_borrow_mut()
        {
            let mut effects = Vec::new();
            attempt.ends(|| RESPONSE.ending(self.pooled), &mut journey, &mut context(&RESPONSE, &mut effects));
            message::tell(effects);
        }
        true
    }
}

impl HttpContext for ProviderContext {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        let mut effects = Vec::new();
        match self.begin(&mut effects) {
            Ok(()) => self.step(Event::RequestHeaders { end }, REQUEST, effects),
            Err(NoAttempt::Unplanned) => self.refuse(REQUEST),
            Err(NoAttempt::Answered(reply)) => {
                self.state = State::Answered;
                REQUEST.answer(&reply, effects).into()
            }
        }
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.body = size;
        self.step(Event::RequestBody { size, end }, REQUEST.holding(size), Vec::new())
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let size = self.body;
        self.step(Event::RequestBody { size, end: true }, REQUEST.holding(size), Vec::new())
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        self.body = 0;
        self.step(Event::ResponseHeaders { end }, RESPONSE, Vec::new())
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        let action = self.step(Event::ResponseBody { size, end }, RESPONSE.holding(size), Vec::new());
        // What moved on is no longer there when trailers come.
        self.body = if action == Action::Pause { size } else { 0 };
        action
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        let size = self.body;
        self.step(Event::ResponseTrailers { size }, RESPONSE.holding(size), Vec::new())
    }
}
