//! A worker: the configuration, its stores, and its state between requests ([`memory`](super::memory)).

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sluice_wire::error::ErrorKind;
use sluice_wire::order;
use sluice_wire::time::Time;

use crate::batch::{self, records, records::BatchRecord};
use crate::callout::{Call, Called};
use crate::compiled::CompiledConfig;
use crate::guard::UNJUDGED;
use crate::key_hash::KeyHash;
use crate::keys::caller::{Caller, Credential};
use crate::memory_limiter::MemoryLimiter;
use crate::metrics::{OTHER, Recorder};
use crate::routing::retry_budget;
use crate::routing::target::Target;
use crate::routing::target_health::circuit::{self, CircuitState};
use crate::store::embedded::CounterScope;
use crate::store::redis::settings::{Mode, WhenDown};
use crate::store::redis::wire::{Command, RedisReply};
use crate::store::{
    CounterSnapshot, LimitExceeded, Note, ReserveRequest, ReserveResult, Settlement, SharedData, Sums, Unavailable,
    embedded, redis,
};
use crate::trace::context::Parent;
use crate::trace::{self, TraceContext};

use super::billing::ReservedIn;
use super::cached_key::CachedKey;
use super::failure::Failure;
use super::memory::{Known, Memory};
use super::outgoing::Outgoing;
use super::redis_cache::RedisCache;
use super::redis_client::{Asking, Outbox, RedisClient};
use super::similar_requests::SimilarRequests;
use super::span_queue::SpanQueue;
use super::{Effect, metric};

/// The longest time that a rate-limited target is skipped. A provider may ask for a day; it is tried earlier, in case that has changed.
pub(super) const LONGEST_LIMIT: Duration = Duration::from_secs(300);
/// How long an account without quota is skipped.
pub(super) const NO_MONEY: Duration = Duration::from_secs(60);

/// How long a Redis check is valid.
const HEARD: Duration = Duration::from_secs(1);

/// One worker under one configuration. Its memory lives as long as the VM and is shared with the next configuration's worker.
#[derive(Debug)]
pub struct Worker {
    /// The configuration.
    pub config: Rc<CompiledConfig>,
    /// The bytes of requests and responses that it holds.
    pub memory_limiter: Rc<MemoryLimiter>,
    redis_client: Option<RedisClient>,
    memory: Rc<Memory>,
    /// The configuration's number in this memory.
    generation: u64,
}

/// The time and resources of a store operation.
pub struct StoreContext<'a> {
    /// The current time.
    pub now: Time,
    /// The memory that Envoy's workers share.
    pub shared: &'a dyn SharedData,
    /// The effects to apply.
    pub effects: &'a mut Vec<Effect>,
}

/// The result of a reserve request.
#[derive(Debug)]
pub enum ReserveOutcome {
    /// Redis must be called first.
    Ask(Call),
    /// Reserved.
    Granted {
        /// Where the reservation is stored.
        ledger: ReservedIn,
        /// The granted alternative's index.
        chosen: usize,
        /// Its counters.
        snapshots: Vec<CounterSnapshot>,
    },
    /// Rejected.
    Refused(Vec<LimitExceeded>),
    /// No store was available, and the policy lets the request pass.
    Unchecked,
    /// No store was available, and the policy rejects the request.
    Undecided,
}

/// The result of a key lookup.
#[derive(Debug)]
pub enum Lookup {
    /// The key's credential, or `None` if the key is unknown.
    Known(Option<Credential>),
    /// Redis must be called. `Asking` must be retained until the reply.
    Ask(Call, Asking),
    /// Redis must be called, but too many keys are being looked up.
    Busy,
    /// Redis does not reply.
    Silent,
}

impl Worker {
    /// Creates a worker. `seed` must be unique among all workers of all Envoys: 16 random bytes.
    pub fn new(config: Rc<CompiledConfig>, seed: [u8; 16]) -> Self {
        let redis_client = config.redis.clone().map(RedisClient::new);
        let memory_limiter = Rc::new(MemoryLimiter::new(config.memory));
        let memory = Rc::new(Memory::new(seed));
        let generation = memory.begins();
        Self { config, memory_limiter, redis_client, memory, generation }
    }

