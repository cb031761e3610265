//! Where a request goes: which targets may serve it, in what order, and when to leave one alone for a while.

pub mod cells;
pub mod retry_budget;
