//! The provider role's callbacks: one filter for each attempt.
//!
//! Without an attempt that processes it, nothing passes: neither the client's own request to a provider, nor a provider's response to the
//! client.

use sluice_core::callout::Called;
use sluice_core::pipeline::attempt::{self, Attempt, NoAttempt};
use sluice_core::pipeline::request_state::RequestState;
use sluice_core::pipeline::{Context, Effect, Event, Flow, host_call_failure};
use sluice_core::store::SharedData;

use crate::Role;
use crate::asked::Asked;
use crate::in_flight::Shared;
use crate::message::{self, FilterStatus, Message};
use crate::stream::{Failed, Stream};

/// One attempt.
pub struct Provider<S: Stream> {
    stream: S,
    state: State,
    asked: Asked,
    /// Bytes of the body so far: a trailers callback has no size.
    body: usize,
    /// Whether it began with a connection.
    pooled: bool,
    /// Whether the response has arrived.
    has_answer: bool,
}

enum State {
    /// No callback yet.
    Fresh,
    UnderWay {
        attempt: Box<Attempt>,
        /// The request's number.
        request: u32,
        state: Shared,
    },
    /// The filter has replied: it continues nothing and sends no second reply.
    Answered,
}

impl<S: Stream> Provider<S> {
    /// Creates the filter of a new attempt.
    pub fn new(stream: S) -> Self {
        Self { stream, state: State::Fresh, asked: Asked::default(), body: 0, pooled: false, has_answer: false }
    }

    fn begin(&mut self, effects: &mut Vec<Effect>) -> Result<(), NoAttempt> {
        let (request, state) = S::in_flight(|board| board.find(self.stream)).ok_or(NoAttempt::Unplanned)?;
        let message = Message::request(self.stream);
        let cx = &mut Context::new(&message, self.stream.shared(), effects);
        let attempt = Attempt::begin(&mut *state.try_borrow_mut().map_err(|_| NoAttempt::Unplanned)?, cx)?;
        self.state = State::UnderWay { attempt: attempt.into(), request, state };
        self.pooled = message.is_connected();
        Ok(())
    }

    fn step(&mut self, event: Event, message: Message<S>, effects: Vec<Effect>) -> FilterStatus {
        self.act(message, effects, |attempt, state, cx| attempt.step(event, state, cx))
    }

    /// Runs a step of core, and sends its calls.
    fn act(
        &mut self,
        message: Message<S>,
        mut effects: Vec<Effect>,
        step: impl FnOnce(&mut Attempt, &mut RequestState, &mut Context<'_>) -> Flow,
    ) -> FilterStatus {
        let shared = self.stream.shared();
        let State::UnderWay { attempt, state, .. } = &mut self.state else { return self.refuse(message) };
        let Ok(mut borrowed) = state.try_borrow_mut() else { return self.refuse(message) };
        let cx = &mut Context::new(&message, shared, &mut effects);
        let mut flow = step(attempt, &mut borrowed, cx);
        loop {
            let calls = borrowed.judges.take_calls();
            let rejected: Vec<usize> = calls
                .filter_map(|(number, call)| self.asked.send(self.stream, number, &call).is_err().then_some(number))
                .collect();
            if rejected.is_empty() {
                break;
            }
            for number in rejected {
                let nothing = Called { status: None, body: Vec::new() };
                match attempt.called(number, &nothing, &mut borrowed, cx) {
                    Flow::Pause => {}
                    next => flow = next,
                }
            }
        }
        drop(borrowed);
        let status = message.apply(flow, effects).unwrap_or_else(|Failed| undo(message, state, shared));
        if status == FilterStatus::Answered {
            self.leave();
            self.state = State::Answered;
        }
        status
    }

    /// Rejects a message without a known request, unless the filter has replied.
    fn refuse(&mut self, message: Message<S>) -> FilterStatus {
        if matches!(self.state, State::Answered) {
            return FilterStatus::Waits;
        }
        self.leave();
        self.state = State::Answered;
        log::error!(
            "a provider's filter found no request. Check that its vm_id (filter_name) is the gateway's, and that the \
             VM did not restart"
        );
        message.answer(&attempt::unplanned(), Vec::new())
    }

    /// Removes the attempt from the registry.
    fn leave(&self) {
        if let State::UnderWay { request, .. } = &self.state {
            S::in_flight(|board| board.leaves(*request, self.stream));
        }
    }

    fn holding(&self, size: usize) -> Message<S> {
        Message::response(self.stream).holding(size)
    }
}

/// Ends the attempt and its request after a failed host call.
fn undo<S: Stream>(message: Message<S>, state: &Shared, shared: &dyn SharedData) -> FilterStatus {
    let mut effects = Vec::new();
    let reply = match state.try_borrow_mut() {
        Ok(mut state) => host_call_failure::end(&mut state, &mut Context::new(&message, shared, &mut effects)),
        Err(_) => attempt::unplanned(),
    };
    message.answer(&reply, effects)
}

impl<S: Stream> Role for Provider<S> {
    fn request_headers(&mut self, end: bool) -> FilterStatus {
        let mut effects = Vec::new();
        let message = Message::request(self.stream);
        match self.begin(&mut effects) {
            Ok(()) => self.step(Event::RequestHeaders { end }, message, effects),
            Err(NoAttempt::Unplanned) => self.refuse(message),
            Err(NoAttempt::Answered(reply)) => {
                self.state = State::Answered;
                message.answer(&reply, effects)
            }
        }
    }

