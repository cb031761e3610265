//! State that all configurations of one gateway share in this process: the workers' shared memory, and the settlements that Redis has not
//! confirmed.
//!
//! The filter's name in Envoy's configuration identifies the gateway. The state lives as long as the process: a changed gateway file is a
//! new configuration of the same gateway.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_core::metrics::Background;
use sluice_core::metrics::Recorder;
use sluice_core::pipeline::outgoing::Outgoing;
use sluice_core::pipeline::redis_client::Outbox;
use sluice_core::pipeline::worker::Worker;
use sluice_core::store::{Conflict, SharedData};

use sluice_wire::time::Time;

use crate::calls;

/// One gateway in this process.
pub struct Domain {
    name: String,
    shared: Shared,
    /// The settlements that its Redis has not confirmed. To use another Redis, Envoy must restart.
    pub outbox: Arc<Outbox>,
    /// The new metrics of the main thread, and the gauges of the newest configuration.
    pub main: Recorder,
    /// The new metrics of each worker.
    recorders: Mutex<Vec<Arc<Recorder>>>,
    /// Each worker's queues of calls that no request waits for.
    outgoing: Mutex<Vec<Arc<dyn Outgoing>>>,
    /// The work that belongs to no request.
    background: Mutex<Option<Background>>,
}

static ALL: Mutex<Vec<&'static Domain>> = Mutex::new(Vec::new());

/// Locks a mutex, even a poisoned one: these values are never left half-written.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Domain {
    /// The gateway of this name. Only on Envoy's main thread.
    pub fn of(name: &str) -> &'static Self {
        let mut all = lock(&ALL);
        if let Some(domain) = all.iter().find(|domain| domain.name == name) {
            return domain;
        }
        let domain = Box::leak(Box::new(Self {
            name: name.to_owned(),
            shared: Shared::default(),
            outbox: Arc::new(Outbox::of_workers(calls::workers())),
            main: Recorder::new("main".to_owned()),
            recorders: Mutex::default(),
            outgoing: Mutex::default(),
            background: Mutex::default(),
        }));
        all.push(domain);
        domain
    }

    /// The memory that the workers share.
    pub fn shared(&self) -> &dyn SharedData {
        &self.shared
    }

    /// Sets the work that belongs to no request.
    pub fn works_for(&self, background: Background) {
        *lock(&self.background) = Some(background);
    }

    /// Adds a worker's metrics and outgoing calls.
    pub fn enrols(&self, worker: &Worker) {
        lock(&self.recorders).push(worker.recorder().clone());
        lock(&self.outgoing).extend(worker.outgoing());
    }

    /// The outgoing calls of all workers of all gateways.
    pub fn outgoing() -> Vec<(&'static Self, Arc<dyn Outgoing>)> {
        let of = |domain: &'static Self| lock(&domain.outgoing).clone().into_iter().map(move |queue| (domain, queue));
        lock(&ALL).iter().copied().flat_map(of).collect()
    }

    /// Adds the new metrics of all threads of all gateways to the shared memory, at most once a second.
    pub fn tick(now: Time) {
        for domain in &*lock(&ALL) {
            // The outbox is common to all workers.
            domain.main.tick(domain.outbox.waiting(), domain.shared(), now);
            lock(&domain.recorders).iter().for_each(|recorder| recorder.tick(0, domain.shared(), now));
        }
    }

    /// The same at once.
    pub fn flush(now: Time) {
        for domain in &*lock(&ALL) {
            domain.main.flush(domain.outbox.waiting(), domain.shared(), now);
            lock(&domain.recorders).iter().for_each(|recorder| recorder.flush(0, domain.shared(), now));
        }
    }

    /// Whether any gateway has a request in flight.
    pub fn has_requests() -> bool {
        let busy = |domain: &&Self| lock(&domain.recorders).iter().any(|recorder| recorder.has_requests());
        lock(&ALL).iter().any(busy)
    }

    /// All gateways with such work.
    pub fn with_background() -> Vec<(&'static Self, Background)> {
        lock(&ALL).iter().filter_map(|domain| Some((*domain, lock(&domain.background).clone()?))).collect()
    }
}

/// The number of maps: with this many, two workers rarely wait for the same one.
const SHARDS: usize = 64;

/// A counterpart of the shared data that Envoy offers to wasm modules.
struct Shared {
    hasher: RandomState,
    shards: [Mutex<HashMap<Box<str>, Value>>; SHARDS],
}

struct Value {
    bytes: Vec<u8>,
    version: u32,
}

impl Default for Shared {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Shared {
    fn shard(&self, name: &str) -> Option<MutexGuard<'_, HashMap<Box<str>, Value>>> {
        let number = self.hasher.hash_one(name) % SHARDS as u64;
        self.shards.get(usize::try_from(number).ok()?).map(lock)
    }
}

impl SharedData for Shared {
    fn read(&self, name: &str) -> Option<(Vec<u8>, u32)> {
        let shard = self.shard(name)?;
        shard.get(name).map(|value| (value.bytes.clone(), value.version))
    }

    fn write(&self, name: &str, bytes: &[u8], version: u32) -> Result<(), Conflict> {
        let mut shard = self.shard(name).ok_or(Conflict)?;
        match shard.get_mut(name) {
            Some(value) if version == 0 || value.version == version => {
                value.version = value.version.checked_add(1).unwrap_or(1);
                value.bytes.clear();
                // An emptied value, and a smaller one, give their memory back.
                value.bytes.shrink_to(bytes.len());
                value.bytes.extend_from_slice(bytes);
            }
            Some(_) => return Err(Conflict),
            // Like Envoy, this ignores the version for a name that does not exist yet.
            None => {
                shard.insert(name.into(), Value { bytes: bytes.to_vec(), version: 1 });
            }
        }
        Ok(())
    }
}