    /// The worker of the next configuration, with all of this worker's state. This one continues with its requests, and both share what it
    /// learns, holds and settles from now on. Only another Redis starts without state.
    pub fn succeeded_by(&self, config: Rc<CompiledConfig>) -> Self {
        let redis_client = config.redis.clone().map(|settings| match &self.redis_client {
            Some(redis_client) => redis_client.with(settings),
            None => RedisClient::new(settings),
        });
        let (memory_limiter, memory) = (self.memory_limiter.clone(), self.memory.clone());
        let named: BTreeSet<&str> = order::gathered(config.targets().map(|target| target.health.id()));
        memory.keep_targets(|id| named.contains(id));
        let generation = memory.begins();
        Self { config, memory_limiter, redis_client, memory, generation }
    }

    /// The same worker with a shared outbox for its settlements.
    pub fn sharing(mut self, outbox: Arc<Outbox>) -> Self {
        self.redis_client = self.redis_client.map(|redis_client| redis_client.sharing(outbox));
        self
    }

    /// The new metrics of this worker.
    pub fn recorder(&self) -> &Arc<Recorder> {
        &self.memory.recorder
    }

    /// The label of a guardrail's finding in metrics. A judge may write any words: those beyond the first are counted as one.
    pub(super) fn finding_label<'l>(&self, guard: &str, label: &'l str) -> &'l str {
        let is_judged = label != UNJUDGED && self.config.judges.iter().any(|judge| judge.name == guard);
        if is_judged && !self.memory.admits_word(guard, label) { OTHER } else { label }
    }

    /// The spans of this worker that are not exported yet.
    pub fn spans(&self) -> &SpanQueue {
        &self.memory.spans
    }

    /// This worker's part in the cache that Envoys share.
    pub fn redis_cache(&self) -> &RedisCache {
        &self.memory.redis_cache
    }

    /// This worker's part in the semantic cache.
    pub(super) fn similar(&self) -> &SimilarRequests {
        &self.memory.similar
    }

    /// The key of the semantic cache's signatures, unless another worker has chosen one.
    pub(super) fn words(&self) -> [u8; 32] {
        self.memory.redis_cache.words().unwrap_or_else(|| self.memory.secret("sluice semantic 2026 words"))
    }

    /// The queues of calls that no request waits for.
    pub fn outgoing(&self) -> [Arc<dyn Outgoing>; 2] {
        [self.memory.spans.clone(), self.memory.redis_cache.clone()]
    }

    /// The context of a request's trace: the client's trace, or a new one. Not sampled if the client's is not.
    pub(super) fn trace(&self, settings: &trace::Settings, parent: Option<Parent>) -> TraceContext {
        let chosen = self.dice() % 1_000_000 < u64::from(settings.sampling);
        TraceContext {
            trace: parent.map_or_else(|| self.memory.trace_id(), |parent| parent.trace),
            parent: parent.map(|parent| parent.span),
            span: self.span_id(),
            sampled: chosen && parent.is_none_or(|parent| parent.sampled),
        }
    }

    /// A new id of a span.
    pub(super) fn span_id(&self) -> u64 {
        self.memory.span_id()
    }

    /// How many settlements wait for Redis.
    pub fn backlog(&self) -> usize {
        self.redis_client.as_ref().map_or(0, RedisClient::backlog)
    }

    /// Makes this configuration the one for new requests: applies its bounds, and announces its teams to the counter sync.
    pub fn takes_charge(&self, shared: &dyn SharedData) {
        self.memory_limiter.set_bounds(self.config.memory);
        self.memory.spans.configure(self.config.tracing.as_ref().map(|settings| &settings.collector));
        self.memory.redis_cache.configure(self.config.redis.as_ref().zip(self.config.cache.shared));
        if self.scope() == CounterScope::Replicated {
            embedded::announce(shared, self.config.teams.iter().map(String::as_str));
        }
    }

    /// Whether the other worker sends all of this worker's settlements too.
    pub fn shares_outbox(&self, other: &Self) -> bool {
        match (&self.redis_client, &other.redis_client) {
            (Some(own), Some(other)) => own.shares_outbox(other),
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    /// Whether settlements wait to be sent or confirmed.
    pub fn has_unsettled(&self) -> bool {
        self.redis_client.as_ref().is_some_and(RedisClient::has_unsettled)
    }

    /// The settlement call in flight will get no reply.
    pub fn forget_call(&self) {
        if let Some(redis_client) = &self.redis_client {
            redis_client.forget_call();
        }
    }

    /// A random number for choices among targets; not cryptographic.
    pub fn dice(&self) -> u64 {
        self.memory.dice()
    }

    /// An attempt at a target begins. If `counted`, all workers see it in flight until [`Worker::attempt_ended`].
    pub fn attempt_started(&self, target: &Target, counted: bool, now: Time, shared: &dyn SharedData) {
        let known = self.known(target);
        known.retries.note_attempt(now);
        if counted {
            known.in_flight.enter(shared, &target.health, now);
        }
    }

    /// A counted attempt is over.
    pub fn attempt_ended(&self, target: &Target, now: Time, shared: &dyn SharedData) {
        self.known(target).in_flight.leave(shared, &target.health, now);
    }

    /// Whether one more attempt may go to a target. Always if another target failed and this one is healthy, or recovering, up to its
    /// share. A retry at the same target, or at one that keeps failing, makes an outage worse: the retry budget bounds those.
    pub fn allows_attempt(&self, target: &Target, same: bool, now: Time, shared: &dyn SharedData) -> bool {
        let well = || {
            let standing = circuit::read(shared, &target.health).standing(now, &self.config.circuit);
            match standing {
                CircuitState::Closed { .. } => true,
                CircuitState::Recovering { share } => self.dice() % 100 < u64::from(share),
                _ => false,
            }
        };
        (!same && well()) || self.known(target).retries.try_retry(now, &retry_budget::Settings::default())
    }

    /// The index of the target's next key.
    pub fn next_key(&self, target: &Target) -> usize {
        self.known(target).turn.get()
    }

    /// Records that an attempt uses this key; the next attempt uses the key after it.
    pub fn advance_key(&self, target: &Target, key: usize) {
        self.known(target).turn.set(key.wrapping_add(1));
    }

    /// Records a good response's tokens and duration.
    pub fn observe_output_rate(&self, target: &Target, tokens: u64, took: Duration) {
        self.known(target).output_rate.observe(tokens, took);
    }

    /// Estimates the output tokens of a target after this time.
    pub fn produced(&self, target: &Target, since: Duration) -> u64 {
        self.known(target).output_rate.produced(since)
    }

    /// The number of targets with state.
    pub fn known_targets(&self) -> usize {
        self.memory.known_targets()
    }

    fn known(&self, target: &Target) -> Rc<Known> {
        // By health id, not by name: a client may have made up the name, but the number of ids is bounded by the configuration.
        self.memory.known(target.health.id())
    }

    /// Shares an attempt's result with all workers, unless it says nothing about the target.
    pub fn learn(
        &self,
        target: &Target,
        failure: Option<&Failure>,
        attempt: circuit::CircuitAttempt,
        shared: &dyn SharedData,
    ) {
        use crate::routing::spec::Trigger::{Conflict, ContextLength, RequestTimeout};
        let settings = &self.config.circuit;
        let Some(failure) = failure else { return circuit::succeeded(shared, &target.health, attempt, settings) };
        let limit = match failure.error.kind {
            ErrorKind::RateLimit => failure.error.retry_after,
            ErrorKind::InsufficientQuota => Some(failure.error.retry_after.unwrap_or(NO_MONEY)),
            _ => None,
        };
        match (limit, failure.trigger) {
            _ if failure.excused => {}
            (_, None | Some(Conflict | ContextLength | RequestTimeout)) => {}
            (Some(limit), _) => {
                // With several keys, another may be available sooner.
                let soonest = target.keys.soonest(shared, attempt.ended).unwrap_or(limit);
                let limit = limit.min(soonest);
                let until = attempt.ended.after(limit.min(LONGEST_LIMIT));
                circuit::limited(shared, &target.health, attempt, until, settings);
            }
            (None, Some(_)) => circuit::failed(shared, &target.health, attempt, settings, self.dice()),
        }
    }

    /// Returns a reservation id that is unique among all Envoys and that no client can choose.
    pub fn reservation_id(&self) -> Rc<str> {
        self.memory.reservation_id()
    }

    /// The caller of a key, as far as it is known without a call to Redis.
    pub fn knows(&self, hash: &KeyHash, now: Time) -> Option<Rc<Caller>> {
        let cached_credential = || self.cached_credential(self.redis_client.as_ref()?, hash, now).ok()??;
        let credential = self.config.keys.get(hash).cloned().or_else(cached_credential)?;
        Some(credential.caller)
    }

    /// Looks up a key. Keys of the gateway file come first; Redis is called only for well-formed keys.
    pub fn find(&self, presented: &[u8], hash: &KeyHash, now: Time) -> Lookup {
        if let Some(credential) = self.config.keys.get(hash) {
            return Lookup::Known(Some(credential.clone()));
        }
        let Some(redis_client) = self.redis_client.as_ref().filter(|_| crate::keys::secret::is_well_formed(presented))
        else {
            return Lookup::Known(None);
        };
        match self.cached_credential(redis_client, hash, now) {
            Ok(Some(known)) => Lookup::Known(known),
            Ok(None) => {
                let Some(asking) = redis_client.asking(hash) else { return Lookup::Busy };
                let name = redis::names::key(&redis_client.settings.prefix, hash);
                Lookup::Ask(redis_client.ask(&Command::new(["GET".to_owned(), name]), now), asking)
            }
            Err(Unavailable(_)) => Lookup::Silent,
        }
    }

    /// Handles Redis's reply to a key lookup.
    pub fn found(&self, hash: &KeyHash, called: &Called, at: &mut StoreContext<'_>) -> Lookup {
        let Some(redis_client) = &self.redis_client else { return Lookup::Silent };
        let record = match redis_client.read(called, at.now, at.effects) {
            Ok(Some(RedisReply::Nil)) => None,
            Ok(Some(RedisReply::Text(record))) => match CachedKey::read(&record, &self.config) {
                Ok(record) => Some(Rc::new(record)),
                Err(mistake) => {
                    at.effects.push(refused(&mistake));
                    None
                }
            },
            _ => {
                return match self.cached_credential(redis_client, hash, at.now) {
                    Ok(Some(known)) => Lookup::Known(known),
                    _ => Lookup::Silent,
                };
            }
        };
        redis_client.cache_key(*hash, record.clone(), at.now);
        Lookup::Known(record.and_then(|record| match record.credential(hash, &self.config, self.generation) {
            Ok(credential) => Some(credential),
            Err(mistake) => {
                at.effects.push(refused(&mistake));
                None
            }
        }))
    }

    /// The cached credential of a key under this configuration; a record that the configuration rejects has none.
    fn cached_credential(
        &self,
        redis_client: &RedisClient,
        hash: &KeyHash,
        now: Time,
    ) -> Result<Option<Option<Credential>>, Unavailable> {
        let known = redis_client.cached_key(hash, now)?;
        Ok(known.map(|record| record?.credential(hash, &self.config, self.generation).ok()))
    }

    /// The call that reads a note from Redis; `None` without Redis, or if it does not reply.
    pub fn note(&self, name: &str, now: Time) -> Option<Call> {
        let redis_client = self.redis_client.as_ref().filter(|redis_client| redis_client.answers(now))?;
        let name = redis::names::note(&redis_client.settings.prefix, name);
        Some(redis_client.ask(&Command::new(["GET".to_owned(), name]), now))
    }

    /// Whether Redis replied to the last check; `None` if that is older than a second: then the caller must check. Before the first reply
    /// it counts as down.
    pub fn redis_heard(&self, now: Time) -> Option<bool> {
        let recorded = self.memory.redis_heard.get();
        let answers = recorded.is_some_and(|(_, answers)| answers);
        let recent = recorded.is_some_and(|(at, _)| now.since(at) < HEARD);
        if !recent {
            // Other callers do not check again before the reply.
            self.hear_of_redis(answers, now);
        }
        recent.then_some(answers)
    }

    /// Records the result of a Redis check.
    pub fn hear_of_redis(&self, answers: bool, now: Time) {
        self.memory.redis_heard.set(Some((now, answers)));
    }

    /// Handles the reply to [`Worker::note`]; fails if Redis did not reply.
    pub fn noted(&self, called: &Called, at: &mut StoreContext<'_>) -> Result<Option<BatchRecord>, Unavailable> {
        let Some(redis_client) = &self.redis_client else { return Ok(None) };
        match redis_client.read(called, at.now, at.effects)? {
            Some(RedisReply::Text(text)) => Ok(BatchRecord::read(&text)),
            Some(RedisReply::Nil) => Ok(None),
            other => Err(Unavailable(format!("{other:?} is no note"))),
        }
    }

    /// Stores the entries of files and batches, and settles a batch's correction once. Returns the sums of the settled batch.
    pub fn note_down(&self, outcome: batch::BatchOutcome, at: &mut StoreContext<'_>) -> Option<Sums> {
        let batch::BatchOutcome { records, correction } = outcome;
        for (name, record) in &records {
            records::keep(at.shared, name, record);
        }
        // Every entry becomes settled, even if one was: a later request may find only one of them.
        let settles = |all: bool, note: &Note| records::keep(at.shared, &note.name, &BatchRecord::Settled) && all;
        let correction = correction.filter(|correction| correction.notes.iter().fold(true, settles));
        let came_to = correction.as_ref().and_then(|correction| Some(correction.entry.as_ref()?.sums));
        if let Some(correction) = correction {
            // In relaxed mode too: this Envoy may not have counted what is corrected.
            let in_redis = self.redis_client.is_some();
            let ledger = if in_redis { ReservedIn::Redis } else { ReservedIn::Envoy(CounterScope::Local) };
            self.settle(correction, ledger, at);
        }
        if let Some(redis_client) = self.redis_client.as_ref().filter(|_| !records.is_empty()) {
            let notes = records.into_iter().map(|(name, record)| Note { name, text: record.text() }).collect();
            let id = self.reservation_id();
            redis_client.settle(
                Settlement { id, parts: Vec::new(), entry: None, at: at.now, corrects: false, notes },
                at.effects,
            );
        }
        came_to
    }

    /// Reserves in memory, or returns the call to Redis.
    pub fn reserve(&self, reserve_request: &ReserveRequest, at: &mut StoreContext<'_>) -> ReserveOutcome {
        match self.strict() {
            Some(redis_client) if redis_client.answers(at.now) => ReserveOutcome::Ask(
                redis_client.ask(&redis::reserve::command(&redis_client.settings.prefix, reserve_request), at.now),
            ),
            Some(redis_client) => self.without_redis(redis_client, reserve_request, at),
            None => self.local(reserve_request, self.scope(), at),
        }
    }

    /// The scope of the counts in this Envoy's memory.
    fn scope(&self) -> CounterScope {
        match &self.redis_client {
            Some(redis_client) if redis_client.settings.mode == Mode::Relaxed => CounterScope::Replicated,
            _ => CounterScope::Local,
        }
    }

    /// Handles Redis's reply to a reserve request. `by_hash`: the call named the script by its hash. Without a reply, Redis may have
    /// reserved anyway: unless the request continues and is settled later, `withdrawn` undoes that.
    pub fn reserved(
        &self,
        reserve_request: &ReserveRequest,
        by_hash: bool,
        withdrawn: impl FnOnce() -> Settlement,
        called: &Called,
        at: &mut StoreContext<'_>,
    ) -> ReserveOutcome {
        let Some(redis_client) = self.strict() else { return ReserveOutcome::Undecided };
        let silent = match redis_client.read(called, at.now, at.effects) {
            Ok(None) if by_hash => {
                let command = redis::reserve::command(&redis_client.settings.prefix, reserve_request);
                return ReserveOutcome::Ask(redis_client.ask(&command.with_source().unwrap_or(command), at.now));
            }
            Ok(Some(reply)) => match redis::reserve::reserve_result(reserve_request, &reply) {
                Ok(ReserveResult::Granted { chosen, snapshots }) => {
                    return ReserveOutcome::Granted { ledger: ReservedIn::Redis, chosen, snapshots };
                }
                Ok(ReserveResult::Refused(all_exceeded)) => return ReserveOutcome::Refused(all_exceeded),
                Err(Unavailable(why)) => Some(why),
            },
            Ok(None) => Some("it does not know the script that it was just sent".to_owned()),
            Err(_) => None,
        };
        if let Some(why) = silent {
            redis_client.makes_no_sense(&why, at.now, at.effects);
        }
        let decision = self.without_redis(redis_client, reserve_request, at);
        if matches!(decision, ReserveOutcome::Refused(_) | ReserveOutcome::Undecided) {
            redis_client.settle(withdrawn(), at.effects);
        }
        decision
    }

    /// Reserves in Envoy's memory.
    fn local(
        &self,
        reserve_request: &ReserveRequest,
        scope: CounterScope,
        at: &mut StoreContext<'_>,
    ) -> ReserveOutcome {
        match embedded::reserve(at.shared, reserve_request, scope, at.now) {
            Ok(ReserveResult::Granted { chosen, snapshots }) => {
                let debits = reserve_request.alternatives.get(chosen).into_iter().flatten();
                if debits.zip(&snapshots).any(|(debit, snapshot)| embedded::is_held_for_ever(debit, snapshot)) {
                    at.effects.push(Effect::Count(metric::UNLEASED));
                }
                ReserveOutcome::Granted { ledger: ReservedIn::Envoy(scope), chosen, snapshots }
            }
            Ok(ReserveResult::Refused(all_exceeded)) => ReserveOutcome::Refused(all_exceeded),
            Err(Unavailable(why)) => {
                let text = format!("the gateway could not check limits and budgets: {why}");
                self.memory.unchecked.push(text, at.now, at.effects);
                ReserveOutcome::Undecided
            }
        }
    }

    fn strict(&self) -> Option<&RedisClient> {
        self.redis_client.as_ref().filter(|redis_client| redis_client.settings.mode == Mode::Strict)
    }

    fn without_redis(
        &self,
        redis_client: &RedisClient,
        reserve_request: &ReserveRequest,
        at: &mut StoreContext<'_>,
    ) -> ReserveOutcome {
        match redis_client.settings.when_down {
            WhenDown::Local => self.local(reserve_request, CounterScope::Local, at),
            WhenDown::Allow => {
                at.effects.push(Effect::Count(metric::UNCHECKED));
                ReserveOutcome::Unchecked
            }
            WhenDown::Deny => ReserveOutcome::Undecided,
        }
    }

    /// Whether a request without a reservation must be settled too, for the accounts.
    pub fn keeps_accounts(&self) -> bool {
        self.redis_client.is_some() || self.config.admin.is_some()
    }

    /// Settles a finished request in every store that needs it.
    pub fn settle(&self, mut settlement: Settlement, ledger: ReservedIn, at: &mut StoreContext<'_>) {
        match &self.redis_client {
            // Redis stores the account entry.
            Some(redis_client) => {
                let here = Settlement { entry: None, ..settlement.clone() };
                redis_client.settle(std::mem::replace(&mut settlement, here), at.effects);
            }
            None if self.config.admin.is_some() => {}
            // Without Redis and an admin API, the account entries are never read.
            None => settlement.entry = None,
        }
        let scope = match ledger {
            ReservedIn::Envoy(scope) => scope,
            _ if settlement.entry.is_some() => CounterScope::Local,
            _ => return,
        };
        if embedded::settle(at.shared, &settlement, scope).is_err() {
            // The reserved amount stays charged until its lease ends. A second try could settle a part of it twice.
            at.effects.push(Effect::Count(metric::UNSETTLED));
        }
    }

    /// Background work: the next settlement call, if there is one.
    pub fn tick(&self, now: Time) -> Option<Call> {
        self.redis_client.as_ref()?.flush(now)
    }

    /// Handles the reply to that call.
    pub fn on_reply(&self, called: &Called, now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        self.redis_client.as_ref()?.on_reply(called, now, effects)
    }
}

fn refused(mistake: &str) -> Effect {
    Effect::Warn(format!("the gateway rejects a key because its record in Redis is invalid: {mistake}"))
}
