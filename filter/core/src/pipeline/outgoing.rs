//! Calls of a worker that no request waits for, such as those with spans.

use std::fmt;

use sluice_wire::time::Time;

use crate::callout::{Call, Called};

use super::Effect;

/// A queue whose calls the worker's tick sends, one at a time. Natively, Envoy's main thread sends them.
pub trait Outgoing: fmt::Debug + Send + Sync {
    /// The next call, if one is due and none is in flight.
    fn flush(&self, now: Time) -> Option<Call>;

    /// Handles the reply to a call. Returns the next one, if it is due at once.
    fn on_reply(&self, called: &Called, now: Time, effects: &mut Vec<Effect>) -> Option<Call>;

    /// The call in flight will get no reply.
    fn forget_call(&self);
}
