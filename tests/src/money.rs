//! Computes expected costs from a price list.

use crate::simulator::{Recorded, Usage};

/// Prices in US dollars per million tokens. The tests use odd prices, so that every cost is rounded.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    /// The price of the prompt.
    pub input: f64,
    /// The price of the answer.
    pub output: f64,
}

impl Price {
    /// The cost of one answer in micro-dollars, rounded up once.
    pub fn cost(self, used: &Usage) -> u64 {
        assert_eq!((used.cached, used.cache_written), (0, 0), "nothing here is cached");
        // One dollar per million tokens is one million picodollars per token.
        let pico = |dollars: f64| (dollars * 1e6).round() as u64;
        (used.input * pico(self.input) + used.output * pico(self.output)).div_ceil(1_000_000)
    }

    /// The total cost of answers, given as usages and their counts.
    pub fn total(self, used: &[(Usage, u64)]) -> u64 {
        used.iter().map(|(used, count)| self.cost(used) * count).sum()
    }

    /// The total cost of all recorded answers.
    pub fn sum(self, requests: &[Recorded]) -> u64 {
        requests.iter().filter_map(|request| request.used).map(|used| self.cost(&used)).sum()
    }
}

/// Parses `$0.001234` into micro-dollars.
///
/// # Panics
/// If the text is not an amount.
pub fn micro(dollars: &str) -> u64 {
    let (whole, decimals) = dollars.trim_start_matches('$').split_once('.').expect("a decimal point");
    format!("{whole}{decimals:0<6}").parse().unwrap_or_else(|_| panic!("{dollars} is no money"))
}
