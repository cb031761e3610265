//! Tokens and money: what a request will use by estimate, and what it used.

pub mod estimate;
mod literals;
pub mod price;
