//! A target's tokens per second from the request to the end of the response, as one worker measured it.
//!
//! It estimates the length of a response that a client abandons before the provider has reported its usage: the gateway may have received
//! only a part of it. [`speed`](super::target_health::speed) would overestimate: it measures from the first token on, and a model may have
//! reasoned for a long time before it.

use std::cell::Cell;
use std::time::Duration;

/// The rate before the first measurement.
const DEFAULT: f64 = 100.0;

/// Shorter responses measure the latency, not the rate.
const FEWEST: u64 = 50;

/// The weight that earlier responses keep with each new one: about the last ten count.
const KEPT: f64 = 0.9;

/// Decaying sums over the last responses, so that long responses weigh more.
#[derive(Debug, Default)]
pub struct OutputRate(Cell<Sums>);

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    tokens: f64,
    seconds: f64,
}

impl OutputRate {
    /// Records a successful response with its tokens and duration.
    pub fn observe(&self, tokens: u64, took: Duration) {
        if tokens < FEWEST || took.is_zero() {
            return;
        }
        let Sums { tokens: before, seconds } = self.0.get();
        self.0.set(Sums { tokens: before * KEPT + tokens as f64, seconds: seconds * KEPT + took.as_secs_f64() });
    }

    /// The estimated tokens of a response whose request was sent this long ago.
    pub fn produced(&self, since: Duration) -> u64 {
        let Sums { tokens, seconds } = self.0.get();
        let rate = if seconds > 0.0 { tokens / seconds } else { DEFAULT };
        // The cast saturates: a float out of range becomes the largest number.
        (rate * since.as_secs_f64()).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_last_answers_say_how_many_tokens_a_second_makes() {
        let output_rate = OutputRate::default();
        assert_eq!(output_rate.produced(seconds(3)), 300, "nothing is known");
        output_rate.observe(FEWEST - 1, seconds(60));
        output_rate.observe(1_000, Duration::ZERO);
        assert_eq!(output_rate.produced(seconds(3)), 300, "still nothing");
        output_rate.observe(500, seconds(10));
        assert_eq!(output_rate.produced(seconds(3)), 150);
        for _ in 0..100 {
            output_rate.observe(2_000, seconds(10));
        }
        assert_eq!(output_rate.produced(seconds(3)), 600, "what was before is forgotten");
        assert_eq!(output_rate.produced(Duration::ZERO), 0);
        assert!(output_rate.produced(Duration::MAX) > 1 << 62, "no overflow");
    }

    #[test]
    fn short_answers_hardly_change_what_long_ones_showed() {
        let output_rate = OutputRate::default();
        output_rate.observe(10_000, seconds(100));
        for _ in 0..3 {
            output_rate.observe(50, seconds(2));
        }
        assert!((80..100).contains(&output_rate.produced(seconds(1))), "{}", output_rate.produced(seconds(1)));
    }
}
