//! When the portions of an attempt's stream arrived, for the metrics.

use std::time::Duration;

use sluice_wire::time::Time;

use crate::metrics::instruments::attempt_output::PER_CHUNK;

/// The buckets of [`PER_CHUNK`].
const BUCKETS: usize = PER_CHUNK.bounds.len() + 1;

/// The arrival of portions.
#[derive(Debug, Default)]
pub struct ChunkTimes {
    /// When the first one arrived.
    pub first: Option<Time>,
    last: Time,
    /// Portions after the first, by the time since the one before.
    pub counts: [u64; BUCKETS],
    /// The sum of these times, in microseconds.
    pub sum: u64,
}

impl ChunkTimes {
    /// Records a portion.
    pub fn arrive(&mut self, now: Time) {
        if self.first.is_none() {
            self.first = Some(now);
        } else {
            let time = micros(now.since(self.last));
            let bucket = PER_CHUNK.bounds.partition_point(|bound| *bound < time);
            if let Some(count) = self.counts.get_mut(bucket) {
                *count = count.saturating_add(1);
            }
            self.sum = self.sum.saturating_add(time);
        }
        self.last = now;
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
