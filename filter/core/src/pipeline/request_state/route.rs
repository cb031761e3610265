//! The routing of a request: the model that serves it, its queued targets, and the body written for the next one.

use std::rc::Rc;
use std::time::Duration;

use sluice_wire::dialect::translate::Translated;
use sluice_wire::time::Time;

use crate::reservation::Plan;
use crate::routing::queue::Queue;
use crate::routing::spec::{Delivery, Strategy};
use crate::routing::target::{Model, Target};
use crate::routing::timeouts::Timeouts;

use super::super::{Effect, NO_CLUSTER, property};
use super::Request;

/// The routing of a request.
#[derive(Debug)]
pub struct Route {
    /// The model that serves; a budget may replace the requested one.
    pub model: Rc<Model>,
    /// Its targets, in order.
    pub queue: Queue,
    /// The index of the provider's key for the next attempt.
    pub(super) next_key: usize,
    /// The index of the matching route; `None` if the model's own policy applies.
    pub matched: Option<usize>,
    /// The routing strategy.
    pub strategy: Strategy,
    /// The target that the request's conversation sticks to, if requests stick by it.
    pub home: Option<Rc<Target>>,
    /// The target that this request probes.
    pub probe: Probe,
    /// The request written for the next target, if the check for that target required it.
    pub ready: Option<Translated>,
    /// The model's timeouts; a client may have shortened the total.
    pub timeouts: Timeouts,
    /// How long the request has waited for an identical one, or for Redis's cached response: a part of the total timeout.
    pub waited: Duration,
    /// The next target and key announced to Envoy; the inner `None` means no target.
    announced: Option<(Option<Rc<Target>>, usize)>,
}

/// A target with an open circuit, which this request may probe.
#[derive(Debug, Default)]
pub enum Probe {
    /// No probe.
    #[default]
    None,
    /// To probe, unless another request claims it first.
    Chosen(Rc<Target>),
    /// Claimed at this time.
    Claimed(Rc<Target>, Time),
}

impl Route {
    /// Creates the route to a model, without targets; the client may shorten the total timeout.
    pub fn new(model: Rc<Model>, client_timeout: Option<Duration>) -> Self {
        let timeouts = model.policy.timeouts;
        let total = client_timeout.map_or(timeouts.total, |asked| asked.min(timeouts.total));
        Self {
            queue: Queue::default(),
            next_key: 0,
            matched: None,
            strategy: model.policy.strategy,
            home: None,
            probe: Probe::None,
            ready: None,
            timeouts: Timeouts { total, ..timeouts },
            waited: Duration::ZERO,
            announced: None,
            model,
        }
    }

    /// Takes the candidate at `chosen`, and those after it in the same model.
    pub fn take_candidate(&mut self, plan: &Plan, chosen: usize) {
        let mut ways = plan.candidates.iter().skip(chosen).peekable();
        let Some(first) = ways.peek() else { return };
        let model = first.model.clone();
        let targets = ways.take_while(|way| Rc::ptr_eq(&way.model, &model)).map(|way| way.target.clone());
        self.queue = Queue::new(targets.collect());
        self.model = model;
        self.ready = None;
    }

    /// The cluster of the next attempt.
    pub fn next_cluster(&self) -> &str {
        self.queue.next().map_or(NO_CLUSTER, |target| target.provider.cluster(self.next_key))
    }

    /// Announces the cluster of the next attempt, unless Envoy knows it already.
    pub fn announce(&mut self) -> Option<Effect> {
        let (next, key) = (self.queue.next(), self.next_key);
        let same = |(target, with): &(Option<Rc<Target>>, usize)| {
            target.as_ref().map(Rc::as_ptr) == next.map(Rc::as_ptr) && (*with == key || next.is_none())
        };
        if self.announced.as_ref().is_some_and(same) {
            return None;
        }
        let cluster = next.map_or(NO_CLUSTER.into(), |target| target.provider.cluster(key).to_owned().into());
        self.announced = Some((next.cloned(), key));
        Some(Effect::SetProperty(property::TARGET, cluster))
    }

    /// The next target's name.
    pub fn upcoming(&self) -> Option<&str> {
        self.queue.next().map(|target| &*target.name)
    }

    /// The tier of `target`, if it is lower than the model's best.
    pub fn lower_tier(&self, target: &Target) -> Option<u32> {
        let best = self.model.targets.iter().map(|target| target.tier).min()?;
        Some(target.tier).filter(|tier| *tier > best)
    }

    /// Whether the response is withheld until it is complete: because of its model, or for checks.
    pub fn is_delivered_whole(&self, request: &Request) -> bool {
        self.model.policy.delivery == Delivery::Whole
            || request.checks.as_ref().is_some_and(|checks| checks.hold_whole())
    }
}
