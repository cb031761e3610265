//! A filter configuration. It lives from Envoy's `config_new` to its `config_destroy`.
//!
//! The main thread compiles the configuration once, to reject a wrong one. Each worker compiles it again for its first stream
//! (see [`root`](crate::root)).

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
    /// A number that no other configuration has.
    pub number: u64,
    /// The gateway that it configures.
    pub domain: &'static Domain,
    /// As Envoy handed it over.
    pub json: Vec<u8>,
    /// How often a worker looks for streams that have fallen silent; only the gateway role says it.
    pub period: Option<Duration>,
    /// Envoy has not destroyed it.
    in_use: AtomicBool,
}

/// Randomness fit for secrets.
pub fn random() -> Result<[u8; 16], Failed> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Failed)?;
    Ok(bytes)
}

impl Config {
    /// Checks a configuration, and logs its mistakes.
    pub fn new(envoy: *mut abi::Config, name: &str, json: &[u8]) -> Option<Arc<Self>> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        if !main_thread::is_served() && !calls::only_validates() {
            log::error!("configuration rejected: Envoy was started without the filter's bootstrap extension");
            return None;
        }
        let plugin = Plugin::from_json(json).map_err(|mistakes| {
            for mistake in mistakes {
                log::error!("configuration rejected: {mistake}");
            }
        });
        let (period, redis) = match plugin.ok()? {
            Plugin::Gateway { gateway, reload } => {
                let told = calls::define_counters(envoy)
                    .and_then(|()| reload.iter().try_for_each(|reload| tell(envoy, reload)));
                if told.is_err() {
                    log::error!("Envoy rejected the filter's metrics");
                    return None;
                }
                (Some(silence::period(&gateway)), gateway.redis.clone())
            }
            Plugin::Admin(_) if calls::define_counters(envoy).is_err() => {
                log::error!("Envoy rejected the filter's metrics");
                return None;
            }
            Plugin::Provider | Plugin::Admin(_) => (None, None),
            Plugin::Keeper(_) => {
                log::error!("configuration rejected: a native gateway synchronizes its counters by itself");
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

    /// Whether Envoy has not destroyed it.
    pub fn is_in_use(&self) -> bool {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Envoy destroys it. Any thread may call this.
    pub fn ends(&self) {
        self.in_use.store(false, Ordering::Relaxed);
    }
}

/// Sets the metrics that say which gateway file is in force.
fn tell(envoy: *mut abi::Config, reload: &Reload) -> Result<(), Failed> {
    let applied_at = calendar::rfc3339(&reload.applied_at).unwrap_or_default();
    calls::define_gauges(envoy)?;
    calls::set_gauge(envoy, metric::RELOAD_SUCCESSFUL, u64::from(reload.refused.is_none()))?;
    calls::set_gauge(envoy, metric::RELOAD_TIME, applied_at)
}
