//! The test's controls besides the model name: faults for the next requests, and the expected key.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tokio::sync::{Semaphore, watch};

use super::Credentials;
use super::fault::{BadFault, Faults};
use crate::chance::Chance;

/// The body of `POST /control`; absent fields change nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Faults for one request each, in order; `ok` is a plain answer. Added to the remaining script.
    #[serde(default)]
    pub next: Vec<String>,
    /// Faults for all requests after the script.
    pub always: Option<String>,
    /// The only accepted key.
    pub key: Option<String>,
}

/// A gate at which streams pause. Each opening lets one stream continue.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    fn open(&self) {
        self.0.add_permits(1);
    }

    fn close(&self) {
        self.0.forget_permits(usize::MAX);
    }

    /// Waits for an opening.
    pub async fn passed(&self) {
        // The semaphore is never closed.
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

/// The script, the accepted key, and whether answers are held.
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

/// Random faults.
#[derive(Debug)]
struct Mood {
    chance: Chance,
    faults: Vec<(u64, Faults)>,
}

impl Control {
    /// Accepts only this key, and only signatures by these credentials; `None` accepts any.
    pub fn new(key: Option<String>, aws: Option<Credentials>) -> Self {
        let state = Mutex::new(State { key, ..State::default() });
        Self { gate: Gate(Arc::new(Semaphore::new(0))), state, aws, held: watch::Sender::default() }
    }

    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Lets one paused stream continue, or else the next one that pauses.
    pub fn go_on(&self) {
        self.gate.open();
    }

    /// The AWS credentials that requests must be signed with.
    pub fn aws(&self) -> Option<&Credentials> {
        self.aws.as_ref()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies an order as a whole, or rejects it.
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

    /// From now on, each request without scripted faults gets one of these at random, by weight.
    pub fn mood(&self, chance: Chance, faults: &[(u64, &str)]) -> Result<(), BadFault> {
        let parse = |(weight, words): &(u64, &str)| Ok((*weight, words.parse()?));
        let faults = faults.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        self.lock().mood = Some(Mood { chance, faults });
        Ok(())
    }

    /// Holds answers, or releases them.
    pub fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Waits until answers are not held.
    pub async fn released(&self) {
        // `self` owns the sender, so the channel is open.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
    }

    /// The faults of one request: from the script, else random ones, else from the model name.
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
