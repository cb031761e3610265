//! A fake Envoy that passes a request through both state machines, with scripted providers.
//!
//! The fake follows the relevant rules of Envoy. It holds headers and body while a callback pauses. A request's headers stay as an attempt
//! left them. It discards a response marked for retry and tries the next cluster.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use sluice_core::callout::{Call, Called};
use sluice_core::compiled::CompiledConfig;
use sluice_core::pipeline::attempt::{Attempt, NoAttempt};
use sluice_core::pipeline::gateway::{Outcome, RequestPipeline};
use sluice_core::pipeline::request_state::{Ending, RequestState};
use sluice_core::pipeline::worker::Worker;
use sluice_core::pipeline::{Context, Effect, Event, Flow, NO_CLUSTER, Reply, Unreadable, View, property, signal};
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::counter::{Counted, count, measured};
use crate::services::{Embedder, Judge, Redis, Replies};
use crate::shared::Shared;

/// The secret of the key `k`, which may use every model. `sk-narrow` may use `narrow` only, `sk-chat` may call paths below `/v1/chat/`
/// only, and `sk-old` has expired.
pub(crate) const SECRET: &str = "sk-test";

/// A gateway with one OpenAI and one Anthropic provider, and models that fall back either way.
pub(crate) fn config() -> Rc<CompiledConfig> {
    use sha2::{Digest, Sha256};
    let hash = |secret: &str| Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let file = format!(
        r#"{{"providers":{{"oai":{{"kind":"openai","url":"https://oai.test/v1"}},
                          "ant":{{"kind":"anthropic","url":"https://ant.test/v1"}},
                          "grq":{{"kind":"groq","url":"https://grq.test/v1"}},
                          "az":{{"kind":"azure","url":"https://az.openai.azure.com"}},
                          "dated":{{"kind":"azure","url":"https://az.openai.azure.com","api_version":"2024-10-21"}},
                          "two":{{"kind":"openai","url":"https://two.test/v1","key_count":2}},
                          "tog":{{"kind":"together","url":"https://tog.test/v1"}},
                          "gem":{{"kind":"gemini","url":"https://gem.test/v1beta"}},
                          "coh":{{"kind":"cohere","url":"https://coh.test/v2"}},
                          "mis":{{"kind":"mistral","url":"https://mis.test/v1"}},
                          "old":{{"kind":"openai","url":"https://old.test/v1","stream_usage":false}}}},
            "models":{{"chat":{{"targets":[{{"provider":"oai","model":"gpt"}},{{"provider":"ant","model":"claude"}}]}},
                      "back":{{"targets":[{{"provider":"ant","model":"claude"}},{{"provider":"oai","model":"gpt"}}]}},
                      "patient":{{"delivery":"whole","targets":[{{"provider":"oai","model":"gpt"}},{{"provider":"ant","model":"claude"}}]}},
                      "through":{{"targets":[{{"provider":"oai","model":"gpt"}},{{"provider":"ant","model":"claude"}},{{"provider":"old","model":"gpt"}}]}},
                      "gpt":{{"targets":[{{"provider":"oai","model":"gpt"}}]}},
                      "claude":{{"targets":[{{"provider":"ant","model":"claude"}}]}},
                      "foreign":{{"targets":[{{"provider":"gem","model":"gemini-3-pro"}},{{"provider":"ant","model":"claude"}}]}},
                      "groq":{{"targets":[{{"provider":"grq","model":"llama"}}]}},
                      "groq-first":{{"targets":[{{"provider":"grq","model":"llama"}},{{"provider":"oai","model":"gpt"}}]}},
                      "groq-last":{{"targets":[{{"provider":"oai","model":"gpt"}},{{"provider":"grq","model":"llama"}}]}},
                      "mistral":{{"targets":[{{"provider":"mis","model":"large"}}]}},
                      "older":{{"targets":[{{"provider":"tog","model":"llama"}}]}},
                      "gemini":{{"targets":[{{"provider":"gem","model":"gemini-3-pro"}}]}},
                      "cohere":{{"targets":[{{"provider":"coh","model":"command-a"}}]}},
                      "azure":{{"targets":[{{"provider":"az","model":"my-gpt"}},{{"provider":"ant","model":"claude"}}]}},
                      "azure-dated":{{"targets":[{{"provider":"dated","model":"my-gpt"}}]}},
                      "keys":{{"targets":[{{"provider":"two","model":"gpt"}},{{"provider":"ant","model":"claude"}}]}},
                      "keys-alone":{{"targets":[{{"provider":"two","model":"gpt"}}]}},
                      "old":{{"targets":[{{"provider":"old","model":"gpt"}}]}},
                      "narrow":{{"targets":[{{"provider":"oai","model":"gpt"}}]}}}},
            "teams":{{"t":{{}}}},
            "keys":[{{"id":"k","sha256":"{}","team":"t"}},
                    {{"id":"n","sha256":"{}","team":"t","models":["narrow"]}},
                    {{"id":"c","sha256":"{}","team":"t","endpoints":["/v1/chat/*"]}},
                    {{"id":"o","sha256":"{}","team":"t","expires":"2020-01-01T00:00:00Z"}}]}}"#,
        hash(SECRET),
        hash("sk-narrow"),
        hash("sk-chat"),
        hash("sk-old"),
    );
    Rc::new(sluice_config::from_json(file.as_bytes()).unwrap())
}

