//! A warning that every request may cause, and that is logged at most once a minute.

use std::cell::Cell;
use std::time::Duration;

use sluice_wire::time::Time;

use super::Effect;

/// The least time between two of them.
const BETWEEN: Duration = Duration::from_secs(60);

/// Whether one is logged now.
#[derive(Debug, Default)]
pub struct RareWarning {
    /// None is logged before this time.
    until: Cell<Time>,
}

impl RareWarning {
    /// Logs the warning, unless one has been logged within the last minute.
    pub fn push(&self, text: String, now: Time, effects: &mut Vec<Effect>) {
        if !self.until.get().is_ahead(now, BETWEEN) {
            self.until.set(now.after(BETWEEN));
            effects.push(Effect::Warn(text));
        }
    }
}
