//! A filter configuration. It lives from Envoy's `config_new` to its `config_destroy`.
//!
//! The main thread compiles the configuration once, to reject an invalid one and to report its metrics. Each worker compiles it again for
//! its first stream (see [`root`](crate::root)).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sluice_admin::plugin::Plugin;
use sluice_config::plugin::Reload;
use sluice_core::pipeline::{gauges, metric};
use sluice_shell::{Failed, idle_timeout};
use sluice_wire::calendar;

use crate::abi;
use crate::calls;
use crate::domain::Domain;
use crate::main_thread;

pub struct Config {
    /// A unique number.
    pub number: u64,
    /// The gateway that it configures.
    pub domain: &'static Domain,
    /// The JSON as received from Envoy.
    pub json: Vec<u8>,
    /// The period of the worker's ticks; only with the gateway role.
    pub period: Option<Duration>,
    /// Whether Envoy has not destroyed it.
    in_use: AtomicBool,
}

/// Cryptographic randomness.
pub fn random() -> Result<[u8; 16], Failed> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Failed)?;
    Ok(bytes)
}

impl Config {
    /// Validates a configuration and logs its mistakes.
    pub fn new(envoy: *mut abi::Config, name: &str, json: &[u8]) -> Option<Arc<Self>> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        if !main_thread::is_served() && !calls::only_validates() {
            log::error!("configuration rejected: Envoy was started without the filter's bootstrap extension");
            return None;
        }
        let plugin = Plugin::from_json(json).map_err(|diagnostics| {
            for diagnostic in diagnostics {
                log::error!("configuration rejected: {diagnostic}");
            }
        });
        let (plugin, domain) = (plugin.ok()?, Domain::of(name));
        let period = match plugin {
            Plugin::Gateway { gateway, reload } => {
                let told = calls::define_counters(envoy)
                    .and_then(|()| reload.iter().try_for_each(|reload| set_reload_metrics(envoy, reload)));
                if told.is_err() {
                    log::error!("Envoy rejected the filter's metrics");
                    return None;
                }
                if gateway.shuts_down {
                    main_thread::end_requests();
                }
                gauges::report(&gateway, &domain.main);
                domain.works_for(gateway.background());
                Some(idle_timeout::period(&gateway))
            }
            Plugin::Admin(_) if calls::define_counters(envoy).is_err() => {
                log::error!("Envoy rejected the filter's metrics");
                return None;
            }
            Plugin::Provider | Plugin::Admin(_) => None,
            Plugin::Background(_) => {
                log::error!("configuration rejected: a native gateway does its background work by itself");
                return None;
            }
        };
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

    /// Marks it as destroyed by Envoy. Any thread may call this.
    pub fn ends(&self) {
        self.in_use.store(false, Ordering::Relaxed);
    }
}

/// Sets the metrics about the active gateway file.
fn set_reload_metrics(envoy: *mut abi::Config, reload: &Reload) -> Result<(), Failed> {
    let applied_at = calendar::rfc3339(&reload.applied_at).unwrap_or_default();
    calls::define_gauges(envoy)?;
    calls::set_gauge(envoy, metric::RELOAD_SUCCESSFUL, u64::from(reload.refused.is_none()))?;
    calls::set_gauge(envoy, metric::RELOAD_TIME, applied_at)
}
