//! What all configurations of one gateway count and keep together in this process: the memory that its workers share, and the
//! settlements that Redis has not confirmed.
//!
//! A gateway is known by a name, which is the filter's in Envoy's configuration. What is kept lives as long as the process: a changed
//! gateway file is a new configuration of the same gateway.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_core::exchange::remote::Outbox;
use sluice_core::store::redis::settings::Redis;
use sluice_core::store::{Conflict, SharedData};

use crate::calls;

/// One gateway in this process.
pub struct Domain {
    name: String,
    shared: Shared,
    /// Of the Redis that the process was started with; another one needs a restart.
    pub outbox: Arc<Outbox>,
    /// How its Redis is spoken to, if it has one.
    redis: Mutex<Option<Redis>>,
}

static ALL: Mutex<Vec<&'static Domain>> = Mutex::new(Vec::new());

/// Locks, whatever a thread that panicked has left: each value is whole at every moment.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Domain {
    /// The gateway of this name. To be asked on Envoy's main thread.
    pub fn of(name: &str) -> &'static Self {
        let mut all = lock(&ALL);
        if let Some(domain) = all.iter().find(|domain| domain.name == name) {
            return domain;
        }
        let domain = Box::leak(Box::new(Self {
            name: name.to_owned(),
            shared: Shared::default(),
            outbox: Arc::new(Outbox::of_workers(calls::workers())),
            redis: Mutex::default(),
        }));
        all.push(domain);
        domain
    }

    /// The memory that the workers share.
    pub fn shared(&self) -> &dyn SharedData {
        &self.shared
    }

    /// It has this Redis to tell of settlements, and in relaxed mode of its counts.
    pub fn tells(&self, redis: Redis) {
        *lock(&self.redis) = Some(redis);
    }

    /// All gateways that have a Redis, and how it is spoken to.
    pub fn with_redis() -> Vec<(&'static Self, Redis)> {
        lock(&ALL).iter().filter_map(|domain| Some((*domain, lock(&domain.redis).clone()?))).collect()
    }
}

/// As many maps as workers hardly ever want at the same time.
const SHARDS: usize = 64;

/// Envoy's shared data, as wasm modules have it.
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
                value.bytes.extend_from_slice(bytes);
            }
            Some(_) => return Err(Conflict),
            // Of a name that does not exist yet, the version is not looked at.
            None => {
                shard.insert(name.into(), Value { bytes: bytes.to_vec(), version: 1 });
            }
        }
        Ok(())
    }
}
