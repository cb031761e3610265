//! A configuration of the filter, from the moment that Envoy gives it to us until Envoy gives it up.
//!
//! Envoy makes it on its main thread, which compiles it once to know that it is good; each worker compiles it again for itself when
//! it is given the first stream under it (see [`root`](crate::root)).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sluice_admin::plugin::Plugin;
use sluice_config::plugin::Reload;
use sluice_core::exchange::metric;
use sluice_shell::{Failed, silence};
use sluice_wire::calendar;

use crate::abi;
use crate::calls;
use crate::domain::Domain;
use crate::main_thread;

/// One configuration.
pub struct Config {
    /// Which one it is: no other has the same.
    pub number: u64,
    /// Of which gateway.
    pub domain: &'static Domain,
    /// As Envoy handed it over.
    pub json: Vec<u8>,
    /// How often a worker looks for streams that have fallen silent; only the gateway role says it.
    pub period: Option<Duration>,
    /// Envoy has not given it up.
    in_use: AtomicBool,
}

/// Randomness fit for secrets.
pub fn random() -> Result<[u8; 16], Failed> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Failed)?;
    Ok(bytes)
}

impl Config {
    /// Checks it. What is wrong with it is logged.
    pub fn new(envoy: *mut abi::Config, name: &str, json: &[u8]) -> Option<Arc<Self>> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        if !main_thread::is_served() && !calls::only_validates() {
            log::error!("configuration refused: Envoy was started without the filter's bootstrap extension");
            return None;
        }
        let plugin = Plugin::from_json(json).map_err(|mistakes| {
            for mistake in mistakes {
                log::error!("configuration refused: {mistake}");
            }
        });
        let (period, redis) = match plugin.ok()? {
            Plugin::Gateway { gateway, reload } => {
                let told = calls::define_counters(envoy)
                    .and_then(|()| reload.iter().try_for_each(|reload| tell(envoy, reload)));
                if told.is_err() {
                    log::error!("Envoy refused: metrics");
                    return None;
                }
                (Some(silence::period(&gateway)), gateway.redis.clone())
            }
            Plugin::Admin(_) if calls::define_counters(envoy).is_err() => {
                log::error!("Envoy refused: metrics");
                return None;
            }
            Plugin::Provider | Plugin::Admin(_) => (None, None),
            Plugin::Keeper(_) => {
                log::error!("configuration refused: a native gateway exchanges its counts by itself");
                return None;
            }
        };
        let domain = Domain::of(name);
        if let Some(redis) = redis {
            domain.tells(redis);
        }
        Some(Arc::new(Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            domain,
            json: json.to_vec(),
            period,
            in_use: AtomicBool::new(true),
        }))
    }

    /// Whether Envoy has not given it up.
    pub fn is_in_use(&self) -> bool {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Envoy has given it up, on any of its threads.
    pub fn ends(&self) {
        self.in_use.store(false, Ordering::Relaxed);
    }
}

/// Lets the metrics tell which gateway file is in force.
fn tell(envoy: *mut abi::Config, reload: &Reload) -> Result<(), Failed> {
    let applied_at = calendar::rfc3339(&reload.applied_at).unwrap_or_default();
    calls::define_gauges(envoy)?;
    calls::set_gauge(envoy, metric::RELOAD_SUCCESSFUL, u64::from(reload.refused.is_none()))?;
    calls::set_gauge(envoy, metric::RELOAD_TIME, applied_at)
}
