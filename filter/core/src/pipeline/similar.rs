//! One request's use of its model's semantic cache, after the exact cache had no response.
//!
//! The gateway asks the embedding model's provider for the embedding of the user's last text, and looks for a response to a request that asks
//! the same. The call's cost is a part of the request's reservation and bill. A call that fails, or takes too long, is a miss, and this
//! worker makes none for a moment.

use std::time::Duration;

use sluice_lexical::Signature;
use sluice_wire::conversation::Usage;
use sluice_wire::dialect::provider::Serves;
use sluice_wire::dialect::{Provider, openai_embeddings};
use sluice_wire::embedding::{Input, Request as EmbeddingRequest};
use sluice_wire::extras::Extras;
use sluice_wire::footprint;
use sluice_wire::headers::HeaderMap;
use sluice_wire::time::Time;

use crate::cache::Key;
use crate::cache::semantic::{Entry, Near, Question, Rule, Unsuitable, Vector, index};
use crate::cache::spec::SemanticMode;
use crate::callout::{Call, Called, embeddings_cluster};
use crate::compiled::CompiledConfig;
use crate::routing::routing_headers::SIMILARITY;
use crate::routing::target::{Model, Target};
use crate::store::SharedData;
use crate::usage::estimate::Estimate;
use crate::usage::price::MicroUsd;

use super::request_state::{Draft, Request};
use super::worker::{StoreContext, Worker};
use super::{Effect, metric};

/// The longest text that is compared, in bytes. A text has at most as many tokens.
const LONGEST: usize = 8 << 10;

/// How many responses are looked up: one may have expired, or not fit the client's form.
const MOST: usize = 3;

/// A request's use of the semantic cache.
#[derive(Debug)]
pub struct Similar {
    partition: [u8; 16],
    signature: Signature,
    least: f32,
    mode: SemanticMode,
    /// `None` until the provider has responded.
    vector: Option<Vector>,
    /// Responses to similar requests.
    candidates: Vec<Near>,
    /// Whether Redis was asked for them.
    pub asked_redis: bool,
    /// Whether the request allows less time than the rule.
    hurries: bool,
    /// When the reply arrived.
    replied: Time,
    /// The result, once it is known.
    pub outcome: Option<Comparison>,
    /// The tokens of the embedding.
    pub tokens: u64,
    /// The cost of the embedding; `None` if its model has no price.
    pub cost: Option<MicroUsd>,
}

/// The result of a lookup.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// This response served.
    Served(Near),
    /// This response would have served.
    Shadow(Near),
    /// No stored response is similar.
    Different,
    /// There is no embedding.
    Failed,
}

/// What a stored response is found by.
#[derive(Debug)]
pub struct Position {
    partition: [u8; 16],
    vector: Vector,
    signature: Signature,
}

impl Comparison {
    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Served(_) => "served",
            Self::Shadow(_) => "shadow",
            Self::Different => "different",
            Self::Failed => "failed",
        }
    }

    /// The response that served, or would have.
    pub fn near(self) -> Option<Near> {
        match self {
            Self::Served(near) | Self::Shadow(near) => Some(near),
            Self::Different | Self::Failed => None,
        }
    }
}

/// The target of the embedding model.
fn target<'a>(config: &'a CompiledConfig, rule: &Rule) -> Option<&'a Target> {
    config.models.get(&rule.embeddings)?.targets.first().map(|target| &**target)
}

fn format(target: &Target) -> Option<&'static Provider> {
    target.provider.format_for(&openai_embeddings::CLIENT, &target.model)
}

/// The highest cost of an embedding for a request with a body of this length; zero without a semantic cache, or without a price.
pub fn reserved(config: &CompiledConfig, model: &Model, length: usize) -> MicroUsd {
    let price = || target(config, model.semantic.as_ref()?)?.price;
    // Masks may make the text longer, and models add tokens of their own.
    let input = u64::try_from(length.saturating_mul(2).saturating_add(64).min(LONGEST)).unwrap_or_default();
    price().map(|price| price.most(&Estimate { input, ..Estimate::default() })).unwrap_or_default()
}

