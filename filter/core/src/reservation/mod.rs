//! The part of limits and budgets that one request takes.
//!
//! A [`Plan`] says what each of a request's candidates takes of each meter; [`crate::store`] grants one of them. A [`Reservation`]
//! holds what was reserved until it is settled.

mod headers;
mod held;
mod plan;
mod refusal;
pub mod work;

pub use held::{AttemptUsage, Closing, Reservation, Warning};
pub use plan::{Candidate, Part, Plan};
pub use refusal::{LimitRefusal, NO_RETRY};