/// One message, as a callback may read it.
#[derive(Debug, Default)]
struct Message {
    headers: HeaderMap,
    body: Vec<u8>,
    now: u64,
    /// Whether a provider ended the connection too early.
    left: bool,
    /// The part that Envoy refuses to return.
    unreadable: Option<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Headers,
    Body,
}

impl View for Message {
    fn now(&self) -> Time {
        count("view.now");
        Time(self.now)
    }
    fn headers(&self) -> Result<HeaderMap, Unreadable> {
        count("view.headers");
        if self.unreadable == Some(Part::Headers) { Err(Unreadable) } else { Ok(self.headers.clone()) }
    }
    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        count("view.header");
        if self.unreadable == Some(Part::Headers) {
            return Err(Unreadable);
        }
        Ok(self.headers.get(name).map(<[u8]>::to_vec))
    }
    fn body(&self, range: Range<usize>) -> Result<Vec<u8>, Unreadable> {
        count("view.body");
        let readable = self.unreadable != Some(Part::Body);
        self.body.get(range).filter(|_| readable).map(<[u8]>::to_vec).ok_or(Unreadable)
    }
    fn source(&self) -> Option<IpAddr> {
        count("view.source");
        Some(Ipv4Addr::new(192, 0, 2, 7).into())
    }
    fn provider_left(&self) -> bool {
        count("view.provider_left");
        self.left
    }
}