/// The part of a request that may differ from another request's, or why the request is not compared.
pub fn question(request: &Request, body: &[u8], rule: &Rule) -> Result<Question, Unsuitable> {
    let wants = &request.scanned.peek.wants;
    if request.scanned.client.chat().is_none() {
        return Err("it is no chat request");
    }
    if (wants.tools || wants.anywhere) && !rule.tools {
        return Err("it offers tools (`tools`)");
    }
    let (prompt, stored) = (&request.scanned.prompt, &request.scanned.peek.stored);
    if (prompt.images > 0 || prompt.documents || prompt.audio) && !rule.images {
        return Err("it contains images or files (`images`)");
    }
    // The provider has them.
    if (stored.previous.is_some() || stored.kept > 0) && !rule.multi_turn {
        return Err("it has earlier turns (`multi_turn`)");
    }
    let question = Question::of(body).ok_or("its last message is not a text of the user's")?;
    question.suits(rule)?;
    if question.text.len() > LONGEST { Err("the user's text is longer than 8 KiB") } else { Ok(question) }
}

impl Similar {
    /// Prepares the lookup and its call. `partition` hashes all that must be equal; it gets the request without its question. `priced`: a
    /// budget needs the embedding's price.
    pub fn ask(
        draft: &Draft,
        body: &[u8],
        (priced, longest): (bool, Duration),
        partition: impl FnOnce(&[u8], &Rule, &Target) -> Option<Key>,
        now: Time,
        shared: &dyn SharedData,
    ) -> Option<(Self, Call)> {
        let rule = draft.route.model.semantic.as_ref()?;
        let raised = draft.request.routing_headers.similarity.map(|least| f32::from(least) / 10_000.0);
        let least = raised.unwrap_or_default().max(rule.threshold);
        let own = draft.worker.similar();
        let in_vain = rule.mode == SemanticMode::Shadow && draft.request.routing_headers.caching.only_if_cached;
        if own.is_silent(now) || in_vain {
            return None;
        }
        let question = question(&draft.request, body, rule).ok()?;
        let target = target(&draft.worker.config, rule).filter(|target| !priced || target.price.is_some())?;
        let key = partition(&question.rest, rule, target)?;
        let signature = own.lexicon(shared, draft.worker.words()).signature(&question.text)?;
        let call = call(&question.text, target, rule.timeout.min(longest))?;
        let tokens = u64::try_from(question.text.len()).unwrap_or_default();
        let similar = Self {
            partition: key.half(),
            signature,
            least,
            mode: rule.mode,
            vector: None,
            candidates: Vec::new(),
            asked_redis: false,
            hurries: longest < rule.timeout,
            replied: now,
            outcome: None,
            tokens,
            cost: target.price.map(|price| price.most(&Estimate { input: tokens, ..Estimate::default() })),
        };
        Some((similar, call))
    }

    /// Whether the embedding is known.
    pub fn has_vector(&self) -> bool {
        self.vector.is_some()
    }

    /// Handles the reply to the call, and finds requests that are similar and whose responses are younger than `max_age`. Returns whether the
    /// cost is known.
    pub fn embedded(
        &mut self,
        draft: &Draft,
        called: &Called,
        max_age: Duration,
        (now, shared): (Time, &dyn SharedData),
        effects: &mut Vec<Effect>,
    ) -> bool {
        self.replied = now;
        let own = draft.worker.similar();
        let target = draft.route.model.semantic.as_ref().and_then(|rule| target(&draft.worker.config, rule));
        let read = target.ok_or_else(|| "its model is gone".to_owned()).and_then(|target| read(target, called));
        // A request with a short timeout of its own must not stop the embeddings of others.
        let is_own_fault = self.hurries && status(called).is_none();
        let failed = is_own_fault || own.note(read.is_err(), now);
        match read {
            Ok((vector, usage)) => {
                if let Some(usage) = usage {
                    self.tokens = usage.input;
                    let price = target.and_then(|target| target.price);
                    self.cost = price.map(|price| price.cost(&usage, 0, &Extras::default()));
                }
                let asked = (&vector, &self.signature);
                let oldest = u64::try_from(max_age.as_nanos()).unwrap_or(u64::MAX);
                let bounds = (Time(now.0.saturating_sub(oldest)), self.least);
                self.candidates = own.index(shared, |index| index.nearest(self.partition, asked, bounds, MOST));
                self.vector = Some(vector);
                usage.is_some()
            }
            Err(why) => {
                self.outcome = Some(Comparison::Failed);
                // A provider that rejects a call does not charge for it.
                let is_rejected = status(called).is_some_and(|status| !(200..300).contains(&status));
                if is_rejected {
                    (self.tokens, self.cost) = (0, self.cost.map(|_| MicroUsd::default()));
                }
                effects.push(Effect::Count(metric::EMBEDDING_FAILED));
                if !failed {
                    effects.push(Effect::Warn(format!(
                        "an embedding for the semantic cache failed ({why}): until calls succeed again, similar \
                         requests are not found"
                    )));
                }
                is_rejected
            }
        }
    }

