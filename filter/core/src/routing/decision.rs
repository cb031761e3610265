//! The routing decision: which of a model's targets may serve a request, and in which order they are tried.
//!
//! Each step that filters or reorders the targets is one function here. The result keeps the outcome for every target, so that
//! `sluice explain` reports the decision itself and does not recompute it.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use sluice_wire::dialect::Client;
use sluice_wire::error::{ApiError, ErrorKind};
use sluice_wire::order::{by_numbers, put_first};
use sluice_wire::time::Time;

use crate::keys::caller::Caller;
use crate::mix::number;
use crate::peek::conversation::Conversation;
use crate::routing::spec::{Sticky, Strategy};
use crate::routing::target::{Model, Target};
use crate::store::SharedData;
use crate::usage::estimate::Estimate;

use super::capabilities::MissingCapability;
use super::needs::Needs;
use super::routing_headers::{Override, RoutingHeaders};
use super::sticky;
use super::strategies;
use super::target_health::circuit::{self, CircuitState, Settings};

/// The inputs of a routing decision.
pub struct RoutingInput<'a> {
    /// The model that the request names.
    pub model: &'a Model,
    /// The client's dialect.
    pub client: &'static Client,
    /// The key's owner.
    pub caller: &'a Caller,
    /// The capabilities that the request needs.
    pub needs: Needs,
    /// The request's routing headers.
    pub routing_headers: &'a RoutingHeaders,
    /// The body's `user`.
    pub user: Option<&'a str>,
    /// The request's conversation, if the model's requests stick by it.
    pub conversation: Option<&'a Conversation>,
    /// Estimates the request's usage at a target, to compare costs. Assumes a response of the expected length.
    pub estimate: &'a dyn Fn(&Target) -> Estimate,
    /// The same for the first request of its conversation.
    pub opening_estimate: &'a dyn Fn(&Target) -> Estimate,
    /// The circuit breaker settings.
    pub circuit: &'a Settings,
    /// The time limit of an attempt until the client can receive something.
    pub attempt: Duration,
    /// The maximum duration of a request.
    pub lease: Duration,
    /// The current time.
    pub now: Time,
    /// A random number.
    pub dice: u64,
}

/// The result of a routing decision.
#[derive(Debug)]
pub struct RoutingDecision {
    /// The index of the matching route; `None` if the model's own policy applies.
    pub route: Option<usize>,
    /// The strategy that ordered the targets.
    pub strategy: Strategy,
    /// The target that the request's conversation sticks to, if requests stick by it. Trouble of that target, or the client's override, may
    /// put another one before it.
    pub home: Option<Rc<Target>>,
    /// All targets of the model: first the eligible ones in the order in which they are tried, then the excluded ones.
    pub ranked: Vec<RankedTarget>,
}

/// A target and its rank.
#[derive(Debug, Clone)]
pub struct RankedTarget {
    /// The target.
    pub target: Rc<Target>,
    /// Its rank.
    pub place: Rank,
}

/// How a decision ranks a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Tried in its turn.
    InTurn,
    /// Tried in its turn, as the probe of a half-open circuit. The caller claims the probe when it forwards the request.
    Probe,
    /// Tried after all others.
    Last(Trouble),
    /// Not tried.
    Out(Reason),
}

/// Why a target is tried last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its circuit is open.
    Open,
    /// Its provider has asked to wait until a given time.
    Limited,
    /// Its circuit is half-open, and another request is the probe.
    Probing,
    /// Its circuit is recovering, and this request is not in its share.
    Recovering,
}

/// Why a target is not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The matching route does not list it.
    NotNamed,
    /// Its tier is lower than the best one, and the model does not allow lower tiers.
    LowerTier,
    /// Its provider has no endpoint of the requested kind.
    NoSuchEndpoint,
    /// It lacks a capability that the request needs.
    Lacks(MissingCapability),
    /// Only the first target may be tried.
    NotFirst,
}

/// Makes the routing decision. Returns an error if no target is eligible.
pub fn decide(input: &RoutingInput<'_>, shared: &dyn SharedData) -> Result<RoutingDecision, ApiError> {
    let RoutingInput { model, caller, needs, routing_headers, now, .. } = input;
    let way = &model.policy;
    let route = way.route(caller, needs, routing_headers, *now);
    let taken = route.and_then(|route| way.routes.get(route));
    let strategy = match &routing_headers.overriding {
        Some(Override::Strategy(strategy)) => *strategy,
        _ => taken.map_or(way.strategy, |route| route.strategy),
    };
    let mut draft = Draft { input, kept: Vec::with_capacity(model.targets.len()), out: Vec::new() };
    draft.name(taken.and_then(|route| route.targets.as_deref()));
    draft.keep_speaking()?;
    let named = taken.is_some_and(|route| route.targets.is_some());
    // Tiers before capabilities: a request that only a lower tier can serve gets an error that names the missing capability.
    if !named {
        draft.keep_tiers();
    }
    draft.keep_able()?;
    let wished = draft.wished(named)?;
    draft.order(strategy, named, shared);
    let home = input.conversation.and_then(|_| draft.kept.first().cloned());
    if let Some(wished) = wished {
        draft.put_first(&wished);
    }
    if strategy == Strategy::Pinned || routing_headers.no_fallback {
        draft.keep_first();
    }
    Ok(RoutingDecision { route, strategy, home, ranked: draft.judge(shared) })
}

