//! A worker: the configuration, the way to its stores, and what it knows between requests ([`memory`](super::memory)).

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sluice_wire::error::ErrorKind;
use sluice_wire::order;
use sluice_wire::time::Time;

use crate::batch::{self, book, book::BookEntry};
use crate::callout::{Call, Called};
use crate::gate::Gate;
use crate::gateway::Gateway;
use crate::key_hash::KeyHash;
use crate::keys::caller::{Caller, Credential};
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

use super::billing::ReservedIn;
use super::failure::Failure;
use super::memory::{Known, Memory};
use super::redis_client::{Asking, Outbox, RedisClient};
use super::remembered::Record;
use super::{Effect, metric};

/// A provider may say that it takes no more for a day: it is asked again before that, in case it has changed its mind.
pub(super) const LONGEST_LIMIT: Duration = Duration::from_secs(300);
/// For how long an account without money is left alone.
pub(super) const NO_MONEY: Duration = Duration::from_secs(60);

/// For how long it is known whether Redis answers, for those who want to know nothing else.
const HEARD: Duration = Duration::from_secs(1);

/// One worker under one configuration. Its memory lives as long as its VM: the worker of the next configuration has it too.
#[derive(Debug)]
pub struct Worker {
    /// The configuration.
    pub gateway: Rc<Gateway>,
    /// How many bytes of requests and answers it holds.
    pub gate: Rc<Gate>,
    remote: Option<RedisClient>,
    memory: Rc<Memory>,
    /// Which configuration of this memory it is.
    generation: u64,
}

/// When something happens, and what may be used for it.
pub struct StoreContext<'a> {
    /// Now.
    pub now: Time,
    /// The memory that Envoy's workers share.
    pub shared: &'a dyn SharedData,
    /// What is to be done.
    pub effects: &'a mut Vec<Effect>,
}

/// What a store said, or did not.
#[derive(Debug)]
pub enum ReserveOutcome {
    /// Redis has to be asked.
    Ask(Call),
    /// Reserved.
    Granted {
        /// Where.
        ledger: ReservedIn,
        /// Which alternative.
        chosen: usize,
        /// Of its meters.
        snapshots: Vec<CounterSnapshot>,
    },
    /// Refused.
    Refused(Vec<LimitExceeded>),
    /// Nobody could say, and the policy lets it pass.
    Unchecked,
    /// Nobody could say, and the policy refuses.
    Undecided,
}

/// What is known of a key.
#[derive(Debug)]
pub enum Lookup {
    /// Whose it is, if anybody's.
    Known(Option<Credential>),
    /// Redis has to be asked. What comes with the call is kept until it has answered.
    Ask(Call, Asking),
    /// Redis has to be asked, and is asked for too many keys.
    Busy,
    /// Redis does not answer.
    Silent,
}

impl Worker {
    /// A worker. `seed` is what no other worker of any Envoy ever had: 16 random bytes will do.
    pub fn new(gateway: Rc<Gateway>, seed: [u8; 16]) -> Self {
        let remote = gateway.redis.clone().map(RedisClient::new);
        let gate = Rc::new(Gate::new(gateway.memory));
        let memory = Rc::new(Memory::new(seed));
        let generation = memory.begins();
        Self { gateway, gate, remote, memory, generation }
    }

    /// The worker of the next configuration: it knows all that this one does. This one goes on with its requests, and what it
    /// learns, holds and settles meanwhile is the other's too. Only another Redis is one of which nothing is known.
    pub fn succeeded_by(&self, gateway: Rc<Gateway>) -> Self {
        let remote = gateway.redis.clone().map(|settings| match &self.remote {
            Some(remote) => remote.with(settings),
            None => RedisClient::new(settings),
        });
        let (gate, memory) = (self.gate.clone(), self.memory.clone());
        let named: BTreeSet<&str> = order::gathered(gateway.targets().map(|target| target.cells.id()));
        memory.keep_targets(|id| named.contains(id));
        let generation = memory.begins();
        Self { gateway, gate, remote, memory, generation }
    }

    /// The same worker, which leaves its settlements to whoever tells Redis of these.
    pub fn sharing(mut self, outbox: Arc<Outbox>) -> Self {
        self.remote = self.remote.map(|remote| remote.sharing(outbox));
        self
    }

