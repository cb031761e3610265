//! Where a request may go: the model that serves it, its targets in order, and the body written for the next one.

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

/// Where a request may go.
#[derive(Debug)]
pub struct Route {
    /// The model that serves: another than was asked for when a budget says so.
    pub model: Rc<Model>,
    /// Its targets, in order.
    pub queue: Queue,
    /// With which of its provider's keys the next one is asked; the first is 0.
    pub(super) next_key: usize,
    /// How the queue was ordered.
    pub strategy: Strategy,
    /// The target that this request probes.
    pub probe: Probe,
    /// The request as the next target wants it, where that had to be written to know that the target can take it.
    pub ready: Option<Translated>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Whom Envoy knows of as the next to be asked, and with which key, once it was told: `None` is nobody.
    told: Option<(Option<Rc<Target>>, usize)>,
}

/// A target whose circuit is open, and that one request may ask to see whether it is well again.
#[derive(Debug, Default)]
pub enum Probe {
    /// None.
    #[default]
    None,
    /// This one, unless another request has claimed it when this one leaves.
    Chosen(Rc<Target>),
    /// Claimed at that time.
    Claimed(Rc<Target>, Time),
}

impl Route {
    /// To a model, without targets yet; its client may want to wait for less than the model's own time.
    pub fn new(model: Rc<Model>, patience: Option<Duration>) -> Self {
        let timeouts = model.way.timeouts;
        let total = patience.map_or(timeouts.total, |asked| asked.min(timeouts.total));
        Self {
            queue: Queue::default(),
            next_key: 0,
            strategy: model.way.strategy,
            probe: Probe::None,
            ready: None,
            timeouts: Timeouts { total, ..timeouts },
            told: None,
            model,
        }
    }

    /// Takes the way at `chosen`, and after it those that follow in the same model.
    pub fn take_way(&mut self, plan: &Plan, chosen: usize) {
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

    /// Tells Envoy the cluster of the next attempt, unless it knows that already.
    pub fn announce(&mut self) -> Option<Effect> {
        let (next, key) = (self.queue.next(), self.next_key);
        let same = |(told, with): &(Option<Rc<Target>>, usize)| {
            told.as_ref().map(Rc::as_ptr) == next.map(Rc::as_ptr) && (*with == key || next.is_none())
        };
        if self.told.as_ref().is_some_and(same) {
            return None;
        }
        let cluster = next.map_or(NO_CLUSTER.into(), |target| target.provider.cluster(key).to_owned().into());
        self.told = Some((next.cloned(), key));
        Some(Effect::SetProperty(property::TARGET, cluster))
    }

    /// The next target, if there is one.
    pub fn upcoming(&self) -> Option<&str> {
        self.queue.next().map(|target| &*target.name)
    }

    /// The tier of `target`, if that is a lower one than the model's best.
    pub fn lower_tier(&self, target: &Target) -> Option<u32> {
        let best = self.model.targets.iter().map(|target| target.tier).min()?;
        Some(target.tier).filter(|tier| *tier > best)
    }

    /// Whether nothing of an answer is shown before all of it is there: because its model says so, or because it has to be looked at.
    pub fn is_delivered_whole(&self, request: &Request) -> bool {
        self.model.way.delivery == Delivery::Whole || request.checks.is_some()
    }
}
