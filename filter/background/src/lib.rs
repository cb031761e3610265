//! The background role: work that belongs to no request, once for each Envoy, on its main thread.
//!
//! Each task has at most one call in flight. A task that fails logs the first failure in a row and tries again in its next period.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use sluice_core::cache::sealer::Sealer;
use sluice_core::callout::{Call, Called};
use sluice_core::metrics::Background;
use sluice_core::pipeline::Effect;
use sluice_core::store::SharedData;
use sluice_wire::hex;
use sluice_wire::time::Time;

mod alerts;
mod counter_sync;
mod export;
pub mod otlp;
mod positions;
mod purges;

pub use alerts::Alerted;
use alerts::Alerts;
pub use counter_sync::CounterSync;
use export::MetricsExport;
use positions::Positions;
use purges::Purges;

/// The timeout of calls to a collector and to a webhook.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One kind of work.
pub trait BackgroundTask {
    /// The time between two ticks.
    fn period(&self) -> Duration;

    /// Starts the work of one period; returns its first call.
    fn tick(&self, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call>;

    /// Handles the reply to its call; returns the next one.
    fn on_reply(&self, called: &Called, now: Time, shared: &dyn SharedData, effects: &mut Vec<Effect>) -> Option<Call>;

    /// The call in flight will get no reply.
    fn forget_call(&self);

    /// Whether it works once more at a shutdown that waits for it.
    fn works_at_shutdown(&self) -> bool {
        false
    }
}

// Prints the name only: printing the contents would link formatting code for all that tasks hold, and nothing logs them.
impl fmt::Debug for dyn BackgroundTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackgroundTask")
    }
}

/// The tasks of a configuration. `seed` must be unique among all Envoys: 16 random bytes. `secret` is that of the shared cache, `alerted`
/// has the alerts under earlier configurations.
pub fn tasks(
    background: &Background,
    seed: [u8; 16],
    secret: Option<&[u8]>,
    alerted: Rc<Alerted>,
) -> Vec<Box<dyn BackgroundTask>> {
    let Background { redis, shared_cache, export, alerts, key_label } = background.clone();
    let mut tasks: Vec<Box<dyn BackgroundTask>> = Vec::new();
    if let Some(sync) = redis.clone().and_then(|redis| CounterSync::new(redis, seed)) {
        tasks.push(Box::new(sync));
    }
    if let Some(redis) = redis.clone().filter(|_| shared_cache) {
        tasks.push(Box::new(Purges::new(redis.clone())));
        if let Some(sealer) = secret.and_then(Sealer::new) {
            tasks.push(Box::new(Positions::new(redis, sealer)));
        }
    }
    if let Some(export) = export {
        tasks.push(Box::new(MetricsExport::new(export, hex::encoded(&seed), key_label)));
    }
    if let Some(endpoint) = alerts {
        tasks.push(Box::new(Alerts::new(endpoint, redis, alerted)));
    }
    tasks
}