impl RoutingDecision {
    /// The target that this request probes.
    pub fn probe(&self) -> Option<&Rc<Target>> {
        self.ranked.iter().find(|ranked| ranked.place == Rank::Probe).map(|ranked| &ranked.target)
    }

    /// The eligible targets, in the order in which they are tried.
    pub fn targets_in_order(&self) -> Vec<Rc<Target>> {
        let may_serve = self.ranked.iter().filter(|ranked| !matches!(ranked.place, Rank::Out(_)));
        may_serve.map(|ranked| ranked.target.clone()).collect()
    }
}

struct Draft<'a> {
    input: &'a RoutingInput<'a>,
    kept: Vec<Rc<Target>>,
    out: Vec<RankedTarget>,
}

impl Draft<'_> {
    /// Keeps the targets that the route lists, in the route's order; all targets if it lists none.
    fn name(&mut self, named: Option<&[usize]>) {
        let targets = &self.input.model.targets;
        let Some(named) = named else {
            self.kept.clone_from(targets);
            return;
        };
        self.kept.extend(named.iter().filter_map(|place| targets.get(*place)).cloned());
        let others = (0..targets.len()).filter(|place| !named.contains(place));
        self.out.extend(others.filter_map(|place| targets.get(place)).map(|target| out(target, Reason::NotNamed)));
    }

    /// Keeps the targets whose providers have an endpoint for the client's dialect.
    fn keep_speaking(&mut self) -> Result<(), ApiError> {
        let RoutingInput { client, model, .. } = self.input;
        self.leave_out(|target| {
            target.provider.format_for(client, &target.model).is_none().then_some(Reason::NoSuchEndpoint)
        });
        if !self.kept.is_empty() {
            return Ok(());
        }
        let message = format!(
            "The model `{}` does not support this endpoint: none of its providers has an equivalent of `{}`. Use \
             another endpoint or another model.",
            model.name,
            (client.provider.path)("", false)
        );
        Err(ApiError::new(400, ErrorKind::InvalidRequest, message).with_code("endpoint_not_available"))
    }

    fn leave_out(&mut self, reason: impl Fn(&Target) -> Option<Reason>) {
        let Self { kept, out: left, .. } = self;
        kept.retain(|target| match reason(target) {
            None => true,
            Some(reason) => {
                left.push(out(target, reason));
                false
            }
        });
    }

    /// Keeps the targets that have the needed capabilities. The prompt's length is an estimate: if it exceeds every limit, the targets with
    /// the highest limit stay, and the provider decides.
    fn keep_able(&mut self) -> Result<(), ApiError> {
        let RoutingInput { needs, estimate, .. } = self.input;
        let lack = |target: &Target| {
            // The estimate depends on the target's tokenizer.
            let counted = |_: u64| estimate(target).input;
            let input_tokens = target.capabilities.max_input.map(counted).unwrap_or_default();
            target.capabilities.lacks(&Needs { input_tokens, ..*needs })
        };
        if self.kept.iter().all(|target| lack(target).is_none()) && !self.kept.is_empty() {
            return Ok(());
        }
        let too_short = |target: &Rc<Target>| matches!(lack(target), Some(MissingCapability::Context { .. }));
        if self.kept.iter().all(|target| lack(target).is_some()) && self.kept.iter().any(too_short) {
            let most = self.kept.iter().filter(|target| too_short(target));
            let most = most.filter_map(|target| target.capabilities.max_input).max();
            let roomy = |target: &Target| target.capabilities.max_input == most;
            self.leave_out(|target| match lack(target) {
                Some(MissingCapability::Context { .. }) if roomy(target) => None,
                lack => lack.map(Reason::Lacks),
            });
        } else {
            let first = self.kept.iter().find_map(|target| lack(target));
            self.leave_out(|target| lack(target).map(Reason::Lacks));
            if let (true, Some(lack)) = (self.kept.is_empty(), first) {
                let model = self.input.model;
                let who = match model.targets.len() {
                    1 => format!("The model `{}` cannot serve this request: it", model.name),
                    _ => format!("No target of the model `{}` can serve this request. One of them", model.name),
                };
                let message = format!("{who} {lack}. Use another model, or remove that part of the request.");
                return Err(ApiError::new(400, ErrorKind::InvalidRequest, message).with_code("capability_missing"));
            }
        }
        Ok(())
    }

    /// Keeps the targets of the best tier, and a lower one if the client asks for it by name: that is no silent downgrade.
    fn keep_tiers(&mut self) {
        let model = self.input.model;
        if model.policy.allow_lower_tier {
            return;
        }
        // The best tier is the model's best, even if its targets cannot serve this request.
        let best = model.targets.iter().map(|target| target.tier).min().unwrap_or_default();
        let wished = self.named_by_client(false).filter(|target| target.tier > best);
        let is_wished = |target: &Target| wished.as_ref().is_some_and(|wished| std::ptr::eq(&**wished, target));
        self.leave_out(|target| (target.tier > best && !is_wished(target)).then_some(Reason::LowerTier));
    }

    /// The best-tier target that the client's override names; the first one if tiers do not matter.
    fn named_by_client(&self, any_tier: bool) -> Option<Rc<Target>> {
        let Some(Override::Target(name)) = &self.input.routing_headers.overriding else { return None };
        let is = |target: &&Rc<Target>| target.name == *name || target.provider.name == *name;
        let tier = |target: &&Rc<Target>| if any_tier { 0 } else { target.tier };
        self.kept.iter().filter(is).min_by_key(tier).cloned()
    }

    /// The target that the client's override names; an error if it is not eligible.
    fn wished(&self, any_tier: bool) -> Result<Option<Rc<Target>>, ApiError> {
        let found = self.named_by_client(any_tier);
        if found.is_some() || !matches!(self.input.routing_headers.overriding, Some(Override::Target(_))) {
            return Ok(found);
        }
        let known: Vec<&str> = self.input.model.targets.iter().map(|target| target.name.as_str()).collect();
        let message = format!(
            "The header {} names a target that the model `{}` does not have or that cannot serve this request. Its \
             targets: {}.",
            super::routing_headers::ROUTE,
            self.input.model.name,
            known.join(", ")
        );
        Err(ApiError::new(400, ErrorKind::InvalidRequest, message).with_code("route_not_found"))
    }

    fn put_first(&mut self, wished: &Rc<Target>) {
        if let Some(place) = self.kept.iter().position(|target| Rc::ptr_eq(target, wished)) {
            let target = self.kept.remove(place);
            self.kept.insert(0, target);
        }
    }

    fn keep_first(&mut self) {
        let rest = self.kept.split_off(self.kept.len().min(1));
        self.out.extend(rest.iter().map(|target| out(target, Reason::NotFirst)));
    }

    /// Sorts by tier, then by whether the target supports the hosted tools that the request offers (other targets would drop them), then by
    /// the strategy. A route's target list counts as one tier.
    fn order(&mut self, strategy: Strategy, named: bool, shared: &dyn SharedData) {
        if self.kept.len() < 2 {
            return;
        }
        let by_tier = |target: &Rc<Target>| if named { 0 } else { target.tier };
        by_numbers(&mut self.kept, |target| (u64::from(by_tier(target)), 0));
        let kept = std::mem::take(&mut self.kept);
        for tier in kept.chunk_by(|a, b| by_tier(a) == by_tier(b)) {
            let mut ordered = self.input.order(strategy, tier, shared);
            if self.input.needs.hosted {
                put_first(&mut ordered, 0, |target| target.has_hosted_tools(self.input.client));
            }
            if self.kept.is_empty() {
                self.input.stay(strategy, &mut ordered, shared);
            }
            self.kept.extend(ordered);
        }
    }

    /// Moves failing targets to the end. The first target stays if its probe is due and this request can be the probe.
    fn judge(self, shared: &dyn SharedData) -> Vec<RankedTarget> {
        let Self { input, kept, out } = self;
        let several = kept.len() > 1;
        let mut first = Vec::with_capacity(input.model.targets.len());
        let mut last = Vec::new();
        for target in kept {
            let place = if several { input.place(&target, first.is_empty(), shared) } else { Rank::InTurn };
            let list = if matches!(place, Rank::Last(_)) { &mut last } else { &mut first };
            list.push(RankedTarget { target, place });
        }
        // A recovering target is more likely to succeed than a failing one.
        put_first(&mut last, 0, |ranked| ranked.place == Rank::Last(Trouble::Recovering));
        first.extend(last);
        first.extend(out);
        first
    }
}

