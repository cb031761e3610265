//! Tokens and money: estimates for requests, and their actual usage.

pub mod answers;
pub mod estimate;
pub mod price;
pub mod surcharge;