    fn request_body(&mut self, size: usize, end: bool) -> FilterStatus {
        self.body = size;
        self.step(Event::RequestBody { size, end }, Message::request(self.stream).holding(size), Vec::new())
    }

    fn request_trailers(&mut self) -> FilterStatus {
        self.request_body(self.body, true)
    }

    fn response_headers(&mut self, end: bool) -> FilterStatus {
        (self.body, self.has_answer) = (0, true);
        self.step(Event::ResponseHeaders { end }, Message::response(self.stream), Vec::new())
    }

    fn response_body(&mut self, size: usize, end: bool) -> FilterStatus {
        let status = self.step(Event::ResponseBody { size, end }, self.holding(size), Vec::new());
        // A portion that has continued is no longer buffered when trailers arrive.
        self.body = if status == FilterStatus::Moves { 0 } else { size };
        status
    }

    fn response_trailers(&mut self) -> FilterStatus {
        let size = self.body;
        self.step(Event::ResponseTrailers { size }, self.holding(size), Vec::new())
    }

    fn called(&mut self, number: u64, called: &Called) {
        let (Some(number), State::UnderWay { .. }) = (self.asked.take(number), &self.state) else { return };
        let message = if self.has_answer { self.holding(self.body) } else { Message::request(self.stream) };
        let status = self.act(message, Vec::new(), |attempt, state, cx| attempt.called(number, called, state, cx));
        if status == FilterStatus::Moves {
            self.body = 0;
            if self.stream.resume_response().is_err() {
                log::error!("Envoy rejected a call to resume a response");
            }
        }
    }

    fn done(&mut self) {
        let State::UnderWay { attempt, request, state } = &self.state else { return };
        let request = S::in_flight(|board| board.request(*request, state));
        // Otherwise the request is over and settled.
        let Some(stream) = self.stream.survivor(request) else { return };
        let Ok(mut state) = state.try_borrow_mut() else { return };
        let mut effects = Vec::new();
        let message = Message::response(stream);
        let context = &mut Context::new(&message, stream.shared(), &mut effects);
        attempt.ends(|| message.ending(self.pooled), &mut state, context);
        drop(state);
        message::apply_effects(stream, effects);
    }

    fn fail(&mut self, answered: bool) {
        let message = if answered { Message::response(self.stream) } else { Message::request(self.stream) };
        let known = match &self.state {
            State::UnderWay { state, .. } => Some(state.clone()),
            State::Fresh => S::in_flight(|board| board.find(self.stream)).map(|(_, state)| state),
            State::Answered => None,
        };
        match known {
            Some(state) => {
                undo(message, &state, self.stream.shared());
                self.leave();
                self.state = State::Answered;
            }
            None => {
                self.refuse(message);
            }
        }
    }
}

impl<S: Stream> Drop for Provider<S> {
    fn drop(&mut self) {
        self.leave();
    }
}