fn out(target: &Rc<Target>, reason: Reason) -> RankedTarget {
    RankedTarget { target: target.clone(), place: Rank::Out(reason) }
}

impl RoutingInput<'_> {
    fn order(&self, strategy: Strategy, targets: &[Rc<Target>], shared: &dyn SharedData) -> Vec<Rc<Target>> {
        match strategy {
            Strategy::Fallback | Strategy::Pinned => targets.to_vec(),
            // By nothing that changes in a conversation, or that another Envoy does not know.
            Strategy::Cheapest if self.conversation.is_some() => {
                strategies::cheapest(&strategies::weighted(targets, self.weighted_by()), self.opening_estimate)
            }
            Strategy::Fastest | Strategy::LeastBusy if self.conversation.is_some() => {
                strategies::weighted(targets, self.weighted_by())
            }
            Strategy::Weighted => strategies::weighted(targets, self.weighted_by()),
            Strategy::Cheapest => strategies::cheapest(targets, self.estimate),
            Strategy::Fastest => {
                let expected = targets.first().map(|target| (self.estimate)(target).output).unwrap_or_default();
                strategies::fastest(targets, expected, self.now, self.dice, shared)
            }
            Strategy::LeastBusy => strategies::least_busy(targets, self.now, self.lease, self.dice, shared),
        }
    }

    /// Restores the sticky target to the first place, for strategies that choose anew for each request. A conversation's target follows
    /// from its hash.
    fn stay(&self, strategy: Strategy, ordered: &mut [Rc<Target>], shared: &dyn SharedData) {
        let chooses = match strategy {
            Strategy::Cheapest | Strategy::Fastest | Strategy::LeastBusy => true,
            Strategy::Fallback | Strategy::Weighted | Strategy::Pinned => false,
        };
        if self.model.policy.sticky.is_none() || self.conversation.is_some() || !chooses {
            return;
        }
        let value = self.weighted_by();
        let number = |target: &Target| number(target.name.as_bytes(), b"");
        let before = sticky::target_of(value, self.now, shared);
        let place = before.and_then(|known| ordered.iter().position(|target| number(target) == known));
        if let Some(first) = ordered.get_mut(..=place.unwrap_or_default()) {
            first.rotate_right(1);
        }
        if let Some(first) = ordered.first() {
            sticky::note(value, number(first), self.now, shared);
        }
    }

    /// The hash key of a weighted choice: equal for requests that stick together.
    fn weighted_by(&self) -> u64 {
        let key = Some(&*self.caller.key_id);
        let value = match &self.model.policy.sticky {
            None => return self.dice,
            Some(Sticky::Conversation) => match self.conversation {
                Some(conversation) => return number(self.model.name.as_bytes(), &conversation.place().to_le_bytes()),
                None => key,
            },
            Some(Sticky::Key) => key,
            Some(Sticky::User) => self.user.filter(|user| !user.is_empty()).or(key),
            Some(Sticky::Header(name)) => self.routing_headers.header(name).filter(|value| !value.is_empty()).or(key),
        };
        number(self.model.name.as_bytes(), value.unwrap_or_default().as_bytes())
    }

    fn place(&self, target: &Target, is_first: bool, shared: &dyn SharedData) -> Rank {
        // A conversation returns once, and not back and forth.
        let chance = if self.conversation.is_some() { self.weighted_by() } else { self.dice };
        match circuit::read(shared, &target.health).standing(self.now, self.circuit) {
            CircuitState::Closed { .. } => Rank::InTurn,
            CircuitState::Recovering { share } if chance % 100 < u64::from(share) => Rank::InTurn,
            CircuitState::Recovering { .. } => Rank::Last(Trouble::Recovering),
            CircuitState::Open { .. } => Rank::Last(Trouble::Open),
            CircuitState::Limited { .. } => Rank::Last(Trouble::Limited),
            CircuitState::ProbeDue if is_first => Rank::Probe,
            CircuitState::ProbeDue | CircuitState::Probing => Rank::Last(Trouble::Probing),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "its circuit breaker is open after repeated failures",
            Self::Limited => "its provider's retry-after time has not passed yet",
            Self::Probing => "another request is probing whether it has recovered",
            Self::Recovering => "it has recovered, and the gateway increases its traffic gradually",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNamed => f.write_str("the matching route does not list it"),
            Self::LowerTier => f.write_str("it is in a lower tier, and allow_lower_tier is not set"),
            Self::NoSuchEndpoint => f.write_str("its provider does not offer this endpoint"),
            Self::Lacks(lack) => write!(f, "it {lack}"),
            Self::NotFirst => f.write_str("only the first target is used"),
        }
    }
}
