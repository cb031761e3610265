//! The admin role's callbacks.

use std::rc::Rc;

use sluice_admin::AdminOutcome;
use sluice_admin::AdminRequest;
use sluice_admin::Service;
use sluice_core::callout::Called;
use sluice_core::pipeline::{Effect, Event, Flow};

use crate::Role;
use crate::message::{FilterStatus, Message};
use crate::stream::{Failed, Stream};

/// An administrator's request.
pub struct Admin<S> {
    stream: S,
    admin_request: AdminRequest,
    /// Bytes of the request's body so far: a trailers callback has no size.
    body: usize,
    answered: bool,
}

impl<S: Stream> Admin<S> {
    /// Creates the filter of a new request.
    pub fn new(stream: S, service: Rc<Service>) -> Self {
        Self { stream, admin_request: AdminRequest::new(service), body: 0, answered: false }
    }

    fn request(&mut self, event: Event) -> FilterStatus {
        if self.answered {
            return FilterStatus::Waits;
        }
        let mut effects = Vec::new();
        let outcome = self.admin_request.request(
            event,
            &Message::request(self.stream),
            self.stream.shared(),
            &mut random::<S>,
            &mut effects,
        );
        self.proceed(outcome, effects)
    }

    fn hear(&mut self, called: &Called, effects: &mut Vec<Effect>) -> AdminOutcome {
        self.admin_request.called(
            called,
            &Message::request(self.stream),
            self.stream.shared(),
            &mut random::<S>,
            effects,
        )
    }

    fn proceed(&mut self, mut outcome: AdminOutcome, mut effects: Vec<Effect>) -> FilterStatus {
        loop {
            match outcome {
                AdminOutcome::Step(flow) => return self.carry_out(flow, effects),
                AdminOutcome::Ask(call) if self.stream.call(&call).is_ok() => {
                    return self.carry_out(Flow::Pause, effects);
                }
                AdminOutcome::Ask(_) => {
                    log::error!("Envoy rejected a call to Redis");
                    outcome = self.hear(&Called { status: None, body: Vec::new() }, &mut effects);
                }
            }
        }
    }

    /// Applies a flow and its effects; a failed host call ends the request.
    fn carry_out(&mut self, flow: Flow, effects: Vec<Effect>) -> FilterStatus {
        let status = Message::request(self.stream).apply(flow, effects).unwrap_or_else(|Failed| self.undo());
        self.answered |= status == FilterStatus::Answered;
        status
    }

    /// Ends the request after a failed host call.
    fn undo(&mut self) -> FilterStatus {
        let mut effects = Vec::new();
        let reply = self.admin_request.on_host_call_failure(&mut effects);
        Message::request(self.stream).answer(&reply, effects)
    }
}

fn random<S: Stream>(bytes: &mut [u8]) -> bool {
    S::random(bytes).is_ok()
}

impl<S: Stream> Role for Admin<S> {
    fn request_headers(&mut self, end: bool) -> FilterStatus {
        self.request(Event::RequestHeaders { end })
    }

    fn request_body(&mut self, size: usize, end: bool) -> FilterStatus {
        self.body = size;
        self.request(Event::RequestBody { size, end })
    }

    fn request_trailers(&mut self) -> FilterStatus {
        self.request(Event::RequestBody { size: self.body, end: true })
    }

    fn called(&mut self, _number: u64, called: &Called) {
        if self.answered {
            return;
        }
        let mut effects = Vec::new();
        let outcome = self.hear(called, &mut effects);
        self.proceed(outcome, effects);
    }

    fn fail(&mut self, _answered: bool) {
        self.answered = true;
        self.undo();
    }
}
