//! The gateway role's callbacks.

use std::rc::Rc;

use sluice_core::callout::{Call, Called};
use sluice_core::pipeline::gateway::{Outcome, RequestPipeline};
use sluice_core::pipeline::request_state::RequestState;
use sluice_core::pipeline::worker::Worker;
use sluice_core::pipeline::{Effect, Event, Flow};

use crate::Role;
use crate::asked::Asked;
use crate::in_flight::Shared;
use crate::message::{self, FilterStatus, Message};
use crate::stream::{Failed, Stream};

/// One request.
pub struct Gateway<S: Stream> {
    stream: S,
    pipeline: RequestPipeline,
    state: Option<Shared>,
    asked: Asked,
    /// Bytes of the request's body so far: a trailers callback has no size.
    body: usize,
    /// The filter has replied, or the response has arrived.
    over: bool,
}

impl<S: Stream> Gateway<S> {
    /// Creates the filter of a new request.
    pub fn new(stream: S, worker: Rc<Worker>) -> Self {
        Self {
            stream,
            pipeline: RequestPipeline::new(worker),
            state: None,
            asked: Asked::default(),
            body: 0,
            over: false,
        }
    }

    fn request(&mut self, event: Event) -> FilterStatus {
        if self.over {
            return FilterStatus::Waits;
        }
        let mut effects = Vec::new();
        let outcome = self.pipeline.request(event, &Message::request(self.stream), self.stream.shared(), &mut effects);
        self.proceed(outcome, effects)
    }

    fn proceed(&mut self, mut outcome: Outcome, mut effects: Vec<Effect>) -> FilterStatus {
        let status = loop {
            let request = Message::request(self.stream).holding(self.body);
            match outcome {
                Outcome::Unpacked(size) => {
                    if self.carry_out(request, Flow::Pause, std::mem::take(&mut effects)) == FilterStatus::Answered {
                        break FilterStatus::Answered;
                    }
                    self.body = size;
                    let event = Event::RequestBody { size, end: true };
                    outcome = self.pipeline.request(
                        event,
                        &Message::request(self.stream),
                        self.stream.shared(),
                        &mut effects,
                    );
                }
                Outcome::Step(flow) => break self.carry_out(request, flow, effects),
                Outcome::Forward(state) => {
                    self.state = Some(S::in_flight(|board| board.connect(self.stream, *state)));
                    break self.carry_out(request, Flow::Continue, effects);
                }
                Outcome::Wait => break self.carry_out(request, Flow::Pause, effects),
                Outcome::Ask(call) => outcome = self.ask(vec![call], &mut effects),
                Outcome::AskAll(calls) => outcome = self.ask(calls, &mut effects),
            }
        };
        self.over |= status == FilterStatus::Answered;
        status
    }

    /// Sends calls. A rejected one has no reply.
    fn ask(&mut self, calls: Vec<Call>, effects: &mut Vec<Effect>) -> Outcome {
        self.asked.forget();
        for (number, call) in calls.iter().enumerate() {
            if self.asked.send(self.stream, number, call).is_ok() {
                continue;
            }
            let nothing = Called { status: None, body: Vec::new() };
            let message = Message::request(self.stream);
            match self.pipeline.called(number, &nothing, &message, self.stream.shared(), effects) {
                Outcome::Step(Flow::Pause) => {}
                // The other calls no longer matter.
                outcome => return outcome,
            }
        }
        Outcome::Step(Flow::Pause)
    }

    /// The same outside of the request's own callbacks.
    fn proceed_outside(&mut self, outcome: Outcome, effects: Vec<Effect>) {
        if self.proceed(outcome, effects) == FilterStatus::Moves && self.stream.resume_request().is_err() {
            log::error!("Envoy rejected a call to resume a request");
        }
    }

    /// Applies a flow and its effects; a failed host call ends the request.
    fn carry_out(&mut self, message: Message<S>, flow: Flow, effects: Vec<Effect>) -> FilterStatus {
        message.apply(flow, effects).unwrap_or_else(|Failed| self.undo(message))
    }

    /// Ends the request and its response after a failed host call.
    fn undo(&mut self, message: Message<S>) -> FilterStatus {
        let mut effects = Vec::new();
        let mut state = self.state.as_ref().and_then(|shared| shared.try_borrow_mut().ok());
        let reply =
            self.pipeline.on_host_call_failure(state.as_deref_mut(), &message, self.stream.shared(), &mut effects);
        message.answer(&reply, effects)
    }

