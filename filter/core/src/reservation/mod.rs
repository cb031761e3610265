//! One request's share of limits and budgets.
//!
//! A [`Plan`] lists the debits of each of a request's candidates; [`crate::store`] grants one candidate. A [`Reservation`] holds the
//! reserved amounts until they are settled.

mod headers;
mod lifecycle;
mod plan;
mod refusal;
pub mod work;

pub use lifecycle::{AttemptUsage, BudgetStatus, Closing, Reservation, Warning};
pub use plan::{Candidate, Part, Plan};
pub use refusal::{LimitRefusal, NO_RETRY};
