//! What a test tells the simulator, besides the model's name: faults for the next requests, and the key to expect.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::{Semaphore, watch};

use super::Credentials;
use super::fault::{BadFault, Faults};
use crate::chance::Chance;

/// The body of `POST /control`; what is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Faults for one request each, in order; `ok` is a plain answer. Added to those that are left.
    #[serde(default)]
    pub next: Vec<String>,
    /// Faults for every request after those.
    pub always: Option<String>,
    /// The only key that is accepted.
    pub key: Option<String>,
}

/// Where streams pause. Each time that it is opened one of them goes on.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    fn open(&self) {
        self.0.add_permits(1);
    }

    fn close(&self) {
        self.0.forget_permits(usize::MAX);
    }

    /// Waits until it may go on.
    pub async fn passed(&self) {
        // It is never closed for good.
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

/// The script, the key, whether answers are held, and where they pause.
#[derive(Debug)]
pub struct Control {
    gate: Gate,
    state: Mutex<State>,
    aws: Option<Credentials>,
    held: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    next: VecDeque<Faults>,
    always: Option<Faults>,
    mood: Option<Mood>,
    key: Option<String>,
}

/// Faults that come by chance.
#[derive(Debug)]
struct Mood {
    chance: Chance,
    faults: Vec<(u64, Faults)>,
}

impl Control {
    /// Expects this key, and signatures by these; any when `None`.
    pub fn new(key: Option<String>, aws: Option<Credentials>) -> Self {
        let state = Mutex::new(State { key, ..State::default() });
        Self { gate: Gate(Arc::new(Semaphore::new(0))), state, aws, held: watch::Sender::default() }
    }

    /// Where streams pause.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Has a stream that pauses go on; if there is none, the next one.
    pub fn go_on(&self) {
        self.gate.open();
    }

    /// The keys that sign for Amazon.
    pub fn aws(&self) -> Option<&Credentials> {
        self.aws.as_ref()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an order, all of it or nothing.
    pub fn take(&self, order: Order) -> Result<(), BadFault> {
        let next = order.next.iter().map(|words| words.parse()).collect::<Result<Vec<Faults>, _>>()?;
        let always = order.always.map(|words| words.parse()).transpose()?;
        let mut state = self.lock();
        state.next.extend(next);
        state.always = always.or(state.always.take());
        state.key = order.key.or(state.key.take());
        Ok(())
    }

    /// Drops the script; the key stays.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.next.clear();
        state.always = None;
        state.mood = None;
        self.gate.close();
    }

    /// From now on each request that the script says nothing about has one of these by chance, as often as its weight says.
    pub fn mood(&self, chance: Chance, faults: &[(u64, &str)]) -> Result<(), BadFault> {
        let parse = |(weight, words): &(u64, &str)| Ok((*weight, words.parse()?));
        let faults = faults.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        self.lock().mood = Some(Mood { chance, faults });
        Ok(())
    }

    /// Whether answers wait from now on.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Waits until answers do not.
    pub async fn released(&self) {
        // The sender is here, so it cannot be gone.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }

    /// The faults of one request: the script's, or else those that come by chance, or those its model's name asks for.
    pub fn faults(&self, model: &str) -> Result<Faults, BadFault> {
        let mut state = self.lock();
        let scripted = state.next.pop_front().or_else(|| state.always.clone());
        let drawn = |mood: &mut Mood| mood.chance.weighted(&mood.faults).clone();
        match scripted.or_else(|| state.mood.as_mut().map(drawn)) {
            Some(faults) => Ok(faults),
            None => Faults::of_model(model),
        }
    }

    /// Whether a client's key is accepted.
    pub fn accepts(&self, key: &str) -> bool {
        self.lock().key.as_deref().map_or(!key.is_empty(), |expected| expected == key)
    }
}