    /// Whether Envoy's memory has no response to any similar request, and Redis was not asked yet.
    pub fn misses(&self) -> bool {
        !self.asked_redis && !self.candidates.is_empty() && self.outcome == Some(Comparison::Different)
    }

    /// The keys of the responses to similar requests.
    pub fn keys(&self) -> Vec<Key> {
        self.candidates.iter().map(|near| near.key).collect()
    }

    /// Chooses the most similar response that `find` has; returns it if it shall serve.
    pub fn choose<T>(&mut self, mut find: impl FnMut(&Key) -> Option<T>) -> Option<T> {
        let found = self.candidates.iter().find_map(|near| Some((*near, find(&near.key)?)));
        self.outcome = Some(match &found {
            None => Comparison::Different,
            Some((near, _)) if self.mode == SemanticMode::Shadow => Comparison::Shadow(*near),
            Some((near, _)) => Comparison::Served(*near),
        });
        found.filter(|_| self.mode == SemanticMode::Serve).map(|(_, found)| found)
    }

    /// The age of a response, when it was found.
    pub fn age(&self, near: Near) -> Duration {
        self.replied.since(near.made)
    }

    /// The similarity as a response header, if the cache has answered.
    pub fn header(&self) -> Option<(&'static str, String)> {
        match self.outcome {
            Some(Comparison::Served(near)) => Some((SIMILARITY, near.text())),
            _ => None,
        }
    }

    /// Where the response to this request will be found.
    pub fn position(&self) -> Option<Position> {
        let (partition, vector, signature) = (self.partition, self.vector.clone()?, self.signature.clone());
        Some(Position { partition, vector, signature })
    }
}

impl Position {
    /// Lets similar requests find the response with this key, which expires at this time: at this Envoy, and, where Envoys share responses,
    /// at all others.
    pub fn add(self, key: Key, expires: Time, worker: &Worker, at: &mut StoreContext<'_>) {
        let Self { partition, vector, signature } = self;
        let entry = Entry { partition, key, made: at.now, vector, signature };
        index::add(at.shared, std::slice::from_ref(&entry));
        worker.redis_cache().store_position(|| entry.bytes(), expires, at.effects);
    }
}

/// The call for the embedding of a text; `None` if the provider has no embeddings.
fn call(text: &str, target: &Target, timeout: Duration) -> Option<Call> {
    let format = format(target)?;
    let Serves::Embeddings(embeddings) = &format.serves else { return None };
    let inputs = vec![Input::Text(text.into())];
    let request = EmbeddingRequest { model: target.model.as_str().into(), inputs, ..EmbeddingRequest::default() };
    let body = (embeddings.write_request)(&request, &target.model).ok()?.body;
    let provider = &target.provider;
    let mut headers = HeaderMap::default();
    headers.push(":method", "POST");
    headers.push(":path", provider.layout.path(format, &target.model, false));
    headers.push(":authority", &provider.authority);
    headers.push(":scheme", if provider.tls { "https" } else { "http" });
    headers.push("content-type", "application/json");
    headers.push("accept", "application/json");
    headers.push("accept-encoding", "identity");
    headers.push("user-agent", concat!("sluice/", env!("CARGO_PKG_VERSION")));
    format.headers.sent.iter().for_each(|(name, value)| headers.push(name, value));
    Some(Call { cluster: embeddings_cluster(provider.cluster(0)).into(), headers, body, timeout })
}

/// The provider's status; `None` if it did not reply. After a timeout, Envoy replies with 504.
fn status(called: &Called) -> Option<u16> {
    called.status.filter(|status| *status != 504)
}

/// The embedding in the reply, and its usage.
fn read(target: &Target, called: &Called) -> Result<(Vector, Option<Usage>), String> {
    let status = status(called).ok_or_else(|| "the provider did not reply in time".to_owned())?;
    if !(200..300).contains(&status) {
        return Err(format!("the provider replied with status {status}"));
    }
    let format = format(target).ok_or_else(|| "the provider has no embeddings".to_owned())?;
    let Serves::Embeddings(embeddings) = &format.serves else {
        return Err("the provider has no embeddings".to_owned());
    };
    let no_vector = || "the reply has no valid vector".to_owned();
    footprint::check_answer(&called.body).map_err(|_| no_vector())?;
    let response = (embeddings.read_response)(&called.body).map_err(|_| no_vector())?;
    let numbers = response.vectors.first().and_then(|vector| vector.floats().ok()).ok_or_else(no_vector)?;
    Ok((Vector::of(&numbers).ok_or_else(no_vector)?, response.usage))
}
