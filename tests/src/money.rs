//! Costs, as a reader of the price list would work them out.

use crate::simulator::{Recorded, Usage};

/// US dollars for a million tokens. Odd ones, so that every cost is rounded.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    /// Of a prompt.
    pub input: f64,
    /// Of an answer.
    pub output: f64,
}

impl Price {
    /// Micro-dollars for one answer, rounded up once.
    pub fn cost(self, used: &Usage) -> u64 {
        assert_eq!((used.cached, used.cache_written), (0, 0), "nothing here is cached");
        // A dollar for a million tokens is a million picodollars for one.
        let pico = |dollars: f64| (dollars * 1e6).round() as u64;
        (used.input * pico(self.input) + used.output * pico(self.output)).div_ceil(1_000_000)
    }

    /// What answers cost, of which so many used the same.
    pub fn total(self, used: &[(Usage, u64)]) -> u64 {
        used.iter().map(|(used, count)| self.cost(used) * count).sum()
    }

    /// What all these answers cost.
    pub fn sum(self, requests: &[Recorded]) -> u64 {
        requests.iter().filter_map(|request| request.used).map(|used| self.cost(&used)).sum()
    }
}

/// `$0.001234` in micro-dollars.
///
/// # Panics
/// When it is no money.
pub fn micro(dollars: &str) -> u64 {
    let (whole, decimals) = dollars.trim_start_matches('$').split_once('.').expect("a decimal point");
    format!("{whole}{decimals:0<6}").parse().unwrap_or_else(|_| panic!("{dollars} is no money"))
}
