//! Tokens and money: what a request will use by estimate, and what it used.

pub mod answers;
pub mod estimate;
pub mod price;
pub mod surcharge;