    /// New requests come under this configuration from now on: its bounds hold, and its teams are those of which the keeper asks
    /// Redis.
    pub fn takes_charge(&self, shared: &dyn SharedData) {
        self.gate.set_bounds(self.gateway.memory);
        if self.scope() == CounterScope::Replicated {
            embedded::announce(shared, self.gateway.teams.iter().map(String::as_str));
        }
    }

    /// Whether what this one has to tell Redis is told by the other one too.
    pub fn shares_outbox(&self, other: &Self) -> bool {
        match (&self.remote, &other.remote) {
            (Some(own), Some(other)) => own.shares_outbox(other),
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    /// Whether something is to be told to Redis, or being told.
    pub fn has_to_tell(&self) -> bool {
        self.remote.as_ref().is_some_and(RedisClient::has_to_tell)
    }

    /// The call that a tick or an answer gave is lost: it will have no answer.
    pub fn forget_call(&self) {
        if let Some(remote) = &self.remote {
            remote.forget_call();
        }
    }

    /// A random number, good enough for a choice among targets.
    pub fn dice(&self) -> u64 {
        self.memory.dice()
    }

    /// An attempt at a target begins. Where it is `counted`, all workers know that it is under way, until it [`Worker::leaves`].
    pub fn enters(&self, target: &Target, counted: bool, now: Time, shared: &dyn SharedData) {
        let known = self.known(target);
        known.retries.note_attempt(now);
        if counted {
            known.in_flight.enter(shared, &target.cells, now);
        }
    }

    /// An attempt that was counted is over.
    pub fn leaves(&self, target: &Target, now: Time, shared: &dyn SharedData) {
        self.known(target).in_flight.leave(shared, &target.cells, now);
    }

    /// Whether one more attempt of a request may go to a target. It may, if another one failed and this one is well, or recovering, as
    /// far as its share goes; to ask the same one again, or one that keeps failing, is what makes an outage worse: that is bounded.
    pub fn affords(&self, target: &Target, same: bool, now: Time, shared: &dyn SharedData) -> bool {
        let well = || {
            let standing = circuit::read(shared, &target.cells).standing(now, &self.gateway.circuit);
            match standing {
                CircuitState::Closed { .. } => true,
                CircuitState::Recovering { share } => self.dice() % 100 < u64::from(share),
                _ => false,
            }
        };
        (!same && well()) || self.known(target).retries.try_retry(now, &retry_budget::Settings::default())
    }

    /// The key of a target's provider whose turn it is.
    pub fn next_turn(&self, target: &Target) -> usize {
        self.known(target).turn.get()
    }

    /// An attempt begins with this key: the turn is the next one's.
    pub fn took_turn(&self, target: &Target, key: usize) {
        self.known(target).turn.set(key.wrapping_add(1));
    }

    /// A target's good answer had so many tokens, and took so long.
    pub fn paced(&self, target: &Target, tokens: u64, took: Duration) {
        self.known(target).pace.observe(tokens, took);
    }

    /// How many tokens a target's answer has by now that was asked for so long ago.
    pub fn produced(&self, target: &Target, since: Duration) -> u64 {
        self.known(target).pace.produced(since)
    }

    /// Of how many targets something is known.
    pub fn known_targets(&self) -> usize {
        self.memory.known_targets()
    }

    fn known(&self, target: &Target) -> Rc<Known> {
        // Not by its name, which a client may have made up: there are as many cells as the configuration knows targets.
        self.memory.known(target.cells.id())
    }

    /// Lets all workers know how an attempt went. What says nothing of the target is not told.
    pub fn learn(
        &self,
        target: &Target,
        failure: Option<&Failure>,
        attempt: circuit::CircuitAttempt,
        shared: &dyn SharedData,
    ) {
        use crate::routing::spec::Trigger::{Conflict, ContextLength, RequestTimeout};
        let settings = &self.gateway.circuit;
        let Some(failure) = failure else { return circuit::succeeded(shared, &target.cells, attempt, settings) };
        let limit = match failure.error.kind {
            ErrorKind::RateLimit => failure.error.retry_after,
            ErrorKind::InsufficientQuota => Some(failure.error.retry_after.unwrap_or(NO_MONEY)),
            _ => None,
        };
        match (limit, failure.trigger) {
            _ if failure.excused => {}
            (_, None | Some(Conflict | ContextLength | RequestTimeout)) => {}
            (Some(limit), _) => {
                // Of several keys another may be back sooner.
                let soonest = target.keys.soonest(shared, attempt.ended).unwrap_or(limit);
                let limit = limit.min(soonest);
                let until = attempt.ended.after(limit.min(LONGEST_LIMIT));
                circuit::limited(shared, &target.cells, attempt, until, settings);
            }
            (None, Some(_)) => circuit::failed(shared, &target.cells, attempt, settings, self.dice()),
        }
    }

    /// A name that no other request of any Envoy has, and that no client can choose.
    pub fn order_id(&self) -> Rc<str> {
        self.memory.order_id()
    }

    /// Whose a key is, as far as that is known without asking Redis.
    pub fn knows(&self, hash: &KeyHash, now: Time) -> Option<Rc<Caller>> {
        let remembered = || self.remembered(self.remote.as_ref()?, hash, now).ok()??;
        let credential = self.gateway.keys.get(hash).cloned().or_else(remembered)?;
        Some(credential.caller)
    }

    /// Whose a key is. Keys of the gateway file come first; only what looks like a key is worth a question.
    pub fn find(&self, presented: &[u8], hash: &KeyHash, now: Time) -> Lookup {
        if let Some(credential) = self.gateway.keys.get(hash) {
            return Lookup::Known(Some(credential.clone()));
        }
        let Some(remote) = self.remote.as_ref().filter(|_| crate::keys::secret::is_well_formed(presented)) else {
            return Lookup::Known(None);
        };
        match self.remembered(remote, hash, now) {
            Ok(Some(known)) => Lookup::Known(known),
            Ok(None) => {
                let Some(asking) = remote.asking(hash) else { return Lookup::Busy };
                let name = redis::names::key(&remote.settings.prefix, hash);
                Lookup::Ask(remote.ask(&Command::new(["GET".to_owned(), name]), now), asking)
            }
            Err(Unavailable(_)) => Lookup::Silent,
        }
    }

    /// What Redis said of a key.
    pub fn found(&self, hash: &KeyHash, called: &Called, at: &mut StoreContext<'_>) -> Lookup {
        let Some(remote) = &self.remote else { return Lookup::Silent };
        let record = match remote.read(called, at.now, at.effects) {
            Ok(Some(RedisReply::Nil)) => None,
            Ok(Some(RedisReply::Text(record))) => match Record::read(&record, &self.gateway) {
                Ok(record) => Some(Rc::new(record)),
                Err(mistake) => {
                    at.effects.push(refused(&mistake));
                    None
                }
            },
            _ => {
                return match self.remembered(remote, hash, at.now) {
                    Ok(Some(known)) => Lookup::Known(known),
                    _ => Lookup::Silent,
                };
            }
        };
        remote.remember(*hash, record.clone(), at.now);
        Lookup::Known(record.and_then(|record| match record.means(hash, &self.gateway, self.generation) {
            Ok(credential) => Some(credential),
            Err(mistake) => {
                at.effects.push(refused(&mistake));
                None
            }
        }))
    }

    /// What is remembered of a key, as it is under this configuration; a record that it refuses is nobody's.
    fn remembered(
        &self,
        remote: &RedisClient,
        hash: &KeyHash,
        now: Time,
    ) -> Result<Option<Option<Credential>>, Unavailable> {
        let known = remote.remembered(hash, now)?;
        Ok(known.map(|record| record?.means(hash, &self.gateway, self.generation).ok()))
    }

    /// The call that asks Redis for a note; `None` when there is no Redis, or none that answers.
    pub fn note(&self, name: &str, now: Time) -> Option<Call> {
        let remote = self.remote.as_ref().filter(|remote| remote.answers(now))?;
        let name = redis::names::note(&remote.settings.prefix, name);
        Some(remote.ask(&Command::new(["GET".to_owned(), name]), now))
    }

    /// Whether Redis answered when it was asked last; `None` when the caller is to ask: nobody has within the last second. Until
    /// the first answer it has not.
    pub fn redis_heard(&self, now: Time) -> Option<bool> {
        let recorded = self.memory.redis_heard.get();
        let answers = recorded.is_some_and(|(_, answers)| answers);
        let recent = recorded.is_some_and(|(at, _)| now.since(at) < HEARD);
        if !recent {
            // Others who come before the answer do not ask as well.
            self.hear_of_redis(answers, now);
        }
        recent.then_some(answers)
    }

    /// Remembers whether Redis answered.
    pub fn hear_of_redis(&self, answers: bool, now: Time) {
        self.memory.redis_heard.set(Some((now, answers)));
    }

    /// What Redis said to that; an error when it did not say.
    pub fn noted(&self, called: &Called, at: &mut StoreContext<'_>) -> Result<Option<BookEntry>, Unavailable> {
        let Some(remote) = &self.remote else { return Ok(None) };
        match remote.read(called, at.now, at.effects)? {
            Some(RedisReply::Text(text)) => Ok(BookEntry::read(&text)),
            Some(RedisReply::Nil) => Ok(None),
            other => Err(Unavailable(format!("{other:?} is no note"))),
        }
    }

    /// Writes down what is to be known of files and batches, and corrects what one was charged with, unless that was done before:
    /// what it has come to then.
    pub fn note_down(&self, outcome: batch::BatchOutcome, at: &mut StoreContext<'_>) -> Option<Sums> {
        let batch::BatchOutcome { pages, correction } = outcome;
        for (name, page) in &pages {
            book::keep(at.shared, name, page);
        }
        let correction = correction.filter(|(name, _)| book::settle(at.shared, name)).map(|(_, correction)| correction);
        let came_to = correction.as_ref().and_then(|correction| Some(correction.entry.as_ref()?.sums));
        if let Some(correction) = correction {
            let ledger = if self.strict().is_some() { ReservedIn::Redis } else { ReservedIn::Envoy(self.scope()) };
            self.settle(correction, ledger, at);
        }
        if let Some(remote) = self.remote.as_ref().filter(|_| !pages.is_empty()) {
            let notes = pages.into_iter().map(|(name, page)| Note { name, text: page.text() }).collect();
            let id = self.order_id();
            remote.settle(
                Settlement { id, parts: Vec::new(), entry: None, at: at.now, corrects: false, notes },
                at.effects,
            );
        }
        came_to
    }

    /// Reserves, or says what has to be asked first.
    pub fn reserve(&self, reserve_request: &ReserveRequest, at: &mut StoreContext<'_>) -> ReserveOutcome {
        match self.strict() {
            Some(remote) if remote.answers(at.now) => ReserveOutcome::Ask(
                remote.ask(&redis::reserve::command(&remote.settings.prefix, reserve_request), at.now),
            ),
            Some(remote) => self.without_redis(remote, reserve_request, at),
            None => local(reserve_request, self.scope(), at),
        }
    }

    /// Whose counts the memory of this Envoy has.
    fn scope(&self) -> CounterScope {
        match &self.remote {
            Some(remote) if remote.settings.mode == Mode::Relaxed => CounterScope::Replicated,
            _ => CounterScope::Local,
        }
    }

    /// What Redis said to that. `by_hash` tells whether it was asked by the script's hash. When Redis does not say, it may have
    /// reserved all the same: unless the request goes on, and is settled in the end, `withdrawn` undoes that.
    pub fn reserved(
        &self,
        reserve_request: &ReserveRequest,
        by_hash: bool,
        withdrawn: impl FnOnce() -> Settlement,
        called: &Called,
        at: &mut StoreContext<'_>,
    ) -> ReserveOutcome {
        let Some(remote) = self.strict() else { return ReserveOutcome::Undecided };
        let silent = match remote.read(called, at.now, at.effects) {
            Ok(None) if by_hash => {
                let command = redis::reserve::command(&remote.settings.prefix, reserve_request);
                return ReserveOutcome::Ask(remote.ask(&command.with_source().unwrap_or(command), at.now));
            }
            Ok(Some(reply)) => match redis::reserve::reserve_result(reserve_request, &reply) {
                Ok(ReserveResult::Granted { chosen, snapshots }) => {
                    return ReserveOutcome::Granted { ledger: ReservedIn::Redis, chosen, snapshots };
                }
                Ok(ReserveResult::Refused(all_exceeded)) => return ReserveOutcome::Refused(all_exceeded),
                Err(Unavailable(why)) => Some(why),
            },
            Ok(None) | Err(_) => None,
        };
        if let Some(why) = silent {
            at.effects.push(Effect::Count(metric::REDIS_DOWN));
            at.effects.push(Effect::Warn(format!("Redis sent an unexpected reply: {why}")));
        }
        let decision = self.without_redis(remote, reserve_request, at);
        if matches!(decision, ReserveOutcome::Refused(_) | ReserveOutcome::Undecided) {
            remote.settle(withdrawn(), at.effects);
        }
        decision
    }

    fn strict(&self) -> Option<&RedisClient> {
        self.remote.as_ref().filter(|remote| remote.settings.mode == Mode::Strict)
    }

    fn without_redis(
        &self,
        remote: &RedisClient,
        reserve_request: &ReserveRequest,
        at: &mut StoreContext<'_>,
    ) -> ReserveOutcome {
        match remote.settings.when_down {
            WhenDown::Local => local(reserve_request, CounterScope::Local, at),
            WhenDown::Allow => {
                at.effects.push(Effect::Count(metric::UNCHECKED));
                ReserveOutcome::Unchecked
            }
            WhenDown::Deny => ReserveOutcome::Undecided,
        }
    }

    /// Whether anybody is to know what became of a request that has reserved nothing.
    pub fn keeps_accounts(&self) -> bool {
        self.remote.is_some() || self.gateway.admin.is_some()
    }

    /// Settles a request that is over, in every store that is to know of it.
    pub fn settle(&self, mut settlement: Settlement, ledger: ReservedIn, at: &mut StoreContext<'_>) {
        match &self.remote {
            // Redis keeps the accounts.
            Some(remote) => {
                let here = Settlement { entry: None, ..settlement.clone() };
                remote.settle(std::mem::replace(&mut settlement, here), at.effects);
            }
            None if self.gateway.admin.is_some() => {}
            // Nobody could ask for them.
            None => settlement.entry = None,
        }
        let scope = match ledger {
            ReservedIn::Envoy(scope) => scope,
            _ if settlement.entry.is_some() => CounterScope::Local,
            _ => return,
        };
        if embedded::settle(at.shared, &settlement, scope).is_err() {
            // What was reserved stays charged until its lease ends: trying again could settle a part of it twice.
            at.effects.push(Effect::Count(metric::UNSETTLED));
        }
    }

    /// Work that no request waits for: the call that tells Redis what was settled, when there is something to tell.
    pub fn tick(&self, now: Time) -> Option<Call> {
        self.remote.as_ref()?.tell(now)
    }

    /// What came back of the call that a tick gave.
    pub fn told(&self, called: &Called, now: Time, effects: &mut Vec<Effect>) -> Option<Call> {
        self.remote.as_ref()?.told(called, now, effects)
    }
}

fn refused(mistake: &str) -> Effect {
    Effect::Warn(format!("the gateway rejects a key because its record in Redis is invalid: {mistake}"))
}

fn local(reserve_request: &ReserveRequest, scope: CounterScope, at: &mut StoreContext<'_>) -> ReserveOutcome {
    match embedded::reserve(at.shared, reserve_request, scope, at.now) {
        Ok(ReserveResult::Granted { chosen, snapshots }) => {
            let takes = reserve_request.alternatives.get(chosen).into_iter().flatten();
            if takes.zip(&snapshots).any(|(take, snapshot)| embedded::is_held_for_ever(take, snapshot)) {
                at.effects.push(Effect::Count(metric::UNLEASED));
            }
            ReserveOutcome::Granted { ledger: ReservedIn::Envoy(scope), chosen, snapshots }
        }
        Ok(ReserveResult::Refused(all_exceeded)) => ReserveOutcome::Refused(all_exceeded),
        Err(Unavailable(why)) => {
            at.effects.push(Effect::Warn(format!("the gateway could not check limits and budgets: {why}")));
            ReserveOutcome::Undecided
        }
    }
}