    /// Handles a portion of a response's body, which continues in any case; read only if it is collected for the cache.
    fn answer(&mut self, event: Event) -> FilterStatus {
        if !self.pipeline.collects() {
            self.settle_early();
            return FilterStatus::Moves;
        }
        let mut effects = Vec::new();
        let state = self.state.as_ref().and_then(|shared| shared.try_borrow().ok());
        self.pipeline.response_body(
            event,
            state.as_deref(),
            &Message::response(self.stream),
            self.stream.shared(),
            &mut effects,
        );
        drop(state);
        self.carry_out(Message::response(self.stream), Flow::Continue, effects)
    }

    /// Settles a request whose client has the complete response. A failed host call does not end the response, which is good.
    fn settle_early(&mut self) {
        let state = self.state.as_ref().and_then(|shared| shared.try_borrow().ok());
        let served = state.is_some_and(|state| self.pipeline.is_served(&state));
        if served {
            let (message, shared) = (Message::response(self.stream), self.stream.shared());
            let effects = self.with_state(|pipeline, state, effects| {
                if let Some(state) = state {
                    pipeline.settle_early(state, &message, shared, effects);
                }
            });
            message::apply_effects(self.stream, effects);
        }
    }

    /// Runs a step of core with the request state; `None` if there is none yet, or if it is borrowed.
    fn with_state(
        &mut self,
        act: impl FnOnce(&mut RequestPipeline, Option<&mut RequestState>, &mut Vec<Effect>),
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut state = self.state.as_ref().and_then(|shared| shared.try_borrow_mut().ok());
        act(&mut self.pipeline, state.as_deref_mut(), &mut effects);
        effects
    }
}

impl<S: Stream> Role for Gateway<S> {
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

    fn response_headers(&mut self, _end: bool) -> FilterStatus {
        self.over = true;
        let mut flow = Flow::Pause;
        let (message, shared) = (Message::response(self.stream), self.stream.shared());
        let effects = self.with_state(|pipeline, state, effects| {
            flow = pipeline.response(state, &message, shared, effects);
        });
        self.carry_out(message, flow, effects)
    }

    fn response_body(&mut self, size: usize, end: bool) -> FilterStatus {
        self.answer(Event::ResponseBody { size, end })
    }

    fn response_trailers(&mut self) -> FilterStatus {
        self.answer(Event::ResponseTrailers { size: 0 })
    }

    fn called(&mut self, number: u64, called: &Called) {
        let Some(number) = self.asked.take(number).filter(|_| !self.over) else { return };
        let (message, mut effects) = (Message::request(self.stream), Vec::new());
        let outcome = self.pipeline.called(number, called, &message, self.stream.shared(), &mut effects);
        self.proceed_outside(outcome, effects);
    }

    fn waits(&self) -> bool {
        !self.over && self.pipeline.waits()
    }

    fn woken(&mut self) {
        if !self.waits() || self.stream.enter().is_err() {
            return;
        }
        let mut effects = Vec::new();
        let outcome = self.pipeline.woken(&Message::request(self.stream), self.stream.shared(), &mut effects);
        self.proceed_outside(outcome, effects);
    }

    fn log(&mut self) {
        let (message, shared) = (Message::response(self.stream), self.stream.shared());
        let effects = self.with_state(|pipeline, state, effects| {
            pipeline.finish(state, &message, shared, effects);
        });
        message::apply_effects(self.stream, effects);
    }

    // Envoy writes the error, because it knows the client's format, which may be unknown here.
    fn fail(&mut self, answered: bool) {
        self.over = true;
        let message = if answered { Message::response(self.stream) } else { Message::request(self.stream) };
        let shared = self.stream.shared();
        let effects = self.with_state(|pipeline, state, effects| {
            pipeline.on_host_call_failure(state, &message, shared, effects);
        });
        message::apply_effects(self.stream, effects);
    }
}

impl<S: Stream> Drop for Gateway<S> {
    fn drop(&mut self) {
        if self.state.is_some() {
            S::in_flight(|board| board.disconnect(self.stream));
        }
    }
}