/// The behaviour of a provider.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// A response with this status, these headers, and a body in these chunks.
    Answer(u16, Vec<(&'static str, &'static str)>, Vec<Vec<u8>>),
    /// A stream that ends with trailers.
    Trailed(Vec<&'static str>),
    /// A stream of these chunks, then the connection is lost without a callback.
    Lost(Vec<&'static str>),
    /// No callback: a reset or a timeout.
    Nothing,
    /// No callback: a new connection is established and lost.
    Closed,
    /// No callback: a used connection is lost.
    Forgotten,
}

/// A complete JSON response.
pub(crate) fn json(status: u16, body: &str) -> Script {
    Script::Answer(status, vec![("content-type", "application/json")], vec![body.as_bytes().to_vec()])
}

/// A stream in these chunks.
pub(crate) fn sse(portions: &[&str]) -> Script {
    let portions = portions.iter().map(|portion| portion.as_bytes().to_vec()).collect();
    Script::Answer(200, vec![("content-type", "text/event-stream")], portions)
}

/// A request as a provider received it.
#[derive(Debug)]
pub(crate) struct Received {
    pub headers: HeaderMap,
    pub body: String,
}

/// The outcome of a request.
#[derive(Debug)]
pub(crate) struct Seen {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
    /// Whether the client received some of the body before the provider had sent all of it.
    pub streamed: bool,
    /// Whether the client's stream was reset after its first bytes.
    pub reset: bool,
    /// The wait before each retry, as the response marked for retry states it.
    pub waits: Vec<Option<String>>,
    pub received: Vec<Received>,
    /// The request's headers as Envoy's router read them, if it was forwarded.
    pub departed: HeaderMap,
    /// The counters that were incremented.
    pub counted: Vec<&'static str>,
    /// Every property that was set, in order.
    pub properties: Vec<(&'static str, String)>,
    pub log: serde_json::Value,
}

/// A callback at this time, for an empty message.
pub(crate) fn at(now: Time) -> impl View {
    Message { now: now.0, ..Message::default() }
}

/// A response of this media type.
pub(crate) fn answered(media: &str, body: &[u8]) -> impl View {
    let headers = [(":status", "200"), ("content-type", media)];
    Message {
        headers: headers.into_iter().collect(),
        body: body.to_vec(),
        now: 1_800_000_000_000_000_000,
        ..Message::default()
    }
}

/// Envoy's own reply with this status.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn local_reply(status: &str) -> impl View {
    Message {
        headers: [(":status", status)].into_iter().collect(),
        now: 1_800_000_000_000_000_000,
        ..Message::default()
    }
}

/// A chat request with the key of [`SECRET`].
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn posted(body: &str) -> impl View {
    let fixed = [(":method", "POST"), (":path", "/v1/chat/completions"), ("api-key", SECRET)];
    Message {
        headers: fixed.into_iter().collect(),
        body: body.into(),
        now: 1_800_000_000_000_000_000,
        ..Message::default()
    }
}

/// The state of a request whose stream the client reads.
pub(crate) fn answering() -> RequestState {
    let mut state = planned();
    let _ = state.begin(state.request.started, &Shared::default());
    state.commit(state.request.started);
    state
}

/// The state of a request that has not been forwarded.
pub(crate) fn planned() -> RequestState {
    planned_for("gpt")
}

/// The state of a request for `model` that has not been forwarded.
pub(crate) fn planned_for(model: &str) -> RequestState {
    let body = format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let mut request = Message { body: body.as_bytes().to_vec(), now: 1_800_000_000_000_000_000, ..Message::default() };
    for (name, value) in [(":method", "POST"), (":path", "/v1/chat/completions"), ("api-key", SECRET)] {
        request.headers.push(name, value);
    }
    let shared = Shared::default();
    let mut pipeline = RequestPipeline::new(Rc::new(Worker::new(config(), [7; 16])));
    pipeline.request(Event::RequestHeaders { end: false }, &request, &shared, &mut Vec::new());
    let event = Event::RequestBody { size: body.len(), end: true };
    let Outcome::Forward(state) = pipeline.request(event, &request, &shared, &mut Vec::new()) else {
        panic!("no plan")
    };
    *state
}

/// An Envoy with the filter in both roles.
pub(crate) struct Envoy {
    shared: Rc<Shared>,
    /// Redis's replies in order; none when the queue is empty.
    redis: VecDeque<Called>,
    /// A Redis that replies when the queue is empty.
    server: Option<Rc<RefCell<Redis>>>,
    /// Replies to calls for embeddings.
    embedder: Option<Rc<Embedder>>,
    /// Replies to calls of judges.
    judge: Option<Rc<Judge>>,
    /// Calls of an attempt without a reply.
    asked: VecDeque<(usize, Call)>,
    counted: RefCell<Vec<&'static str>>,
    pipeline: RequestPipeline,
    state: Option<RequestState>,
    left: bool,
    departed: HeaderMap,
    properties: RefCell<Vec<(&'static str, String)>>,
    clock: Cell<u64>,
    waits: Vec<Option<String>>,
    /// The part that cannot be read, and the callback.
    unreadable: Option<(Place, Part)>,
}

/// A callback in which a part cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The client's request, in the gateway role.
    Request,
    /// The request when the second attempt begins.
    SecondAttempt,
    /// The first attempt's response, from the callback with this number on. The headers are number 0.
    FirstAnswer(usize),
    /// A response on its way back through the gateway role.
    WayBack,
}

impl Envoy {
    pub(crate) fn new() -> Self {
        Self::with(Rc::new(Worker::new(config(), [7; 16])), Rc::default())
    }

    /// Another request to the same worker.
    pub(crate) fn with(worker: Rc<Worker>, shared: Rc<Shared>) -> Self {
        Self {
            pipeline: RequestPipeline::new(worker),
            shared,
            redis: VecDeque::new(),
            server: None,
            embedder: None,
            judge: None,
            asked: VecDeque::new(),
            counted: RefCell::default(),
            state: None,
            left: false,
            departed: HeaderMap::default(),
            properties: RefCell::default(),
            clock: Cell::new(1_800_000_000_000_000_000),
            waits: Vec::new(),
            unreadable: None,
        }
    }

    /// Makes a part of a message unreadable.
    pub(crate) fn without(self, place: Place, part: Part) -> Self {
        Self { unreadable: Some((place, part)), ..self }
    }

    fn unreadable(&self, here: impl Fn(Place) -> bool) -> Option<Part> {
        self.unreadable.filter(|(place, _)| here(*place)).map(|(_, part)| part)
    }

    /// Starts this much later.
    pub(crate) fn after(self, wait: Duration) -> Self {
        self.clock.set(Time(self.clock.get()).after(wait).0);
        self
    }

    /// Forwards a request for this model, without a response yet. Returns its state and the time.
    pub(crate) fn departs(self, model: &str) -> (RequestState, Time) {
        self.departs_with(&format!(r#"{{"model":"{model}","messages":[1]}}"#))
    }

    /// Forwards this request, without a response yet. Returns its state and the time.
    pub(crate) fn departs_with(mut self, body: &str) -> (RequestState, Time) {
        let mut request = Message { now: self.tick(), ..Message::default() };
        for (name, value) in [(":method", "POST"), (":path", "/v1/chat/completions"), ("api-key", SECRET)] {
            request.headers.push(name, value);
        }
        assert!(self.request(&mut request, body.as_bytes()).is_none(), "refused");
        (self.state.take().unwrap(), Time(request.now))
    }

    /// Forwards this request and begins its first attempt.
    pub(crate) fn begun(self, body: &str) -> (RequestState, Attempt) {
        let shared = self.shared.clone();
        let (mut state, now) = self.departs_with(body);
        let request = Message { body: body.into(), now: now.0, ..Message::default() };
        let mut effects = Vec::new();
        let mut cx = Context::new(&request, &*shared, &mut effects);
        let mut attempt = Attempt::begin(&mut state, &mut cx).expect("an attempt");
        for event in [Event::RequestHeaders { end: false }, Event::RequestBody { size: body.len(), end: true }] {
            attempt.step(event, &mut state, &mut cx);
        }
        (state, attempt)
    }

    /// Calls go to this Redis.
    pub(crate) fn with_redis(self, server: &Rc<RefCell<Redis>>) -> Self {
        Self { server: Some(server.clone()), ..self }
    }

    /// Calls for embeddings go to this server.
    pub(crate) fn with_embedder(self, embedder: &Rc<Embedder>) -> Self {
        Self { embedder: Some(embedder.clone()), ..self }
    }

    /// Calls of judges go to this service.
    pub(crate) fn with_judge(self, judge: &Rc<Judge>) -> Self {
        Self { judge: Some(judge.clone()), ..self }
    }

    /// Adds Redis's replies, in order.
    pub(crate) fn redis(mut self, answers: impl IntoIterator<Item = Called>) -> Self {
        self.redis.extend(answers);
        self
    }

    /// Sends a chat request with the key of [`SECRET`].
    pub(crate) fn chat(self, body: &str, providers: &[Script]) -> Seen {
        let authorization = format!("Bearer {SECRET}");
        self.send(
            "POST",
            "/v1/chat/completions",
            &[("authorization", authorization.as_bytes())],
            body.as_bytes(),
            providers,
        )
    }

    /// Sends a request; each attempt takes the next script.
    pub(crate) fn send(
        mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &[u8])],
        body: &[u8],
        providers: &[Script],
    ) -> Seen {
        let unreadable = self.unreadable(|place| place == Place::Request);
        let mut request = Message { now: self.tick(), unreadable, ..Message::default() };
        for (name, value) in [(":method", method), (":path", path), (":scheme", "http"), (":authority", "gateway.test")]
        {
            request.headers.push(name, value);
        }
        for (name, value) in headers {
            request.headers.push(name, value);
        }
        let mut received = Vec::new();
        if let Some(reply) = self.request(&mut request, body) {
            return self.seen(reply, received);
        }
        self.departed = request.headers.clone();
        for script in providers {
            let target = self.property(property::TARGET);
            if target == NO_CLUSTER {
                break;
            }
            if let Some(seen) = self.attempt(&mut request, script, &mut received) {
                return Seen { received, ..seen };
            }
        }
        assert_eq!(self.property(property::TARGET), NO_CLUSTER, "the plan goes on, the test's script does not");
        let local =
            Message { headers: [(":status", "503")].into_iter().collect(), now: self.tick(), ..Message::default() };
        let mut effects = Vec::new();
        let flow =
            measured(|| self.pipeline.response(self.state.as_mut(), &local, &Counted(&self.shared), &mut effects));
        let Flow::Reply(reply) = flow else { panic!("Envoy's own error reached the client") };
        self.apply(&mut request, effects);
        self.seen(reply, received)
    }

    fn request(&mut self, request: &mut Message, body: &[u8]) -> Option<Reply> {
        let shared = self.shared.clone();
        let mut effects = Vec::new();
        let event = Event::RequestHeaders { end: body.is_empty() };
        let first = measured(|| self.pipeline.request(event, request, &Counted(&shared), &mut effects));
        self.apply(request, std::mem::take(&mut effects));
        request.body = body.to_vec();
        // Redis is slow: the body arrives before its reply.
        let mut answered = match first {
            Outcome::Ask(call) => Some(self.answer_of(call)),
            Outcome::Step(Flow::Reply(reply)) => return Some(reply),
            Outcome::Forward(state) if body.is_empty() => {
                self.state = Some(*state);
                return None;
            }
            first => {
                assert!(matches!(first, Outcome::Step(Flow::Pause)), "headers must wait for the body");
                None
            }
        };
        let half = Event::RequestBody { size: body.len() / 2, end: false };
        let waits = measured(|| self.pipeline.request(half, request, &Counted(&shared), &mut effects));
        match waits {
            Outcome::Step(Flow::Reply(reply)) => {
                self.apply(request, effects);
                return Some(reply);
            }
            waits => assert!(matches!(waits, Outcome::Step(Flow::Pause))),
        }
        let event = Event::RequestBody { size: body.len(), end: true };
        let mut outcome = measured(|| self.pipeline.request(event, request, &Counted(&shared), &mut effects));
        while let Some(called) = answered.take() {
            outcome = measured(|| self.pipeline.called(0, &called, request, &Counted(&shared), &mut effects));
            if let Outcome::Ask(call) = outcome {
                answered = Some(self.answer_of(call));
                outcome = Outcome::Step(Flow::Pause);
            }
        }
        let mut unpacked = 0;
        loop {
            match outcome {
                Outcome::Ask(call) => {
                    let called = self.answer_of(call);
                    outcome = measured(|| self.pipeline.called(0, &called, request, &Counted(&shared), &mut effects));
                }
                Outcome::AskAll(calls) => {
                    let mut decided = None;
                    for (number, call) in calls.into_iter().enumerate() {
                        let called = self.answer_of(call);
                        request.now = self.tick();
                        let next = self.pipeline.called(number, &called, request, &Counted(&shared), &mut effects);
                        if !matches!(next, Outcome::Step(Flow::Pause)) {
                            decided = Some(next);
                            break;
                        }
                    }
                    outcome = decided.expect("the judges have replied");
                }
                Outcome::Wait => {
                    request.now = Time(request.now).after(Duration::from_millis(250)).0;
                    self.clock.set(self.clock.get().max(request.now));
                    outcome = measured(|| self.pipeline.woken(request, &Counted(&shared), &mut effects));
                }
                Outcome::Unpacked(size) => {
                    unpacked += 1;
                    assert!(unpacked <= 3, "a body is replaced as often as its client likes");
                    self.apply(request, std::mem::take(&mut effects));
                    let event = Event::RequestBody { size, end: true };
                    outcome = measured(|| self.pipeline.request(event, request, &Counted(&shared), &mut effects));
                }
                _ => break,
            }
        }
        self.apply(request, effects);
        match outcome {
            Outcome::Forward(state) => self.state = Some(*state),
            Outcome::Step(Flow::Reply(reply)) => return Some(reply),
            _ => {}
        }
        None
    }

    fn answer_of(&mut self, call: Call) -> Called {
        if call.cluster.starts_with("sluice-embeddings-") {
            let silent = Called { status: None, body: Vec::new() };
            return self.embedder.as_ref().map_or(silent, |embedder| embedder.call(&call));
        }
        if call.cluster.starts_with("sluice-judge-") {
            return self.judge.as_ref().expect("no judge is asked").call(&call);
        }
        let served = || self.server.as_ref().map(|server| server.borrow_mut().call(&call));
        let queued = self.redis.pop_front();
        queued.or_else(served).unwrap_or(Called { status: None, body: Vec::new() })
    }

    /// One attempt; `None` if Envoy has to retry.
    fn attempt(&mut self, departed: &mut Message, script: &Script, received: &mut Vec<Received>) -> Option<Seen> {
        let (headers, body) = (departed.headers.clone(), departed.body.clone());
        let unreadable = self.unreadable(|place| place == Place::SecondAttempt && received.len() == 1);
        let mut request = Message { headers, body, now: self.tick(), left: false, unreadable };
        let mut state = self.state.take().unwrap();
        let mut effects = Vec::new();
        let shared = Counted(&self.shared);
        let mut cx = Context::new(&request, &shared, &mut effects);
        let mut attempt = match measured(|| Attempt::begin(&mut state, &mut cx)) {
            Ok(attempt) => attempt,
            Err(NoAttempt::Unplanned) => panic!("nothing was planned"),
            Err(NoAttempt::Answered(reply)) => {
                self.apply(&mut request, effects);
                self.state = Some(state);
                return Some(self.seen(reply, Vec::new()));
            }
        };
        let mut reply = None;
        let end = request.body.is_empty();
        let rest = (!end).then_some(Event::RequestBody { size: request.body.len(), end: true });
        for event in [Event::RequestHeaders { end }].into_iter().chain(rest) {
            let shared = Counted(&self.shared);
            let mut cx = Context::new(&request, &shared, &mut effects);
            let flow = measured(|| attempt.step(event, &mut state, &mut cx));
            self.apply(&mut request, std::mem::take(&mut effects));
            let flow = self.ask_judges(&mut attempt, &mut state, &mut request, flow, false);
            if let Flow::Reply(given) = flow {
                reply = Some(given);
                break;
            }
        }
        departed.headers = request.headers.clone();
        if reply.is_none() {
            received.push(Received { headers: request.headers, body: String::from_utf8(request.body).unwrap() });
            let first = received.len() == 1;
            let outcome = self.answer(&mut attempt, &mut state, script, first);
            self.state = Some(state);
            return outcome;
        }
        self.state = Some(state);
        reply.map(|reply| self.seen(reply, Vec::new()))
    }

    fn answer(
        &mut self,
        attempt: &mut Attempt,
        state: &mut RequestState,
        script: &Script,
        first: bool,
    ) -> Option<Seen> {
        let (script, trailed, lost) = match script {
            Script::Trailed(portions) => (&sse(portions), true, false),
            Script::Lost(portions) => (&sse(portions), false, true),
            script => (script, false, false),
        };
        let Script::Answer(status, headers, portions) = script else {
            let view = Message { now: self.tick(), ..Message::default() };
            let mut effects = Vec::new();
            let ending = match script {
                Script::Closed => Ending::Lost,
                Script::Forgotten => Ending::Forgotten,
                _ => Ending::Failed,
            };
            measured(|| attempt.ends(|| ending, state, &mut Context::new(&view, &Counted(&self.shared), &mut effects)));
            self.apply(&mut Message::default(), effects);
            return None;
        };
        let mut answer = Message { now: self.tick(), ..Message::default() };
        answer.headers.push(":status", status.to_string());
        for (name, value) in headers {
            answer.headers.push(name, value);
        }
        let (mut client, mut released, mut streamed) = (Vec::new(), false, false);
        let last = portions.len();
        for step in 0..=last + 1 {
            if lost && step > last {
                self.left = true;
                return released
                    .then(|| Seen { reset: true, ..self.finish(Reply::json(200, Vec::new(), client), state) });
            }
            let event = match step.checked_sub(1) {
                None => Event::ResponseHeaders { end: portions.is_empty() },
                Some(index) => {
                    answer.body.extend_from_slice(portions.get(index).map_or(&[][..], Vec::as_slice));
                    match (trailed, index == last) {
                        (true, true) => Event::ResponseTrailers { size: answer.body.len() },
                        (_, end) => Event::ResponseBody { size: answer.body.len(), end },
                    }
                }
            };
            answer.now = self.tick();
            let unreadable = |place| matches!(place, Place::FirstAnswer(from) if first && from <= step);
            answer.unreadable = self.unreadable(unreadable);
            let mut effects = Vec::new();
            let shared = Counted(&self.shared);
            let mut cx = Context::new(&answer, &shared, &mut effects);
            let flow = measured(|| attempt.step(event, state, &mut cx));
            let unheard = matches!(event, Event::ResponseTrailers { size: 0 })
                && effects.iter().any(|effect| matches!(effect, Effect::ReplaceBody { .. }));
            assert!(!unheard, "nothing can be added behind a body that has left");
            self.apply(&mut answer, effects);
            let flow = self.ask_judges(attempt, state, &mut answer, flow, step > last);
            if let Flow::Reply(reply) = flow {
                if trailed && released {
                    // Envoy resets the stream: the client has the forwarded bytes, and no end.
                    return Some(Seen { reset: true, ..self.finish(Reply { body: client, ..reply }, state) });
                }
                assert!(!released, "a reply after headers have left is a truncated answer");
                let headers = self.way_back(&reply, state);
                return Some(Seen { headers, ..self.finish(reply, state) });
            }
            if answer.headers.get(signal::RETRY).is_some() && !released {
                self.waits.push(answer.headers.text(signal::RETRY_AFTER).map(str::to_owned));
                return None;
            }
            if flow == Flow::Continue {
                released = true;
                streamed |= !answer.body.is_empty() && step <= last;
                client.append(&mut answer.body);
            }
        }
        assert!(released, "an answer that ends must not be held for ever");
        answer.unreadable = self.unreadable(|place| place == Place::WayBack);
        let mut effects = Vec::new();
        let flow = measured(|| self.pipeline.response(Some(state), &answer, &Counted(&self.shared), &mut effects));
        self.apply(&mut answer, effects);
        if let Flow::Reply(reply) = flow {
            return Some(self.finish(reply, state));
        }
        self.pass(&client, state);
        let status = answer.headers.text(":status").unwrap().parse().unwrap();
        let reply = Reply::json(status, Vec::new(), client);
        Some(Seen { headers: answer.headers, streamed, ..self.finish(reply, state) })
    }

    /// Sends an attempt's calls, and returns the flow after the replies. A late judge replies at the `end`.
    fn ask_judges(
        &mut self,
        attempt: &mut Attempt,
        state: &mut RequestState,
        message: &mut Message,
        mut flow: Flow,
        end: bool,
    ) -> Flow {
        let before = self.asked.len();
        self.asked.extend(state.judges.take_calls());
        let replies = self.judge.as_ref().map_or(Replies::AtOnce, |judge| judge.replies);
        let mut due = match replies {
            _ if end => usize::MAX,
            Replies::AtOnce => usize::MAX,
            Replies::Later => before,
            Replies::AtTheEnd => 0,
        };
        while due > 0 {
            due -= 1;
            let Some((number, call)) = self.asked.pop_front() else { break };
            let called = self.answer_of(call);
            message.now = self.tick();
            let mut effects = Vec::new();
            let shared = Counted(&self.shared);
            let next = attempt.called(number, &called, state, &mut Context::new(message, &shared, &mut effects));
            self.apply(message, effects);
            if next != Flow::Pause {
                flow = next;
            }
            self.asked.extend(state.judges.take_calls());
        }
        flow
    }

    /// Passes a response body back through the gateway role, in chunks of 16 bytes.
    fn pass(&mut self, body: &[u8], state: &RequestState) {
        let portions = body.chunks(16).map(|portion| (portion, false)).chain([(&[][..], true)]);
        for (portion, end) in portions {
            if !self.pipeline.collects() {
                break;
            }
            let view = Message { body: portion.to_vec(), now: self.clock.get(), ..Message::default() };
            let mut effects = Vec::new();
            let event = Event::ResponseBody { size: portion.len(), end };
            measured(|| self.pipeline.response_body(event, Some(state), &view, &Counted(&self.shared), &mut effects));
            self.apply(&mut Message::default(), effects);
        }
    }

    /// The headers of a reply in place of a provider's response. It passes the gateway role like any response.
    fn way_back(&mut self, reply: &Reply, state: &mut RequestState) -> HeaderMap {
        let headers = reply.headers.iter().map(|(name, value)| (*name, value.clone())).collect();
        let mut answer = Message { headers, now: self.tick(), ..Message::default() };
        let mut effects = Vec::new();
        measured(|| self.pipeline.response(Some(state), &answer, &Counted(&self.shared), &mut effects));
        self.apply(&mut answer, effects);
        answer.headers
    }

    fn finish(&mut self, reply: Reply, state: &mut RequestState) -> Seen {
        self.record(reply, Some(state), Vec::new())
    }

    fn seen(&mut self, reply: Reply, received: Vec<Received>) -> Seen {
        let mut state = self.state.take();
        self.record(reply, state.as_mut(), received)
    }

    fn record(&mut self, reply: Reply, state: Option<&mut RequestState>, received: Vec<Received>) -> Seen {
        let mut effects = Vec::new();
        let end = Message { now: self.tick(), left: self.left, ..Message::default() };
        measured(|| self.pipeline.finish(state, &end, &Counted(&self.shared), &mut effects));
        self.apply(&mut Message::default(), effects);
        let fragment = self.property(property::LOG);
        Seen {
            status: reply.status,
            headers: headers_of(&reply),
            body: String::from_utf8(reply.body).unwrap(),
            streamed: false,
            reset: false,
            waits: std::mem::take(&mut self.waits),
            counted: self.counted.take(),
            received,
            departed: std::mem::take(&mut self.departed),
            log: crate::log::line(&fragment),
            properties: self.properties.take(),
        }
    }

    fn apply(&self, message: &mut Message, effects: Vec<Effect>) {
        for effect in effects {
            count(kind_of(&effect));
            match effect {
                Effect::ReplaceHeaders(headers) => message.headers = headers,
                Effect::SetHeader(name, value) => {
                    message.headers = message.headers.iter().filter(|(known, _)| *known != name.as_bytes()).collect();
                    message.headers.push(name, value.as_bytes());
                }
                Effect::RemoveHeader(name) => {
                    message.headers = message.headers.iter().filter(|(known, _)| *known != name.as_bytes()).collect();
                }
                Effect::ReplaceBody { drain, with } => {
                    message.body.splice(..drain, with);
                }
                Effect::SetProperty(name, value) => self.properties.borrow_mut().push((name, value.into_owned())),
                Effect::ClearRoute | Effect::Warn(_) => {}
                Effect::Count(name) => self.counted.borrow_mut().push(name),
            }
        }
    }

    fn property(&self, name: &str) -> String {
        let properties = self.properties.borrow();
        properties.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    fn tick(&self) -> u64 {
        self.clock.set(self.clock.get() + 1_000_000);
        self.clock.get()
    }
}

fn kind_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::ReplaceHeaders(_) => "effect.replace_headers",
        Effect::SetHeader(..) => "effect.set_header",
        Effect::RemoveHeader(_) => "effect.remove_header",
        Effect::ReplaceBody { .. } => "effect.replace_body",
        Effect::SetProperty(..) => "effect.set_property",
        Effect::ClearRoute => "effect.clear_route",
        Effect::Count(_) => "effect.count",
        Effect::Warn(_) => "effect.warn",
    }
}

/// A reply's headers, as Envoy sends them.
fn headers_of(reply: &Reply) -> HeaderMap {
    let content_type = ("content-type", reply.content_type.to_string());
    reply.headers.iter().cloned().chain([content_type]).collect()
}
